// What things cost in memory, about: so that whoever declares or opens a great many of them meets a
// limit before the process does. Measured with the optimised build on a 64-bit machine, rounded up.
#pragma once

#include "amqp/field_table.hpp"
#include "broker/core/channel.hpp"
#include "broker/core/exchange.hpp"
#include "broker/core/queue.hpp"

#include <cstdint>

namespace baton::broker::core {

// Each of these is the same whenever it is asked of the same thing.
std::uint64_t footprint(const amqp::FieldTable& table);
std::uint64_t footprint(const Queue& queue);
std::uint64_t footprint(const Exchange& exchange);
std::uint64_t footprint(const Binding& binding);
// With what its I/O thread keeps for it while it is idle.
std::uint64_t footprint(const ConnectionOpened& told);
std::uint64_t footprint(const Consumer& consumer);
std::uint64_t footprint(const TransactionStep& step);

// An open channel without what it holds, on both sides of the inlet.
inline constexpr std::uint64_t channel_footprint = sizeof(Channel) + 512;

} // namespace baton::broker::core
