// Assembly: the only file of this room that knows all its parts.
#include "orchestrator/orchestrator_service.hpp"

#include "base/log.hpp"
#include "base/mailbox.hpp"
#include "net/io_threads.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/messaging/messaging.hpp"
#include "orchestrator/runtime/ownership.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <memory>

namespace baton::orchestrator {
namespace {

std::vector<runtime::Partition> partitions_of(const Options& options) {
    std::vector<runtime::Partition> all;
    for (runtime::Partition part = 0; part < options.partitions; ++part)
        all.push_back(part);
    return all;
}

runtime::EngineOptions engine_options(const Options& options) {
    runtime::EngineOptions made;
    made.is_shared = options.is_shared;
    made.partitions = options.is_shared ? std::vector<runtime::Partition>{} : partitions_of(options);
    made.partition_count = options.partitions;
    made.node = options.node;
    made.cached_runs_max = options.cached_runs_max;
    made.run_limits.text_bytes = options.run_bytes_max;
    made.family_runs_max = options.family_runs_max;
    made.memory_max = options.runs_memory_max;
    made.trace = options.trace;
    return made;
}

// Returns when nothing is left on the way to the executor's thread that was sent off before: what a handler
// posts while it runs is behind what others have posted meanwhile, hence two rounds.
void leave(const net::asio::any_io_executor& executor) {
    const auto through = std::make_shared<Mailbox<int>>();
    net::asio::post(executor, [executor, through] { net::asio::post(executor, [through] { through->put(1); }); });
    through->take();
}

} // namespace

Outcome<std::shared_ptr<core::Workflow>> compile_definition(const std::string& source, const std::string& file_name) {
    const definition::Loaded loaded = definition::load(source, file_name);
    if (!loaded)
        return Failure{make_error_code(runtime::EngineErrc::bad_definition),
                       definition::render(loaded.diagnostics, source)};
    // The engine writes id and version into its own copy.
    return std::make_shared<core::Workflow>(*loaded.workflow);
}

struct OrchestratorService::Parts {
    Parts(Options given, runtime::RunStore& store, const Clock& time)
        : options(std::move(given)),
          clock(time),
          engine(engine_options(options), store, clock, compile_definition,
                 {.ready = [this](std::string secret) { messaging->set_secret(std::move(secret)); },
                  .tell = [this](runtime::Told told) { messaging->tell(std::move(told)); },
                  .declare =
                      [this](std::vector<std::string> routes) {
                          messaging->declare(std::move(routes));
                      },
                  .await_queues =
                      [this](std::vector<std::string> routes, std::function<void(bool)> done) {
                          messaging->await_queues(std::move(routes), std::move(done));
                      },
                  .live =
                      [this](std::vector<std::shared_ptr<const core::Workflow>> live) {
                          messaging->live(live);
                          if (options.on_live) options.on_live(std::move(live));
                      },
                  .listen =
                      [this](std::vector<runtime::Partition> parts, std::function<void()> done) {
                          messaging->listen(std::move(parts), std::move(done));
                      },
                  .forward =
                      [this](runtime::Partition part, runtime::Request request, std::weak_ptr<const int> asker,
                             runtime::Reply<runtime::Answer> reply) {
                          messaging->forward(part, std::move(request), std::move(asker), std::move(reply));
                      },
                  .span = options.span,
                  .republish =
                      [this](runtime::DeadLetter letter, std::function<void(Outcome<void>)> settled) {
                          messaging->republish({std::move(letter), std::move(settled)});
                      }}) {}

