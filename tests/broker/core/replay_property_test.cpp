// Random lives of a broker, by seed: many clients do what clients do, time passes, segments are
// sealed and forgotten. At every step the broker that the records give must know what the living one
// knows. A failure prints its seed.
#include "../scenarios/story.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace baton::broker::core {
namespace {

class RandomLife {
public:
    explicit RandomLife(std::uint64_t seed) : random_(seed) {}

    std::string line() {
        const std::string on = fmt::format(" ch={}.{}", pick(1, 3), pick(1, 2));
        const std::string q = queue();
        switch (pick(0, 36)) {
        case 0:
        case 1: return "queue " + q + arguments() + on;
        case 2: return fmt::format("bind {} {} k{}{}", q, exchange(), pick(0, 2), on);
        case 3: return fmt::format("unbind {} {} k{}{}", q, exchange(), pick(0, 2), on);
        case 4: return fmt::format("exchange {} {} {}{}", exchange(), type(),
                                   pick(0, 1) ? "durable" : "auto-delete", on);
        case 5: return pick(0, 4) == 0 ? "delete-exchange " + exchange() + on : "wait 0.1";
        case 6: return pick(0, 4) == 0 ? "delete-queue " + q + on : "wait 0.05";
        case 7: return pick(0, 2) == 0 ? "purge " + q + on : "wait 1";
        case 8: return fmt::format("consume {} tag=t{}{}{}", q, pick(0, 2),
                                   pick(0, 2) == 0 ? " no-ack" : "", on);
        case 9: return fmt::format("cancel t{}{}", pick(0, 2), on);
        case 10: return "get " + q + (pick(0, 1) ? " no-ack" : "") + on;
        case 11:
        case 12: return fmt::format("ack {}{}{}", pick(1, 20), pick(0, 1) ? " multiple" : "", on);
        case 13: return fmt::format("nack {}{}{}{}", pick(0, 20), pick(0, 1) ? " multiple" : "",
                                    pick(0, 1) ? " drop" : "", on);
        case 14: return pick(0, 3) == 0 ? "recover" + on : "close-ok" + on;
        case 15: return pick(0, 2) == 0 ? "tx-select" + on : "close-ok" + on;
        case 16: return pick(0, 1) == 0 ? "tx-commit" + on : "close" + on;
        case 17: return pick(0, 3) == 0 ? fmt::format("lost ch={}", pick(1, 3)) : "wait 0.01";
        case 18: return fmt::format("qos {}{}", pick(0, 3), on);
        case 19: return pick(0, 3) == 0 ? "seal" : "close-ok" + on;
        case 21: return "exchange later x-delayed-message durable x-delayed-type=fanout" + on;
        case 22: return fmt::format("bind {} later _{}", q, on);
        case 23: return fmt::format("publish exchange=later key=k persistent x-delay={} \"d\"{}",
                                    pick(0, 3000), on);
        case 20: return fmt::format("publish exchange={} key=k{} persistent mandatory \"e\"{}",
                                    exchange(), pick(0, 2), on);
        case 24: return policy();
        case 25: return fmt::format("remove-policy p{}{}", pick(0, 2), pick(0, 2) ? "" : " operator");
        case 26:
            return pick(0, 3) == 0 ? fmt::format("limit-vhost / queues={}", pick(2, 9))
                                   : "limit-vhost /";
        case 27:
            return pick(0, 3) == 0 ? fmt::format("limit-user guest channels={}", pick(3, 7))
                                   : "limit-user guest";
        case 28: return pick(0, 5) == 0 ? "admin delete-queue " + q + " if-unused" : "admin purge " + q;
        case 29: return "admin queue " + q + " x-max-length=4";
        default:
            return fmt::format("publish key={}{}{} times={} \"m{}\"{}", q,
                               pick(0, 3) ? " persistent" : "",
                               pick(0, 5) == 0 ? fmt::format(" ttl={}", pick(0, 2000)) : "",
                               pick(1, 5), count_++, on);
        }
    }

    std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
        return low + random_.below(high - low + 1);
    }

private:
    std::string queue() { return fmt::format("q{}", pick(0, 4)); }
    std::string exchange() { return fmt::format("x{}", pick(0, 2)); }
    std::string type() { return pick(0, 1) ? "topic" : "fanout"; }

    std::string policy() {
        const std::string name = fmt::format("put-policy p{} ^[qx]{} priority={}", pick(0, 2),
                                             pick(0, 1) ? "" : fmt::format("[{}-4]", pick(0, 4)),
                                             pick(0, 3));
        switch (pick(0, 8)) {
        case 0: return name + fmt::format(" max-length={}", pick(0, 6));
        case 1: return name + " max-length=2 overflow=reject-publish";
        case 2: return name + " dead-letter-exchange=x2 message-ttl=300";
        case 3: return name + " alternate-exchange=x1 apply-to=exchanges";
        case 4: return name + " expires=700";
        case 5: return name + " delivery-limit=1 apply-to=quorum_queues";
        case 6: return name + " max-length-bytes=9 dead-letter-exchange= dead-letter-routing-key=q1";
        case 7: return name + fmt::format(" operator max-length={}", pick(1, 5));
        default: return name + " operator message-ttl=800 expires=1500";
        }
    }

