// A workflow as the engine runs it: checked, names resolved to indices, expressions compiled. It is
// made by orchestrator/definition from a TOML file (or by a test) and never changes afterwards, so
// any number of threads and runs share it as std::shared_ptr<const Workflow>.
//
// Steps lie in one flat vector in the order of the file; a block's children come directly after it.
// Whoever fills a Workflow sets what is marked "given"; link() then computes what is marked
// "derived". The maker guarantees, link() does not check again:
//   - ids are unique and `parent` < own index;
//   - predecessors, go targets and blocks together have no cycle;
//   - expressions only read names in reach.
//
// The implicit predecessors of a step without `after` (link() resolves them):
//   - in `parallel`: none;
//   - else the previous sibling; if that one runs only by go, then the whole group of such siblings
//     directly before it and the sibling before the group. So the step after the branches of a
//     switch is their merge, whichever branch ran.
#pragma once

#include "base/clock.hpp"
#include "base/json_schema.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/event_key.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/expression/pattern.hpp"
#include "orchestrator/expression/program.hpp"
#include "orchestrator/expression/template.hpp"
#include "orchestrator/expression/value.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::orchestrator::core {

using StepIndex = std::uint32_t;
inline constexpr StepIndex no_step = UINT32_MAX;

// What can run more than once in a run: the body of a step that is repeated. Body 0 is the workflow.
using BodyIndex = std::uint32_t;
inline constexpr BodyIndex root_body = 0;

struct SchemaField;
struct Workflow;

// What a field of the input (or a part of it) must look like: the subset of JSON Schema that forms
// and checks need. Empty and absent members ask for nothing.
struct Schema {
    enum class Type : std::uint8_t { any, string, integer, number, boolean, array, object };

    Type type = Type::any;
    bool nullable = false;
    std::string format;                   // "email", "date-time", "date", "uri", "uuid"; else no check
    expression::Pattern pattern;          // of a text
    std::vector<Document> allowed;        // enum
    std::shared_ptr<const Schema> items;  // of an array
    std::vector<SchemaField> fields;      // of an object, in the order of the file
    bool other_fields = true;             // false: fields that are not listed are refused
    std::optional<expression::Value> minimum, maximum; // numbers
    std::optional<std::uint64_t> size_min, size_max;  // bytes of a text, items of an array
    std::string description;
    std::optional<JsonSchema> document;   // what a file says beyond all this
};
// As the workflow file writes it.
std::string_view word_of(Schema::Type type);

struct SchemaField {
    std::string name;
    Schema schema;
    bool required = false;
    std::optional<Document> fallback;     // `default`; fills in when the field is absent
    bool index = false;                   // runs can be found by it: a text, number or boolean of the top
};

// Text patterns for error types: "already_in_team" is itself, "http.*" everything that starts with
// "http." (and "http" itself), "*" everything.
struct ErrorPattern {
    std::string text;
    bool matches(std::string_view error_type) const;
};

// How often and when a failed attempt is tried again. Defaults are those of the language.
struct RetryPolicy {
    std::uint32_t max_attempts = 3;            // all tries together, at least 1
    Duration initial_interval = std::chrono::seconds(1);
    std::uint32_t backoff_percent = 200;       // 200 is backoff = 2.0
    Duration max_interval = std::chrono::minutes(1);
    std::uint32_t jitter_percent = 20;         // the pause is shortened or prolonged by up to this
    std::vector<ErrorPattern> non_retryable;
};

// A policy for errors of some types. It counts the failures that it is for, and no others.
struct RetryRule {
    ErrorPattern error;
    RetryPolicy policy;
};

// Limits of an attempt; absent means none. All begin when the message is handed out, start_to_close
// and heartbeat begin again when the worker says `started`; schedule_to_close spans all attempts.
struct Timeouts {
    std::optional<Duration> schedule_to_start;
    std::optional<Duration> start_to_close = std::chrono::minutes(1);
    std::optional<Duration> heartbeat;
    std::optional<Duration> schedule_to_close;
};

// A call of a worker, or of another workflow whose run is the task: the same for a step and for its undo.
struct TaskCall {
    std::string task;                                  // type: "mail.create"; of a workflow: its name
    bool is_workflow = false;
    bool is_detached = false;                          // of a workflow: done when its run has begun
    std::string queue;                                 // own queue of the type, empty for the common
    std::optional<expression::Template> with;          // absent: {}
    std::uint8_t priority = 4;                         // 0 to 9
    std::string limit;                                 // of Workflow::limits; empty: none
    RetryPolicy retry;                                 // of what no rule is for
    std::vector<RetryRule> retry_rules;                // the first whose error fits counts
    Timeouts timeouts;
    std::optional<expression::Program> idempotency_key; // absent: run/step
};

