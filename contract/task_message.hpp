// The task and its reports as values, and how they look as AMQP messages. A task is an RPC request:
// parameters in the body, `reply_to` and `correlation_id` in the properties; everything else lives in
// headers and in the `type` property and may be ignored. Pure; values belong to the caller.
//
//   TaskRequest  -- encode -->  properties + JSON body  -- decode_task -->  TaskRequest
//   TaskReport   -- encode -->  properties + JSON body  -- decode_report -> TaskReport
//
// JSON appears here as text: orchestrator and workers have their own values for it.
#pragma once

#include "amqp/properties.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace baton::contract {

// A body above this is refused on reading (a task) or becomes a failed report: larger results belong
// in a store of their own, with a reference in the report.
inline constexpr std::size_t body_bytes_max = 16 * 1024 * 1024;
// Texts of a problem are cut to this; they are for people and are stored with every attempt.
inline constexpr std::size_t problem_text_bytes_max = 4096;

// Types of problems that Baton itself makes.
inline constexpr std::string_view bad_report_type = "baton.bad_report";
inline constexpr std::string_view bad_task_type = "baton.bad_task";
inline constexpr std::string_view expired_type = "baton.expired";
inline constexpr std::string_view poison_type = "baton.poison";

// One attempt at a task, as the orchestrator (or any RPC client) asks for it. Only `task` and
// `reply_to` are needed; empty texts and absent options are left out of the message.
struct TaskRequest {
    std::string task;                        // type and routing key: "mail.create"
    std::string with;                        // parameters, JSON text; empty means {}
    std::string token;                       // correlation_id and message_id; opaque to workers
    std::string reply_to;                    // where reports go, by the default exchange
    std::optional<std::uint8_t> priority;    // 0 to 9
    std::optional<Duration> starts_within;   // expiration: an older task is never run
    std::string workflow;
    std::int64_t version = 0;                // of the workflow; 0 means none
    std::string run;
    std::string step;
    std::string item;                        // instance of a for_each, as text
    int attempt = 1;
    int max_attempts = 0;                    // 0 means unsaid
    std::string idempotency_key;             // the same for all attempts
    std::optional<Time> deadline;            // no use in working on after it (schedule_to_close)
    std::optional<Duration> timeout;         // of this attempt, from the moment the worker begins
    std::optional<Duration> heartbeat;       // reports of progress at least this often; ack at start
    std::string last_progress;               // JSON text of the previous attempt's last heartbeat
    std::string traceparent;
    std::string tracestate;

    friend bool operator==(const TaskRequest&, const TaskRequest&) = default;
};

// RFC 9457 problem plus what Baton's retry policy wants to know.
struct Problem {
    std::string type = "error";              // stable word that workflows compare: "already_in_team"
    std::string title;
    std::string detail;                      // for people
    int status = 0;                          // HTTP-like number; 0 means none
    std::string data;                        // own fields, JSON text; empty means none
    bool retryable = true;
    std::optional<Duration> retry_after;     // not before this has passed
    // False: nothing was tried, since the target asked to come back later or did not let the worker
    // in. It is tried again (after retry_after) however often that takes.
    bool is_attempt = true;

    friend bool operator==(const Problem&, const Problem&) = default;
};

struct Completed {
    std::string result;                      // JSON text
    friend bool operator==(const Completed&, const Completed&) = default;
};
struct Failed {
    Problem problem;
    friend bool operator==(const Failed&, const Failed&) = default;
};
struct Started {
    std::string worker;                      // name for people: "mail@host:pid"
    friend bool operator==(const Started&, const Started&) = default;
};
struct Heartbeat {
    std::string progress;                    // JSON text, often {"percent":…,"message":…}
    friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
struct Deferred {
    std::optional<Time> until;               // the report will come later, by the same token
    friend bool operator==(const Deferred&, const Deferred&) = default;
};
struct Cancelled {
    friend bool operator==(const Cancelled&, const Cancelled&) = default;
};
struct LogLine {
    std::string level = "info";
    std::string text;
    friend bool operator==(const LogLine&, const LogLine&) = default;
};

using Report = std::variant<Completed, Failed, Started, Heartbeat, Deferred, Cancelled, LogLine>;

struct TaskReport {
    std::string token;                       // correlation_id of the task
    Report report;
    friend bool operator==(const TaskReport&, const TaskReport&) = default;
};

// What is published: properties and body.
struct Message {
    amqp::Properties properties;
    std::string body;
};

// Routing key and exchange are the caller's: baton.task with task_queue's key for a request, the
// default exchange with `reply_to` for a report.
Message encode(const TaskRequest& request);
Message encode(const TaskReport& report);

// The failure says what is wrong in a sentence that can be sent back as a `baton.bad_task` problem.
// A task without token or headers is fine: any AMQP RPC client may call a worker.
Outcome<TaskRequest> decode_task(std::string_view routing_key, const amqp::Properties& properties,
                                 std::string_view body);

// Never fails: what cannot be understood is a Failed report of type baton.bad_report.
TaskReport decode_report(const amqp::Properties& properties, std::string_view body);

// The word in the `type` property: "completed", "failed", ...
std::string_view kind_of(const Report& report);

// The problem as the JSON object that travels, and back (tolerantly: anything becomes a Problem).
std::string to_json(const Problem& problem);
Problem problem_from_json(std::string_view text);

} // namespace baton::contract
