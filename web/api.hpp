// The JSON API under /api: runs, workflows, dead letters, calls of single tasks, health. Everything
// but health needs a user of the broker (HTTP basic, or a session) with the tag that the route asks for, and what
// another web site makes a browser send is refused (same_site.hpp). Only asks: changes go to the engine as
// requests, reads go to RunQueries.
//
//   GET  /api/health
//   GET  /api/workflows                          live versions
//   POST /api/workflows          {source, file}  checks and deploys; 422 with the report if it is wrong
//   POST /api/runs               {workflow, version?, input?, key?, fallback_key?}; the last one counts
//                                where neither the request nor the workflow has a key
//   GET  /api/runs               ?workflow= &status= &before= &limit=
//   GET  /api/runs/{run}
//   GET  /api/runs/{run}/history ?after=SEQ &wait=SECONDS    waits until there is more
//   POST /api/runs/{run}/cancel  {reason?}
//   POST /api/runs/{run}/skip-undo {step, reason}
//   POST /api/runs/{run}/finish {status, reason}
//   POST /api/runs/{run}/…       terminate, pause, resume, skip, set-output, edit-input, rerun,
//                               signal, approve, reject: run_operations.hpp
//   GET  /api/incidents
//   POST /api/runs/{run}/retry
//   POST /api/jobs               {q, action, reason?, status?, now?, step?, rate?, stop_after?, key?}: many runs, by the server
//   GET  /api/jobs, /api/jobs/{job}   POST /api/jobs/{job}/cancel
//   GET  /api/schedules          ?schedule= &next=   what starts by the clock: schedule_ask.hpp
//   POST /api/schedules/{schedule}/…  pause {reason?}, resume, run {beside?}, backfill {from, until?, dry_run?}
//   GET  /api/doctor/runs        ?before=RUN or ?run=RUN: a page of runs against their histories
//   GET  /api/doctor/indexes     what is kept beside the runs and does not go with them
//   POST /api/runs/{run}/mend    {reason, tasks?}: written anew from its history; tasks nobody began are sent again
//   GET  /api/counts
//   GET  /api/dead               ?state= &task= &run= &before= &limit=
//   GET  /api/dead/{id}   POST /api/dead/{id}/redrive   DELETE /api/dead/{id}
//   GET  /api/tasks/NAME         {task, queue, waiting, workers, held?}   who serves it now
//   GET  /api/tasks              those that workers announce, with JSON Schemas
//   POST /api/tasks/NAME/…       pause, resume {reason?}: of the task type; POST /api/workflows/NAME/…: of the workflow
//   GET  /api/pauses             what people let pause
//   GET  /api/workers            who announced himself and is there
//   POST /api/call               {task, with, timeout_ms?}
//   POST /api/backup             {folder}; from this machine only, since the folder is on it
//   POST /api/login              begins a session (a cookie) for whoever shows a password in Authorization;
//   GET  /api/login              who asks; DELETE ends the session
//   GET  /api/version
//   GET  /api/metrics            counters of the engine
//   GET  /metrics[/per-object|/detailed]   for Prometheus: metrics.hpp
//
// The routes of the broker are RabbitMQ's: broker_api.hpp lists them. Baton's own dialect is /baton/v1, which
// openapi.yaml lists; its routes above stay as they are for one release.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/hook_call.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/schedule_ask.hpp"
#include "orchestrator/runtime/span.hpp"
#include "web/access/act.hpp"
#include "web/access/stored_token.hpp"
#include "web/broker/broker_port.hpp"
#include "web/http/http_server.hpp"
#include "web/http/page.hpp"
#include "web/metrics/store_figures.hpp"
#include "web/runs/store_reader.hpp"
#include "web/runs/store_writer.hpp"
#include "web/v1/change_feed.hpp"
#include "web/metrics/web_metrics.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::web {

// What a called task answered.
struct CallAnswer {
    bool completed = false;
    std::string body; // JSON: the result, or the problem
};

// Who serves a task at this moment.
struct TaskLook {
    bool has_queue = false;
    std::uint64_t waiting = 0;
    std::uint64_t consumers = 0;
    std::string held; // a sentence, if its target lets no worker try
};

// A task that a worker announced.
struct OfferedTask {
    std::string task;
    std::string queue;
    std::string held;                              // a sentence, if its target lets no worker try
    std::shared_ptr<const std::string> parameters; // JSON Schemas; null: not said
    std::shared_ptr<const std::string> result;
};

// A worker's process, as it described itself.
struct WorkerLook {
    std::string worker;
    std::string version;
    std::string host;
    std::uint32_t concurrency = 0;                 // 0: not said
    Time first_heard;
    Time last_heard;
    std::vector<OfferedTask> tasks;
};

// One part of the server in /api/health.
struct HealthPart {
    enum class State : std::uint8_t {
        ok,
        degraded, // some runs do not go on
        failing,  // no run can
    };
    std::string name;
    State state = State::ok;
    std::string reason; // for people who need not be logged in: no addresses
};

