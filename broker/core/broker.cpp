// The front door: sets time and turn, and lets the protocol work.
#include "broker/core/broker.hpp"

#include "broker/core/protocol.hpp"

namespace baton::broker::core {

Broker::Broker(Options options) : protocol_(std::make_unique<Protocol>(std::move(options))) {}
Broker::~Broker() = default;

void Broker::replay(Record&& record, RecordNumber number) {
    protocol_->replay(std::move(record), number);
}

bool Broker::ended_in_order() const { return protocol_->ended_in_order(); }

void Broker::finish_recovery(RecordNumber last_number, Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->finish_recovery(last_number);
    protocol_->finish();
}

void Broker::apply(Event&& event, Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->apply(std::move(event));
}

void Broker::publish(const PublishReceived& event, Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->on(event);
}

void Broker::ack(const AckReceived& event, Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->on(event);
}

void Broker::nack(const NackReceived& event, Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->on(event);
}

void Broker::written(const Written& event) { protocol_->on(event); }

std::uint64_t Broker::memory() const { return protocol_->memory(); }

void Broker::note_outside_memory(std::uint64_t bytes) { protocol_->note_outside_memory(bytes); }

void Broker::finish(Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->finish();
}

void Broker::durable_up_to(TurnNumber turn) { protocol_->durable_up_to(turn); }

std::optional<Time> Broker::next_deadline() const { return protocol_->next_deadline(); }

Overview Broker::overview(const OverviewWish& wish) const { return protocol_->overview(wish); }

std::uint64_t Broker::topology_version() const {
    return std::as_const(*protocol_).state().topology_version();
}

std::optional<UserPut> Broker::find_user(std::string_view name) const {
    const User* user = std::as_const(*protocol_).state().user(name);
    if (user == nullptr) return std::nullopt;
    return user->put;
}

void Broker::begin_together(Time now, Turn& turn) {
    protocol_->begin(now, turn);
    protocol_->begin_together();
}
void Broker::end_together() { (void)protocol_->end_together(); }

bool Broker::may(std::string_view user, std::string_view vhost, Right right, std::string_view name) {
    return protocol_->access().may(protocol_->state().user(user), vhost, right, name);
}

bool Broker::may_use_key(std::string_view user, std::string_view vhost, Right right,
                         std::string_view exchange, std::string_view routing_key) {
    return protocol_->access().may_use_key(protocol_->state().user(user), vhost, right, exchange,
                                           routing_key);
}

std::vector<ParameterPut> Broker::parameters(std::string_view component) const {
    std::vector<ParameterPut> found;
    for (const auto& [key, parameter] : std::as_const(*protocol_).state().parameters())
        if (parameter.component == component) found.push_back(parameter);
    return found;
}

std::vector<std::string> Broker::vhosts() const {
    std::vector<std::string> names;
    for (const auto& [name, vhost] : std::as_const(*protocol_).state().vhosts()) names.push_back(name);
    return names;
}

std::optional<std::uint64_t> Broker::ready_in(std::string_view vhost, std::string_view queue) const {
    const Vhost* place = std::as_const(*protocol_).state().vhost(vhost);
    const Queue* found = place == nullptr ? nullptr : place->queue(queue);
    if (found == nullptr) return std::nullopt;
    return found->ready();
}

std::vector<Record> Broker::snapshot(
    const std::function<MessageRef(RecordNumber)>& content) const {
    return std::as_const(*protocol_).state().snapshot(content);
}

bool Broker::may_enter(std::string_view user_name, std::string_view vhost) const {
    const User* user = std::as_const(*protocol_).state().user(user_name);
    return user != nullptr && user->permissions.contains(vhost);
}

} // namespace baton::broker::core
