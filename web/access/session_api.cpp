#include "web/access/session_api.hpp"

#include "web/access/token_api.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/v1/listing.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

json::object object_of(const Login& login) {
    json::array tags;
    for (const auto& tag : login.tags)
        tags.emplace_back(tag);
    return {{"user", login.user}, {"tags", std::move(tags)}};
}

json::array roles_of(const Login& login) {
    json::array roles;
    if (reaches(login, Level::viewer)) roles.emplace_back("viewer");
    if (reaches(login, Level::operating)) roles.emplace_back("operator");
    if (reaches(login, Level::deploying)) roles.emplace_back("deployer");
    if (reaches(login, Level::admin)) roles.emplace_back("admin");
    return roles;
}

Response with_cookie(Response response, std::string_view name, const Request& request) {
    response.headers["Set-Cookie"] = session_cookie(name, request.has_tls);
    response.headers["Cache-Control"] = "no-store";
    return response;
}

class SessionApi {
public:
    explicit SessionApi(std::shared_ptr<Doorkeeper> doorkeeper)
        : doorkeeper_(std::move(doorkeeper)) {}

    awaitable<Response> begin_by_basic(Request request) {
        if (!credentials_of(request))
            co_return problem(400, "bad_request",
                              "a session begins with user and password in the header Authorization "
                              "(HTTP basic)");
        auto name = doorkeeper_->begin_session(request.login, request);
        if (!name) co_return std::move(name).error();
        auto body = object_of(request.login);
        body["seconds"] = std::chrono::seconds(Sessions::length).count();
        co_return with_cookie(reply(200, body), *name, request);
    }

    awaitable<Response> tell_login(Request request) {
        co_return reply(200, object_of(request.login));
    }

    awaitable<Response> end(Request request) {
        doorkeeper_->end_session(request);
        co_return with_cookie(done(204), {}, request);
    }

    // A page has a form with two fields; a program may show them in Authorization as everywhere.
    awaitable<Response> begin(Request request) {
        auto credentials = credentials_of(request);
        if (!credentials) {
            auto body = body_of(request);
            if (!body) co_return problem(400, "bad_request", body.error().detail);
            if (const auto known = check_members(*body, {"user", "password"}); !known)
                co_return problem(400, "bad_request", known.error().detail);
            if (text_member(*body, "user").empty())
                co_return problem(400, "bad_request",
                                  "a session begins with 'user' and 'password', in the body or by "
                                  "Authorization (HTTP basic)");
            credentials = {text_member(*body, "user"), text_member(*body, "password")};
        }
        auto login = doorkeeper_->log_in(*credentials, request);
        SignIn sign_in{login ? *login : Login{credentials->user, {}}, login.has_value()};
        auto response = login ? begin_known(*login, request) : std::move(login).error();
        response.sign_in = std::move(sign_in);
        co_return response;
    }

    awaitable<Response> me(Request request) {
        auto body = object_of(request.login);
        body["kind"] = is_by_token(request.login) ? "token" : "user";
        body["roles"] = roles_of(request.login);
        const Session* session = doorkeeper_->session_of(request);
        body["session"] = session != nullptr;
        body["expires_at"] =
            session == nullptr ? json::value(nullptr) : json::value(to_rfc3339(session->ends));
        co_return reply(200, body);
    }

    awaitable<Response> list(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        auto whose = Doorkeeper::whose(request);
        if (!whose) co_return std::move(whose).error();
        const Session* own = doorkeeper_->session_of(request);
        const std::uint64_t this_one = own == nullptr ? 0 : own->number;
        json::array found;
        for (const Session& one : doorkeeper_->sessions().list(*whose, SystemClock().now()))
            found.push_back(json::object{{"id", std::to_string(one.number)},
                                         {"user", one.user},
                                         {"address", one.address},
                                         {"began_at", to_rfc3339(one.began)},
                                         {"used_at", to_rfc3339(one.idle_ends - Sessions::idle)},
                                         {"expires_at", to_rfc3339(one.ends)},
                                         {"this", one.number == this_one}});
        co_return page_of(*wish, std::move(found));
    }

    // Somebody else's ends only by who may administer; also by hand, where a browser was left open.
    awaitable<Response> end_one(Request request, Parameters parameters) {
        const std::string_view user =
            reaches(request.login, Level::admin) ? std::string_view{} : request.login.user;
        for (const Session& one : doorkeeper_->sessions().list(user, SystemClock().now())) {
            if (std::to_string(one.number) != parameters.at("id")) continue;
            doorkeeper_->sessions().end_number(one.number);
            co_return done(204);
        }
        co_return problem(404, "not_found", "there is no such session of yours");
    }

private:
    Response begin_known(const Login& login, const Request& request) {
        if (auto refusal = Doorkeeper::refuses(login, Level::anybody)) return std::move(*refusal);
        auto name = doorkeeper_->begin_session(login, request);
        if (!name) return std::move(name).error();
        auto body = object_of(login);
        body["roles"] = roles_of(login);
        body["expires_at"] = to_rfc3339(SystemClock().now() + Sessions::length);
        body["idle_seconds"] = std::chrono::seconds(Sessions::idle).count();
        return with_cookie(reply(200, body), *name, request);
    }

    std::shared_ptr<Doorkeeper> doorkeeper_;
};

} // namespace

void add_session_routes(Routes& routes, const std::shared_ptr<Doorkeeper>& doorkeeper) {
    const auto self = std::make_shared<SessionApi>(doorkeeper);
    const auto add = [&](const char* method, const char* pattern, Level level,
                         awaitable<Response> (SessionApi::*member)(Request)) {
        routes.add(method, pattern, level, [self, member](Request request, Parameters) {
            return (self.get()->*member)(std::move(request));
        });
    };
    add("POST", "/api/login", Level::anybody, &SessionApi::begin_by_basic);
    add("GET", "/api/login", Level::anybody, &SessionApi::tell_login);
    add("DELETE", "/api/login", Level::anybody, &SessionApi::end);
    add("POST", "/baton/v1/session", Level::open, &SessionApi::begin);
    add("DELETE", "/baton/v1/session", Level::anybody, &SessionApi::end);
    add("GET", "/baton/v1/me", Level::anybody, &SessionApi::me);
    const RouteAdder<SessionApi> add_more(routes, self);
    add_more("GET", "/baton/v1/sessions", Level::anybody, &SessionApi::list,
             {"all", "limit", "after", "count"});
    add_more("DELETE", "/baton/v1/sessions/{id}", Level::anybody, &SessionApi::end_one);
    add_token_routes(routes, doorkeeper);
}

} // namespace baton::web