    // By name, so that declaring again mostly agrees.
    std::string arguments() {
        switch (pick(0, 11)) {
        case 0: return " durable x-message-ttl=500 x-dead-letter-exchange= "
                       "x-dead-letter-routing-key=q0";
        case 1: return " durable x-max-length=3 x-dead-letter-exchange=x1";
        case 2: return " durable x-max-priority=3";
        case 3: return " durable x-queue-type=quorum x-delivery-limit=2 x-dead-letter-exchange=x0";
        case 4: return " auto-delete";
        case 5: return " durable auto-delete x-expires=900";
        case 6: return " exclusive";
        case 7: return " durable x-consumer-timeout=200 x-max-length=5";
        case 9: return " durable x-queue-type=quorum x-overflow=reject-publish x-max-length=4 "
                       "x-dead-letter-strategy=at-least-once x-dead-letter-exchange=x0";
        case 8: return " durable x-single-active-consumer=true";
        default: return " durable";
        }
    }

    Random random_;
    int count_ = 0;
};

// What a queue should have after a restart: its persistent messages, ready or delivered.
std::map<QueueId, std::uint64_t> messages_in(const Broker& broker) {
    std::map<QueueId, std::uint64_t> counts;
    for (const Record& record : broker.snapshot([](RecordNumber) { return MessageRef(); }))
        if (const auto* stored = std::get_if<MessageStored>(&record)) {
            ++counts[stored->first.queue];
            for (const Place& place : stored->others) ++counts[place.queue];
        }
    return counts;
}

// What holds for every durable thing, by policy.
std::string policies_in(const Broker& broker) {
    std::string text;
    const auto add = [&](const auto& view) {
        if (!view.durable) return;
        text += fmt::format("{}: {} {} {}\n", view.name, view.policy.name,
                            view.policy.operator_name, amqp::to_text(view.policy.definition));
    };
    const Overview overview = broker.overview();
    for (const QueueView& queue : overview.queues)
        if (!queue.exclusive) add(queue);
    for (const ExchangeView& exchange : overview.exchanges) add(exchange);
    return text;
}

class Replay : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Replay, GivesTheLivingState) {
    RandomLife life(GetParam());
    // Every other life has so little memory that most messages are on the disk.
    Options options;
    if (GetParam() % 2 == 0) {
        options.page_above = life.pick(0, 500);
        options.page_all_above = options.page_above + life.pick(0, 500);
        options.window_entries = life.pick(1, 4);
        options.block_entries = life.pick(1, 4);
        options.block_bytes = life.pick(1, 10);
    }
    Story story(options);
    for (int turn = 0; turn < 120; ++turn) {
        story.hold_loads(life.pick(0, 1) == 0);
        if (life.pick(0, 2) == 0) story.bring_loads();
        for (auto events = life.pick(1, 4); events != 0; --events) story.tell(life.line());
        story.finish();
        if (turn % 8 != 0) continue;

        const auto recovered = story.recovered();

        ASSERT_EQ(story.durable_state(story.broker()), story.durable_state(*recovered))
            << "seed " << GetParam() << ", turn " << turn;
        ASSERT_EQ(policies_in(story.broker()), policies_in(*recovered))
            << "seed " << GetParam() << ", turn " << turn;
        const auto counts = messages_in(*recovered);
        for (const QueueView& queue : recovered->overview().queues) {
            const auto count = counts.find(queue.id);
            ASSERT_EQ(queue.ready, count == counts.end() ? 0 : count->second) << queue.name;
        }
    }
    story.hold_loads(false);
    // Everybody leaves: nothing may be left that nobody holds.
    for (int connection = 1; connection <= 3; ++connection)
        story.tell(fmt::format("lost ch={}", connection));
    story.tell("limit-user guest");
    story.tell("limit-vhost /");
    story.finish();
    std::uint64_t unacked = 0;
    for (const QueueView& queue : story.broker().overview().queues) unacked += queue.unacked;
    EXPECT_EQ(unacked, 0U);
    const auto purge_all = [&] {
        for (const QueueView& queue : story.broker().overview().queues)
            if (queue.name != "amq.delayed.later") story.tell("purge " + queue.name + " ch=9");
        story.finish();
    };
    purge_all();
    story.tell("wait 10");
    story.finish();
    purge_all();
    // What is dead and finds no taker goes with its queue.
    for (const QueueView& queue : story.broker().overview().queues)
        if (queue.held != 0) story.tell("delete-queue " + queue.name + " ch=9");
    story.finish();
    EXPECT_EQ(story.broker().overview().totals.stored_bytes, 0U) << "seed " << GetParam();
    EXPECT_TRUE(messages_in(story.broker()).empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Replay, testing::Range<std::uint64_t>(1, 61));

} // namespace
} // namespace baton::broker::core
