// Users, permissions and virtual hosts, asked for by the HTTP API and `baton ctl`.
#include "broker/core/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

void Protocol::on(const AdministrationAsked& event) {
    std::visit([&](const auto& wish) { on(event, wish); }, event.wish);
}

void Protocol::answer(const AdministrationAsked& asked, Code code, std::string text) {
    turn_->answers.push_back({asked.request, code, std::move(text)});
}

void Protocol::on(const AdministrationAsked& asked, const PutVhost& wish) {
    if (wish.vhost.name.empty())
        return answer(asked, Code::precondition_failed, "a virtual host needs a name");
    commit(wish.vhost);
    answer(asked);
}

void Protocol::close_connections_of(std::string_view vhost, std::string_view text) {
    for (auto& [id, connection] : connections_)
        if (!connection->closing && connection->told.vhost == vhost)
            refuse_connection(*connection, Code::connection_forced, {}, std::string(text));
}

void Protocol::on(const AdministrationAsked& asked, const RemoveVhost& wish) {
    Vhost* vhost = state_.vhost(wish.name);
    if (vhost == nullptr)
        return answer(asked, Code::not_found, fmt::format("no vhost '{}'", wish.name));
    close_connections_of(wish.name, fmt::format("vhost '{}' is deleted", wish.name));
    std::vector<std::string> names;
    for (const auto& [name, queue] : vhost->queues) names.push_back(name);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names)
        if (Queue* queue = vhost->queue(name)) delete_queue(*queue);
    for (Burial& burial : burials_)
        if (burial.vhost == vhost) forget(burial.queue, false, burial.entry);
    std::erase_if(burials_, [&](const Burial& burial) { return burial.vhost == vhost; });
    for (auto& [id, connection] : connections_)
        if (connection->vhost == vhost) connection->vhost = nullptr;
    commit(VhostRemoved{wish.name});
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutUser& wish) {
    if (wish.user.name.empty())
        return answer(asked, Code::precondition_failed, "a user needs a name");
    commit(wish.user);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemoveUser& wish) {
    if (state_.user(wish.name) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", wish.name));
    commit(UserRemoved{wish.name});
    for (auto& [id, connection] : connections_)
        if (!connection->closing && connection->told.user == wish.name)
            refuse_connection(*connection, Code::connection_forced, {},
                              fmt::format("user '{}' is deleted", wish.name));
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutPermission& wish) {
    const PermissionPut& permission = wish.permission;
    if (state_.user(permission.user) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", permission.user));
    if (state_.vhost(permission.vhost) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no vhost '{}'", permission.vhost));
    for (const std::string* pattern :
         {&permission.configure, &permission.write, &permission.read})
        if (const auto checked = access_.check_pattern(*pattern); !checked)
            return answer(asked, Code::precondition_failed, checked.error().detail);
    commit(permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemovePermission& wish) {
    commit(wish.permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutTopicPermission& wish) {
    const TopicPermissionPut& permission = wish.permission;
    if (state_.user(permission.user) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", permission.user));
    if (state_.vhost(permission.vhost) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no vhost '{}'", permission.vhost));
    for (const std::string* pattern : {&permission.write, &permission.read})
        if (const auto checked = access_.check_pattern(*pattern); !checked)
            return answer(asked, Code::precondition_failed, checked.error().detail);
    commit(permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemoveTopicPermission& wish) {
    commit(wish.permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const CloseClient& wish) {
    Connection* connection = find(wish.connection);
    if (connection == nullptr || connection->closing)
        return answer(asked, Code::not_found, "no such connection");
    refuse_connection(*connection, Code::connection_forced, {},
                      wish.reason.empty() ? "Closed via management plugin" : wish.reason);
    answer(asked);
}

} // namespace baton::broker::core
