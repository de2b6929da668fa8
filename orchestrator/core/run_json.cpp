// The stored form of a run, format 2:
//   {"f":2,"v":version,"s":status,"closed":µs?,"closed_steps":2,"begun_scopes":3?,"ending":1?,"hand":true?,
//    "scheduled":µs?,"deadline":µs?,"paused":[status,µs]?,"closing":[phase,status]?,"parent":[run,step,undo,attempt,depth,detached,root?]?,"signals":[{"n":1,"name":"ack","by":..?,"at":µs,"data":..?},..]?,"signals_received":2?,"signal_ids":[..]?,"event_ids":[..]?,"caller":{..}?,"trace":[parent,state]?,"reruns":1?,"output":{..}?,"error":{..}?,"cause":{..}?,
//    "steps":{"lock.mail":{"s":1,"a":[number,before,series_at,dispatched_at,due,deferred,started,floor?,held?,[failures]?]?,
//             "sent":true?,"wait":{..}?,"rem":µs?,"w":passed?,"h":happened?,"due":µs?,"n":closed_order?,"o":output?,"l":effect?,"ui":undo_input?,"e":error?,
//             "hand":1?,"given":result?,"in":input?,"rr":rerun?,"look":[look,failures,attempt,..]?,
//             "u":undo?,"ua":[..]?,"ue":error?,
//             "m":{"items":[..]?,"par":3?,"begun":4,"ok":2?,"bad":1?,"results":{"0":..}?}?},..},
//    "scopes":[{"n":number,"p":parent?,"of":"people","i":index,"counted":true?,"steps":{..}},..]?}
// "v":0 is a run of which nothing but its row is there. Format 1, which earlier versions wrote with
// every transition, had no "v", "s", "closed", "output" and no repeated steps: they stood in the
// row. Steps that are as new are left out. Times are microseconds since the epoch, 0 for none.
#include "orchestrator/core/run_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <utility>

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
           state.undo == UndoStatus::none && state.undo_attempts.number == 0 && !state.happened &&
           state.by_hand == ByHand::none && state.input.is_null() && state.undo_input.is_null() &&
           state.rerun == 0;
}

void append_attempts(std::string& out, std::string_view name, const Attempts& attempts) {
    // Of a task that was held before its first attempt and may begin, only its turn is known.
    if (attempts.number == 0 && !attempts.held && attempts.due == Time{}) return;
    fmt::format_to(
        std::back_inserter(out), ",\"{}\":[{},{},{},{},{},{},{}", name, attempts.number,
        attempts.before_series, micros_of(attempts.series_at), micros_of(attempts.dispatched_at),
        micros_of(attempts.due), attempts.deferred ? 1 : 0,
        attempts.start_is_noted && attempts.started_at ? micros_of(*attempts.started_at) : 0);
    const bool has_failures = !attempts.failures.empty();
    if (attempts.floor != 0 || attempts.held || has_failures)
        fmt::format_to(std::back_inserter(out), ",{}", attempts.floor);
    if (attempts.held || has_failures) out += attempts.held ? ",1" : ",0";
    if (has_failures)
        fmt::format_to(std::back_inserter(out), ",[{}]", fmt::join(attempts.failures, ","));
    out += ']';
}

void append_json_member(std::string& out, std::string_view name, const Document& value) {
    if (value.is_null()) return;
    out += ",\"";
    out += name;
    out += "\":";
    out += value.text();
}

void append_instances(std::string& out, const Instances& instances) {
    fmt::format_to(std::back_inserter(out), ",\"m\":{{\"begun\":{}", instances.begun);
    if (instances.succeeded != 0)
        fmt::format_to(std::back_inserter(out), ",\"ok\":{}", instances.succeeded);
    if (instances.failed != 0)
        fmt::format_to(std::back_inserter(out), ",\"bad\":{}", instances.failed);
    if (instances.before_series != 0)
        fmt::format_to(std::back_inserter(out), ",\"before\":{}", instances.before_series);
    append_json_member(out, "items", instances.items);
    if (instances.parallel != 0)
        fmt::format_to(std::back_inserter(out), ",\"par\":{}", instances.parallel);
    if (!instances.results.empty()) {
        out += ",\"results\":{";
        for (const auto& [index, result] : instances.results)
            fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", out.back() == '{' ? "" : ",",
                           index, result.text());
        out += '}';
    }
    out += '}';
}

