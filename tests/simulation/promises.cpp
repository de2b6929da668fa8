#include "tests/simulation/promises.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace baton::test {
namespace {

// BATON_DISK_TRACE=MESSAGE follows one message, for finding out what led to a complaint.
std::uint64_t traced_message() {
    static const char* const wanted = std::getenv("BATON_DISK_TRACE");
    return wanted == nullptr ? 0 : std::strtoull(wanted, nullptr, 10);
}

template <typename... Arguments>
void trace(Promises::Key key, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    if (key.first != traced_message() || key.first == 0) return;
    fmt::print(stderr, "{} of {}: {}\n", key.first, key.second,
               fmt::format(text, std::forward<Arguments>(arguments)...));
}

} // namespace

void Promises::complain(std::string text) {
    if (complaint_.empty()) complaint_ = std::move(text);
}

std::string Promises::name(Key key) {
    return fmt::format("message {} of queue {}", key.first, key.second);
}

// --- Publishing ----------------------------------------------------------------------------------

void Promises::published(Key key, bool is_persistent, Order order, int transaction) {
    Copy copy;
    trace(key, "published at {}{}, transaction {}", order, is_persistent ? " persistent" : "",
          transaction);
    copy.order = order;
    // A log keeps everything, whatever the publisher says.
    copy.is_persistent = is_persistent || key.second == log_;
    copy.published_in = transaction;
    copies_.emplace(key, copy);
    if (transaction != 0) transactions_.emplace(transaction, false);
}

void Promises::confirmed(const std::vector<Key>& keys, Order order) {
    bool is_durable = false;
    for (const Key& key : keys) {
        trace(key, "confirmed");
        Copy& copy = copies_.at(key);
        copy.is_promised = copy.is_persistent;
        is_durable = is_durable || copy.is_persistent;
    }
    if (is_durable) prove(order);
}

void Promises::refused(const std::vector<Key>& keys) {
    for (const Key& key : keys) copies_.at(key).must_be_gone = true;
}

// Everything settled before this is durable.
void Promises::prove(Order order) {
    std::erase_if(settled_, [&](const auto& settled) {
        if (settled.first >= order) return false;
        copies_.at(settled.second).must_be_gone = true;
        return true;
    });
}

void Promises::committed(int transaction, Order order) {
    bool is_durable = false;
    for (auto& [key, copy] : copies_) {
        if (copy.published_in == transaction && copy.is_persistent)
            copy.is_promised = is_durable = true;
        if (copy.settled_in == transaction) copy.must_be_gone = true;
    }
    transactions_[transaction] = true;
    if (is_durable) prove(order);
}

// --- Deliveries ----------------------------------------------------------------------------------

void Promises::check_delivery(Key key, const Copy& copy, QueueIndex from, bool redelivered) {
    const bool is_dead = from == dead_letters && key.second != dead_letters;
    if (copy.must_be_gone) complain(name(key) + " was delivered though it was gone for good");
    if (copy.is_settled) complain(name(key) + " was delivered after it was settled");
    if (copy.is_held) complain(name(key) + " was delivered while somebody held it");
    if (!is_dead && from != key.second)
        complain(fmt::format("{} was delivered from queue {}", name(key), from));
    if (is_dead && !keeps_dead_[key.second]) complain(name(key) + " became a dead letter");
    if (!is_dead && copy.has_left_queue)
        complain(name(key) + " was delivered after it was purged or its queue deleted");
    if (copy.was_given[is_dead ? 1 : 0] && !redelivered)
        complain(name(key) + " was delivered again without saying so");
}

void Promises::delivered(Key key, QueueIndex from, std::uint64_t channel, bool redelivered,
                         bool is_held) {
    trace(key, "delivered from {} on {}{}{}", from, channel, redelivered ? " again" : "",
          is_held ? "" : " to nobody");
    const auto found = copies_.find(key);
    if (found == copies_.end()) return complain(name(key) + " was delivered, but never published");
    Copy& copy = found->second;
    for (auto& [number, clearing] : clearings_)
        if (!clearing.is_deletion) clearing.keys.erase(key);
    const bool is_dead = from == dead_letters && key.second != dead_letters;
    if (is_held) {
        check_delivery(key, copy, from, redelivered);
        // A connection that is gone may have had a message in between that nobody saw.
        if (from != dead_letters && !copy.was_given_now &&
            (!redelivered || !has_lost_connection_)) {
            Order& last = last_given_[{channel, from}];
            if (copy.order < last) complain(name(key) + " was delivered out of order");
            last = copy.order;
        }
        copy.is_held = true;
    }
    copy.was_given[is_dead ? 1 : 0] = true;
    copy.was_given_now = true;
}

void Promises::read(Key key, std::uint64_t channel) {
    trace(key, "read on {}", channel);
    const auto found = copies_.find(key);
    if (found == copies_.end()) return complain(name(key) + " was read, but never published");
    Copy& copy = found->second;
    if (copy.must_be_gone || copy.has_left_queue)
        complain(name(key) + " was read though it was gone for good");
    Order& last = last_given_[{channel, key.second}];
    if (copy.order <= last) complain(name(key) + " was read twice or out of order");
    last = copy.order;
    copy.was_given_now = true;
}

void Promises::settle(Key key, Copy& copy, Order order) {
    trace(key, "settled at {}", order);
    copy.is_held = false;
    copy.is_settled = true;
    copy.may_go = true;
    settled_.emplace_back(order, key);
}

