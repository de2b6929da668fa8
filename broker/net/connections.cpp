#include "broker/net/connections.hpp"

#include "broker/net/client.hpp"
#include "broker/net/options.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace baton::broker::net {
namespace {

// An id is a serial number, never used twice, in front of the thread and of the slot where the
// connection is found.
constexpr int slot_bits = 20;
constexpr int thread_bits = 6;
constexpr std::uint64_t slot_mask = (1ULL << slot_bits) - 1;
// The last thread's number is that of connections without a socket (mqtt::Sessions).
static_assert(Connections::threads_max == (1 << thread_bits) - 1);

// One connection reads at a time; a second chunk is spare while bodies keep the first.
constexpr std::size_t spare_chunks_max = 2;

} // namespace

Connections::Connections(baton::net::asio::any_io_executor executor, runtime::Inlet& inlet,
                         const NetOptions& options, HeldMemory& memory, std::size_t thread)
    : executor_(std::move(executor)),
      inlet_(inlet),
      options_(options),
      memory_(memory),
      thread_(thread),
      unacknowledged_{Unacknowledged{baton::net::asio::steady_timer(executor_)},
                      Unacknowledged{baton::net::asio::steady_timer(executor_)}} {
    memory_.when_relief_is_asked([this] {
        if (!relief_is_posted_.exchange(true))
            baton::net::asio::post(executor_, [this] { relieve(); });
    });
}

std::size_t Connections::thread_of(core::ConnectionId id) {
    return id.value >> slot_bits & ((1U << thread_bits) - 1);
}

void Connections::enter(Client& client) {
    present_.insert(&client);
}

core::ConnectionId Connections::add(Client& client) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    const core::ConnectionId id{(next_serial_++ << thread_bits | thread_) << slot_bits | slot};
    slots_[slot] = {id, &client};
    return id;
}

void Connections::remove(core::ConnectionId id) {
    const auto slot = static_cast<std::uint32_t>(id.value & slot_mask);
    slots_[slot] = {};
    free_.push_back(slot);
}

void Connections::leave(Client& client) {
    present_.erase(&client);
    if (client.is_going())
        set_leaving(leaving_bytes_ - std::min(leaving_bytes_, client.held_bytes()));
    if (--size_ == 0 && when_empty_) when_empty_();
}

void Connections::drop(bool all) {
    for (Client* connection : present_)
        if (all || !connection->is_open()) connection->drop();
}

amqp::FrameReader::Chunk Connections::borrow_chunk() {
    if (chunks_.empty()) return {};
    amqp::FrameReader::Chunk chunk = std::move(chunks_.back());
    chunks_.pop_back();
    return chunk;
}

void Connections::return_chunk(amqp::FrameReader::Chunk chunk) {
    if (chunk.bytes != 0 && chunks_.size() < spare_chunks_max) chunks_.push_back(std::move(chunk));
}

Client* Connections::find(core::ConnectionId id) const {
    const std::uint64_t slot = id.value & slot_mask;
    if (slot >= slots_.size() || slots_[slot].id != id) return nullptr;
    return slots_[slot].connection;
}

void Connections::count_traffic(core::TrafficList& all) const {
    for (const Slot& slot : slots_)
        if (slot.connection != nullptr) all.emplace_back(slot.id, slot.connection->traffic());
}

void Connections::send(std::span<core::Command> commands) {
    core::ConnectionId id;
    Client* connection = nullptr;
    for (core::Command& command : commands) {
        if (command.connection != id) {
            id = command.connection;
            connection = find(id);
        }
        if (connection == nullptr) continue;
        if (connection->add(command)) touched_.push_back(id);
    }
    for (const core::ConnectionId touched : touched_)
        if (Client* found = find(touched)) found->flush();
    touched_.clear();
}

void Connections::note_written(core::ConnectionId id, std::uint64_t charge) {
    if (!written_.empty() && written_.back().connection == id)
        written_.back().bytes += charge;
    else
        written_.push_back({id, charge});
    written_bytes_ += charge;
    if (written_bytes_ < options_.written_report_bytes || report_is_posted_) return;
    report_is_posted_ = true;
    baton::net::asio::post(executor_, [this] {
        report_is_posted_ = false;
        if (written_.empty()) return;
        inlet_.begin();
        report_written();
        inlet_.end();
    });
}

