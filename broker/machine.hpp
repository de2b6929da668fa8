// What this process may have of the machine: all of it, or less in a container.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::broker {

// In bytes; reads /proc and the control group. Never 0: where nothing can be read, 1 GiB.
std::uint64_t memory_limit();

// Open files: raises the limit to what this process may have, since every connection needs one and
// the usual limit of 1024 is a legacy of select(). 0: there is none.
std::size_t raise_descriptor_limit();

// Whole processors; never 0.
unsigned processor_limit();

} // namespace baton::broker