void append_step(std::string& out, const StepState& state, const Instances* instances) {
    fmt::format_to(std::back_inserter(out), "{{\"s\":{}", number_of(state.status));
    append_attempts(out, "a", state.attempts);
    if (state.sent) out += ",\"sent\":true";
    if (state.passed) out += ",\"w\":true";
    if (state.happened) out += ",\"h\":true";
    if (state.due != Time{})
        fmt::format_to(std::back_inserter(out), ",\"due\":{}", micros_of(state.due));
    if (state.closed_order != 0)
        fmt::format_to(std::back_inserter(out), ",\"n\":{}", state.closed_order);
    append_json_member(out, "wait", state.wait);
    if (state.remind_at != Time{})
        fmt::format_to(std::back_inserter(out), ",\"rem\":{}", micros_of(state.remind_at));
    append_json_member(out, "o", state.output);
    append_json_member(out, "l", state.effect);
    append_json_member(out, "ui", state.undo_input);
    append_json_member(out, "e", state.error);
    if (state.by_hand != ByHand::none)
        fmt::format_to(std::back_inserter(out), ",\"hand\":{}", static_cast<int>(state.by_hand));
    append_json_member(out, "given", state.given);
    append_json_member(out, "in", state.input);
    if (state.rerun != 0) fmt::format_to(std::back_inserter(out), ",\"rr\":{}", state.rerun);
    if (state.look != Look::none || !state.looks.empty()) {
        fmt::format_to(std::back_inserter(out), ",\"look\":[{},{}", static_cast<int>(state.look), state.look_failures);
        for (const std::uint32_t attempt : state.looks)
            fmt::format_to(std::back_inserter(out), ",{}", attempt);
        out += ']';
    }
    if (state.undo != UndoStatus::none)
        fmt::format_to(std::back_inserter(out), ",\"u\":{}", static_cast<int>(state.undo));
    append_attempts(out, "ua", state.undo_attempts);
    append_json_member(out, "ue", state.undo_error);
    if (instances != nullptr) append_instances(out, *instances);
    out += '}';
}

void append_steps(std::string& out, const Workflow& workflow, const Scope& scope) {
    out += "\"steps\":{";
    bool first = true;
    const Body& body = workflow.bodies[scope.body];
    for (std::size_t slot = 0; slot < scope.steps.size(); ++slot) {
        const StepIndex index = body.steps[slot];
        const auto repetition = scope.repetitions.find(index);
        const bool has_begun = index != body.owner && repetition != scope.repetitions.end();
        if (is_new(scope.steps[slot]) && !has_begun) continue;
        if (!first) out += ',';
        first = false;
        out += '"';
        out += workflow.steps[index].path; // ids have no character that needs an escape
        out += "\":";
        append_step(out, scope.steps[slot], has_begun ? &repetition->second : nullptr);
    }
    out += '}';
}

void append_scope(std::string& out, const Workflow& workflow, const Scope& scope) {
    fmt::format_to(std::back_inserter(out), "{{\"n\":{}", scope.number);
    if (scope.parent != root_scope)
        fmt::format_to(std::back_inserter(out), ",\"p\":{}", scope.parent);
    fmt::format_to(std::back_inserter(out), ",\"of\":\"{}\",\"i\":{}",
                   workflow.steps[workflow.bodies[scope.body].owner].path, scope.index);
    if (scope.is_counted) out += ",\"counted\":true";
    out += ',';
    append_steps(out, workflow, scope);
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
    std::array<std::int64_t, 9> numbers{};
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
    attempts.floor = static_cast<std::uint32_t>(numbers[7]);
    attempts.held = numbers[8] != 0;
    attempts.failures.clear();
    if (items.size() > numbers.size() && items[numbers.size()].is_array())
        for (const auto& one : items[numbers.size()].get_array())
            attempts.failures.push_back(small(&one));
}