    Options options;
    const Clock& clock;
    runtime::Engine engine;
    // On the broker's thread where that is in this process, else on this.
    std::unique_ptr<net::IoThreads> io;
    net::asio::any_io_executor executor;
    std::unique_ptr<messaging::Messaging> messaging;
    std::unique_ptr<runtime::Ownership> ownership; // only where the store is shared
    Mailbox<int> messaging_ended;
    bool is_running = false;
};

OrchestratorService::OrchestratorService(Options options, runtime::RunStore& store, const Clock& clock,
                                         runtime::RunStore* neighbours)
    : parts_(std::make_unique<Parts>(std::move(options), store, clock)) {
    if (neighbours == nullptr || !parts_->options.is_shared) return;
    runtime::OwnershipOptions own;
    own.node = parts_->options.node;
    own.version = parts_->options.version;
    own.has_broker = static_cast<bool>(parts_->options.inside_broker.open);
    parts_->ownership = std::make_unique<runtime::Ownership>(std::move(own), *neighbours, clock, parts_->engine);
}

OrchestratorService::~OrchestratorService() {
    stop();
    // Nobody asks any more; what was asked last is on its way.
    if (parts_->messaging) leave(parts_->executor);
    // Before the threads: its timers are theirs.
    parts_->messaging.reset();
    parts_->io.reset();
}

Outcome<void> OrchestratorService::start() {
    Parts& parts = *parts_;
    messaging::MessagingOptions options;
    BATON_ASSIGN(options.endpoint, amqp::client::parse_url(parts.options.broker_url));
    if (options.endpoint.connection_name.empty())
        options.endpoint.connection_name = "orchestrator " + parts.options.node;
    if (parts.options.is_shared && parts.options.broker_url.find("heartbeat=") == std::string::npos)
        options.endpoint.heartbeat_seconds = parts.options.heartbeat_seconds;
    options.partition_count = parts.options.partitions;
    options.is_shared = parts.options.is_shared;
    options.prefetch = parts.options.prefetch;
    options.queue_check_interval = parts.options.queue_check_interval;
    options.finds_losses = !parts.options.is_told_of_losses;
    options.unseen_patience = parts.options.unseen_patience;
    options.on_request = parts.options.on_request;
    options.secrets = parts.options.secrets;
    options.notices = parts.options.notices;
    options.keep_line = parts.options.keep_line;
    options.trace = {parts.options.trace, parts.options.span};
    if (parts.options.inside_broker.open) {
        options.endpoint.open_inside = parts.options.inside_broker.open;
        parts.executor = parts.options.inside_broker.executor;
    } else {
        parts.io = std::make_unique<net::IoThreads>("orchestrator", 1);
        parts.executor = parts.io->context(0).get_executor();
    }
    parts.messaging = std::make_unique<messaging::Messaging>(parts.executor, std::move(options),
                                                             parts.clock, parts.engine);
    parts.engine.hear_workers(false); // until there is a connection
    net::asio::co_spawn(parts.executor, parts.messaging->run(), [&parts](std::exception_ptr stray) {
        if (stray) std::rethrow_exception(stray);
        parts.messaging_ended.put(1);
    });
    parts.engine.start();
    if (parts.ownership) parts.ownership->start();
    parts.is_running = true;
    return Outcome<void>{boost::system::in_place_value};
}

void OrchestratorService::stop() {
    Parts& parts = *parts_;
    if (!parts.is_running) return;
    parts.is_running = false;
    // The others take over what this one gives back. Then no more reports; what is on its way gets
    // confirmed; the engine writes its cursor and ends; then the connection. Each step only after the one
    // before it.
    if (parts.ownership) give_everything_back();
    const auto drained = std::make_shared<Mailbox<int>>();
    net::asio::co_spawn(parts.executor, parts.messaging->drain(parts.options.drain),
                        [drained](std::exception_ptr) { drained->put(1); });
    drained->take();
    parts.engine.stop();
    net::asio::post(parts.executor, [&parts] { parts.messaging->stop(); });
    parts.messaging_ended.take();
    leave(parts.executor);
    // What hangs on it stays until this object goes: others may still ask, and get no answer.
    if (!parts.ownership) return;
    parts.ownership->stop();
    parts.ownership->withdraw();
}

void OrchestratorService::give_everything_back() {
    Parts& parts = *parts_;
    const auto& owned = parts.engine.metrics().partitions_owned;
    if (parts.ownership->is_away()) return parts.ownership->hurry();
    const auto announced = std::make_shared<Mailbox<int>>(); // the answer may come late
    parts.ownership->drain(true, [announced](const Outcome<void>& done) { announced->put(done ? 1 : 0); });
    const auto word = announced->take(std::chrono::seconds(1));
    // What it cannot give back in time, others take when it is gone; so does what a store that is away keeps it
    // from giving back.
    const bool is_heard = !word.empty() && word.front() == 1;
    const Time end = parts.clock.now() + parts.options.drain + parts.options.drain;
    if (!is_heard) return parts.ownership->hurry();
    while (owned.value() > 0 && parts.clock.now() < end)
        announced->take(std::chrono::milliseconds(5));
    parts.ownership->stop();
}

Outcome<void> OrchestratorService::drain(bool drains) {
    Parts& parts = *parts_;
    if (!parts.ownership)
        return Failure{make_error_code(runtime::EngineErrc::refused),
                       "this server is alone: its store (SQLite) serves one process, and nobody could take over"};
    parts.ownership->drain(drains);
    return boost::system::in_place_value;
}

bool OrchestratorService::is_draining() const {
    return parts_->ownership && parts_->ownership->is_draining();
}

bool OrchestratorService::is_second() const {
    return parts_->ownership && parts_->ownership->is_second();
}

runtime::Engine& OrchestratorService::engine() {
    return parts_->engine;
}

void OrchestratorService::call(std::string task, std::string with, Duration limit, trace::Given trace,
                               std::function<void(Outcome<CallAnswer>)> reply) {
    messaging::Call call;
    call.task = std::move(task);
    call.with = std::move(with);
    call.limit = limit;
    call.trace = std::move(trace);
    call.reply = [reply = std::move(reply)](Outcome<std::pair<bool, std::string>> answer) {
        if (answer)
            reply(CallAnswer{answer->first, std::move(answer->second)});
        else
            reply(std::move(answer).error());
    };
    parts_->messaging->call(std::move(call));
}

namespace {

std::string held_sentence(const runtime::HeldTask& held, Time now) {
    const auto seconds = [](Duration span) {
        return std::chrono::duration_cast<std::chrono::seconds>(std::max(span, Duration{})).count();
    };
    return fmt::format("{} is held back since {} s, tried again in {} s{}: {}", held.task,
                       seconds(now - held.since), seconds(held.until - now),
                       held.worker.empty() ? "" : " (said by " + held.worker + ")", held.reason);
}

} // namespace

void OrchestratorService::ask_queues(Duration patience,
                                     std::function<void(std::vector<std::string>)> reply) {
    if (!parts_->messaging) return reply({});
    const Clock& clock = parts_->clock;
    std::vector<std::string> held;
    for (const runtime::HeldTask& one : engine().held_tasks().list(clock.now()))
        held.push_back(held_sentence(one, clock.now()));
    for (const runtime::StoredPause& one : engine().pauses().list()) held.push_back(sentence_of(one));
    parts_->messaging->ask_queues(
        [patience, &clock, held = std::move(held),
         reply = std::move(reply)](const std::vector<messaging::QueueState>& queues) {
            std::vector<std::string> troubles = held;
            for (const messaging::QueueState& one : queues) {
                if (!one.trouble.empty())
                    troubles.push_back(fmt::format("there is no queue for {}: {}", one.task, one.trouble));
                else if (one.deserted_since && clock.now() - *one.deserted_since >= patience)
                    troubles.push_back(fmt::format("{} tasks {} wait and no worker takes them", one.waiting,
                                                   one.task));
            }
            reply(std::move(troubles));
        });
}

void OrchestratorService::look_at_task(std::string task, std::function<void(Outcome<TaskLook>)> reply) {
    std::string held;
    for (const runtime::HeldTask& one : engine().held_tasks().list(parts_->clock.now()))
        if (one.task == task) held = held_sentence(one, parts_->clock.now());
    if (const auto pause = engine().pauses().of_task(task, task)) held = sentence_of(*pause);
    parts_->messaging->look(std::move(task), [held, reply = std::move(reply)](Outcome<messaging::QueueLook> look) {
        if (!look) return reply(std::move(look).error());
        reply(TaskLook{look->exists, look->waiting, look->consumers, held});
    });
}

void OrchestratorService::ask_workers(std::function<void(std::vector<WorkerLook>)> reply) {
    std::map<std::string, std::string> held;
    for (const runtime::HeldTask& one : engine().held_tasks().list(parts_->clock.now()))
        held[one.task] = held_sentence(one, parts_->clock.now());
    for (const runtime::StoredPause& one : engine().pauses().list())
        if (one.kind == runtime::PauseKind::task) held[one.name] = sentence_of(one);
    parts_->messaging->ask_workers(
        [held = std::move(held), reply = std::move(reply)](std::vector<messaging::KnownWorker> known) {
            std::vector<WorkerLook> all;
            for (messaging::KnownWorker& one : known) {
                WorkerLook look{one.worker, one.version, one.host, one.concurrency, one.first_heard, one.last_heard, {}};
                for (messaging::KnownTask& task : one.tasks) {
                    const auto found = held.find(task.route);
                    look.tasks.push_back({task.task, task.queue, found == held.end() ? std::string{} : found->second,
                                          std::move(task.parameters), std::move(task.result)});
                }
                all.push_back(std::move(look));
            }
            reply(std::move(all));
        });
}

void OrchestratorService::queue_emptied(std::string_view queue) {
    parts_->messaging->queue_emptied(std::string(queue));
}

Duration OrchestratorService::broker_silence() const {
    const std::int64_t since = parts_->messaging ? parts_->messaging->silent_since() : 0;
    if (since == 0) return Duration::zero();
    return std::max(Duration::zero(), parts_->clock.now() - time_from_micros(since * 1000));
}

bool OrchestratorService::is_connected() const {
    return parts_->messaging && parts_->messaging->is_connected();
}

} // namespace baton::orchestrator
