// Writes array literals and reads columns in the order their lists name them.
#include "db/postgres_rows.hpp"

#include "base/utf8.hpp"

#include <algorithm>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

bool is_plain(char c) {
    return c > 0;
}

// Hands `text` piece by piece to `take`, with what cannot be stored replaced.
template <typename Take>
void for_each_clean_piece(std::string_view text, Take take) {
    while (!text.empty()) {
        const auto end = std::ranges::find_if_not(text, is_plain);
        const auto plain = static_cast<std::size_t>(end - text.begin());
        if (plain > 0) take(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) return;
        const std::size_t length = text[0] == 0 ? 0 : utf8_length(text); // a zero byte is no text here
        take(length > 0 ? text.substr(0, length) : replacement);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
}

std::uint64_t count_in(const pqxx::row& row, int column) {
    return static_cast<std::uint64_t>(row[column].as<std::int64_t>());
}

std::uint32_t small_count_in(const pqxx::row& row, int column) {
    return static_cast<std::uint32_t>(row[column].as<std::int64_t>());
}

std::string text_in(const pqxx::row& row, int column) {
    return {row[column].c_str(), row[column].size()};
}

Time time_in(const pqxx::row& row, int column) {
    return time_from_micros(row[column].as<std::int64_t>());
}

std::optional<Time> optional_time_in(const pqxx::row& row, int column) {
    if (row[column].is_null()) return std::nullopt;
    return time_in(row, column);
}

} // namespace

std::string clean_text(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for_each_clean_piece(text, [&](std::string_view piece) { clean += piece; });
    return clean;
}

std::string timestamp_text(Time time) {
    constexpr Time first = time_from_micros(0);
    constexpr Time last = time_from_micros(253402300799LL * 1000000); // 9999-12-31T23:59:59Z
    return to_rfc3339(std::clamp(time, first, last));
}

void ArrayText::add(std::string_view text) {
    separate();
    text_.reserve(text_.size() + text.size() + 2);
    text_ += '"';
    for_each_clean_piece(text, [this](std::string_view piece) {
        while (true) {
            const std::size_t special = piece.find_first_of("\"\\");
            text_ += piece.substr(0, special);
            if (special == std::string_view::npos) return;
            text_ += '\\';
            text_ += piece[special];
            piece.remove_prefix(special + 1);
        }
    });
    text_ += '"';
}

void ArrayText::add(std::nullopt_t) {
    separate();
    text_ += "NULL";
}

StoredRun read_run(const pqxx::row& row) {
    StoredRun run;
    run.run_id = text_in(row, 0);
    run.part = static_cast<Partition>(count_in(row, 1));
    run.definition_id = count_in(row, 2);
    run.workflow = text_in(row, 3);
    run.workflow_version = small_count_in(row, 4);
    run.status = static_cast<RunStatus>(count_in(row, 5));
    run.version = count_in(row, 6);
    run.state = text_in(row, 7);
    run.input = text_in(row, 8);
    if (!row[9].is_null()) run.output = text_in(row, 9);
    run.error_type = text_in(row, 10);
    run.error = text_in(row, 11);
    run.started_at = time_in(row, 12);
    run.closed_at = optional_time_in(row, 13);
    if (row.size() > 14) run.texts = static_cast<StoredRun::Texts>(count_in(row, 14));
    if (row.size() > 15) run.tags = text_in(row, 15);
    return run;
}

HistoryRow read_history(const pqxx::row& row) {
    HistoryRow history;
    history.run_id = text_in(row, 0);
    history.seq = count_in(row, 1);
    history.part = static_cast<Partition>(count_in(row, 2));
    history.pseq = count_in(row, 3);
    history.at = time_in(row, 4);
    history.events = text_in(row, 5);
    return history;
}

DeadLetter read_dead_letter(const pqxx::row& row) {
    DeadLetter letter;
    letter.id = count_in(row, 0);
    letter.at = time_in(row, 1);
    letter.state = static_cast<DeadLetterState>(count_in(row, 2));
    letter.closed_at = optional_time_in(row, 3);
    letter.reason = text_in(row, 4);
    letter.task = text_in(row, 5);
    letter.run_id = text_in(row, 6);
    letter.workflow = text_in(row, 7);
    letter.workflow_version = small_count_in(row, 8);
    letter.step = text_in(row, 9);
    letter.attempts = small_count_in(row, 10);
    letter.error_type = text_in(row, 11);
    letter.error = text_in(row, 12);
    letter.input = text_in(row, 13);
    letter.message = text_in(row, 14);
    letter.again_of = count_in(row, 15);
    letter.cause = text_in(row, 16);
    letter.closed_by = text_in(row, 17);
    letter.close_reason = text_in(row, 18);
    letter.job = count_in(row, 19);
    return letter;
}

StoredDefinition read_definition(const pqxx::row& row) {
    StoredDefinition definition;
    definition.definition_id = count_in(row, 0);
    definition.name = text_in(row, 1);
    definition.version = small_count_in(row, 2);
    definition.source = text_in(row, 3);
    definition.file_name = text_in(row, 4);
    definition.is_live = row[5].as<bool>();
    definition.created_at = time_in(row, 6);
    return definition;
}

} // namespace baton::db
