// A basic.get whose message is not in memory is answered when it is; one of a connection that has not
// taken what it got before, when it has. Until then its channel stands still: what the client sends
// on it meanwhile is held and happens behind the answer, as if it had come then. Too much of it, and
// the connection is not read from.
#include "broker/core/protocol.hpp"

#include "amqp/method_codec.hpp"

#include <algorithm>
#include <utility>

namespace baton::broker::core {

namespace {

// Of one connection; a client that waits for its answers never sends a thing.
constexpr std::uint64_t held_bytes_max = 64 << 10;

std::uint64_t bytes_of(const HeldPublish& publish) {
    return publish.exchange.size() + publish.routing_key.size() + publish.properties.size() +
           publish.body.size();
}

std::uint64_t bytes_of(const MethodReceived& received) {
    amqp::Buffer encoded;
    // What came from a client can be said again.
    (void)amqp::encode_method(received.method, encoded);
    return encoded.size();
}

template <typename Event>
std::uint64_t bytes_of(const Event&) {
    return 0;
}

} // namespace

// --- Waiting -------------------------------------------------------------------------------------

void Protocol::wait_with_get(Channel& channel, Queue& queue, bool no_ack) {
    waiting_gets_.push_back({&queue, &channel, no_ack});
    channel.held = std::make_unique<std::deque<HeldEvent>>();
    channel.connection->waiting_channels += 1;
    read_ahead(queue);
}

void Protocol::hold(Channel& channel, const PublishReceived& event) {
    hold(channel, HeldEvent{HeldPublish{event.mandatory, event.immediate,
                                        std::string(event.exchange), std::string(event.routing_key),
                                        std::string(as_text(event.properties)),
                                        std::string(as_text(event.body))}});
}

void Protocol::hold(Channel& channel, HeldEvent event) {
    Connection& connection = *channel.connection;
    event.bytes = sizeof(HeldEvent) +
                  std::visit([](const auto& held) { return bytes_of(held); }, event.event);
    connection.held_bytes += event.bytes;
    channel.held->push_back(std::move(event));
    if (connection.holds_too_much || connection.held_bytes <= held_bytes_max) return;
    connection.holds_too_much = true;
    say(connection, PauseReading{});
}

// --- Answered ------------------------------------------------------------------------------------

// The front has come, or the queue has turned out to be empty.
void Protocol::answer_waiting_gets(Queue& queue) {
    for (std::size_t at = 0; at < waiting_gets_.size();) {
        const WaitingGet get = waiting_gets_[at];
        if (get.queue != &queue ||
            (queue.ready() != 0 && !has_room_for_gets(*get.channel->connection))) {
            ++at;
            continue;
        }
        if (queue.ready() != 0 && !queue.has_front()) return read_ahead(queue);
        waiting_gets_.erase(waiting_gets_.begin() + static_cast<std::ptrdiff_t>(at));
        if (queue.ready() == 0)
            reply(*get.channel, amqp::BasicGetEmpty{});
        else
            give(*get.channel, queue, get.no_ack);
        answered_.emplace_back(get.channel->connection->told.connection, get.channel->number);
    }
}

// Bytes have reached its socket.
void Protocol::answer_waiting_gets(const Connection& connection) {
    std::vector<Queue*> queues;
    for (const WaitingGet& get : waiting_gets_)
        if (get.channel->connection == &connection) queues.push_back(get.queue);
    for (Queue* queue : queues)
        answer_waiting_gets(*queue);
}

void Protocol::go_on_with_answered() {
    for (const ChannelKey& key : std::exchange(answered_, {}))
        go_on(key);
}

void Protocol::go_on(const ChannelKey& key) {
    Connection* connection = find(key.first);
    if (connection == nullptr || connection->closing) return;
    auto held = std::exchange(connection->channels[key.second]->held, nullptr);
    connection->waiting_channels -= 1;
    while (!held->empty()) {
        const HeldEvent event = std::move(held->front());
        held->pop_front();
        connection->held_bytes -= event.bytes;
        std::visit([&](const auto& one) { happens(key, one); }, event.event);
        if (connection->closing) return;
        Channel* channel = connection->channels[key.second].get();
        if (channel == nullptr || channel->held == nullptr) continue;
        channel->held = std::move(held); // it waits again
        break;
    }
    if (connection->holds_too_much && connection->held_bytes <= held_bytes_max) {
        connection->holds_too_much = false;
        say(*connection, ResumeReading{});
    }
    if (connection->close_waits) end(*connection);
}

void Protocol::stop_waiting(Connection& connection) {
    connection.close_waits = false;
    for (std::size_t number = 1; number < connection.channels.size(); ++number)
        // One that is held, too, may wait as the first did.
        while (connection.channels[number] != nullptr && connection.channels[number]->held) {
            const Channel* waiting = connection.channels[number].get();
            std::erase_if(waiting_gets_,
                          [&](const WaitingGet& get) { return get.channel == waiting; });
            const ChannelKey key(connection.told.connection, waiting->number);
            std::erase(answered_, key);
            go_on(key);
        }
}

template <typename Held>
void Protocol::happens(const ChannelKey& key, const Held& held) {
    if constexpr (std::is_same_v<Held, HeldPublish>) {
        PublishReceived event;
        event.connection = key.first;
        event.channel = key.second;
        event.mandatory = held.mandatory;
        event.immediate = held.immediate;
        event.exchange = held.exchange;
        event.routing_key = held.routing_key;
        event.properties = as_bytes(held.properties);
        event.body = as_bytes(held.body);
        on(event);
    } else {
        on(held);
    }
}

} // namespace baton::broker::core
