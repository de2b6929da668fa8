#include "broker/journal/journal_thread.hpp"
#include "broker/journal/record_codec.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::test {
namespace {

using broker::core::Record;
using broker::core::TurnNumber;
using namespace broker::journal;
namespace core = broker::core;

// What the thread said, as a list that can be waited for.
struct Said {
    enum class Kind { durable, sealed, full, space, failed };
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
            std::move(*opened), disk,
            JournalListener{
                .durable_up_to = [this](TurnNumber turn) { said_.put({durable, turn}); },
                .segment_sealed = [this](core::RecordNumber,
                                         core::RecordNumber last) { said_.put({sealed, last}); },
                .disk_full = [this](bool is_full) { said_.put({is_full ? full : space, 0}); },
                .failed = [this](const Failure&) { said_.put({failed, 0}); }});
    }

    void put(TurnNumber turn, std::size_t records, bool needs_sync,
             std::optional<core::RecordNumber> forget_below = {}) {
        JournalThread::Work work{.turn = turn,
                                 .first_record = next_record,
                                 .records = {},
                                 .needs_sync = needs_sync,
                                 .forget_below = forget_below};
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

TEST(JournalThread, WhatGatheredDuringASyncSharesTheNextOne) {
    SimDisk disk;
    ThreadStory story(disk);

    for (TurnNumber turn = 1; turn <= 2000; ++turn)
        story.put(turn, 1, true);
    ASSERT_TRUE(story.hears(Said::Kind::durable, 2000));

    EXPECT_LT(story.thread->syncs(), 2000u);
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

} // namespace
} // namespace baton::test
