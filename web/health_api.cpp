#include "web/health_api.hpp"

#include "base/log.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>

#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

constexpr std::chrono::milliseconds store_known_for{500};
constexpr std::chrono::milliseconds parts_limit{400}; // all of it within two seconds

} // namespace

awaitable<std::vector<HealthPart>> HealthApi::parts() {
    std::vector<HealthPart> parts = co_await server_parts();
    const std::string store = co_await store_trouble();
    if (store.empty()) co_return parts;
    std::erase_if(parts, [](const HealthPart& one) { return one.name == "store"; });
    parts.push_back({"store", HealthPart::State::failing, store});
    co_return parts;
}

awaitable<json::object> HealthApi::look() {
    const std::vector<HealthPart> told = co_await parts();
    json::object listed;
    json::array degraded, failing;
    std::string reason;
    for (const HealthPart& one : told) {
        const bool is_good = one.state == HealthPart::State::ok;
        listed[one.name] = is_good ? "ok" : one.reason;
        if (is_good) continue;
        (one.state == HealthPart::State::failing ? failing : degraded).emplace_back(one.name);
        reason += (reason.empty() ? "" : "; ") + one.reason;
    }
    json::object body;
    body["status"] = !failing.empty() ? "failing" : degraded.empty() ? "ok" : "degraded";
    if (!reason.empty()) body["reason"] = reason;
    if (!degraded.empty()) body["degraded"] = std::move(degraded);
    if (!failing.empty()) body["failing"] = std::move(failing);
    body["parts"] = std::move(listed);
    co_return body;
}

awaitable<std::vector<HealthPart>> HealthApi::server_parts() {
    if (!parts_->health) co_return std::vector<HealthPart>{{"store", {}, {}}};
    auto parts = co_await await_reply<std::vector<HealthPart>>(
        parts_limit, [this](auto callback) { parts_->health(callback); });
    if (parts) co_return std::move(*parts);
    co_return std::vector<HealthPart>{
        {"broker", HealthPart::State::failing,
         "the orchestrator's connection to the broker does not answer"}};
}

// Empty: the store answers. Asked once for all who want to know within a moment.
awaitable<std::string> HealthApi::store_trouble() {
    if (parts_->probe == nullptr) co_return std::string{};
    const auto now = std::chrono::steady_clock::now();
    if (now < store_known_until_) co_return store_trouble_;
    // There is no such dead letter; a store that can say so works.
    const auto found = co_await parts_->probe->ask(
        [](orchestrator::runtime::RunQueries& queries) { return queries.dead_letter(0); });
    store_known_until_ = std::chrono::steady_clock::now() + store_known_for;
    store_trouble_ = found ? "" : "the store does not answer; the server's log says more";
    if (!found && found.error().detail != store_failure_)
        log::warning("web", "the store does not answer", {{"reason", found.error().detail}});
    store_failure_ = found ? std::string{} : found.error().detail;
    co_return store_trouble_;
}

void add_health_routes(Routes& routes, const std::shared_ptr<HealthApi>& health,
                       const std::shared_ptr<const ApiParts>& parts) {
    const auto tell = [](std::shared_ptr<HealthApi> asked) -> awaitable<Response> {
        const auto body = co_await asked->look();
        co_return reply(body.at("status").get_string() == "failing" ? 503 : 200, body);
    };
    const auto look = [health, tell](Request, Parameters) { return tell(health); };
    for (const char* path : {"/api/health", "/baton/v1/health", "/baton/v1/ready"})
        routes.add("GET", path, Level::open, look);
    const auto version = [](std::shared_ptr<const ApiParts> asked) -> awaitable<Response> {
        const BrokerPort& broker = asked->broker;
        co_return reply(
            200, json::object{{"product", "Baton"},
                              {"version", broker.baton_version},
                              {"broker", broker.exists()
                                             ? json::value(broker.product + " " + broker.version)
                                             : json::value(nullptr)}});
    };
    const auto tell_version = [parts, version](Request, Parameters) { return version(parts); };
    routes.add("GET", "/api/version", Level::anybody, tell_version);
    routes.add("GET", "/baton/v1/version", Level::open, tell_version);
}

} // namespace baton::web
