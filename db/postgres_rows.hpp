// Values on their way to PostgreSQL and back. Everything travels as text: columns of a batch as
// array literals, one per column, so that a batch of any size is one statement with a fixed number
// of parameters.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <pqxx/result>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

// Text PostgreSQL can hold: zero bytes and what is not UTF-8 become U+FFFD, so that no content can
// make the server refuse a batch.
std::string clean_text(std::string_view text);

// For timestamptz. Times outside 1970 to 9999 are moved to that range: an alarm beyond it never
// rings anyway.
std::string timestamp_text(Time time);

// Both databases know signed numbers only; what is above their range means "no limit".
constexpr std::int64_t signed_number(std::uint64_t number) {
    constexpr auto last = static_cast<std::uint64_t>(INT64_MAX);
    return static_cast<std::int64_t>(number < last ? number : last);
}

// An array literal under construction: {1,"two",NULL}.
class ArrayText {
public:
    void add(std::string_view text);
    void add(Time time) { add(timestamp_text(time)); }
    void add(std::nullopt_t);
    template <std::integral Number>
    void add(Number number) {
        separate();
        text_ += std::to_string(number);
    }
    template <typename Value>
    void add(const std::optional<Value>& value) {
        if (value)
            add(*value);
        else
            add(std::nullopt);
    }

    bool is_empty() const { return text_.empty(); }
    std::string text() const { return text_.empty() ? "{}" : text_ + "}"; }

private:
    void separate() { text_ += text_.empty() ? '{' : ','; }

    std::string text_;
};

// Lists of columns and what reads a row of each.
inline constexpr const char* postgres_run_columns =
    "run_id, part, definition_id, workflow, workflow_version, status, version, state, input, "
    "output, error_type, error, (extract(epoch from started_at) * 1000000)::bigint, "
    "(extract(epoch from closed_at) * 1000000)::bigint";
runtime::StoredRun read_run(const pqxx::row& row);

inline constexpr const char* postgres_history_columns =
    "run_id, seq, part, pseq, (extract(epoch from at) * 1000000)::bigint, events";
runtime::HistoryRow read_history(const pqxx::row& row);

inline constexpr const char* postgres_dead_letter_columns =
    "id, (extract(epoch from at) * 1000000)::bigint, state, "
    "(extract(epoch from closed_at) * 1000000)::bigint, reason, task, run_id, workflow, "
    "workflow_version, step, attempts, error_type, error, input, message, coalesce(again_of, 0), cause, "
    "closed_by, close_reason, coalesce(job, 0)";
runtime::DeadLetter read_dead_letter(const pqxx::row& row);

inline constexpr const char* postgres_definition_select =
    "select d.definition_id, d.name, d.version, d.source, d.file_name, l.name is not null, "
    "(extract(epoch from d.created_at) * 1000000)::bigint "
    "from definition d left join live l on l.definition_id = d.definition_id ";
runtime::StoredDefinition read_definition(const pqxx::row& row);

template <typename Row>
std::vector<Row> read_all(const pqxx::result& result, Row (*read)(const pqxx::row&)) {
    std::vector<Row> rows;
    rows.reserve(static_cast<std::size_t>(result.size()));
    for (const auto& row : result)
        rows.push_back(read(row));
    return rows;
}

template <typename Row>
std::optional<Row> read_one(const pqxx::result& result, Row (*read)(const pqxx::row&)) {
    if (result.empty()) return std::nullopt;
    return read(result[0]);
}

} // namespace baton::db
