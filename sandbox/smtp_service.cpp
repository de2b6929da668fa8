// Reads lines and mails within limits, gives them to the session, sends what it answers.
#include "sandbox/smtp_service.hpp"

#include "base/log.hpp"
#include "sandbox/smtp_session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <memory>

namespace baton::sandbox {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto as_smtp_values = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t line_bytes_max = 4096;
constexpr std::chrono::seconds smtp_idle_limit{60};

asio::awaitable<void> smtp_pause(std::chrono::milliseconds span) {
    if (span.count() <= 0) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, span);
    co_await timer.async_wait(as_smtp_values);
}

// Closes the socket when nobody spoke for idle_limit; every step begins it anew.
class IdleGuard : public std::enable_shared_from_this<IdleGuard> {
public:
    explicit IdleGuard(tcp::socket& socket) : timer_(socket.get_executor()), socket_(socket) {}

    void begin() {
        timer_.expires_after(smtp_idle_limit);
        timer_.async_wait([weak = weak_from_this()](ErrorCode error) {
            const auto guard = weak.lock();
            ErrorCode ignored;
            if (!error && guard) guard->socket_.shutdown(tcp::socket::shutdown_both, ignored);
        });
    }

private:
    asio::steady_timer timer_;
    tcp::socket& socket_;
};

// Nothing if the peer went away or exceeded the limit.
template <typename Stream>
asio::awaitable<std::optional<std::string>> read_to(Stream& stream, std::string& buffer,
                                                    std::string_view delimiter, std::size_t limit) {
    const std::string end(delimiter);
    const auto [error, size] =
        co_await asio::async_read_until(stream, asio::dynamic_buffer(buffer, limit), end, as_smtp_values);
    if (error) co_return std::nullopt;
    std::string text = buffer.substr(0, size);
    buffer.erase(0, size);
    co_return text;
}

// Speaks until the session wants TLS or the end.
template <typename Stream>
asio::awaitable<SmtpSession::Next> converse(Stream& stream, SmtpSession& session, IdleGuard& guard,
                                            SmtpSession::Answer answer) {
    std::string buffer;
    while (true) {
        guard.begin();
        co_await smtp_pause(answer.delay);
        if (!answer.text.empty()) {
            const auto [error, size] =
                co_await asio::async_write(stream, asio::buffer(answer.text), as_smtp_values);
            static_cast<void>(size);
            if (error) co_return SmtpSession::Next::close;
        }
        if (answer.next == SmtpSession::Next::start_tls || answer.next == SmtpSession::Next::close)
            co_return answer.next;
        const bool is_data = answer.next == SmtpSession::Next::read_data;
        // A mail of no lines ends with the very first dot.
        if (is_data) buffer.insert(0, "\r\n");
        std::optional<std::string> text = co_await read_to(
            stream, buffer, is_data ? "\r\n.\r\n" : "\n", is_data ? mail_bytes_max : line_bytes_max);
        if (!text) co_return SmtpSession::Next::close;
        if (is_data) {
            answer = session.take_data(std::string_view(*text).substr(2, text->size() - 5));
            continue;
        }
        while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
        answer = session.take_line(*text);
    }
}

asio::awaitable<void> serve_smtp_connection(tcp::socket socket, Room& room,
                                       std::shared_ptr<asio::ssl::context> tls) {
    SmtpSession session(room);
    const auto guard = std::make_shared<IdleGuard>(socket);
    const SmtpSession::Next next = co_await converse(socket, session, *guard, session.greet());
    if (next == SmtpSession::Next::start_tls) {
        asio::ssl::stream<tcp::socket&> secure(socket, *tls);
        const auto [error] = co_await secure.async_handshake(asio::ssl::stream_base::server, as_smtp_values);
        if (!error) {
            session.tls_is_on();
            co_await converse(secure, session, *guard, SmtpSession::Answer{});
        }
    }
    ErrorCode ignored;
    socket.shutdown(tcp::socket::shutdown_both, ignored);
}

} // namespace

asio::awaitable<void> serve_smtp(tcp::acceptor& acceptor, Room& room, std::string certificate_pem,
                                 std::string key_pem) {
    auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    ErrorCode error;
    tls->use_certificate_chain(asio::buffer(certificate_pem), error);
    if (!error) tls->use_private_key(asio::buffer(key_pem), asio::ssl::context::pem, error);
    if (error) log::error("sandbox", "SMTP has no usable certificate", {{"reason", error.message()}});
    while (acceptor.is_open()) {
        auto [accept_error, socket] = co_await acceptor.async_accept(as_smtp_values);
        if (accept_error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
        if (accept_error) {
            co_await smtp_pause(std::chrono::milliseconds(100));
            continue;
        }
        if (room.open_connections >= connections_max) continue;
        ++room.open_connections;
        asio::co_spawn(co_await asio::this_coro::executor,
                       serve_smtp_connection(std::move(socket), room, tls),
                       [&room](std::exception_ptr problem) {
                           --room.open_connections;
                           if (problem) log::error("sandbox", "a mail connection ended unexpectedly");
                       });
    }
}

} // namespace baton::sandbox
