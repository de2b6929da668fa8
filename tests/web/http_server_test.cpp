#include "web/http_server.hpp"

#include "base/thread.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

namespace baton::web {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using boost::asio::ip::tcp;

class HttpServerTest : public ::testing::Test {
protected:
    void SetUp() override {
        HttpOptions options;
        options.port = 0;
        options.body_bytes_max = 1000;
        server_ = std::make_unique<HttpServer>(io_, options, [](Request request) { return echo(std::move(request)); });
        ASSERT_TRUE(server_->start());
        thread_ = Thread("http", [this] { io_.run(); });
    }
    void TearDown() override {
        boost::asio::post(io_, [this] { server_->stop(); });
        thread_.join();
    }

    static boost::asio::awaitable<Response> echo(Request request) {
        if (request.path == "/throw") throw std::runtime_error("on purpose");
        std::string text = request.method + " " + request.path;
        for (const auto& [name, value] : request.query) text += " " + name + "=" + value;
        text += request.remote_is_loopback ? " loopback " : " far ";
        co_return Response{.status = 200, .body = text + request.body, .content_type = "text/plain", .headers = {}};
    }

    // Sends raw bytes, closes the sending side, returns everything that came back.
    std::string exchange(const std::string& bytes) {
        boost::asio::io_context io;
        tcp::socket socket(io);
        socket.connect({boost::asio::ip::address_v4::loopback(), server_->port()});
        boost::system::error_code error;
        boost::asio::write(socket, boost::asio::buffer(bytes), error);
        socket.shutdown(tcp::socket::shutdown_send, error);
        std::string answer;
        boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
        return answer;
    }

    boost::asio::io_context io_;
    std::unique_ptr<HttpServer> server_;
    Thread thread_;
};

TEST_F(HttpServerTest, AnswersARequestWithItsQueryAndBody) {
    const auto answer = exchange("POST /a/b?x=1%202&y HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");

    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(answer, HasSubstr("POST /a/b x=1 2 y= loopback body"));
}

TEST_F(HttpServerTest, KeepsAConnectionForTheNextRequest) {
    const auto answer = exchange("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");

    EXPECT_THAT(answer, HasSubstr("GET /1"));
    EXPECT_THAT(answer, HasSubstr("GET /2"));
}

TEST_F(HttpServerTest, RefusesABodyLargerThanItTakes) {
    EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x')),
                StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, TurnsAHandlersExceptionIntoA500) {
    EXPECT_THAT(exchange("GET /throw HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, RefusesGarbageAndLivesOn) {
    std::mt19937 random(42);
    for (int round = 0; round < 200; ++round) {
        std::string bytes(random() % 300, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        exchange(bytes);
    }
    exchange("AMQP\0\0\x09\x01");
    exchange("GET http://[bad HTTP/1.1\r\n\r\n");
    exchange(std::string(100'000, 'A'));

    EXPECT_THAT(exchange("GET /ok HTTP/1.1\r\nHost: h\r\n\r\n"), HasSubstr("GET /ok"));
}

} // namespace
} // namespace baton::web
