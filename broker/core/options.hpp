// Limits and defaults of the broker's core, each with its reason.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace baton::broker::core {

struct Options {
    // Names the server gives (amq.gen-…, amq.ctag-…) come from this seed, so that a test sees the
    // same names each time; products take it from the operating system.
    std::uint64_t seed = 1;

    // RabbitMQ 3's limit; larger bodies are refused with 406 and the channel closes.
    std::uint64_t message_bytes_max = 128ULL << 20;

    // How much may lie in one connection's outbox, unwritten. Two full socket buffers keep the wire
    // busy; more only delays other consumers and costs memory.
    std::uint64_t outbox_bytes_max = 1ULL << 20;

    // How a long backlog leaves memory (queue.hpp). Above `page_above` bytes in memory, persistent
    // messages do, which costs nothing but reading them again; above `page_all_above` the others
    // too, which have to be written first. What a queue keeps at its head hides the way to the disk.
    std::uint64_t page_above = 24ULL << 20;
    std::uint64_t page_all_above = 256ULL << 20;
    std::size_t window_entries = 2048;
    std::size_t block_entries = 1024;
    std::uint64_t block_bytes = 256ULL << 10;
    // What streams keep in memory, all together: some blocks for each of those who read old messages,
    // while whoever waits at the end finds the new ones.
    std::uint64_t stream_cache_bytes = 16ULL << 20;
    // Blocks that leave memory in one turn: some milliseconds.
    std::uint32_t blocks_per_turn_max = 64;

    // Bytes in memory above which publishers must wait, and below which they go on: the gap keeps
    // them from being stopped and started for every message. Messages of all queues count, open
    // transactions, what is declared and open, and what connections hold. What a publisher's wait
    // does not stop is refused above its share: declaring above a half, opening above three quarters,
    // transactions above a quarter; the last quarter is for the server's own user.
    std::uint64_t stored_bytes_high = 2ULL << 30;
    std::uint64_t stored_bytes_low = 1800ULL << 20;

    // Chains of dead letters that one turn follows: a ring of queues that reject each other's
    // overflow would otherwise keep the turn from ending.
    std::uint32_t dead_letters_per_turn_max = 100'000;

    // Returned deliveries of a quorum queue without x-delivery-limit before a message counts as
    // poisonous; 20 is RabbitMQ 4's default.
    std::uint32_t quorum_delivery_limit = 20;

    // When true, a later basic.qos also moves the prefetch of consumers the channel already has.
    // RabbitMQ does not; clients that follow the specification (Celery) expect it.
    bool qos_moves_existing_consumers = false;

    // Messages and definitions said again in one turn while old journal segments are emptied: small enough not to
    // delay the turn, large enough to win against writers.
    std::uint32_t repeats_per_turn_max = 256;
    // Sealed segments kept before the oldest is emptied. It is only then, and only while the journal
    // is more than twice as large as what lives in it: a backlog is not copied round and round.
    std::uint32_t sealed_segments_max = 8;
    // Nor is the disk given more than this for what is dead, however few the segments are.
    std::uint64_t journal_spare_bytes = 64ULL << 20;

    // Most channels per connection; agreed in tune.
    std::uint16_t channel_max = 2047;

    // The user of a fresh broker, allowed everything on "/". An empty hash leaves it out.
    // The server's own user: what others are refused above their shares, it may still do.
    std::string own_user = {};

    std::string first_user = "guest";
    std::string first_user_password_hash; // as in record UserPut
    std::string first_user_hash_algorithm = "rabbit_password_hashing_sha256";
};

} // namespace baton::broker::core
