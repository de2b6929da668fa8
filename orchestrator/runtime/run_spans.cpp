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
constexpr std::size_t why_bytes_max = 256;

std::string text_in(const core::Document& problem, std::string_view name) {
    const auto* object = problem.is_null() ? nullptr : problem.json().if_object();
    const auto* value = object == nullptr ? nullptr : object->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

void add_failure(Span& span, const core::Document& problem) {
    span.has_failed = true;
    const std::string type = text_in(problem, "type");
    span.attributes.emplace_back("error.type", type.empty() ? "_OTHER" : type);
    const std::string detail = text_in(problem, "detail");
    span.why = shortened(detail.empty() ? text_in(problem, "title") : detail, why_bytes_max);
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

std::uint64_t id_of(const CachedRun& cached, const core::AttemptRef& ref) {
    return trace::attempt_span(cached.run.id, ref.step, ref.undo, ref.attempt);
}

} // namespace

void RunSpans::tell(const CachedRun& cached, Time now) {
    const trace::Context context = trace::context_of(cached.run.id, cached.run.trace, policy_);
    if (!context.is_sampled) return;
    for (const core::Fact& one : cached.facts) {
        if (const auto* dispatched = std::get_if<fact::TaskDispatched>(&one.body))
            begin(cached, dispatched->ref, now);
        else if (const auto* completed = std::get_if<fact::TaskCompleted>(&one.body))
            end(cached, context, completed->ref, now, nullptr, completed->worker);
        else if (const auto* failed = std::get_if<fact::TaskFailed>(&one.body))
            end(cached, context, failed->ref, now, &failed->error, failed->worker);
        else if (const auto* cancelled = std::get_if<fact::TaskCancelled>(&one.body))
            end(cached, context, cancelled->ref, now, nullptr, {});
        else if (const auto* became = std::get_if<fact::RunBecame>(&one.body))
            end_run(cached, context, *became, now);
    }
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
    if (const std::string task = task_of(*cached.workflow, ref); !task.empty())
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
    span.attributes.emplace_back("baton.run.status", std::string(core::word_of(became.status)));
    if (became.status != RunStatus::completed && became.status != RunStatus::cancelled)
        add_failure(span, became.error);
    sink_(std::move(span));
}

} // namespace baton::orchestrator::runtime
