// How many connections, channels and queues a virtual host or a user may have. What is there already
// when a limit comes stays.
#include "broker/core/protocol.hpp"

#include "amqp/errors.hpp"

#include <fmt/format.h>

namespace baton::broker::core {

namespace {

template <typename Counts>
std::uint64_t count_in(const Counts& counts, std::string_view name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

bool is_reached(std::optional<std::int64_t> limit, std::uint64_t count) {
    return limit && count >= static_cast<std::uint64_t>(*limit);
}

} // namespace

Outcome<void> Protocol::check_room_for(std::string_view what, Share share) const {
    const std::uint64_t taken = state_.definition_bytes() + open_bytes_;
    const std::uint64_t parts = asked_by_own_user_ ? 4 : static_cast<std::uint64_t>(share);
    const std::uint64_t most = options_.stored_bytes_high / 4 * parts;
    if (taken <= most) return boost::system::in_place_value;
    constexpr std::uint64_t mebibyte = 1 << 20;
    return Failure{Code::precondition_failed,
                   fmt::format("no memory for {}: what is declared and open takes {} MiB of at most "
                               "{}; delete queues, close connections, or give the server more "
                               "memory",
                               what, taken / mebibyte, most / mebibyte)};
}

void Protocol::count(Connection& connection) {
    connection.counted = true;
    ++connections_of_vhost_[connection.told.vhost];
    ++connections_of_user_[connection.told.user];
}

void Protocol::uncount(Connection& connection) {
    const auto take = [](CountByName& counts, const std::string& name, std::uint64_t number) {
        const auto found = counts.find(name);
        if (found != counts.end() && (found->second -= number) == 0) counts.erase(found);
    };
    if (!std::exchange(connection.counted, false)) return;
    take(connections_of_vhost_, connection.told.vhost, 1);
    take(connections_of_user_, connection.told.user, 1);
    std::uint64_t channels = 0;
    for (const auto& channel : connection.channels)
        if (channel != nullptr) ++channels;
    take(channels_of_user_, connection.told.user, channels);
}

Outcome<void> Protocol::check_connection_limits(const Connection& connection) const {
    const ConnectionOpened& told = connection.told;
    const auto of_vhost = connection.vhost->limits.connections_max;
    if (is_reached(of_vhost, count_in(connections_of_vhost_, told.vhost)))
        return Failure{Code::not_allowed,
                       fmt::format("access to vhost '{}' refused for user '{}': connection limit "
                                   "({}) is reached",
                                   told.vhost, told.user, *of_vhost)};
    const auto of_user = user_of(connection)->limits.connections_max;
    if (is_reached(of_user, count_in(connections_of_user_, told.user)))
        return Failure{Code::not_allowed,
                       fmt::format("connection refused for user '{}': user connection limit ({}) "
                                   "is reached",
                                   told.user, *of_user)};
    return boost::system::in_place_value;
}

bool Protocol::check_channel_limit(Connection& connection) {
    if (const auto checked = check_room_for("a channel", Share::open); !checked) {
        refuse_connection(connection, Code::resource_error, amqp::ChannelOpen::id,
                          checked.error().detail);
        return false;
    }
    const User* user = user_of(connection);
    if (user == nullptr) return true;
    const auto limit = user->limits.channels_max;
    if (!is_reached(limit, count_in(channels_of_user_, connection.told.user))) return true;
    refuse_connection(connection, Code::not_allowed, amqp::ChannelOpen::id,
                      fmt::format("number of channels opened for user '{}' has reached the "
                                  "maximum allowed user limit of ({})",
                                  connection.told.user, *limit));
    return false;
}

Outcome<void> Protocol::check_queue_limit(const Vhost& vhost, std::string_view queue) const {
    BATON_TRY(check_room_for("a queue", Share::declare));
    const auto limit = vhost.limits.queues_max;
    if (!is_reached(limit, vhost.queues.size())) return boost::system::in_place_value;
    return Failure{Code::precondition_failed,
                   fmt::format("cannot declare queue '{}': queue limit in vhost '{}' ({}) is "
                               "reached",
                               queue, vhost.name(), *limit)};
}

} // namespace baton::broker::core
