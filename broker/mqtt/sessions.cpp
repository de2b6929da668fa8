#include "broker/mqtt/sessions.hpp"

#include "amqp/properties.hpp"
#include "base/base64.hpp"
#include "base/json_text.hpp"
#include "broker/mqtt/translation.hpp"
#include "mqtt/topic.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::mqtt {

using baton::mqtt::ReasonCode;
using core::Right;
namespace json = boost::json;

namespace {

constexpr const char* session_component = "baton.mqtt.session";
constexpr const char* ids_component = "baton.mqtt.ids";
constexpr const char* retained_queue = "mqtt-retained";
constexpr const char* retained_exchange = "mqtt.retained";
// Reads the queues of retained messages. It has no password, so nobody logs in with it.
constexpr const char* reader_user = "baton-mqtt";
constexpr core::ChannelNumber reader_channel = 1;
// ConnectionId's layout is that of net::Connections: serial, thread, slot.
constexpr int slot_bits = 20;
constexpr int thread_bits = 6;

void write(const WillMessage& will, json::object& out) {
    out["key"] = will.key;
    out["payload"] = base64_of(will.payload);
    out["properties"] = base64_of(will.properties);
    out["qos"] = will.qos;
    out["retain"] = will.retain;
    out["delay"] = will.delay_seconds;
    if (will.expiry_seconds) out["expiry"] = *will.expiry_seconds;
}

template <typename Number>
Number number_in(const json::object& from, const char* name) {
    const json::value* found = from.if_contains(name);
    if (found == nullptr) return 0;
    ErrorCode error;
    const auto number = found->to_number<Number>(error);
    return error ? Number{0} : number;
}

std::string text_in(const json::object& from, const char* name) {
    const json::value* found = from.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
}

bool flag_in(const json::object& from, const char* name) {
    const json::value* found = from.if_contains(name);
    return found != nullptr && found->is_bool() && found->get_bool();
}

WillMessage read_will(const json::object& from) {
    WillMessage will;
    will.key = text_in(from, "key");
    will.payload = from_base64(text_in(from, "payload")).value_or("");
    will.properties = from_base64(text_in(from, "properties")).value_or("");
    will.qos = number_in<std::uint8_t>(from, "qos");
    will.retain = flag_in(from, "retain");
    will.delay_seconds = number_in<std::uint32_t>(from, "delay");
    if (from.contains("expiry")) will.expiry_seconds = number_in<std::uint32_t>(from, "expiry");
    return will;
}

json::object write(const Subscription& one) {
    return {{"filter", one.filter},
            {"qos", one.qos},
            {"no_local", one.no_local},
            {"retain_as_published", one.retain_as_published},
            {"retain_handling", one.retain_handling},
            {"id", one.identifier}};
}

Subscription read_subscription(const json::object& from) {
    Subscription one;
    one.filter = text_in(from, "filter");
    one.qos = number_in<std::uint8_t>(from, "qos");
    one.no_local = flag_in(from, "no_local");
    one.retain_as_published = flag_in(from, "retain_as_published");
    one.retain_handling = number_in<std::uint8_t>(from, "retain_handling");
    one.identifier = number_in<std::uint32_t>(from, "id");
    return one;
}

json::array write(const std::set<std::uint16_t>& ids) {
    json::array out;
    for (const std::uint16_t id : ids)
        out.emplace_back(id);
    return out;
}

void read_ids(const json::object& from, const char* name, std::set<std::uint16_t>& ids) {
    const json::value* found = from.if_contains(name);
    if (found == nullptr || !found->is_array()) return;
    for (const json::value& one : found->get_array()) {
        ErrorCode error;
        const auto id = one.to_number<std::uint16_t>(error);
        if (!error) ids.insert(id);
    }
}

} // namespace

std::string queue_of(const std::string& client_id, bool is_qos_0) {
    return fmt::format("mqtt-subscription-{}{}", client_id, is_qos_0 ? "qos0" : "qos1");
}

std::string queue_of_share(std::string_view group, std::string_view filter) {
    return fmt::format("mqtt-share/{}/{}", group, filter);
}

