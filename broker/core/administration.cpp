// Users, permissions, virtual hosts, policies, limits and topology, asked for by the HTTP API and
// `baton ctl`.
#include "broker/core/protocol.hpp"

#include "amqp/errors.hpp"
#include "broker/core/names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

void Protocol::on(const AdministrationAsked& event) {
    if (stopping_) return answer(event, Code::connection_forced, "the broker is stopping");
    asked_by_own_user_ = false;
    std::visit([&](const auto& wish) { on(event, wish); }, event.wish);
}

void Protocol::answer(const AdministrationAsked& asked, Code code, std::string text) {
    turn_->answers.push_back({asked.request, code, std::move(text)});
    turn_->is_urgent = true;
}

void Protocol::answer(const AdministrationAsked& asked, const Failure& failure) {
    answer(asked, amqp::reply_code_for(failure.code), failure.detail);
}

void Protocol::answer(const AdministrationAsked& asked, const Outcome<void>& outcome) {
    if (outcome)
        answer(asked);
    else
        answer(asked, outcome.error());
}

Vhost* Protocol::vhost_or_answer(const AdministrationAsked& asked, std::string_view name) {
    Vhost* vhost = state_.vhost(name);
    if (vhost == nullptr) answer(asked, Code::not_found, fmt::format("no vhost '{}'", name));
    return vhost;
}

// --- Virtual hosts and users ---------------------------------------------------------------------

void Protocol::on(const AdministrationAsked& asked, const PutVhost& wish) {
    if (wish.vhost.name.empty())
        return answer(asked, Code::precondition_failed, "a virtual host needs a name");
    if (const auto checked = check_name("a virtual host", wish.vhost.name); !checked)
        return answer(asked, checked.error());
    if (const auto checked = check_text("the description of a virtual host", wish.vhost.description,
                                        description_bytes_max);
        !checked)
        return answer(asked, checked.error());
    if (const auto checked = check_tags("a virtual host", wish.vhost.tags); !checked)
        return answer(asked, checked.error());
    commit(wish.vhost);
    answer(asked);
}

std::size_t Protocol::close_connections(const std::optional<std::string>& user,
                                        const std::optional<std::string>& vhost,
                                        std::string_view text) {
    std::size_t count = 0;
    for (auto& [id, connection] : connections_) {
        if (connection->closing || (user && connection->told.user != *user) ||
            (vhost && connection->told.vhost != *vhost))
            continue;
        refuse_connection(*connection, Code::connection_forced, {}, std::string(text));
        ++count;
    }
    return count;
}

