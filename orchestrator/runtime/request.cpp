// Requests and answers as JSON.
#include "orchestrator/runtime/request.hpp"

#include "base/overloaded.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace baton::orchestrator::runtime {

namespace json = boost::json;

namespace {

constexpr std::array<std::pair<Request::Kind, std::string_view>, 22> kinds{
    {{Request::Kind::start, "start"},
     {Request::Kind::cancel, "cancel"},
     {Request::Kind::retry, "retry"},
     {Request::Kind::skip_undo, "skip_undo"},
     {Request::Kind::finish, "finish"},
     {Request::Kind::redrive, "redrive"},
     {Request::Kind::drop, "drop"},
     {Request::Kind::watch, "watch"},
     {Request::Kind::start_dead_job, "start_dead_job"},
     {Request::Kind::cancel_dead_job, "cancel_dead_job"},
     {Request::Kind::queue_lost, "queue_lost"},
     {Request::Kind::pause, "pause"},
     {Request::Kind::resume, "resume"},
     {Request::Kind::skip, "skip"},
     {Request::Kind::set_output, "set_output"},
     {Request::Kind::edit_input, "edit_input"},
     {Request::Kind::rerun, "rerun"},
     {Request::Kind::mend, "mend"},
     {Request::Kind::signal, "signal"},
     {Request::Kind::event, "event"},
     {Request::Kind::approve, "approve"},
     {Request::Kind::reject, "reject"}}};

// Members that are plain text.
constexpr std::array<std::pair<std::string_view, std::string Request::*>, 12> request_texts{
    {{"run", &Request::run_id},
     {"actor", &Request::actor},
     {"reason", &Request::reason},
     {"step", &Request::step},
     {"name", &Request::name},
     {"workflow", &Request::workflow},
     {"input", &Request::input},
     {"key", &Request::key},
     {"fallback_key", &Request::fallback_key},
     {"caller", &Request::caller},
     {"traceparent", &Request::traceparent},
     {"tracestate", &Request::tracestate}}};

constexpr std::array<std::pair<std::string_view, std::vector<std::string> Request::*>, 2> lists{
    {{"routes", &Request::routes}, {"roles", &Request::roles}}};

// Events that nobody asks of a run by operating it; a new one is to be thought about.
template <class Event, class... Known>
inline constexpr bool is_one_of = (std::is_same_v<Event, Known> || ...);
template <class Event>
inline constexpr bool never_travels =
    is_one_of<Event, core::RunStarted, core::TaskCompleted, core::TaskFailed, core::TaskLost,
              core::TaskStarted, core::TaskHeartbeat, core::TaskDeferred, core::QueueLost,
              core::AlarmRang, core::CancelRequested, core::TaskRevived, core::UndoSkipped,
              core::RunFinished, core::SlotGiven, core::TasksReleased, core::ResultKnown>;

std::string text_of(const json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

std::uint64_t number_of(const json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    if (value == nullptr) return 0;
    ErrorCode error;
    const auto number = value->to_number<std::uint64_t>(error);
    return error ? 0 : number;
}

bool is_set(const json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

json::object object_of(const DeadJob& job) {
    return {{"id", job.id},
            {"key", job.key},
            {"at", micros_of(job.at)},
            {"actor", job.actor},
            {"drops", job.drops},
            {"filter", filter_text(job.filter)},
            {"interval", job.interval.count()},
            {"stop_after", job.stop_after},
            {"reason", job.reason},
            {"edit", job.edit},
            {"unfit", job.unfit},
            {"state", static_cast<int>(job.state)},
            {"closed_at", job.closed_at ? micros_of(*job.closed_at) : 0},
            {"total", job.total},
            {"last_id", job.last_id},
            {"cursor", job.cursor},
            {"done", job.done},
            {"refused", job.refused},
            {"failures", job.failures},
            {"seen_id", job.seen_id},
            {"note", job.note}};
}

DeadJob job_of(const json::object& from) {
    DeadJob job;
    job.id = number_of(from, "id");
    job.key = text_of(from, "key");
    job.at = time_from_micros(static_cast<std::int64_t>(number_of(from, "at")));
    job.actor = text_of(from, "actor");
    job.drops = is_set(from, "drops");
    job.filter = filter_from(text_of(from, "filter"));
    job.interval = Duration(static_cast<std::int64_t>(number_of(from, "interval")));
    job.stop_after = number_of(from, "stop_after");
    job.reason = text_of(from, "reason");
    job.edit = text_of(from, "edit");
    job.unfit = number_of(from, "unfit");
    if (const auto state = number_of(from, "state"); state >= 1 && state <= 4)
        job.state = static_cast<DeadJobState>(state);
    if (const auto at = number_of(from, "closed_at"); at > 0)
        job.closed_at = time_from_micros(static_cast<std::int64_t>(at));
    job.total = number_of(from, "total");
    job.last_id = number_of(from, "last_id");
    job.cursor = number_of(from, "cursor");
    job.done = number_of(from, "done");
    job.refused = number_of(from, "refused");
    job.failures = number_of(from, "failures");
    job.seen_id = number_of(from, "seen_id");
    job.note = text_of(from, "note");
    return job;
}

Outcome<json::object> parse(std::string_view text) {
    const auto document = core::Document::parse_stored(std::string(text));
    const auto* object = document ? document->json().if_object() : nullptr;
    if (object == nullptr)
        return Failure{make_error_code(EngineErrc::refused), "this is no JSON object"};
    return *object;
}

} // namespace

std::string_view word_of(Request::Kind kind) {
    for (const auto& [one, word] : kinds)
        if (one == kind) return word;
    return {};
}

void put_event(Request& request, const core::Event& event) {
    const auto of_step = [&request](Request::Kind kind, const auto& one) {
        request.kind = kind;
        request.step = one.step;
        request.reason = one.reason;
    };
    std::visit(Overloaded{
                   [&](const core::PauseRequested& one) {
                       request.kind = Request::Kind::pause;
                       request.reason = one.reason;
                   },
                   [&](const core::ResumeRequested& one) {
                       request.kind = Request::Kind::resume;
                       request.reason = one.reason;
                   },
                   [&](const core::SkipRequested& one) { of_step(Request::Kind::skip, one); },
                   [&](const core::OutputGiven& one) {
                       of_step(Request::Kind::set_output, one);
                       request.input = one.output.text();
                   },
                   [&](const core::InputEdited& one) {
                       of_step(Request::Kind::edit_input, one);
                       request.undo = one.undo;
                       request.input = one.input.text();
                   },
                   [&](const core::RerunRequested& one) { of_step(Request::Kind::rerun, one); },
                   [&](const core::RunMended& one) {
                       request.kind = Request::Kind::mend;
                       request.reason = one.what;
                       request.routes = one.routes;
                   },
                   [&](const core::RunRetried& one) {
                       request.kind = Request::Kind::retry;
                       request.now = one.now;
                   },
                   [&](const core::SignalSent& one) {
                       request.kind = Request::Kind::signal;
                       request.name = one.name;
                       request.key = one.id;
                       request.input = one.data.text();
                       request.actor = one.by;
                   },
                   [&](const core::EventArrived& one) {
                       request.kind = Request::Kind::event;
                       request.name = one.id;
                       request.key = one.key;
                       request.id = static_cast<std::uint64_t>(micros_of(one.at));
                       request.input = one.event.text();
                   },
                   [&](const core::ApprovalDecided& one) {
                       request.kind = one.approves ? Request::Kind::approve : Request::Kind::reject;
                       request.step = one.step;
                       request.reason = one.comment;
                       request.input = one.form.text();
                       request.actor = one.by;
                       request.roles = one.roles;
                       request.may_operate = one.may_operate;
                   },
                   []<class Other>(const Other&) { static_assert(never_travels<Other>); },
               },
               event);
}

Outcome<core::Event> event_of(const Request& request) {
    using Kind = Request::Kind;
    BATON_ASSIGN(core::Document given,
                 core::Document::parse(request.input.empty() ? "null" : request.input));
    if (request.kind == Kind::pause) return core::Event{core::PauseRequested{request.reason}};
    if (request.kind == Kind::resume) return core::Event{core::ResumeRequested{request.reason}};
    if (request.kind == Kind::skip)
        return core::Event{core::SkipRequested{request.step, request.reason}};
    if (request.kind == Kind::set_output)
        return core::Event{core::OutputGiven{request.step, std::move(given), request.reason}};
    if (request.kind == Kind::edit_input)
        return core::Event{
            core::InputEdited{request.step, request.undo, std::move(given), request.reason}};
    if (request.kind == Kind::rerun)
        return core::Event{core::RerunRequested{request.step, request.reason}};
    if (request.kind == Kind::mend)
        return core::Event{core::RunMended{request.reason, request.routes}};
    if (request.kind == Kind::signal)
        return core::Event{
            core::SignalSent{request.name, request.key, std::move(given), request.actor}};
    if (request.kind == Kind::event)
        return core::Event{core::EventArrived{request.key, request.name,
                                              time_from_micros(static_cast<std::int64_t>(request.id)), std::move(given)}};
    if (request.kind == Kind::approve || request.kind == Kind::reject)
        return core::Event{core::ApprovalDecided{request.step, request.kind == Kind::approve,
                                                 request.reason, std::move(given), request.actor,
                                                 request.roles, request.may_operate}};
    return Failure{make_error_code(EngineErrc::refused),
                   fmt::format("'{}' is no event of a run", word_of(request.kind))};
}

std::string to_json(const Request& request) {
    json::object out;
    out["kind"] = word_of(request.kind);
    for (const auto& [name, member] : request_texts)
        if (!(request.*member).empty()) out[name] = request.*member;
    if (request.hops != 0) out["hops"] = request.hops;
    if (request.now) out["now"] = true;
    if (request.is_by_trigger) out["by_trigger"] = true;
    if (request.undo) out["undo"] = true;
    if (request.may_operate) out["may_operate"] = true;
    if (request.kind == Request::Kind::finish) out["status"] = core::word_of(request.status);
    if (request.after_seq != 0) out["after_seq"] = request.after_seq;
    if (request.only_at) out["only_at"] = *request.only_at;
    if (request.id != 0) out["id"] = request.id;
    if (request.body) out["body"] = *request.body;
    if (request.version != 0) out["version"] = request.version;
    if (request.scheduled_at) out["scheduled_at"] = micros_of(*request.scheduled_at);
    if (request.kind == Request::Kind::start_dead_job) out["job"] = object_of(request.job);
    if (!request.labels.empty()) {
        json::object labels;
        for (const auto& [name, value] : request.labels)
            labels[name] = value;
        out["labels"] = std::move(labels);
    }
    for (const auto& [name, member] : lists) {
        json::array list;
        for (const std::string& one : request.*member)
            list.emplace_back(one);
        if (!list.empty()) out[name] = std::move(list);
    }
    return json::serialize(out);
}

Outcome<Request> request_from_json(std::string_view text) {
    BATON_ASSIGN(const json::object from, parse(text));
    Request request;
    const std::string kind = text_of(from, "kind");
    const auto known = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const auto& one) { return one.second == kind; });
    if (known == kinds.end())
        return Failure{make_error_code(EngineErrc::refused),
                       "the server that owns this does not know '" + kind +
                           "'; it may be older than the one you asked"};
    request.kind = known->first;
    for (const auto& [name, member] : request_texts)
        request.*member = text_of(from, name);
    request.hops = static_cast<std::uint32_t>(number_of(from, "hops"));
    request.now = is_set(from, "now");
    request.is_by_trigger = is_set(from, "by_trigger");
    request.undo = is_set(from, "undo");
    request.may_operate = is_set(from, "may_operate");
    if (const auto status = core::run_status_from(text_of(from, "status")))
        request.status = *status;
    request.after_seq = number_of(from, "after_seq");
    if (from.contains("only_at")) request.only_at = number_of(from, "only_at");
    request.id = number_of(from, "id");
    if (from.contains("body")) request.body = text_of(from, "body");
    request.version = static_cast<std::uint32_t>(number_of(from, "version"));
    if (from.contains("scheduled_at"))
        request.scheduled_at =
            time_from_micros(static_cast<std::int64_t>(number_of(from, "scheduled_at")));
    if (const auto* job = from.if_contains("job"); job != nullptr && job->is_object())
        request.job = job_of(job->get_object());
    if (const auto* labels = from.if_contains("labels"); labels != nullptr && labels->is_object())
        for (const auto& [name, value] : labels->get_object())
            if (value.is_string())
                request.labels.emplace(std::string(name), std::string(value.get_string()));
    for (const auto& [name, member] : lists)
        if (const auto* list = from.if_contains(name); list != nullptr && list->is_array())
            for (const json::value& one : list->get_array())
                if (one.is_string()) (request.*member).emplace_back(one.get_string());
    return request;
}

