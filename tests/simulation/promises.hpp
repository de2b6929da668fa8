// What a broker owes its clients, message by message: the book a client would keep to catch a broker
// that loses, repeats or revives messages. It knows nothing of journals. Whatever it cannot know (was
// this publish still in the socket?) it leaves open, so every complaint is a broken promise.
//
// A copy is one message in one queue it was published to; it is the same copy when it is
// dead-lettered. Queue 0 is where the dead letters of all others go. A log keeps what it delivers: what
// is owed there can be read, and read again, but not taken.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::test {

class Promises {
public:
    using Order = std::uint64_t;
    using MessageId = std::uint64_t;
    using QueueIndex = std::size_t;
    using Key = std::pair<MessageId, QueueIndex>;

    static constexpr QueueIndex dead_letters = 0;

    // `keeps_dead`: does this queue dead-letter what leaves it unacknowledged?
    Promises(std::vector<bool> keeps_dead, QueueIndex log)
        : keeps_dead_(std::move(keeps_dead)), log_(log) {}

    // Everything a client does has its place in time.
    Order next_order() { return ++order_; }

    // --- What clients do and hear ---

    void published(Key key, bool is_persistent, Order order, int transaction = 0);
    // The broker has answered for it. `proves_order`: and for everything durable before that.
    void confirmed(const std::vector<Key>& keys, Order order);
    void refused(const std::vector<Key>& keys);
    // A delivery from this queue; nobody holds it when the client is gone.
    void delivered(Key key, QueueIndex from, std::uint64_t channel, bool redelivered, bool is_held);
    // From the log, by a reader from its beginning.
    void read(Key key, std::uint64_t channel);
    void acknowledged(Key key, Order order, int transaction = 0);
    // Settled behind something the broker has not answered yet, and taken() with its answer.
    static constexpr Order not_taken = UINT64_MAX;
    void taken(const std::vector<Key>& keys);
    // Rejected without requeue.
    void dropped(Key key, QueueIndex from, Order order);
    void returned(Key key);
    void lost_connection() { has_lost_connection_ = true; }
    // Asked for without acknowledgement: one message may go without anybody hearing of it.
    void asked_without_ack() { ++may_vanish_; }
    void heard_without_ack(Key key, Order order);
    void heard_of_nothing() { --may_vanish_; }

    // A queue was asked to be purged or deleted; the number is for cleared(), when its -ok came.
    int clear(QueueIndex queue, bool is_deleted);
    void cleared(int clearing);

    void committed(int transaction, Order order);

    // --- After a crash ---

    // What the recovered broker has in a queue, in its order.
    void found(Key key, QueueIndex in);
    // All was found: the promises are checked, and what is there now is owed from now on.
    void settle_recovery();

    // How many messages somebody should get who takes everything, and how many of the log's promised
    // ones nobody has read since the last recovery.
    std::size_t owed() const;
    std::size_t unread() const;
    const std::string& complaint() const { return complaint_; }
    void complain(std::string text);

private:
    struct Copy {
        Order order = 0;
        bool is_persistent = false;
        bool is_promised = false;
        bool may_go = false;
        bool must_be_gone = false;
        bool has_left_queue = false; // but may be among the dead letters
        bool is_held = false;
        bool is_settled = false;
        int published_in = 0; // a transaction
        int settled_in = 0;   // likewise
        bool may_go_besides = false; // for another reason than that transaction
        bool was_given[2] = {false, false}; // from its queue, from the dead letters
        bool was_given_now = false;         // since the last recovery; of the log: was read
        bool is_there = false;
    };

    void settle(Key key, Copy& copy, Order order);
    void prove(Order order);
    void check_delivery(Key key, const Copy& copy, QueueIndex from, bool redelivered);
    void check_transaction(int transaction, bool is_confirmed);
    void check_recovered(Key key, const Copy& copy);
    static std::string name(Key key);

    std::vector<bool> keeps_dead_;
    QueueIndex log_;
    Order order_ = 0;
    std::map<Key, Copy> copies_;
    std::vector<std::pair<Order, Key>> settled_; // not proven yet
    struct Clearing {
        bool is_deletion = false;
        std::set<Key> keys;
    };
    std::map<int, Clearing> clearings_;
    int last_clearing_ = 0;
    bool has_lost_connection_ = false;
    std::map<int, bool> transactions_; // since the last recovery: was it confirmed?
    std::map<std::pair<std::uint64_t, QueueIndex>, Order> last_given_; // by channel and queue
    std::map<QueueIndex, Order> last_found_;
    std::size_t may_vanish_ = 0;
    std::string complaint_;
};

} // namespace baton::test