struct Sessions::Session {
    std::string vhost;
    std::string client_id;
    std::string user;
    std::optional<core::ConnectionId> connection;
    std::uint32_t expiry_seconds = 0;
    std::optional<WillMessage> will;
    std::optional<Time> will_at; // the connection is gone, and it waits
    std::optional<Time> ends_at;
    std::map<std::string, Subscription> subscriptions; // by filter
    std::set<std::uint16_t> held;
    std::set<std::uint16_t> released;
    std::map<std::string, std::uint16_t> unacked;
    bool has_qos_0 = false; // its queue is there
    bool has_qos_1 = false;
    bool has_row = false; // the parameter is there
    bool has_ids = false;

    Key key() const { return {vhost, client_id}; }
    bool is_durable() const { return expiry_seconds != 0; }
};

struct Sessions::RetainedPlace {
    explicit RetainedPlace(const Options& options)
        : kept(options.retained_max, options.retained_bytes_max) {}
    Retained kept;
    std::optional<core::ConnectionId> reader;
    std::vector<std::uint64_t> gone; // tags to acknowledge
    std::uint64_t written = 0;       // bytes that were taken out of the reader's window
    bool is_cut = false;             // its consumer is gone
};

Sessions::Sessions(Options options, std::function<void()> wake)
    : options_(std::move(options)), wake_(std::move(wake)) {}
Sessions::~Sessions() = default;

Sessions::Session* Sessions::of(core::ConnectionId connection) {
    const auto found = connected_.find(connection);
    if (found == connected_.end()) return nullptr;
    return sessions_.at(found->second).get();
}

core::ConnectionId Sessions::new_connection() {
    return {(next_serial_++ << thread_bits | own_thread) << slot_bits};
}

// Asked within the turn, and answered at once.
core::Answer Sessions::administer(Moment at, core::AdministrationRequest wish) {
    const std::size_t before = at.turn.answers.size();
    const bool was_urgent = at.turn.is_urgent;
    at.broker.apply(core::AdministrationAsked{{}, std::move(wish)}, at.now, at.turn);
    at.turn.is_urgent = was_urgent;
    if (at.turn.answers.size() == before) return {};
    core::Answer answer = std::move(at.turn.answers.back());
    at.turn.answers.pop_back();
    return answer;
}

void Sessions::put(Moment at, const char* component, const Session& session, std::string value) {
    (void)administer(
        at, core::PutParameter{{session.vhost, component, session.client_id, std::move(value)}});
}

// `waits`: until what this turn recorded is durable.
template <typename T>
void Sessions::tell(Moment at, core::ConnectionId connection, std::unique_ptr<T> told, bool waits) {
    core::Command command{connection, 0, core::Tell{std::move(told)}};
    if (!waits) return at.turn.commands.push_back(std::move(command));
    at.turn.commands_when_durable.push_back(std::move(command));
    at.turn.is_urgent = true;
}

void Sessions::keep(Moment at, Session& session) {
    json::object row{{"user", session.user}, {"expiry", session.expiry_seconds}};
    json::array subscriptions;
    for (const auto& [filter, one] : session.subscriptions)
        subscriptions.push_back(write(one));
    row["subscriptions"] = std::move(subscriptions);
    if (session.will) {
        json::object will;
        write(*session.will, will);
        row["will"] = std::move(will);
    }
    put(at, session_component, session, write_json(row));
    session.has_row = true;
}

void Sessions::forget(Moment at, Session& session) {
    if (std::exchange(session.has_row, false)) put(at, session_component, session, {});
    if (std::exchange(session.has_ids, false)) put(at, ids_component, session, {});
}

void Sessions::keep_ids(Moment at, Session& session) {
    if (session.held.empty() && session.released.empty()) {
        if (std::exchange(session.has_ids, false)) put(at, ids_component, session, {});
        return;
    }
    session.has_ids = true;
    put(at, ids_component, session,
        write_json(
            json::object{{"held", write(session.held)}, {"released", write(session.released)}}));
}

// --- The beginning -------------------------------------------------------------------------------

