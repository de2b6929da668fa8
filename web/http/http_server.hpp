// The HTTP server behind the command line and, later, the page. Boost.Beast reads requests and
// writes responses; one coroutine per connection on the io_context it was given. Knows nothing of
// workflows or queues: it hands a Request to a Handler and sends the Response back.
#pragma once

#include "base/result.hpp"
#include "base/trace.hpp"
#include "net/tls.hpp"
#include "web/access/login.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace baton::web {

struct Request {
    std::string method;                       // "GET"
    std::string path;                         // percent-decoded segments are made by Routes
    std::map<std::string, std::string> query; // decoded; of several with one name the last
    std::string repeated;                     // a name that is there twice, empty: none
    std::string authorization;                // the header's value, empty if absent
    std::string cookies;                      // likewise
    std::string content_type;
    std::string host;   // the header's value
    std::string origin; // "https://baton.example", "null"; empty: not sent
    // What a browser says of the request: "same-origin", "cross-site", …; empty: not sent.
    std::string fetch_site;
    std::string fetch_mode;
    bool accepts_gzip = false;
    std::string remote_address; // without the port
    std::string reason;         // X-Reason: why a connection is closed, for its owner
    std::string if_match;       // the headers' values, empty: not sent
    std::string if_none_match;
    std::string idempotency_key;
    std::string last_event_id;
    trace::Given trace;     // traceparent, tracestate
    std::string request_id; // X-Request-Id; /baton/v1 gives one to a request without
    bool has_body = false;
    std::uint64_t body_bytes =
        0; // as announced; of one that says nothing of its size the largest number
    std::string body;
    Login login; // filled by the API when it knows who asks
    // Set by the admission: nobody knows who asks before the body is read. Then `headers` has all
    // of them, by names in small letters, and the body is one of few and small.
    bool is_of_stranger = false;
    std::map<std::string, std::string> headers;
    bool remote_is_loopback = false;
    bool has_tls = false;
};

// What follows of a body that has no end known beforehand: each call gives the next bytes, as soon
// as there are some; an empty text is the end. Dropped as soon as nobody listens any more.
using BodySource = std::function<boost::asio::awaitable<std::string>()>;

// Who tried to log in by the body of a request; of who was refused only the name is told.
struct SignIn {
    Login login;
    bool is_known = false;
};

struct Response {
    unsigned status = 200;
    std::string body;
    std::string content_type = "application/json";
    std::map<std::string, std::string> headers;
    BodySource more{};               // behind `body`
    std::optional<SignIn> sign_in{}; // whose act the request was; for the audit log
};

// Runs on the server's io_context. May suspend; must not throw (a thrown exception becomes a 500
// and a line in the log).
using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

// Asked when the head of a request is there and before its body is read: fills in the login, or
// says with what the request is turned away. Must not suspend; what it throws becomes a 500.
using Admission = std::function<std::optional<Response>(Request&)>;

struct HttpOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 15672; // 0: the kernel chooses
    // Asked for each connection, so that renewed certificates are used. Empty: plain HTTP.
    std::function<std::shared_ptr<const net::TlsContext>()> tls{};
    // A workflow's file and a run's input travel in bodies; nothing legitimate is near this.
    std::size_t body_bytes_max = 16 * 1024 * 1024;
    // Covers a slow sender; a handler may take longer (a call waits for a worker).
    std::chrono::seconds read_timeout{30};
    std::chrono::seconds write_timeout{30};
    // Beyond it the connection that has waited longest for a request is closed for a new one.
    std::size_t connections_max = 1000;
    // Of all requests that are read or answered together, and again of large answers nobody reads;
    // beyond: try again.
    std::size_t bodies_bytes_max = 64 * 1024 * 1024;
    // The same of strangers, who can so keep out nobody but each other.
    std::size_t stranger_body_bytes_max = 1024 * 1024;
    std::size_t stranger_bodies_bytes_max = 8 * 1024 * 1024;
};

class HttpServer {
public:
    HttpServer(boost::asio::io_context& io, HttpOptions options, Handler handler,
               Admission admit = {});
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Binds and starts to accept. The failure names the address and what to do.
    Outcome<void> start();
    // The bound port, after start().
    std::uint16_t port() const;
    // Stops accepting and closes connections; on the io_context's thread, or after it has ended.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace baton::web
