// Random workflows in a world where everything goes wrong: the real engine and the real core over a
// simulated store, a simulated broker, simulated workers and an operator who asks for anything at
// any time. Two engines share the store; each may crash between any two actions, hang while another
// takes over, and come back. When the faults are over every run must end, and its history must show
// that all promises were kept (run_checks.hpp). Everything follows from a seed.
#pragma once

#include <cstdint>
#include <string>

namespace baton::test {

struct WorkflowClimate {
    bool fence = true;     // the store asks who owns a partition
    bool read_back = true; // who takes over publishes again what may not have been
};

struct WorkflowLife {
    std::string complaint; // empty: all promises were kept
    std::string source;    // of the workflow
    std::string story;     // the history of its runs
};

WorkflowLife live(std::uint64_t seed, WorkflowClimate climate);

} // namespace baton::test