void Sessions::begin(Moment at) {
    for (const core::ParameterPut& row : at.broker.parameters(session_component)) {
        const auto read = read_json(row.value, json_of_our_own);
        if (!read || !read->is_object()) continue;
        const json::object& from = read->get_object();
        auto session = std::make_unique<Session>();
        session->vhost = row.vhost;
        session->client_id = row.name;
        session->user = text_in(from, "user");
        session->expiry_seconds = number_in<std::uint32_t>(from, "expiry");
        session->has_row = true;
        if (const json::value* all = from.if_contains("subscriptions");
            all != nullptr && all->is_array())
            for (const json::value& one : all->get_array())
                if (one.is_object()) {
                    Subscription subscription = read_subscription(one.get_object());
                    session->subscriptions.emplace(subscription.filter, subscription);
                }
        // The end of the process was the end of every connection.
        if (const json::value* will = from.if_contains("will");
            will != nullptr && will->is_object())
            session->will = read_will(will->get_object());
        session->has_qos_1 = at.broker.ready_in(row.vhost, queue_of(row.name, false)).has_value();
        const Key key = session->key();
        for (const auto& [filter, one] : session->subscriptions)
            if (const auto shared = baton::mqtt::as_shared(filter))
                shares_[{row.vhost, queue_of_share(shared->group, shared->filter)}].insert(key);
        Session& kept = *sessions_.emplace(key, std::move(session)).first->second;
        disconnect(at, kept, true);
    }
    for (const core::ParameterPut& row : at.broker.parameters(ids_component)) {
        const auto found = sessions_.find({row.vhost, row.name});
        const auto read = read_json(row.value, json_of_our_own);
        if (found == sessions_.end() || !read || !read->is_object()) continue;
        found->second->has_ids = true;
        read_ids(read->get_object(), "held", found->second->held);
        read_ids(read->get_object(), "released", found->second->released);
    }
    for (const std::string& vhost : at.broker.vhosts())
        if (at.broker.ready_in(vhost, retained_queue)) (void)retained_of(at, vhost);
    bind_events(at);
}

// Those of the last configuration that are not in this one go; somebody's own stay.
void Sessions::bind_events(Moment at) {
    constexpr const char* mark = "x-baton-mqtt";
    std::vector<core::Bound> wanted;
    const auto want = [&](const std::vector<std::string>& filters, const std::string& from,
                          const std::string& to) {
        for (const std::string& filter : filters)
            wanted.push_back({options_.vhost,
                              from,
                              core::DestinationKind::exchange,
                              to,
                              baton::mqtt::to_key(filter),
                              {{mark, true}}});
    };
    want(options_.events, options_.exchange, options_.event_exchange);
    want(options_.commands, options_.event_exchange, options_.exchange);
    core::OverviewWish wish;
    wish.queues = wish.exchanges = wish.connections = wish.channels = wish.consumers = wish.users =
        wish.policies = false;
    wish.vhost = options_.vhost;
    for (const core::BindingView& bound : at.broker.overview(wish).bindings) {
        const bool is_wanted = std::ranges::any_of(wanted, [&](const core::Bound& one) {
            return one.source == bound.source && one.destination == bound.destination &&
                   one.routing_key == bound.routing_key;
        });
        if (bound.arguments.contains(mark) && !is_wanted)
            (void)administer(at,
                             core::Unbind{{bound.vhost, bound.source, bound.destination_kind,
                                           bound.destination, bound.routing_key, bound.arguments}});
    }
    if (!wanted.empty())
        (void)administer(
            at, core::DeclareExchange{
                    {options_.vhost, options_.event_exchange, "topic", false, false, {}}, true});
    for (core::Bound& one : wanted)
        (void)administer(at, core::Bind{std::move(one)});
}

bool Sessions::has_begun(const core::Broker& broker) const {
    return std::ranges::all_of(retained_, [&](const auto& one) {
        return broker.ready_in(one.first, retained_queue).value_or(0) == 0;
    });
}

// --- Connections ---------------------------------------------------------------------------------

