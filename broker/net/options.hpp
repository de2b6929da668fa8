// Limits and words of the wire side, each with its reason.
#pragma once

#include "base/clock.hpp"
#include "net/tls.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace baton::broker::net {

// How listeners with TLS introduce themselves, and what they want from clients.
struct TlsSettings {
    baton::net::TlsOptions files;
    // Where EXTERNAL finds the user's name; nothing: EXTERNAL is not offered, and a certificate lets
    // nobody in by itself.
    std::optional<baton::net::TlsNameSource> login_from;
};

struct NetOptions {
    // What server-properties say. Some clients change their behaviour by product and version.
    std::string product = "Baton";
    std::string version = "0.1.0";
    std::string cluster_name = "baton";

    // RabbitMQ's offers: clients know them, and they bound the memory of one connection.
    std::uint16_t channel_max = 2047;
    std::uint32_t frame_max = 131072;
    std::uint16_t heartbeat_seconds = 60;

    // A client that opens a socket and does not finish logging in.
    Duration handshake_limit = std::chrono::seconds(10);
    // Connections at once, so that descriptors are left for the journal; those who come later wait
    // until one ends. 0: as many as there are descriptors.
    std::size_t connections_max = 0;
    // A client that was told connection.close and does not answer.
    Duration close_limit = std::chrono::seconds(5);

    // How long messages that are not finished may keep publishers waiting (HeldMemory).
    Duration unfinished_patience = std::chrono::seconds(60);

    // How much one read takes at most: thousands of small messages for one system call, and room
    // for a frame of the largest size behind the rest of another. Only pages that were read into
    // cost memory.
    std::size_t read_chunk_bytes = 256 * 1024;
    // Reads of one connection in a row before others get their turn.
    int reads_in_a_row_max = 4;
    // Bodies from this size on are shared with the read buffer instead of copied. A shared body
    // keeps the whole chunk alive, so it must be a good part of it.
    std::size_t shared_body_bytes_min = 64 * 1024;
    // Bytes in an outbox above which the connection is not read: it asks for more replies than it
    // takes.
    std::size_t unread_replies_bytes_max = 4 << 20;
    // How long an I/O thread looks for more before it sleeps, as long as that pays: several times what
    // an answer takes on one machine. Not with a single processor.
    Duration spins = std::chrono::microseconds(60);
    // What may be on its way from one of several I/O threads to the core, in bytes. Above it, the
    // thread's connections are not read.
    std::uint64_t inlet_bytes_max = 1 << 20;
    // Written bytes after which the core is asked to deliver more; a quarter of its window.
    std::uint64_t written_report_bytes = 256 * 1024;
};

} // namespace baton::broker::net
