#include "web/http/http_server.hpp"

#include "base/log.hpp"
#include "web/http/http_stream.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace baton::web {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

namespace {

// How long a failing accept pauses, how seldom it is logged, and how long a refused body is listened to
// so that its sender reads the refusal instead of a reset.
constexpr auto accept_pause = std::chrono::milliseconds(100);
constexpr auto accept_log_interval = std::chrono::minutes(1);
constexpr auto goodbye_timeout = std::chrono::seconds(2);
constexpr std::size_t goodbye_bytes_max = 256 * 1024;
constexpr std::size_t header_bytes_max = 16 * 1024;
// Values of our answers that repeat what a request said stay below this, or are left out.
constexpr std::size_t header_value_max = 4096;
// What is not counted: pages of lists, errors.
constexpr std::size_t small_answer_bytes = 64 * 1024;

struct Connection {
    Connection(tcp::socket socket, std::shared_ptr<const net::TlsContext> tls) : stream(std::move(socket), std::move(tls)) {}
    HttpStream stream;
    bool is_head = false; // the request at hand wants the head of its answer alone
    bool only_looks = false; // it changes nothing, so another answer than the one it would get is no lie
    std::uint64_t waits_since = 0; // order of beginning to wait for a request; 0: one is being answered
};
using ConnectionPtr = std::shared_ptr<Connection>;

} // namespace

struct HttpServer::State : std::enable_shared_from_this<State> {
    State(asio::io_context& context, HttpOptions chosen, Handler handle, Admission admission)
        : io(context), options(std::move(chosen)), handler(std::move(handle)), admit(std::move(admission)),
          acceptor(context), pause(context) {}

    asio::awaitable<void> accept_connections();
    asio::awaitable<void> serve(ConnectionPtr connection);
    asio::awaitable<bool> shake_hands(Connection& connection);
    asio::awaitable<bool> serve_one(Connection& connection, beast::flat_buffer& buffer);
    asio::awaitable<Response> respond_to(Request request);
    asio::awaitable<bool> write(Connection& connection, Response response, unsigned version, bool keep_alive);
    asio::awaitable<void> write_stream(Connection& connection, Response response, unsigned version);
    asio::awaitable<bool> refuse(Connection& connection, Response response);
    asio::awaitable<bool> refuse_busy(Connection& connection);
    asio::awaitable<void> say_goodbye(Connection& connection);
    std::optional<Response> refusal_of(Request& request);
    void close_longest_waiting();

    asio::io_context& io;
    HttpOptions options;
    Handler handler;
    Admission admit;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    std::set<ConnectionPtr> open;
    std::uint64_t waits = 0;
    std::size_t bodies_bytes = 0; // announced by the requests that are being read or answered
    std::size_t stranger_bytes = 0; // likewise, of strangers
    std::size_t answers_bytes = 0; // of the large ones that are being written
};

namespace {

Response connection_problem(unsigned status, const char* error, const std::string& reason) {
    return {.status = status,
            .body = fmt::format(R"({{"error":"{}","reason":"{}"}})", error, reason),
            .content_type = "application/json",
            .headers = {}};
}

// Parts of a request come back in headers (Location): no line end may begin another header, and no
// length may be more than a client reads.
bool is_header_value(std::string_view value) {
    return value.size() <= header_value_max && std::none_of(value.begin(), value.end(), [](char byte) {
               const auto code = static_cast<unsigned char>(byte);
               return code < 0x20 || code == 0x7f;
           });
}

http::response<http::string_body> to_beast(Response response, unsigned version, bool keep_alive) {
    http::response<http::string_body> message{static_cast<http::status>(response.status), version};
    message.set(http::field::server, "Baton");
    if (!response.body.empty()) message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers)
        if (is_header_value(value)) message.set(name, value);
    message.keep_alive(keep_alive);
    message.body() = std::move(response.body);
    message.prepare_payload();
    return message;
}

// A part of the budget for all bodies, for as long as it lives.
class Reservation {
public:
    Reservation(std::size_t& all, std::size_t most) : all_(all), most_(most) {}
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    ~Reservation() { all_ -= bytes_; }
    // False: there is not so much left.
    bool grow_to(std::size_t bytes) {
        if (bytes <= bytes_) return true;
        if (bytes - bytes_ > most_ - std::min(most_, all_)) return false;
        all_ += bytes - bytes_;
        bytes_ = bytes;
        return true;
    }

private:
    std::size_t& all_;
    const std::size_t most_;
    std::size_t bytes_ = 0;
};

// Of several with one name all, with commas, as HTTP means them.
std::map<std::string, std::string> headers_of(const http::request_header<>& head) {
    std::map<std::string, std::string> headers;
    for (const auto& field : head) {
        std::string name(field.name_string());
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
        std::string& value = headers[std::move(name)];
        if (!value.empty()) value += ", ";
        value += std::string_view(field.value());
    }
    return headers;
}

