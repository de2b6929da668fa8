#include "broker/core/event.hpp"
#include "broker/journal/journal_thread.hpp"
#include "broker/journal/record_codec.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace baton::test {
namespace {

using broker::core::Record;
using broker::core::TurnNumber;
using namespace broker::journal;
namespace core = broker::core;

// What the thread said, as a list that can be waited for.
struct Said {
    enum class Kind { durable, sealed, full, space, lags, failed };
    Kind kind;
    std::uint64_t number = 0;
};

class ThreadStory {
public:
    explicit ThreadStory(SimDisk& disk, JournalOptions options = {}) {
        options.prepares_segments = false;
        RecoveryReport report;
        auto opened = Journal::open(
            disk, options,
            [this](const RecordView& view) -> Outcome<void> {
                auto record = decode_record(view.type, view.payload);
                EXPECT_TRUE(record);
                recovered.push_back(std::get<core::VhostPut>(*record).name);
                return {};
            },
            report);
        EXPECT_TRUE(opened) << opened.error().detail;
        next_record = (*opened)->next_record();
        using enum Said::Kind;
        thread = std::make_unique<JournalThread>(
            std::move(*opened), *Pages::open(pages_disk), disk,
            JournalListener{
                .durable_up_to = [this](TurnNumber turn) { said_.put({durable, turn}); },
                .segment_sealed =
                    [this](const SealedSegment& segment) {
                        said_.put({sealed, segment.last_record});
                    },
                .loaded =
                    [this](core::BlockId block, std::vector<core::MessageRef> recorded,
                           std::vector<core::MessageRef> paged) {
                        loads.put({block, std::move(recorded), std::move(paged)});
                    },
                .disk_full = [this](bool is_full) { said_.put({is_full ? full : space, 0}); },
                .lags = [this] { said_.put({lags, thread->lags() ? 0U : 1U}); },
                .failed = [this](const Failure&) { said_.put({failed, 0}); }});
    }

    void put(TurnNumber turn, std::size_t records, bool needs_sync,
             std::optional<core::RecordNumber> forget_below = {}) {
        JournalThread::Work work{.turn = turn,
                                 .first_record = next_record,
                                 .records = {},
                                 .needs_sync = needs_sync,
                                 .forget_below = forget_below,
                                 .pages_out = {},
                                 .loads = {},
                                 .pages_gone = {}};
        for (; records > 0; --records)
            work.records.push_back(core::VhostPut{name(next_record++), {}, {}});
        thread->put(std::move(work));
    }

    bool said_already(Said::Kind kind, std::uint64_t at_least) {
        for (const Said& said : said_.take_now())
            heard.push_back(said);
        return std::ranges::any_of(
            heard, [&](const Said& said) { return said.kind == kind && said.number >= at_least; });
    }

    // Until something of this kind with at least this number was said; false after ten seconds.
    bool hears(Said::Kind kind, std::uint64_t at_least = 0) {
        for (;;) {
            if (said_already(kind, at_least)) return true;
            auto more = said_.take(std::chrono::seconds(10));
            if (more.empty()) return false;
            heard.insert(heard.end(), more.begin(), more.end());
        }
    }

    static std::string name(std::uint64_t number) {
        return "vhost " + std::to_string(number) + std::string(100, '.');
    }

    // What is stored under `next_record`, in a turn with these pages and loads.
    void put_messages(TurnNumber turn, const std::vector<core::MessageRef>& messages,
                      std::vector<core::PageOut> pages_out = {},
                      std::vector<core::Load> wanted = {},
                      std::vector<core::BlockId> pages_gone = {}) {
        JournalThread::Work work{.turn = turn,
                                 .first_record = next_record,
                                 .records = {},
                                 .needs_sync = false,
                                 .forget_below = {},
                                 .pages_out = std::move(pages_out),
                                 .loads = std::move(wanted),
                                 .pages_gone = std::move(pages_gone)};
        for (const core::MessageRef& message : messages) {
            work.records.push_back(
                core::MessageStored{message, {.queue = {1}, .position = next_record}, {}});
            ++next_record;
        }
        thread->put(std::move(work));
    }

    test::SimDisk pages_disk;
    Mailbox<core::Loaded> loads;
    std::vector<std::string> recovered;
    std::vector<Said> heard;
    core::RecordNumber next_record = 0;

private:
    Mailbox<Said> said_;

public:
    std::unique_ptr<JournalThread> thread; // ends before what it talks to
};

JournalOptions tiny_segments() {
    JournalOptions options;
    options.first_segment_bytes = 2048;
    options.segment_bytes_max = 2048;
    return options;
}

TEST(JournalThread, ReportsATurnOnlyWhenLossOfPowerCannotTakeIt) {
    SimDisk disk;
    ThreadStory story(disk);

    story.put(1, 3, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 1));

