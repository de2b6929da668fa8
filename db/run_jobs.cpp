#include "db/run_jobs.hpp"

#include <charconv>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

std::int64_t number(const std::optional<std::string>& text) {
    std::int64_t value = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

std::uint64_t count(const std::optional<std::string>& text) {
    return static_cast<std::uint64_t>(number(text));
}

} // namespace

RunJob read_run_job(const SqlRow& row) {
    RunJob job;
    job.id = count(row[0]);
    job.key = row[1].value_or("");
    job.node = row[2].value_or("");
    job.at = time_from_micros(number(row[3]));
    job.actor = row[4].value_or("");
    job.action = row[5].value_or("");
    job.query = row[6].value_or("");
    job.interval = Duration(number(row[7]));
    job.stop_after = count(row[8]);
    job.state = static_cast<DeadJobState>(number(row[9]));
    if (row[10]) job.closed_at = time_from_micros(number(row[10]));
    job.total = count(row[11]);
    job.total_is_exact = number(row[12]) != 0;
    job.cursor = row[13].value_or("");
    job.done = count(row[14]);
    job.refused = count(row[15]);
    job.note = row[16].value_or("");
    return job;
}

} // namespace baton::db
