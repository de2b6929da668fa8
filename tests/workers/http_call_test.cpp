// Calls to named targets, against a small HTTP server of this file: what is sent, what an answer means,
// that a secret goes nowhere else, and that what may have happened is not repeated.
#include "readme_table.hpp"

#include "workers/http_call/http_call.hpp"

#include "base/json_text.hpp"
#include "base/thread.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include <sys/socket.h>

namespace baton::workers::http_call {
namespace {

namespace json = boost::json;
namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using Request = beast_http::request<beast_http::string_body>;
using Response = beast_http::response<beast_http::string_body>;

// One request a connection; `nothing` closes it without an answer.
class Server {
public:
    using Answerer = std::function<std::optional<Response>(const Request&)>;
    explicit Server(Answerer answerer)
        : answerer_(std::move(answerer)), acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}), thread_("server", [this] { serve(); }) {}
    ~Server() {
        stopping_ = true;
        boost::system::error_code ignored;
        asio::ip::tcp::socket(io_).connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}/api", acceptor_.local_endpoint().port()); }
    std::vector<Request> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    void serve() {
        while (!stopping_) {
            boost::system::error_code error;
            asio::ip::tcp::socket socket(io_);
            acceptor_.accept(socket, error);
            boost::beast::flat_buffer buffer;
            Request request;
            beast_http::read(socket, buffer, request, error);
            if (error || stopping_) continue;
            {
                const std::lock_guard lock(mutex_);
                requests_.push_back(request);
            }
            if (auto response = answerer_(request)) {
                response->keep_alive(false);
                response->prepare_payload();
                beast_http::write(socket, *response, error);
            }
        }
    }
    Answerer answerer_;
    asio::io_context io_;
    asio::ip::tcp::acceptor acceptor_;
    std::atomic<bool> stopping_ = false;
    std::mutex mutex_;
    std::vector<Request> requests_;
    Thread thread_;
};

Response answer(unsigned status, std::string body = {}) {
    Response response;
    response.result(status);
    response.body() = std::move(body);
    return response;
}

class HttpCallTest : public ::testing::Test {
protected:
    static Answer perform(const Server& server, const json::object& with, const json::object& more = {}) {
        json::object target = {{"name", "crm"}, {"url", server.url()}};
        for (const auto& member : more) target[member.key()] = member.value();
        http::Limits limits;
        limits.total = std::chrono::seconds(2);
        const auto settings = read_settings(json::array{target}, limits);
        if (!settings) return permanent("settings", settings.error().detail);
        Task task;
        task.with = with;
        task.with["target"] = with.contains("target") ? with.at("target") : json::value("crm");
        task.request.idempotency_key = "key-1";
        return make_handlers(*settings).front().perform(task);
    }
    static std::string type_of(const Answer& answer) { return answer ? "no problem" : answer.error().type; }
};

TEST_F(HttpCallTest, ACallIsSentAndItsJsonComesBack) {
    Server server([](const Request&) { return answer(201, R"({"id":7})"); });
    const Answer result = perform(server,
                                  {{"method", "POST"}, {"path", "users/a%20b"}, {"query", json::object{{"q", "ä&"}, {"n", {1, 2}}}},
                                   {"headers", json::object{{"X-One", "1"}}}, {"body", json::object{{"name", "ada"}}}},
                                  {{"auth", "bearer"}, {"secret", "s3cret"}});
    ASSERT_TRUE(result) << result.error().detail;
    EXPECT_EQ(write_json(*result), R"({"status":201,"body":{"id":7}})");
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].target(), "/api/users/a%20b?q=%C3%A4%26&n=1&n=2");
    EXPECT_EQ(requests[0]["Authorization"], "Bearer s3cret");
    EXPECT_EQ(requests[0]["X-One"], "1");
    EXPECT_EQ(requests[0]["Content-Type"], "application/json");
    EXPECT_EQ(requests[0].body(), R"({"name":"ada"})");
}

TEST_F(HttpCallTest, TextAndNothingComeBackToo) {
    Server server([](const Request& request) { return request.target() == "/api/empty" ? answer(204) : answer(200, "plain \xff"); });
    EXPECT_EQ(write_json(*perform(server, {})), "{\"status\":200,\"text\":\"plain \xEF\xBF\xBD\"}");
    EXPECT_EQ(write_json(*perform(server, {{"path", "empty"}})), R"({"status":204,"body":null})");
}