void Protocol::on(const AdministrationAsked& asked, const RemoveVhost& wish) {
    Vhost* vhost = state_.vhost(wish.name);
    if (vhost == nullptr)
        return answer(asked, Code::not_found, fmt::format("no vhost '{}'", wish.name));
    close_connections({}, wish.name, fmt::format("vhost '{}' is deleted", wish.name));
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
    if (const auto checked = check_name("a user", wish.user.name); !checked)
        return answer(asked, checked.error());
    for (const std::string* text : {&wish.user.password_hash, &wish.user.hash_algorithm})
        if (const auto checked = check_text("the hash of a password", *text, hash_bytes_max); !checked)
            return answer(asked, checked.error());
    if (const auto checked = check_tags("a user", wish.user.tags); !checked)
        return answer(asked, checked.error());
    commit(wish.user);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemoveUser& wish) {
    if (state_.user(wish.name) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", wish.name));
    commit(UserRemoved{wish.name});
    close_connections(wish.name, {}, fmt::format("user '{}' is deleted", wish.name));
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

// What is not there needs no record to go.
void Protocol::on(const AdministrationAsked& asked, const RemovePermission& wish) {
    if (state_.user(wish.permission.user) != nullptr && state_.vhost(wish.permission.vhost) != nullptr)
        commit(wish.permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutTopicPermission& wish) {
    const TopicPermissionPut& permission = wish.permission;
    if (state_.user(permission.user) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", permission.user));
    if (state_.vhost(permission.vhost) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no vhost '{}'", permission.vhost));
    if (const auto checked = check_name("an exchange", permission.exchange); !checked)
        return answer(asked, checked.error());
    for (const std::string* pattern : {&permission.write, &permission.read})
        if (const auto checked = access_.check_pattern(*pattern); !checked)
            return answer(asked, Code::precondition_failed, checked.error().detail);
    commit(permission);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemoveTopicPermission& wish) {
    const TopicPermissionRemoved& gone = wish.permission;
    if (state_.user(gone.user) != nullptr && state_.vhost(gone.vhost) != nullptr &&
        check_name("an exchange", gone.exchange))
        commit(gone);
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

void Protocol::on(const AdministrationAsked& asked, const CloseClients& wish) {
    const std::size_t count = close_connections(
        wish.user, wish.vhost, wish.reason.empty() ? "Closed via management plugin" : wish.reason);
    answer(asked, Code::success, fmt::format("{}", count));
}

// --- Policies, limits, parameters ----------------------------------------------------------------

// What policies changed is done at once, not when the next message comes.
void Protocol::obey_policies() {
    for (Queue* queue : state_.take_resettled()) {
        // The time until it expires begins anew, as if it had just been declared.
        used(*queue);
        mark_due(*queue);
        if (queue->held != 0) letter_deadlines_.set(queue->id(), now_);
    }
}

void Protocol::on(const AdministrationAsked& asked, const PutPolicy& wish) {
    if (vhost_or_answer(asked, wish.policy.vhost) == nullptr) return;
    if (const auto checked = check_policy(wish.policy); !checked)
        return answer(asked, checked.error());
    PolicyPut put = wish.policy;
    if (put.apply_to.empty()) put.apply_to = "all";
    commit(std::move(put));
    obey_policies();
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const RemovePolicy& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.policy.vhost);
    if (vhost == nullptr) return;
    if (!vhost->policies.contains(wish.policy.name, wish.policy.is_operator))
        return answer(asked, Code::not_found,
                      fmt::format("no {} '{}' in vhost '{}'",
                                  wish.policy.is_operator ? "operator policy" : "policy",
                                  wish.policy.name, wish.policy.vhost));
    commit(wish.policy);
    obey_policies();
    answer(asked);
}

namespace {

std::optional<std::int64_t> limit_from(std::optional<std::int64_t> wished) {
    return wished.value_or(-1) < 0 ? std::nullopt : wished;
}

} // namespace

void Protocol::on(const AdministrationAsked& asked, const PutVhostLimits& wish) {
    if (vhost_or_answer(asked, wish.limits.vhost) == nullptr) return;
    commit(VhostLimitsPut{wish.limits.vhost, limit_from(wish.limits.connections_max),
                          limit_from(wish.limits.queues_max)});
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutUserLimits& wish) {
    if (state_.user(wish.limits.user) == nullptr)
        return answer(asked, Code::not_found, fmt::format("no user '{}'", wish.limits.user));
    commit(UserLimitsPut{wish.limits.user, limit_from(wish.limits.connections_max),
                         limit_from(wish.limits.channels_max)});
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const PutParameter& wish) {
    const ParameterPut& parameter = wish.parameter;
    if (!parameter.vhost.empty() && vhost_or_answer(asked, parameter.vhost) == nullptr) return;
    if (parameter.name.empty())
        return answer(asked, Code::precondition_failed, "a parameter needs a name");
    for (const std::string* name : {&parameter.name, &parameter.component})
        if (const auto checked = check_name("a parameter", *name); !checked)
            return answer(asked, checked.error());
    if (const auto checked = check_text("the value of a parameter", parameter.value, parameter_bytes_max);
        !checked)
        return answer(asked, checked.error());
    commit(parameter);
    answer(asked);
}

// --- Topology ------------------------------------------------------------------------------------

void Protocol::on(const AdministrationAsked& asked, const DeclareExchange& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.exchange.vhost);
    if (vhost == nullptr) return;
    if (const auto checked = check_exchange(*vhost, wish.exchange, wish.durable); !checked)
        return answer(asked, checked.error());
    if (vhost->exchange(wish.exchange.name) == nullptr)
        create_exchange(*vhost, wish.exchange, wish.durable);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const DeleteExchange& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.vhost);
    if (vhost == nullptr) return;
    if (vhost->exchange(wish.exchange) == nullptr)
        return answer(asked, Code::not_found,
                      fmt::format("no exchange '{}' in vhost '{}'", wish.exchange, wish.vhost));
    answer(asked, delete_exchange(*vhost, wish.exchange, wish.if_unused));
}

void Protocol::on(const AdministrationAsked& asked, const DeclareQueue& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.vhost);
    if (vhost == nullptr) return;
    if (wish.name.empty())
        return answer(asked, Code::precondition_failed, "a queue needs a name");
    QueueDeclared declared{{}, wish.vhost, wish.name, wish.auto_delete, wish.arguments};
    const QueueLife life{wish.durable, {}};
    Queue* queue = vhost->queue(wish.name);
    const auto checked = queue != nullptr ? check_same_queue(*queue, declared, life, {})
                                          : check_new_queue(*vhost, declared, life, false);
    if (!checked) return answer(asked, checked.error());
    ++since_start_.queues_declared;
    if (queue == nullptr) queue = &create_queue(std::move(declared), life);
    used(*queue);
    answer(asked);
}

void Protocol::on(const AdministrationAsked& asked, const DeleteQueue& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.vhost);
    if (vhost == nullptr) return;
    if (vhost->queue(wish.queue) == nullptr)
        return answer(asked, Code::not_found,
                      fmt::format("no queue '{}' in vhost '{}'", wish.queue, wish.vhost));
    const auto deleted = delete_queue(*vhost, wish.queue, wish.if_unused, wish.if_empty, {});
    if (!deleted) return answer(asked, deleted.error());
    tell_cancelled(deleted->consumers);
    answer(asked, Code::success, fmt::format("{}", deleted->messages));
}

void Protocol::on(const AdministrationAsked& asked, const PurgeQueue& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.vhost);
    if (vhost == nullptr) return;
    Queue* queue = vhost->queue(wish.queue);
    if (queue == nullptr)
        return answer(asked, Code::not_found,
                      fmt::format("no queue '{}' in vhost '{}'", wish.queue, wish.vhost));
    if (const auto checked = check_lock(*queue, {}); !checked)
        return answer(asked, checked.error());
    if (queue->stream)
        return answer(asked, Code::precondition_failed, not_for_streams("queue.purge", *queue));
    catch_up(*queue);
    const std::uint64_t count = purge(*queue);
    if (count != 0) note_emptied(*queue);
    answer(asked, Code::success, fmt::format("{}", count));
}

void Protocol::on(const AdministrationAsked& asked, const Bind& wish) {
    const Vhost* vhost = vhost_or_answer(asked, wish.binding.vhost);
    if (vhost == nullptr) return;
    const auto ends = ends_of(*vhost, wish.binding, {});
    if (!ends) return answer(asked, ends.error());
    if (ends->is_bound) return answer(asked);
    answer(asked, make_binding(*ends, wish.binding));
}

void Protocol::on(const AdministrationAsked& asked, const Unbind& wish) {
    if (Vhost* vhost = vhost_or_answer(asked, wish.binding.vhost))
        answer(asked, end_binding(*vhost, wish.binding, {}));
}

} // namespace baton::broker::core
