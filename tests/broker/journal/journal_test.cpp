#include "tests/broker/journal/journal_story.hpp"

namespace baton::test {
namespace {

using broker::journal::Errc;

TEST(Journal, AFreshFolderGetsOneSegmentAndNumbersFromOne) {
    SimDisk disk;

    Opened opened = open_journal(disk);

    ASSERT_TRUE(opened.ok()) << opened.complaint;
    EXPECT_EQ(opened.journal->next_record(), 1u);
    EXPECT_EQ(disk.list()->size(), 1u);
}

TEST(Journal, WhatIsCommittedComesBackInOrderAfterLossOfPower) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 100; ++count)
            ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
        EXPECT_EQ(opened.journal->durable_record(), 100u);
    }

    disk.crash_forgetting_all();

    Opened again = open_journal(disk);
    ASSERT_TRUE(again.ok()) << again.complaint;
    EXPECT_EQ(again.numbers.size(), 100u);
    EXPECT_EQ(again.journal->next_record(), 101u);
    EXPECT_TRUE(again.report.cut.empty());
    EXPECT_GT(again.report.segments, 3u);
}

TEST(Journal, WritingGoesOnInTheSameSegmentAfterARestart) {
    SimDisk disk;
    for (std::uint64_t round = 1; round <= 5; ++round) {
        Opened opened = open_journal(disk, {});
        ASSERT_TRUE(opened.ok()) << opened.complaint;
        ASSERT_EQ(opened.journal->next_record(), round);
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
    }

    EXPECT_EQ(disk.list()->size(), 1u);
}

TEST(Journal, WhatWasOnlyWrittenSurvivesAKillButNeedNotSurviveLossOfPower) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->write());
        EXPECT_EQ(opened.journal->durable_record(), 1u);
    }
    EXPECT_EQ(open_journal(disk).numbers.size(), 2u);
}

TEST(Journal, ARecordLargerThanASegmentGetsASegmentOfItsSize) {
    SimDisk disk;
    const std::string large(100'000, 'x');
    {
        Opened opened = open_journal(disk);
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->append(
            {.type = 9, .group_goes_on = false, .head = {}, .body = as_bytes(large)}));
        ASSERT_TRUE(opened.journal->commit());
    }
    disk.crash_forgetting_all();

    std::size_t size = 0;
    RecoveryReport report;
    auto again = Journal::open(
        disk, small_segments(),
        [&](const RecordView& record) -> Outcome<void> {
            if (record.type == 9) size = record.payload.size();
            return {};
        },
        report);

    ASSERT_TRUE(again);
    EXPECT_EQ(size, large.size());
}

TEST(Journal, ForgottenSegmentsAreGoneAndTheRestIsStillWhole) {
    SimDisk disk;
    Opened opened = open_journal(disk);
    for (int count = 0; count < 200; ++count)
        ASSERT_TRUE(append_next(*opened.journal));
    ASSERT_TRUE(opened.journal->commit());
    const auto sealed = opened.journal->take_newly_sealed();
    ASSERT_GT(sealed.size(), 3u);
    EXPECT_EQ(sealed[0].first_record, 1u);
    EXPECT_EQ(sealed[1].first_record, sealed[0].last_record + 1);

    ASSERT_TRUE(opened.journal->forget_up_to(sealed[1].last_record));

    disk.crash_forgetting_all();
    Opened again = open_journal(disk);
    ASSERT_TRUE(again.ok()) << again.complaint;
    EXPECT_EQ(again.numbers.front(), sealed[2].first_record);
    EXPECT_EQ(again.last(), 200u);
}

TEST(Journal, ASegmentIsKeptWhileOneOfItsRecordsMustStay) {
    SimDisk disk;
    Opened opened = open_journal(disk);
    for (int count = 0; count < 200; ++count)
        ASSERT_TRUE(append_next(*opened.journal));
    const auto sealed = opened.journal->take_newly_sealed();

    ASSERT_TRUE(opened.journal->forget_up_to(sealed[0].last_record - 1));

    EXPECT_EQ(opened.journal->sealed().front().number, sealed[0].number);
}

TEST(Journal, AFullDiskLosesNothingAndGoesOnWhenThereIsSpaceAgain) {
    SimDisk disk;
    Opened opened = open_journal(disk);
    disk.set_capacity(3000);
    Outcome<void> appended{};
    while ((appended = append_next(*opened.journal))) {
    }
    EXPECT_EQ(appended.error().code, Errc::disk_full);
    const std::uint64_t reached = opened.journal->next_record();
    EXPECT_EQ(opened.journal->durable_record(), reached - 1);
    EXPECT_FALSE(append_next(*opened.journal));

    disk.set_capacity(1'000'000);

    ASSERT_TRUE(append_next(*opened.journal));
    ASSERT_TRUE(opened.journal->commit());
    disk.crash_forgetting_all();
    EXPECT_EQ(open_journal(disk).last(), reached);
}

