// Opening a journal: one sequential read that hands out every record, then the repair of the end.
// The rules are those of format.hpp; what is torn is cut, what is damaged is refused or, when asked
// for, stepped over with a gap record in its place.
#include "broker/journal/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace baton::broker::journal {
namespace {

// Covers bytes that a salvage gave up: its number is the last one that was lost, so that what
// follows fits again.
constexpr std::uint8_t gap_type = 0xFF;

constexpr std::string_view way_out =
    "start with the salvage option to set a copy aside and keep what is readable";

// Each byte equals the one before it and the first is zero; memcmp looks at many at a time.
bool is_zero(ByteView bytes) {
    return bytes.empty() || (bytes[0] == std::byte{0} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// The first valid record behind `from` that continues the numbers after `last`.
std::optional<RecordView> later_record(ByteView segment, std::uint64_t from, std::uint64_t last) {
    for (std::uint64_t at = from; at + record_header_size <= segment.size();
         at += record_alignment) {
        const auto found = record_at(segment, at);
        if (found && found->number > last && found->synced_before <= at) return found;
    }
    return std::nullopt;
}

} // namespace

class Opening {
public:
    Opening(Directory& directory, const JournalOptions& options, const Journal::Visitor& visit,
            RecoveryReport& report)
        : directory_(directory),
          options_(options),
          visit_(visit),
          report_(report),
          journal_(new Journal(directory, options)) {}

    Outcome<std::unique_ptr<Journal>> run() {
        BATON_TRY(find_segments());
        for (std::size_t index = 0; index < numbers_.size(); ++index)
            BATON_TRY(read(index));
        BATON_TRY(settle_end());
        return std::move(journal_);
    }

private:
    // A place in the newest segment behind which nothing valid was found.
    struct BadPlace {
        std::uint64_t segment = 0;
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
    };

    // A record of a group whose last one was not seen yet.
    struct Grouped {
        RecordView record;
        std::uint64_t segment = 0;
        std::vector<std::byte> copy;
    };

    Outcome<void> find_segments() {
        BATON_ASSIGN(const std::vector<std::string> names, directory_.list());
        for (const std::string& name : names) {
            if (const auto number = segment_of_name(name)) {
                numbers_.push_back(*number);
            } else if (is_name_in_preparation(name)) {
                BATON_TRY(directory_.remove(name));
            } else if (!name.starts_with("quarantine-")) {
                return failure(
                    Errc::foreign_file,
                    fmt::format("{} does not belong to the journal; nothing was changed, "
                                "move the file elsewhere and start again",
                                directory_.path_of(name)));
            }
        }
        std::ranges::sort(numbers_);
        for (std::size_t index = 1; index < numbers_.size(); ++index) {
            const std::uint64_t wanted = numbers_[index - 1] + 1;
            if (numbers_[index] == wanted) continue;
            BATON_TRY(refuse_or_note(
                fmt::format("{} is missing", directory_.path_of(segment_name(wanted)))));
            BATON_TRY(move_up(numbers_[index], wanted));
            numbers_[index] = wanted;
        }
        return {};
    }

    // The segment takes the place of one that is missing.
    Outcome<void> move_up(std::uint64_t from, std::uint64_t to) {
        BATON_TRY(directory_.rename(segment_name(from), segment_name(to)));
        BATON_TRY(directory_.sync());
        BATON_ASSIGN(const std::unique_ptr<File> file, directory_.open(segment_name(to)));
        const FileHeader header = encode_file_header(to);
        const ByteView piece(header);
        BATON_TRY(file->write_at(0, {&piece, 1}));
        return file->sync();
    }

    Outcome<void> refuse_or_note(std::string what) {
        if (!options_.salvage) return failure(Errc::damaged, fmt::format("{}; {}", what, way_out));
        report_.salvaged.push_back(std::move(what));
        return {};
    }

    Outcome<void> read(std::size_t index) {
        number_ = numbers_[index];
        path_ = directory_.path_of(segment_name(number_));
        BATON_ASSIGN(file_, directory_.open(segment_name(number_)));
        BATON_ASSIGN(const std::uint64_t size, file_->size());
        bytes_.resize(static_cast<std::size_t>(size));
        BATON_ASSIGN(const std::size_t got, file_->read_at(0, bytes_));
        bytes_.resize(got);
        BATON_TRY(check_header());
        first_record_ = 0;
        std::uint64_t end = 0;
        BATON_TRY(read_records(end));
        report_.segments += 1;
        report_.bytes += end;
        keep_open_group();
        const std::uint64_t last = last_record_;
        journal_->sealed_.push_back({number_, first_record_ != 0 ? first_record_ : last + 1, last,
                                     end, std::exchange(index_, {})});
        return {};
    }

    Outcome<void> check_header() {
        switch (check_file_header(bytes_, number_)) {
        case HeaderVerdict::good:
            return {};
        case HeaderVerdict::newer:
            return failure(Errc::newer_format,
                           fmt::format("{} was written by a newer version of Baton", path_));
        case HeaderVerdict::bad:
            break;
        }
        BATON_TRY(refuse_or_note(fmt::format("{} has no valid segment header at offset 0", path_)));
        BATON_TRY(copy_aside(*file_, number_));
        const FileHeader header = encode_file_header(number_);
        if (bytes_.size() < header.size()) bytes_.resize(header.size());
        std::ranges::copy(header, bytes_.begin());
        return overwrite(0, header);
    }

    Outcome<void> read_records(std::uint64_t& end) {
        const ByteView segment(bytes_);
        std::uint64_t at = file_header_size;
        for (;;) {
            if (const auto record = record_at(segment, at)) {
                BATON_TRY(take(*record));
                at += record_size(record->payload.size());
                continue;
            }
            end = at;
            if (at >= segment.size() || is_zero(segment.subspan(static_cast<std::size_t>(at))))
                return {};
            const auto later = later_record(segment, at + record_alignment, last_record_);
            const bool is_vouched_for = later && later->synced_before > at;
            // A salvage keeps what is readable even where it may have been torn.
            const bool is_kept = later && options_.salvage && number_ != numbers_.back();
            if (!is_vouched_for && !is_kept) {
                // Torn, if this turns out to be the end of the journal. Of two such places the
                // earlier one is none: its segment was complete when this one was begun.
                if (bad_) {
                    BATON_TRY(refuse_or_note(fmt::format(
                        "{} is damaged at offset {}: its end is unreadable",
                        directory_.path_of(segment_name(bad_->segment)), bad_->offset)));
                    BATON_TRY(bridge_boundary(last_record_));
                }
                bad_ = BadPlace{number_, at, segment.size() - at};
                return {};
            }
            BATON_TRY(refuse_or_note(
                fmt::format("{} is damaged at offset {}: the record after number {} is unreadable, "
                            "the next readable one is number {} at offset {}",
                            path_, at, last_record_, later->number, later->offset)));
            BATON_TRY(bridge(at, later->offset - at, later->number - 1));
            at = later->offset;
        }
    }

    Outcome<void> take(const RecordView& record) {
        const bool fits = last_record_ == 0 || record.number == last_record_ + 1 ||
                          (record.type == gap_type && record.number > last_record_);
        if (bad_ || !fits) {
            BATON_TRY(refuse_or_note(complaint_about(record)));
            BATON_TRY(bridge_boundary(record.number - 1));
            bad_.reset();
        }
        last_record_ = record.number;
        if (first_record_ == 0) first_record_ = record.number;
        ++report_.records;
        index_.add(record.number, record.offset);
        if (record.type == gap_type) {
            group_.clear();
            return {};
        }
        if (record.group_goes_on) {
            group_.push_back({record, number_, {}});
            return {};
        }
        for (const Grouped& earlier : group_)
            BATON_TRY(visit_(earlier.record));
        group_.clear();
        return visit_(record);
    }

    // The segment's bytes are about to go; a group that goes on in the next one must stay.
    void keep_open_group() {
        for (Grouped& grouped : group_) {
            if (!grouped.copy.empty()) continue;
            grouped.copy.assign(grouped.record.payload.begin(), grouped.record.payload.end());
            grouped.record.payload = grouped.copy;
        }
    }

    // Something valid follows in this segment, so what the ones before lack was not their end.
    std::string complaint_about(const RecordView& record) const {
        if (bad_)
            return fmt::format("{} is damaged at offset {}: {}",
                               directory_.path_of(segment_name(bad_->segment)), bad_->offset,
                               record.number > last_record_ + 1
                                   ? fmt::format("records {} to {} are unreadable",
                                                 last_record_ + 1, record.number - 1)
                                   : "its end is unreadable");
        return fmt::format("{} has record {} at offset {} where number {} was expected", path_,
                           record.number, record.offset, last_record_ + 1);
    }

    // Keeps the damaged segment as it is for people to look at.
    Outcome<void> copy_aside(File& file, std::uint64_t number) {
        const std::string name = "quarantine-" + segment_name(number);
        BATON_ASSIGN(const std::vector<std::string> names, directory_.list());
        if (std::ranges::find(names, name) != names.end()) return {};
        BATON_ASSIGN(const std::uint64_t size, file.size());
        std::vector<std::byte> content(static_cast<std::size_t>(size));
        BATON_ASSIGN(const std::size_t got, file.read_at(0, content));
        BATON_ASSIGN(const std::unique_ptr<File> copy, directory_.create(name));
        const ByteView all = ByteView(content).first(got);
        BATON_TRY(copy->write_at(0, {&all, 1}));
        BATON_TRY(copy->sync());
        return directory_.sync();
    }

    Outcome<void> bridge(std::uint64_t offset, std::uint64_t size, std::uint64_t last_lost) {
        BATON_TRY(copy_aside(*file_, number_));
        std::array<std::byte, record_header_size> header{};
        const ByteView lost = ByteView(bytes_).subspan(static_cast<std::size_t>(offset),
                                                       static_cast<std::size_t>(size));
        const RecordView gap{.number = last_lost,
                             .offset = offset,
                             .synced_before = static_cast<std::uint32_t>(offset),
                             .type = gap_type,
                             .payload = {}};
        encode_record_header(header.data(), gap, lost.subspan(record_header_size), {});
        BATON_TRY(overwrite(offset, header));
        last_record_ = last_lost;
        if (first_record_ == 0) first_record_ = last_lost;
        group_.clear();
        return {};
    }

    // What is missing lies between the end of the segment before and the beginning of this one: the
    // former gets a gap record at its end.
    Outcome<void> bridge_boundary(std::uint64_t last_lost) {
        group_.clear();
        if (journal_->sealed_.empty()) return {};
        // Between the bad segment and this one there may be empty ones.
        const auto bad =
            std::ranges::find(journal_->sealed_, bad_ ? bad_->segment : 0, &SealedSegment::number);
        SealedSegment& before = bad != journal_->sealed_.end() ? *bad : journal_->sealed_.back();
        BATON_ASSIGN(const std::unique_ptr<File> file,
                     directory_.open(segment_name(before.number)));
        if (bad_) BATON_TRY(copy_aside(*file, before.number));
        BATON_TRY(file->truncate(before.bytes));
        if (last_lost > last_record_) {
            const RecordView gap{.number = last_lost,
                                 .offset = before.bytes,
                                 .synced_before = static_cast<std::uint32_t>(before.bytes),
                                 .type = gap_type,
                                 .payload = {}};
            std::array<std::byte, record_header_size> header{};
            encode_record_header(header.data(), gap, {}, {});
            const ByteView piece(header);
            BATON_TRY(file->write_at(before.bytes, {&piece, 1}));
            before.bytes += header.size();
            before.last_record = last_lost;
            before.first_record = std::min(before.first_record, last_lost);
        }
        return file->sync();
    }

    Outcome<void> overwrite(std::uint64_t offset, ByteView bytes) {
        BATON_TRY(file_->write_at(offset, {&bytes, 1}));
        return file_->sync();
    }

    // Makes the end writable. What is torn goes, with the group it belongs to and with segments
    // behind it that were prepared and never used; then the last segment goes on being written.
    Outcome<void> settle_end() {
        std::deque<SealedSegment>& sealed = journal_->sealed_;
        if (!group_.empty()) {
            const Grouped& first = group_.front();
            const std::uint64_t torn = bad_ ? bad_->size : 0;
            bad_ = BadPlace{first.segment, first.record.offset, torn};
            last_record_ = first.record.number - 1;
        }
        BATON_TRY(keep_prepared());
        while (sealed.size() > 1 && (bad_ ? sealed.back().number > bad_->segment
                                          : sealed.back().bytes == file_header_size)) {
            BATON_TRY(directory_.remove(segment_name(sealed.back().number)));
            BATON_TRY(directory_.sync());
            sealed.pop_back();
        }
        journal_->next_record_ = last_record_ + 1;
        journal_->durable_record_ = last_record_;
        if (sealed.empty()) {
            const std::uint64_t capacity = options_.first_segment_bytes;
            BATON_ASSIGN(journal_->current_, prepare_segment(directory_, {1, capacity, capacity}));
            journal_->end_ = journal_->synced_end_ = file_header_size;
            journal_->first_in_current_ = journal_->next_record_;
            return {};
        }
        return reopen_last();
    }

    // The next segment was prepared before the stop and is as good as new.
    Outcome<void> keep_prepared() {
        std::deque<SealedSegment>& sealed = journal_->sealed_;
        if (bad_ || sealed.size() < 2 || sealed.back().bytes != file_header_size ||
            sealed[sealed.size() - 2].bytes == file_header_size)
            return {};
        const std::uint64_t number = sealed.back().number;
        BATON_ASSIGN(std::unique_ptr<File> file, directory_.open(segment_name(number)));
        BATON_ASSIGN(const std::uint64_t capacity, file->size());
        if (capacity <= file_header_size) return {};
        journal_->next_ = PreparedSegment{number, capacity, std::move(file)};
        sealed.pop_back();
        return {};
    }

    Outcome<void> reopen_last() {
        SealedSegment last = journal_->sealed_.back();
        journal_->sealed_.pop_back();
        BATON_ASSIGN(std::unique_ptr<File> file, directory_.open(segment_name(last.number)));
        BATON_ASSIGN(const std::uint64_t capacity, file->size());
        if (bad_) {
            last.bytes = bad_->offset;
            report_.cut = fmt::format(
                "{} ended in the middle of what was being written; cut at offset {} "
                "after record {}",
                directory_.path_of(segment_name(last.number)), bad_->offset, last_record_);
            BATON_TRY(erase(*file, bad_->offset, capacity - bad_->offset));
        } else {
            // A record may have been written and not synced when the process was killed; what the
            // next batch says about the bytes before it must be true.
            BATON_TRY(file->sync());
        }
        journal_->current_ = {last.number, capacity, std::move(file)};
        journal_->end_ = journal_->synced_end_ = last.bytes;
        journal_->first_in_current_ = std::min(last.first_record, journal_->next_record_);
        journal_->current_index_ = std::move(last.index);
        journal_->current_index_.cut(journal_->next_record_);
        return {};
    }

    // Zeros, so that no stale record lies behind what is written next.
    static Outcome<void> erase(File& file, std::uint64_t offset, std::uint64_t size) {
        static constexpr std::array<std::byte, 64 * 1024> zeros{};
        while (size > 0) {
            const auto part = std::min<std::uint64_t>(size, zeros.size());
            const ByteView piece(zeros.data(), static_cast<std::size_t>(part));
            BATON_TRY(file.write_at(offset, {&piece, 1}));
            offset += part;
            size -= part;
        }
        return file.sync();
    }

    Directory& directory_;
    JournalOptions options_;
    const Journal::Visitor& visit_;
    RecoveryReport& report_;
    std::unique_ptr<Journal> journal_;
    std::vector<std::uint64_t> numbers_;
    // The segment being read.
    std::uint64_t number_ = 0;
    std::string path_;
    std::unique_ptr<File> file_;
    std::vector<std::byte> bytes_;
    SegmentIndex index_;
    std::uint64_t first_record_ = 0;
    std::uint64_t last_record_ = 0;
    std::vector<Grouped> group_;
    std::optional<BadPlace> bad_;
};

Outcome<std::unique_ptr<Journal>> Journal::open(Directory& directory, JournalOptions options,
                                                const Visitor& visit, RecoveryReport& report) {
    return Opening(directory, options, visit, report).run();
}

} // namespace baton::broker::journal
