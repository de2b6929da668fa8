// Dead letters that may not get lost (x-dead-letter-strategy=at-least-once): while there is no route
// for one, or a queue behind the exchange has no room, it is held and offered again. It has left the
// ready messages of its queue, but not its limits and not the journal: after a restart it is back in
// its place.
//
// Letters of one queue are offered in order, a bounded number at a time; who comes behind too many
// that nobody takes has to wait, too.
#include "broker/core/protocol.hpp"

#include <algorithm>

namespace baton::broker::core {

namespace {

// The first pause is what a person hardly notices; the last one costs nothing even when thousands of
// queues wait.
constexpr Duration first_pause = std::chrono::seconds(1);
constexpr Duration longest_pause = std::chrono::seconds(16);
// Offered in vain before the rest has to wait; as many as RabbitMQ has under way at a time.
constexpr std::size_t refused_max = 32;
// Of one queue in one tick.
constexpr std::size_t offered_max = 1024;
constexpr std::size_t queues_per_tick_max = 64;

} // namespace

bool Protocol::send(Queue& queue, HeldLetter& letter) {
    const QueueSettings& settings = queue.settings();
    Exchange* exchange = queue.identity().vhost->exchange(*settings.dead_letter_exchange);
    if (exchange == nullptr) return false;
    Death death{letter.reason, queue.name(), now_, *settings.dead_letter_exchange, std::nullopt};
    if (settings.dead_letter_routing_key)
        death.dead_letter_routing_key = *settings.dead_letter_routing_key;
    const DeadLetter dead = dead_letter_from(*letter.entry.message, death);
    std::vector<Queue*> takers;
    if (!find_takers(dead, *exchange, takers)) return false;
    std::erase_if(takers, [&](Queue* taker) {
        return std::find(letter.taken_by.begin(), letter.taken_by.end(), taker->id()) !=
               letter.taken_by.end();
    });
    bool all_took = true;
    std::erase_if(takers, [&](Queue* taker) {
        if (!refuses(*taker, *dead.message)) return false;
        // What is there already counts as taken.
        if (taker->is_full() && taker->settings().overflow != Overflow::drop_head)
            all_took = false;
        return true;
    });
    if (!takers.empty()) store(dead.message, takers, queue.may_have_left_before(letter.entry));
    if (all_took) return true;
    for (const Queue* taker : takers) letter.taken_by.push_back(taker->id());
    return false;
}

void Protocol::send_or_hold(Queue& queue, HeldLetter letter) {
    // Behind those that wait already, so that none overtakes another.
    if (queue.held == 0 && send(queue, letter)) return forget(queue, letter.entry);
    hold(queue, std::move(letter));
}

void Protocol::hold(Queue& queue, HeldLetter letter) {
    HeldLetters& held = held_letters_[queue.id()];
    queue.held += 1;
    queue.held_bytes += letter.entry.message->body_size();
    held.letters.push_back(std::move(letter));
    if (held.letters.size() > 1) return;
    held.pause = first_pause;
    letter_deadlines_.set(queue.id(), now_ + held.pause);
}

void Protocol::try_held_letters(Queue& queue) {
    const auto found = held_letters_.find(queue.id());
    if (found == held_letters_.end()) return;
    HeldLetters& held = found->second;
    std::deque<HeldLetter> refused;
    std::size_t offered = 0;
    while (!held.letters.empty() && refused.size() < refused_max && offered < offered_max) {
        HeldLetter letter = std::move(held.letters.front());
        held.letters.pop_front();
        ++offered;
        // A policy may have changed what is to be done with them.
        const bool still_held = queue.settings().keeps_dead_letters;
        if (still_held && !send(queue, letter)) {
            refused.push_back(std::move(letter));
            continue;
        }
        queue.held -= 1;
        queue.held_bytes -= letter.entry.message->body_size();
        if (still_held)
            forget(queue, letter.entry);
        else
            bury(queue, std::move(letter.entry), letter.reason);
    }
    const bool some_went = offered != refused.size();
    while (!refused.empty()) {
        held.letters.push_front(std::move(refused.back()));
        refused.pop_back();
    }
    if (held.letters.empty()) {
        held_letters_.erase(found);
        return;
    }
    // Where one was taken there may be room for more.
    held.pause = some_went ? first_pause : std::min(held.pause * 2, longest_pause);
    letter_deadlines_.set(queue.id(), some_went ? now_ : now_ + held.pause);
}

void Protocol::try_held_letters() {
    for (const QueueId id : letter_deadlines_.take_due(now_, queues_per_tick_max))
        if (Queue* queue = state_.queue(id)) try_held_letters(*queue);
}

void Protocol::drop_held_letters(Queue& queue) {
    const auto found = held_letters_.find(queue.id());
    if (found == held_letters_.end()) return;
    for (HeldLetter& letter : found->second.letters) forget(queue, letter.entry);
    held_letters_.erase(found);
    letter_deadlines_.cancel(queue.id());
    queue.held = queue.held_bytes = 0;
}

// Before an orderly stop: what comes back was delivered before, if it was.
void Protocol::note_held_letters() {
    for (const auto& [id, held] : held_letters_)
        for (const HeldLetter& letter : held.letters)
            if ((letter.entry.redelivered || letter.reason != DeathReason::expired) &&
                letter.entry.message->notes.record != 0)
                note(MessageReturned{id, letter.entry.position, letter.entry.delivery_count});
}

} // namespace baton::broker::core
