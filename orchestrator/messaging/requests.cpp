#include "orchestrator/messaging/requests.hpp"

#include "base/log.hpp"
#include "contract/topology.hpp"
#include "orchestrator/messaging/message_json.hpp"

#include <boost/asio/post.hpp>

#include <optional>
#include <string_view>
#include <utility>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Delivery;

// So many are decided at once; the others stay with the broker.
constexpr std::uint16_t under_way_max = 64;

std::string text_of(const std::optional<std::string>& text) { return text.value_or(""); }

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

} // namespace

Requests::Requests(net::asio::any_io_executor executor, OnRequest on_request)
    : executor_(executor), on_request_(std::move(on_request)) {}

net::Awaitable<Outcome<void>> Requests::consume(amqp::client::Connection& connection) {
    if (!on_request_) co_return Outcome<void>{boost::system::in_place_value};
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
}

void Requests::take(const Delivery& delivery) {
    const amqp::Properties& said = delivery.properties;
    Request request;
    request.name = readable(delivery.routing_key);
    request.user = text_of(said.user_id);
    request.id = text_of(said.message_id ? said.message_id : said.correlation_id);
    request.body = delivery.body.text();
    if (said.headers)
        request.trace = trace::given(said.headers->text("traceparent").value_or(""), said.headers->text("tracestate").value_or(""));
    if (const auto waits = yes_or_no(said.headers, "baton-wait"))
        request.waits = *waits;
    else
        request.unfit = "the header baton-wait must be true or false";
    const Asked asked{life_, delivery.delivery_tag, text_of(said.reply_to), text_of(said.correlation_id)};
    on_request_(std::move(request), [this, asked](Answer one) {
        net::asio::post(executor_, [this, asked, one = std::move(one)] { answer(asked, one); });
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
