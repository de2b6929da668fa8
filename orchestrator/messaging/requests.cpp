#include "orchestrator/messaging/requests.hpp"

#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "contract/topology.hpp"
#include "orchestrator/core/trigger_input.hpp"
#include "orchestrator/messaging/message_json.hpp"
#include "orchestrator/messaging/run_request.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Delivery;

// So many are decided at once; the others stay with the broker.
constexpr std::uint16_t under_way_max = 64;
constexpr auto return_pause = std::chrono::seconds(1);

std::string property_text(const std::optional<std::string>& text) { return text.value_or(""); }

// Not every client has a bool: some write 1 or "true". Nothing for what is neither yes nor no.
std::optional<bool> yes_or_no(const std::optional<amqp::FieldTable>& headers, std::string_view name) {
    const amqp::FieldValue* said = headers ? headers->find(name) : nullptr;
    if (!said || said->get<amqp::Void>()) return false;
    if (const auto* flag = said->get<bool>()) return *flag;
    if (const auto number = said->integer(); number == 0 || number == 1) return number == 1;
    const auto* text = said->get<std::string>();
    if (text && (*text == "true" || *text == "false")) return *text == "true";
    return std::nullopt;
}

core::Problem problem(std::string_view type, int status, std::string detail) {
    core::Problem made;
    made.type = type;
    made.title = "no run was begun";
    made.status = status;
    made.detail = std::move(detail);
    return made;
}

trace::Given trace_of(const amqp::Properties& said) {
    if (!said.headers) return {};
    return trace::given(said.headers->text("traceparent").value_or(""), said.headers->text("tracestate").value_or(""));
}

} // namespace

Requests::Requests(net::asio::any_io_executor executor, const Clock& clock, runtime::Engine& engine, OnRequest on_request)
    : executor_(executor), clock_(clock), engine_(engine), on_request_(std::move(on_request)) {}

net::Awaitable<Outcome<void>> Requests::consume(amqp::client::Connection& connection) {
    auto opened = co_await connection.open_channel();
    if (!opened) co_return opened.error();
    channel_ = std::move(*opened);
    ++life_;
    amqp::BasicQos qos;
    qos.prefetch_count = under_way_max;
    const auto limited = co_await channel_->call(qos);
    if (!limited) co_return limited.error();
    amqp::BasicConsume method;
    method.queue = contract::rpc_queue;
    auto consumer = co_await channel_->consume(
        std::move(method), [this](Delivery delivery) { take(delivery); },
        [&connection](const std::string&) {
            log::error("messaging", "a queue of the orchestrator was deleted; connecting anew",
                       {{"queue", contract::rpc_queue}});
            connection.close();
        });
    if (!consumer) co_return consumer.error();
    consumer_tag_ = std::move(*consumer);
    co_return Outcome<void>{boost::system::in_place_value};
}

net::Awaitable<void> Requests::stop() {
    const auto channel = channel_;
    const std::string tag = std::exchange(consumer_tag_, {});
    if (channel && channel->is_open() && !tag.empty()) co_await channel->cancel(tag);
}

void Requests::lost() {
    channel_.reset();
    consumer_tag_.clear();
    returns_.clear();
}

void Requests::take(const Delivery& delivery) {
    const amqp::Properties& said = delivery.properties;
    const Asked asked{life_, delivery.delivery_tag, property_text(said.reply_to), property_text(said.correlation_id), delivery.redelivered};
    if (!core::is_own_request(delivery.routing_key)) return call(delivery, asked);
    if (!on_request_) return refuse(asked, problem("baton.unknown_rpc", 404, "nobody answers this here"));
    Request request;
    request.name = readable(delivery.routing_key);
    request.user = property_text(said.user_id);
    request.id = property_text(said.message_id ? said.message_id : said.correlation_id);
    request.body = delivery.body.text();
    request.trace = trace_of(said);
    if (const auto waits = yes_or_no(said.headers, "baton-wait"))
        request.waits = *waits;
    else
        request.unfit = "the header baton-wait must be true or false";
    on_request_(std::move(request), [this, asked](Answer one) {
        net::asio::post(executor_, [this, asked, one = std::move(one)] { answer(asked, one); });
    });
}

