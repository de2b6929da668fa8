// How much memory this process may have: the machine's, or less in a container.
#pragma once

#include <cstdint>

namespace baton::broker {

// In bytes; reads /proc and the control group. Never 0: where nothing can be read, 1 GiB.
std::uint64_t memory_limit();

} // namespace baton::broker
