// A token as it is kept: everything but itself.
#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string>

namespace baton::web {

struct StoredToken {
    std::string id;   // for people and routes; says nothing of the token
    std::string hash; // SHA-256 of the token, hexadecimal
    std::string name; // what it is for
    std::string user; // whose it is
    std::string
        role; // "viewer", "operator", "deployer", "admin"; never more than the user may at the time
    Time created_at{};
    Time expires_at{};
    std::optional<Time> used_at{}; // lately; kept now and then
};

} // namespace baton::web
