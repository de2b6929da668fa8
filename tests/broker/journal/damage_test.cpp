#include "broker/journal/format.hpp"
#include "tests/broker/journal/journal_story.hpp"

namespace baton::test {
namespace {

using broker::journal::Errc;
using broker::journal::segment_name;

// Room for all, and small enough to look at from every byte.
JournalOptions one_segment() {
    JournalOptions options;
    options.first_segment_bytes = 6144;
    return options;
}

// Twenty records in one segment, each committed alone.
std::vector<std::byte> twenty_commits(SimDisk& disk) {
    Opened opened = open_journal(disk, one_segment());
    for (int count = 0; count < 20; ++count) {
        EXPECT_TRUE(append_next(*opened.journal));
        EXPECT_TRUE(opened.journal->commit());
    }
    return disk.content(segment_name(1));
}

TEST(TornTail, ATailCutAtEveryByteKeepsEveryRecordBeforeIt) {
    SimDisk disk;
    const auto whole = twenty_commits(disk);
    std::uint64_t end = whole.size();
    while (end > 0 && whole[end - 1] == std::byte{0})
        --end;
    std::vector<std::uint64_t> ends; // of the records
    for (std::uint64_t at = broker::journal::file_header_size;;) {
        const auto record = broker::journal::record_at(whole, at);
        if (!record) break;
        at += broker::journal::record_size(record->payload.size());
        ends.push_back(at);
    }
    ASSERT_EQ(ends.size(), 20u);

    for (std::uint64_t size = broker::journal::file_header_size; size <= end; ++size) {
        SCOPED_TRACE(size);
        SimDisk torn;
        auto bytes = whole;
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(size), bytes.end(), std::byte{0});
        torn.set_content(segment_name(1), bytes);

        Opened opened = open_journal(torn, one_segment());

        ASSERT_TRUE(opened.ok()) << opened.complaint;
        std::size_t complete = 0;
        while (complete < ends.size() && ends[complete] <= size)
            ++complete;
        // Padding and trailing zeros may be cut without harm.
        ASSERT_GE(opened.numbers.size(), complete);
        ASSERT_LE(opened.numbers.size(), complete + 1);
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
        const std::size_t now = opened.numbers.size() + 1;
        Opened second = open_journal(torn, one_segment());
        ASSERT_TRUE(second.ok()) << second.complaint;
        ASSERT_EQ(second.numbers.size(), now);
        ASSERT_TRUE(second.report.cut.empty()) << second.report.cut;
    }
}

TEST(Damage, AFlippedBitNeverYieldsAWrongRecordAndIsRefusedBeforeTheEnd) {
    SimDisk disk;
    const auto whole = twenty_commits(disk);
    std::uint64_t end = whole.size();
    while (end > 0 && whole[end - 1] == std::byte{0})
        --end;
    std::size_t refused = 0;
    std::size_t cut = 0;

    for (std::uint64_t at = 0; at < end; ++at) {
        SCOPED_TRACE(at);
        SimDisk damaged;
        auto bytes = whole;
        bytes[at] ^= std::byte{static_cast<unsigned char>(1U << (at % 8))};
        damaged.set_content(segment_name(1), bytes);

        Opened opened = open_journal(damaged, one_segment()); // checks the content of what it reads

        if (opened.ok()) {
            // Padding, or the last record, which nothing behind it vouches for.
            ASSERT_GE(opened.numbers.size(), 19u);
            cut += opened.numbers.size() == 19 ? 1 : 0;
        } else {
            ++refused;
            ASSERT_NE(opened.complaint.find("sim:/segment-"), std::string::npos);
            ASSERT_NE(opened.complaint.find("offset"), std::string::npos) << opened.complaint;
            ASSERT_NE(opened.complaint.find("salvage"), std::string::npos);
        }
    }
    EXPECT_GT(refused, end / 2);
    EXPECT_GT(cut, 20u);
}

TEST(Damage, SalvageKeepsWhatIsReadableAndACopyAndTheNextStartIsClean) {
    SimDisk disk;
    const auto whole = twenty_commits(disk);
    for (std::uint64_t at = broker::journal::file_header_size; at + 200 < whole.size(); at += 61) {
        SCOPED_TRACE(at);
        SimDisk damaged;
        auto bytes = whole;
        for (std::uint64_t byte = at; byte < at + 50; ++byte)
            bytes[byte] ^= std::byte{0x5A};
        damaged.set_content(segment_name(1), bytes);
        JournalOptions salvage = one_segment();
        salvage.salvage = true;

        Opened opened = open_journal(damaged, salvage);

        ASSERT_TRUE(opened.ok()) << opened.complaint;
        if (opened.report.salvaged.empty()) continue; // behind the last record
        EXPECT_EQ(damaged.content("quarantine-" + segment_name(1)), bytes);
        ASSERT_GE(opened.numbers.size(), 15u);
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
        RecoveryReport report;
        std::size_t records = 0;
        auto second = Journal::open(
            damaged, one_segment(),
            [&](const RecordView&) -> Outcome<void> {
                ++records;
                return {};
            },
            report);
        ASSERT_TRUE(second) << second.error().detail;
        ASSERT_EQ(records, opened.numbers.size() + 1);
    }
}

TEST(Damage, ADamagedEarlierSegmentIsRefusedAndCanBeSalvaged) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 100; ++count)
            ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
    }
    auto bytes = disk.content(segment_name(2));
    bytes.resize(bytes.size() / 2);
    disk.set_content(segment_name(2), bytes);

    const Opened refused = open_journal(disk);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.complaint.find(segment_name(2)), std::string::npos) << refused.complaint;

    JournalOptions salvage = small_segments();
    salvage.salvage = true;
    Opened salvaged = open_journal(disk, salvage);
    ASSERT_TRUE(salvaged.ok()) << salvaged.complaint;
    EXPECT_EQ(salvaged.last(), 100u);
    EXPECT_LT(salvaged.numbers.size(), 100u);
    EXPECT_EQ(salvaged.report.salvaged.size(), 1u);
}