void Promises::acknowledged(Key key, Order order, int transaction) {
    Copy& copy = copies_.at(key);
    if (transaction != 0) {
        transactions_.emplace(transaction, false);
        copy.settled_in = transaction;
        copy.may_go_besides = copy.may_go;
    }
    settle(key, copy, order);
}

void Promises::taken(const std::vector<Key>& keys) {
    const Order now = next_order();
    for (auto& [order, key] : settled_)
        if (order == not_taken && std::ranges::find(keys, key) != keys.end()) order = now;
}

void Promises::dropped(Key key, QueueIndex from, Order order) {
    Copy& copy = copies_.at(key);
    if (from == key.second && keeps_dead_[from])
        copy.is_held = false;
    else
        settle(key, copy, order);
}

void Promises::returned(Key key) {
    trace(key, "returned");
    copies_.at(key).is_held = false;
}

void Promises::heard_without_ack(Key key, Order order) {
    --may_vanish_;
    settle(key, copies_.at(key), order);
}

// --- Purged and deleted --------------------------------------------------------------------------

int Promises::clear(QueueIndex queue, bool is_deleted) {
    Clearing clearing{is_deleted, {}};
    for (auto& [key, copy] : copies_) {
        if (key.second != queue || (copy.is_held && !is_deleted)) continue;
        const bool was_owed = !copy.may_go;
        copy.may_go = copy.may_go_besides = true;
        trace(key, "{} {}", is_deleted ? "deleted" : "purged", last_clearing_ + 1);
        // What was gone before, or has become a dead letter, may be so for the time being only.
        if (is_deleted || (was_owed && !keeps_dead_[queue])) clearing.keys.insert(key);
    }
    clearings_.emplace(++last_clearing_, std::move(clearing));
    return last_clearing_;
}

void Promises::cleared(int clearing) {
    const auto found = clearings_.find(clearing);
    if (found == clearings_.end()) return;
    for (const Key& key : found->second.keys) {
        trace(key, "cleared by {}", clearing);
        copies_.at(key).has_left_queue = true;
    }
    clearings_.erase(found);
}

// --- Recovery ------------------------------------------------------------------------------------

void Promises::found(Key key, QueueIndex in) {
    trace(key, "found in {}", in);
    const auto known = copies_.find(key);
    if (known == copies_.end()) return complain(name(key) + " is there, but was never published");
    Copy& copy = known->second;
    if (copy.is_there) complain(name(key) + " is there twice");
    copy.is_there = true;
    if (!copy.is_persistent) complain(name(key) + " is there though it was transient");
    if (in == dead_letters && key.second != dead_letters) {
        if (!keeps_dead_[key.second]) complain(name(key) + " is a dead letter");
        return;
    }
    if (in != key.second) complain(fmt::format("{} is in queue {}", name(key), in));
    if (copy.has_left_queue) complain(name(key) + " is back in a queue that was cleared of it");
    if (in == dead_letters) return;
    Order& last = last_found_[in];
    if (copy.order < last) complain(name(key) + " has lost its place");
    last = copy.order;
}

void Promises::check_transaction(int transaction, bool is_confirmed) {
    std::string done;
    std::string undone;
    for (const auto& [key, copy] : copies_) {
        if (!copy.is_persistent) continue;
        if (copy.published_in == transaction) {
            if (copy.is_there)
                done = name(key) + " is there";
            else if (!copy.may_go && may_vanish_ == 0)
                undone = name(key) + " is missing";
        }
        if (copy.settled_in == transaction) {
            if (copy.is_there)
                undone = name(key) + " is back";
            else if (copy.is_promised && !copy.may_go_besides && may_vanish_ == 0)
                done = name(key) + " is gone";
        }
    }
    if (!done.empty() && !undone.empty())
        complain(fmt::format("half of transaction {}: {}, but {}", transaction, done, undone));
    if (is_confirmed && !undone.empty())
        complain(fmt::format("transaction {} was confirmed, but {}", transaction, undone));
}

void Promises::check_recovered(Key key, const Copy& copy) {
    if (copy.is_there && copy.must_be_gone) complain(name(key) + " has come back");
    if (copy.is_there || !copy.is_promised || copy.may_go || copy.must_be_gone) return;
    if (may_vanish_ == 0) return complain(name(key) + " was promised and is lost");
    --may_vanish_;
}

void Promises::settle_recovery() {
    trace({traced_message(), 0}, "recovered");
    for (const auto& [transaction, is_confirmed] : transactions_)
        check_transaction(transaction, is_confirmed);
    for (auto& [key, copy] : copies_) {
        check_recovered(key, copy);
        copy.must_be_gone = !copy.is_there;
        copy.is_promised = copy.is_there;
        copy.may_go = copy.may_go_besides = copy.is_held = copy.is_settled = false;
        copy.was_given_now = copy.is_there = false;
        copy.published_in = copy.settled_in = 0;
    }
    settled_.clear();
    clearings_.clear();
    transactions_.clear();
    last_given_.clear();
    last_found_.clear();
    may_vanish_ = 0;
    has_lost_connection_ = false;
}

std::size_t Promises::owed() const {
    return static_cast<std::size_t>(std::ranges::count_if(copies_, [this](const auto& known) {
        const auto& [key, copy] = known;
        return key.second != log_ && copy.is_promised && !copy.may_go && !copy.must_be_gone;
    }));
}

std::size_t Promises::unread() const {
    return static_cast<std::size_t>(std::ranges::count_if(copies_, [this](const auto& known) {
        const auto& [key, copy] = known;
        return key.second == log_ && copy.is_promised && !copy.may_go && !copy.was_given_now;
    }));
}

} // namespace baton::test
