// What the journal tests share: records whose content follows from their number, so that whatever
// is read back can be checked without remembering it.
#pragma once

#include "broker/journal/journal.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baton::test {

using broker::journal::Journal;
using broker::journal::JournalOptions;
using broker::journal::RecordView;
using broker::journal::RecoveryReport;

inline std::string text_of_record(std::uint64_t number) {
    std::string text = "record " + std::to_string(number) + " ";
    text.append(number * 37 % 190, static_cast<char>('a' + number % 26));
    return text;
}

inline Outcome<void> append_next(Journal& journal, bool group_goes_on = false) {
    const std::string text = text_of_record(journal.next_record());
    return journal.append({.type = 7,
                           .group_goes_on = group_goes_on,
                           .head = as_bytes(std::string_view(text).substr(0, 9)),
                           .body = as_bytes(std::string_view(text).substr(9))});
}

// A journal opened on a disk, with what came out of it.
struct Opened {
    RecoveryReport report;
    std::vector<std::uint64_t> numbers;
    std::unique_ptr<Journal> journal;
    std::string complaint;

    bool ok() const { return journal != nullptr; }
    std::uint64_t last() const { return numbers.empty() ? 0 : numbers.back(); }
};

inline JournalOptions small_segments() {
    JournalOptions options;
    options.first_segment_bytes = 1024;
    options.segment_bytes_max = 4096;
    return options;
}

inline Opened open_journal(SimDisk& disk, JournalOptions options = small_segments()) {
    Opened opened;
    auto outcome = Journal::open(
        disk, options,
        [&](const RecordView& record) -> Outcome<void> {
            EXPECT_EQ(as_text(record.payload), text_of_record(record.number));
            EXPECT_EQ(record.type, 7);
            if (!opened.numbers.empty() && !options.salvage) {
                EXPECT_EQ(record.number, opened.numbers.back() + 1);
            }
            opened.numbers.push_back(record.number);
            return {};
        },
        opened.report);
    if (outcome)
        opened.journal = std::move(*outcome);
    else
        opened.complaint = outcome.error().detail;
    return opened;
}

} // namespace baton::test
