#include "orchestrator/messaging/notice.hpp"

#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace baton::orchestrator::messaging {
namespace {

// A run that failed and was undone failed, too. What an operator did he knows.
constexpr const char* actor = "notify";

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

// That a notice failed or asks is told by nobody: it would go round.
bool is_meant(const NoticeOptions::Teller& teller, std::string_view workflow) {
    if (teller.workflow.empty() || workflow == teller.workflow) return false;
    const std::vector<std::string>& only = teller.only;
    const auto fits = [workflow](std::string_view pattern) {
        if (!pattern.ends_with('*')) return pattern == workflow;
        pattern.remove_suffix(1);
        return workflow.starts_with(pattern);
    };
    return only.empty() || std::ranges::any_of(only, fits);
}

runtime::StartRequest request_of(const NoticeOptions::Teller& teller, boost::json::object notice,
                                 std::string key) {
    boost::json::object input;
    if (const auto with = read_json(teller.with.empty() ? "{}" : teller.with);
        with && with->is_object())
        input = with->get_object();
    input["notice"] = std::move(notice);
    runtime::StartRequest request;
    request.workflow = teller.workflow;
    request.input = write_json(input);
    request.key = std::move(key);
    request.is_by_trigger = true;
    request.actor = actor;
    return request;
}

} // namespace

std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceRun& run,
                                               const runtime::OutboxPlace& place) {
    if (!is_failure(run) || !is_meant(options.failures, run.workflow)) return std::nullopt;
    boost::json::object notice{{"run", run.run_id},
                               {"workflow", run.workflow},
                               {"version", run.workflow_version},
                               {"status", core::word_of(run.status)}};
    const auto* error = run.error.is_null() ? nullptr : run.error.json().if_object();
    for (const char* member : {"type", "title", "detail", "step"}) {
        const auto* said = error == nullptr ? nullptr : error->if_contains(member);
        notice[member] = said != nullptr && said->is_string() ? *said : boost::json::value("");
    }
    return request_of(options.failures, std::move(notice),
                      fmt::format("notice:{}:{}:{}", run.run_id, place.part, place.pseq));
}

std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceApproval& asked,
                                               const runtime::OutboxPlace& place) {
    if (!is_meant(options.approvals, asked.workflow)) return std::nullopt;
    boost::json::object notice{{"run", asked.run_id},
                               {"workflow", asked.workflow},
                               {"version", asked.workflow_version},
                               {"step", asked.step},
                               {"is_reminder", asked.is_reminder},
                               {"until", asked.until ? to_rfc3339(*asked.until) : std::string()},
                               {"url", options.page_url + "/approvals"},
                               {"by", boost::json::array{}}};
    for (const char* member : {"title", "by", "quorum"})
        if (const auto* said = asked.asked.json().as_object().if_contains(member))
            notice[member] = *said;
    return request_of(options.approvals, std::move(notice),
                      fmt::format("asked:{}:{}:{}:{}", asked.run_id, place.part, place.pseq,
                                  core::to_hex(core::sha256(asked.step)).substr(0, 32)));
}

// As a message that nobody could take: whoever mends its body changes the input of the run.
runtime::DeadLetter letter_of(const runtime::StartRequest& notice, const Failure& why) {
    core::Problem problem;
    problem.type = "baton.notice";
    problem.title = "nobody was told";
    problem.detail = why.detail;
    runtime::DeadLetter letter;
    letter.reason = notice_reason;
    letter.task = notice.workflow;
    letter.error_type = problem.type;
    letter.error = core::to_document(problem).text();
    letter.message = write_json(boost::json::object{
        {"exchange", ""},
        {"routing_key", notice.workflow},
        {"properties", boost::json::object{{"message_id", notice.key}, {"type", notice_reason}}},
        {"body", notice.input}});
    return letter;
}

Outcome<runtime::StartRequest> notice_in(const runtime::DeadLetter& letter) {
    const auto message = core::Document::parse_stored(letter.message);
    const auto* kept = message ? message->json().if_object() : nullptr;
    const auto text = [](const boost::json::object* object, std::string_view name) {
        const auto* value = object == nullptr ? nullptr : object->if_contains(name);
        return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                      : std::string();
    };
    const auto* properties = kept == nullptr ? nullptr : kept->if_contains("properties");
    runtime::StartRequest request;
    request.workflow = text(kept, "routing_key");
    request.input = text(kept, "body");
    if (properties != nullptr) request.key = text(properties->if_object(), "message_id");
    if (request.workflow.empty() || request.key.empty())
        return Failure{
            make_error_code(runtime::EngineErrc::refused),
            fmt::format("what is kept of dead letter {} is no notice; drop it", letter.id)};
    request.is_by_trigger = true;
    request.actor = actor;
    return request;
}

} // namespace baton::orchestrator::messaging
