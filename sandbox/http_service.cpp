// Connections, routing, faults. One request at a time per connection; all on one thread, so that the
// targets are plain functions over the world.
#include "sandbox/http_service.hpp"

#include "base/log.hpp"
#include "sandbox/furnish.hpp"
#include "sandbox/target.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <chrono>

namespace baton::sandbox {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using asio::ip::tcp;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds idle_limit{60};
constexpr std::uint32_t header_bytes_max = 16 * 1024;

Reply text_reply(int status, std::string text) {
    return {.status = status, .body = std::move(text) + "\n", .content_type = "text/plain"};
}

// --- the sandbox's own pages ----------------------------------------------------------------------

Reply seed(Room& room, const std::string& body) {
    ErrorCode code;
    const json::value value = json::parse(body, code);
    if (code || !value.is_object())
        return text_reply(400, "the body must be a JSON object: {\"slack_users\": [{\"email\": "
                               "\"ada@example.org\"}]}");
    for (const auto& collection : value.get_object()) {
        const std::string_view name = collection.key();
        const bool known = name == "slack_users" || name == "redmine_users" || name == "mailboxes" ||
                           name == "redmine_custom_fields" || name == "redmine_groups";
        if (!known || !collection.value().is_array())
            return text_reply(400, fmt::format("{} must be slack_users, redmine_users, redmine_groups, "
                                               "redmine_custom_fields or mailboxes, and an array of objects",
                                               std::string_view(name)));
        for (const json::value& item : collection.value().get_array()) {
            if (!item.is_object()) return text_reply(400, "every entry must be an object");
            json::object record = item.get_object();
            record["created"] = stamp();
            if (name == "mailboxes") {
                const json::value* user = record.if_contains("username");
                if (!user || !user->is_string()) return text_reply(400, "a mailbox needs username");
                const std::string key(user->get_string());
                if (!record.contains("active")) record["active"] = 1;
                room.world.put(name, key, std::move(record));
                continue;
            }
            const std::int64_t number = room.world.next_id(name);
            if (name == "slack_users") {
                record["id"] = fmt::format("U0SANDBOX{:05}", number);
                if (!record.contains("state")) record["state"] = "active";
            } else if (name != "redmine_users") {
                record["id"] = number;
                if (name == "redmine_groups") record["users"] = json::array{};
            } else {
                record["id"] = number + 4;
                if (!record.contains("status")) record["status"] = 1;
            }
            room.world.put(name, std::to_string(number), std::move(record));
        }
    }
    return {.status = 200, .body = "{}"};
}

Reply own_page(Room& room, const Request& request) {
    const std::string_view path = request.path;
    if (path == "/sandbox/state" && request.method == "GET")
        return {.status = 200, .body = json::serialize(room.world.snapshot())};
    if (path == "/sandbox/state" && request.method == "DELETE") {
        room.world.clear();
        furnish(room);
        return {.status = 200, .body = "{}"};
    }
    if (path == "/sandbox/seed" && request.method == "POST") return seed(room, request.body);
    if (path == "/sandbox/faults" && request.method == "POST") {
        if (const auto set = room.faults.set(request.body, all_operations()); !set)
            return {.status = 400, .body = json::serialize(json::object{{"reason", set.error().detail}})};
        return {.status = 200, .body = room.faults.to_json()};
    }
    if (path == "/sandbox/faults" && request.method == "DELETE") room.faults.clear();
    if (path == "/sandbox/faults" && (request.method == "GET" || request.method == "DELETE"))
        return {.status = 200, .body = room.faults.to_json()};
    if (path == "/" || path == "/sandbox")
        return text_reply(200, "Baton sandbox: a stand-in for mailcow (/mailcow), Redmine (/redmine) "
                               "and Slack (/slack/api).\nGET /sandbox/state shows what it got, POST "
                               "/sandbox/faults makes it fail.");
    return text_reply(404, "the sandbox knows /mailcow, /redmine, /slack and /sandbox");
}

// --- routing --------------------------------------------------------------------------------------

// "/users/{}.json" against "/users/5.json"; a parameter is one path segment.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
    parameters.clear();
    while (!pattern.empty()) {
        if (!pattern.starts_with("{}")) {
            if (path.empty() || path.front() != pattern.front()) return false;
            pattern.remove_prefix(1);
            path.remove_prefix(1);
            continue;
        }
        pattern.remove_prefix(2);
        const std::string_view tail = pattern.substr(0, pattern.find('/'));
        const std::string_view segment = path.substr(0, path.find('/'));
        if (segment.size() <= tail.size() || !segment.ends_with(tail)) return false;
        parameters.emplace_back(segment.substr(0, segment.size() - tail.size()));
        path.remove_prefix(segment.size() - tail.size());
    }
    return path.empty();
}

asio::awaitable<void> pause(std::chrono::milliseconds span) {
    if (span.count() <= 0) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, span);
    co_await timer.async_wait(as_values);
}

