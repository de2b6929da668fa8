// GET and POST of definitions.
#include "base/log.hpp"
#include "web/http/await_reply.hpp"
#include "web/broker/broker_api.hpp"
#include "web/broker/definitions.hpp"
#include "web/http/replies.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <memory>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;
using boost::asio::awaitable;

namespace {

// A long file is brought in with few syncs: so many wishes are under way together.
constexpr std::size_t wishes_at_once = 512;
constexpr std::chrono::seconds import_limit{30};
// How many complaints of one file are worth reading.
constexpr std::size_t complaints_max = 20;

using Answers = std::vector<broker_core::Answer>;

// Asks for all of a part and waits until every answer is there, in their order.
awaitable<std::optional<Answers>> ask_for(Port port, std::span<const Definition> part) {
    struct Collecting {
        Answers answers;
        std::size_t missing = 0;
        std::function<void(Answers)> done;
    };
    const auto start = [&](std::function<void(Answers)> callback) {
        auto collecting = std::make_shared<Collecting>();
        collecting->answers.resize(part.size());
        collecting->missing = part.size();
        collecting->done = std::move(callback);
        // All answers come on the broker's one thread.
        for (std::size_t i = 0; i < part.size(); ++i)
            port->administer(part[i].wish, [collecting, i](broker_core::Answer answer) {
                collecting->answers[i] = std::move(answer);
                if (--collecting->missing == 0) collecting->done(std::move(collecting->answers));
            });
    };
    co_return co_await await_reply<Answers>(import_limit, start);
}

// One a line, the first of many.
std::string joined(const std::vector<std::string>& complaints) {
    std::string text;
    for (const auto& complaint : std::span(complaints).first(std::min(complaints.size(), complaints_max)))
        text += (text.empty() ? "" : "\n") + complaint;
    if (complaints.size() > complaints_max) text += fmt::format("\n… and {} more", complaints.size() - complaints_max);
    return text;
}

awaitable<Response> import_into(Port port, Request request, std::optional<std::string> vhost) {
    auto definitions = read_definitions(request.body, *port, vhost);
    if (!definitions) co_return problem(400, "bad_request", definitions.error().detail);
    for (const auto& key : definitions->unknown_keys)
        log::warning("definitions", "nobody knows this key of the file; it is passed over", {{"key", key}});
    const auto known = co_await look(*port, definitions_wish(vhost));
    if (!known) co_return broker_is_silent();
    if (vhost && !has_vhost(*known, *vhost)) co_return no_such_object();
    const auto wanted = missing_in(std::move(definitions->wanted), *known, *port);
    auto complaints = complaints_about(wanted, *known);
    if (!complaints.empty()) co_return problem(400, "bad_request", joined(complaints) + "\nNothing was changed.");
    for (std::size_t at = 0; at < wanted.size(); at += wishes_at_once) {
        const auto part = std::span(wanted).subspan(at, std::min(wishes_at_once, wanted.size() - at));
        const auto answers = co_await ask_for(port, part);
        if (!answers) co_return broker_is_silent();
        for (std::size_t i = 0; i < part.size(); ++i) {
            const broker_core::Answer& answer = (*answers)[i];
            if (answer.code == amqp::ReplyCode::success) continue;
            if (may_be_passed_over(part[i], answer)) {
                log::warning("definitions", "passed over", {{"place", part[i].place}, {"why", answer.text}});
                continue;
            }
            complaints.push_back(fmt::format("{}: {}", part[i].place, answer.text));
        }
    }
    if (!complaints.empty()) co_return problem(400, "bad_request", joined(complaints));
    co_return done(204);
}

awaitable<Response> export_definitions(Port port, Request, Parameters parameters) {
    std::optional<std::string> vhost;
    if (const auto found = parameters.find("vhost"); found != parameters.end()) vhost = found->second;
    const auto overview = co_await look(*port, definitions_wish(vhost));
    if (!overview) co_return broker_is_silent();
    if (vhost && !has_vhost(*overview, *vhost)) co_return no_such_object();
    co_return reply(200, definitions_json(*overview, *port, vhost));
}

awaitable<Response> import_definitions(Port port, Request request, Parameters parameters) {
    std::optional<std::string> vhost;
    if (const auto found = parameters.find("vhost"); found != parameters.end()) vhost = found->second;
    return import_into(std::move(port), std::move(request), std::move(vhost));
}

} // namespace

void add_definition_routes(BrokerRoutes& routes) {
    routes.add("GET", "/api/definitions", Level::administrator, export_definitions);
    routes.add("GET", "/api/definitions/{vhost}", Level::administrator, export_definitions);
    routes.add("POST", "/api/definitions", Level::administrator, import_definitions);
    routes.add("POST", "/api/definitions/{vhost}", Level::administrator, import_definitions);
}

} // namespace baton::web
