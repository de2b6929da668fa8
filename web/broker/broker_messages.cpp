// Publishing to an exchange and getting from a queue over HTTP, for people and small scripts. The
// server connects to its own broker as the user who asks, so that permissions, limits and everything
// else hold as for any other client.
#include "web/broker/broker_api.hpp"
#include "base/utf8.hpp"
#include "web/broker/field_json.hpp"
#include "web/broker/from_json.hpp"
#include "web/http/replies.hpp"

#include "amqp/client/connection.hpp"
#include "amqp/client/errors.hpp"
#include "amqp/client/publisher.hpp"
#include "amqp/errors.hpp"
#include "base/base64.hpp"
#include "net/within.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace baton::web {

namespace broker_core = broker::core;
namespace client = amqp::client;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

// A broker that blocks publishers, or is very busy, is not waited for longer.
constexpr std::chrono::seconds answer_patience{15};
// What one answer may carry; the rest stays in the queue.
constexpr std::size_t gotten_bytes_max = 16U << 20;
constexpr std::uint32_t gotten_max = 10'000;

Failure wrong(std::string text) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(text)};
}

Response refused_message(const Failure& failure) {
    using enum amqp::ReplyCode;
    if (failure.code == not_found) return problem(404, "not_found", failure.detail);
    if (failure.code == access_refused || failure.code == not_allowed)
        return problem(401, "not_authorised", failure.detail);
    if (failure.code == boost::system::errc::timed_out)
        return problem(503, "unavailable", "the broker did not answer in time; publishers may have to wait for memory or disk");
    return problem(400, "bad_request", failure.detail);
}

// --- A connection for one request ---------------------------------------------------------------------

std::string password_of(const Request& request) {
    const std::string_view header = request.authorization;
    const auto space = header.find(' ');
    const auto decoded = space == std::string_view::npos ? std::nullopt : from_base64(header.substr(space + 1));
    if (!decoded) return {};
    const auto colon = decoded->find(':');
    return colon == std::string::npos ? std::string{} : decoded->substr(colon + 1);
}

template <typename Work>
awaitable<Outcome<json::value>> work_and_close(client::Connection& connection, Work work) {
    auto channel = co_await connection.open_channel();
    Outcome<json::value> result = Failure{make_error_code(boost::system::errc::not_connected), "no channel"};
    if (!channel) {
        result = channel.error();
    } else {
        result = co_await work(*channel);
        // Acknowledgements have arrived when the broker has closed the channel as well.
        (void)co_await (*channel)->close();
    }
    connection.close();
    co_return result;
}

template <typename Work>
awaitable<Outcome<json::value>> connect_and_work(client::Endpoint endpoint, Work work) {
    using namespace boost::asio::experimental::awaitable_operators;
    client::Connection connection(co_await boost::asio::this_coro::executor, std::move(endpoint));
    if (const auto opened = co_await connection.open(); !opened) co_return opened.error();
    auto [end, result] = co_await (connection.run() && work_and_close(connection, std::move(work)));
    co_return std::move(result);
}

template <typename Work>
awaitable<Response> with_channel(Port port, const Request& request, const std::string& vhost, Work work) {
    auto wish = no_lists();
    wish.users = true;
    const auto overview = co_await look(*port, wish);
    if (!overview) co_return broker_is_silent();
    if (!has_vhost(*overview, vhost)) co_return no_such_object();
    client::Endpoint endpoint;
    endpoint.hosts = {{port->local_host, port->local_port}};
    endpoint.user = request.login.user;
    const bool has_password = !request.authorization.empty() || !port->pass_for;
    endpoint.password = amqp::SecretString(has_password ? password_of(request) : port->pass_for(request.login.user));
    endpoint.virtual_host = vhost;
    endpoint.connection_name = "HTTP";
    const auto result = co_await net::within<json::value>(answer_patience, connect_and_work(std::move(endpoint), std::move(work)));
    if (!result) co_return refused_message(result.error());
    co_return reply(200, *result);
}

// --- Properties ---------------------------------------------------------------------------------------

Outcome<std::optional<std::uint64_t>> message_number_in(const json::object& object, const char* key, std::uint64_t most) {
    const auto* value = object.if_contains(key);
    if (value == nullptr) return std::optional<std::uint64_t>{};
    std::optional<std::uint64_t> number;
    if (value->is_int64() && value->get_int64() >= 0) number = static_cast<std::uint64_t>(value->get_int64());
    if (value->is_string()) number = number_from<std::uint64_t>(value->get_string()); // rabbitmqadmin's
    if (!number || *number > most) return wrong(fmt::format("'{}' must be a whole number up to {}", key, most));
    return number;
}

