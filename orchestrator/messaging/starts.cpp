// Events and calls.
#include "orchestrator/messaging/starts.hpp"

#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/trigger_input.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <optional>
#include <utility>

namespace baton::orchestrator::messaging {
namespace {

using runtime::EngineErrc;

Failure refusal(EngineErrc errc, std::string detail) {
    return {make_error_code(errc), std::move(detail)};
}

// What somebody sent who knows no JSON is text.
core::Document body_of(const RpcCall& call) {
    if (call.body.empty()) return core::Document::of(boost::json::object{});
    if (auto parsed = core::Document::parse(call.body)) return std::move(*parsed);
    return core::Document::of(boost::json::string(call.body));
}

Outcome<core::Document> input_of(const Answering& one, const RpcCall& call) {
    core::Document body = body_of(call);
    if (!one.trigger->input && !body.json().is_object())
        return refusal(EngineErrc::bad_input,
                       "the body must be a JSON object, with the workflow's input");
    if (!one.trigger->input) return body;
    boost::json::object event{{"trigger", one.trigger->name}, {"user", call.user}, {"id", call.id}};
    event["body"] = body.json();
    auto input =
        core::trigger_input(*one.workflow, *one.trigger,
                            expression::Value::sharing_json(
                                std::make_shared<const boost::json::value>(std::move(event))));
    if (!input) return refusal(EngineErrc::bad_input, input.error().detail);
    return std::move(*input);
}

// Two clients may count their requests alike, but not with one queue for the answers.
std::string key_of(const core::Trigger& trigger, const RpcCall& call) {
    std::string name = call.reply_to;
    for (const std::string* part : {&call.correlation_id, &call.id})
        (name += '\0') += *part;
    return fmt::format("rpc/{}/{}", trigger.name, core::to_hex(core::sha256(name)));
}

core::Document caller_of(const RpcCall& call, const core::RpcTrigger& rpc, Time now) {
    if (call.reply_to.empty()) return {};
    boost::json::object caller{{"reply_to", call.reply_to},
                               {"correlation_id", call.correlation_id}};
    if (rpc.timeout) caller["answer_by"] = micros_of(now + *rpc.timeout);
    return core::Document::of(std::move(caller));
}

std::string source_of(const core::Document& event) {
    const auto* object = event.json().if_object();
    const auto* source = object != nullptr ? object->if_contains("source") : nullptr;
    return source != nullptr && source->is_string() ? std::string(source->get_string())
                                                    : std::string{};
}

// Nothing: it is not meant.
Outcome<std::optional<runtime::StartRequest>> start_by_event(const core::Workflow& workflow,
                                                             const core::Trigger& trigger,
                                                             const runtime::IncomingEvent& event) {
    const std::string source = source_of(event.event);
    if (!core::is_for(std::get<core::EventTrigger>(trigger.kind), event.type, source))
        return std::optional<runtime::StartRequest>{};
    const auto value = expression::Value::sharing_json(event.event.shared_json());
    BATON_ASSIGN(const bool is_meant, core::is_meant(workflow, trigger, value));
    if (!is_meant) return std::optional<runtime::StartRequest>{};
    BATON_ASSIGN(const core::Document input, core::trigger_input(workflow, trigger, value));
    constexpr std::size_t named_bytes = 200;
    runtime::StartRequest start;
    start.workflow = workflow.name;
    start.version = workflow.version; // another one may want another input, or nothing
    start.input = std::string(input.text());
    start.key = core::start_key_of_event(trigger, source, event.id);
    start.is_by_trigger = true;
    start.trace = event.trace;
    start.actor =
        fmt::format("event {}", event.type.size() <= named_bytes ? event.type : trigger.name);
    return std::optional(std::move(start));
}

} // namespace

EventStarts starts_of(const LiveWorkflows& live, const runtime::IncomingEvent& event) {
    EventStarts all;
    for (const auto& workflow : live)
        for (const core::Trigger& trigger : workflow->triggers) {
            if (!std::holds_alternative<core::EventTrigger>(trigger.kind)) continue;
            auto start = start_by_event(*workflow, trigger, event);
            if (!start)
                all.complaints.push_back(
                    fmt::format("{}: {}", workflow->name, start.error().detail));
            else if (*start)
                all.starts.push_back(std::move(**start));
        }
    return all;
}

Outcome<Answering> answering(const LiveWorkflows& live, std::string_view name) {
    Answering found;
    for (const auto& workflow : live)
        for (const core::Trigger& trigger : workflow->triggers) {
            const auto* rpc = std::get_if<core::RpcTrigger>(&trigger.kind);
            if (rpc == nullptr || rpc->name != name) continue;
            if (found.workflow)
                return refusal(EngineErrc::refused,
                               fmt::format("the workflows '{}' and '{}' both answer '{}'",
                                           found.workflow->name, workflow->name, name));
            found = {workflow, &trigger};
        }
    if (!found.workflow)
        return refusal(EngineErrc::unknown_workflow, fmt::format("no workflow answers '{}'", name));
    return found;
}

Outcome<runtime::StartRequest> start_of(const Answering& one, const RpcCall& call, Time now) {
    BATON_ASSIGN(const core::Document input, input_of(one, call));
    runtime::StartRequest start;
    start.workflow = one.workflow->name;
    start.input = std::string(input.text());
    start.key = key_of(*one.trigger, call);
    start.is_by_trigger = true;
    start.actor = call.user.empty() ? fmt::format("rpc {}", call.name) : call.user;
    start.trace = call.trace;
    start.caller = caller_of(call, std::get<core::RpcTrigger>(one.trigger->kind), now);
    return start;
}

} // namespace baton::orchestrator::messaging