// Splits the target into path and query. False: the target is no URL.
bool read_target(std::string_view target, Request& request) {
    const auto parsed = boost::urls::parse_origin_form(target);
    if (!parsed) return false;
    request.path = std::string(parsed->encoded_path());
    for (const auto& parameter : parsed->params()) {
        const bool is_new = request.query.insert_or_assign(parameter.key, parameter.value).second;
        if (!is_new) request.repeated = parameter.key;
    }
    return true;
}

} // namespace

HttpServer::HttpServer(asio::io_context& io, HttpOptions options, Handler handler, Admission admit)
    : state_(std::make_shared<State>(io, std::move(options), std::move(handler), std::move(admit))) {}

HttpServer::~HttpServer() = default;

Outcome<void> HttpServer::start() {
    State& state = *state_;
    const auto refuse = [&](const ErrorCode& code) {
        return Failure{code, fmt::format("cannot listen for HTTP on {}:{}: {}; choose another "
                                         "address with BATON_HTTP_LISTEN=host:port",
                                         state.options.host, state.options.port, code.message())};
    };
    ErrorCode error;
    const auto address = asio::ip::make_address(
        state.options.host == "localhost" ? "127.0.0.1" : state.options.host, error);
    if (error) return refuse(make_error_code(boost::system::errc::invalid_argument));
    const tcp::endpoint endpoint{address, state.options.port};
    state.acceptor.open(endpoint.protocol(), error);
    if (!error) state.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) state.acceptor.bind(endpoint, error);
    if (!error) state.acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return refuse(error);
    asio::co_spawn(state.io, state_->accept_connections(), [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
    });
    return boost::system::in_place_value;
}

std::uint16_t HttpServer::port() const {
    ErrorCode ignored;
    return state_->acceptor.local_endpoint(ignored).port();
}

void HttpServer::stop() {
    ErrorCode ignored;
    state_->acceptor.close(ignored);
    state_->pause.cancel();
    for (const auto& connection : state_->open) connection->stream.close();
}

