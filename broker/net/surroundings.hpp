// What all clients of an I/O thread share; outlives them.
#pragma once

#include "broker/mqtt/sessions.hpp"
#include "broker/net/connections.hpp"
#include "broker/net/handshake.hpp"
#include "net/awaitable.hpp"
#include "net/tls.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace baton::broker::net {

struct Surroundings {
    const NetOptions& options;
    std::uint64_t message_bytes_max;
    runtime::Inlet& inlet;
    Connections& connections;
    // Nothing when the coroutine was cancelled.
    std::function<baton::net::Awaitable<std::optional<LoginVerdict>>(Login login, bool is_loopback)>
        judge;
    std::optional<baton::net::TlsNameSource> login_from;
    // Null: nobody speaks MQTT here.
    mqtt::Sessions* mqtt_sessions = nullptr;
};

} // namespace baton::broker::net