Outcome<void> read_look(const boost::json::value* value, StepState& state) {
    if (!value) return {};
    const auto* items = value->if_array();
    if (items == nullptr || items->size() < 2) return does_not_fit("look");
    const auto look = integer(&(*items)[0]);
    if (look < 0 || look > static_cast<int>(Look::absent)) return does_not_fit("look");
    state.look = static_cast<Look>(look);
    state.look_failures = small(&(*items)[1]);
    state.looks.clear();
    for (std::size_t i = 2; i < items->size(); ++i)
        state.looks.push_back(small(&(*items)[i]));
    return {};
}

Outcome<void> read_state(const boost::json::object& object, StepState& state) {
    const auto status = integer(object.if_contains("s"));
    const auto undo = integer(object.if_contains("u"));
    const auto hand = integer(object.if_contains("hand"));
    if (status < 0 || status > number_of(StepStatus::blocked) || undo < 0 ||
        undo > static_cast<int>(UndoStatus::skipped) || hand < 0 ||
        hand > static_cast<int>(ByHand::output))
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
    state.wait = document(object.if_contains("wait"));
    state.remind_at = time_from_micros(integer(object.if_contains("rem")));
    state.output = document(object.if_contains("o"));
    state.effect = document(object.if_contains("l"));
    state.undo_input = document(object.if_contains("ui"));
    state.error = document(object.if_contains("e"));
    state.by_hand = static_cast<ByHand>(hand);
    state.given = document(object.if_contains("given"));
    state.input = document(object.if_contains("in"));
    state.rerun = small(object.if_contains("rr"));
    state.undo_error = document(object.if_contains("ue"));
    return read_look(object.if_contains("look"), state);
}

Outcome<void> read_instances(const boost::json::object& object, Instances& instances) {
    instances.items = document(object.if_contains("items"));
    instances.parallel = small(object.if_contains("par"));
    instances.begun = small(object.if_contains("begun"));
    instances.succeeded = small(object.if_contains("ok"));
    instances.failed = small(object.if_contains("bad"));
    instances.before_series = small(object.if_contains("before"));
    const auto* results = object.if_contains("results");
    if (results == nullptr) return {};
    if (!results->is_object()) return does_not_fit("results");
    for (const auto& member : results->get_object()) {
        std::uint32_t index = 0;
        const std::string_view key{member.key().data(), member.key().size()};
        if (std::from_chars(key.data(), key.data() + key.size(), index).ec != std::errc{})
            return does_not_fit("results");
        instances.results[index] = Document::of(member.value());
    }
    return {};
}

Outcome<void> read_steps(const boost::json::object& object, const Workflow& workflow,
                         Scope& scope) {
    const Body& body = workflow.bodies[scope.body];
    scope.steps.assign(body.steps.size(), {});
    const auto* steps = object.if_contains("steps");
    if (!steps || !steps->is_object()) return does_not_fit("no steps");
    for (const auto& member : steps->get_object()) {
        const std::string_view path{member.key().data(), member.key().size()};
        const auto found = workflow.by_path.find(path);
        const bool is_here =
            found != workflow.by_path.end() &&
            (workflow.steps[found->second].body == scope.body || found->second == body.owner);
        if (!is_here || !member.value().is_object())
            return does_not_fit(fmt::format("its workflow has no step '{}' there", path));
        const auto& step = member.value().get_object();
        StepState& state = scope.steps[body.slot_of(workflow, found->second)];
        BATON_TRY(read_state(step, state));
        // A row of before `h` was written: done without an error is what completed then.
        const Step& its = workflow.steps[found->second];
        const bool is_whole = its.repetition && found->second != body.owner;
        if (std::holds_alternative<TaskKind>(its.kind) && !is_whole &&
            state.status == StepStatus::done && state.attempts.has_begun() && state.error.is_null())
            state.happened = true;
        if (const auto* instances = step.if_contains("m"); instances && instances->is_object())
            BATON_TRY(read_instances(instances->get_object(), scope.repetitions[found->second]));
    }
    return {};
}

