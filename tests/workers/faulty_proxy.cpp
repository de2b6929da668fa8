// Blocking sockets; what the threads share is behind one lock, since this is a test's tool.
#include "faulty_proxy.hpp"

#include "base/thread.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/parse.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include <sys/socket.h>

namespace baton::workers::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using asio::ip::tcp;
using Kind = Misbehaviour::Kind;
using Ask = beast_http::request<beast_http::string_body>;
using Say = beast_http::response<beast_http::string_body>;

struct FaultyProxy::Inside {
    asio::io_context io;
    tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
    std::string host;
    std::string port;
    std::string path;
    std::string url;
    std::mutex lock;
    std::vector<Misbehaviour> planned;
    std::vector<std::string> asked;
    std::vector<std::string> done;
    std::size_t faults = 0;
    std::vector<int> open;                          // sockets to shut down at the end
    std::vector<Thread> threads;
    bool is_over = false;
    Thread listener;

    void listen();
    void serve(tcp::socket socket);
    // False once the connection is to be closed.
    bool answer(tcp::socket& socket, const Ask& ask);
    bool misbehave(tcp::socket& socket, const Ask& ask, const std::string& call, const Misbehaviour& fault);
    Say forward(const Ask& ask, const std::string& call);
    std::optional<Misbehaviour> next_for(const std::string& call);
    void wait_for_caller(tcp::socket& socket, std::chrono::milliseconds limit);
};

namespace {

std::string text_of(const Say& say) {
    std::ostringstream out;
    out << say;
    return out.str();
}

void put(tcp::socket& socket, const std::string& text) {
    boost::system::error_code ignored;
    asio::write(socket, asio::buffer(text), ignored);
}

} // namespace

void FaultyProxy::Inside::listen() {
    while (true) {
        boost::system::error_code code;
        tcp::socket socket(io);
        acceptor.accept(socket, code);
        const std::lock_guard guard(lock);
        if (is_over) return;
        if (code) continue;
        open.push_back(socket.native_handle());
        auto shared = std::make_shared<tcp::socket>(std::move(socket));
        threads.emplace_back("faulty", [this, shared] { serve(std::move(*shared)); });
    }
}

void FaultyProxy::Inside::serve(tcp::socket socket) {
    beast::flat_buffer buffer;
    while (true) {
        boost::system::error_code code;
        Ask ask;
        beast_http::read(socket, buffer, ask, code);
        if (code || !answer(socket, ask)) break;
    }
    const std::lock_guard guard(lock);
    std::erase(open, socket.native_handle());
    boost::system::error_code ignored;
    socket.shutdown(tcp::socket::shutdown_both, ignored);
    socket.close(ignored);
}

bool FaultyProxy::Inside::answer(tcp::socket& socket, const Ask& ask) {
    std::string target(ask.target());
    if (!path.empty() && target.starts_with(path)) target.erase(0, path.size());
    const std::string call = fmt::format("{} {}", std::string(ask.method_string()), target);
    std::optional<Misbehaviour> fault;
    {
        const std::lock_guard guard(lock);
        asked.push_back(call);
        fault = next_for(call);
    }
    if (fault) return misbehave(socket, ask, call, *fault);
    put(socket, text_of(forward(ask, call)));
    return ask.keep_alive();
}

bool FaultyProxy::Inside::misbehave(tcp::socket& socket, const Ask& ask, const std::string& call,
                                    const Misbehaviour& fault) {
    const bool needs_target = fault.is_after || fault.kind == Kind::half || fault.kind == Kind::late;
    const Say said = needs_target ? forward(ask, call) : Say{};
    switch (fault.kind) {
    case Kind::drop:
        return false;
    case Kind::noise:
        put(socket, "\x01\x02 this is no HTTP\r\n");
        return false;
    case Kind::silence:
        wait_for_caller(socket, fault.pause);
        return false;
    case Kind::late:
        wait_for_caller(socket, fault.pause);
        put(socket, text_of(said));
        return true;
    case Kind::half: {
        const std::string whole = text_of(said);
        put(socket, whole.substr(0, whole.size() - (said.body().size() + 1) / 2));
        return false;
    }
    case Kind::answer:
        break;
    }
    Say wrong(static_cast<beast_http::status>(fault.status), 11);
    for (const auto& [name, value] : fault.headers) wrong.set(name, value);
    wrong.body() = fault.body;
    wrong.prepare_payload();
    put(socket, text_of(wrong));
    return ask.keep_alive();
}

