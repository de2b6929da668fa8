// A request about a run as it travels to the node that owns the run, and the answer on its way
// back: JSON, of which members that nobody here knows are ignored and missing ones are empty, so
// that nodes of different versions understand each other. Pure values.
#pragma once

#include "orchestrator/core/event.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/run_tags.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::runtime {

struct Request {
    enum class Kind : std::uint8_t {
        start,
        cancel,
        retry,
        skip_undo,
        finish,
        redrive,
        drop,
        watch,
        start_dead_job,
        cancel_dead_job,
        queue_lost,
        pause,
        resume,
        skip,
        set_output,
        edit_input,
        rerun,
        mend,
        signal,
        event,
        approve,
        reject
    };
    Kind kind = Kind::watch;
    std::uint32_t hops = 0; // how often it was sent on
    std::string run_id;     // of a start: the one it shall have
    std::string actor;
    std::string reason;
    std::string step; // skip_undo, skip, set_output, edit_input, rerun, approve, reject
    std::string name; // signal, whose id is the key; event: its id, and what it is found by is the key
    std::vector<std::string> roles;       // of the actor: approve, reject
    bool may_operate = false;             // likewise
    bool undo = false;                    // edit_input: of the step's undo
    bool now = false;                     // retry
    RunStatus status = RunStatus::failed; // finish
    std::uint64_t after_seq = 0;          // watch
    std::optional<std::uint64_t> only_at; // of what changes a run: the version it must have
    std::uint64_t id = 0;                 // of a dead letter or a bulk job; event: when it came, in microseconds
    std::optional<std::string> body;      // redrive
    std::string input; // JSON: start, redrive, set_output, edit_input, signal, approve, reject
    // start
    std::string workflow;
    std::uint32_t version = 0;
    std::string key;
    std::string fallback_key;
    std::string caller; // JSON
    std::string traceparent;
    std::string tracestate;
    Labels labels;
    std::optional<Time> scheduled_at;
    bool is_by_trigger = false;
    // start_dead_job: key, actor, drops, filter, interval, stop_after and reason of it
    DeadJob job;
    // queue_lost
    std::vector<std::string> routes;
};

struct Answer {
    std::string run_id;
    std::uint64_t seq = 0;
    RunStatus status = RunStatus::running;
    bool is_new = false;
    bool is_skipped = false; // of a start, as in Started
    bool is_queued = false;
    std::uint32_t workflow_version = 0;
    DeadJob job;
};

// What a request is called in its JSON, for logs.
std::string_view word_of(Request::Kind kind);

// What an operator asks of a run beside these, as its own kind of request; and back.
void put_event(Request& request, const core::Event& event);
Outcome<core::Event> event_of(const Request& request);

std::string to_json(const Request& request);
// The failure says what is wrong: no JSON, or a kind that this version does not know.
Outcome<Request> request_from_json(std::string_view text);

// An answer, or the failure with its code and sentence.
std::string to_json(const Outcome<Answer>& answer);
Outcome<Answer> answer_from_json(std::string_view text);

} // namespace baton::orchestrator::runtime
