// Random lives of streams, by seed: publishers, readers from anywhere, limits, crashes, so little
// memory that nearly everything is read from the journal, and a journal that gets rid of its old
// segments. Whatever happens, an offset always means the same message, and every reader sees all
// of them in order from where it began, but for those the limits took. A failure prints its seed.
#include "../scenarios/story.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace baton::broker::core {
namespace {

// Watches what a broker says.
class Witness {
public:
    void begin(const std::string& consumer, const std::string& stream) {
        readers_[consumer] = {stream, {}};
    }

    void see(const std::string& line) {
        const auto is = [&](std::string_view word) { return line.starts_with(word); };
        if (is("store ")) see_stored(line);
        if (is("remove ")) see_removed(line);
        if (is("deliver ") || is("durable => deliver ")) see_delivered(line);
    }

    std::uint64_t first(const std::string& stream) { return streams_[stream].removed; }
    std::uint64_t end(const std::string& stream) { return streams_[stream].bodies.size(); }
    // Where this reader would go on.
    std::uint64_t next(const std::string& consumer) { return readers_[consumer].next.value_or(0); }

private:
    struct Messages {
        std::vector<std::string> bodies; // by offset
        std::uint64_t removed = 0; // offsets below
    };
    struct Reader {
        std::string stream;
        std::optional<std::uint64_t> next;
    };

    static std::string body_in(const std::string& line) {
        const auto from = line.find('"') + 1;
        return line.substr(from, line.find('"', from) - from);
    }

    // store s0@5 until=…, s1@2 until=… "body" …
    void see_stored(const std::string& line) {
        const std::string places = line.substr(0, line.find('"'));
        for (auto at = places.find('@'); at != std::string::npos; at = places.find('@', at + 1)) {
            const auto from = places.rfind(' ', at) + 1;
            Messages& stream = streams_[places.substr(from, at - from)];
            const auto offset = std::stoull(places.substr(at + 1)) - 1;
            if (offset == stream.bodies.size()) stream.bodies.push_back(body_in(line));
            ASSERT_LT(offset, stream.bodies.size()) << line;
            EXPECT_EQ(stream.bodies[offset], body_in(line)) << "said again: " << line;
        }
    }

    // remove s0@1-4
    void see_removed(const std::string& line) {
        const auto at = line.find('@');
        Messages& stream = streams_[line.substr(7, at - 7)];
        EXPECT_EQ(std::stoull(line.substr(at + 1)) - 1, stream.removed) << line;
        const auto dash = line.find('-', at);
        stream.removed = std::stoull(line.substr((dash == std::string::npos ? at : dash) + 1));
        EXPECT_LT(stream.removed, stream.bodies.size()) << "the newest stays";
    }

    // deliver ch=2.1 s0-7 tag=1 key=s0 "body" {headers={x-stream-offset=5}…
    void see_delivered(const std::string& line) {
        const auto from = line.find(' ', line.find("ch=")) + 1;
        Reader& reader = readers_.at(line.substr(from, line.find(' ', from) - from));
        const Messages& stream = streams_[reader.stream];
        const auto offset = std::stoull(line.substr(line.find("x-stream-offset=") + 16));
        ASSERT_LT(offset, stream.bodies.size()) << line;
        EXPECT_EQ(body_in(line), stream.bodies[offset]) << line;
        EXPECT_EQ(line.find("redelivered"), std::string::npos) << line;
        if (reader.next && offset != *reader.next) {
            EXPECT_GT(offset, *reader.next) << line;
            EXPECT_LE(offset, stream.removed) << "nobody took what is missing before " << line;
        }
        reader.next = offset + 1;
    }

    std::map<std::string, Messages> streams_;
    std::map<std::string, Reader> readers_;
};

class StreamLife {
public:
    explicit StreamLife(std::uint64_t seed) : random_(seed), story_(options()) {
        for (int stream = 0; stream < 3; ++stream)
            story_.tell(fmt::format("queue s{} durable x-queue-type=stream{}", stream,
                                    stream == 1 ? " x-max-length-bytes=40" : ""));
        story_.tell("exchange x fanout durable");
        story_.tell("bind s0 x _");
        story_.tell("bind s1 x _");
        finish();
    }

    void live(int turns) {
        for (int turn = 0; turn < turns; ++turn) {
            story_.hold_loads(pick(0, 1) == 0);
            if (pick(0, 2) == 0) story_.bring_loads();
            for (auto events = pick(1, 5); events != 0; --events) happen();
            finish();
            if (turn % 8 != 0) continue;
            const auto recovered = story_.recovered();
            ASSERT_EQ(story_.durable_state(story_.broker()), story_.durable_state(*recovered));
        }
    }