TEST_F(HttpCallTest, StatusesMeanWhatTheyMean) {
    struct Row {
        unsigned status;
        const char* type;
        bool retryable;
        bool is_attempt;
    };
    const Row rows[] = {
        {301, "redirected", true, false}, {400, "refused", false, true},      {401, "unauthorized", true, false},
        {403, "unauthorized", true, false}, {404, "not_found", false, true},  {408, "timeout", true, true},
        {409, "conflict", false, true},   {422, "refused", false, true},      {425, "unavailable", true, true},
        {500, "unavailable", true, true}, {502, "unavailable", true, true},   {503, "unavailable", true, true},
        {504, "unavailable", true, true},
    };
    std::string table = "| the target answers | what follows |\n|---|---|\n";
    for (const Row& row : rows) {
        Server server([&](const Request&) { return answer(row.status, R"({"message":"because"})"); });
        const Answer result = perform(server, {});
        ASSERT_FALSE(result) << row.status;
        table += fmt::format("| {} | {} |\n", row.status, test::in_words(result.error()));
        EXPECT_EQ(result.error().type, row.type) << row.status;
        EXPECT_EQ(result.error().retryable, row.retryable) << row.status;
        EXPECT_EQ(result.error().is_attempt, row.is_attempt) << row.status;
        EXPECT_TRUE(perform(server, {{"expect", static_cast<int>(row.status)}})) << row.status;
    }
    test::expect_table("http_call", "statuses", table);
}

TEST_F(HttpCallTest, WhatMayHaveHappenedIsNotRepeated) {
    Server server([](const Request&) { return std::optional<Response>(); });
    const Answer post = perform(server, {{"method", "POST"}, {"body", 1}});
    EXPECT_EQ(type_of(post), "unknown_outcome");
    EXPECT_FALSE(post.error().retryable);
    EXPECT_EQ(server.requests().size(), 1U) << "one attempt is one request";
    const Answer put = perform(server, {{"method", "PUT"}, {"body", 1}});
    EXPECT_TRUE(put.error().retryable);
    const Answer keyed = perform(server, {{"method", "POST"}, {"body", 1}}, {{"idempotency_header", "Idempotency-Key"}});
    EXPECT_TRUE(keyed.error().retryable);
    EXPECT_EQ(server.requests().back()["Idempotency-Key"], "key-1");
}

TEST_F(HttpCallTest, NothingLeadsOutOfATarget) {
    Server server([](const Request&) { return answer(200, "1"); });
    for (const char* path : {"../other", "a/../../b", "%2e%2e/b", "a/%2E%2e", "x?y=1", "x#y", "a\\b", "a\r\nHost: b", "%0d%0a", "%zz"})
        EXPECT_EQ(type_of(perform(server, {{"path", path}})), "invalid_input") << path;
    EXPECT_EQ(type_of(perform(server, {{"target", "http://elsewhere"}})), "invalid_input");
    EXPECT_EQ(type_of(perform(server, {{"headers", json::object{{"X", "a\r\nY: b"}}}})), "invalid_input");
    EXPECT_EQ(type_of(perform(server, {{"headers", json::object{{"authorization", "mine"}}}}, {{"auth", "bearer"}, {"secret", "s"}})),
              "invalid_input");
    EXPECT_EQ(type_of(perform(server, {{"method", "DELETE"}}, {{"methods", {"GET"}}})), "invalid_input");
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpCallTest, FilesForOtherTasksComeFromBelowATarget) {
    Server server([](const Request& request) {
        if (request.target() == "/api/none.pdf") return answer(404);
        if (request.target() == "/api/secret.pdf") return answer(401);
        if (request.target() == "/api/moved.pdf") return answer(302);
        if (request.target() == "/api/busy.pdf") return answer(503);
        Response response = answer(200, std::string("%PDF\0\xff", 6));
        response.set("Content-Type", "application/pdf; version=1");
        return response;
    });
    const auto settings = read_settings(
        json::array{json::object{{"name", "documents"}, {"url", server.url()}, {"auth", "bearer"}, {"secret", "s3cret"}},
                    json::object{{"name", "writes"}, {"url", server.url()}, {"methods", {"POST"}}}}, {});
    ASSERT_TRUE(settings);
    const FetchFile fetch = files_of(*settings);

    const auto file = fetch({"documents", "2026/a%20b.pdf"}, 100);
    ASSERT_TRUE(file) << file.error().detail;
    EXPECT_EQ(file->content, std::string("%PDF\0\xff", 6));
    EXPECT_EQ(file->type, "application/pdf; version=1");
    EXPECT_EQ(server.requests().back().target(), "/api/2026/a%20b.pdf");
    EXPECT_EQ(server.requests().back()["Authorization"], "Bearer s3cret");

    const std::size_t before = server.requests().size();
    for (const FileSource& wrong : {FileSource{"documents", "../x"}, FileSource{"documents", "a?b=c"}, FileSource{"writes", "x"}, FileSource{"http://elsewhere", "x"}}) {
        const auto refused = fetch(wrong, 100);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().type, "invalid_input") << wrong.path;
    }
    EXPECT_EQ(server.requests().size(), before) << "nothing was asked for";
    struct Row {
        const char* path;
        std::size_t most;
        const char* type;
        bool retryable;
    };
    for (const Row& row : {Row{"none.pdf", 100, "file_not_found", false}, Row{"big.pdf", 5, "file_too_large", false},
                           Row{"secret.pdf", 100, "file_unavailable", true}, Row{"moved.pdf", 100, "file_unavailable", true},
                           Row{"busy.pdf", 100, "file_unavailable", true}}) {
        const auto refused = fetch({"documents", row.path}, row.most);
        ASSERT_FALSE(refused) << row.path;
        EXPECT_EQ(refused.error().type, row.type) << row.path;
        EXPECT_EQ(refused.error().retryable, row.retryable) << row.path;
        EXPECT_TRUE(refused.error().is_attempt) << row.path << ": other tasks of the target go on";
        EXPECT_EQ(refused.error().detail.find("s3cret"), std::string::npos);
    }
    EXPECT_FALSE(files_of(Settings{})) << "no target, no files";
}

