#include "web/access/doorkeeper.hpp"

#include "base/base64.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/http/same_site.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace baton::web {

namespace {

// What somebody may send whom nobody knows: a user and a password.
constexpr std::uint64_t open_body_bytes_max = 4096;

std::optional<Response> refuses_query(const Request& request, std::span<const std::string> known) {
    const auto checked = check_query(request, known);
    if (checked) return std::nullopt;
    return problem(400, "bad_request", checked.error().detail);
}

// Browsers send a cookie without asking anybody, but never a change without saying where it comes
// from.
std::optional<Response> refuses_foreign_session(const Request& request) {
    const bool says_where = !request.origin.empty() || !request.fetch_site.empty();
    if (session_in(request.cookies, request.has_tls).empty() || !is_unsafe(request.method) ||
        says_where)
        return std::nullopt;
    return problem(403, "forbidden",
                   "with a session's cookie a change has to say by Origin or Sec-Fetch-Site where "
                   "it comes from; "
                   "programs log in by Authorization");
}

// Empty: no token was shown.
std::string_view bearer_in(const Request& request) {
    constexpr std::string_view scheme = "Bearer ";
    const std::string_view given = request.authorization;
    return given.starts_with(scheme) ? given.substr(scheme.size()) : std::string_view{};
}

Response nobody_known(const Request& request) {
    auto refusal = problem(401, "unauthorized", "user or password is wrong");
    // A page's script gets no dialog of the browser, which would keep the password for all pages.
    if (request.fetch_mode.empty()) refusal.headers["WWW-Authenticate"] = "Basic realm=\"Baton\"";
    return refusal;
}

} // namespace

std::optional<Credentials> credentials_of(const Request& request) {
    constexpr std::string_view scheme = "Basic ";
    if (!request.authorization.starts_with(scheme)) return std::nullopt;
    const auto decoded = from_base64(std::string_view(request.authorization).substr(scheme.size()));
    if (!decoded) return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

std::optional<Response> Doorkeeper::refusal_of(Request& request, const Routes::Match& match) {
    if (match.handler == nullptr && match.path_exists)
        return problem(405, "method_not_allowed", request.method + " is not possible here");
    if (match.handler == nullptr)
        return problem(404, "not_found", "nothing lives at " + request.path);
    if (match.level == Level::open) {
        request.is_of_stranger = request.has_body;
        return refusal_of_open(request, match);
    }
    if (auto refusal = refuses_foreign(request, parts_->own_names)) return refusal;
    if (const auto credentials = credentials_of(request)) {
        auto login = log_in(*credentials, request);
        if (!login) return std::move(login).error();
        request.login = std::move(*login);
    } else if (const auto token = bearer_in(request); !token.empty()) {
        auto login = login_of_token(token, request);
        if (!login)
            return problem(
                401, "unauthorized",
                "the token is not valid (any more), or its user may not as much as it says");
        request.login = std::move(*login);
    } else {
        if (auto from_page = refuses_foreign_session(request)) return from_page;
        auto login = login_of_session(request);
        if (!login) return nobody_known(request);
        request.login = std::move(*login);
    }
    if (auto refusal = refuses(request.login, match.level)) return refusal;
    return is_own(match.level) ? refuses_query(request, match.query) : std::nullopt;
}

// Balancers ask by names of their own, and what is open says nothing that others must not know;
// what a browser sends is looked at all the same.
std::optional<Response> Doorkeeper::refusal_of_open(const Request& request,
                                                    const Routes::Match& match) const {
    if (is_unsafe(request.method) || is_from_browser(request))
        if (auto refusal = refuses_foreign(request, parts_->own_names)) return refusal;
    if (!is_unsafe(request.method) && request.has_body)
        return problem(400, "bad_request", "this takes no body");
    if (request.has_body && request.body_bytes > open_body_bytes_max)
        return problem(413, "too_large", "so much is taken from nobody who is not logged in");
    return refuses_query(request, match.query);
}

std::optional<Response> Doorkeeper::refuses(const Login& login, Level level) {
    // Nobody is told more of the broker than that they may not, until they have the first tag.
    const bool is_brokers = refusal_status(level) == 401;
    const Level missing =
        is_brokers && !reaches(login, Level::management) ? Level::management : level;
    if (reaches(login, missing)) return std::nullopt;
    return problem(refusal_status(missing), is_brokers ? "not_authorised" : "forbidden",
                   refusal(missing));
}

boost::system::result<std::string, Response> Doorkeeper::whose(const Request& request) {
    const auto all = flag_in(request, "all");
    if (!all) return problem(400, "bad_request", all.error().detail);
    if (!*all) return request.login.user;
    if (auto refusal = refuses(request.login, Level::admin)) return std::move(*refusal);
    return std::string{};
}

boost::system::result<Login, Response> Doorkeeper::log_in(const Credentials& credentials,
                                                          const Request& request) const {
    auto login = parts_->authenticate(credentials.user, credentials.password,
                                      request.remote_is_loopback, request.remote_address);
    if (login) return std::move(*login);
    if (auto pause = pause_of(credentials.user, request)) return std::move(*pause);
    return nobody_known(request);
}

// Whoever has the right password at last must not think that it is wrong.
std::optional<Response> Doorkeeper::pause_of(const std::string& user,
                                             const Request& request) const {
    if (!parts_->login_pause) return std::nullopt;
    const auto left = parts_->login_pause(user, request.remote_address);
    if (left.count() <= 0) return std::nullopt;
    const auto seconds = (left.count() + 999) / 1000;
    auto refusal = problem(
        429, "too_many_attempts",
        fmt::format("too many wrong passwords for '{}' from this address: guessing is slowed down, "
                    "and none is looked at for {} s, not even the right one",
                    user, seconds));
    refusal.headers["Retry-After"] = std::to_string(seconds);
    return refusal;
}

std::optional<Login> Doorkeeper::login_of_session(const Request& request) {
    const auto name = session_in(request.cookies, request.has_tls);
    if (name.empty() || !parts_->find_user) return std::nullopt;
    const Session* session = sessions_.find(name, SystemClock().now());
    if (session == nullptr) return std::nullopt;
    auto known = parts_->find_user(session->user, request.remote_is_loopback);
    if (known && known->mark == session->mark) return std::move(known->login);
    sessions_.end(name);
    return std::nullopt;
}

std::optional<Login> Doorkeeper::login_of_token(std::string_view token, const Request& request) {
    const StoredToken* found = tokens_->find(token, SystemClock().now());
    if (found == nullptr || !parts_->find_user) return std::nullopt;
    const auto owner = parts_->find_user(found->user, request.remote_is_loopback);
    if (!owner) return std::nullopt;
    return narrowed(owner->login, found->role);
}

boost::system::result<std::string, Response> Doorkeeper::begin_session(const Login& login,
                                                                       const Request& request) {
    const auto known = parts_->find_user ? parts_->find_user(login.user, request.remote_is_loopback)
                                         : std::nullopt;
    if (!known) return nobody_known(request);
    auto name = sessions_.begin(known->login.user, known->mark, SystemClock().now(),
                                request.remote_address);
    if (!name) return problem(503, "busy", "too many sessions are open");
    return std::move(*name);
}

void Doorkeeper::end_session(const Request& request) {
    sessions_.end(session_in(request.cookies, request.has_tls));
}

const Session* Doorkeeper::session_of(const Request& request) {
    if (credentials_of(request)) return nullptr;
    return sessions_.find(session_in(request.cookies, request.has_tls), SystemClock().now());
}

} // namespace baton::web