    // Somebody new reads everything there is.
    void check_everything_is_there() {
        story_.hold_loads(false);
        story_.bring_loads();
        for (int connection = 1; connection <= 3; ++connection)
            story_.tell(fmt::format("lost ch={}", connection));
        finish();
        for (int stream = 0; stream < 3; ++stream) {
            const std::string name = fmt::format("s{}", stream);
            story_.tell(fmt::format("qos 7 ch={}", 5 + stream));
            consume(name, "first", fmt::format(" ch={}", 5 + stream));
            const std::string reader = last_consumer_;
            finish();
            // Each acknowledgement asks for more.
            for (std::uint64_t acked = 0; witness_.next(reader) != witness_.end(name);) {
                const auto before = witness_.next(reader);
                const auto got = before - witness_.first(name);
                ASSERT_NE(acked, got) << "reading stopped at offset " << before;
                acked = got;
                story_.tell(fmt::format("ack {} multiple ch={}", acked, 5 + stream));
                story_.tell(fmt::format("written 1000000 ch={}", 5 + stream));
                finish();
            }
        }
        for (const QueueView& queue : story_.broker().overview().queues)
            EXPECT_EQ(queue.ready, witness_.end(queue.name) - witness_.first(queue.name));
    }

    void check_nothing_is_left() {
        for (int stream = 0; stream < 3; ++stream)
            story_.tell(fmt::format("delete-queue s{} ch=9", stream));
        finish();
        EXPECT_EQ(story_.broker().overview().totals.stored_bytes, 0U);
        EXPECT_EQ(story_.broker().overview().totals.unacked, 0U);
    }

private:
    Options options() {
        Options options;
        options.block_entries = pick(1, 6);
        options.block_bytes = pick(1, 20);
        options.stream_cache_bytes = cache_bytes_ = pick(0, 1500);
        options.outbox_bytes_max = pick(1, 3000);
        return options;
    }

    void happen() {
        const std::string on = fmt::format(" ch={}.{}", pick(1, 3), pick(1, 2));
        const std::string stream = fmt::format("s{}", pick(0, 2));
        switch (pick(0, 21)) {
        case 0:
        case 1: return consume(stream, offset(stream), on);
        case 2: return story_.tell(fmt::format("qos {}{}", pick(1, 4), on));
        case 3:
        case 4:
        case 5: return story_.tell(fmt::format("ack {} multiple{}", pick(1, 40), on));
        case 6: return story_.tell(fmt::format("nack 0 multiple{}", on));
        case 7: return story_.tell(fmt::format("written {}{}", pick(1, 5000), on));
        case 8: return story_.tell(fmt::format("wait 0.{}", pick(0, 9)));
        case 9: return story_.tell("close-ok" + on);
        case 10: return story_.tell(fmt::format("lost ch={}", pick(1, 3)));
        case 11: return pick(0, 2) == 0 ? story_.tell("seal") : story_.tell("wait 0.01");
        case 12: return pick(0, 5) == 0 ? crash() : story_.tell("close-ok" + on);
        case 13:
            return story_.tell(pick(0, 1) == 0 ? "put-policy p ^s2 max-age=1s"
                                               : "remove-policy p");
        case 14: return story_.tell(fmt::format("cancel {}{}", last_consumer_, on));
        case 15: return story_.tell(fmt::format("publish exchange=x key=k \"m{}\" times={}{}",
                                                count_++, pick(1, 3), on));
        case 16: return story_.tell("tx-select ch=4.1");
        case 17: return story_.tell(fmt::format("publish key={} \"t{}\" ch=4.1", stream, count_++));
        case 18: return story_.tell("tx-commit ch=4.1");
        default:
            return story_.tell(fmt::format("publish key={}{} \"m{}\"{}", stream,
                                           pick(0, 1) ? " persistent" : "", count_++, on));
        }
    }

    std::string offset(const std::string& stream) {
        switch (pick(0, 5)) {
        case 0: return "last";
        case 1: return "next";
        case 2: return fmt::format("{}", pick(0, witness_.end(stream)));
        case 3: return fmt::format("{}s", pick(1, 5));
        default: return "first";
        }
    }

    void consume(const std::string& stream, const std::string& offset, const std::string& on) {
        last_consumer_ = fmt::format("{}-{}", stream, consumers_++);
        witness_.begin(last_consumer_, stream);
        story_.tell(fmt::format("consume {} tag={} offset={}{}", stream, last_consumer_, offset, on));
    }

    void crash() {
        finish();
        story_.tell("restart");
    }

    void finish() {
        for (const std::string& line : story_.finish()) witness_.see(line);
        // However many read, and from wherever.
        EXPECT_LE(story_.broker().overview().totals.stored_bytes, cache_bytes_);
    }

    std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
        return low + random_.below(high - low + 1);
    }

    Random random_;
    std::uint64_t cache_bytes_ = 0;
    Story story_;
    Witness witness_;
    std::string last_consumer_;
    int consumers_ = 0;
    int count_ = 0;
};

class Streams : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Streams, ShowEverybodyTheSame) {
    SCOPED_TRACE(fmt::format("seed {}", GetParam()));
    StreamLife life(GetParam());

    life.live(100);
    if (HasFatalFailure()) return;

    life.check_everything_is_there();
    life.check_nothing_is_left();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Streams, testing::Range<std::uint64_t>(1, 16));

} // namespace
} // namespace baton::broker::core
