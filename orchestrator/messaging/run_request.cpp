// Requests for runs, and their answers.
#include "orchestrator/messaging/run_request.hpp"

#include "base/json_text.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <boost/json/object.hpp>

#include <utility>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Publication;

constexpr std::string_view start_type = "run.start";
constexpr std::string_view cancel_type = "run.cancel";
constexpr const char* code_header = "baton-code";

std::string code_of(std::string_view type, std::string_view token, std::string_view body,
                    std::string_view secret) {
    std::string all{type};
    all.append("\n").append(token).append("\n").append(body);
    return core::to_hex(core::hmac_sha256(secret, all));
}

Publication request(std::string_view type, std::string token, std::string body,
                    runtime::Partition to, std::string_view secret) {
    Publication made;
    made.routing_key = contract::report_queue(to);
    made.properties.type = std::string{type};
    made.properties.content_type = "application/json";
    made.properties.delivery_mode = 2;
    made.properties.headers.emplace();
    made.properties.headers->set(code_header, code_of(type, token, body, secret));
    made.properties.correlation_id = std::move(token);
    made.body = SharedBytes::copy_of(body);
    made.mandatory = true;
    return made;
}

std::string request_text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string()
               ? std::string{value->get_string().data(), value->get_string().size()}
               : std::string{};
}

} // namespace

Publication run_request_of(const core::DispatchTask& task, runtime::Partition to,
                           std::string_view secret, const trace::Given& trace) {
    boost::json::object body{{"workflow", task.route.substr(core::workflow_route.size())},
                             {"depth", task.depth}};
    if (task.is_detached) body["detached"] = true;
    if (!task.root.empty()) body["root"] = task.root;
    body["input"] = task.with.json();
    if (!trace.is_empty()) body["traceparent"] = trace.parent;
    if (!trace.state.empty()) body["tracestate"] = trace.state;
    return request(start_type, encode_token({task.run_id, task.ref}, secret), write_json(body), to,
                   secret);
}

Publication run_request_of(const core::CancelTask& cancel, runtime::Partition to,
                           std::string_view secret) {
    return request(cancel_type, encode_token({cancel.run_id, cancel.ref}, secret), "{}", to,
                   secret);
}

namespace {

contract::Report request_report(const core::Document& output, const core::Document& problem) {
    if (problem.is_null()) return contract::Completed{std::string{output.text()}};
    const auto& error = problem.json().as_object();
    contract::Problem made;
    made.type = request_text_in(error, "type");
    made.title = request_text_in(error, "title");
    made.detail = request_text_in(error, "detail");
    if (const auto* status = error.if_contains("status"); status != nullptr && status->is_int64())
        made.status = static_cast<int>(status->get_int64());
    if (const auto* data = error.if_contains("data")) made.data = write_json(*data);
    made.retryable = made.type != core::cancelled_type;
    return contract::Failed{std::move(made)};
}

Publication publication_of(std::string key, const std::string& token, contract::Report report) {
    const contract::Message message = contract::encode(contract::TaskReport{token, std::move(report)});
    Publication made;
    made.routing_key = std::move(key);
    made.properties = message.properties;
    made.body = SharedBytes::copy_of(message.body);
    return made;
}

} // namespace

Publication report_to_parent(const core::ReportToParent& report, runtime::Partition to,
                             std::string_view secret) {
    Publication made = publication_of(contract::report_queue(to),
                                      encode_token({report.parent.run_id, report.parent.ref}, secret),
                                      request_report(report.output, report.error));
    made.mandatory = true;
    return made;
}

// Who called may wait no longer: then nobody takes it, and that is well.
std::optional<Publication> answer_to_caller(const core::AnswerCaller& answer) {
    const auto* caller = answer.caller.json().if_object();
    if (caller == nullptr || request_text_in(*caller, "reply_to").empty()) return std::nullopt;
    Publication made = publication_of(request_text_in(*caller, "reply_to"), request_text_in(*caller, "correlation_id"),
                                      request_report(answer.output, answer.error));
    if (!answer.run_id.empty()) made.properties.headers.emplace().set("baton-run", answer.run_id);
    if (!answer.error.is_null()) made.properties.content_type = "application/problem+json"; // RFC 9457
    return made;
}

bool is_run_request(const amqp::Properties& properties) {
    return properties.type == start_type || properties.type == cancel_type;
}

std::optional<RunRequest> decode_run_request(const amqp::Properties& properties,
                                             const std::string& body, std::string_view secret) {
    const std::string text = properties.correlation_id.value_or("");
    const auto token = decode_token(text, secret);
    const auto* code = properties.headers ? properties.headers->find(code_header) : nullptr;
    const auto* said = code == nullptr ? nullptr : code->get<std::string>();
    const std::string wanted = code_of(*properties.type, text, body, secret);
    if (!token || said == nullptr || *said != wanted) return std::nullopt;
    RunRequest request{core::child_run_id(token->run_id, token->ref),
                       core::CancelRequested{"the run it belongs to needs it no more"}};
    if (properties.type == cancel_type) return request;
    const auto parsed = core::Document::parse(body);
    const auto* object = parsed ? parsed->json().if_object() : nullptr;
    if (object == nullptr) return std::nullopt;
    core::RunStarted start;
    start.workflow = request_text_in(*object, "workflow");
    if (const auto* input = object->if_contains("input")) start.input = core::Document::of(*input);
    const auto* depth = object->if_contains("depth");
    core::ParentRef parent{token->run_id, token->ref};
    parent.depth =
        depth != nullptr && depth->is_int64() ? static_cast<std::uint32_t>(depth->get_int64()) : 1;
    parent.is_detached = object->contains("detached");
    parent.root = request_text_in(*object, "root");
    start.parent = std::move(parent);
    start.trace = trace::given(request_text_in(*object, "traceparent"), request_text_in(*object, "tracestate"));
    request.event = std::move(start);
    return request;
}

} // namespace baton::orchestrator::messaging
