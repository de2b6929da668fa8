// The face of the engine: everything becomes an item in the mailbox.
#include "orchestrator/runtime/engine.hpp"

#include "orchestrator/runtime/engine_body.hpp"

namespace baton::orchestrator::runtime {
namespace {

class EngineCategory final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "baton.engine"; }
    std::string message(int code) const override {
        switch (static_cast<EngineErrc>(code)) {
        case EngineErrc::unknown_workflow:
            return "unknown workflow";
        case EngineErrc::bad_input:
            return "the input does not fit";
        case EngineErrc::bad_definition:
            return "the definition has mistakes";
        case EngineErrc::duplicate:
            return "the key is taken";
        case EngineErrc::unknown_run:
            return "unknown run";
        case EngineErrc::unknown_dead_letter:
            return "unknown dead letter";
        case EngineErrc::unknown_dead_job:
            return "unknown bulk job";
        case EngineErrc::refused:
            return "refused";
        case EngineErrc::too_many_runs:
            return "too many runs";
        case EngineErrc::settled:
            return "settled already";
        case EngineErrc::stopping:
            return "stopping";
        case EngineErrc::overloaded:
            return "overloaded";
        case EngineErrc::moving:
            return "moving";
        case EngineErrc::unanswered:
            return "unanswered";
        case EngineErrc::stale:
            return "not as it was";
        }
        return "unknown engine error";
    }
};

} // namespace

const boost::system::error_category& engine_category() {
    static const EngineCategory category;
    return category;
}

ErrorCode make_error_code(EngineErrc errc) {
    return {static_cast<int>(errc), engine_category()};
}

bool is_passing(const Failure& failure) {
    if (failure.code.category() != engine_category()) return true;
    switch (static_cast<EngineErrc>(failure.code.value())) {
    case EngineErrc::stopping:
    case EngineErrc::overloaded:
    case EngineErrc::moving:
    case EngineErrc::unanswered:
        return true;
    case EngineErrc::unknown_workflow:
    case EngineErrc::bad_input:
    case EngineErrc::bad_definition:
    case EngineErrc::duplicate:
    case EngineErrc::unknown_run:
    case EngineErrc::unknown_dead_letter:
    case EngineErrc::unknown_dead_job:
    case EngineErrc::refused:
    case EngineErrc::too_many_runs:
    case EngineErrc::settled:
    case EngineErrc::stale:
        return false;
    }
    return false;
}

Partition partition_of(std::string_view run_id, std::uint16_t partition_count) {
    std::uint32_t hash = 2166136261u; // FNV-1a, 32 bits; stored runs depend on it
    for (const char c : run_id) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 16777619u;
    }
    return static_cast<Partition>(hash % partition_count);
}

Engine::Engine(EngineOptions options, RunStore& store, const Clock& clock, Compile compile,
               EngineSinks sinks)
    : body_(std::make_unique<Body>(std::move(options), store, clock, std::move(compile),
                                   std::move(sinks))) {}

Engine::~Engine() {
    stop();
}

void Engine::start() {
    body_->thread = Thread("engine", [body = body_.get()] { body->run_thread(); });
}

void Engine::stop() {
    body_->mailbox.close();
    body_->thread.join();
    body_->refuse_all();
}

bool Engine::work() {
    return body_->work();
}
std::optional<Time> Engine::next_wake() const {
    return body_->next_wake();
}

void Engine::report(std::vector<Report> reports) {
    std::vector<Item> items;
    items.reserve(reports.size());
    for (Report& report : reports)
        items.push_back({ReportItem{std::move(report)}});
    body_->mailbox.put_all(std::move(items));
}

void Engine::confirmed(std::vector<OutboxPlace> places) {
    body_->mailbox.put({ConfirmItem{std::move(places)}});
}

void Engine::add_dead_letter(PlainDeadLetter letter) {
    body_->mailbox.put({std::move(letter)});
}

void Engine::event(IncomingEvent event, std::optional<DeliveryHandle> delivery) {
    body_->mailbox.put({EventItem{std::move(event), delivery}});
}