// Lines of the audit log, the newest first.
struct AuditPage {
    std::vector<std::string> lines;
    std::string next; // where the older ones are; empty: there are none
};

// A user as the broker knows him now, without asking for the password. `mark` changes with the password.
struct KnownUser {
    Login login;
    std::string mark;
};

// What the API asks. All members must outlive the server; the functions may be called on the web's
// thread only, and call back on any.
struct ApiParts {
    bool has_orchestrator = true;                    // false: a server that is a broker and nothing else
    orchestrator::runtime::Engine* engine = nullptr; // where there is an orchestrator
    StoreReader* reader = nullptr;
    // For what the web writes itself. Null: it keeps nothing.
    StoreWriter* writer = nullptr;
    // For /api/health alone, so that reads which are merely slow do not look like a store that is away.
    StoreReader* probe = nullptr;
    // For metrics alone; may be null, like what the web counts of itself.
    StoreFigures* figures = nullptr;
    WebMetrics* counted = nullptr;
    // What the engine puts its changes into. Null: nobody can follow them.
    ChangeFeed* changes = nullptr;
    // Nothing: the user is unknown, the password wrong, or the user may not come from there.
    std::function<std::optional<Login>(const std::string& user, const std::string& password,
                                       bool remote_is_loopback, const std::string& address)>
        authenticate;
    // Nothing: there is no such user any more, or he may not come from there.
    std::function<std::optional<KnownUser>(const std::string& user, bool remote_is_loopback)> find_user{};
    // How long no password of this user from this address is looked at, because wrong ones came before; zero:
    // it is. Asked when a log-in failed. May be empty.
    std::function<std::chrono::milliseconds(const std::string& user, const std::string& address)> login_pause{};
    BrokerPort broker;
    // A workflow from its source. May be empty. Any thread.
    std::function<Outcome<std::shared_ptr<orchestrator::core::Workflow>>(const std::string& source, const std::string& file)> compile{};
    // Sends a task to a worker without a workflow.
    std::function<void(std::string task, std::string with, std::chrono::milliseconds limit, trace::Given trace,
                       std::function<void(Outcome<CallAnswer>)> reply)>
        call;
    std::function<void(std::string task, std::function<void(Outcome<TaskLook>)> reply)> look{};
    // The workers that announced themselves and are believed to be there.
    std::function<void(std::function<void(std::vector<WorkerLook>)> reply)> workers{};
    // Bulk jobs over runs. May be empty.
    std::function<void(orchestrator::runtime::RunJob job, std::function<void(Outcome<orchestrator::runtime::RunJob>)> reply)>
        start_run_job{};
    std::function<void(std::uint64_t id, std::string actor, std::function<void(Outcome<orchestrator::runtime::RunJob>)> reply)>
        cancel_run_job{};
    // What browsers are shown; may be null.
    std::shared_ptr<const Page> page{};
    // The schedules of workflows; the answer is JSON. May be empty.
    std::function<void(orchestrator::runtime::ScheduleAsk ask, std::function<void(Outcome<std::string>)> reply)> schedules{};
    // Webhooks: judges who sent it, and starts what it is to start. May be empty.
    std::function<void(orchestrator::runtime::HookCall call, orchestrator::runtime::HookReply reply)> hook{};
    // Told of each request that is in a trace. May be empty; any thread.
    orchestrator::runtime::SpanSink span{};
    // Copies runs and messages into a folder of this machine; the answer is JSON. Empty: not possible.
    std::function<void(std::string folder, std::function<void(Outcome<std::string>)> reply)> backup{};
    // Names of this server in a Host header, besides those of loopback and addresses; "*" is any.
    std::vector<std::string> own_names{};
    // Whoever changed something or was refused, kept for ever; called on the web's thread.
    std::function<void(const Act&)> audit{};
    // A piece of that, the newest line first. May be empty; any thread.
    std::function<Outcome<AuditPage>(const std::string& from)> read_audit{};
    // The tokens that were kept, and where they are kept. May be empty; `keep_tokens` is called on the web's thread.
    std::vector<StoredToken> tokens{};
    std::function<Outcome<void>(const std::vector<StoredToken>&)> keep_tokens{};
    // Of several servers that share the store: who this one is, and how it gives its runs to the others and
    // takes its share again. `node` is empty where it is alone.
    std::string node{};
    std::function<Outcome<void>(bool drains)> drain{};
    // The parts of the server as they are now, the store's sessions apart. Calls back once, or never when
    // one hangs.
    std::function<void(std::function<void(std::vector<HealthPart>)> reply)> health{};
};

// What an HttpServer is made with.
struct Web {
    Handler handler;
    Admission admit;
    // For requests whose sender is known otherwise: Request::login is filled in, and is all that counts.
    Handler ask;
};

Web make_api(ApiParts parts);

} // namespace baton::web
