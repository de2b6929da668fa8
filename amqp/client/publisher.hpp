// Publishing with confirms, pipelined. Every message gets a sequence number and is settled exactly
// once: confirmed (the broker has it for good), nacked (it does not), returned (no queue wanted it,
// mandatory only) or lost (the channel ended first: nobody knows). Thread: the connection's
// executor.
//
// In a window, told by callback:
//   publisher->on_settled([this](const Settled& settled) { ... settled.token ... });
//   while (...) { co_await publisher->room(); publisher->publish(publication, token); }
//   co_await publisher->all_settled();
// Or one by one:
//   const Outcome<void> taken = co_await publisher->publish_confirmed(publication);
#pragma once

#include "amqp/client/channel.hpp"
#include "amqp/client/message.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace baton::amqp::client {

enum class Settlement { confirmed, nacked, returned, lost };

struct Settled {
    // Counts from 1 per Publisher.
    std::uint64_t sequence = 0;
    // Whatever the caller gave to publish().
    std::uint64_t token = 0;
    Settlement how = Settlement::confirmed;
    // For returned: 312 NO_ROUTE. For lost: why the channel ended.
    ErrorCode code;
    std::string text;
};

class Publisher : public std::enable_shared_from_this<Publisher> {
public:
    using OnSettled = std::function<void(const Settled&)>;

    // Puts the channel into confirm mode. A channel has at most one Publisher, and nobody else
    // publishes on it.
    static net::Awaitable<Outcome<std::shared_ptr<Publisher>>>
    open(std::shared_ptr<Channel> channel, std::size_t window = 1000);

    ~Publisher();
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;

    // Called once per message, in no particular order but mostly ascending; from publish() never.
    // It may publish.
    void on_settled(OnSettled callback) { on_settled_ = std::move(callback); }

    // Writes the message and gives its sequence number; does not wait and does not look at the
    // window. Errors: channel_closed, short_string_too_long, value_too_large: then nothing was sent
    // and nothing will be settled.
    Result<std::uint64_t> publish(const Publication& publication, std::uint64_t token = 0);

    // The same, waiting for the settlement. Errors: nacked, returned (text says the reply), or why
    // the channel ended. on_settled is called too.
    net::Awaitable<Outcome<void>> publish_confirmed(Publication publication);

    // Waits until fewer than `window` messages are unsettled and what waits to be written is small.
    // Error: the channel has ended, or cancelled.
    net::Awaitable<Status> room();
    bool has_room() const;
    // Waits until every message is settled; ok also when they were lost.
    net::Awaitable<Status> all_settled();

    std::size_t unsettled() const { return unsettled_; }
    std::uint64_t last_sequence() const { return first_ + entries_.size() - 1; }
    Channel& channel() { return *channel_; }

private:
    friend class Channel;
    friend class Connection;

    // One published message until it and all before it are settled.
    struct Entry {
        std::uint64_t token = 0;
        bool is_settled = false;
        bool is_mandatory = false;
        bool is_returned = false;
        // Tells a returned message from its neighbours: hash of exchange, key, id and body.
        std::size_t fingerprint = 0;
        ErrorCode code;
        std::string text;
    };
    struct Waiter;

    Publisher(std::shared_ptr<Channel> channel, std::size_t window);
    net::Awaitable<Settled> settlement_of(std::shared_ptr<Waiter> waiter);

    // Called by the channel.
    Status take_confirm(std::uint64_t sequence, bool multiple, bool is_ack);
    void take_return(const Returned& returned);
    void take_end(const Failure& reason);
    void bytes_written() { progress_.wake_all(); }

    void settle(std::uint64_t sequence, Settlement how);
    void drop_settled_front();

    std::shared_ptr<Channel> channel_;
    std::size_t window_;
    // The sequence number of entries_.front().
    std::uint64_t first_ = 1;
    std::deque<Entry> entries_;
    std::size_t unsettled_ = 0;
    std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters_;
    net::Broadcast progress_;
    OnSettled on_settled_;
    Buffer properties_;
    bool has_ended_ = false;
};

} // namespace baton::amqp::client