void Engine::hear_workers(bool hears) {
    body_->mailbox.put({HearingItem{hears}});
}

void Engine::queue_lost(std::vector<std::string> routes, Unsent unsent, std::function<void()> done,
                        std::optional<Partition> only) {
    std::sort(routes.begin(), routes.end());
    body_->mailbox.put(
        {QueueLostItem{std::move(routes), std::move(unsent), std::move(done), only}});
}

void Engine::assign(Assignment assignment) {
    body_->mailbox.put({AssignItem{std::move(assignment)}});
}

void Engine::definitions_changed() {
    body_->mailbox.put({DefinitionsItem{}});
}

namespace {

// From the answer that a part of the engine gives to the one that travels.
Reply<RunChanged> from_change(Reply<Answer> reply) {
    return [reply = std::move(reply)](Outcome<RunChanged> done) {
        if (!done) return reply(std::move(done).error());
        Answer answer;
        answer.run_id = done->run_id;
        answer.seq = done->seq;
        answer.status = done->status;
        reply(std::move(answer));
    };
}

Reply<Started> from_start(Reply<Answer> reply) {
    return [reply = std::move(reply)](Outcome<Started> done) {
        if (!done) return reply(std::move(done).error());
        Answer answer;
        answer.run_id = done->run_id;
        answer.is_new = done->is_new;
        answer.is_skipped = done->is_skipped;
        answer.is_queued = done->is_queued;
        answer.workflow_version = done->workflow_version;
        reply(std::move(answer));
    };
}

Reply<void> from_nothing(Reply<Answer> reply) {
    return [reply = std::move(reply)](const Outcome<void>& done) {
        if (!done) return reply(done.error());
        reply(Answer{});
    };
}

Reply<DeadJob> from_job(Reply<Answer> reply) {
    return [reply = std::move(reply)](Outcome<DeadJob> done) {
        if (!done) return reply(std::move(done).error());
        Answer answer;
        answer.job = std::move(*done);
        reply(std::move(answer));
    };
}

template <class T>
ItemBody refusing(Reply<T> reply, Failure why) {
    return AnsweredItem{[reply = std::move(reply), why = std::move(why)] { reply(why); }};
}

ItemBody item_of(Request request, Reply<Answer> reply) {
    switch (request.kind) {
    case Request::Kind::start: {
        StartRequest start{
            request.workflow,     request.version, std::move(request.input), request.key,
            request.fallback_key, request.actor,   std::move(request.labels)};
        if (auto caller = core::Document::parse(request.caller); caller && !request.caller.empty())
            start.caller = std::move(*caller);
        start.scheduled_at = request.scheduled_at;
        start.trace = trace::given(request.traceparent, request.tracestate);
        start.is_by_trigger = request.is_by_trigger;
        return StartItem{std::move(start), from_start(std::move(reply)), request.run_id};
    }
    case Request::Kind::cancel:
        return CancelItem{request.run_id, request.reason, from_change(std::move(reply)),
                          request.actor};
    case Request::Kind::retry:
        return RetryItem{request.run_id, request.now, from_change(std::move(reply)), request.actor};
    case Request::Kind::skip_undo:
        return SkipItem{request.run_id, request.step, request.reason, from_change(std::move(reply)),
                        request.actor};
    case Request::Kind::finish:
        return FinishItem{request.run_id, request.status, request.reason,
                          from_change(std::move(reply)), request.actor};
    case Request::Kind::redrive: {
        RedriveItem item{request.id,
                         from_nothing(std::move(reply)),
                         {},
                         false,
                         {request.actor, request.reason, 0}};
        item.body = std::move(request.body);
        item.closing.job = request.job.id;
        if (request.input.empty()) return item;
        auto input = core::Document::parse(request.input);
        if (!input) return refusing(std::move(item.reply), input.error());
        item.input = std::move(*input);
        return item;
    }
    case Request::Kind::drop:
        return DropItem{request.id,
                        from_nothing(std::move(reply)),
                        {},
                        {request.actor, request.reason, request.job.id}};
    case Request::Kind::start_dead_job:
        return DeadJobItem{std::move(request.job), from_job(std::move(reply))};
    case Request::Kind::cancel_dead_job:
        return CancelDeadJobItem{request.id, from_job(std::move(reply)), request.actor};
    case Request::Kind::queue_lost:
        return QueueLostItem{std::move(request.routes),
                             {},
                             [reply = std::move(reply)] { reply(Answer{}); },
                             static_cast<Partition>(request.id)};
    case Request::Kind::pause:
    case Request::Kind::resume:
    case Request::Kind::skip:
    case Request::Kind::set_output:
    case Request::Kind::edit_input:
    case Request::Kind::rerun:
    case Request::Kind::mend:
    case Request::Kind::signal:
    case Request::Kind::event:
    case Request::Kind::approve:
    case Request::Kind::reject: {
        auto event = event_of(request);
        if (!event) return refusing(std::move(reply), event.error());
        return OperateItem{request.run_id,
                           std::move(*event),
                           from_change(std::move(reply)),
                           {request.actor, request.reason, 0}};
    }
    case Request::Kind::watch:
        break;
    }
    return WatchItem{std::make_shared<const int>(0), request.run_id, request.after_seq,
                     from_change(std::move(reply))};
}

} // namespace

