// Everything a run may ask of the world. Commands are not stored: they are derived from the facts of
// the history (fact.hpp), at once after the commit and again after a crash. So each may be carried
// out twice, and everybody who carries one out must bear that.
#pragma once

#include "base/clock.hpp"
#include "base/trace.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event.hpp"
#include "orchestrator/core/status.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace baton::orchestrator::core {

// What a worker is told of one attempt; the same in the fact, the command and the message.
struct TaskOrder {
    std::string route;                   // task type, with its queue: "mail.create", "mail.create.eu"
    Document with;
    std::vector<std::string> secrets;    // where in it secrets belong (JSON pointers): texts with ${secret.NAME}
    std::uint32_t attempt_of_series = 1; // what the worker is told: 1 again after a redrive
    std::uint32_t max_attempts = 0;
    std::uint8_t priority = 4;
    std::string idempotency_key;
    std::optional<Time> start_by;        // a message still queued then is not worth running
    std::optional<Time> deadline;        // of the attempt
    std::optional<Duration> timeout;     // of one attempt, from the moment a worker begins
    std::optional<Duration> heartbeat;
    Document progress;                   // what the attempt before said last, to go on from there; or null
    std::string child_run;               // of a workflow: the run that this attempt is
    std::uint32_t depth = 0;
    bool is_detached = false;
    std::string root;                    // of a workflow: where its family begins; empty: the run that calls
    bool is_look = false;                // no attempt, but a look whether the one before took effect
    trace::Given trace;                  // of the run, where whoever started it said so
};

// Hands one attempt to the workers.
struct DispatchTask : TaskOrder {
    std::string run_id;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    AttemptRef ref;
};

// Tells workers that an attempt is no longer wanted. Its token is dead already.
struct CancelTask {
    std::string run_id;
    AttemptRef ref;
    std::string route;
    std::string child_run; // of a workflow
};

// An event of a workflow's own, for whoever listens on exchange baton.event.
struct EmitEvent {
    std::string run_id;
    std::string workflow;
    std::string id; // the same however often it is published
    std::string type;
    std::string subject;
    Document data;
    Time at{};
    trace::Given trace{}; // of the run, as in TaskOrder
};

// What became of a run that is a step's attempt of another one.
struct ReportToParent {
    std::string run_id;
    ParentRef parent;
    Document output;
    Document error; // not null: it failed
};

// The answer to who began the run by a call and waits.
struct AnswerCaller {
    std::string run_id;
    Document caller; // reply_to, correlation_id
    Document output;
    Document error;  // not null: it failed
};

// The life of a run, for whoever listens on exchange baton.run.
struct AnnounceRun {
    std::string run_id;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    RunStatus status = RunStatus::running;
    Document output;
    Document error;
    bool is_by_hand = false; // an operator made it this
};

// A task died; `step.dead.<task type>` on exchange baton.run.
struct AnnounceDeadTask {
    std::string run_id;
    std::string workflow;
    AttemptRef ref;
    std::string route;
    Document error;
};

// People are asked, or asked again; `approval.asked.<workflow>` and `approval.reminder.<workflow>` on
// exchange baton.run.
struct AnnounceApproval {
    std::string run_id;
    std::string workflow;
    std::uint32_t workflow_version = 0;
    std::string step;
    bool is_reminder = false;
    Document asked; // title, by, quorum
    std::optional<Time> until;
};

using Command = std::variant<DispatchTask, CancelTask, AnnounceRun, AnnounceDeadTask, AnnounceApproval,
                             ReportToParent, EmitEvent, AnswerCaller>;

} // namespace baton::orchestrator::core
