// The broker, put together: recovers, listens, stops in order. One per data folder.
//
//   auto broker = BrokerService::start(options);   // Outcome: the failure says what to do
//   … (*broker)->endpoints() …
//   (*broker)->stop();                             // or let it go out of scope
//
// All functions may be called from any thread but the broker's own; replies come on that one.
#pragma once

#include "base/metrics.hpp"
#include "broker/core/event.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/traffic.hpp"
#include "broker/mqtt/sessions.hpp"
#include "broker/options.hpp"
#include "net/pipe.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace baton::broker {

struct BoundAddress {
    std::string host;
    std::uint16_t port = 0;
    bool has_tls = false;
    bool is_web_socket = false;
    bool is_mqtt = false;
};

// Log-ins of AMQP clients since the start.
struct LoginCounts {
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
};

// What the outside may know about a user who gave the right password.
struct Identity {
    std::string user;
    std::vector<std::string> tags;
    bool has_tag(std::string_view tag) const;
};

// The same of one who gave it earlier; the hash changes when the password does.
struct KnownIdentity {
    Identity identity;
    std::string password_hash;
};

// A file below <data>/journal, and how much of it is the journal's.
struct JournalFile {
    std::string name;
    std::uint64_t bytes = 0;
};

// Of MQTT, now.
struct MqttView {
    std::vector<mqtt::Sessions::View> sessions;
    std::uint64_t retained = 0;
    std::uint64_t retained_bytes = 0;
    std::uint64_t takeovers = 0;
};

class BrokerService {
public:
    // Returns when clients can connect.
    static Outcome<std::unique_ptr<BrokerService>> start(Options options);
    // The same in two steps, for who has to bring in definitions before the first client comes.
    static Outcome<std::unique_ptr<BrokerService>> open(Options options);
    Outcome<void> listen();
    ~BrokerService();
    BrokerService(const BrokerService&) = delete;
    BrokerService& operator=(const BrokerService&) = delete;

    // Stop accepting, tell clients, wait for them within the limit, sync the journal, join. May be
    // called twice.
    void stop();

    // Where it listens, in the order of Options::listen, tls_listen, web_socket_listen, web_socket_tls_listen,
    // and the four of MQTT likewise.
    const std::vector<BoundAddress>& endpoints() const;
    std::uint16_t port() const { return endpoints().front().port; }

    // A way in without a socket, for who lives in this process: connections on one of the broker's I/O
    // threads, whose executor is given. `open` is to be called there; it gives null once the broker stops.
    // The executor has to be left before stop() can return.
    struct InsideDoor {
        baton::net::asio::any_io_executor executor;
        std::function<std::unique_ptr<baton::net::PipeEnd>()> open;
    };
    InsideDoor inside_door();

    // Nothing for a wrong user, a wrong password, or a user who may not come from there; the same
    // answer for all three, and for who guessed too often from this address of late. Blocks for the time of one turn.
    std::optional<Identity> authenticate(const std::string& user, const std::string& password,
                                         bool remote_is_loopback, const std::string& address) const;

    // Another number: what authenticate() would say may have changed. Any thread, without waiting.
    std::uint64_t definitions_version() const;

    // How long no password of this user is looked at that comes from this address; zero: it is. Blocks
    // for the time of one turn.
    Duration login_pause(const std::string& user, const std::string& address) const;

    // Nothing: there is no such user, or not from there. Blocks for the time of one turn.
    std::optional<KnownIdentity> identify(const std::string& user, bool remote_is_loopback) const;

    // A password that lets this user in once, within seconds and from this machine only: for who has shown elsewhere
    // that he is this user. Blocks for the time of one turn.
    std::string pass_for(const std::string& user);

    // Any thread.
    LoginCounts login_counts() const;
    // What the broker counts of its own work; after open(), until the end.
    const MetricList& metrics() const;

    // As it is now; empty after stop(). Blocks for the time it takes to make it.
    core::Overview overview(const core::OverviewWish& wish = {}) const;

    // Carried out and durable when it returns. After stop(): connection_forced.
    core::Answer administer(core::AdministrationRequest wish);

    // The same without waiting. `reply` is called once, or never when the broker has stopped.
    void overview(core::OverviewWish wish, std::function<void(core::Overview)> reply) const;
    // What each connection read and wrote; `reply` likewise on a thread of the broker's.
    void count_traffic(std::function<void(core::TrafficList)> reply) const;
    void administer(core::AdministrationRequest wish, std::function<void(core::Answer)> reply);

    // Sessions and retained messages of MQTT; nothing where nobody speaks it. `reply` likewise.
    void mqtt(std::function<void(std::optional<MqttView>)> reply) const;
    // Ends a session, with its connection and its queues; false: there is none. `reply` comes when it is done.
    void end_mqtt_session(std::string vhost, std::string client_id, std::function<void(bool)> reply);

    // For a backup: the journal as it is on the disk now. Until release_journal() none of these files is
    // removed and nothing in front of these sizes changes. Blocks until what came before is written.
    Outcome<std::vector<JournalFile>> hold_journal();
    void release_journal();

private:
    class Inside;
    explicit BrokerService(std::unique_ptr<Inside> inside);
    std::unique_ptr<Inside> inside_;
};

} // namespace baton::broker