void Engine::ask(Request request, Reply<Answer> reply) {
    const std::uint32_t hops = request.hops;
    const OnlyAt only_at = request.only_at;
    Item item{item_of(std::move(request), std::move(reply))};
    item.hops = hops;
    item.only_at = only_at;
    body_->mailbox.put(std::move(item));
}

Engine::WatchId Engine::watch_for(const Request& request, Reply<Answer> reply) {
    auto id = std::make_shared<const int>(0);
    Item item{WatchItem{id, request.run_id, request.after_seq, from_change(std::move(reply))}};
    item.hops = request.hops;
    body_->mailbox.put(std::move(item));
    return id;
}

void Engine::start_run(StartRequest request, Reply<Started> reply) {
    body_->mailbox.put({StartItem{std::move(request), std::move(reply), {}}});
}

void Engine::cancel(std::string run_id, std::string reason, Reply<RunChanged> reply,
                    std::string actor, std::shared_ptr<Claim> claim, OnlyAt only_at) {
    body_->mailbox.put(
        {CancelItem{std::move(run_id), std::move(reason), std::move(reply), std::move(actor)},
         std::move(claim), only_at});
}

void Engine::retry(std::string run_id, bool now, Reply<RunChanged> reply, std::string actor,
                   std::shared_ptr<Claim> claim, OnlyAt only_at) {
    body_->mailbox.put({RetryItem{std::move(run_id), now, std::move(reply), std::move(actor)},
                        std::move(claim), only_at});
}

void Engine::skip_undo(std::string run_id, std::string step, std::string reason,
                       Reply<RunChanged> reply, std::string actor, std::shared_ptr<Claim> claim,
                       OnlyAt only_at) {
    body_->mailbox.put({SkipItem{std::move(run_id), std::move(step), std::move(reason),
                                 std::move(reply), std::move(actor)},
                        std::move(claim), only_at});
}

void Engine::finish(std::string run_id, RunStatus status, std::string reason,
                    Reply<RunChanged> reply, std::string actor, std::shared_ptr<Claim> claim,
                    OnlyAt only_at) {
    body_->mailbox.put({FinishItem{std::move(run_id), status, std::move(reason), std::move(reply),
                                   std::move(actor)},
                        std::move(claim), only_at});
}

void Engine::operate(std::string run_id, core::Event event, std::string reason,
                     Reply<RunChanged> reply, std::string actor, std::shared_ptr<Claim> claim,
                     OnlyAt only_at) {
    body_->mailbox.put({OperateItem{std::move(run_id),
                                    std::move(event),
                                    std::move(reply),
                                    {std::move(actor), std::move(reason), 0}},
                        std::move(claim), only_at});
}

