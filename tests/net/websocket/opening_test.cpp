#include "net/websocket/opening.hpp"

#include <gtest/gtest.h>

#include <map>

namespace baton::net::websocket {
namespace {

using namespace std::string_literals;

const OpeningRules usual_rules{.paths = {"/ws", "/ws/amqp"},
                               .protocol = "amqp",
                               .origins = {"https://shop.example", "http://localhost:5173"},
                               .own_names = {"baton.example"}};

// A request, of which a test changes what it is about; an empty value leaves the header out.
struct Wish {
    std::string line = "GET /ws HTTP/1.1";
    std::map<std::string, std::string> headers{{"Host", "localhost:15678"},
                                               {"Upgrade", "websocket"},
                                               {"Connection", "Upgrade"},
                                               {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                               {"Sec-WebSocket-Version", "13"}};
    std::string text() const {
        std::string out = line + "\r\n";
        for (const auto& [name, value] : headers)
            if (!value.empty()) out += name + ": " + value + "\r\n";
        return out + "\r\n";
    }
    Wish with(const std::string& name, const std::string& value) const {
        Wish other = *this;
        other.headers[name] = value;
        return other;
    }
    Wish asking(const std::string& first_line) const {
        Wish other = *this;
        other.line = first_line;
        return other;
    }
};

std::string answer_to(const std::string& request, const OpeningRules& rules = usual_rules) {
    Opening opening(rules);
    EXPECT_TRUE(opening.take(as_bytes(request))) << request;
    EXPECT_EQ(opening.is_accepted(), opening.complaint().empty());
    return opening.answer();
}

std::string status_of(const std::string& request, const OpeningRules& rules = usual_rules) {
    return answer_to(request, rules).substr(9, 3);
}
std::string status_of(const Wish& wish, const OpeningRules& rules = usual_rules) {
    return status_of(wish.text(), rules);
}

// §1.3's own example.
TEST(WebSocketOpening, AcceptsAsTheStandardDoes) {
    EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const std::string answer = answer_to(Wish().text());
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ")) << answer;
    EXPECT_NE(answer.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos);
    EXPECT_EQ(answer.find("Sec-WebSocket-Protocol"), std::string::npos);
    EXPECT_EQ(answer.find("Sec-WebSocket-Extensions"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(WebSocketOpening, CutsMakeNoDifference) {
    const std::string request = Wish().with("Sec-WebSocket-Protocol", "amqp").text();
    const std::string whole = answer_to(request);
    for (std::size_t cut = 1; cut < request.size(); ++cut) {
        Opening opening(usual_rules);
        EXPECT_FALSE(opening.take(as_bytes(std::string_view(request).substr(0, cut))));
        EXPECT_TRUE(opening.take(as_bytes(std::string_view(request).substr(cut))));
        EXPECT_EQ(opening.answer(), whole);
    }
    Opening opening(usual_rules);
    for (std::size_t i = 0; i + 1 < request.size(); ++i)
        EXPECT_FALSE(opening.take(as_bytes(std::string_view(request).substr(i, 1))));
    EXPECT_TRUE(opening.take(as_bytes("\n")));
    EXPECT_EQ(opening.answer(), whole);
}

TEST(WebSocketOpening, ChoosesTheProtocol) {
    EXPECT_NE(answer_to(Wish().with("Sec-WebSocket-Protocol", "mqtt, amqp").text())
                  .find("\r\nSec-WebSocket-Protocol: amqp\r\n"),
              std::string::npos);
    const std::string refusal = answer_to(Wish().with("Sec-WebSocket-Protocol", "mqtt").text());
    EXPECT_TRUE(refusal.starts_with("HTTP/1.1 400 ")) << refusal;
    EXPECT_NE(refusal.find("'amqp' is"), std::string::npos) << refusal;
    EXPECT_EQ(status_of(Wish().with("Sec-WebSocket-Protocol", "AMQP")),
              "400"); // they are compared as they are
}

TEST(WebSocketOpening, KnowsItsPaths) {
    EXPECT_EQ(status_of(Wish().asking("GET /ws/amqp HTTP/1.1")), "101");
    EXPECT_EQ(status_of(Wish().asking("GET /ws?token=1 HTTP/1.1")), "101");
    for (const char* path : {"/", "/ws/", "/ws/mqtt", "/WS", "/ws%2f"})
        EXPECT_EQ(status_of(Wish().asking("GET "s + path + " HTTP/1.1")), "404") << path;
}

TEST(WebSocketOpening, HeadersAreWordsInAnyCase) {
    EXPECT_EQ(status_of(Wish().with("Upgrade", "WebSocket")), "101");
    EXPECT_EQ(status_of(Wish().with("Connection", "keep-alive, UPGRADE")), "101");
    std::string request = Wish().text();
    request.replace(request.find("Sec-WebSocket-Key"), 17, "sec-websocket-KEY");
    EXPECT_EQ(status_of(request), "101");
}

TEST(WebSocketOpening, RefusesWhatIsNoRequestForAWebSocket) {
    EXPECT_EQ(status_of(Wish().with("Upgrade", "")), "426");
    EXPECT_EQ(status_of(Wish().with("Upgrade", "h2c")), "426");
    EXPECT_EQ(status_of(Wish().with("Connection", "keep-alive")), "426");
    EXPECT_EQ(status_of(Wish().asking("POST /ws HTTP/1.1")), "405");
    EXPECT_EQ(status_of(Wish().asking("GET /ws HTTP/1.0")), "505");
    EXPECT_EQ(status_of(Wish().with("Content-Length", "3")), "400");
    EXPECT_EQ(status_of(Wish().with("Content-Length", "0")), "101");
    EXPECT_EQ(status_of(Wish().with("Transfer-Encoding", "chunked")), "400");
    EXPECT_EQ(status_of(Wish().with("Host", "")), "400");
    const std::string other_version = answer_to(Wish().with("Sec-WebSocket-Version", "8").text());
    EXPECT_TRUE(other_version.starts_with("HTTP/1.1 426 ")) << other_version;
    EXPECT_NE(other_version.find("\r\nSec-WebSocket-Version: 13\r\n"), std::string::npos);
}

TEST(WebSocketOpening, WantsAKeyOfSixteenBytesOnce) {
    for (const char* key :
         {"", "dGhlIHNhbXBsZQ==", "not base64 at all 123456", "dGhlIHNhbXBsZSBub25jZTEy"})
        EXPECT_EQ(status_of(Wish().with("Sec-WebSocket-Key", key)), "400") << key;
    std::string twice = Wish().text();
    twice.insert(twice.size() - 2, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    EXPECT_EQ(status_of(twice), "400");
    std::string two_hosts = Wish().text();
    two_hosts.insert(two_hosts.size() - 2, "host: localhost\r\n");
    EXPECT_EQ(status_of(two_hosts), "400");
}

TEST(WebSocketOpening, RefusesWhatIsNotHttp) {
    EXPECT_EQ(status_of("AMQP\0\0\x09\x01"s), "400"); // at once, without an end
    EXPECT_EQ(status_of("\x16\x03\x01"s), "400");
    EXPECT_EQ(status_of("hello\r\n\r\n"), "400");
    EXPECT_EQ(status_of("\r\n\r\n"), "400");
    EXPECT_EQ(status_of("GET  /ws HTTP/1.1\r\n\r\n"), "400");
    EXPECT_EQ(status_of("GET http://localhost/ws HTTP/1.1\r\n\r\n"), "400");
    std::string with_space = Wish().text();
    with_space.replace(with_space.find("Host:"), 5, "Host :");
    EXPECT_EQ(status_of(with_space), "400");
    std::string folded = Wish().text();
    folded.insert(folded.size() - 2, " goes on\r\n");
    EXPECT_EQ(status_of(folded), "400");
    EXPECT_EQ(status_of(Wish().text() + "x"), "400");
}

TEST(WebSocketOpening, BoundsTheRequest) {
    EXPECT_EQ(status_of(Wish().with("Cookie", std::string(15 * 1024, 'x'))), "101");
    EXPECT_EQ(status_of(Wish().with("Cookie", std::string(17 * 1024, 'x'))), "431");
    Opening opening(usual_rules);
    const std::string piece(1000, 'x');
    int pieces = 1;
    while (!opening.take(as_bytes(piece)))
        ASSERT_LT(++pieces, 20);
    EXPECT_TRUE(opening.answer().starts_with("HTTP/1.1 431 "));
}

TEST(WebSocketOpening, LetsPagesOfThisServerIn) {
    const auto status = [](const std::string& host, const std::string& origin) {
        return status_of(Wish().with("Host", host).with("Origin", origin));
    };
    EXPECT_EQ(status("baton.example:15678", "https://baton.example"), "101"); // on whatever port
    EXPECT_EQ(status("BATON.example.", "https://baton.example:8443"), "101");
    EXPECT_EQ(status("127.0.0.1:15678", "http://127.0.0.1:15672"), "101");
    EXPECT_EQ(status("[::1]:15678", "http://[::1]"), "101");
    EXPECT_EQ(status("baton.example", "https://shop.example"), "101");
    EXPECT_EQ(status("baton.example", "HTTPS://Shop.example"), "101");
    EXPECT_EQ(status("baton.example", "http://localhost:5173"), "101");

    EXPECT_EQ(status("baton.example", "http://shop.example"),
              "403"); // another scheme is another origin
    EXPECT_EQ(status("baton.example", "https://shop.example:8443"), "403");
    EXPECT_EQ(status("baton.example", "http://localhost:5174"), "403");
    EXPECT_EQ(status("baton.example", "https://evil.example"), "403");
    EXPECT_EQ(status("baton.example", "https://baton.example.evil.example"), "403");
    EXPECT_EQ(status("localhost:15678", "https://127.0.0.1"), "403");
    EXPECT_EQ(status("baton.example", "null"), "403");
    OpeningRules any = usual_rules;
    any.origins = {"*"};
    EXPECT_EQ(status_of(Wish().with("Origin", "null"), any), "101");
}

TEST(WebSocketOpening, ANameThatIsNotOursIsRefused) {
    // A name of somebody else's that was pointed at our address: the page is of its own origin.
    EXPECT_EQ(
        status_of(
            Wish().with("Host", "evil.example:15678").with("Origin", "http://evil.example:15678")),
        "421");
    EXPECT_EQ(status_of(Wish().with("Host", "evil.example")), "421");
    EXPECT_EQ(status_of(Wish().with("Host", "10.0.0.7.evil.example")), "421");
    EXPECT_EQ(status_of(Wish().with("Host", "10.0.0.7")), "101");
    EXPECT_EQ(status_of(Wish().with("Host", "one.localhost")), "101");
    OpeningRules any = usual_rules;
    any.own_names = {"*"};
    EXPECT_EQ(status_of(Wish().with("Host", "evil.example"), any), "101");
}

TEST(WebSocketOpening, WhatItRepeatsBreaksNothing) {
    const std::string answer = answer_to(Wish().asking("GET /\"\\<b>\xc2\x9b HTTP/1.1").text());
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 404 "));
    const auto body = answer.substr(answer.find("\r\n\r\n") + 4);
    EXPECT_NE(answer.find("Content-Length: " + std::to_string(body.size()) + "\r\n"),
              std::string::npos);
    EXPECT_EQ(body.find("\xc2\x9b"), std::string::npos) << body;
}

} // namespace
} // namespace baton::net::websocket
