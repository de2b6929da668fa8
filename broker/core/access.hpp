// Who may configure, write and read what: RabbitMQ's permissions, patterns on the names of exchanges
// and queues, and topic permissions, patterns on routing keys. Compiled patterns are kept.
#pragma once

#include "base/result.hpp"
#include "broker/core/state.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace baton::broker::core {

enum class Right : std::uint8_t { configure, write, read };

class Access {
public:
    Access();
    ~Access();

    // Can this pattern be used at all? The failure says why not.
    Outcome<void> check_pattern(const std::string& pattern) const;

    // `user` may be null: nobody, who may do nothing. The default exchange is called amq.default.
    bool may(const User* user, std::string_view vhost, Right right, std::string_view name);
    // Of a topic exchange; without a topic permission for it everything is allowed.
    bool may_use_key(const User* user, std::string_view vhost, Right right,
                     std::string_view exchange, std::string_view routing_key);

private:
    bool matches(const std::string& pattern, std::string_view name);

    struct Patterns;
    std::unique_ptr<Patterns> patterns_;
};

} // namespace baton::broker::core
