// The stored form of a run, format 1:
//   {"f":1,"closed_steps":2,"ending":1?,"hand":true?,"deadline":µs?,"error":{..}?,"cause":{..}?,
//    "steps":{"lock.mail":{"s":1,"a":[number,before,series_at,dispatched_at,due,deferred,started]?,
//             "sent":true?,"w":passed?,"h":happened?,"due":µs?,"n":closed_order?,"o":output?,"l":effect?,"ui":undo_input?,"e":error?,
//             "u":undo?,"ua":[..]?,"ue":error?},..}}
// Steps that are as new are left out. Times are microseconds since the epoch, 0 for none.
#include "orchestrator/core/run_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <array>
#include <iterator>

namespace baton::orchestrator::core {
namespace {

// The numbers are stored; never renumber.
constexpr int number_of(StepStatus status) {
    return static_cast<int>(status);
}
static_assert(number_of(StepStatus::waiting) == 0 && number_of(StepStatus::done) == 5 &&
              number_of(StepStatus::blocked) == 9);

bool is_new(const StepState& state) {
    return state.status == StepStatus::waiting && !state.sent && state.attempts.number == 0 &&
           state.undo == UndoStatus::none && state.undo_attempts.number == 0;
}

void append_attempts(std::string& out, std::string_view name, const Attempts& attempts) {
    if (attempts.number == 0) return;
    fmt::format_to(std::back_inserter(out), ",\"{}\":[{},{},{},{},{},{},{}]", name, attempts.number,
                   attempts.before_series, micros_of(attempts.series_at),
                   micros_of(attempts.dispatched_at), micros_of(attempts.due),
                   attempts.deferred ? 1 : 0,
                   attempts.started_at ? micros_of(*attempts.started_at) : 0);
}

void append_json_member(std::string& out, std::string_view name, const Document& value) {
    if (value.is_null()) return;
    out += ",\"";
    out += name;
    out += "\":";
    out += value.text();
}

void append_step(std::string& out, const StepState& state) {
    fmt::format_to(std::back_inserter(out), "{{\"s\":{}", number_of(state.status));
    append_attempts(out, "a", state.attempts);
    if (state.sent) out += ",\"sent\":true";
    if (state.passed) out += ",\"w\":true";
    if (state.happened) out += ",\"h\":true";
    if (state.due != Time{})
        fmt::format_to(std::back_inserter(out), ",\"due\":{}", micros_of(state.due));
    if (state.closed_order != 0)
        fmt::format_to(std::back_inserter(out), ",\"n\":{}", state.closed_order);
    append_json_member(out, "o", state.output);
    append_json_member(out, "l", state.effect);
    append_json_member(out, "ui", state.undo_input);
    append_json_member(out, "e", state.error);
    if (state.undo != UndoStatus::none)
        fmt::format_to(std::back_inserter(out), ",\"u\":{}", static_cast<int>(state.undo));
    append_attempts(out, "ua", state.undo_attempts);
    append_json_member(out, "ue", state.undo_error);
    out += '}';
}

Failure does_not_fit(std::string what) {
    return {make_error_code(boost::system::errc::invalid_argument),
            "the stored state of a run does not fit: " + std::move(what)};
}

std::int64_t integer(const boost::json::value* value) {
    if (!value) return 0;
    if (value->is_int64()) return value->get_int64();
    if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
    return 0;
}

std::uint32_t small(const boost::json::value* value) {
    return static_cast<std::uint32_t>(integer(value));
}

Document document(const boost::json::value* value) {
    return value ? Document::of(*value) : Document{};
}

void read_attempts(const boost::json::value* value, Attempts& attempts) {
    if (!value || !value->is_array()) return;
    const auto& items = value->get_array();
    std::array<std::int64_t, 7> numbers{};
    for (std::size_t i = 0; i < numbers.size() && i < items.size(); ++i)
        numbers[i] = integer(&items[i]);
    attempts.number = static_cast<std::uint32_t>(numbers[0]);
    attempts.before_series = static_cast<std::uint32_t>(numbers[1]);
    attempts.series_at = time_from_micros(numbers[2]);
    attempts.dispatched_at = time_from_micros(numbers[3]);
    attempts.due = time_from_micros(numbers[4]);
    attempts.deferred = numbers[5] != 0;
    if (numbers[6] != 0) attempts.started_at = time_from_micros(numbers[6]);
    attempts.start_is_noted = attempts.started_at.has_value();
}

Outcome<void> read_step(const boost::json::object& object, StepState& state) {
    const auto status = integer(object.if_contains("s"));
    const auto undo = integer(object.if_contains("u"));
    if (status < 0 || status > number_of(StepStatus::blocked) || undo < 0 ||
        undo > static_cast<int>(UndoStatus::skipped))
        return does_not_fit("a step has a status this program does not know");
    state.status = static_cast<StepStatus>(status);
    state.undo = static_cast<UndoStatus>(undo);
    read_attempts(object.if_contains("a"), state.attempts);
    read_attempts(object.if_contains("ua"), state.undo_attempts);
    state.sent = object.contains("sent");
    state.passed = object.contains("w");
    state.happened = object.contains("h");
    state.due = time_from_micros(integer(object.if_contains("due")));
    state.closed_order = small(object.if_contains("n"));
    state.output = document(object.if_contains("o"));
    state.effect = document(object.if_contains("l"));
    state.undo_input = document(object.if_contains("ui"));
    state.error = document(object.if_contains("e"));
    state.undo_error = document(object.if_contains("ue"));
    // A row of before `h` was written: done without an error is what completed then.
    if (state.status == StepStatus::done && state.attempts.number > 0 && state.error.is_null())
        state.happened = true;
    return {};
}

} // namespace

void append_state_json(std::string& out, const Workflow& workflow, const Run& run) {
    fmt::format_to(std::back_inserter(out), "{{\"f\":{},\"closed_steps\":{}", run_format,
                   run.closed_steps);
    if (run.ending != Ending::none)
        fmt::format_to(std::back_inserter(out), ",\"ending\":{}", static_cast<int>(run.ending));
    if (run.by_hand) out += ",\"hand\":true";
    if (run.deadline)
        fmt::format_to(std::back_inserter(out), ",\"deadline\":{}", micros_of(*run.deadline));
    append_json_member(out, "error", run.error);
    append_json_member(out, "cause", run.cause);
    out += ",\"steps\":{";
    bool first = true;
    for (StepIndex i = 0; i < run.steps.size(); ++i) {
        if (is_new(run.steps[i])) continue;
        if (!first) out += ',';
        first = false;
        out += '"';
        out += workflow.steps[i].path; // ids have no character that needs an escape
        out += "\":";
        append_step(out, run.steps[i]);
    }
    out += "}}";
}

Outcome<void> read_state_json(std::string_view json, const Workflow& workflow, Run& run) {
    const auto parsed = Document::parse_stored(std::string{json});
    if (!parsed) return does_not_fit("it is not JSON: " + parsed.error().detail);
    const Document& whole = *parsed;
    if (!whole.json().is_object()) return does_not_fit("it is no object");
    const auto& object = whole.json().get_object();
    const auto format = integer(object.if_contains("f"));
    if (format != run_format)
        return does_not_fit(fmt::format("format {} is not known, only {}", format, run_format));

    const auto ending = integer(object.if_contains("ending"));
    if (ending < 0 || ending > static_cast<int>(Ending::cancel)) return does_not_fit("ending");
    run.ending = static_cast<Ending>(ending);
    run.by_hand = object.contains("hand");
    run.closed_steps = small(object.if_contains("closed_steps"));
    run.deadline.reset();
    if (const auto* deadline = object.if_contains("deadline"))
        run.deadline = time_from_micros(integer(deadline));
    run.error = document(object.if_contains("error"));
    run.cause = document(object.if_contains("cause"));
    run.steps.assign(workflow.steps.size(), {});
    const auto* steps = object.if_contains("steps");
    if (!steps || !steps->is_object()) return does_not_fit("no steps");
    for (const auto& member : steps->get_object()) {
        const std::string_view path{member.key().data(), member.key().size()};
        const auto found = workflow.by_path.find(path);
        if (found == workflow.by_path.end() || !member.value().is_object())
            return does_not_fit(fmt::format("its workflow has no step '{}'", path));
        BATON_TRY(read_step(member.value().get_object(), run.steps[found->second]));
    }
    return {};
}

} // namespace baton::orchestrator::core