void Sessions::open(Moment at, Opening opening) {
    auto told = std::make_unique<SessionOpened>();
    const Key key{opening.vhost, opening.client_id};
    const std::size_t records = at.turn.records.size();
    auto found = sessions_.find(key);
    // What a user left behind is nobody else's.
    if (found != sessions_.end() && found->second->user != opening.user) {
        told->code = ReasonCode::client_identifier_not_valid;
        return tell(at, opening.connection, std::move(told), false);
    }
    if (found == sessions_.end() && opening.expiry_seconds != 0 &&
        sessions_.size() >= options_.sessions_max) {
        told->code = ReasonCode::quota_exceeded;
        return tell(at, opening.connection, std::move(told), false);
    }
    (void)retained_of(at, opening.vhost);
    if (found != sessions_.end()) {
        Session& session = *found->second;
        if (session.connection) {
            ++takeovers_;
            const core::ConnectionId old = *session.connection;
            tell(at, old, std::make_unique<SessionTaken>(), false);
            // Its will is one with a delay, and the session goes on: it is not to be sent (MQTT 5.0
            // §3.1.3.2.2).
            const bool goes_on = !opening.clean_start && session.will &&
                                 session.will->delay_seconds != 0 && session.is_durable();
            disconnect(at, session, !goes_on);
            at.broker.apply(core::ConnectionLost{old}, at.now, at.turn);
        }
        found = sessions_.find(key); // it may have ended by that
        if (found != sessions_.end() && opening.clean_start) {
            end(at, key);
            found = sessions_.end();
        }
    }
    told->was_present = found != sessions_.end();
    if (found == sessions_.end()) {
        auto session = std::make_unique<Session>();
        session->vhost = opening.vhost;
        session->client_id = opening.client_id;
        session->user = opening.user;
        found = sessions_.emplace(key, std::move(session)).first;
    }
    Session& session = *found->second;
    session.connection = opening.connection;
    session.expiry_seconds = opening.expiry_seconds;
    session.will = std::move(opening.will);
    session.will_at.reset();
    session.ends_at.reset();
    arm(session);
    connected_[opening.connection] = key;
    if (session.is_durable())
        keep(at, session);
    else
        forget(at, session);
    renew_qos_0(at, session);
    for (const auto& [filter, one] : session.subscriptions)
        told->subscriptions.push_back(one);
    told->ids.held.assign(session.held.begin(), session.held.end());
    told->ids.released.assign(session.released.begin(), session.released.end());
    told->ids.unacked = std::exchange(session.unacked, {});
    tell(at, opening.connection, std::move(told), at.turn.records.size() != records);
}

void Sessions::leave(Moment at, Leaving leaving) {
    Session* session = of(leaving.connection);
    if (session == nullptr) return;
    session->unacked = std::move(leaving.unacked);
    disconnect(at, *session, leaving.sends_will, leaving.expiry_seconds);
}

// May end the session. Its row is written again only if that changed it: at a start all sessions
// come here.
void Sessions::disconnect(Moment at, Session& session, bool sends_will,
                          std::optional<std::uint32_t> expiry_seconds) {
    const Key key = session.key();
    const bool had_will = session.will.has_value();
    const std::uint32_t had_expiry = session.expiry_seconds;
    session.expiry_seconds = expiry_seconds.value_or(had_expiry);
    if (session.connection) connected_.erase(*session.connection);
    session.connection.reset();
    if (std::exchange(session.has_qos_0, false))
        (void)administer(
            at, core::DeleteQueue{session.vhost, queue_of(session.client_id, true), false, false});
    const bool forgets_will = session.will && !sends_will;
    if (forgets_will) session.will.reset();
    if (session.will) {
        const std::uint32_t delay = std::min(session.will->delay_seconds, session.expiry_seconds);
        if (delay == 0)
            publish_will(at, session);
        else
            session.will_at = at.now + std::chrono::seconds(delay);
    }
    if (!session.is_durable()) return end(at, key);
    session.ends_at = at.now + std::chrono::seconds(session.expiry_seconds);
    arm(session);
    if (session.will.has_value() != had_will || session.expiry_seconds != had_expiry)
        keep(at, session);
}

