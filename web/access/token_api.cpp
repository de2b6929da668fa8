#include "web/access/token_api.hpp"

#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/v1/listing.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

constexpr std::size_t token_name_bytes_max = 200;

json::object token_json(const StoredToken& token) {
    json::object out;
    out["id"] = token.id;
    out["name"] = token.name;
    out["user"] = token.user;
    out["role"] = token.role;
    out["created_at"] = to_rfc3339(token.created_at);
    out["expires_at"] = to_rfc3339(token.expires_at);
    out["used_at"] = token.used_at ? json::value(to_rfc3339(*token.used_at)) : json::value(nullptr);
    return out;
}

class TokenApi {
public:
    explicit TokenApi(std::shared_ptr<Tokens> tokens) : tokens_(std::move(tokens)) {}

    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        auto whose = Doorkeeper::whose(request);
        if (!whose) co_return std::move(whose).error();
        json::array found;
        for (const StoredToken& one : tokens_->list(*whose, SystemClock().now()))
            found.push_back(token_json(one));
        co_return page_of(*wish, std::move(found));
    }

    awaitable<Response> make(Request request, Parameters) {
        // Whoever finds a token must not make himself one that lasts longer.
        if (is_by_token(request.login))
            co_return problem(403, "forbidden",
                              "a token makes no tokens; log in with the password");
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"name", "role", "expires_at"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const std::string name = text_member(*body, "name");
        if (name.empty() || name.size() > token_name_bytes_max || !is_utf8(name))
            co_return problem(400, "bad_request",
                              "'name' must say what the token is for, in 200 bytes");
        const auto level = level_of_role(text_member(*body, "role"));
        if (!level)
            co_return problem(400, "bad_request",
                              "'role' must be viewer, operator, deployer or admin");
        if (auto refusal = Doorkeeper::refuses(request.login, *level))
            co_return std::move(*refusal);
        const auto expires_at = from_rfc3339(text_member(*body, "expires_at"));
        if (!expires_at)
            co_return problem(
                400, "bad_request",
                "'expires_at' must be a time as 2026-01-31T12:00:00Z, within 90 days");
        const auto made = tokens_->make(name, request.login.user, text_member(*body, "role"),
                                        *expires_at, SystemClock().now());
        if (!made) {
            const bool is_wish = made.error().code == boost::system::errc::invalid_argument;
            co_return problem(is_wish ? 400 : 503, is_wish ? "bad_request" : "unavailable",
                              made.error().detail);
        }
        json::object out = token_json(made->stored);
        out["token"] = made->token;
        co_return reply(201, out);
    }

    awaitable<Response> end(Request request, Parameters parameters) {
        const StoredToken* found = tokens_->by_id(parameters.at("id"));
        const bool is_own = found != nullptr && found->user == request.login.user;
        if (found == nullptr || (!is_own && !reaches(request.login, Level::admin)))
            co_return problem(404, "not_found", "there is no such token of yours");
        if (const auto ended = tokens_->end(parameters.at("id")); !ended)
            co_return problem(503, "unavailable", ended.error().detail);
        co_return done(204);
    }

private:
    std::shared_ptr<Tokens> tokens_;
};

} // namespace

void add_token_routes(Routes& routes, const std::shared_ptr<Doorkeeper>& doorkeeper) {
    const RouteAdder<TokenApi> add(routes, std::make_shared<TokenApi>(doorkeeper->tokens()));
    add("GET", "/baton/v1/tokens", Level::anybody, &TokenApi::list,
        {"all", "limit", "after", "count"});
    add("POST", "/baton/v1/tokens", Level::anybody, &TokenApi::make);
    add("DELETE", "/baton/v1/tokens/{id}", Level::anybody, &TokenApi::end);
}

} // namespace baton::web
