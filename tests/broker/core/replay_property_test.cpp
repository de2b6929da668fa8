// Random lives of a broker, by seed: many clients do what clients do, time passes, segments are
// sealed and forgotten. At every step the broker that the records give must know what the living one
// knows. A failure prints its seed.
#include "../scenarios/random_life.hpp"
#include "../scenarios/story.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace baton::broker::core {
namespace {

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
    Random random(GetParam());
    RandomLife life([&random](std::uint64_t bound) { return random.below(bound); });
    // Every other life has so little memory that most messages are on the disk.
    Options options;
    if (GetParam() % 2 == 0) {
        options.page_above = life.pick(0, 500);
        options.page_all_above = options.page_above + life.pick(0, 500);
        options.window_entries = life.pick(1, 4);
        options.block_entries = life.pick(1, 4);
        options.block_bytes = life.pick(1, 10);
    }
    // What is defined is said again in steps, with changes between them.
    options.repeats_per_turn_max = static_cast<std::uint32_t>(life.pick(1, 6));
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
            if (queue.name != "amq.delayed.later")
                story.tell((queue.type == "stream" ? "delete-queue " : "purge ") + queue.name +
                           " ch=9");
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
    story.tell("lost ch=9");
    EXPECT_EQ(story.broker().overview().totals.open_bytes, 0U) << "seed " << GetParam();
    EXPECT_EQ(story.broker().overview().totals.transaction_bytes, 0U) << "seed " << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Replay, testing::Range<std::uint64_t>(1, 61));

} // namespace
} // namespace baton::broker::core
