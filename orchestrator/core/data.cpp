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

// A repeated step that is not done: a loop gave what its last iteration gave, a for_each that stopped has
// its counts.
std::optional<Value> value_of_repeated(const Workflow& workflow, const Run& run, Place whole) {
    const Instances* instances = instances_of(run, whole);
    if (instances == nullptr) return std::nullopt;
    if (std::holds_alternative<ForEach>(*workflow.steps[whole.step].repetition)) {
        if (!is_closed(state_of(workflow, run, whole).status)) return std::nullopt;
        return value_of(repetition_output(workflow, run, whole));
    }
    const auto last = instances->results.find(0);
    return last == instances->results.end() ? std::nullopt : std::optional{value_of(last->second)};
}

std::optional<Value> value_of_step(const Workflow& workflow, const Run& run, Place place) {
    const Step& step = workflow.steps[place.step];
    const StepState& state = state_of(workflow, run, place);
    // A worker's null is a value.
    if (state.status == StepStatus::done && (state.happened || !state.output.is_null()))
        return value_of(state.output);
    if (state.status == StepStatus::done) return std::nullopt;
    if (is_repeated(workflow, run, place)) return value_of_repeated(workflow, run, place);
    if (!is_block(step)) return std::nullopt;

    // A block that is not finished: what is there so far, for steps that wait for one child only.
    std::vector<MapEntry> entries;
    for (const StepIndex child : step.children)
        if (auto value = value_of_step(workflow, run, {place.scope, child}))
            entries.push_back({Value::text(workflow.steps[child].id), std::move(*value)});
    return Value::map(std::move(entries));
}

// Then the child says more.
bool died_of_a_child(const Workflow& workflow, const Run& run, Place place) {
    const auto is_dead = [&](Place one) { return state_of(workflow, run, one).status == StepStatus::dead; };
    if (is_repeated(workflow, run, place)) {
        const Instances* instances = instances_of(run, place);
        return instances != nullptr && std::any_of(instances->scopes.begin(), instances->scopes.end(), [&](const auto& one) {
                   return is_dead({one.second, place.step});
               });
    }
    const auto& children = workflow.steps[place.step].children;
    return std::any_of(children.begin(), children.end(),
                       [&](StepIndex child) { return is_dead({place.scope, child}); });
}

Value value_of_run(const Workflow& workflow, const Run& run) {
    std::vector<Value> failed;
    for (const Place place : run.dead)
        if (!died_of_a_child(workflow, run, place))
            failed.push_back(Value::text(address_of(workflow, run, place)));
    std::vector<MapEntry> entries{
        {Value::text(std::string_view{"id"}), Value::text(run.id)},
        {Value::text(std::string_view{"workflow"}), Value::text(workflow.name)},
        {Value::text(std::string_view{"version"}), Value::integer(workflow.version)},
        {Value::text(std::string_view{"started_at"}), timestamp_of(run.started_at)},
        {Value::text(std::string_view{"scheduled_at"}), timestamp_of(run.scheduled_at.value_or(run.started_at))},
        {Value::text(std::string_view{"failed_steps"}), Value::list(std::move(failed))},
    };
    if (run.closing) {
        entries.push_back({Value::text(std::string_view{"status"}), Value::text(word_of(run.closing->end))});
        if (!run.error.is_null()) entries.push_back({Value::text(std::string_view{"error"}), value_of(run.error)});
    }
    return Value::map(std::move(entries));
}

// By the ids of the steps; of an instance those in it and around it.
Value value_of_errors(const Workflow& workflow, const Run& run, ScopeNumber scope) {
    std::vector<MapEntry> entries;
    for (const Scope* at = &run.scope(scope);; at = &run.scope(at->parent)) {
        const StepIndex owner = workflow.bodies[at->body].owner;
        for (auto one = run.erred.lower_bound({at->number, 0}); one != run.erred.end() && one->scope == at->number; ++one)
            if (one->step != owner)
                entries.push_back({Value::text(workflow.steps[one->step].id), value_of(state_of(workflow, run, *one).error)});
        if (at->number == root_scope) return Value::map(std::move(entries));
    }
}

