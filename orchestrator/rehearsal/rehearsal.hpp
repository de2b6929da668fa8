// Plays a run without a server: the orchestrator's core decides as it does live, workers answer as
// the test says, and time is simulated, so that a month passes in milliseconds. Pure: the same test
// gives the same story on every machine.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/judge.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/run_story.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/rehearsal/test_file.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::rehearsal {

// What goes wrong on the way. The default is nothing.
struct Disturbance {
    // Behind so many transitions (from 1) the server dies: its tasks were handed out, its notes of
    // that are lost, and nobody heard that the report was taken. So both come again.
    std::optional<std::size_t> crash_after{};
    // Of the reports that wait when the one of this number (from 1) is due, a later one overtakes
    // it.
    std::optional<std::size_t> overtaken{};
};

// A task that was handed to a worker.
struct Call {
    std::string step; // address
    bool undo = false;
    std::string task; // with its queue
    core::Document with;
    std::string key; // idempotency
    std::uint32_t attempt = 0;
    Duration at{}; // since the run began
};

struct Played {
    core::Run run;
    bool is_started = true; // false: the trigger's `when` says no
    std::vector<core::StepStory> steps{};
    std::vector<Call> calls{}; // those of a crash, that come twice, once
    Duration took{};
    std::size_t transitions = 0;
    std::size_t reports = 0;           // that workers sent
    std::vector<std::string> events{}; // what moved the run, in order, for people
    std::vector<std::string>
        complaints{}; // the test itself is at fault, or a worker had an effect twice
};

// More events than any honest run of a test has; an endless loop ends here.
inline constexpr std::size_t events_max = 200'000;

// `judge` lets others see which way expressions went.
Played play(const core::Workflow& workflow, const TestCase& test,
            const core::Judge& judge = core::evaluating_judge(),
            const Disturbance& disturbance = {}, std::size_t most_events = events_max);

// In what the end differs from what was expected, a sentence each; empty: in nothing.
std::vector<std::string> differences(const TestCase& test, const Played& played);

// "people[17].send" without its numbers: "people.send".
std::string without_numbers(std::string_view address);
// The type of a problem; empty: it is none.
std::string error_type_of(const core::Document& error);

// A crash behind each transition, each report doubled with it, and each two reports that wait
// together in the other order: whatever happens, the run must end as the test expects. The shortest
// story that breaks it, or nothing.
struct Broken {
    std::string how;                 // "a crash behind transition 3"
    std::vector<std::string> events; // up to where it went wrong
    std::vector<std::string> differences;
};
struct Crashes {
    std::size_t played = 0;
    std::optional<Broken> broken{};
};
Crashes crash_everywhere(const core::Workflow& workflow, const TestCase& test);

} // namespace baton::orchestrator::rehearsal