    disk.crash_forgetting_all();
    ThreadStory again(disk);
    EXPECT_EQ(again.recovered.size(), 3u);
}

TEST(JournalThread, AHeldJournalCanBeCopiedWhileItGoesOnAndForgetsAfterwards) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    for (TurnNumber turn = 1; turn <= 40; ++turn)
        story.put(turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 40));

    Mailbox<std::vector<Journal::FilePart>> held;
    story.thread->hold([&held](std::vector<Journal::FilePart> files) { held.put(std::move(files)); });
    const auto answers = held.take(std::chrono::seconds(10));
    ASSERT_EQ(answers.size(), 1u);
    const auto& files = answers.front();
    ASSERT_GT(files.size(), 2u);
    story.put(41, 20, true, story.next_record);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 41));
    SimDisk copy;
    for (const auto& [name, bytes] : files) {
        std::vector<std::byte> content(bytes);
        ASSERT_EQ(disk.open(name).value()->read_at(0, content).value(), bytes) << name;
        const ByteView piece(content);
        ASSERT_TRUE(copy.create(name).value()->write_at(0, {&piece, 1}));
    }
    story.thread->release();
    story.thread->stop();

    EXPECT_EQ(ThreadStory(copy, tiny_segments()).recovered.size(), 40u);
    const auto left = disk.list().value();
    EXPECT_EQ(std::ranges::count(left, files.front().name), 0);
}

TEST(JournalThread, WhatGatheredDuringASyncSharesTheNextOne) {
    SimDisk disk;
    ThreadStory story(disk);

    for (TurnNumber turn = 1; turn <= 2000; ++turn)
        story.put(turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 2000));

    EXPECT_LT(story.thread->metrics().syncs.value(), 2000u);
    TurnNumber last = 0;
    for (const Said& said : story.heard) {
        if (said.kind != Said::Kind::durable) continue;
        EXPECT_GT(said.number, last);
        last = said.number;
    }
}

TEST(JournalThread, ATurnNobodyWaitsForIsWrittenAndReportedWithTheNextSync) {
    SimDisk disk;
    ThreadStory story(disk);

    story.put(1, 1, false);
    story.put(2, 1, true);

    ASSERT_TRUE(story.hears(Said::Kind::durable, 2));
}

core::MessageRef a_megabyte() {
    const std::vector<std::byte> body(1 << 20);
    return core::Message::make({.exchange = {},
                                .routing_key = "q",
                                .properties = {},
                                .body = body,
                                .body_owner = nullptr,
                                .persistent = true,
                                .priority = 0,
                                .ttl_millis = {}});
}

TEST(JournalThread, SaysThatItLagsWhenTooMuchWaitsAndWhenThatIsOver) {
    SimDisk disk;
    ThreadStory story(disk);

    story.put_messages(1, std::vector<core::MessageRef>(70, a_megabyte()));

    ASSERT_TRUE(story.hears(Said::Kind::lags));
    ASSERT_TRUE(story.hears(Said::Kind::lags, 1));
    EXPECT_FALSE(story.thread->lags());
}

TEST(JournalThread, LagsAsLongAsWorkWaitsForASegment) {
    SimDisk disk;
    ThreadStory story(disk);
    disk.set_capacity(disk.bytes() + 1000);

    story.put_messages(1, std::vector<core::MessageRef>(70, a_megabyte()));
    ASSERT_TRUE(story.hears(Said::Kind::full));
    EXPECT_TRUE(story.thread->lags());
    disk.set_capacity(1 << 30);

    ASSERT_TRUE(story.hears(Said::Kind::lags, 1));
    EXPECT_FALSE(story.thread->lags());
}

TEST(JournalThread, StoppingMakesEverythingDurable) {
    SimDisk disk;
    {
        ThreadStory story(disk);
        story.put(1, 5, false);
        story.thread->stop();
        ASSERT_TRUE(story.hears(Said::Kind::durable, 1));
    }
    disk.crash_forgetting_all();

    EXPECT_EQ(ThreadStory(disk).recovered.size(), 5u);
}

TEST(JournalThread, AFailedSyncIsNeverFollowedByAPromise) {
    SimDisk disk;
    ThreadStory story(disk);
    story.put(1, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 1));

    disk.fail_from(0);
    story.put(2, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::failed));
    disk.fail_no_more();
    story.put(3, 1, true);
    story.thread->stop(); // nothing is said after this

    EXPECT_FALSE(story.said_already(Said::Kind::durable, 2));
}

