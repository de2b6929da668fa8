// The tests beside a workflow, `NAME.test.toml`: what workers are said to answer, what people do
// meanwhile, and what must become of the run. Read and checked against the workflow; no I/O, no
// state.
//
//   [[test]]
//   name   = "Slack stays down: everything is undone"
//   input  = { email = "ada@x.org" }
//   mock   = { "mail.create" = { id = 7 }, "slack.invite" = { error = "unavailable" } }
//   act    = [ { after = "5m", cancel = "she does not come" } ]
//   expect = { status = "compensated", calls = ["mail.create", "slack.invite x8", "mail.delete"] }
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/diagnostic.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::rehearsal {

// What a worker answers to one call, or to several.
struct Answer {
    enum class Kind : std::uint8_t { result, error, silence };

    Kind kind = Kind::result;
    core::Document result{};
    core::Problem problem{};
    Duration after{}; // simulated, from the moment the task is handed out
    std::optional<std::uint32_t>
        times{};               // calls it answers; absent: one, the last of a list all that follow
    bool is_idempotent = true; // false: the same call twice has two effects
};

// Something a person does to the run, so long after its start.
struct Act {
    Duration after{};
    core::Event event;
};

// "mail.create", or "mail.create x8" for so many in a row.
struct ExpectedCalls {
    std::string task;
    std::uint32_t times = 1;
};

// Absent members are not looked at. Tables fit when each member that is named fits.
struct Expectation {
    bool started = true; // false: the trigger's `when` says no
    std::optional<core::RunStatus> status{};
    std::optional<core::Document> output{};
    std::optional<std::string> error{};                // the type of the run's error
    std::optional<std::vector<ExpectedCalls>> calls{}; // of all tasks, undos too, in their order
    std::map<std::string, std::uint32_t> called{};     // by task; in whatever order
    std::map<std::string, core::Document> with{};      // by step: what its first attempt was given
    std::map<std::string, std::string>
        steps{};                      // by step: what became of it, as `baton show` says it
    std::optional<Duration> within{}; // simulated, from start to end
};

struct TestCase {
    std::string name;
    std::uint32_t line = 0;
    core::Document input{}; // null: none
    const core::Trigger* trigger =
        nullptr;            // of the workflow: makes the input of `event`; null: `input` is it
    core::Document event{}; // what the trigger's expressions read
    std::optional<Time> starts_at{}; // absent: the first second of 2026
    std::map<std::string, std::vector<Answer>, std::less<>>
        mocks{};             // by step, task, or "*" for all others
    std::vector<Act> acts{}; // in the order of time
    Expectation expect{};
};

struct TestFile {
    std::vector<TestCase> tests{};
    std::vector<definition::Diagnostic> diagnostics{}; // with errors there are no tests
};

// `file` is the name diagnostics begin with.
TestFile read_tests(std::string_view source, std::string_view file, const core::Workflow& workflow);

// The file a test file is of when it does not say so: "a.toml" of "a.test.toml"; empty: not called
// so.
std::string workflow_file_of(std::string_view test_file);

} // namespace baton::orchestrator::rehearsal
