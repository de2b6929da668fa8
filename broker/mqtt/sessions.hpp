// The sessions of all MQTT clients: who has which, what it subscribed to, its will, when it ends;
// and the retained messages. It lives beside the core, on its thread, and does everything by the
// core's own events: a session's queue is a queue, a subscription a binding, a will a publish. What
// must survive is a parameter of the core (hidden_component_prefix), so it is recorded with the
// turn in which it changed.
//
//   conversation ──(Inlet::call)──→ Sessions ──(events)──→ core
//        ↑                             │
//        └── Tell, among the commands ─┘
//
// Queues, with RabbitMQ's names: mqtt-subscription-<id>qos0 and …qos1 (QoS 1 and 2) of a session,
// mqtt-share/<group>/<filter> of a shared subscription, mqtt-retained for the retained messages of
// a virtual host, which one consumer of Sessions holds unacknowledged: they live as messages do and
// come back after a restart.
//
// Pure: no socket, clock or thread.
#pragma once

#include "base/clock.hpp"
#include "base/deadlines.hpp"
#include "broker/core/broker.hpp"
#include "broker/mqtt/options.hpp"
#include "broker/mqtt/retained.hpp"
#include "broker/mqtt/told.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::broker::mqtt {

// A will as it is kept: what it needs to become a message later.
struct WillMessage {
    std::string key;
    std::string payload;
    std::string properties; // raw, of AMQP; without an expiry
    std::uint8_t qos = 0;
    bool retain = false;
    std::uint32_t delay_seconds = 0;
    std::optional<std::uint32_t> expiry_seconds;
};

// Where a call of a conversation happens.
struct Moment {
    core::Broker& broker;
    Time now;
    core::Turn& turn;
};

class Sessions {
public:
    // `wake`: acknowledge() is wanted soon, not from inside, and next_deadline() may be another
    // one; any number of times.
    Sessions(Options options, std::function<void()> wake);
    ~Sessions();
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    const Options& options() const { return options_; }

    // Once, behind the recovery: sessions and retained messages of the last life.
    void begin(Moment at);
    // Are all retained messages of the last life here?
    bool has_begun(const core::Broker& broker) const;

    struct Opening {
        core::ConnectionId connection;
        std::string vhost;
        std::string user;
        std::string client_id;
        bool clean_start = true;
        std::uint32_t expiry_seconds = 0;
        std::optional<WillMessage> will;
    };
    // Answered by SessionOpened.
    void open(Moment at, Opening opening);
    struct Wishes {
        std::uint16_t id = 0;
        std::vector<Subscription> all;
    };
    // Answered by Subscribed.
    void subscribe(Moment at, core::ConnectionId connection, const Wishes& wishes);
    // Answered by Unsubscribed.
    void unsubscribe(Moment at, core::ConnectionId connection, std::uint16_t id,
                     const std::vector<std::string>& filters);
    // The connection is at its end; ConnectionLost has to follow. Without an answer.
    struct Leaving {
        core::ConnectionId connection;
        bool sends_will = true;
        std::optional<std::uint32_t> expiry_seconds; // DISCONNECT changed it
        std::map<std::string, std::uint16_t> unacked;
    };
    void leave(Moment at, Leaving leaving);

    // QoS 2 of a durable session; the conversation says what it knows now. A PUBLISH with QoS 2 is
    // `publish`, and is recorded together with its id.
    void keep_publish(Moment at, core::ConnectionId connection, std::uint16_t id,
                      const core::PublishReceived& publish);
    void keep_freed(Moment at, core::ConnectionId connection, std::uint16_t id, bool was_held);
    void keep_released(Moment at, core::ConnectionId connection, std::uint16_t id);

    // Answered by RetainedFound.
    void find_retained(Moment at, core::ConnectionId connection, std::uint32_t cursor,
                       const std::string& filter, const std::string& after, std::size_t most);

    // Commands for connections of its own; not to be answered from inside.
    static constexpr std::uint64_t own_thread = 63;
    void take(core::Command& command, Time now);
    void acknowledge(Moment at);

    // When tick() is wanted next.
    std::optional<Time> next_deadline() const { return deadlines_.next(); }
    void tick(Moment at);

    struct View {
        std::string vhost;
        std::string client_id;
        std::string user;
        std::optional<core::ConnectionId> connection;
        std::uint32_t expiry_seconds = 0;
        std::optional<Time> ends_at;
        std::size_t subscriptions = 0;
        bool has_will = false;
    };
    std::vector<View> view() const;
    // False: there is none.
    bool remove(Moment at, const std::string& vhost, const std::string& client_id);
    std::size_t retained() const;
    std::uint64_t retained_bytes() const;
    std::uint64_t takeovers() const { return takeovers_; }
    std::size_t count() const { return sessions_.size(); }

private:
    using Key = std::pair<std::string, std::string>; // virtual host, client id
    struct Session;
    struct RetainedPlace;
    using ShareKey = std::pair<std::string, std::string>; // virtual host, queue

    Session* of(core::ConnectionId connection);
    // The answer of the core to an administrator's wish.
    core::Answer administer(Moment at, core::AdministrationRequest wish);
    void put(Moment at, const char* component, const Session& session, std::string value);
    void keep(Moment at, Session& session);
    void keep_ids(Moment at, Session& session);
    void forget(Moment at, Session& session);
    template <typename T>
    void tell(Moment at, core::ConnectionId connection, std::unique_ptr<T> told, bool waits);

    baton::mqtt::ReasonCode grant(Moment at, Session& session, Subscription& wish, bool& is_new);
    baton::mqtt::ReasonCode bind(Moment at, const Session& session, const std::string& queue,
                                 const std::string& filter);
    baton::mqtt::ReasonCode declare(Moment at, const Session& session, const std::string& queue,
                                    bool is_durable, std::int64_t messages_max,
                                    std::int64_t bytes_max);
    void drop(Moment at, Session& session, const Subscription& subscription);
    void renew_qos_0(Moment at, Session& session);
    void end(Moment at, const Key& key);
    void leave_share(Moment at, const Key& key, const std::string& filter);
    void disconnect(Moment at, Session& session, bool sends_will,
                    std::optional<std::uint32_t> expiry_seconds = {});
    void publish_will(Moment at, Session& session);
    void arm(Session& session);
    void bind_events(Moment at);
    core::ConnectionId new_connection();
    RetainedPlace& retained_of(Moment at, const std::string& vhost);
    void begin_retained(Moment at, const std::string& vhost, RetainedPlace& place);

    const Options options_;
    const std::function<void()> wake_;
    std::map<Key, std::unique_ptr<Session>> sessions_;
    std::map<core::ConnectionId, Key> connected_;
    std::map<ShareKey, std::set<Key>> shares_;
    std::map<std::string, std::unique_ptr<RetainedPlace>> retained_; // by virtual host
    Deadlines<Key> deadlines_;
    std::uint64_t next_serial_ = 1;
    std::uint64_t takeovers_ = 0;
};

// The names of queues.
std::string queue_of(const std::string& client_id, bool is_qos_0);
std::string queue_of_share(std::string_view group, std::string_view filter);

} // namespace baton::broker::mqtt