void Sessions::arm(Session& session) {
    Time next = Time::max();
    if (session.will_at) next = std::min(next, *session.will_at);
    if (session.ends_at) next = std::min(next, *session.ends_at);
    if (next == Time::max())
        deadlines_.cancel(session.key());
    else
        deadlines_.set(session.key(), next);
    wake_();
}

void Sessions::tick(Moment at) {
    for (const Key& key : deadlines_.take_due(at.now)) {
        const auto found = sessions_.find(key);
        if (found == sessions_.end()) continue;
        Session& session = *found->second;
        if (session.will_at && *session.will_at <= at.now) {
            publish_will(at, session);
            keep(at, session);
        }
        if (session.ends_at && *session.ends_at <= at.now)
            end(at, key);
        else
            arm(session);
    }
}

void Sessions::end(Moment at, const Key& key) {
    const auto found = sessions_.find(key);
    Session& session = *found->second;
    if (session.will_at) publish_will(at, session);
    deadlines_.cancel(key);
    if (session.connection) connected_.erase(*session.connection);
    for (const bool is_qos_0 : {true, false})
        if (is_qos_0 ? session.has_qos_0 : session.has_qos_1)
            (void)administer(at,
                             core::DeleteQueue{session.vhost, queue_of(session.client_id, is_qos_0),
                                               false, false});
    for (const auto& [filter, one] : session.subscriptions)
        leave_share(at, key, filter);
    forget(at, session);
    sessions_.erase(found);
}

// As its user would, who may have lost the right to it since.
void Sessions::publish_will(Moment at, Session& session) {
    session.will_at.reset();
    WillMessage will = std::move(*std::exchange(session.will, std::nullopt));
    amqp::Buffer properties;
    properties.append(as_bytes(will.properties));
    if (will.expiry_seconds) {
        auto made = amqp::decode_properties(properties.view());
        if (!made) return;
        made->expiration = std::to_string(std::int64_t{*will.expiry_seconds} * 1000);
        made->timestamp = static_cast<std::uint64_t>(millis_of(at.now) / 1000);
        properties.clear();
        if (!amqp::encode_properties(*made, properties)) return;
    }
    const core::ConnectionId connection = new_connection();
    core::ConnectionOpened opened;
    opened.connection = connection;
    opened.user = session.user;
    opened.vhost = session.vhost;
    opened.name = fmt::format("the will of {}", session.client_id);
    at.broker.apply(std::move(opened), at.now, at.turn);
    at.broker.apply(core::MethodReceived{connection, reader_channel, amqp::ChannelOpen{}}, at.now,
                    at.turn);
    core::PublishReceived publish;
    publish.connection = connection;
    publish.channel = reader_channel;
    publish.nacks_refused = true;
    publish.exchange = options_.exchange;
    publish.routing_key = will.key;
    publish.properties = properties.view();
    publish.body = as_bytes(will.payload);
    at.broker.publish(publish, at.now, at.turn);
    at.broker.apply(core::ConnectionLost{connection}, at.now, at.turn);
}

// --- Subscriptions -------------------------------------------------------------------------------

ReasonCode Sessions::declare(Moment at, const Session& session, const std::string& queue,
                             bool is_durable, std::int64_t messages_max, std::int64_t bytes_max) {
    if (queue.size() > short_bytes_max) return ReasonCode::topic_filter_invalid;
    for (const Right right : {Right::configure, Right::write, Right::read})
        if (!at.broker.may(session.user, session.vhost, right, queue))
            return ReasonCode::not_authorized;
    if (at.broker.ready_in(session.vhost, queue)) return ReasonCode::success;
    const core::Answer answer = administer(
        at,
        core::DeclareQueue{session.vhost,
                           queue,
                           false,
                           is_durable,
                           {{"x-max-length", messages_max}, {"x-max-length-bytes", bytes_max}}});
    if (answer.code == amqp::ReplyCode::success) return ReasonCode::success;
    return answer.code == amqp::ReplyCode::precondition_failed ||
                   answer.code == amqp::ReplyCode::resource_error
               ? ReasonCode::quota_exceeded
               : ReasonCode::implementation_specific_error;
}

