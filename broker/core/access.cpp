// Permission patterns.
#include "broker/core/access.hpp"

#include "amqp/errors.hpp"
#include "broker/core/names.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <memory>
#include <unordered_map>

namespace baton::broker::core {

namespace {

// Some hundred users with patterns of their own; a compiled pattern costs about 3 KiB.
constexpr std::size_t compiled_max = 512;

// `{username}` and `{vhost}` in a topic permission stand for who asks and where.
std::string filled_in(std::string pattern, const User& user, std::string_view vhost) {
    const auto fill = [&](std::string_view variable, std::string_view value) {
        const std::string quoted = re2::RE2::QuoteMeta(re2::StringPiece(value.data(), value.size()));
        for (std::size_t at = 0; (at = pattern.find(variable, at)) != std::string::npos;
             at += quoted.size())
            pattern.replace(at, variable.size(), quoted);
    };
    fill("{username}", user.put.name);
    fill("{vhost}", vhost);
    return pattern;
}

} // namespace

struct Access::Patterns {
    std::unordered_map<std::string, std::unique_ptr<re2::RE2>> compiled;
};

Access::Access() : patterns_(std::make_unique<Patterns>()) {}
Access::~Access() = default;

Outcome<void> Access::check_pattern(const std::string& pattern) const {
    BATON_TRY(check_text("a regular expression", pattern, pattern_bytes_max));
    const re2::RE2 compiled(pattern, re2::RE2::Quiet);
    if (compiled.ok()) return boost::system::in_place_value;
    return Failure{amqp::ReplyCode::precondition_failed,
                   fmt::format("'{}' is not a regular expression: {}", pattern,
                               compiled.error())};
}

// A pattern matches anywhere in the name; the empty one matches only the empty name.
bool Access::matches(const std::string& pattern, std::string_view name) {
    if (pattern == ".*" || pattern == "^.*$") return true;
    if (pattern.empty() || pattern == "^$") return name.empty();
    auto found = patterns_->compiled.find(pattern);
    if (found == patterns_->compiled.end()) {
        // Patterns come and go with users; one that is still used is compiled again.
        if (patterns_->compiled.size() >= compiled_max) patterns_->compiled.clear();
        auto compiled = std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
        found = patterns_->compiled.emplace(pattern, std::move(compiled)).first;
    }
    // A pattern that came broken from elsewhere matches nothing.
    return found->second->ok() &&
           re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *found->second);
}

bool Access::may(const User* user, std::string_view vhost, Right right, std::string_view name) {
    if (user == nullptr) return false;
    const auto found = user->permissions.find(vhost);
    if (found == user->permissions.end()) return false;
    const PermissionPut& permission = found->second;
    const std::string_view shown = name.empty() ? "amq.default" : name;
    switch (right) {
    case Right::configure: return matches(permission.configure, shown);
    case Right::write: return matches(permission.write, shown);
    case Right::read: return matches(permission.read, shown);
    }
    return false;
}

bool Access::may_use_key(const User* user, std::string_view vhost, Right right,
                         std::string_view exchange, std::string_view routing_key) {
    if (user == nullptr) return false;
    for (const TopicPermissionPut& permission : user->topic_permissions) {
        if (permission.vhost != vhost || permission.exchange != exchange) continue;
        const std::string& pattern = right == Right::write ? permission.write : permission.read;
        if (pattern.find('{') == std::string::npos) return matches(pattern, routing_key);
        return matches(filled_in(pattern, *user, vhost), routing_key);
    }
    return true;
}

} // namespace baton::broker::core
