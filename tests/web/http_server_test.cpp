#include "web/http/http_server.hpp"

#include "base/thread.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

namespace baton::web {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using boost::asio::ip::tcp;

class HttpServerTest : public ::testing::Test {
protected:
    void SetUp() override {
        HttpOptions options;
        options.port = 0;
        options.body_bytes_max = 1000;
        options.bodies_bytes_max = 1500;
        options.connections_max = 20;
        server_ = std::make_unique<HttpServer>(
            io_, options, [](Request request) { return echo(std::move(request)); },
            [](Request& request) -> std::optional<Response> {
                if (request.path == "/judge") throw std::runtime_error("on purpose");
                if (request.path != "/secret") return std::nullopt;
                return Response{.status = 401, .body = "no", .content_type = "text/plain", .headers = {}};
            });
        ASSERT_TRUE(server_->start());
        thread_ = Thread("http", [this] { io_.run(); });
    }
    void TearDown() override {
        boost::asio::post(io_, [this] { server_->stop(); });
        thread_.join();
    }

    // From the end; empty: there is none left.
    static boost::asio::awaitable<std::string> next_of(std::vector<std::string>& pieces) {
        std::string piece = std::move(pieces.back());
        pieces.pop_back();
        co_return piece;
    }

    static boost::asio::awaitable<Response> echo(Request request) {
        if (request.path == "/throw") throw std::runtime_error("on purpose");
        if (request.path == "/header") {
            const std::string value = request.query["bytes"].empty() ? std::string("a\r\nEvil: 1")
                                                                     : std::string(70'000, 'x');
            co_return Response{.status = 201, .body = "made", .content_type = "text/plain",
                               .headers = {{"Location", value}}};
        }
        if (request.path == "/stream") {
            Response response;
            response.content_type = "text/event-stream";
            response.body = "first ";
            response.more = [pieces = std::vector<std::string>{"", "second ", "third "}]() mutable {
                return next_of(pieces);
            };
            co_return response;
        }
        if (request.path == "/large")
            co_return Response{.status = 200, .body = std::string(8'000'000, 'x'), .content_type = "text/plain", .headers = {}};
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

TEST_F(HttpServerTest, AHeaderMadeOfARequestCannotEndTheServerOrBeginAnother) {
    EXPECT_THAT(exchange("GET /header?bytes=many HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("made"));
    const std::string answer = exchange("GET /header HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, AllOf(HasSubstr("made"), ::testing::Not(HasSubstr("Evil"))));
}

TEST_F(HttpServerTest, WhatTheAdmissionThrowsIsAnAnswer) {
    EXPECT_THAT(exchange("GET /judge HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 500"));
    EXPECT_THAT(exchange("GET /a HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AStrangerIsTurnedAwayBeforeTheBody) {
    // 900 bytes are announced and none is sent: only a server that waits for them would be silent.
    EXPECT_THAT(exchange("POST /secret HTTP/1.1\r\nContent-Length: 900\r\n\r\n"), StartsWith("HTTP/1.1 401"));
}

TEST_F(HttpServerTest, BodiesHaveOneBudgetTogether) {
    boost::asio::io_context io;
    tcp::socket slow(io);
    slow.connect({boost::asio::ip::address_v4::loopback(), server_->port()});
    boost::asio::write(slow, boost::asio::buffer(std::string("POST /a HTTP/1.1\r\nContent-Length: 900\r\n\r\nx")));
    std::string answer;
    for (int i = 0; i < 200 && !answer.starts_with("HTTP/1.1 503"); ++i)
        answer = exchange("POST /b HTTP/1.1\r\nContent-Length: 700\r\n\r\n" + std::string(700, 'y'));
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: 1")));

    boost::asio::write(slow, boost::asio::buffer(std::string(899, 'x')));
    for (int i = 0; i < 200 && !answer.starts_with("HTTP/1.1 200"); ++i)
        answer = exchange("POST /b HTTP/1.1\r\nContent-Length: 700\r\n\r\n" + std::string(700, 'y'));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, LargeAnswersThatNobodyReadsHaveOneBudgetTogether) {
    boost::asio::io_context io;
    tcp::socket lazy(io);
    lazy.open(tcp::v4());
    lazy.set_option(boost::asio::socket_base::receive_buffer_size(4096));
    lazy.connect({boost::asio::ip::address_v4::loopback(), server_->port()});
    boost::asio::write(lazy, boost::asio::buffer(std::string("GET /large HTTP/1.1\r\n\r\n")));
    std::string head(64, ' ');
    boost::asio::read(lazy, boost::asio::buffer(head));

    EXPECT_THAT(exchange("GET /large HTTP/1.1\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: 1")));
    EXPECT_THAT(exchange("GET /a HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200")) << "small ones are always given";
    EXPECT_THAT(exchange("POST /large HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200")) << "what was done is not denied";

    lazy.close();
    std::string answer;
    for (int i = 0; i < 200 && !answer.starts_with("HTTP/1.1 200"); ++i) answer = exchange("GET /large HTTP/1.1\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AChunkedBodyTakesOfTheBudgetWhatIsThereOfIt) {
    boost::asio::io_context io;
    std::vector<tcp::socket> begun;
    for (int i = 0; i < 10; ++i) {
        begun.emplace_back(io).connect({boost::asio::ip::address_v4::loopback(), server_->port()});
        boost::asio::write(begun.back(), boost::asio::buffer(std::string("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")));
    }
    const std::string whole = "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    EXPECT_THAT(exchange(whole), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("abcde")));

    // 2 of 700 bytes fit, beside ten that have begun.
    std::vector<tcp::socket> large;
    for (int i = 0; i < 2; ++i) {
        large.emplace_back(io).connect({boost::asio::ip::address_v4::loopback(), server_->port()});
        boost::asio::write(large.back(), boost::asio::buffer("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2bc\r\n" + std::string(700, 'x') + "\r\n"));
    }
    std::string answer;
    for (int i = 0; i < 200 && !answer.starts_with("HTTP/1.1 503"); ++i)
        answer = exchange("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2bc\r\n" + std::string(700, 'y') + "\r\n0\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(exchange("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string("44c\r\n") + std::string(1100, 'y') + "\r\n0\r\n\r\n"),
                testing::AnyOf(StartsWith("HTTP/1.1 413"), StartsWith("HTTP/1.1 503")));
}

TEST_F(HttpServerTest, HalfRequestsKeepNobodyOut) {
    boost::asio::io_context io;
    std::vector<tcp::socket> halves;
    for (int i = 0; i < 100; ++i) {
        auto& half = halves.emplace_back(io);
        half.connect({boost::asio::ip::address_v4::loopback(), server_->port()});
        boost::asio::write(half, boost::asio::buffer(std::string("GET /a HT")));
    }
    EXPECT_THAT(exchange("GET /a HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ABodyWithoutAnEndComesInChunksAndToAnOldClientUntilTheConnectionEnds) {
    const std::string told = exchange("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(told, AllOf(HasSubstr("Transfer-Encoding: chunked"), HasSubstr("Content-Type: text/event-stream"),
                            HasSubstr("\r\n\r\n6\r\nfirst \r\n6\r\nthird \r\n7\r\nsecond \r\n0\r\n\r\n")));
    EXPECT_THAT(told, ::testing::Not(HasSubstr("Content-Length")));
    const std::string old = exchange("GET /stream HTTP/1.0\r\nHost: x\r\n\r\n");
    EXPECT_THAT(old, AllOf(::testing::EndsWith("first third second "), ::testing::Not(HasSubstr("chunked"))));
    const std::string head = exchange("HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200"), ::testing::Not(HasSubstr("third"))));
}

} // namespace
} // namespace baton::web
