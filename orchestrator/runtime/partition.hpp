// A share of the runs, by the hash of their ids; one process at a time decides about it.
#pragma once

#include <cstdint>

namespace baton::orchestrator::runtime {

using Partition = std::uint16_t;

} // namespace baton::orchestrator::runtime