std::string to_json(const Outcome<Answer>& answer) {
    json::object out;
    if (!answer) {
        const Failure& failure = answer.error();
        // Of the engine by number, which stay as they are; all else may be tried again.
        if (failure.code.category() == engine_category()) out["code"] = failure.code.value();
        out["error"] = failure.detail;
        return json::serialize(out);
    }
    out["run"] = answer->run_id;
    out["seq"] = answer->seq;
    out["status"] = core::word_of(answer->status);
    out["new"] = answer->is_new;
    out["version"] = answer->workflow_version;
    if (answer->is_skipped) out["skipped"] = true;
    if (answer->is_queued) out["queued"] = true;
    if (answer->job.id != 0) out["job"] = object_of(answer->job);
    return json::serialize(out);
}

Outcome<Answer> answer_from_json(std::string_view text) {
    BATON_ASSIGN(const json::object from, parse(text));
    if (from.contains("error")) {
        const auto code = static_cast<int>(number_of(from, "code"));
        return Failure{code != 0 ? ErrorCode{code, engine_category()}
                                 : make_error_code(StoreErrc::unavailable),
                       text_of(from, "error")};
    }
    Answer answer;
    answer.run_id = text_of(from, "run");
    answer.seq = number_of(from, "seq");
    if (const auto status = core::run_status_from(text_of(from, "status"))) answer.status = *status;
    answer.is_new = is_set(from, "new");
    answer.is_skipped = is_set(from, "skipped");
    answer.is_queued = is_set(from, "queued");
    answer.workflow_version = static_cast<std::uint32_t>(number_of(from, "version"));
    if (const auto* job = from.if_contains("job"); job != nullptr && job->is_object())
        answer.job = job_of(job->get_object());
    return answer;
}

} // namespace baton::orchestrator::runtime
