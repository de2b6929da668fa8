#include "orchestrator/runtime/run_job.hpp"

#include "orchestrator/runtime/run_query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::orchestrator::runtime {

namespace {

constexpr std::array<std::string_view, 8> actions{"cancel", "terminate", "pause", "resume",
                                                  "retry",  "finish",    "skip",  "rerun"};
constexpr std::array<std::string_view, 4> final_statuses{"completed", "failed", "cancelled",
                                                         "compensated"};

Failure bad_job(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

std::string job_text_in(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

bool has(std::span<const std::string_view> all, std::string_view word) {
    return std::find(all.begin(), all.end(), word) != all.end();
}

} // namespace

std::span<const std::string_view> run_job_actions() {
    return actions;
}

Outcome<void> check_run_action(const boost::json::object& action) {
    const std::string name = job_text_in(action, "action");
    if (!has(actions, name))
        return bad_job(fmt::format("'action' is one of cancel, terminate, pause, resume, retry, "
                                   "finish, skip, rerun, not '{}'",
                                   name));
    const bool has_step = name == "skip" || name == "rerun";
    const bool needs_reason = has_step || name == "finish" || name == "terminate";
    if (has_step == job_text_in(action, "step").empty())
        return bad_job(has_step ? "'step' must name a step, as baton show does"
                                : fmt::format("'step' does not go with {}", name));
    if ((name == "finish") == job_text_in(action, "status").empty())
        return bad_job(name == "finish" ? "'status' must say as what the runs end"
                                        : fmt::format("'status' does not go with {}", name));
    if (name == "finish" && !has(final_statuses, job_text_in(action, "status")))
        return bad_job("'status' is completed, failed, cancelled or compensated");
    if (const auto* now = action.if_contains("now");
        now != nullptr && (name != "retry" || !now->is_bool()))
        return bad_job("'now' is true or false, and goes with retry");
    if (needs_reason && job_text_in(action, "reason").empty())
        return bad_job("'reason' must say why; the history keeps it");
    return boost::system::in_place_value;
}

Outcome<RunSearch> search_of(const RunJob& job) {
    BATON_ASSIGN(RunSearch search, parse_run_query(job.query, job.at));
    search.until = search.until ? std::min(*search.until, job.at) : job.at;
    return search;
}

} // namespace baton::orchestrator::runtime
