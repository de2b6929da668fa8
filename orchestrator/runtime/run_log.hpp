// Lines that workers say of a run while they work. They change no run and stand beside its history,
// numbered by run; of a run that says much the oldest go.
#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

struct RunLogLine {
    std::string run_id;       // left empty where a page of one run is read
    std::uint64_t number = 0; // 1, 2, ... of the run; given by the store
    Time at{};                // when it came
    std::string step;         // "lock.mail", "lock.mail:undo"
    std::uint32_t attempt = 0;
    std::string level; // debug, info, warning, error
    std::string text;
    // The broker brings it for the second time: it may be kept already.
    bool came_before = false;
};

// What a run keeps; a line is cut to `line_bytes`.
struct RunLogLimits {
    std::size_t lines = 1000;
    std::size_t bytes = std::size_t{256} * 1024;
    std::size_t line_bytes = 4096;
};

struct RunLogPage {
    std::vector<RunLogLine> lines; // in order
    std::uint64_t dropped = 0;     // so many of the run's first lines are gone
    bool has_more = false;         // behind the last one
};

} // namespace baton::orchestrator::runtime
