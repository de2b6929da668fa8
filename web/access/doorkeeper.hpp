// Who asks, and whether they may: by password, by token, by session, or, for what is open, by
// nobody's leave. Settled when a request's head is there and before its body is read, so that
// strangers cost the server no memory. On the web's thread.
#pragma once

#include "web/access/sessions.hpp"
#include "web/access/tokens.hpp"
#include "web/api.hpp"
#include "web/http/routes.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace baton::web {

struct Credentials {
    std::string user;
    std::string password;
};
// Of HTTP's basic scheme.
std::optional<Credentials> credentials_of(const Request& request);

class Doorkeeper {
public:
    explicit Doorkeeper(std::shared_ptr<const ApiParts> parts)
        : parts_(parts), tokens_(std::make_shared<Tokens>(parts->tokens, parts->keep_tokens)) {}

    const std::shared_ptr<Tokens>& tokens() const { return tokens_; }

    // Fills in the login of a request, or says why it goes no further.
    std::optional<Response> refusal_of(Request& request, const Routes::Match& match);
    // Whether this login may use a route of the level; nothing: it may.
    static std::optional<Response> refuses(const Login& login, Level level);

    // Whose things a list is to hold: the asker's own, or with ?all=true those of everybody
    // (empty), which administrators may ask for alone.
    static boost::system::result<std::string, Response> whose(const Request& request);

    // The login of a password that was shown, or why there is none: wrong, or guessing is slowed
    // down.
    boost::system::result<Login, Response> log_in(const Credentials& credentials,
                                                  const Request& request) const;
    // A session of a user who showed a password: its name, or why there is none.
    boost::system::result<std::string, Response> begin_session(const Login& login,
                                                               const Request& request);
    void end_session(const Request& request);
    // The session that a request came with; nullptr: it came without. Valid until the next call.
    const Session* session_of(const Request& request);
    Sessions& sessions() { return sessions_; }

private:
    std::optional<Response> refusal_of_open(const Request& request,
                                            const Routes::Match& match) const;
    std::optional<Login> login_of_session(const Request& request);
    std::optional<Login> login_of_token(std::string_view token, const Request& request);
    std::optional<Response> pause_of(const std::string& user, const Request& request) const;

    std::shared_ptr<const ApiParts> parts_;
    Sessions sessions_;
    std::shared_ptr<Tokens> tokens_;
};

} // namespace baton::web
