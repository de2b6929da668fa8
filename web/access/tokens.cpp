#include "web/access/tokens.hpp"

#include "base/random.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace baton::web {

namespace {

constexpr std::string_view token_prefix = "bt_";
constexpr std::string_view token_tag = "baton-token";
constexpr std::size_t random_length = 43; // 256 bits
constexpr std::size_t check_length = 6;
constexpr std::size_t id_length = 12;
// The last use is kept when this much has passed since it was; more often would be a write for each
// request.
constexpr std::chrono::hours use_noted_every{1};

struct Role {
    std::string_view word;
    Level level;
    std::string_view tag;
};
constexpr std::array<Role, 4> roles{{{"viewer", Level::viewer, "baton-viewer"},
                                     {"operator", Level::operating, "baton-operator"},
                                     {"deployer", Level::deploying, "baton-deployer"},
                                     {"admin", Level::admin, "baton-admin"}}};

const Role* role_of(std::string_view word) {
    const auto found = std::ranges::find(roles, word, &Role::word);
    return found == roles.end() ? nullptr : &*found;
}

std::string hash_of(std::string_view text) {
    return orchestrator::core::to_hex(orchestrator::core::sha256(text));
}

Failure bad_token(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

} // namespace

std::optional<Level> level_of_role(std::string_view role) {
    const Role* found = role_of(role);
    if (found == nullptr) return std::nullopt;
    return found->level;
}

bool is_token(std::string_view text) {
    if (!text.starts_with(token_prefix) ||
        text.size() != token_prefix.size() + random_length + check_length)
        return false;
    const auto body = text.substr(0, text.size() - check_length);
    return hash_of(body).substr(0, check_length) == text.substr(body.size());
}

Tokens::Tokens(std::vector<StoredToken> kept, Keep keep) : keep_(std::move(keep)) {
    for (StoredToken& one : kept) {
        std::string hash = one.hash;
        all_.emplace(std::move(hash), std::move(one));
    }
}

Outcome<Tokens::Made> Tokens::make(std::string name, std::string user, std::string role,
                                   Time expires_at, Time now) {
    if (role_of(role) == nullptr)
        return bad_token("'role' must be viewer, operator, deployer or admin");
    if (expires_at <= now) return bad_token("'expires_at' is over already");
    if (expires_at > now + length_max) return bad_token("a token may last 90 days at most");
    std::erase_if(all_, [now](const auto& one) { return one.second.expires_at <= now; });
    if (list(user, now).size() >= of_one_user_max)
        return bad_token(
            fmt::format("{} has {} tokens already, as many as may be", user, of_one_user_max));
    Made made;
    made.token = std::string(token_prefix) + random_name(random_length);
    made.token += hash_of(made.token).substr(0, check_length);
    made.stored = {random_name(id_length),
                   hash_of(made.token),
                   std::move(name),
                   std::move(user),
                   std::move(role),
                   now,
                   expires_at,
                   {}};
    all_.emplace(made.stored.hash, made.stored);
    if (const auto kept = keep(); !kept) {
        all_.erase(made.stored.hash);
        return kept.error();
    }
    return made;
}

const StoredToken* Tokens::find(std::string_view token, Time now) {
    if (!is_token(token)) return nullptr;
    const auto found = all_.find(hash_of(token));
    if (found == all_.end() || found->second.expires_at <= now) return nullptr;
    StoredToken& one = found->second;
    const bool is_due = !one.used_at || now - *one.used_at >= use_noted_every;
    if (is_due) {
        one.used_at = now;
        (void)keep(); // what cannot be noted is no reason to refuse
    }
    return &one;
}

std::vector<StoredToken> Tokens::list(const std::string& user, Time now) const {
    std::vector<StoredToken> found;
    for (const auto& [hash, one] : all_)
        if ((user.empty() || one.user == user) && one.expires_at > now) found.push_back(one);
    std::ranges::sort(found, std::ranges::greater{},
                      [](const StoredToken& one) { return std::pair(one.created_at, one.id); });
    return found;
}

const StoredToken* Tokens::by_id(std::string_view id) const {
    for (const auto& [hash, one] : all_)
        if (one.id == id) return &one;
    return nullptr;
}

Outcome<void> Tokens::end(std::string_view id) {
    const auto found =
        std::ranges::find_if(all_, [&](const auto& one) { return one.second.id == id; });
    if (found == all_.end()) return boost::system::in_place_value;
    StoredToken kept_back = found->second;
    all_.erase(found);
    auto kept = keep();
    // One that is still in the file would be back after a restart: then it is not ended now either.
    if (!kept) {
        std::string hash = kept_back.hash;
        all_.emplace(std::move(hash), std::move(kept_back));
    }
    return kept;
}

Outcome<void> Tokens::keep() const {
    if (!keep_) return boost::system::in_place_value;
    std::vector<StoredToken> all;
    for (const auto& [hash, one] : all_)
        all.push_back(one);
    return keep_(all);
}

bool is_by_token(const Login& login) {
    return login.has_tag(token_tag);
}

std::optional<Login> narrowed(const Login& owner, std::string_view role) {
    const Role* found = role_of(role);
    if (found == nullptr || !reaches(owner, found->level)) return std::nullopt;
    return Login{owner.user, {std::string(found->tag), std::string(token_tag)}};
}

} // namespace baton::web
