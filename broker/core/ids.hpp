// The numbers by which things are called across the border of the core.
#pragma once

#include "base/id.hpp"

#include <cstdint>

namespace baton::broker::core {

// Chosen by whoever accepts connections, never reused while the process lives, never 0. The core
// only compares it and hands it back in commands, so it may carry an index of the acceptor's own.
struct ConnectionTag;
using ConnectionId = NumberId<ConnectionTag>;

// AMQP's channel number; 0 is the connection itself.
using ChannelNumber = std::uint16_t;

// A queue for its whole life. Never reused, also not after a restart, so a record that names a
// deleted queue can never hit a younger queue of the same name.
struct QueueTag;
using QueueId = NumberId<QueueTag>;

// Neighbours of a queue that left memory together; see paged_block.hpp. Never reused while the
// process lives.
struct BlockTag;
using BlockId = NumberId<BlockTag>;

// Order of a message in its queue: given when the message arrives, kept when it is delivered and
// returned. With the queue's id it names one stored copy.
using Position = std::uint64_t;

// Records are numbered 1, 2, 3 … over the life of the journal; 0 is "none".
using RecordNumber = std::uint64_t;

// Turns are numbered 1, 2, 3 … over the life of the process; 0 is "none".
using TurnNumber = std::uint64_t;

} // namespace baton::broker::core