TEST(Journal, AGroupThatWasNotCompletedIsCutAsAWhole) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 3; ++count)
            ASSERT_TRUE(append_next(*opened.journal));
        for (int count = 0; count < 60; ++count)
            ASSERT_TRUE(append_next(*opened.journal, true));
        ASSERT_TRUE(opened.journal->write()); // the group reaches over several segments
    }

    Opened again = open_journal(disk);

    ASSERT_TRUE(again.ok()) << again.complaint;
    EXPECT_EQ(again.last(), 3u);
    EXPECT_FALSE(again.report.cut.empty());
    ASSERT_TRUE(append_next(*again.journal));
    ASSERT_TRUE(again.journal->commit());
    Opened third = open_journal(disk);
    EXPECT_EQ(third.last(), 4u);
    EXPECT_TRUE(third.report.cut.empty()) << third.report.cut;
}

TEST(Journal, ACompletedGroupOverSeveralSegmentsComesBackAsAWhole) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 60; ++count)
            ASSERT_TRUE(append_next(*opened.journal, true));
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
    }

    EXPECT_EQ(open_journal(disk).last(), 61u);
}

// The promise of the whole journal, under every kind of crash the disk knows: what was reported
// durable is there, in order, unchanged; a second crash while recovering changes nothing.
void crash_again_and_again(std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SimDisk disk;
    std::uint64_t promised = 0;
    for (int life = 0; life < 6; ++life) {
        Opened opened = open_journal(disk);
        ASSERT_TRUE(opened.ok()) << opened.complaint;
        ASSERT_GE(opened.last(), promised);
        promised = std::max(promised, opened.last());
        if (random.below(3) == 0) {
            disk.crash(random);
            continue;
        }
        disk.fail_from(random.below(60));
        for (bool is_alive = true; is_alive;) {
            for (std::uint64_t left = random.below(8); left > 0 && is_alive; --left)
                is_alive =
                    append_next(*opened.journal, left > 1 && random.below(4) == 0).has_value();
            if (is_alive && random.below(3) > 0) is_alive = opened.journal->write().has_value();
            if (is_alive && random.below(2) > 0) {
                // A group must be complete before anybody is told.
                is_alive = append_next(*opened.journal).has_value() &&
                           opened.journal->commit().has_value();
                if (is_alive) promised = opened.journal->durable_record();
            }
            if (random.below(40) == 0) break;
        }
        disk.crash(random);
    }
    disk.fail_no_more();
    Opened last = open_journal(disk);
    ASSERT_TRUE(last.ok()) << last.complaint;
    ASSERT_GE(last.last(), promised);
}

TEST(Journal, WhatWasReportedDurableSurvivesAnySeriesOfCrashes) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        crash_again_and_again(seed);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Journal, AnyRecordCanBeReadBackUntilItsSegmentIsForgotten) {
    SimDisk disk;
    Random random(5);
    Opened opened = open_journal(disk);
    std::uint64_t forgotten = 0;
    for (int round = 0; round < 60; ++round) {
        Journal& journal = *opened.journal;
        for (std::uint64_t count = random.below(40); count != 0; --count)
            ASSERT_TRUE(append_next(journal));
        ASSERT_TRUE(random.below(2) == 0 ? journal.write() : journal.commit());
        if (round % 20 == 19) {
            ASSERT_TRUE(journal.commit());
            if (journal.sealed().size() > 3) {
                forgotten = journal.sealed()[1].last_record;
                ASSERT_TRUE(journal.forget_up_to(forgotten));
            }
        }
        std::vector<std::uint64_t> wanted;
        for (std::uint64_t number = 1; number < journal.next_record(); ++number)
            if (random.below(4) == 0) wanted.push_back(number);
        if (random.below(3) == 0 && !wanted.empty()) std::swap(wanted.front(), wanted.back());
        std::size_t at = 0;
        ASSERT_TRUE(journal.read(wanted, [&](const RecordView& record) -> Outcome<void> {
            EXPECT_EQ(record.number, wanted[at++]);
            if (record.number <= forgotten)
                EXPECT_EQ(record.type, 0);
            else
                EXPECT_EQ(as_text(record.payload), text_of_record(record.number));
            return {};
        }));
        EXPECT_EQ(at, wanted.size());
        if (round % 7 == 6) {
            ASSERT_TRUE(journal.commit());
            opened = open_journal(disk);
            ASSERT_TRUE(opened.ok()) << opened.complaint;
        }
    }
    EXPECT_GT(forgotten, 0U);
}

} // namespace
} // namespace baton::test
