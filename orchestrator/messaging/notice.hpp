// Runs that failed, or that wait for an operator, told to people: each begins a run of a workflow
// that somebody chose for it, which writes a letter, posts a message or calls another system, with
// all that runs have.
//
// A failure is told once, and never lost: the run's end stays in the outbox until the run that
// tells of it is stored, and that one has the end's place in the outbox for its key. Pure; who
// starts it is the dispatcher.
#pragma once

#include "orchestrator/core/command.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::messaging {

struct NoticeOptions {
    std::string workflow; // empty: nobody is told
    std::string with;     // JSON object: further input of it
    std::vector<std::string>
        only{}; // of runs of these workflows; a * at the end stands for the rest. Empty: of all
};

// Nothing: it is no failure, or nobody is to be told of this one.
std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceRun& run,
                                               const runtime::OutboxPlace& place);

} // namespace baton::orchestrator::messaging