ReasonCode Sessions::bind(Moment at, const Session& session, const std::string& queue,
                          const std::string& filter) {
    const std::string key = baton::mqtt::to_key(filter);
    if (key.size() > short_bytes_max) return ReasonCode::topic_filter_invalid;
    if (!at.broker.may(session.user, session.vhost, Right::read, options_.exchange) ||
        !at.broker.may_use_key(session.user, session.vhost, Right::read, options_.exchange, key))
        return ReasonCode::not_authorized;
    const core::Answer answer = administer(
        at, core::Bind{
                {session.vhost, options_.exchange, core::DestinationKind::queue, queue, key, {}}});
    return answer.code == amqp::ReplyCode::success ? ReasonCode::success
                                                   : ReasonCode::implementation_specific_error;
}

ReasonCode Sessions::grant(Moment at, Session& session, Subscription& wish, bool& is_new) {
    const auto before = session.subscriptions.find(wish.filter);
    is_new = before == session.subscriptions.end();
    if (is_new && session.subscriptions.size() >= options_.subscriptions_max)
        return ReasonCode::quota_exceeded;
    std::string queue;
    std::string filter = wish.filter;
    const auto shared = baton::mqtt::as_shared(wish.filter);
    if (shared) {
        if (shared->filter.empty()) return ReasonCode::topic_filter_invalid;
        wish.qos = std::min<std::uint8_t>(wish.qos, 1);
        filter = shared->filter;
        queue = queue_of_share(shared->group, shared->filter);
    } else {
        queue = queue_of(session.client_id, wish.qos == 0);
    }
    const bool is_qos_0 = !shared && wish.qos == 0;
    const ReasonCode declared =
        declare(at, session, queue, !is_qos_0 && session.is_durable(),
                is_qos_0 ? options_.qos_0_messages_max : options_.queue_messages_max,
                is_qos_0 ? options_.qos_0_bytes_max : options_.queue_bytes_max);
    if (declared != ReasonCode::success) return declared;
    if (!shared) (is_qos_0 ? session.has_qos_0 : session.has_qos_1) = true;
    if (const ReasonCode bound = bind(at, session, queue, filter); bound != ReasonCode::success)
        return bound;
    // With another QoS it may lie in the other queue.
    if (!is_new && !shared && (before->second.qos == 0) != (wish.qos == 0))
        drop(at, session, before->second);
    if (shared) shares_[{session.vhost, queue}].insert(session.key());
    session.subscriptions[wish.filter] = wish;
    return static_cast<ReasonCode>(wish.qos);
}

void Sessions::subscribe(Moment at, core::ConnectionId connection, const Wishes& wishes) {
    Session* session = of(connection);
    if (session == nullptr) return;
    const std::size_t records = at.turn.records.size();
    auto told = std::make_unique<Subscribed>();
    told->id = wishes.id;
    for (const Subscription& wish : wishes.all) {
        Subscribed::One& one = told->all.emplace_back();
        one.subscription = wish;
        one.code = grant(at, *session, one.subscription, one.is_new);
    }
    if (session->is_durable()) keep(at, *session);
    tell(at, connection, std::move(told), at.turn.records.size() != records);
}

void Sessions::drop(Moment at, Session& session, const Subscription& subscription) {
    (void)administer(at, core::Unbind{{session.vhost,
                                       options_.exchange,
                                       core::DestinationKind::queue,
                                       queue_of(session.client_id, subscription.qos == 0),
                                       baton::mqtt::to_key(subscription.filter),
                                       {}}});
}

void Sessions::unsubscribe(Moment at, core::ConnectionId connection, std::uint16_t id,
                           const std::vector<std::string>& filters) {
    Session* session = of(connection);
    if (session == nullptr) return;
    const std::size_t records = at.turn.records.size();
    auto told = std::make_unique<Unsubscribed>();
    told->id = id;
    told->filters = filters;
    for (const std::string& filter : filters) {
        const auto found = session->subscriptions.find(filter);
        if (found == session->subscriptions.end()) {
            told->codes.push_back(ReasonCode::no_subscription_existed);
            continue;
        }
        if (!baton::mqtt::as_shared(filter)) drop(at, *session, found->second);
        session->subscriptions.erase(found);
        leave_share(at, session->key(), filter);
        told->codes.push_back(ReasonCode::success);
    }
    if (session->is_durable()) keep(at, *session);
    tell(at, connection, std::move(told), at.turn.records.size() != records);
}

