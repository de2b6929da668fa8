// What happens to messages that die: they are collected while handlers work, and settled before
// anything is delivered, one after the other, so that a chain of dead letters does not recurse.
#include "broker/core/protocol.hpp"

#include "amqp/properties.hpp"
#include "broker/core/edit.hpp"

#include <algorithm>

namespace baton::broker::core {

void Protocol::bury(Queue& queue, Entry&& entry, DeathReason reason) {
    const QueueSettings& settings = queue.settings();
    const bool again = queue.may_have_left_before(entry);
    if (settings.delays_for) {
        // Nothing leaves such a queue before its time.
        const bool was_due = entry.expires_at <= recovered_at_;
        burials_.push_back(Burial{queue.id(), queue.name(), queue.identity().vhost,
                                  queue.is_recorded(), *settings.delays_for, std::nullopt,
                                  std::move(entry), reason, again && was_due, false, true});
        return;
    }
    if (!settings.dead_letter_exchange) return forget(queue, entry);
    burials_.push_back(Burial{queue.id(), queue.name(), queue.identity().vhost,
                              queue.is_recorded(), *settings.dead_letter_exchange,
                              settings.dead_letter_routing_key, std::move(entry), reason, again,
                              settings.keeps_dead_letters, false});
}

ByteView Protocol::headers_of(const Message& message) {
    const auto properties = amqp::PropertiesView::parse(message.properties());
    return properties ? properties->headers().value_or(ByteView{}) : ByteView{};
}

RoutedMessage Protocol::shown_to_exchanges(const Message& message, std::string_view key) {
    return {key, headers_of(message), message.properties()};
}

void Protocol::settle_dead_letters() {
    for (; !burials_.empty() && dead_letters_left_ != 0; --dead_letters_left_) {
        Burial burial = std::move(burials_.front());
        burials_.pop_front();
        if (!burial.is_delayed)
            ++since_start_.dead_lettered[static_cast<std::size_t>(burial.reason)];
        if (burial.is_held)
            if (Queue* queue = state_.queue(burial.queue);
                queue != nullptr && queue->settings().keeps_dead_letters) {
                send_or_hold(*queue, {std::move(burial.entry), burial.reason, {}});
                continue;
            }
        // The copy is stored before the original is forgotten: a crash in between leaves both.
        if (Exchange* exchange = burial.vhost->exchange(burial.exchange)) {
            if (burial.is_delayed)
                send_delayed(burial, *exchange);
            else
                send_to_dead_letter_exchange(burial, *exchange);
        }
        forget(burial.queue, burial.recorded && state_.queue(burial.queue) != nullptr,
               burial.entry);
    }
}

// The delay is over: routed as if it were published now. The header turns negative, so that another
// exchange that delays lets it pass, and consumers can see how long it was held.
void Protocol::send_delayed(const Burial& burial, Exchange& exchange) {
    const Message& held = *burial.entry.message;
    amqp::Properties properties = properties_of(held.properties());
    if (!properties.headers) properties.headers.emplace();
    const std::int64_t delay = properties.headers->integer("x-delay").value_or(0);
    // As 'I' where it fits: some clients read a negative 'l' as a huge number.
    if (delay <= INT32_MAX)
        properties.headers->set("x-delay", amqp::FieldValue(static_cast<std::int32_t>(-delay)));
    else
        properties.headers->set("x-delay", amqp::FieldValue(-delay));
    const MessageRef message =
        with_properties(held, properties, held.exchange(), held.routing_key());
    const auto queues =
        state_.route(exchange, shown_to_exchanges(*message, message->routing_key()),
                          routing_keys_in(*properties.headers, "CC"));
    if (!queues.empty())
        place(message, std::vector<Queue*>(queues.begin(), queues.end()), burial.again);
}

void Protocol::send_to_dead_letter_exchange(const Burial& burial, Exchange& exchange) {
    Death death{burial.reason, burial.queue_name, now_, burial.exchange, std::nullopt};
    if (burial.routing_key) death.dead_letter_routing_key = *burial.routing_key;
    const DeadLetter letter = dead_letter_from(*burial.entry.message, death);
    std::vector<Queue*> takers;
    if (find_takers(letter, exchange, takers) && !takers.empty())
        place(letter.message, takers, burial.again);
}

bool Protocol::find_takers(const DeadLetter& letter, Exchange& exchange,
                           std::vector<Queue*>& takers) {
    const std::span<const std::string> more_keys(letter.routing_keys.begin() + 1,
                                                 letter.routing_keys.end());
    const auto routed = state_.route(
        exchange, shown_to_exchanges(*letter.message, letter.routing_keys.front()), more_keys);
    takers.assign(routed.begin(), routed.end());
    const bool is_routed = !takers.empty();
    std::erase_if(takers,
                  [&](Queue* queue) { return closes_cycle(letter.deaths, queue->name()); });
    return is_routed;
}

} // namespace baton::broker::core
