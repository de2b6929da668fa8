// Names for expressions.
#include "orchestrator/core/data.hpp"

#include "base/json_text.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace baton::orchestrator::core {
namespace {

using expression::MapEntry;
using expression::Value;

Value value_of(const Document& document) {
    return Value::sharing_json(document.shared_json());
}

Value timestamp_of(Time time) {
    const auto micros = micros_of(time);
    auto seconds = micros / 1'000'000;
    auto rest = micros % 1'000'000;
    if (rest < 0) {
        --seconds;
        rest += 1'000'000;
    }
    return Value::timestamp({seconds, static_cast<std::int32_t>(rest * 1000)});
}

bool is_block(const Step& step) {
    return std::holds_alternative<DoKind>(step.kind) ||
           std::holds_alternative<ParallelKind>(step.kind);
}

std::optional<Value> value_of_step(const Workflow& workflow, const Run& run, StepIndex index) {
    const Step& step = workflow.steps[index];
    const StepState& state = run.steps[index];
    // A worker's null is a value.
    if (state.status == StepStatus::done && (state.happened || !state.output.is_null()))
        return value_of(state.output);
    if (!is_block(step) || state.status == StepStatus::done) return std::nullopt;

    // A block that is not finished: what is there so far, for steps that wait for one child only.
    std::vector<MapEntry> entries;
    for (const StepIndex child : step.children)
        if (auto value = value_of_step(workflow, run, child))
            entries.push_back({Value::text(workflow.steps[child].id), std::move(*value)});
    return Value::map(std::move(entries));
}

// Then the child says more.
bool died_of_a_child(const Workflow& workflow, const Run& run, StepIndex index) {
    const auto& children = workflow.steps[index].children;
    return std::any_of(children.begin(), children.end(), [&](StepIndex child) {
        return run.steps[child].status == StepStatus::dead;
    });
}

Value value_of_run(const Workflow& workflow, const Run& run) {
    std::vector<Value> failed;
    for (StepIndex i = 0; i < run.steps.size(); ++i)
        if (run.steps[i].status == StepStatus::dead && !died_of_a_child(workflow, run, i))
            failed.push_back(Value::text(workflow.steps[i].path));
    return Value::map({
        {Value::text(std::string_view{"id"}), Value::text(run.id)},
        {Value::text(std::string_view{"workflow"}), Value::text(workflow.name)},
        {Value::text(std::string_view{"version"}), Value::integer(workflow.version)},
        {Value::text(std::string_view{"started_at"}), timestamp_of(run.started_at)},
        {Value::text(std::string_view{"scheduled_at"}), timestamp_of(run.started_at)},
        {Value::text(std::string_view{"failed_steps"}), Value::list(std::move(failed))},
    });
}

Problem expression_problem(std::string_view what, std::string_view pointer,
                           const std::string& message) {
    Problem problem;
    problem.type = expression_type;
    problem.title = "an expression has no value";
    problem.detail = fmt::format("{}{}: {}", what, pointer, message);
    problem.retryable = false;
    return problem;
}

std::optional<Time> parse_moment(std::string_view text);

} // namespace

void throw_exception_from_error(const Problem& problem, const boost::source_location&) {
    throw std::runtime_error(problem.detail);
}

std::optional<Value> Scope::find(std::string_view name) const {
    if (name == "input") return value_of(run.input);
    if (name == "vars") return value_of(workflow.vars);
    if (name == "run") return value_of_run(workflow, run);
    if (name == "error" && error) return value_of(*error);
    if (name == "result" && result) return value_of(*result);
    const auto found = workflow.by_id.find(name);
    if (found == workflow.by_id.end()) return std::nullopt;
    if (found->second == undone && !run.steps[undone].effect.is_null())
        return value_of(run.steps[undone].effect);
    return value_of_step(workflow, run, found->second);
}

Evaluated<Document> fill(const expression::Template& source, const Scope& scope,
                         std::string_view what) {
    const expression::Lookup lookup = [&scope](std::string_view name) { return scope.find(name); };
    auto filled = source.evaluate(lookup);
    if (!filled)
        return expression_problem(what, filled.error().pointer, filled.error().error.message);
    if (json_depth(*filled, Document::made_depth_max + 1) > Document::made_depth_max)
        return expression_problem(what, "", fmt::format("the value is nested more than {} levels deep",
                                                        Document::made_depth_max));
    return Document::of(std::move(*filled));
}

Evaluated<Document> fill_table(const expression::Template& source, const Scope& scope,
                               std::string_view what) {
    BATON_ASSIGN(const Document filled, fill(source, scope, what));
    if (filled.json().is_object()) return filled;
    const auto kind = Value::borrowing_json(filled.json()).kind();
    return expression_problem(what, "", fmt::format("gives a value of type {}, not a table", expression::plain_name(kind)));
}

Evaluated<Value> evaluate(const expression::Program& program, const Scope& scope,
                          std::string_view what) {
    const expression::Lookup lookup = [&scope](std::string_view name) { return scope.find(name); };
    auto value = expression::evaluate(program, lookup);
    if (!value) return expression_problem(what, "", value.error().message);
    return std::move(*value);
}

Evaluated<bool> decide(const expression::Program& program, const Scope& scope,
                       std::string_view what) {
    BATON_ASSIGN(const Value value, evaluate(program, scope, what));
    if (value.kind() != expression::Kind::boolean)
        return expression_problem(
            what, "",
            fmt::format("gives {}, not true or false", expression::plain_name(value.kind())));
    return value.as_boolean();
}

Evaluated<Time> moment(const expression::Program& program, const Scope& scope,
                       std::string_view what) {
    BATON_ASSIGN(const Value value, evaluate(program, scope, what));
    if (value.kind() == expression::Kind::timestamp) {
        const auto stamp = value.as_timestamp();
        return Time{std::chrono::seconds(stamp.seconds)} + Duration{stamp.nanos / 1000};
    }
    if (value.kind() == expression::Kind::text)
        if (const auto time = parse_moment(value.as_text())) return *time;
    return expression_problem(what, "",
                              "is neither a timestamp nor text such as 2026-01-31T12:00:00Z");
}

Document block_output(const Workflow& workflow, const Run& run, StepIndex block) {
    boost::json::object outputs;
    for (const StepIndex child : workflow.steps[block].children) {
        const StepState& state = run.steps[child];
        if (state.status == StepStatus::done)
            outputs[workflow.steps[child].id] = state.output.json();
    }
    return Document::of(std::move(outputs));
}

namespace {

// Text goes through the expression language, which knows RFC 3339 already.
std::optional<Time> parse_moment(std::string_view text) {
    static const auto program = expression::compile("timestamp(text)");
    if (!program) return std::nullopt;
    const auto value = expression::evaluate(
        *program, [text](std::string_view) -> std::optional<Value> { return Value::text(text); });
    if (!value || value->kind() != expression::Kind::timestamp) return std::nullopt;
    const auto stamp = value->as_timestamp();
    return Time{std::chrono::seconds(stamp.seconds)} + Duration{stamp.nanos / 1000};
}

} // namespace

} // namespace baton::orchestrator::core