using TextProperty = std::optional<std::string> amqp::Properties::*;
constexpr std::pair<const char*, TextProperty> text_properties[] = {
    {"content_type", &amqp::Properties::content_type},
    {"content_encoding", &amqp::Properties::content_encoding},
    {"correlation_id", &amqp::Properties::correlation_id},
    {"reply_to", &amqp::Properties::reply_to},
    {"expiration", &amqp::Properties::expiration},
    {"message_id", &amqp::Properties::message_id},
    {"type", &amqp::Properties::type},
    {"user_id", &amqp::Properties::user_id},
    {"app_id", &amqp::Properties::app_id},
    {"cluster_id", &amqp::Properties::cluster_id},
};

Outcome<amqp::Properties> properties_from(const json::object& body) {
    amqp::Properties properties;
    const auto* given = body.if_contains("properties");
    if (given == nullptr) return properties;
    // RabbitMQ's own tools send an empty list for no properties.
    const auto object = as_object(*given);
    if (!object) return wrong("'properties' must be an object");
    for (const auto& [key, member] : text_properties) {
        const auto* value = object->if_contains(key);
        if (value == nullptr) continue;
        if (!value->is_string() || value->get_string().size() > 255)
            return wrong(fmt::format("'{}' must be a text of at most 255 bytes", key));
        properties.*member = std::string(value->get_string());
    }
    if (object->contains("headers")) {
        BATON_ASSIGN(properties.headers, table_in(*object, "headers"));
    }
    BATON_ASSIGN(const auto mode, message_number_in(*object, "delivery_mode", 2));
    BATON_ASSIGN(const auto priority, message_number_in(*object, "priority", 255));
    BATON_ASSIGN(properties.timestamp, message_number_in(*object, "timestamp", INT64_MAX));
    if (mode) properties.delivery_mode = static_cast<std::uint8_t>(*mode);
    if (priority) properties.priority = static_cast<std::uint8_t>(*priority);
    return properties;
}

json::object properties_json(const amqp::Properties& properties) {
    json::object out;
    for (const auto& [key, member] : text_properties)
        if (properties.*member) out[key] = as_utf8(*(properties.*member));
    if (properties.headers) out["headers"] = to_json(*properties.headers);
    if (properties.delivery_mode) out["delivery_mode"] = *properties.delivery_mode;
    if (properties.priority) out["priority"] = *properties.priority;
    if (properties.timestamp) out["timestamp"] = *properties.timestamp;
    return out;
}

// --- Publish ------------------------------------------------------------------------------------------

Outcome<std::string> payload_from(const json::object& body) {
    BATON_ASSIGN(auto payload, text_in(body, "payload"));
    BATON_ASSIGN(const auto encoding, text_in(body, "payload_encoding"));
    if (encoding == "string") return payload;
    if (encoding != "base64") return wrong("'payload_encoding' must be string or base64");
    auto decoded = from_base64(payload);
    if (!decoded) return wrong("'payload' is no base64");
    return std::move(*decoded);
}

Outcome<client::Publication> publication_from(const json::object& body, const std::string& exchange) {
    client::Publication publication;
    publication.exchange = exchange == "amq.default" ? std::string{} : exchange;
    BATON_ASSIGN(publication.routing_key, text_in(body, "routing_key"));
    if (publication.routing_key.size() > 255) return wrong("'routing_key' is longer than 255 bytes");
    BATON_ASSIGN(publication.properties, properties_from(body));
    BATON_ASSIGN(const auto payload, payload_from(body));
    publication.body = SharedBytes::copy_of(payload);
    publication.mandatory = true;
    return publication;
}

awaitable<Outcome<json::value>> publish_on(std::shared_ptr<client::Channel> channel, client::Publication publication) {
    auto publisher = co_await client::Publisher::open(channel);
    if (!publisher) co_return publisher.error();
    const auto taken = co_await (*publisher)->publish_confirmed(std::move(publication));
    json::object out;
    out["routed"] = taken.has_value();
    if (taken || taken.error().code == client::Errc::returned) co_return json::value(std::move(out));
    co_return taken.error();
}

awaitable<Response> publish(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return refused_message(body.error());
    auto publication = publication_from(*body, parameters.at("exchange"));
    if (!publication) co_return refused_message(publication.error());
    co_return co_await with_channel(port, request, parameters.at("vhost"),
                                    [publication = std::move(*publication)](std::shared_ptr<client::Channel> channel) {
                                        return publish_on(std::move(channel), publication);
                                    });
}