// Any number of damaged places, anywhere: a salvage opens, and what it leaves is a clean journal.
void salvage_random_damage(std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 80; ++count) {
            ASSERT_TRUE(append_next(*opened.journal, random.below(3) == 0));
            if (random.below(2) == 0) {
                ASSERT_TRUE(opened.journal->commit());
            }
        }
        ASSERT_TRUE(append_next(*opened.journal));
        ASSERT_TRUE(opened.journal->commit());
    }
    std::vector<std::string> names = *disk.list();
    for (std::uint64_t count = 1 + random.below(6); count > 0; --count) {
        const std::string& name = names[random.below(names.size())];
        auto bytes = disk.content(name);
        if (bytes.empty()) continue;
        const std::uint64_t from = random.below(bytes.size());
        const std::uint64_t to =
            std::min<std::uint64_t>(bytes.size(), from + 1 + random.below(100));
        switch (random.below(4)) {
        case 0:
            bytes.resize(from);
            break;
        case 1:
            for (std::uint64_t at = from; at < to; ++at)
                bytes[at] = std::byte{0};
            break;
        case 2:
            if (disk.remove(name)) continue;
            break;
        case 3:
            for (std::uint64_t at = from; at < to; ++at)
                bytes[at] = static_cast<std::byte>(random.below(256));
            break;
        }
        disk.set_content(name, std::move(bytes));
    }
    JournalOptions salvage = small_segments();
    salvage.salvage = true;

    Opened salvaged = open_journal(disk, salvage);

    ASSERT_TRUE(salvaged.ok()) << salvaged.complaint;
    ASSERT_TRUE(append_next(*salvaged.journal));
    ASSERT_TRUE(salvaged.journal->commit());
    const std::size_t kept = salvaged.numbers.size() + 1;
    std::string found = "cut: " + salvaged.report.cut;
    for (const std::string& place : salvaged.report.salvaged)
        found += "\n" + place;
    SCOPED_TRACE(found);
    RecoveryReport report;
    std::size_t records = 0;
    auto second = Journal::open(
        disk, small_segments(),
        [&](const RecordView&) -> Outcome<void> {
            ++records;
            return {};
        },
        report);
    ASSERT_TRUE(second) << second.error().detail;
    ASSERT_EQ(records, kept);
}

TEST(Damage, SalvageOfAnyDamageLeavesACleanJournal) {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        salvage_random_damage(seed);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Damage, AMissingSegmentIsRefusedByName) {
    SimDisk disk;
    {
        Opened opened = open_journal(disk);
        for (int count = 0; count < 100; ++count)
            ASSERT_TRUE(append_next(*opened.journal));
    }
    ASSERT_TRUE(disk.remove(segment_name(2)));

    const Opened refused = open_journal(disk);

    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.complaint.find(segment_name(2) + " is missing"), std::string::npos);
}

TEST(Damage, AForeignFileIsRefusedAndLeftAlone) {
    SimDisk disk;
    ASSERT_TRUE(open_journal(disk).ok());
    disk.set_content("holiday.jpg", std::vector<std::byte>(100));

    const Opened refused = open_journal(disk);

    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.complaint.find("sim:/holiday.jpg does not belong to the journal"),
              std::string::npos);
    EXPECT_EQ(disk.content("holiday.jpg").size(), 100u);
}

TEST(Damage, GarbageInPlaceOfASegmentIsRefused) {
    Random random(5);
    for (const std::size_t size : {0u, 1u, 31u, 32u, 33u, 1000u, 70'000u}) {
        SimDisk disk;
        std::vector<std::byte> garbage(size);
        for (std::byte& byte : garbage)
            byte = static_cast<std::byte>(random.below(256));
        disk.set_content(segment_name(1), garbage);

        const Opened refused = open_journal(disk);

        ASSERT_FALSE(refused.ok());
        EXPECT_NE(refused.complaint.find("no valid segment header"), std::string::npos);
    }
}

TEST(Damage, ANewerFormatIsNamed) {
    auto header = broker::journal::encode_file_header(1);
    EXPECT_EQ(broker::journal::check_file_header(header, 1), broker::journal::HeaderVerdict::good);
    EXPECT_EQ(broker::journal::check_file_header(header, 2), broker::journal::HeaderVerdict::bad);
}

} // namespace
} // namespace baton::test
