#include "web/http_server.hpp"

#include "base/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

#include <set>
#include <utility>

namespace baton::web {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

struct HttpServer::State : std::enable_shared_from_this<State> {
    State(asio::io_context& context, HttpOptions chosen, Handler handle)
        : io(context), options(std::move(chosen)), handler(std::move(handle)), acceptor(context) {}

    asio::awaitable<void> accept_connections();
    asio::awaitable<void> serve(std::shared_ptr<beast::tcp_stream> stream);
    asio::awaitable<Response> respond_to(Request request);

    asio::io_context& io;
    HttpOptions options;
    Handler handler;
    tcp::acceptor acceptor;
    std::set<std::shared_ptr<beast::tcp_stream>> open;
};

namespace {

Response problem(unsigned status, const char* error, const std::string& reason) {
    return {.status = status,
            .body = fmt::format(R"({{"error":"{}","reason":"{}"}})", error, reason),
            .content_type = "application/json",
            .headers = {}};
}

http::response<http::string_body> to_beast(Response response, unsigned version, bool keep_alive) {
    http::response<http::string_body> message{static_cast<http::status>(response.status), version};
    message.set(http::field::server, "Baton");
    if (!response.body.empty()) message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(keep_alive);
    message.body() = std::move(response.body);
    message.prepare_payload();
    return message;
}

// Splits the target into path and query. False: the target is no URL.
bool read_target(std::string_view target, Request& request) {
    const auto parsed = boost::urls::parse_origin_form(target);
    if (!parsed) return false;
    request.path = std::string(parsed->encoded_path());
    for (const auto& parameter : parsed->params())
        request.query[parameter.key] = parameter.value;
    return true;
}

} // namespace

HttpServer::HttpServer(asio::io_context& io, HttpOptions options, Handler handler)
    : state_(std::make_shared<State>(io, std::move(options), std::move(handler))) {}

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
    for (const auto& stream : state_->open) stream->close();
}

asio::awaitable<void> HttpServer::State::accept_connections() {
    const auto self = shared_from_this();
    while (acceptor.is_open()) {
        ErrorCode error;
        auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
        if (error) {
            log::warning("web", "cannot accept a connection", {{"error", error.message()}});
            continue;
        }
        if (open.size() >= options.connections_max) continue; // the socket closes itself
        auto stream = std::make_shared<beast::tcp_stream>(std::move(socket));
        open.insert(stream);
        asio::co_spawn(io, serve(std::move(stream)), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
    }
}

asio::awaitable<Response> HttpServer::State::respond_to(Request request) {
    std::string what;
    try {
        co_return co_await handler(std::move(request));
    } catch (const std::exception& failure) {
        what = failure.what();
    }
    log::error("web", "a handler failed", {{"what", what}});
    co_return problem(500, "internal_error", "the server's log has the reason");
}

asio::awaitable<void> HttpServer::State::serve(std::shared_ptr<beast::tcp_stream> stream) {
    const auto self = shared_from_this();
    ErrorCode error;
    const auto remote = stream->socket().remote_endpoint(error);
    beast::flat_buffer buffer;
    bool keep_alive = !error;
    while (keep_alive) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(options.body_bytes_max);
        parser.header_limit(16 * 1024);
        stream->expires_after(options.read_timeout);
        co_await http::async_read(*stream, buffer, parser,
                                  asio::redirect_error(asio::use_awaitable, error));
        Response response;
        unsigned version = 11;
        if (error == http::error::end_of_stream || error == beast::error::timeout) break;
        if (error == http::error::body_limit) {
            response = problem(413, "too_large", "the body is larger than the server takes");
            keep_alive = false;
        } else if (error && error.category() == make_error_code(http::error::bad_method).category()) {
            response = problem(400, "bad_request", "this is not an HTTP request: " + error.message());
            keep_alive = false;
        } else if (error) {
            break;
        } else {
            auto message = parser.release();
            version = message.version();
            keep_alive = message.keep_alive();
            Request request;
            request.method = std::string(message.method_string());
            request.authorization = std::string(message[http::field::authorization]);
            request.content_type = std::string(message[http::field::content_type]);
            request.reason = std::string(message["X-Reason"]);
            request.remote_is_loopback = remote.address().is_loopback();
            if (read_target(message.target(), request)) {
                request.body = std::move(message.body());
                stream->expires_never();
                response = co_await respond_to(std::move(request));
            } else {
                response = problem(400, "bad_request", "the request's target is not a valid path");
            }
        }
        auto message = to_beast(std::move(response), version, keep_alive);
        stream->expires_after(options.write_timeout);
        co_await http::async_write(*stream, message, asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
    }
    stream->socket().shutdown(tcp::socket::shutdown_both, error);
    stream->close();
    open.erase(stream);
}

} // namespace baton::web