// --- Get ----------------------------------------------------------------------------------------------

struct GetWish {
    std::string queue;
    std::uint32_t count = 1;
    bool rejects = false;
    bool requeues = true;
    bool as_base64 = false;
    std::optional<std::uint64_t> truncate;
};

Outcome<GetWish> get_wish_from(const json::object& body, const std::string& queue) {
    GetWish wish;
    wish.queue = queue;
    BATON_ASSIGN(const auto count, message_number_in(body, "count", gotten_max));
    if (!count) return wrong("'count' is missing");
    wish.count = static_cast<std::uint32_t>(*count);
    BATON_ASSIGN(wish.truncate, message_number_in(body, "truncate", UINT32_MAX));
    const std::string encoding = text_member(body, "encoding");
    if (encoding != "auto" && encoding != "base64") return wrong("'encoding' must be auto or base64");
    wish.as_base64 = encoding == "base64";
    const std::string mode = text_member(body, "ackmode");
    if (mode.empty() && body.contains("requeue")) { // as before RabbitMQ 3.7
        BATON_ASSIGN(wish.requeues, flag_in(body, "requeue", true));
        return wish;
    }
    wish.rejects = mode.starts_with("reject_");
    wish.requeues = mode.ends_with("requeue_true");
    if (mode != fmt::format("{}_requeue_{}", wish.rejects ? "reject" : "ack", wish.requeues ? "true" : "false"))
        return wrong("'ackmode' must be ack_requeue_true, ack_requeue_false, reject_requeue_true or "
                     "reject_requeue_false");
    return wish;
}

json::object gotten_json(const client::Delivery& delivery, const GetWish& wish) {
    json::object out;
    std::string_view payload = delivery.body.text();
    out["payload_bytes"] = payload.size();
    out["redelivered"] = delivery.redelivered;
    out["exchange"] = as_utf8(delivery.exchange);
    out["routing_key"] = as_utf8(delivery.routing_key);
    out["properties"] = properties_json(delivery.properties);
    if (wish.truncate) payload = payload.substr(0, *wish.truncate);
    const bool is_text = !wish.as_base64 && as_utf8(payload) == payload;
    out["payload"] = is_text ? std::string(payload) : base64_of(payload);
    out["payload_encoding"] = is_text ? "string" : "base64";
    return out;
}

awaitable<Outcome<json::value>> get_on(std::shared_ptr<client::Channel> channel, GetWish wish) {
    json::array list;
    std::uint64_t last = 0;
    std::size_t bytes = 0;
    while (list.size() < wish.count && bytes < gotten_bytes_max) {
        auto gotten = co_await channel->get(wish.queue, false);
        if (!gotten) co_return gotten.error();
        if (!*gotten) break;
        last = (*gotten)->delivery_tag;
        bytes += (*gotten)->body.size();
        list.push_back(gotten_json(**gotten, wish));
    }
    amqp::QueueDeclare look{.queue = wish.queue, .passive = true};
    const auto left = co_await channel->call(std::move(look));
    if (!left) co_return left.error();
    for (std::size_t at = 0; at < list.size(); ++at)
        list[at].get_object()["message_count"] = left->message_count + (list.size() - 1 - at);
    if (last != 0) {
        const bool goes_back = wish.requeues;
        const auto settled = goes_back || wish.rejects ? channel->nack(last, true, goes_back) : channel->ack(last, true);
        if (!settled) co_return Failure{settled.error(), "the channel has ended"};
    }
    co_return json::value(std::move(list));
}

awaitable<Response> get(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return refused_message(body.error());
    auto wish = get_wish_from(*body, parameters.at("queue"));
    if (!wish) co_return refused_message(wish.error());
    co_return co_await with_channel(
        port, request, parameters.at("vhost"),
        [wish = std::move(*wish)](std::shared_ptr<client::Channel> channel) { return get_on(std::move(channel), wish); });
}

// --- Move ---------------------------------------------------------------------------------------------

// Below `limit`, so that what was moved until then can be told; whoever wants all of a long queue asks again.
constexpr std::chrono::seconds move_limit{8};

struct MoveWish {
    std::string from;
    std::string to;
    std::uint64_t count = UINT64_MAX;
};

