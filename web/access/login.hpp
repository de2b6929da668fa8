// Who asks, and what their tags let them do. For the broker RabbitMQ's: `administrator` everything;
// `monitoring` sees all virtual hosts; `policymaker` changes policies and parameters of its own
// virtual hosts; `management` works in its own virtual hosts. For workflows and runs Baton's own:
// `baton-viewer` looks, `baton-operator` also starts and changes runs, `baton-deployer` also deploys,
// `baton-admin` may all of it; `administrator` implies `baton-admin`, `monitoring` implies
// `baton-viewer`. Without any tag a user has messages and nothing else.
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

// What a route asks of its user: the first four are routes of the broker, the others Baton's own,
// `anybody` with any of these tags, `open` without a log-in.
enum class Level { management, policymaker, monitoring, administrator, viewer, operating, deploying, admin, anybody, open };

bool reaches(const Login& login, Level level);
// Baton's own, which says 403 where RabbitMQ says 401, and refuses parameters it does not know.
bool is_own(Level level);
// Why not, for people; for the broker in RabbitMQ's words: "Not administrator user: …".
std::string refusal(Level level);
// RabbitMQ says 401 to who may not, Baton 403.
unsigned refusal_status(Level level);

// Why a user cannot have this tag; empty: it can. Tags are free, as in RabbitMQ, but one that looks like
// Baton's and is none would give nothing, and nobody would notice.
std::string tag_trouble(std::string_view tag);

} // namespace baton::web
