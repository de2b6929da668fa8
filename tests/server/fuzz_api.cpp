// A whole server, broker, orchestrator and HTTP in this process, and any bytes as requests of an
// administrator: no request ends it, none is answered 500, and what says it is JSON is JSON.
//
// An input is a route, by number, and lines: one for each parameter of its path, one for the query,
// the rest is the body.
#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/log.hpp"
#include "base/percent.hpp"
#include "server/server.hpp"
#include "web/api.hpp"
#include "web/broker/broker_api.hpp"
#include "web/runs/run_api.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace baton;
namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr const char* user = "fuzzer";
constexpr const char* password = "secret";
constexpr int requests_per_server = 20'000; // then a new one, so that memory stays bounded

constexpr std::string_view workflow = R"(
workflow = "some"
[input]
n = { type = "integer", default = 1 }
[[step]]
id = "a"
set = { x = "${input.n}" }
[[step]]
id = "b"
task = "some.task"
with = { x = "${a.x}" }
)";

std::vector<web::Routes::Entry> routes() {
    web::Routes made;
    const auto parts = std::make_shared<const web::ApiParts>();
    web::add_run_routes(made, parts);
    web::add_task_routes(made, parts);
    web::add_broker_routes(made, std::make_shared<const web::BrokerPort>());
    std::vector<web::Routes::Entry> wanted = made.all();
    // That one writes where it is told to.
    std::erase_if(wanted, [](const auto& route) { return route.pattern == "/api/backup"; });
    return wanted;
}

class House {
public:
    House() {
        log::set_level(log::Level::error);
        // In memory, if there is such a place: each change of a broker's definitions is synced.
        const std::filesystem::path memory = "/dev/shm";
        folder_ = (std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path()) /
                  fmt::format("baton-fuzz-api-{}", getpid());
        std::filesystem::remove_all(folder_);
        server::Config config;
        config.broker_listen = {{"127.0.0.1", 0}};
        config.http_listen = {"127.0.0.1", 0};
        config.metrics_listen.reset();
        config.broker_users = {{user, password, "", {"administrator"}}};
        config.data = folder_.string();
        auto started = server::Server::start(config, false, [] { return false; });
        BATON_ASSERT(started, "the server starts");
        server_ = std::move(*started);
        (void)ask("POST", "/api/workflows",
                  R"({"file":"some.toml","source":")" + escaped(workflow) + R"("})");
        (void)ask("POST", "/api/runs", R"({"workflow":"some"})");
    }
    ~House() {
        stream_.reset();
        server_->stop();
        server_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    // Nothing: no answer in time, as of a call that waits for a worker.
    std::optional<http::response<http::string_body>> ask(const std::string& method, const std::string& target,
                                                         std::string body) {
        if (!stream_ && !connect()) return std::nullopt;
        http::request<http::string_body> request;
        request.method_string(method);
        request.target(target);
        request.version(11);
        request.set(http::field::host, "127.0.0.1");
        request.set(http::field::authorization, "Basic " + base64_of(fmt::format("{}:{}", user, password)));
        request.set(http::field::content_type, "application/json");
        request.body() = std::move(body);
        request.prepare_payload();
        http::response_parser<http::string_body> answer;
        answer.body_limit(64 * 1024 * 1024);
        if (method == "HEAD") answer.skip(true);
        boost::beast::flat_buffer buffer;
        boost::system::error_code error;
        stream_->expires_after(std::chrono::seconds(5));
        io_.restart();
        http::async_write(*stream_, request, [&](boost::system::error_code failed, std::size_t) {
            error = failed;
            if (!failed)
                http::async_read(*stream_, buffer, answer, [&](boost::system::error_code broken, std::size_t) {
                    error = broken;
                });
        });
        io_.run();
        if (error || !answer.keep_alive()) stream_.reset();
        if (error) return std::nullopt;
        return answer.release();
    }

private:
    static std::string escaped(std::string_view text) {
        std::string out;
        for (const char c : text) {
            if (c == '"' || c == '\\') out += '\\';
            if (c == '\n')
                out += "\\n";
            else
                out += c;
        }
        return out;
    }

    bool connect() {
        stream_ = std::make_unique<boost::beast::tcp_stream>(io_);
        boost::system::error_code error;
        stream_->socket().connect({asio::ip::make_address("127.0.0.1"), server_->http_address().port}, error);
        if (error) stream_.reset();
        return !error;
    }

    std::filesystem::path folder_;
    std::unique_ptr<server::Server> server_;
    asio::io_context io_;
    std::unique_ptr<boost::beast::tcp_stream> stream_;
};

std::string_view next_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return line;
}

void check(const http::response<http::string_body>& answer) {
    BATON_ASSERT(answer.result_int() != 500, "no request makes a handler fail");
    const bool is_json = answer[http::field::content_type].starts_with("application/json");
    if (!is_json || answer.body().empty()) return;
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = 512;
    (void)boost::json::parse(answer.body(), error, {}, options);
    BATON_ASSERT(!error, "what says it is JSON is JSON");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<web::Routes::Entry> all = routes();
    static std::unique_ptr<House> house;
    static int requests = 0;
    if (size == 0) return 0;
    if (!house || ++requests % requests_per_server == 0) {
        house.reset();
        house = std::make_unique<House>();
    }
    const web::Routes::Entry& route = all[data[0] % all.size()];
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string target;
    for (std::size_t i = 0; i < route.pattern.size();) {
        if (route.pattern[i] != '{') {
            target += route.pattern[i++];
            continue;
        }
        target += percent_encoded(next_line(rest));
        i = route.pattern.find('}', i) + 1;
    }
    std::string query;
    for (const char c : next_line(rest)) // "a=b&c=d", each part encoded
        query += c == '=' || c == '&' ? std::string(1, c) : percent_encoded({&c, 1});
    // A request that waits for news, as it is asked to, says nothing about the server.
    if (!query.empty() && query.find("wait") == std::string::npos) target += "?" + query;
    const auto answer = house->ask(route.method, target, std::string(rest));
    if (!answer) return 0;
    check(*answer);
    // It removed its own user, or its rights.
    if (answer->result_int() == 401 || answer->result_int() == 403) {
        house.reset();
        requests = 0;
    }
    return 0;
}