TEST(JournalThread, AFullDiskIsToldBeforeTheLastSegmentIsFullAndNothingIsLost) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    disk.set_capacity(5000);
    TurnNumber turn = 0;

    while (turn < 12)
        story.put(++turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 12));
    while (turn < 80)
        story.put(++turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::full));
    EXPECT_FALSE(story.said_already(Said::Kind::durable, 80));

    disk.set_capacity(1'000'000);

    ASSERT_TRUE(story.hears(Said::Kind::space));
    ASSERT_TRUE(story.hears(Said::Kind::durable, 80));
    disk.crash_forgetting_all();
    EXPECT_EQ(ThreadStory(disk, tiny_segments()).recovered.size(), 80u);
}

TEST(JournalThread, AFullDiskIsAskedAgainAfterAPause) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    disk.set_capacity(5000);
    for (TurnNumber turn = 1; turn <= 80; ++turn)
        story.put(turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::full));

    const std::uint64_t before = disk.operations();
    for (TurnNumber turn = 81; turn <= 400; ++turn)
        story.put(turn, 1, true);
    story.thread->stop();

    // Some tries of some operations each; without a pause it would be every turn.
    EXPECT_LT(disk.operations(), before + 100);
}

TEST(JournalThread, AnOrderlyEndWritesEverythingThoughTheNextSegmentsAreNotReady) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    for (TurnNumber turn = 1; turn <= 200; ++turn)
        story.put(turn, 1, true);

    story.thread->stop();

    disk.crash_forgetting_all();
    EXPECT_EQ(ThreadStory(disk, tiny_segments()).recovered.size(), 200u);
}

TEST(JournalThread, SegmentsBelowWhatWasForgottenDisappear) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    story.put(1, 60, true);
    ASSERT_TRUE(story.hears(Said::Kind::sealed, 20));
    const std::uint64_t sealed_last = story.heard.front().kind == Said::Kind::sealed
                                          ? story.heard.front().number
                                          : story.heard.back().number;

    story.put(2, 1, true, sealed_last + 1);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 2));
    story.thread->stop();

    EXPECT_EQ(ThreadStory(disk, tiny_segments()).recovered.front(),
              ThreadStory::name(sealed_last + 1));
}

core::MessageRef message_of(const std::string& body, bool persistent) {
    core::MessageParts parts;
    parts.exchange = "x";
    parts.routing_key = "k";
    const std::array<std::byte, 2> none{};
    parts.properties = none;
    parts.body = as_bytes(body);
    parts.persistent = persistent;
    return core::Message::make(parts);
}

TEST(JournalThread, WhatLeftMemoryComesBackFromTheJournalAndFromPages) {
    SimDisk disk;
    ThreadStory story(disk, tiny_segments());
    const core::RecordNumber first = story.next_record;
    std::vector<core::MessageRef> persistent;
    for (int count = 0; count < 200; ++count)
        persistent.push_back(message_of("persistent " + std::to_string(count), true));
    core::PageOut page{{7}, {message_of("transient 0", false), message_of("transient 1", false)}};

    story.put_messages(1, persistent, {page}, {{{7}, {first + 3, first + 4, first + 199}, true}});

    std::vector<core::Loaded> loaded = story.loads.take(std::chrono::seconds(10));
    ASSERT_EQ(loaded.size(), 1U);
    ASSERT_EQ(loaded[0].recorded.size(), 3U);
    EXPECT_EQ(as_text(loaded[0].recorded[0]->body()), "persistent 3");
    EXPECT_EQ(as_text(loaded[0].recorded[1]->body()), "persistent 4");
    EXPECT_EQ(as_text(loaded[0].recorded[2]->body()), "persistent 199");
    EXPECT_TRUE(loaded[0].recorded[0]->is_persistent());
    ASSERT_EQ(loaded[0].paged.size(), 2U);
    EXPECT_EQ(as_text(loaded[0].paged[1]->body()), "transient 1");

    story.put_messages(2, {}, {}, {}, {{7}});
    story.put_messages(3, {}, {}, {{{7}, {first}, true}});
    loaded = story.loads.take(std::chrono::seconds(10));
    ASSERT_EQ(loaded.size(), 1U);
    EXPECT_TRUE(loaded[0].paged.empty()) << "the page was dropped";
}

TEST(JournalThread, APageThatFindsNoSpaceStaysInMemory) {
    SimDisk disk;
    ThreadStory story(disk);
    story.pages_disk.set_capacity(0);
    core::PageOut page{{9}, {message_of("kept", false)}};

    story.put_messages(1, {}, {page}, {{{9}, {}, true}});

    const std::vector<core::Loaded> loaded = story.loads.take(std::chrono::seconds(10));
    ASSERT_EQ(loaded.size(), 1U);
    ASSERT_EQ(loaded[0].paged.size(), 1U);
    EXPECT_EQ(as_text(loaded[0].paged[0]->body()), "kept");
}

} // namespace
} // namespace baton::test