struct CatchRule {
    enum class Then : std::uint8_t { output, go, go_on }; // go_on is `continue`: output null

    ErrorPattern error;
    Then then = Then::go_on;
    std::optional<expression::Template> output;        // for Then::output; reads `error`
    std::vector<StepIndex> go;                         // for Then::go
};

struct Compensation {
    enum class On : std::uint8_t { completed, attempted };

    TaskCall call;
    On on = On::completed;
    std::optional<expression::Program> when; // reads the step's result; false: nothing to undo
};

// Looks whether an attempt took effect of which nobody knows: before it is tried again, given up or undone.
struct Verification {
    TaskCall call;                                     // without `with`: given what the attempt was given
    expression::Program done;                          // reads `result`; true: it took effect
    std::optional<expression::Template> output{};      // the task's result then; absent: that of the look
};

// What the step gave in another run, under the same key and not long ago, it gives in this one, too.
struct Cache {
    expression::Program key;                           // text or anything plain
    Duration max_age{};
};

struct SwitchCase {
    std::optional<expression::Program> when;           // absent: the default, always last
    std::vector<StepIndex> go;                         // may be empty: nothing to do
};

// What a step does. A block (do, parallel) has children.
struct TaskKind { TaskCall call; };
struct DoKind {};
struct ParallelKind {};
struct SwitchKind { std::vector<SwitchCase> cases; };
struct SetKind { expression::Template values; };       // becomes the step's output
struct WaitKind { Duration duration; };
struct WaitUntilKind { expression::Program time; };    // a timestamp, or text in RFC 3339
struct EndKind { std::optional<expression::Template> output; }; // the run is completed at once
struct FailKind {                                      // the step fails with this error
    std::string type = "failed";
    std::optional<expression::Template> detail;        // text
};
struct SignalKind { expression::Template name; };      // waits for a message to this run
// Asks people.
struct ApprovalKind {
    expression::Template title;
    std::optional<expression::Template> by{};          // a list of users and "role:TAG"; absent: whoever may operate
    std::uint32_t quorum = 1;                          // so many must agree
    std::vector<SchemaField> form{};                   // what they fill in
    std::optional<Duration> remind{};                  // so often they are asked again
};
// Says something to whoever listens.
struct EmitKind {
    expression::Template type;                         // text
    std::optional<expression::Template> subject{};     // text
    std::optional<expression::Template> data{};        // absent: null
};
// Answers who began the run by a call, and goes on.
struct ReplyKind { expression::Template value; };
// Waits for an event that is told to everybody, and not to this run.
struct EventKind {
    struct Match {
        std::string path;                              // "data.order", in the event
        expression::Template value;                    // what must stand there
    };
    std::string type;
    std::vector<Match> match{};                        // sorted by path; all of them
    Duration keep = std::chrono::days(1);              // so long before the wait it may have come
};
// Waits for the first of several.
struct FirstOfKind {
    struct Way {
        std::string name;
        std::variant<SignalKind, WaitKind, WaitUntilKind, EventKind, ApprovalKind> wait; // one approval at most
    };
    std::vector<Way> ways;
};
using StepKind = std::variant<TaskKind, DoKind, ParallelKind, SwitchKind, SetKind, WaitKind,
                              WaitUntilKind, EndKind, FailKind, SignalKind, ApprovalKind, FirstOfKind,
                              EmitKind, EventKind, ReplyKind>;

enum class Join : std::uint8_t {
    all,    // every predecessor closed; a failed one blocks, a skipped one counts as done
    any,    // the first predecessor that is done
    done,   // every predecessor closed, whatever its end
    count,  // `join_count` predecessors are done
};

struct OnTimeout {
    enum class Then : std::uint8_t { fail, go_on, go };
    Then then = Then::fail;             // go_on is `continue`: the step is done with output null
    StepIndex go = no_step;
};

// A number of items, or a part of all of them.
struct Quota {
    std::uint32_t number = 0;
    bool is_percent = false;

    std::uint32_t at_most(std::uint32_t total) const;  // of a part: rounded down
    std::uint32_t at_least(std::uint32_t total) const; // rounded up
};

// More instances are at work at once in no step.
inline constexpr std::uint32_t parallel_max = 1000;

// One instance of the step for each item of a list.
struct ForEach {
    expression::Program items;
    std::string as = "item";                           // the item's name in the instance
    std::uint32_t max_parallel = 10;                   // instances at once
    std::optional<expression::Program> parallel{};     // says it when the step begins
    std::optional<Quota> tolerate{};                   // so many may fail
    std::optional<Quota> enough{};                     // so many are needed, the rest is cancelled
    std::optional<bool> fail_fast{};                   // absent: as on_failure says

    // The failure of an item is the item's own, and the step as a whole decides what follows from it.
    bool keeps_failures() const { return tolerate || enough || fail_fast; }
};