// A fault spoils the call, or lets it happen. Nothing means: close the connection without an answer.
asio::awaitable<std::optional<Reply>> perform_request(const Target& target, const Route& route, Call& call,
                                              std::optional<Fault> fault) {
    if (fault && fault->mode != Fault::Mode::race) co_await pause(fault->delay);
    if (fault && fault->mode == Fault::Mode::drop) co_return std::nullopt;
    if (fault && fault->mode == Fault::Mode::garbage)
        co_return Reply{.status = 200, .body = "\x7f<not what you expect"};
    if (fault && fault->mode == Fault::Mode::fail) {
        Reply reply = fault->error.empty() ? text_reply(fault->status, "sandbox fault")
                                           : target.refuse_with(fault->error);
        if (fault->status != 0) reply.status = fault->status;
        if (fault->retry_after_seconds > 0)
            reply.headers["Retry-After"] = std::to_string(fault->retry_after_seconds);
        co_return reply;
    }
    if (const auto refused = target.refuse_stranger(call)) co_return *refused;
    if (fault && fault->mode == Fault::Mode::race) {
        call.is_rehearsal = true;
        const Reply rehearsal = route.perform(call);
        if (rehearsal.status != 0) co_return rehearsal;
        co_await pause(fault->delay);
        call.is_rehearsal = false;
        call.checks_uniqueness = false;
    }
    Reply reply = route.perform(call);
    if (fault && fault->mode == Fault::Mode::lost_answer) co_return std::nullopt;
    co_return reply;
}

asio::awaitable<std::optional<Reply>> answer_request(Room& room, Request request) {
    const std::array targets = {&mailcow_target(), &redmine_target(), &slack_target()};
    for (const Target* target : targets) {
        if (!request.path.starts_with(target->prefix)) continue;
        const std::string_view path = std::string_view(request.path).substr(target->prefix.size());
        Call call{room.world, request, room.options, {}};
        for (const Route& route : target->routes) {
            if (route.method != request.method || !matches(route.pattern, path, call.parameters))
                continue;
            std::optional<Fault> fault = room.faults.take(route.operation);
            std::optional<Reply> reply = co_await perform_request(*target, route, call, std::move(fault));
            room.world.count(route.operation, reply ? std::to_string(reply->status) : "no answer");
            co_return reply;
        }
        co_return target->unknown_route();
    }
    co_return own_page(room, request);
}

// --- connections ----------------------------------------------------------------------------------

Request request_from(const http::request<http::string_body>& raw) {
    Request request;
    request.method = std::string(raw.method_string());
    const std::string target(raw.target());
    const std::size_t mark = target.find('?');
    request.path = percent_decoded(std::string_view(target).substr(0, mark), false);
    if (mark != std::string::npos)
        request.query = parse_form(std::string_view(target).substr(mark + 1));
    for (const auto& field : raw) {
        std::string name(field.name_string());
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        request.headers[std::move(name)] = std::string(field.value());
    }
    request.body = raw.body();
    return request;
}

http::response<http::string_body> response_from(Reply reply, unsigned version, bool keep_alive) {
    http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
    response.set(http::field::server, "baton-sandbox (a stand-in)");
    if (!reply.body.empty()) response.set(http::field::content_type, reply.content_type);
    for (const auto& [name, value] : reply.headers) response.set(name, value);
    response.body() = std::move(reply.body);
    response.keep_alive(keep_alive);
    if (reply.status != 204) response.prepare_payload();
    return response;
}

asio::awaitable<void> serve_connection(tcp::socket socket, Room& room) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer(header_bytes_max + http_body_bytes_max);
    bool goes_on = true;
    while (goes_on) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(header_bytes_max);
        parser.body_limit(http_body_bytes_max);
        stream.expires_after(idle_limit);
        const auto [read_error, read_bytes] =
            co_await http::async_read(stream, buffer, parser, as_values);
        static_cast<void>(read_bytes);
        std::optional<Reply> reply;
        unsigned version = 11;
        if (read_error) {
            const bool is_protocol =
                read_error.category() == http::make_error_code(http::error::bad_method).category();
            if (!is_protocol || read_error == http::error::end_of_stream) break;
            goes_on = false;
            reply = text_reply(read_error == http::error::body_limit ? 413 : 400,
                               "the sandbox cannot read this as HTTP: " + read_error.message());
        } else {
            version = parser.get().version();
            goes_on = parser.get().keep_alive();
            stream.expires_never();
            Request request = request_from(parser.get());
            reply = co_await answer_request(room, std::move(request));
        }
        if (!reply) break;
        auto response = response_from(std::move(*reply), version, goes_on);
        stream.expires_after(idle_limit);
        const auto [write_error, written] = co_await http::async_write(stream, response, as_values);
        static_cast<void>(written);
        if (write_error) break;
    }
    ErrorCode ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

} // namespace

asio::awaitable<void> serve_http(tcp::acceptor& acceptor, Room& room) {
    while (acceptor.is_open()) {
        auto [error, socket] = co_await acceptor.async_accept(as_values);
        if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
        if (error) {
            // Out of descriptors, most likely: without a pause this loop would spin.
            co_await pause(std::chrono::milliseconds(100));
            continue;
        }
        if (room.open_connections >= connections_max) continue;
        ++room.open_connections;
        asio::co_spawn(co_await asio::this_coro::executor,
                       serve_connection(std::move(socket), room), [&room](std::exception_ptr problem) {
                           --room.open_connections;
                           if (problem) log::error("sandbox", "a connection ended unexpectedly");
                       });
    }
}

} // namespace baton::sandbox
