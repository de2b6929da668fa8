#include "orchestrator/messaging/notice.hpp"

#include "base/json_text.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace baton::orchestrator::messaging {
namespace {

// A run that failed and was undone failed, too. What an operator did he knows.
bool is_failure(const core::AnnounceRun& run) {
    if (run.is_by_hand) return false;
    switch (run.status) {
    case core::RunStatus::paused:
    case core::RunStatus::failed:
    case core::RunStatus::timed_out:
    case core::RunStatus::compensated:
        return true;
    case core::RunStatus::queued:
    case core::RunStatus::running:
    case core::RunStatus::compensating:
    case core::RunStatus::completed:
    case core::RunStatus::cancelled:
        return false;
    }
    return false;
}

bool is_meant(const std::vector<std::string>& only, std::string_view workflow) {
    const auto fits = [workflow](std::string_view pattern) {
        if (!pattern.ends_with('*')) return pattern == workflow;
        pattern.remove_suffix(1);
        return workflow.starts_with(pattern);
    };
    return only.empty() || std::ranges::any_of(only, fits);
}

} // namespace

std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceRun& run,
                                               const runtime::OutboxPlace& place) {
    // That a notice failed is told by nobody: it would go round.
    if (options.workflow.empty() || run.workflow == options.workflow) return std::nullopt;
    if (!is_failure(run) || !is_meant(options.only, run.workflow)) return std::nullopt;
    boost::json::object notice{{"run", run.run_id},
                               {"workflow", run.workflow},
                               {"version", run.workflow_version},
                               {"status", core::word_of(run.status)}};
    const auto* error = run.error.is_null() ? nullptr : run.error.json().if_object();
    for (const char* member : {"type", "title", "detail", "step"}) {
        const auto* said = error == nullptr ? nullptr : error->if_contains(member);
        notice[member] = said != nullptr && said->is_string() ? *said : boost::json::value("");
    }
    boost::json::object input;
    if (const auto with = read_json(options.with.empty() ? "{}" : options.with);
        with && with->is_object())
        input = with->get_object();
    input["notice"] = std::move(notice);
    runtime::StartRequest request;
    request.workflow = options.workflow;
    request.input = write_json(input);
    request.key = fmt::format("notice:{}:{}:{}", run.run_id, place.part, place.pseq);
    request.is_by_trigger = true;
    request.actor = "notify";
    return request;
}

} // namespace baton::orchestrator::messaging
