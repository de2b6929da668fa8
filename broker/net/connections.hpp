// All connections of one I/O thread: finds the one a command is for, and after each turn lets every
// connection that got something write once. Lives on that thread, but for what is marked.
#pragma once

#include "amqp/frame_reader.hpp"
#include "broker/core/command.hpp"
#include "broker/core/traffic.hpp"
#include "broker/net/held_memory.hpp"
#include "broker/runtime/inlet.hpp"
#include "net/awaitable.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <set>
#include <span>
#include <vector>

namespace baton::broker::net {

class Client;
struct NetOptions;

class Connections {
public:
    // All must outlive it. `thread` tells the threads apart, at most threads_max of them.
    Connections(baton::net::asio::any_io_executor executor, runtime::Inlet& inlet,
                const NetOptions& options, HeldMemory& memory, std::size_t thread);
    static constexpr std::size_t threads_max = 63;
    // The `thread` of the connections where this one was added. Any thread.
    static std::size_t thread_of(core::ConnectionId id);
    const baton::net::asio::any_io_executor& executor() const { return executor_; }

    // Any thread: one more is on its way and will enter. Counted from here on, so that whoever deals
    // connections out sees at once what it did.
    void expect() { ++size_; }
    // Every connection while it exists, logged in or not.
    void enter(Client& client);
    void leave(Client& client);
    // The connection gets an id and with it commands.
    core::ConnectionId add(Client& client);
    void remove(core::ConnectionId id);
    // Any thread: how many there are and how many are on their way.
    std::size_t size() const { return size_.load(); }
    // Called when the last connection has left; empty: nobody wants to know. To be set before the
    // first one comes.
    void when_empty(std::function<void()> call) { when_empty_ = std::move(call); }
    // Those that are not logged in end where they are; with `all`, everybody does.
    void drop(bool all);

    // Memory to read into, shared by all connections: whoever has read gives it to the next.
    amqp::FrameReader::Chunk borrow_chunk();
    void return_chunk(amqp::FrameReader::Chunk chunk);

    // Adds what each connection that is logged in read and wrote.
    void count_traffic(core::TrafficList& all) const;

    // Where the core's turns go.
    void send(std::span<core::Command> commands);

    // Deliveries of `charge` reached the socket. The core hears of it with the next batch; much of
    // it makes a batch of its own, so that the core can deliver more.
    void note_written(core::ConnectionId id, std::uint64_t charge);
    void report_written();

    // A connection has read a little and has nothing to answer. Left alone, the kernel acknowledges
    // that 40 ms later, and so long a client with Nagle's algorithm keeps its next small write to
    // itself. Client::acknowledge() comes in a moment; for one that never needed it, in a longer one,
    // since each moment that ends wakes the thread.
    enum class Patience : std::uint8_t { little, some };
    void acknowledge_soon(core::ConnectionId id, Patience patience = Patience::little);

    // A connection keeps so much in memory now instead of `before`. Much more of it, and the core
    // hears of it at once; more than there may be, and connections of who holds most are let go.
    void note_held(std::uint64_t before, std::uint64_t now);

    // A connection does not read because the inlet is full.
    void wait_for_inlet(core::ConnectionId id) { waiting_.push_back(id); }
    // The inlet has room again.
    void resume();

private:
    struct Slot {
        core::ConnectionId id;
        Client* connection = nullptr;
    };

    Client* find(core::ConnectionId id) const;
    void relieve();
    void let_go_of_most(std::uint64_t excess);
    void set_leaving(std::uint64_t bytes);

    baton::net::asio::any_io_executor executor_;
    runtime::Inlet& inlet_;
    const NetOptions& options_;
    HeldMemory& memory_;
    const std::size_t thread_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::set<Client*> present_;
    std::atomic<std::size_t> size_{0}; // of present_ and of those on their way
    std::vector<amqp::FrameReader::Chunk> chunks_;
    std::function<void()> when_empty_;
    std::uint64_t next_serial_ = 1;
    std::vector<core::ConnectionId> touched_;
    std::vector<core::ConnectionId> waiting_;
    std::vector<core::Written> written_;
    std::uint64_t written_bytes_ = 0;
    bool report_is_posted_ = false;
    struct Unacknowledged {
        baton::net::asio::steady_timer timer;
        std::vector<core::ConnectionId> connections{};
    };
    std::array<Unacknowledged, 2> unacknowledged_; // by patience
    std::uint64_t leaving_bytes_ = 0; // held by those that are being ended
    std::uint64_t grown_bytes_ = 0; // of held memory, since the core was told
    std::atomic<bool> relief_is_posted_{false}; // by any thread
};

} // namespace baton::broker::net