asio::awaitable<void> HttpServer::State::accept_connections() {
    const auto self = shared_from_this();
    std::optional<std::chrono::steady_clock::time_point> logged;
    while (acceptor.is_open()) {
        ErrorCode error;
        auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
        if (error) {
            // Most often no descriptor is free: trying again at once would only burn a processor.
            const auto now = std::chrono::steady_clock::now();
            if (!logged || now - *logged >= accept_log_interval) {
                log::warning("web", "cannot accept a connection; trying again", {{"error", error.message()}});
                logged = now;
            }
            close_longest_waiting();
            pause.expires_after(accept_pause);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
            continue;
        }
        // Requests that never come to an end must not keep others out.
        if (open.size() >= options.connections_max) close_longest_waiting();
        if (open.size() >= options.connections_max) continue; // all are being answered: it closes itself
        auto connection = std::make_shared<Connection>(std::move(socket), options.tls ? options.tls() : nullptr);
        open.insert(connection);
        asio::co_spawn(io, serve(std::move(connection)), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
    }
}

void HttpServer::State::close_longest_waiting() {
    ConnectionPtr longest;
    for (const ConnectionPtr& one : open)
        if (one->waits_since != 0 && (!longest || one->waits_since < longest->waits_since)) longest = one;
    if (!longest) return;
    longest->stream.close();
    open.erase(longest);
}

asio::awaitable<Response> HttpServer::State::respond_to(Request request) {
    std::string what;
    try {
        co_return co_await handler(std::move(request));
    } catch (const std::exception& failure) {
        what = failure.what();
    }
    log::error("web", "a handler failed", {{"what", what}});
    co_return connection_problem(500, "internal_error", "the server's log has the reason");
}

std::optional<Response> HttpServer::State::refusal_of(Request& request) {
    if (!admit) return std::nullopt;
    try {
        return admit(request);
    } catch (const std::exception& failure) {
        log::error("web", "a request could not be judged", {{"what", failure.what()}});
        return connection_problem(500, "internal_error", "the server's log has the reason");
    }
}

// No request, whatever it holds, ends the thread that all of them share.
asio::awaitable<void> HttpServer::State::serve(ConnectionPtr connection) {
    const auto self = shared_from_this();
    try {
        beast::flat_buffer buffer;
        if (co_await shake_hands(*connection))
            while (co_await serve_one(*connection, buffer)) {}
    } catch (const std::exception& failure) {
        log::error("web", "a connection failed", {{"what", failure.what()}});
    }
    ErrorCode ignored;
    connection->stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
    connection->stream.close();
    open.erase(connection);
}

// Whoever does not finish it is one who waits for a request, and may be closed for a new one.
asio::awaitable<bool> HttpServer::State::shake_hands(Connection& connection) {
    connection.waits_since = ++waits;
    connection.stream.expires_after(options.read_timeout);
    const ErrorCode error = co_await connection.stream.shake_hands();
    if (error) log::debug("web", "no TLS handshake", {{"reason", error.message()}});
    co_return !error;
}

// Reads one request and answers it; true: another one may follow on the connection.
asio::awaitable<bool> HttpServer::State::serve_one(Connection& connection, beast::flat_buffer& buffer) {
    ErrorCode error;
    const auto remote = connection.stream.socket().remote_endpoint(error);
    if (error) co_return false;
    http::request_parser<http::string_body> parser;
    parser.body_limit(options.body_bytes_max);
    parser.header_limit(header_bytes_max);
    connection.is_head = false;
    connection.waits_since = ++waits;
    connection.stream.expires_after(options.read_timeout);
    co_await http::async_read_header(connection.stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error == http::error::end_of_stream || error == beast::error::timeout) co_return false;
    if (error == http::error::body_limit)
        co_return co_await refuse(connection, connection_problem(413, "too_large", "the body is larger than the server takes"));
    if (error && error.category() == make_error_code(http::error::bad_method).category())
        co_return co_await refuse(connection, connection_problem(400, "bad_request", "this is not an HTTP request: " + error.message()));
    if (error) co_return false;

    const auto& head = parser.get();
    connection.is_head = head.method() == http::verb::head;
    connection.only_looks = connection.is_head || head.method() == http::verb::get;
    Request request;
    request.method = std::string(head.method_string());
    request.authorization = std::string(head[http::field::authorization]);
    request.cookies = std::string(head[http::field::cookie]);
    request.has_tls = connection.stream.has_tls();
    request.content_type = std::string(head[http::field::content_type]);
    request.reason = std::string(head["X-Reason"]);
    request.origin = std::string(head[http::field::origin]);
    request.host = std::string(head[http::field::host]);
    request.fetch_site = std::string(head["Sec-Fetch-Site"]);
    request.fetch_mode = std::string(head["Sec-Fetch-Mode"]);
    request.if_match = std::string(head[http::field::if_match]);
    request.if_none_match = std::string(head[http::field::if_none_match]);
    request.idempotency_key = std::string(head["Idempotency-Key"]);
    request.last_event_id = std::string(head["Last-Event-ID"]);
    request.request_id = std::string(head["X-Request-Id"]);
    request.trace = trace::given(head["traceparent"], head["tracestate"]);
    request.accepts_gzip = head[http::field::accept_encoding].find("gzip") != beast::string_view::npos;
    request.remote_address = remote.address().to_string();
    request.remote_is_loopback = remote.address().is_loopback();
    // A chunked body says nothing of its size: what it needs is reserved as it comes.
    const auto announced = static_cast<std::size_t>(parser.content_length().value_or(0));
    request.has_body = head.chunked() || announced > 0;
    request.body_bytes = head.chunked() ? UINT64_MAX : announced;
    if (!read_target(head.target(), request))
        co_return co_await refuse(connection, connection_problem(400, "bad_request", "the request's target is not a valid path"));
    if (auto refusal = refusal_of(request)) {
        // Without a body the connection can go on, as it does after any other answer.
        if (request.has_body) co_return co_await refuse(connection, std::move(*refusal));
        const bool keep_alive = head.keep_alive();
        co_return co_await write(connection, std::move(*refusal), head.version(), keep_alive) && keep_alive;
    }

    if (request.is_of_stranger) {
        parser.body_limit(options.stranger_body_bytes_max);
        if (announced > options.stranger_body_bytes_max)
            co_return co_await refuse(connection, connection_problem(413, "too_large", "the body is larger than the server takes"));
        request.headers = headers_of(head);
    }
    Reservation reservation(request.is_of_stranger ? stranger_bytes : bodies_bytes,
                            request.is_of_stranger ? options.stranger_bodies_bytes_max : options.bodies_bytes_max);
    if (!reservation.grow_to(announced)) co_return co_await refuse_busy(connection);
    if (beast::iequals(head[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, head.version()};
        co_await http::async_write(connection.stream, go_on, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return false;
    }
    parser.eager(true);
    while (!error && !parser.is_done()) {
        co_await http::async_read_some(connection.stream, buffer, parser,
                                       asio::redirect_error(asio::use_awaitable, error));
        if (head.chunked() && !reservation.grow_to(parser.get().body().capacity())) co_return co_await refuse_busy(connection);
    }
    if (error == http::error::body_limit)
        co_return co_await refuse(connection, connection_problem(413, "too_large", "the body is larger than the server takes"));
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message)
        co_return co_await refuse(connection, connection_problem(400, "bad_request", "this is not an HTTP request: " + error.message()));
    if (error) co_return false;
    connection.waits_since = 0;
    auto message = parser.release();
    request.body = std::move(message.body());
    connection.stream.expires_never();
    auto response = co_await respond_to(std::move(request));
    if (response.more && !connection.is_head) {
        co_await write_stream(connection, std::move(response), message.version());
        co_return false;
    }
    co_return co_await write(connection, std::move(response), message.version(), message.keep_alive()) &&
        message.keep_alive();
}

// Of what cannot be understood or taken to its end; the connection is of no use behind it.
asio::awaitable<bool> HttpServer::State::refuse(Connection& connection, Response response) {
    if (co_await write(connection, std::move(response), 11, false)) co_await say_goodbye(connection);
    co_return false;
}

asio::awaitable<bool> HttpServer::State::refuse_busy(Connection& connection) {
    auto busy = connection_problem(503, "busy", "too many large requests at once; try again in a moment");
    busy.headers["Retry-After"] = "1";
    return refuse(connection, std::move(busy));
}

asio::awaitable<bool> HttpServer::State::write(Connection& connection, Response response, unsigned version,
                                               bool keep_alive) {
    // The first is given whatever its size, so that there is none that nobody ever gets; so is one that says
    // what was done.
    const bool is_given = answers_bytes == 0 || !connection.only_looks;
    Reservation reservation(answers_bytes, is_given ? std::numeric_limits<std::size_t>::max() : options.bodies_bytes_max);
    if (response.body.size() > small_answer_bytes && !reservation.grow_to(response.body.size())) {
        response = connection_problem(503, "busy", "others have not read their large answers yet; try again in a moment");
        response.headers["Retry-After"] = "1";
    }
    auto message = to_beast(std::move(response), version, keep_alive);
    if (connection.is_head) message.body().clear(); // its length stays in the head
    connection.stream.expires_after(options.write_timeout);
    ErrorCode error;
    co_await http::async_write(connection.stream, message, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
}

// A body without an end known beforehand: in chunks, or to a client of HTTP/1.0 until the connection closes.
// Who does not take a piece within the time limit is not listening.
asio::awaitable<void> HttpServer::State::write_stream(Connection& connection, Response response, unsigned version) {
    const bool is_chunked = version >= 11;
    std::string first = std::move(response.body);
    response.body.clear();
    const BodySource more = std::move(response.more);
    const std::string content_type = response.content_type;
    auto message = to_beast(std::move(response), version, false);
    message.set(http::field::content_type, content_type);
    message.erase(http::field::content_length);
    message.chunked(is_chunked);
    http::response_serializer<http::string_body> serializer{message};
    ErrorCode error;
    connection.stream.expires_after(options.write_timeout);
    co_await http::async_write_header(connection.stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    for (std::string piece = std::move(first); !error;) {
        if (!piece.empty()) {
            const std::string head = is_chunked ? fmt::format("{:x}\r\n", piece.size()) : std::string{};
            const std::string tail = is_chunked ? "\r\n" : "";
            const std::array<asio::const_buffer, 3> pieces{asio::buffer(head), asio::buffer(piece), asio::buffer(tail)};
            connection.stream.expires_after(options.write_timeout);
            co_await asio::async_write(connection.stream, pieces, asio::redirect_error(asio::use_awaitable, error));
            if (error) break;
        }
        connection.stream.expires_never();
        piece = co_await more();
        if (!acceptor.is_open()) break; // the server stops
        if (!piece.empty()) continue;
        const std::string end = is_chunked ? "0\r\n\r\n" : "";
        connection.stream.expires_after(options.write_timeout);
        co_await asio::async_write(connection.stream, asio::buffer(end), asio::redirect_error(asio::use_awaitable, error));
        break;
    }
}

// What the client still sends is read and thrown away for a moment: closing with bytes unread would be
// a reset, which takes the answer away from it.
asio::awaitable<void> HttpServer::State::say_goodbye(Connection& connection) {
    ErrorCode error;
    // Under TLS that would cut off what the session still says.
    if (!connection.stream.has_tls()) connection.stream.socket().shutdown(tcp::socket::shutdown_send, error);
    connection.stream.expires_after(goodbye_timeout);
    std::array<char, 4096> unread;
    for (std::size_t bytes = 0; !error && bytes < goodbye_bytes_max;)
        bytes += co_await connection.stream.async_read_some(asio::buffer(unread),
                                                            asio::redirect_error(asio::use_awaitable, error));
}

} // namespace baton::web