Outcome<void> read_scopes(const boost::json::value& value, const Workflow& workflow, Run& run) {
    if (!value.is_array()) return does_not_fit("scopes");
    for (const auto& one : value.get_array()) {
        if (!one.is_object()) return does_not_fit("scopes");
        const auto& object = one.get_object();
        const auto* of = object.if_contains("of");
        if (!of || !of->is_string()) return does_not_fit("a scope of no step");
        const auto owner = workflow.by_path.find(
            std::string_view{of->get_string().data(), of->get_string().size()});
        if (owner == workflow.by_path.end() || !workflow.steps[owner->second].repetition)
            return does_not_fit("a scope of a step that is not repeated");
        Scope scope;
        scope.number = small(object.if_contains("n"));
        scope.parent = small(object.if_contains("p"));
        scope.body = workflow.steps[owner->second].inner;
        scope.index = small(object.if_contains("i"));
        scope.is_counted = object.contains("counted");
        const auto parent = run.scopes.find(scope.parent);
        const bool fits = scope.number > scope.parent && parent != run.scopes.end() &&
                          parent->second.body == workflow.steps[owner->second].body &&
                          !run.scopes.contains(scope.number);
        if (!fits) return does_not_fit("a scope that lies nowhere");
        BATON_TRY(read_steps(object, workflow, scope));
        run.scopes.emplace(scope.number, std::move(scope));
    }
    return {};
}

} // namespace

namespace {

void append_signals(std::string& out, const Run& run) {
    if (run.signals_received == 0) return;
    fmt::format_to(std::back_inserter(out), ",\"signals_received\":{}", run.signals_received);
    if (!run.signals.empty()) {
        out += ",\"signals\":[";
        for (const Signal& one : run.signals) {
            fmt::format_to(std::back_inserter(out), "{}{{\"n\":{},\"name\":{},\"at\":{}",
                           out.back() == '[' ? "" : ",", one.number,
                           boost::json::serialize(boost::json::string(one.name)),
                           micros_of(one.at));
            if (!one.by.empty())
                fmt::format_to(std::back_inserter(out), ",\"by\":{}",
                               boost::json::serialize(boost::json::string(one.by)));
            append_json_member(out, "data", one.data);
            out += '}';
        }
        out += ']';
    }
    if (run.signal_ids.empty()) return;
    boost::json::array ids;
    for (const std::string& id : run.signal_ids)
        ids.emplace_back(id);
    out += ",\"signal_ids\":" + boost::json::serialize(ids);
}

} // namespace

void append_new_state_json(std::string& out) {
    fmt::format_to(std::back_inserter(out), "{{\"f\":{},\"v\":0}}", run_format);
}

void append_state_json(std::string& out, const Workflow& workflow, const Run& run,
                       std::uint64_t version) {
    fmt::format_to(std::back_inserter(out), "{{\"f\":{},\"v\":{},\"s\":{},\"closed_steps\":{}",
                   run_format, version, static_cast<int>(run.status), run.closed_steps);
    if (run.closed_at)
        fmt::format_to(std::back_inserter(out), ",\"closed\":{}", micros_of(*run.closed_at));
    if (run.begun_scopes != 0)
        fmt::format_to(std::back_inserter(out), ",\"begun_scopes\":{}", run.begun_scopes);
    if (run.ending != Ending::none)
        fmt::format_to(std::back_inserter(out), ",\"ending\":{}", static_cast<int>(run.ending));
    if (run.by_hand) out += ",\"hand\":true";
    if (run.scheduled_at)
        fmt::format_to(std::back_inserter(out), ",\"scheduled\":{}", micros_of(*run.scheduled_at));
    if (run.deadline)
        fmt::format_to(std::back_inserter(out), ",\"deadline\":{}", micros_of(*run.deadline));
    if (run.paused_from)
        fmt::format_to(std::back_inserter(out), ",\"paused\":[{},{}]",
                       static_cast<int>(*run.paused_from), micros_of(run.paused_at));
    if (run.closing)
        fmt::format_to(std::back_inserter(out), ",\"closing\":[{},{}]",
                       static_cast<int>(run.closing->phase), static_cast<int>(run.closing->end));
    if (run.parent) {
        boost::json::array parts{run.parent->run_id,      run.parent->ref.step, run.parent->ref.undo,
                                 run.parent->ref.attempt, run.parent->depth,    run.parent->is_detached};
        if (!run.parent->root.empty()) parts.emplace_back(run.parent->root);
        out += ",\"parent\":" + boost::json::serialize(parts);
    }
    append_signals(out, run);
    append_json_member(out, "caller", run.caller);
    if (!run.trace.is_empty())
        out += ",\"trace\":" + boost::json::serialize(boost::json::array{run.trace.parent, run.trace.state});
    if (!run.event_ids.empty()) {
        boost::json::array ids;
        for (const std::string& id : run.event_ids)
            ids.emplace_back(id);
        out += ",\"event_ids\":" + boost::json::serialize(ids);
    }
    if (run.reruns != 0) fmt::format_to(std::back_inserter(out), ",\"reruns\":{}", run.reruns);
    append_json_member(out, "output", run.output);
    append_json_member(out, "error", run.error);
    append_json_member(out, "cause", run.cause);
    out += ',';
    append_steps(out, workflow, run.root());
    if (run.scopes.size() > 1) {
        out += ",\"scopes\":[";
        for (const auto& [number, scope] : run.scopes) {
            if (number == root_scope) continue;
            if (out.back() != '[') out += ',';
            append_scope(out, workflow, scope);
        }
        out += ']';
    }
    out += '}';
}