// A message is acknowledged once the other queue has confirmed it: whatever breaks in between, it is there at
// least once.
awaitable<Outcome<json::value>> move_on(std::shared_ptr<client::Channel> channel, MoveWish wish) {
    amqp::QueueDeclare look{.queue = wish.to, .passive = true};
    if (const auto there = co_await channel->call(std::move(look)); !there) co_return there.error();
    auto publisher = co_await client::Publisher::open(channel);
    if (!publisher) co_return publisher.error();
    const auto until = std::chrono::steady_clock::now() + move_limit;
    std::uint64_t moved = 0;
    while (moved < wish.count && std::chrono::steady_clock::now() < until) {
        auto gotten = co_await channel->get(wish.from, false);
        if (!gotten) co_return gotten.error();
        if (!*gotten) break;
        client::Publication publication;
        publication.routing_key = wish.to;
        publication.properties = (*gotten)->properties;
        publication.properties.user_id.reset(); // of who published it; this connection is another user's
        publication.body = (*gotten)->body;
        publication.mandatory = true;
        const auto taken = co_await (*publisher)->publish_confirmed(std::move(publication));
        if (!taken) {
            (void)channel->nack((*gotten)->delivery_tag, false, true);
            co_return taken.error();
        }
        if (const auto settled = channel->ack((*gotten)->delivery_tag, false); !settled)
            co_return Failure{settled.error(), "the channel has ended"};
        ++moved;
    }
    amqp::QueueDeclare ask_length{.queue = wish.from, .passive = true};
    const auto length = co_await channel->call(std::move(ask_length));
    if (!length) co_return length.error();
    json::object out;
    out["moved"] = moved;
    out["left"] = length->message_count;
    co_return json::value(std::move(out));
}

awaitable<Response> move(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return refused_message(body.error());
    MoveWish wish{parameters.at("queue"), text_member(*body, "to")};
    if (wish.to.empty()) co_return refused_message(wrong("'to' must name the queue that the messages go to"));
    if (wish.to == wish.from) co_return refused_message(wrong("'to' is the same queue"));
    const auto count = message_number_in(*body, "count", UINT32_MAX);
    if (!count) co_return refused_message(count.error());
    if (*count) wish.count = **count;
    co_return co_await with_channel(port, request, parameters.at("vhost"),
                                    [wish](std::shared_ptr<client::Channel> channel) { return move_on(std::move(channel), wish); });
}

// --- Others -------------------------------------------------------------------------------------------

// A message goes through a queue and comes back.
awaitable<Outcome<json::value>> try_a_message(std::shared_ptr<client::Channel> channel) {
    const std::string name = "aliveness-test";
    amqp::QueueDeclare declare{.queue = name};
    if (const auto declared = co_await channel->call(std::move(declare)); !declared) co_return declared.error();
    client::Publication publication;
    publication.routing_key = name;
    publication.body = SharedBytes::copy_of("test_message");
    if (const auto sent = channel->publish(publication); !sent) co_return Failure{sent.error(), "cannot publish"};
    const auto gotten = co_await channel->get(name, true);
    if (!gotten) co_return gotten.error();
    if (!*gotten) co_return wrong("the message did not come back");
    json::object out;
    out["status"] = "ok";
    co_return json::value(std::move(out));
}

awaitable<Response> test_aliveness(Port port, Request request, Parameters parameters) {
    co_return co_await with_channel(port, request, parameters.at("vhost"), try_a_message);
}

// Of mirrored queues, which are always in step here.
awaitable<Response> act_on_queue(Port port, Request request, Parameters parameters) {
    const auto body = body_of(request);
    if (!body) co_return refused_message(body.error());
    const std::string action = text_member(*body, "action");
    if (action != "sync" && action != "cancel_sync")
        co_return problem(400, "bad_request", "'action' must be sync or cancel_sync");
    auto wish = no_lists();
    wish.users = wish.queues = true;
    wish.vhost = parameters.at("vhost");
    wish.name = parameters.at("queue");
    const auto overview = co_await look(*port, wish);
    if (!overview) co_return broker_is_silent();
    if (overview->queues.empty()) co_return no_such_object();
    co_return done(204);
}

} // namespace

void add_message_routes(BrokerRoutes& routes) {
    constexpr Level anyone = Level::management;
    routes.add("POST", "/api/exchanges/{vhost}/{exchange}/publish", anyone, publish);
    routes.add("POST", "/api/queues/{vhost}/{queue}/get", anyone, get);
    routes.add("POST", "/api/queues/{vhost}/{queue}/move", anyone, move);
    routes.add("POST", "/api/queues/{vhost}/{queue}/actions", Level::administrator, act_on_queue);
    routes.add("GET", "/api/aliveness-test/{vhost}", anyone, test_aliveness);
}

} // namespace baton::web
