// What an operator may decide about MQTT, with its defaults and their reasons.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::broker::mqtt {

struct Options {
    // Of whoever does not name one ("vhost:user" as the user name does).
    std::string vhost = "/";
    // A topic exchange; it must be there in each virtual host.
    std::string exchange = "amq.topic";
    // Topics whose messages are events, which start and wake runs, and events that are messages to
    // devices: filters of MQTT. They are bindings between `exchange` and `event_exchange`.
    std::vector<std::string> events;
    std::vector<std::string> commands;
    std::string event_exchange = "baton.event";
    // Who comes without a user name; empty: nobody may.
    std::string anonymous_user;

    // A week: longer than a holiday, and what nobody fetches does not lie about for ever. Also
    // what 3.1.1's clean session 0 and "never" mean.
    std::uint32_t session_expiry_seconds_max = 7 * 24 * 3600;
    // What a client of v5 is told that wants a longer one, or none.
    std::uint16_t keep_alive_seconds_max = 600;
    // Messages with QoS 1 and 2 on their way to a client, and from one.
    std::uint16_t inflight_max = 100;
    std::uint16_t receive_maximum = 64;
    std::uint16_t topic_alias_maximum = 16;
    // Whole packets; before the log-in and behind it.
    std::uint32_t connect_bytes_max = 64U << 10;
    std::uint32_t packet_bytes_max = 16U << 20;
    // Of the queue of a session, from which the oldest go; a policy may say less.
    std::int64_t queue_messages_max = 10'000;
    std::int64_t queue_bytes_max = 64LL << 20;
    // The same of the queue for QoS 0, which waits for a slow reader only.
    std::int64_t qos_0_messages_max = 1'000;
    std::int64_t qos_0_bytes_max = 1LL << 20;
    // Of one session: its row is written with each change, and each delivery is compared with them.
    std::size_t subscriptions_max = 1'000;
    // Of QoS 2 before version 5, which knows no receive maximum: the ids are written with each
    // change.
    std::size_t unreleased_max = 1'000;
    // Sessions of all virtual hosts that outlive their connections.
    std::size_t sessions_max = 100'000;
    // Retained messages of a virtual host.
    std::size_t retained_max = 100'000;
    std::uint64_t retained_bytes_max = 256ULL << 20;
};

} // namespace baton::broker::mqtt