void Connections::report_written() {
    for (const core::Written& written : written_)
        inlet_.written(written);
    written_.clear();
    written_bytes_ = 0;
}

void Connections::acknowledge_soon(core::ConnectionId id, Patience patience) {
    // An answer that waits for the disk mostly comes earlier, and takes the acknowledgement along.
    // The longer one is short enough for a client that stands still for the first time.
    constexpr std::array<std::chrono::microseconds, 2> pauses{std::chrono::microseconds(500),
                                                              std::chrono::milliseconds(8)};
    const auto which = static_cast<std::size_t>(patience);
    Unacknowledged& all = unacknowledged_.at(which);
    all.connections.push_back(id);
    if (all.connections.size() != 1) return;
    all.timer.expires_after(pauses.at(which));
    all.timer.async_wait([this, &all](const ErrorCode& error) {
        for (const core::ConnectionId waiting : std::exchange(all.connections, {}))
            if (Client* found = find(waiting); found != nullptr && !error) found->acknowledge();
    });
}

void Connections::note_held(std::uint64_t before, std::uint64_t now) {
    // The core hears at once of about so much.
    constexpr std::uint64_t step_bytes = 1 << 20;
    if (now < before) return memory_.take(before - now);
    memory_.add(now - before);
    grown_bytes_ += now - before;
    if (grown_bytes_ < step_bytes) return;
    grown_bytes_ = 0;
    memory_.ask_for_relief();
}

void Connections::relieve() {
    relief_is_posted_ = false;
    inlet_.begin();
    inlet_.apply(core::Ticked{});
    inlet_.end();
    std::uint64_t held = 0, leaving = 0;
    for (const Client* one : present_)
        (one->is_going() ? leaving : held) += one->held_bytes();
    set_leaving(leaving);
    if (memory_.excess() == 0) return;
    let_go_of_most(memory_.part_of_excess(held));
}

void Connections::set_leaving(std::uint64_t bytes) {
    memory_.set_leaving(std::exchange(leaving_bytes_, bytes), bytes);
}

// A user counts with all connections together: many that hold little each are as heavy as one that
// holds much. Whoever has not logged in is nobody yet, and counts with all who are nobody.
void Connections::let_go_of_most(std::uint64_t excess) {
    // Less than this is what many a user needs who does no harm.
    constexpr std::uint64_t harmless_bytes = 64 << 10;
    struct Holding {
        std::uint64_t bytes = 0;
        std::vector<Client*> connections; // who goes first last
    };
    std::map<std::string, Holding, std::less<>> holdings;
    for (Client* one : present_) {
        if (one->is_going() || one->held_bytes() == 0) continue;
        // Who obeys cannot finish before memory is there again; the fault is another one's.
        if (memory_.is_impatient() && one->waits_to_publish()) continue;
        Holding& holding = holdings[one->user()];
        holding.bytes += one->held_bytes();
        holding.connections.push_back(one);
    }
    // Who was told and sends on goes before anybody else is told: else all of a crowd would be
    // told, and then its neighbour.
    for (auto& [user, holding] : holdings)
        std::ranges::sort(holding.connections, {}, [](const Client* one) {
            return std::pair(one->was_told(), one->held_bytes());
        });
    while (excess != 0 && !holdings.empty()) {
        Holding& most = std::ranges::max_element(holdings, {}, [](const auto& one) {
                            return one.second.bytes;
                        })->second;
        if (most.bytes <= harmless_bytes) return;
        Client& largest = *most.connections.back();
        most.connections.pop_back();
        const std::uint64_t before = largest.held_bytes();
        largest.let_go();
        most.bytes -= before;
        // What one that was told has read and not looked at goes in a moment, too: not looked at,
        // it is no reason to tell another one.
        const bool goes = largest.is_going() || largest.was_told();
        const std::uint64_t kept = goes ? 0 : std::min(before, largest.held_bytes());
        if (largest.is_going()) set_leaving(leaving_bytes_ + largest.held_bytes());
        excess -= std::min(excess, before - kept);
    }
}

void Connections::resume() {
    for (const core::ConnectionId id : std::exchange(waiting_, {}))
        if (Client* found = find(id)) found->resume();
}

} // namespace baton::broker::net
