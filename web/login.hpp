// Who asks, and what RabbitMQ's tags let them do. The tags: `administrator` everything;
// `monitoring` sees all virtual hosts; `policymaker` changes policies and parameters of its own
// virtual hosts; `management` works in its own virtual hosts. Without any of them there is no
// administration for a user, only messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

struct Login {
    std::string user;
    std::vector<std::string> tags;

    bool has_tag(std::string_view tag) const;
    bool is_administrator() const { return has_tag("administrator"); }
    bool sees_everything() const { return is_administrator() || has_tag("monitoring"); }
};

// What a route asks of its user.
enum class Level { management, policymaker, monitoring, administrator };

bool reaches(const Login& login, Level level);
// Why not, for people, in RabbitMQ's words: "Not administrator user: …".
std::string refusal(Level level);

} // namespace baton::web