TEST_F(HttpCallTest, PagesAreCollected) {
    Server counted([](const Request& request) {
        const std::string target(request.target());
        return answer(200, target.ends_with("page=1") ? R"({"users":[1,2]})" : target.ends_with("page=2") ? R"({"users":[3]})" : R"({"users":[]})");
    });
    const json::object by_number = {{"pages", json::object{{"items", "/users"}, {"parameter", "page"}}}};
    EXPECT_EQ(write_json(*perform(counted, by_number)), R"({"status":200,"items":[1,2,3]})");

    Server linked([](const Request& request) {
        return answer(200, request.target() == "/api/users" ? R"({"users":[1],"next":"/api/users2"})" : R"({"users":[2],"next":null})");
    });
    const json::object by_link = {{"path", "users"}, {"pages", json::object{{"items", "/users"}, {"next", "/next"}}}};
    EXPECT_EQ(write_json(*perform(linked, by_link)), R"({"status":200,"items":[1,2]})");

    Server endless([](const Request&) { return answer(200, R"({"users":[1],"next":"/api/users"})"); });
    const json::object some = {{"pages", json::object{{"items", "/users"}, {"next", "/next"}, {"most", 3}}}};
    EXPECT_EQ(type_of(perform(endless, some)), "too_many_pages");

    Server away([](const Request&) { return answer(200, R"({"users":[1],"next":"http://169.254.169.254/secrets"})"); });
    EXPECT_EQ(type_of(perform(away, by_link)), "bad_answer") << "a secret must not follow";
}

TEST_F(HttpCallTest, AnAnswerIsCheckedAgainstItsSchema) {
    const json::object schema = {{"schema", json::parse(R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}})")}};
    Server good([](const Request&) { return answer(200, R"({"id":1})"); });
    EXPECT_TRUE(perform(good, {}, schema));
    Server bad([](const Request&) { return answer(200, R"({"id":"x"})"); });
    const Answer result = perform(bad, {}, schema);
    EXPECT_EQ(type_of(result), "bad_answer");
    EXPECT_FALSE(result.error().retryable);
    Server page([](const Request&) { return answer(200, "<html>log in</html>"); });
    EXPECT_EQ(type_of(perform(page, {}, schema)), "bad_answer");
}

TEST(HttpCallSettings, EveryMistakeIsNamed) {
    const auto bad = read_settings(
        json::parse(R"([{"url": "ftp://x"}, {"name": "a", "url": "http://x", "auth": "bearer"},
                        {"name": "a", "url": "https://x", "ur": 1, "auth": "odd", "secret": "s"},
                        {"name": "b", "url": "https://x", "schema": {"pattern": "(a+)+"}},
                        {"name": "c", "url": "https://x", "auth": "basic", "secret_file": "/no/such/file"}])"), {});
    ASSERT_FALSE(bad);
    for (const char* words : {"target 1: needs a name", "target 1: 'url' must be", "target 2: 'auth' needs", "there are two targets 'a'",
                              "'ur' is unknown", "must be bearer, basic or header", "'pattern' is not supported", "/no/such/file"})
        EXPECT_NE(bad.error().detail.find(words), std::string::npos) << words << "\nin\n" << bad.error().detail;
}

} // namespace
} // namespace baton::workers::http_call
