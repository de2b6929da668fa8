// What people are told: runs that failed or that wait for an operator, and approvals that somebody
// is asked for. Each begins a run of a workflow that was chosen for it, which writes a letter,
// posts a message or calls another system, with all that runs have.
//
// Each is told once, and never lost: what is told stays in the outbox until the run that tells of
// it is stored, and that one has its place in the outbox for its key. Where that run cannot begin
// (its workflow is not deployed, or wants other input), a dead letter is stored instead, and sent
// again it begins the run. Pure; who starts it is the dispatcher.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/command.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::messaging {

struct NoticeOptions {
    struct Teller {
        std::string workflow{}; // empty: nobody is told
        std::string with{};     // JSON object: further input of it
        std::vector<std::string>
            only{}; // of runs of these workflows; a * at the end stands for the rest. Empty: of all
    };
    Teller failures{};
    Teller approvals{};
    std::string page_url{}; // where people reach the page, without a / at its end
};

// Nothing: it is no failure, or nobody is to be told of this one.
std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceRun& run,
                                               const runtime::OutboxPlace& place);
// Also of a reminder.
std::optional<runtime::StartRequest> notice_of(const NoticeOptions& options,
                                               const core::AnnounceApproval& asked,
                                               const runtime::OutboxPlace& place);

// A notice that could not begin, and the start that its dead letter stands for; the failure says
// why it stands for none.
inline constexpr std::string_view notice_reason = "notice";
runtime::DeadLetter letter_of(const runtime::StartRequest& notice, const Failure& why);
Outcome<runtime::StartRequest> notice_in(const runtime::DeadLetter& letter);

} // namespace baton::orchestrator::messaging