// Over a connection of its own each time: only the caller's side is to be faulty.
Say FaultyProxy::Inside::forward(const Ask& ask, const std::string& call) {
    Say say;
    boost::system::error_code code;
    tcp::socket target(io);
    asio::connect(target, tcp::resolver(io).resolve(host, port), code);
    Ask passed = ask;
    passed.set(beast_http::field::host, host + ":" + port);
    passed.keep_alive(false);
    if (!code) beast_http::write(target, passed, code);
    beast::flat_buffer buffer;
    beast_http::response_parser<beast_http::string_body> parser;
    if (!code) beast_http::read(target, buffer, parser, code);
    if (code) {
        say.result(beast_http::status::bad_gateway);
        say.prepare_payload();
        return say;
    }
    say = parser.release();
    // It arrived whole, and goes on whole.
    say.erase(beast_http::field::transfer_encoding);
    say.keep_alive(true);
    if (say.result() != beast_http::status::no_content) say.prepare_payload();
    const std::lock_guard guard(lock);
    done.push_back(call);
    return say;
}

std::optional<Misbehaviour> FaultyProxy::Inside::next_for(const std::string& call) {
    for (Misbehaviour& one : planned) {
        if (one.times <= 0 || !call.starts_with(one.call)) continue;
        --one.times;
        ++faults;
        return one;
    }
    return std::nullopt;
}

void FaultyProxy::Inside::wait_for_caller(tcp::socket& socket, std::chrono::milliseconds limit) {
    const timeval span{limit.count() / 1000, (limit.count() % 1000) * 1000};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span);
    char byte = 0;
    // Ends when the caller closes, when we are over, or with the limit.
    static_cast<void>(::recv(socket.native_handle(), &byte, 1, MSG_PEEK));
}

FaultyProxy::FaultyProxy(const std::string& target_url) : inside_(std::make_shared<Inside>()) {
    const auto target = boost::urls::parse_uri(target_url).value();
    inside_->host = target.host();
    inside_->port = target.has_port() ? std::string(target.port()) : "80";
    inside_->path = target.path();
    inside_->url = fmt::format("http://127.0.0.1:{}{}", inside_->acceptor.local_endpoint().port(), inside_->path);
    inside_->listener = Thread("faulty-listen", [inside = inside_.get()] { inside->listen(); });
}

FaultyProxy::~FaultyProxy() {
    {
        const std::lock_guard guard(inside_->lock);
        inside_->is_over = true;
        for (const int socket : inside_->open) ::shutdown(socket, SHUT_RDWR);
    }
    // accept() is woken by a last caller.
    boost::system::error_code ignored;
    tcp::socket last(inside_->io);
    last.connect(inside_->acceptor.local_endpoint(), ignored);
    inside_->listener.join();
    for (Thread& thread : inside_->threads) thread.join();
}

const std::string& FaultyProxy::url() const { return inside_->url; }

void FaultyProxy::add(const Misbehaviour& one) {
    const std::lock_guard guard(inside_->lock);
    inside_->planned.push_back(one);
}

void FaultyProxy::heal() {
    const std::lock_guard guard(inside_->lock);
    inside_->planned.clear();
}

std::vector<std::string> FaultyProxy::asked() const {
    const std::lock_guard guard(inside_->lock);
    return inside_->asked;
}

std::vector<std::string> FaultyProxy::done() const {
    const std::lock_guard guard(inside_->lock);
    return inside_->done;
}

std::size_t FaultyProxy::faults() const {
    const std::lock_guard guard(inside_->lock);
    return inside_->faults;
}

} // namespace baton::workers::test