// A workflow's own name. What may come twice must be known again, or it would begin two runs.
void Requests::call(const Delivery& delivery, const Asked& asked) {
    if (!live_) return return_later(asked);
    const amqp::Properties& said = delivery.properties;
    const RpcCall call{readable(delivery.routing_key), readable(property_text(said.user_id)), readable(property_text(said.message_id)),
                       readable(asked.correlation_id), readable(asked.reply_to), readable(delivery.body.text()), trace_of(said)};
    if (call.id.empty() && call.correlation_id.empty())
        return refuse(asked, problem("baton.bad_request", 400,
                                     "a request may come twice: give the message a correlation_id or a message_id of its own"));
    const auto found = answering(*live_, call.name);
    if (!found) return failed(asked, call.name, found.error());
    auto start = start_of(*found, call, clock_.now());
    if (!start) return failed(asked, call.name, start.error());
    engine_.start_run(std::move(*start), [this, asked, name = call.name](const Outcome<runtime::Started>& started) {
        net::asio::post(executor_, [this, asked, name, started] {
            if (!channel_ || asked.life != life_) return; // it comes again, and finds its run
            started ? called(asked, *started) : failed(asked, name, started.error());
        });
    });
}

void Requests::called(const Asked& asked, const runtime::Started& started) {
    if (started.is_skipped)
        return refuse(asked, problem("baton.refused", 409,
                                     "run " + started.run_id + " of its concurrency key goes on; nothing was begun"));
    if (!started.is_new && !asked.is_redelivered) refuse_repeated(asked, started.run_id);
    fail_point("messaging.before_ack");
    (void)channel_->ack(asked.delivery_tag);
}

void Requests::failed(const Asked& asked, const std::string& name, const Failure& failure) {
    using runtime::EngineErrc;
    const bool is_unfit = failure.code == runtime::StoreErrc::unfit;
    const bool is_ours = is_unfit || failure.code.category() == runtime::engine_category();
    if (failure.code == EngineErrc::stopping) return; // the channel closes, and the broker keeps it
    if (!is_ours || failure.code == EngineErrc::moving || failure.code == EngineErrc::unanswered) return return_later(asked);
    log::warning("messaging", "a call began no run", {{"rpc", name}, {"reason", failure.detail}});
    if (failure.code == EngineErrc::unknown_workflow) return refuse(asked, problem("baton.unknown_rpc", 404, failure.detail));
    if (is_unfit || failure.code == EngineErrc::bad_input) return refuse(asked, problem("baton.bad_input", 422, failure.detail));
    if (failure.code == EngineErrc::overloaded) return refuse(asked, problem("baton.overloaded", 503, failure.detail));
    refuse(asked, problem("baton.refused", 409, failure.detail));
}

// An open run will answer; one that is closed has, and whoever counts requests anew would wait in vain.
void Requests::refuse_repeated(const Asked& asked, const std::string& run) {
    engine_.wait_for_change(run, 0, [this, asked, run](const Outcome<runtime::RunChanged>& seen) {
        if (!seen || !core::is_closed(seen->status)) return;
        net::asio::post(executor_, [this, asked, run] {
            if (channel_) tell(asked, problem("baton.duplicate", 409,
                                              "run " + run + " was begun by a request with this reply_to, correlation_id and "
                                              "message_id, and has answered it; give each request its own"));
        });
    });
}

void Requests::tell(const Asked& asked, const core::Problem& problem) {
    if (asked.reply_to.empty()) return;
    const auto reply = answer_to_caller({{}, core::Document::of(boost::json::object{{"reply_to", readable(asked.reply_to)},
                                                                                   {"correlation_id", readable(asked.correlation_id)}}),
                                         {}, core::to_document(problem)});
    if (reply) (void)channel_->publish(*reply);
}

void Requests::refuse(const Asked& asked, const core::Problem& problem) {
    tell(asked, problem);
    (void)channel_->ack(asked.delivery_tag);
}

// Nobody knows yet whether it has begun; at once it would go in circles.
void Requests::return_later(const Asked& asked) {
    auto& timer = returns_.try_emplace(asked.delivery_tag, executor_).first->second;
    timer.expires_after(return_pause);
    timer.async_wait([this, asked](const boost::system::error_code& cut) {
        if (cut || !channel_ || asked.life != life_) return;
        (void)channel_->nack(asked.delivery_tag, false, true);
        returns_.erase(asked.delivery_tag);
    });
}

void Requests::answer(const Asked& asked, const Answer& one) {
    // On another channel the broker has brought the request again, and that one is answered.
    if (!channel_ || (one.kind == "answer" && asked.life != life_)) return;
    if (!asked.reply_to.empty()) {
        amqp::client::Publication reply;
        reply.routing_key = asked.reply_to;
        reply.properties.type = one.kind;
        reply.properties.correlation_id = asked.correlation_id;
        reply.properties.content_type = "application/json";
        reply.properties.headers.emplace();
        reply.properties.headers->set("baton-status", static_cast<std::int32_t>(one.status));
        reply.body = SharedBytes::copy_of(one.body);
        (void)channel_->publish(reply);
    }
    if (one.kind == "answer") (void)channel_->ack(asked.delivery_tag);
}

} // namespace baton::orchestrator::messaging
