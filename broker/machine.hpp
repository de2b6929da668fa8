// What this process may have of the machine: all of it, or less in a container.
#pragma once

#include <cstdint>

namespace baton::broker {

// In bytes; reads /proc and the control group. Never 0: where nothing can be read, 1 GiB.
std::uint64_t memory_limit();

// Whole processors; never 0.
unsigned processor_limit();

} // namespace baton::broker