void Engine::pause(PauseKind kind, std::string name, std::string reason, Reply<StoredPause> reply,
                   std::string actor, std::shared_ptr<Claim> claim) {
    body_->mailbox.put(
        {PauseItem{{kind, std::move(name), std::move(actor), std::move(reason), {}, {}},
                   false,
                   std::move(reply)},
         std::move(claim)});
}

void Engine::resume(PauseKind kind, std::string name, std::string reason, Reply<StoredPause> reply,
                    std::string actor, std::shared_ptr<Claim> claim) {
    body_->mailbox.put(
        {PauseItem{{kind, std::move(name), std::move(actor), std::move(reason), {}, {}},
                   true,
                   std::move(reply)},
         std::move(claim)});
}

void Engine::redrive(std::uint64_t dead_letter_id, Reply<void> reply, std::string actor,
                     std::shared_ptr<Claim> claim, std::optional<std::string> body,
                     core::Document input, OnlyAt only_at) {
    RedriveItem item{dead_letter_id, std::move(reply), {}, false, {std::move(actor), {}, 0}};
    if (body) item.closing.reason = "sent with another body";
    if (!input.is_null()) item.closing.reason = "tried again with another input";
    item.body = std::move(body);
    item.input = std::move(input);
    body_->mailbox.put({std::move(item), std::move(claim), only_at});
}

void Engine::drop(std::uint64_t dead_letter_id, Reply<void> reply, std::string actor,
                  std::string reason, std::shared_ptr<Claim> claim) {
    body_->mailbox.put(
        {DropItem{dead_letter_id, std::move(reply), {}, {std::move(actor), std::move(reason), 0}},
         std::move(claim)});
}

void Engine::start_dead_job(DeadJob job, Reply<DeadJob> reply, std::shared_ptr<Claim> claim) {
    body_->mailbox.put({DeadJobItem{std::move(job), std::move(reply)}, std::move(claim)});
}

void Engine::cancel_dead_job(std::uint64_t id, Reply<DeadJob> reply, std::string actor,
                             std::shared_ptr<Claim> claim) {
    body_->mailbox.put(
        {CancelDeadJobItem{id, std::move(reply), std::move(actor)}, std::move(claim)});
}

void Engine::deploy(std::string source, std::string file_name, Reply<Deployed> reply,
                    std::shared_ptr<Claim> claim, std::optional<std::uint64_t> only_over) {
    body_->mailbox.put(
        {DeployItem{std::move(source), std::move(file_name), std::move(reply), false, only_over},
         std::move(claim)});
}

void Engine::deploy_found(std::string source, std::string file_name, Reply<Deployed> reply) {
    body_->mailbox.put(
        {DeployItem{std::move(source), std::move(file_name), std::move(reply), true}});
}

void Engine::incidents(std::string run_id, Reply<std::vector<Incident>> reply) {
    body_->mailbox.put({IncidentsItem{std::move(run_id), std::move(reply)}});
}

void Engine::undeploy(std::string workflow, Reply<Undeployed> reply, std::shared_ptr<Claim> claim) {
    body_->mailbox.put({UndeployItem{std::move(workflow), std::move(reply)}, std::move(claim)});
}

Engine::WatchId Engine::wait_for_change(std::string run_id, std::uint64_t after_seq,
                                        Reply<RunChanged> reply) {
    auto id = std::make_shared<const int>(0); // its address is the id
    body_->mailbox.put({WatchItem{id, std::move(run_id), after_seq, std::move(reply)}});
    return id;
}

void Engine::forget(WatchId watch) {
    body_->mailbox.put({ForgetItem{std::move(watch)}});
}

void Engine::on_changes(std::function<void(const std::vector<RunChanged>&)> listener) {
    body_->listener = std::move(listener);
}

const EngineMetrics& Engine::metrics() const {
    return body_->metrics;
}

const Pauses& Engine::pauses() const {
    return body_->pauses;
}

const HeldTasks& Engine::held_tasks() const {
    return body_->held;
}

} // namespace baton::orchestrator::runtime
