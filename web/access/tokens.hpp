// Tokens for programs: "bt_" and 43 characters of the system's randomness and 6 of a checksum,
// shown once and kept as a hash. A token stands for its user, and for no more than its role. Pure
// but for the randomness; on the web's thread.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "web/access/login.hpp"
#include "web/access/stored_token.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

// The level that a role reaches; nothing: there is no such role.
std::optional<Level> level_of_role(std::string_view role);

// Whether it looks like a token, its checksum included: what does not is refused without a look
// into the list.
bool is_token(std::string_view text);

class Tokens {
public:
    using Keep = std::function<Outcome<void>(const std::vector<StoredToken>&)>;
    static constexpr std::chrono::days length_max{90};
    static constexpr std::size_t of_one_user_max = 100;

    Tokens(std::vector<StoredToken> kept, Keep keep);

    struct Made {
        StoredToken stored;
        std::string token; // never again
    };
    // The failure says why there is none; the user may as much as the role says.
    Outcome<Made> make(std::string name, std::string user, std::string role, Time expires_at,
                       Time now);
    // Of a token that is valid now; valid until the next call. `now` is noted as its last use.
    const StoredToken* find(std::string_view token, Time now);
    // Of a user, or of all; those that have expired are not there any more.
    std::vector<StoredToken> list(const std::string& user, Time now) const;
    const StoredToken* by_id(std::string_view id) const;
    Outcome<void> end(std::string_view id);

private:
    Outcome<void> keep() const;

    std::map<std::string, StoredToken, std::less<>> all_; // by hash
    Keep keep_;
};

// Whether the login is that of a token. No user has the tag that says so: tag_trouble() refuses it.
bool is_by_token(const Login& login);

// The owner as far as the role goes; nothing: the owner has not that much himself any more.
std::optional<Login> narrowed(const Login& owner, std::string_view role);

} // namespace baton::web