// The item of an instance, which shares its list's memory.
std::optional<Value> item_of(const Run& run, const Body& body, const Scope& scope) {
    const auto found = run.scope(scope.parent).repetitions.find(body.owner);
    if (found == run.scope(scope.parent).repetitions.end()) return std::nullopt;
    const auto* items = found->second.items.json().if_array();
    if (items == nullptr || scope.index >= items->size()) return std::nullopt;
    return Value::sharing_json({found->second.items.shared_json(), &(*items)[scope.index]});
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

std::optional<Value> Reading::find_step(Place place) const {
    if (place.step == undone) {
        if (effect) return value_of(*effect);
        const StepState& state = state_of(workflow, run, place);
        if (!state.effect.is_null()) return value_of(state.effect);
    }
    return value_of_step(workflow, run, place);
}

std::optional<Value> Reading::find(std::string_view name) const {
    if (name == "input") return value_of(run.input);
    if (name == "vars") return value_of(workflow.vars);
    if (name == "run") return value_of_run(workflow, run);
    if (name == "errors") return value_of_errors(workflow, run, scope);
    if (name == "error" && error) return value_of(*error);
    if (name == "result" && result) return value_of(*result);
    if (name == "index" && index) return Value::integer(*index);
    const auto found = workflow.by_id.find(name);
    for (const Scope* at = &run.scope(scope);; at = &run.scope(at->parent)) {
        const Body& body = workflow.bodies[at->body];
        if (found != workflow.by_id.end() && workflow.steps[found->second].body == at->body) {
            return find_step({at->number, found->second});
        }
        if (at->number == root_scope) return std::nullopt;
        if (found != workflow.by_id.end() && found->second == body.owner) {
            // The undo of an instance reads what that instance gave; a loop reads what its last iteration did.
            const bool is_loop = std::holds_alternative<Loop>(*workflow.steps[body.owner].repetition);
            if (undone == body.owner || (is_loop && at->steps.front().status == StepStatus::done))
                return find_step({at->number, body.owner});
            if (is_loop) return value_of_repeated(workflow, run, {at->parent, body.owner});
            return std::nullopt;
        }
        if (name == "index") return Value::integer(at->index);
        const auto* each = std::get_if<ForEach>(&*workflow.steps[body.owner].repetition);
        if (each != nullptr && each->as == name) return item_of(run, body, *at);
    }
}

Evaluated<Document> fill(const expression::Template& source, const Reading& reading,
                         std::string_view what) {
    const expression::Lookup lookup = [&reading](std::string_view name) { return reading.find(name); };
    auto filled = source.evaluate(lookup);
    if (!filled)
        return expression_problem(what, filled.error().pointer, filled.error().error.message);
    if (json_depth(*filled, Document::made_depth_max + 1) > Document::made_depth_max)
        return expression_problem(what, "", fmt::format("the value is nested more than {} levels deep",
                                                        Document::made_depth_max));
    return Document::of(std::move(*filled));
}

Evaluated<Document> fill_table(const expression::Template& source, const Reading& reading,
                               std::string_view what) {
    BATON_ASSIGN(const Document filled, fill(source, reading, what));
    if (filled.json().is_object()) return filled;
    const auto kind = Value::borrowing_json(filled.json()).kind();
    return expression_problem(what, "", fmt::format("gives a value of type {}, not a table", expression::plain_name(kind)));
}

Evaluated<Value> evaluate(const expression::Program& program, const Reading& reading,
                          std::string_view what) {
    const expression::Lookup lookup = [&reading](std::string_view name) { return reading.find(name); };
    auto value = expression::evaluate(program, lookup);
    if (!value) return expression_problem(what, "", value.error().message);
    return std::move(*value);
}

Evaluated<bool> decide(const expression::Program& program, const Reading& reading,
                       std::string_view what) {
    BATON_ASSIGN(const Value value, evaluate(program, reading, what));
    if (value.kind() != expression::Kind::boolean)
        return expression_problem(
            what, "",
            fmt::format("gives {}, not true or false", expression::plain_name(value.kind())));
    return value.as_boolean();
}

Evaluated<Document> list(const expression::Program& program, const Reading& reading,
                         std::string_view what) {
    BATON_ASSIGN(const Value value, evaluate(program, reading, what));
    if (value.kind() != expression::Kind::list)
        return expression_problem(
            what, "", fmt::format("gives {}, not a list", expression::plain_name(value.kind())));
    boost::json::value made = expression::to_json(value);
    if (json_depth(made, Document::made_depth_max + 1) > Document::made_depth_max)
        return expression_problem(what, "", fmt::format("the list is nested more than {} levels deep",
                                                        Document::made_depth_max));
    return Document::of(std::move(made));
}

Evaluated<Time> moment(const expression::Program& program, const Reading& reading,
                       std::string_view what) {
    BATON_ASSIGN(const Value value, evaluate(program, reading, what));
    if (value.kind() == expression::Kind::timestamp) {
        const auto stamp = value.as_timestamp();
        return Time{std::chrono::seconds(stamp.seconds)} + Duration{stamp.nanos / 1000};
    }
    if (value.kind() == expression::Kind::text)
        if (const auto time = parse_moment(value.as_text())) return *time;
    return expression_problem(what, "",
                              "is neither a timestamp nor text such as 2026-01-31T12:00:00Z");
}

Document block_output(const Workflow& workflow, const Run& run, Place block) {
    boost::json::object outputs;
    for (const StepIndex child : workflow.steps[block.step].children) {
        const StepState& state = state_of(workflow, run, {block.scope, child});
        if (state.status == StepStatus::done)
            outputs[workflow.steps[child].id] = state.output.json();
    }
    return Document::of(std::move(outputs));
}

Document repetition_output(const Workflow& workflow, const Run& run, Place whole) {
    const Step& step = workflow.steps[whole.step];
    static const Instances none;
    const Instances* found = instances_of(run, whole);
    const Instances& instances = found == nullptr ? none : *found;
    boost::json::object output;
    if (std::holds_alternative<Loop>(*step.repetition)) {
        output["iterations"] = instances.begun;
        if (const auto last = instances.results.find(0); last != instances.results.end())
            output["last"] = last->second.json();
        else if (step.results_are_read)
            output["last"] = nullptr;
        return Document::of(std::move(output));
    }
    output["total"] = instances.total;
    output["succeeded"] = instances.succeeded;
    output["failed"] = instances.failed;
    if (step.results_are_read) {
        boost::json::array results(instances.total, nullptr);
        for (const auto& [index, result] : instances.results)
            if (index < results.size()) results[index] = result.json();
        output["results"] = std::move(results);
    }
    return Document::of(std::move(output));
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