void Sessions::leave_share(Moment at, const Key& key, const std::string& filter) {
    const auto shared = baton::mqtt::as_shared(filter);
    if (!shared) return;
    const ShareKey share{key.first, queue_of_share(shared->group, shared->filter)};
    const auto found = shares_.find(share);
    if (found == shares_.end()) return;
    found->second.erase(key);
    if (!found->second.empty()) return;
    (void)administer(at, core::DeleteQueue{share.first, share.second, false, false});
    shares_.erase(found);
}

// The queue for QoS 0 ends with each connection; its subscriptions do not.
void Sessions::renew_qos_0(Moment at, Session& session) {
    for (auto& [filter, one] : session.subscriptions) {
        if (one.qos != 0 || baton::mqtt::as_shared(filter)) continue;
        const std::string queue = queue_of(session.client_id, true);
        if (declare(at, session, queue, false, options_.qos_0_messages_max,
                    options_.qos_0_bytes_max) != ReasonCode::success)
            return;
        session.has_qos_0 = true;
        (void)bind(at, session, queue, filter);
    }
}

// --- QoS 2 ---------------------------------------------------------------------------------------

void Sessions::keep_publish(Moment at, core::ConnectionId connection, std::uint16_t id,
                            const core::PublishReceived& publish) {
    Session* session = of(connection);
    at.broker.begin_together(at.now, at.turn);
    at.broker.publish(publish, at.now, at.turn);
    if (session != nullptr) {
        session->held.insert(id);
        keep_ids(at, *session);
    }
    at.broker.end_together();
}

void Sessions::keep_freed(Moment at, core::ConnectionId connection, std::uint16_t id,
                          bool was_held) {
    Session* session = of(connection);
    if (session == nullptr) return;
    (was_held ? session->held : session->released).erase(id);
    keep_ids(at, *session);
    if (!was_held) return;
    auto told = std::make_unique<IdsKept>();
    told->what = IdsKept::What::freed;
    told->id = id;
    tell(at, connection, std::move(told), true);
}

void Sessions::keep_released(Moment at, core::ConnectionId connection, std::uint16_t id) {
    Session* session = of(connection);
    if (session == nullptr) return;
    session->released.insert(id);
    keep_ids(at, *session);
    auto told = std::make_unique<IdsKept>();
    told->what = IdsKept::What::released;
    told->id = id;
    tell(at, connection, std::move(told), true);
}

// --- Retained messages ---------------------------------------------------------------------------

Sessions::RetainedPlace& Sessions::retained_of(Moment at, const std::string& vhost) {
    auto& place = retained_[vhost];
    if (place && !place->is_cut) return *place;
    if (place && place->reader)
        at.broker.apply(core::ConnectionLost{*place->reader}, at.now, at.turn);
    place = std::make_unique<RetainedPlace>(options_);
    begin_retained(at, vhost, *place);
    return *place;
}

