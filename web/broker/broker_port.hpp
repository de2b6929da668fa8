// The embedded broker as the API sees it: what it can be asked, without knowing who answers. The
// functions are called on the web's thread; replies come on any thread, once, or never when the
// broker has stopped.
#pragma once

#include "base/metrics.hpp"
#include "broker/core/event.hpp"
#include "broker/core/overview.hpp"
#include "web/http/http_server.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

class RateKeeper;

struct Listener {
    std::string protocol; // "amqp", "amqp/ssl", "http"
    std::string host;
    std::uint16_t port = 0;
};

// Of the process and its machine, read when it is asked for.
struct NodeFigures {
    std::uint64_t descriptors = 0;
    std::uint64_t descriptors_max = 0;
    std::uint64_t memory = 0;      // resident
    std::uint64_t memory_high = 0; // of messages; above it publishers wait
    std::uint64_t disk_free = 0;   // where the data folder is
    std::uint64_t disk_free_limit = 0;
    std::uint64_t uptime_seconds = 0;
    unsigned processors = 0;
};

// Of one protocol.
struct LoginAttempts {
    std::string protocol; // "amqp091", "http"
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
};

// A session of MQTT.
struct MqttSession {
    std::string vhost;
    std::string client_id;
    std::string user;
    std::optional<broker::core::ConnectionId> connection;
    std::uint32_t expiry_seconds = 0;
    std::optional<Time> ends_at;
    std::size_t subscriptions = 0;
    bool has_will = false;
};
struct MqttState {
    std::vector<MqttSession> sessions;
    std::uint64_t retained = 0;
    std::uint64_t retained_bytes = 0;
    std::uint64_t takeovers = 0;
};

struct BrokerPort {
    std::function<void(broker::core::OverviewWish, std::function<void(broker::core::Overview)>)> overview;
    std::function<void(broker::core::AdministrationRequest, std::function<void(broker::core::Answer)>)> administer;
    // With fresh salt, by SHA-256, as `sha256_algorithm` names it.
    std::function<std::string(std::string_view password)> hash_password;
    std::function<bool(std::string_view name)> is_hash_algorithm;
    // Bytes of salt and digest together, of a known algorithm.
    std::function<std::size_t(std::string_view algorithm)> hash_size;
    std::function<bool(std::string_view password, std::string_view hash, std::string_view algorithm)> password_matches;
    std::string sha256_algorithm;
    // The user Baton itself logs in as; not shown, not exported, not to be changed.
    std::string own_user;
    std::string node;
    std::string product;
    std::string version;
    std::string baton_version;
    std::string data_folder;
    int process_id = 0;
    Time started_at{};
    std::vector<Listener> listeners;
    std::function<NodeFigures()> figures;
    // When the certificate of the TLS listeners ends; nothing: there are none.
    std::function<std::optional<Time>()> certificate_ends;
    // Behind the rates of the lists; nothing: there are none.
    std::shared_ptr<RateKeeper> rates{};
    // Log-ins since the start.
    std::function<std::vector<LoginAttempts>()> login_attempts{};
    // Hands out the lists of what the broker counts of itself; may be empty.
    std::function<void(const std::function<void(const MetricList&)>&)> metrics{};
    // Nothing in the reply: nobody speaks MQTT. May be empty.
    std::function<void(std::function<void(std::optional<MqttState>)>)> mqtt{};
    // False in the reply: there is no such session.
    std::function<void(std::string vhost, std::string client_id, std::function<void(bool)>)> end_mqtt_session{};
    // Where the broker itself takes plain AMQP of this machine.
    std::string local_host;
    // Lets a user of a session in there, once and soon; the password itself is not kept.
    std::function<std::string(const std::string& user)> pass_for{};
    std::uint16_t local_port = 0;

    // False: this server uses a broker elsewhere, and there is nothing to administer.
    bool exists() const { return static_cast<bool>(administer); }
};

// --- For the route functions ------------------------------------------------------------------------

// A wish for nothing but the totals and the names of virtual hosts; set what else is wanted.
broker::core::OverviewWish no_lists();

// Nothing: no answer within the API's limit.
boost::asio::awaitable<std::optional<broker::core::Overview>> look(const BrokerPort& port,
                                                                   broker::core::OverviewWish wish);
boost::asio::awaitable<std::optional<broker::core::Answer>> change(const BrokerPort& port,
                                                                   broker::core::AdministrationRequest wish);
boost::asio::awaitable<std::optional<MqttState>> look_at_mqtt(const BrokerPort& port);
boost::asio::awaitable<std::optional<bool>> end_mqtt_session(const BrokerPort& port, std::string vhost, std::string client_id);
// 503 for an answer that did not come.
Response broker_is_silent();
// `good` for success, else what RabbitMQ's API says for that reply code.
Response answered(const std::optional<broker::core::Answer>& answer, unsigned good);

} // namespace baton::web