namespace {

Outcome<void> read_pause(const boost::json::object& object, Run& run) {
    run.paused_from.reset();
    run.paused_at = {};
    const auto* paused = object.if_contains("paused");
    if (paused == nullptr) return {};
    if (!paused->is_array() || paused->get_array().size() != 2) return does_not_fit("paused");
    const auto from = integer(&paused->get_array()[0]);
    if (from != static_cast<int>(RunStatus::running) &&
        from != static_cast<int>(RunStatus::compensating))
        return does_not_fit("paused");
    run.paused_from = static_cast<RunStatus>(from);
    run.paused_at = time_from_micros(integer(&paused->get_array()[1]));
    return {};
}

Outcome<void> read_signals(const boost::json::object& object, Run& run) {
    run.signals.clear();
    run.signal_ids.clear();
    run.signals_received = small(object.if_contains("signals_received"));
    const auto text = [](const boost::json::value* value) {
        return value != nullptr && value->is_string() ? std::string{value->get_string()}
                                                      : std::string{};
    };
    if (const auto* signals = object.if_contains("signals")) {
        if (!signals->is_array()) return does_not_fit("signals");
        for (const auto& one : signals->get_array()) {
            if (!one.is_object()) return does_not_fit("signals");
            const auto& it = one.get_object();
            run.signals.push_back({small(it.if_contains("n")), text(it.if_contains("name")),
                                   text(it.if_contains("by")),
                                   time_from_micros(integer(it.if_contains("at"))),
                                   document(it.if_contains("data"))});
        }
    }
    if (const auto* ids = object.if_contains("signal_ids")) {
        if (!ids->is_array()) return does_not_fit("signal_ids");
        for (const auto& id : ids->get_array())
            run.signal_ids.push_back(text(&id));
    }
    return {};
}

trace::Given trace_in(const boost::json::value* stored) {
    const auto* parts = stored == nullptr ? nullptr : stored->if_array();
    if (parts == nullptr || parts->size() != 2 || !(*parts)[0].is_string() || !(*parts)[1].is_string()) return {};
    return {std::string((*parts)[0].get_string()), std::string((*parts)[1].get_string())};
}

Outcome<void> read_parent(const boost::json::object& object, Run& run) {
    run.parent.reset();
    const auto* parent = object.if_contains("parent");
    if (parent == nullptr) return {};
    const auto* parts = parent->if_array();
    if (parts == nullptr || parts->size() < 6 || parts->size() > 7 || !(*parts)[0].is_string() ||
        !(*parts)[1].is_string() || !(*parts)[2].is_bool() || !(*parts)[5].is_bool() ||
        (parts->size() == 7 && !(*parts)[6].is_string()))
        return does_not_fit("parent");
    const auto text = [](const boost::json::string& one) {
        return std::string{one.data(), one.size()};
    };
    ParentRef& made = run.parent.emplace();
    made.run_id = text((*parts)[0].get_string());
    made.ref = {text((*parts)[1].get_string()), (*parts)[2].get_bool(), small(&(*parts)[3])};
    made.depth = small(&(*parts)[4]);
    made.is_detached = (*parts)[5].get_bool();
    if (parts->size() == 7) made.root = text((*parts)[6].get_string());
    return {};
}

Outcome<void> read_closing(const boost::json::object& object, Run& run) {
    run.closing.reset();
    const auto* closing = object.if_contains("closing");
    if (closing == nullptr) return {};
    if (!closing->is_array() || closing->get_array().size() != 2) return does_not_fit("closing");
    const auto phase = integer(&closing->get_array()[0]);
    const auto end = integer(&closing->get_array()[1]);
    const bool is_known =
        (phase == static_cast<int>(Phase::on_error) || phase == static_cast<int>(Phase::at_end)) &&
        end >= 0 && end <= static_cast<int>(RunStatus::compensated) &&
        is_closed(static_cast<RunStatus>(end));
    if (!is_known) return does_not_fit("closing");
    run.closing = Closing{static_cast<Phase>(phase), static_cast<RunStatus>(end)};
    return {};
}

Outcome<void> read_whole(const boost::json::object& object, std::int64_t format,
                         const Workflow& workflow, Run& run) {
    const auto ending = integer(object.if_contains("ending"));
    if (ending < 0 || ending > static_cast<int>(Ending::cancel)) return does_not_fit("ending");
    run.ending = static_cast<Ending>(ending);
    run.by_hand = object.contains("hand");
    run.closed_steps = small(object.if_contains("closed_steps"));
    run.begun_scopes = small(object.if_contains("begun_scopes"));
    run.scheduled_at.reset();
    if (const auto* scheduled = object.if_contains("scheduled"))
        run.scheduled_at = time_from_micros(integer(scheduled));
    run.deadline.reset();
    if (const auto* deadline = object.if_contains("deadline"))
        run.deadline = time_from_micros(integer(deadline));
    BATON_TRY(read_pause(object, run));
    BATON_TRY(read_closing(object, run));
    BATON_TRY(read_signals(object, run));
    run.caller = document(object.if_contains("caller"));
    run.trace = trace_in(object.if_contains("trace"));
    run.event_ids.clear();
    if (const auto* ids = object.if_contains("event_ids")) {
        if (!ids->is_array()) return does_not_fit("event_ids");
        for (const auto& id : ids->get_array())
            if (id.is_string()) run.event_ids.emplace_back(id.get_string());
    }
    BATON_TRY(read_parent(object, run));
    run.reruns = small(object.if_contains("reruns"));
    run.error = document(object.if_contains("error"));
    run.cause = document(object.if_contains("cause"));
    run.scopes.clear();
    BATON_TRY(read_steps(object, workflow, run.scopes[root_scope]));
    if (const auto* scopes = object.if_contains("scopes"))
        BATON_TRY(read_scopes(*scopes, workflow, run));
    if (format == 1) return {};
    const auto status = integer(object.if_contains("s"));
    if (status < static_cast<int>(RunStatus::queued) ||
        status > static_cast<int>(RunStatus::compensated))
        return does_not_fit("the run has a status this program does not know");
    run.status = static_cast<RunStatus>(status);
    run.closed_at.reset();
    if (const auto* closed = object.if_contains("closed"))
        run.closed_at = time_from_micros(integer(closed));
    run.output = document(object.if_contains("output"));
    return {};
}

} // namespace

Outcome<void> read_state_json(std::string_view json, const Workflow& workflow, Run& run) {
    const auto parsed = Document::parse_stored(std::string{json});
    if (!parsed) return does_not_fit("it is not JSON: " + parsed.error().detail);
    const Document& whole = *parsed;
    if (!whole.json().is_object()) return does_not_fit("it is no object");
    const auto& object = whole.json().get_object();
    const auto format = integer(object.if_contains("f"));
    if (format != 1 && format != run_format)
        return does_not_fit(
            fmt::format("format {} is not known, only 1 and {}", format, run_format));
    if (format == run_format) {
        const auto version = integer(object.if_contains("v"));
        if (version < 0) return does_not_fit("version");
        run.version = static_cast<std::uint64_t>(version);
        if (version == 0) {
            Run fresh = new_run(workflow, run.id);
            fresh.input = run.input;
            fresh.started_at = run.started_at;
            run = std::move(fresh);
            derive(workflow, run);
            return {};
        }
    }
    BATON_TRY(read_whole(object, format, workflow, run));
    derive(workflow, run);
    return {};
}

} // namespace baton::orchestrator::core