// Whatever is published with the header, by any protocol, is routed to the queue as well, and its
// one consumer holds what is valid.
void Sessions::begin_retained(Moment at, const std::string& vhost, RetainedPlace& place) {
    (void)administer(
        at, core::DeclareExchange{{vhost, retained_exchange, "headers", false, true, {}}, true});
    (void)administer(at, core::DeclareQueue{vhost, retained_queue, false, true, {}});
    (void)administer(at, core::Bind{{vhost,
                                     options_.exchange,
                                     core::DestinationKind::exchange,
                                     retained_exchange,
                                     "#",
                                     {}}});
    (void)administer(at,
                     core::Bind{{vhost,
                                 retained_exchange,
                                 core::DestinationKind::queue,
                                 retained_queue,
                                 "",
                                 {{"x-match", "all-with-x"}, {std::string(retain_header), true}}}});
    if (!at.broker.find_user(reader_user))
        (void)administer(at, core::PutUser{{reader_user, {}, {}, {}}});
    if (!at.broker.may_enter(reader_user, vhost))
        (void)administer(at, core::PutPermission{{vhost, reader_user, "^$", "^$",
                                                  fmt::format("^{}$", retained_queue)}});
    place.reader = new_connection();
    core::ConnectionOpened opened;
    opened.connection = *place.reader;
    opened.user = reader_user;
    opened.vhost = vhost;
    opened.name = "retained messages of MQTT";
    at.broker.apply(std::move(opened), at.now, at.turn);
    at.broker.apply(core::MethodReceived{*place.reader, reader_channel, amqp::ChannelOpen{}},
                    at.now, at.turn);
    at.broker.apply(
        core::MethodReceived{*place.reader, reader_channel,
                             amqp::BasicConsume{.queue = retained_queue, .no_wait = true}},
        at.now, at.turn);
}

void Sessions::take(core::Command& command, Time now) {
    for (auto& [vhost, place] : retained_) {
        if (place->reader != command.connection) continue;
        if (auto* deliver = std::get_if<core::Deliver>(&command.action)) {
            place->written += core::delivery_charge(*deliver->message);
            for (const std::uint64_t tag :
                 place->kept.take(std::move(deliver->message), deliver->delivery_tag, now))
                place->gone.push_back(tag);
            wake_();
        } else if (const auto* reply = std::get_if<core::Reply>(&command.action)) {
            // basic.cancel: somebody deleted the queue.
            if (std::holds_alternative<amqp::BasicCancel>(*reply->method)) {
                place->kept.clear();
                place->is_cut = true;
            }
        } else if (std::holds_alternative<core::CloseConnection>(command.action) ||
                   std::holds_alternative<core::CloseChannel>(command.action)) {
            place->kept.clear();
            place->is_cut = true;
        }
        return;
    }
}

void Sessions::acknowledge(Moment at) {
    for (auto& [vhost, place] : retained_) {
        if (place->written != 0)
            at.broker.written(core::Written{*place->reader, std::exchange(place->written, 0)});
        for (const std::uint64_t tag : std::exchange(place->gone, {}))
            at.broker.ack(core::AckReceived{*place->reader, reader_channel, tag, false}, at.now,
                          at.turn);
    }
}

void Sessions::find_retained(Moment at, core::ConnectionId connection, std::uint32_t cursor,
                             const std::string& filter, const std::string& after,
                             std::size_t most) {
    const Session* session = of(connection);
    if (session == nullptr) return;
    Retained::Found found = retained_of(at, session->vhost).kept.find(filter, after, most, at.now);
    auto told = std::make_unique<RetainedFound>();
    told->cursor = cursor;
    told->messages = std::move(found.messages);
    told->last_key = std::move(found.last_key);
    told->is_all = found.is_all;
    tell(at, connection, std::move(told), false);
}

// --- Looking -------------------------------------------------------------------------------------

std::vector<Sessions::View> Sessions::view() const {
    std::vector<View> all;
    for (const auto& [key, session] : sessions_)
        all.push_back({session->vhost, session->client_id, session->user, session->connection,
                       session->expiry_seconds, session->ends_at, session->subscriptions.size(),
                       session->will.has_value()});
    return all;
}

bool Sessions::remove(Moment at, const std::string& vhost, const std::string& client_id) {
    const auto found = sessions_.find({vhost, client_id});
    if (found == sessions_.end()) return false;
    if (const auto connection = found->second->connection) {
        tell(at, *connection, std::make_unique<SessionTaken>(), false);
        at.broker.apply(core::ConnectionLost{*connection}, at.now, at.turn);
    }
    end(at, {vhost, client_id});
    return true;
}

std::size_t Sessions::retained() const {
    std::size_t sum = 0;
    for (const auto& [vhost, place] : retained_)
        sum += place->kept.size();
    return sum;
}

std::uint64_t Sessions::retained_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [vhost, place] : retained_)
        sum += place->kept.bytes();
    return sum;
}

} // namespace baton::broker::mqtt