// One instance of the step after the other.
struct Loop {
    enum class Test : std::uint8_t {
        before, // `while`: goes on as long as the condition holds
        after,  // `until`: goes on until it holds
    };

    Test test = Test::after;
    expression::Program condition;                     // `until` reads the steps of the last instance
    std::uint32_t max_iterations = 1000;
    std::optional<Duration> every;                     // pause between two
};

// What stands beside `for_each`, `while` or `until`: whether and when the step begins (`when`, `after`,
// `join`) is said of the step as a whole, everything else of each instance.
using Repetition = std::variant<ForEach, Loop>;

struct Step {
    // given
    std::string id;
    StepIndex parent = no_step;                        // no_step: top level
    StepKind kind = DoKind{};
    std::optional<std::vector<StepIndex>> after;       // absent: implicit, see above
    Join join = Join::all;
    std::uint32_t join_count = 0;
    bool cancel_rest = false;                          // starting cancels predecessors still open
    std::optional<expression::Program> when;
    std::optional<Duration> block_timeout;             // of a block, a signal, an approval; tasks have TaskCall::timeouts
    OnTimeout on_timeout;
    std::vector<CatchRule> catches;                    // the first match counts
    std::optional<Compensation> compensate;
    std::optional<Verification> verify;                // of a task
    std::optional<Cache> cache;                        // of a task
    std::optional<expression::Template> output;        // `result` is the raw one
    std::optional<Repetition> repetition;
    std::uint32_t line = 0;                            // in the file, for people; 0 unknown
    Phase phase = Phase::main;                         // given at the top level, in blocks as around

    // derived by link()
    std::string path;                                  // "lock.mail"
    std::vector<StepIndex> children;
    std::vector<StepIndex> predecessors;
    std::vector<StepIndex> senders;                    // steps with a go or on_timeout to this one
    bool only_by_go = false;                           // = it has senders
    std::vector<StepIndex> followers;                  // whose predecessor it is
    std::vector<StepIndex> targets;                    // whose sender it is
    BodyIndex body = root_body;                        // that it is a step of
    std::uint32_t slot = 0;                            // its place there
    BodyIndex inner = root_body;                       // of a repeated step: its own body
    bool results_are_read = false;                     // of a for_each: somebody asks what the items gave
};

// The steps of which each instance has states of its own. In the body of a repeated step the first is
// the step itself, as one instance; its state as a whole is in the body around.
struct Body {
    StepIndex owner = no_step;                         // the repeated step; none: the workflow
    std::vector<StepIndex> steps;
    std::vector<StepIndex> top;                        // when all of these are closed, the instance is

    std::uint32_t slot_of(const Workflow& workflow, StepIndex step) const;
};

enum class OnFailure : std::uint8_t { fail, go_on, compensate, pause }; // go_on is `continue`
enum class OnCancel : std::uint8_t { stop, compensate };

struct Idempotency {
    enum class OnDuplicate : std::uint8_t { return_existing, refuse, restart_failed };

    expression::Program key;                           // reads `input`; text or anything plain
    std::optional<Duration> window;                    // absent: for ever
    OnDuplicate on_duplicate = OnDuplicate::return_existing;
};

// How many runs with the same key go on at once, and what becomes of one more.
struct Concurrency {
    enum class OnLimit : std::uint8_t { queue, skip, refuse, replace };

    expression::Program key;                           // reads `input`; text or anything plain
    std::uint32_t limit = 1;
    OnLimit on_limit = OnLimit::queue;
};

// How many tasks that name it are handed out at once, and how fast. Workflows that name a limit alike share it, and
// the smallest of what they say counts.
struct Limit {
    std::optional<Duration> interval;                  // between two tasks: 50 ms is "20/s"
    std::optional<std::uint32_t> max_concurrent;       // with workers, or on their way to them
};

// Starts runs by the clock; orchestrator/schedule decides when.
struct CronTrigger {
    enum class Overlap : std::uint8_t {
        skip,   // while the run before goes on, nothing is started
        queue,  // it waits until the run before has ended
        cancel, // the run before is cancelled, and then it is started
        allow,  // it is started beside it
    };

    std::string cron;
    std::string timezone = "UTC";
    Overlap overlap = Overlap::skip;
    Duration catch_up = std::chrono::hours(1);         // what was missed by less is made up for
    std::uint32_t catch_up_most = 100;                 // and at most so many, the youngest
    Duration jitter{};                                 // each start is put off by less than this
};

