#include "orchestrator/runtime/run_spans.hpp"

#include "base/utf8.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/run_metrics.hpp"

#include <variant>

namespace baton::orchestrator::runtime {

namespace fact = core::fact;

namespace {

// Attempts that never end here, because another process took their runs, are not remembered for
// ever.
constexpr std::size_t begun_max = 200'000;
constexpr std::size_t waits_max = 50'000;
constexpr std::size_t why_bytes_max = 256;

std::string span_text_in(const core::Document& problem, std::string_view name) {
    const auto* object = problem.is_null() ? nullptr : problem.json().if_object();
    const auto* value = object == nullptr ? nullptr : object->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

void add_failure(Span& span, const core::Document& problem) {
    span.has_failed = true;
    const std::string type = span_text_in(problem, "type");
    span.attributes.emplace_back("error.type", type.empty() ? "_OTHER" : type);
    const std::string detail = span_text_in(problem, "detail");
    span.why = shortened(detail.empty() ? span_text_in(problem, "title") : detail, why_bytes_max);
}

Span span_in(const CachedRun& cached, const trace::Context& context) {
    Span span;
    span.trace = context.trace;
    span.state = cached.run.trace.state;
    span.attributes.emplace_back("baton.run.id", cached.run.id);
    span.attributes.emplace_back("baton.workflow.name", cached.workflow->name);
    span.attributes.emplace_back("baton.workflow.version", std::int64_t{cached.workflow->version});
    return span;
}

std::string wait_key(std::string_view run_id, std::string_view step) {
    return std::string(run_id) + '/' + std::string(step);
}

// Whether the step waits for something by itself: a task's time is its attempts', a block's that of
// what is in it.
bool is_wait(const core::Workflow& workflow, std::string_view step) {
    const auto index = core::find_step(workflow, step);
    if (!index) return false;
    const core::StepKind& kind = workflow.steps[*index].kind;
    return std::holds_alternative<core::WaitKind>(kind) ||
           std::holds_alternative<core::WaitUntilKind>(kind) ||
           std::holds_alternative<core::SignalKind>(kind) ||
           std::holds_alternative<core::ApprovalKind>(kind) ||
           std::holds_alternative<core::EventKind>(kind) ||
           std::holds_alternative<core::FirstOfKind>(kind);
}

// {"signal": ..}: "signal".
std::string what_in(const core::Document& wanted) {
    const auto* object = wanted.is_null() ? nullptr : wanted.json().if_object();
    if (object != nullptr)
        for (const char* what : {"signal", "approval", "event", "first_of"})
            if (object->contains(what)) return what;
    return "wait";
}

// The step that a fact ends, where it may be one that waits; and what went wrong with it.
struct Ended {
    const std::string* step = nullptr;
    const core::Document* error = nullptr;
};
Ended ended_by(const core::Fact& one) {
    if (const auto* done = std::get_if<fact::StepDone>(&one.body)) return {&done->step};
    if (const auto* skipped = std::get_if<fact::StepSkipped>(&one.body))
        return skipped->undo ? Ended{} : Ended{&skipped->step};
    if (const auto* cancelled = std::get_if<fact::StepCancelled>(&one.body))
        return {&cancelled->step, cancelled->error.is_null() ? nullptr : &cancelled->error};
    if (const auto* caught = std::get_if<fact::ErrorCaught>(&one.body))
        return {&caught->step, &caught->error};
    if (const auto* dead = std::get_if<fact::StepDead>(&one.body))
        return dead->undo ? Ended{} : Ended{&dead->step, &dead->error};
    return {};
}

std::uint64_t id_of(const CachedRun& cached, const core::AttemptRef& ref) {
    return trace::attempt_span(cached.run.id, ref.step, ref.undo, ref.attempt);
}

} // namespace

void RunSpans::tell(const CachedRun& cached, Time now) {
    const trace::Context context = trace::context_of(cached.run.id, cached.run.trace, policy_);
    if (!context.is_sampled) return;
    begin_waits(cached, cached.facts, now);
    for (const core::Fact& one : cached.facts) {
        if (const Ended ended = ended_by(one); ended.step != nullptr)
            end_wait(cached, context, *ended.step, now, ended.error);
        if (const auto* dispatched = std::get_if<fact::TaskDispatched>(&one.body))
            begin(cached, dispatched->ref, now);
        else if (const auto* completed = std::get_if<fact::TaskCompleted>(&one.body))
            end(cached, context, completed->ref, now, nullptr, completed->worker);
        else if (const auto* failed = std::get_if<fact::TaskFailed>(&one.body))
            end(cached, context, failed->ref, now, &failed->error, failed->worker);
        else if (const auto* look = std::get_if<fact::StepVerified>(&one.body);
                 look != nullptr && !look->is_done)
            end(cached, context, look->ref, now, nullptr,
                look->worker); // else its completion follows
        else if (const auto* cancelled = std::get_if<fact::TaskCancelled>(&one.body))
            end(cached, context, cancelled->ref, now, nullptr, {});
        else if (const auto* became = std::get_if<fact::RunBecame>(&one.body))
            end_run(cached, context, *became, now);
    }
}

void RunSpans::begin_waits(const CachedRun& cached, const std::vector<core::Fact>& facts, Time at) {
    const auto begin = [&](const std::string& step, std::string what) {
        if (waits_.size() >= waits_max) {
            waits_.clear();
            known_.clear();
        }
        waits_.insert_or_assign(wait_key(cached.run.id, step), Wait{at, std::move(what)});
    };
    for (const core::Fact& one : facts) {
        if (std::holds_alternative<fact::RunStarted>(one.body))
            known_.insert(cached.run.id);
        else if (const auto* waits = std::get_if<fact::StepWaits>(&one.body))
            begin(waits->step, what_in(waits->wanted));
        else if (const auto* sleeps = std::get_if<fact::StepStarted>(&one.body);
                 sleeps != nullptr && sleeps->until && is_wait(*cached.workflow, sleeps->step))
            begin(sleeps->step, "timer");
    }
}

// Of before this process had the run.
void RunSpans::read_waits(const CachedRun& cached) {
    if (known_.size() >= waits_max) known_.clear();
    if (!read_ || !known_.insert(cached.run.id).second) return;
    const auto history = read_(cached.run.id);
    if (!history) return;
    for (const HistoryRow& row : *history) {
        if (row.seq >= cached.run.version) break; // that one is told just now
        const auto facts = core::facts_from_json(row.events);
        if (!facts) continue;
        begin_waits(cached, *facts, row.at);
        for (const core::Fact& one : *facts)
            if (const Ended ended = ended_by(one); ended.step != nullptr)
                waits_.erase(wait_key(cached.run.id, *ended.step));
    }
}

// One that never began, because it was passed over before, has no span.
void RunSpans::end_wait(const CachedRun& cached, const trace::Context& context,
                        const std::string& step, Time now, const core::Document* error) {
    if (!is_wait(*cached.workflow, step)) return;
    const std::string key = wait_key(cached.run.id, step);
    if (!waits_.contains(key)) read_waits(cached);
    const auto found = waits_.find(key);
    if (found == waits_.end()) return;
    Span span = span_in(cached, context);
    span.started = found->second.since;
    span.ended = now;
    span.id = trace::wait_span(cached.run.id, step, micros_of(span.started));
    span.parent = trace::run_span(cached.run.id);
    span.name = "wait " + step;
    span.attributes.emplace_back("baton.step", step);
    span.attributes.emplace_back("baton.wait", std::move(found->second.what));
    if (error != nullptr) add_failure(span, *error);
    waits_.erase(found);
    sink_(std::move(span));
}

// What is handed out a second time under its number has begun already.
void RunSpans::begin(const CachedRun& cached, const core::AttemptRef& ref, Time now) {
    if (begun_.size() >= begun_max) begun_.clear();
    begun_.try_emplace(id_of(cached, ref), now);
}

// Of an attempt that an earlier process handed out the run says when, as long as it is there.
Time RunSpans::begun(const CachedRun& cached, const core::AttemptRef& ref, std::uint64_t span,
                     Time now) {
    if (const auto found = begun_.find(span); found != begun_.end()) {
        const Time time = found->second;
        begun_.erase(found);
        return time;
    }
    const auto place = core::find_place(*cached.workflow, cached.run, ref.step);
    if (!place) return now;
    const core::StepState& state = core::state_of(*cached.workflow, cached.run, *place);
    const core::Attempts& attempts = ref.undo ? state.undo_attempts : state.attempts;
    return attempts.number == ref.attempt ? attempts.dispatched_at : now;
}

void RunSpans::end(const CachedRun& cached, const trace::Context& context,
                   const core::AttemptRef& ref, Time now, const core::Document* error,
                   std::string_view worker) {
    Span span = span_in(cached, context);
    span.id = id_of(cached, ref);
    span.parent = trace::run_span(cached.run.id);
    span.name = (ref.undo ? "undo " : "step ") + ref.step;
    span.started = begun(cached, ref, span.id, now);
    span.ended = now;
    span.attributes.emplace_back("baton.step", ref.step);
    span.attributes.emplace_back("baton.attempt", std::int64_t{ref.attempt});
    if (const std::string task = task_of(cached, ref); !task.empty())
        span.attributes.emplace_back("baton.task", task);
    if (!worker.empty()) span.attributes.emplace_back("baton.worker", std::string(worker));
    if (error != nullptr) add_failure(span, *error);
    sink_(std::move(span));
}

// Of one that goes on after its end (retried, run again) the same span is told again, with its
// later end.
void RunSpans::end_run(const CachedRun& cached, const trace::Context& context,
                       const fact::RunBecame& became, Time now) {
    if (!core::is_closed(became.status)) return;
    Span span = span_in(cached, context);
    span.id = trace::run_span(cached.run.id);
    span.parent = context.span;
    span.name = "run " + cached.workflow->name;
    span.started = cached.run.started_at;
    span.ended = now;
    known_.erase(cached.run.id);
    span.attributes.emplace_back("baton.run.status", std::string(core::word_of(became.status)));
    if (became.status != RunStatus::completed && became.status != RunStatus::cancelled)
        add_failure(span, became.error);
    sink_(std::move(span));
}

} // namespace baton::orchestrator::runtime