// Starts a run for each HTTP request that shows the secret.
struct WebhookTrigger {
    // How a request shows that its sender knows the secret.
    enum class Scheme : std::uint8_t {
        hmac,   // hex HMAC-SHA256 of the body in a header: GitHub, and most others
        slack,  // v0:TIMESTAMP:BODY in X-Slack-Signature, with X-Slack-Request-Timestamp
        stripe, // TIMESTAMP.BODY in Stripe-Signature: t=..,v1=..
        bearer, // the secret itself in Authorization
        none,
    };
    // Where the secret is; it is read at each request, so that it can be changed.
    struct Secret {
        std::string file;        // a path
        std::string environment; // or the name of a variable
    };

    std::string path;                                  // POST /baton/v1/hooks/PATH
    Scheme scheme = Scheme::hmac;
    std::vector<Secret> secrets;                       // any of them, so that they can be changed in turn
    std::string header;                                // of the signature
    std::string prefix;                                // before the hex digits in it: "sha256="
    std::optional<expression::Program> id;             // of the delivery, from `event`: twice the same is one run
    Duration tolerance = std::chrono::minutes(5);      // between its timestamp and now
    std::uint64_t body_bytes_max = 1024 * 1024;
};

// Starts a run for each event of these types on the exchange baton.event.
struct EventTrigger {
    std::string type;                                  // "hr.employee.terminated"; "hr.*", "hr.#" as topics
    std::string source;                                // empty: any
};

// Starts a run for each request to the exchange baton.rpc with this routing key.
struct RpcTrigger {
    std::string name;
    std::optional<Duration> timeout;                   // the caller is told when nothing answered until then
};

// What starts runs by itself: an [[on]] of the file.
struct Trigger {
    std::string name;                                  // unique in the file
    std::variant<CronTrigger, WebhookTrigger, EventTrigger, RpcTrigger> kind;
    std::optional<expression::Program> when;           // reads `event`; false: nothing is started
    std::optional<expression::Template> input;         // reads `event`; absent: {}
    std::uint32_t line = 0;                            // in the file, for people; 0 unknown
};

// "skip"
std::string_view word_of(CronTrigger::Overlap overlap);
// "hmac"

struct Workflow {
    // given
    std::string name;
    std::string description;
    std::optional<Duration> timeout;                   // of a whole run
    OnFailure on_failure = OnFailure::fail;
    OnCancel on_cancel = OnCancel::stop;
    std::uint8_t priority = 4;
    std::optional<Duration> retention;                 // its runs are removed so long after their end
    std::map<std::string, expression::Template, std::less<>> labels; // of its runs; they read `input`
    std::optional<Idempotency> idempotency;
    std::optional<Concurrency> concurrency;
    std::map<std::string, Limit, std::less<>> limits;
    std::vector<SchemaField> input;                    // [input]; what is not listed is refused
    std::vector<Trigger> triggers;                     // in the order of the file
    Document vars;                                     // object or null
    std::vector<Step> steps;
    std::optional<expression::Template> output;        // absent: null

    // given by the store when the definition is deployed; 0 before
    std::uint64_t definition_id = 0;
    std::uint32_t version = 0;

    // derived by link()
    std::vector<StepIndex> top_level;                  // of Phase::main
    std::vector<StepIndex> top_on_error;
    std::vector<StepIndex> top_at_end;
    std::map<std::string, StepIndex, std::less<>> by_path;
    std::map<std::string, StepIndex, std::less<>> by_id;
    std::vector<Body> bodies;                          // the workflow's own, and one for each repeated step
    std::vector<std::string> secrets;                  // that its calls read; sorted
    std::vector<EventShape> event_shapes;              // of its waits for events, each type and paths once
    bool keeps_results = false;                        // a step has a cache
    std::vector<std::string> task_types;               // "mail.create" or "mail.create.eu"; sorted,
                                                       // undos included: what needs a queue
};

inline std::uint32_t Body::slot_of(const Workflow& workflow, StepIndex step) const {
    return step == owner ? 0 : workflow.steps[step].slot;
}

// Whether a label, or an input that runs are found by, may be called so: 1 to 64 letters, digits, _, . and -.
bool is_tag_name(std::string_view name);

// The steps of the top level that have their turn in a phase.
const std::vector<StepIndex>& top_of(const Workflow& workflow, Phase phase);

// Computes everything derived. Call once, before the workflow is shared.
void link(Workflow& workflow);

// Which of the call's retry rules is for the error; as many as there are: none.
std::size_t rule_of(const TaskCall& call, std::string_view error_type);

// The routing key and queue suffix of a call: its type, and the queue's name if it has one; of a workflow
// "workflow:" and its name, which no task type can be.
std::string route_of(const TaskCall& call);
inline constexpr std::string_view workflow_route = "workflow:";

// "task", "do", "parallel", "switch", ...
std::string_view word_of(const StepKind& kind);

// What a step asks people, alone or as one of several waits; null: it asks nobody.
const ApprovalKind* approval_of(const StepKind& kind);


} // namespace baton::orchestrator::core
