#include "orchestrator/rehearsal/rehearsal.hpp"

#include "base/duration_text.hpp"
#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/core/trigger_input.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace baton::orchestrator::rehearsal {

namespace {

namespace json = boost::json;

constexpr std::string_view run_id = "00000000-0000-7000-8000-000000000001";

Time first_second_of_2026() {
    return *from_rfc3339("2026-01-01T00:00:00Z");
}

std::string name_of(const core::AttemptRef& ref) {
    return ref.undo ? "the undo of " + ref.step : ref.step;
}

// A workflow that is a step is called by its name, as a task is by its type; each of its runs has
// an id of its own.
core::DispatchTask by_name(core::DispatchTask task) {
    if (!task.route.starts_with(core::workflow_route)) return task;
    task.route.erase(0, core::workflow_route.size());
    task.idempotency_key = task.child_run;
    return task;
}

// What a test does not say of an event is as the trigger wants it.
bool is_for(const core::Trigger& trigger, const core::Document& event) {
    const auto* wanted = std::get_if<core::EventTrigger>(&trigger.kind);
    if (wanted == nullptr) return true;
    const auto said = [&](std::string_view name, const std::string& otherwise) {
        const auto* object = event.json().if_object();
        const auto* value = object != nullptr ? object->if_contains(name) : nullptr;
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : otherwise;
    };
    return core::is_for(*wanted, said("type", wanted->type), said("source", wanted->source));
}

class Stage {
public:
    Stage(const core::Workflow& workflow, const TestCase& test, const core::Judge& judge,
          const Disturbance& disturbance, std::size_t most_events)
        : workflow_(workflow),
          test_(test),
          judge_(judge),
          disturbance_(disturbance),
          most_events_(most_events),
          begun_(test.starts_at.value_or(first_second_of_2026())),
          now_(begun_) {
        out_.run = core::new_run(workflow, std::string(run_id));
    }

    Played play();

private:
    using AttemptKey = std::tuple<std::string, bool, std::uint32_t>;
    // What is on its way to the orchestrator.
    struct Coming {
        core::Event event;
        std::string text;
        bool is_report = false;
    };
    using Queue = std::multimap<Time, Coming>;

    std::optional<core::Document> input_of_run();
    void take(const core::Event& event, const std::string& text);
    void tell(core::EventArrived event);
    void offer_events();
    void carry_out(std::span<const core::Fact> facts, bool is_again);
    void hand_out(const core::DispatchTask& task, bool is_again);
    void complain_of_second_effect(const core::DispatchTask& task);
    const Answer* answer_for(const core::DispatchTask& task);
    void report(const core::DispatchTask& task, const Answer& answer);
    void begin_work(const core::AttemptRef& ref);
    void forget(const core::AttemptRef& ref);
    void keep_results(std::span<const core::Fact> facts);
    void tell_results(std::span<const core::Fact> facts);
    void crash(const core::Event& event, const std::string& text,
               const std::vector<core::Fact>& facts);
    bool go_on();
    Queue::iterator next_due();
    void complain(std::string text) {
        if (std::ranges::find(out_.complaints, text) == out_.complaints.end())
            out_.complaints.push_back(std::move(text));
    }
    void finish();

    const core::Workflow& workflow_;
    const TestCase& test_;
    const core::Judge& judge_;
    Disturbance disturbance_;
    std::size_t most_events_;
    Time begun_;
    Time now_;
    Queue coming_;
    std::vector<std::pair<Time, std::string>> history_; // as the store has it
    std::map<AttemptKey, const Answer*> given_;         // a call that comes twice is answered alike
    std::set<std::string, std::less<>> effects_; // idempotency keys under which there was one
    std::map<std::string, std::size_t, std::less<>> answered_; // calls that a mock has answered
    std::set<AttemptKey> at_work_;
    std::vector<core::EventArrived> told_; // to everybody, and kept for who waits later
    std::map<std::string, core::ResultKnown> results_; // of steps with a cache, by key
    bool waits_began_ = false;
    core::Document input_;
    core::RunStory story_;
    Played out_;
};

// Nothing: there is no run, and the story says why.
std::optional<core::Document> Stage::input_of_run() {
    if (test_.trigger == nullptr) return test_.input;
    const auto event = expression::Value::sharing_json(test_.event.shared_json());
    const auto complain_of = [this](const Failure& failure) {
        complain(fmt::format("the trigger '{}': {}", test_.trigger->name, failure.detail));
        return std::nullopt;
    };
    const auto is_meant = core::is_meant(workflow_, *test_.trigger, event);
    if (!is_meant) return complain_of(is_meant.error());
    out_.is_started = *is_meant && is_for(*test_.trigger, test_.event);
    if (!out_.is_started) return std::nullopt;
    const auto* given = test_.event.json().if_object();
    const auto* body = given != nullptr ? given->if_contains("body") : nullptr;
    const bool is_call = std::holds_alternative<core::RpcTrigger>(test_.trigger->kind);
    if (is_call && !test_.trigger->input) return body != nullptr ? core::Document::of(*body) : core::Document{};
    auto input = core::trigger_input(workflow_, *test_.trigger, event);
    if (!input) return complain_of(input.error());
    return std::move(*input);
}

Played Stage::play() {
    const auto given = input_of_run();
    if (!given) return std::move(out_);
    const auto checked = core::check_input(workflow_.input, *given);
    if (!checked.complaints.empty()) {
        for (const std::string& one : checked.complaints)
            complain("the input is refused: " + one);
        return std::move(out_);
    }
    input_ = checked.input;
    for (const Act& act : test_.acts)
        coming_.emplace(begun_ + act.after, Coming{act.event, "somebody acts", false});
    take(core::RunStarted{input_}, "the run starts");
    for (std::size_t turns = 0; out_.complaints.empty() && go_on(); ++turns)
        if (turns > most_events_)
            complain(fmt::format("the run does not end within {} events", most_events_));
    finish();
    return std::move(out_);
}

// Reports overtake one another, people do not.
Stage::Queue::iterator Stage::next_due() {
    const auto first = coming_.begin();
    if (!first->second.is_report) return first;
    if (!disturbance_.overtaken || out_.reports + 1 != *disturbance_.overtaken) return first;
    for (auto other = std::next(first); other != coming_.end() && other->first == first->first;
         ++other)
        if (other->second.is_report) return other;
    return first;
}

// One event, or the next alarm. False: nothing will happen any more.
bool Stage::go_on() {
    const auto alarm = core::next_deadline(out_.run);
    if (coming_.empty() || (alarm && *alarm < coming_.begin()->first)) {
        if (!alarm) return false;
        now_ = std::max(now_, *alarm);
        take(core::AlarmRang{}, "time passes");
        while (std::exchange(waits_began_, false)) offer_events();
        return true;
    }
    const auto due = next_due();
    now_ = std::max(now_, due->first);
    Coming one = std::move(due->second);
    coming_.erase(due);
    if (one.is_report) ++out_.reports;
    if (auto* event = std::get_if<core::EventArrived>(&one.event)) {
        tell(std::move(*event));
        return true;
    }
    take(one.event, one.text);
    while (std::exchange(waits_began_, false)) offer_events();
    return true;
}

void Stage::tell(core::EventArrived event) {
    event.id = fmt::format("event-{}", told_.size() + 1);
    event.at = now_;
    json::object whole = event.event.json().as_object();
    whole["id"] = event.id;
    whole["time"] = to_rfc3339(now_);
    event.event = core::Document::of(std::move(whole));
    told_.push_back(std::move(event));
    do
        offer_events();
    while (std::exchange(waits_began_, false));
}

// As the engine does: by keys, and what nobody waits for now is offered again.
void Stage::offer_events() {
    for (core::EventArrived event : told_)
        for (const core::EventShape& shape : workflow_.event_shapes)
            if (const auto key = core::key_of(shape, shape.type, event.event.json());
                key && event.event.json().at("type").as_string() == shape.type && event.at + shape.keep >= now_) {
                event.key = *key;
                take(event, "an event comes");
            }
}

void Stage::take(const core::Event& event, const std::string& text) {
    const core::Transition made = core::advance(workflow_, out_.run, event, now_, {}, judge_);
    if (!made.refusal.empty())
        complain(fmt::format("after {} the run refused: {}", to_text(now_ - begun_), made.refusal));
    if (made.facts.empty()) return;
    ++out_.transitions;
    std::string written;
    core::append_json(written, made.facts);
    history_.emplace_back(now_, std::move(written));
    story_.add(made.facts, now_);
    out_.events.push_back(fmt::format("{} after {}", text, to_text(now_ - begun_)));
    carry_out(made.facts, false);
    waits_began_ = waits_began_ || std::ranges::any_of(made.facts, [](const core::Fact& fact) {
                       return std::holds_alternative<core::fact::StepWaits>(fact.body);
                   });
    if (disturbance_.crash_after && *disturbance_.crash_after == out_.transitions) {
        disturbance_.crash_after.reset();
        crash(event, text, made.facts);
    }
}

// Within one test: a run of the past has left nothing.
void Stage::keep_results(std::span<const core::Fact> facts) {
    for (const core::Fact& fact : facts) {
        const auto* kept = std::get_if<core::fact::ResultKept>(&fact.body);
        if (!kept) continue;
        for (const core::Fact& other : facts)
            if (const auto* done = std::get_if<core::fact::TaskCompleted>(&other.body);
                done && !done->ref.undo && done->ref.step == kept->step) {
                const auto step = core::find_step(workflow_, kept->step);
                const bool is_shaped = step && workflow_.steps[*step].output;
                results_[kept->key] = {kept->key, out_.run.id, now_, is_shaped ? done->result : done->output};
            }
    }
}

void Stage::tell_results(std::span<const core::Fact> facts) {
    for (const core::Fact& fact : facts) {
        const auto* waits = std::get_if<core::fact::StepWaits>(&fact.body);
        const auto asked = waits ? core::awaited_result(waits->wanted) : std::nullopt;
        if (!asked) continue;
        const auto found = results_.find(asked->key);
        coming_.emplace(now_, Coming{found == results_.end() ? core::ResultKnown{asked->key} : found->second,
                                     "the cache answers " + waits->step, false});
    }
}

void Stage::carry_out(std::span<const core::Fact> facts, bool is_again) {
    keep_results(facts);
    tell_results(facts);
    const core::RunName name{out_.run.id, workflow_.name, workflow_.version};
    for (const core::Fact& fact : facts) {
        const auto command = core::command_of(name, fact);
        if (!command) continue;
        if (const auto* task = std::get_if<core::DispatchTask>(&*command))
            hand_out(by_name(*task), is_again);
        if (const auto* cancelled = std::get_if<core::CancelTask>(&*command))
            forget(cancelled->ref);
    }
}

void Stage::hand_out(const core::DispatchTask& task, bool is_again) {
    const AttemptKey key{task.ref.step, task.ref.undo, task.ref.attempt};
    const auto known = given_.find(key);
    const Answer* answer = known == given_.end() ? nullptr : known->second;
    if (!answer) {
        answer = answer_for(task);
        if (!answer) return;
        given_.emplace(key, answer);
        // Whoever says nothing may have done it all the same, and nobody hears of it.
        const bool has_effect = answer->kind != Answer::Kind::error && !answer->is_idempotent;
        if (has_effect && !effects_.insert(task.idempotency_key).second)
            complain_of_second_effect(task);
    } else if (!answer->is_idempotent) {
        complain_of_second_effect(task);
    }
    if (!is_again)
        out_.calls.push_back({task.ref.step, task.ref.undo, task.route, task.with,
                              task.idempotency_key, task.ref.attempt, now_ - begun_});
    at_work_.insert(key);
    begin_work(task.ref);
    report(task, *answer);
}

void Stage::complain_of_second_effect(const core::DispatchTask& task) {
    complain(fmt::format("'{}' was handed to a worker twice with the key {}, and its mock says "
                         "that each time has an effect",
                         task.route, task.idempotency_key));
}

// The mock of the step, by its address or without its numbers, else of its task, else of all.
const Answer* Stage::answer_for(const core::DispatchTask& task) {
    const std::string* mock = nullptr;
    const auto find = [&](std::string_view name) {
        const auto found = test_.mocks.find(name);
        if (found != test_.mocks.end()) mock = &found->first;
        return found != test_.mocks.end() ? &found->second : nullptr;
    };
    const std::vector<Answer>* answers = nullptr;
    if (!task.ref.undo && !task.is_look) {
        answers = find(task.ref.step);
        if (!answers) answers = find(without_numbers(task.ref.step));
    }
    if (!answers) answers = find(task.route);
    if (!answers) answers = find("*");
    // Nobody waits for it: that it has begun is its result.
    static const Answer begun = [] {
        Answer one;
        one.result = core::Document::of(json::object{{"run", "another run"}});
        return one;
    }();
    if (!answers && task.is_detached) return &begun;
    if (!answers || answers->empty()) {
        complain(fmt::format(
            "{} called '{}' and there is no mock for it; say mock = {{ \"{}\" = {{ … }} }}",
            name_of(task.ref), task.route, task.route));
        return nullptr;
    }
    std::size_t call = answered_[*mock]++;
    for (const Answer& answer : *answers) {
        const std::size_t times = answer.times.value_or(1);
        if (call < times) return &answer;
        call -= times;
    }
    if (!answers->back().times) return &answers->back();
    complain(fmt::format("{} called '{}' more often than its mock answers", name_of(task.ref),
                         task.route));
    return nullptr;
}

void Stage::begin_work(const core::AttemptRef& ref) {
    coming_.emplace(now_,
                    Coming{core::TaskStarted{ref, "a worker"}, name_of(ref) + " begins", false});
}

void Stage::report(const core::DispatchTask& task, const Answer& answer) {
    if (answer.kind == Answer::Kind::silence) return;
    Coming one{core::TaskCompleted{task.ref, answer.result}, name_of(task.ref) + " is done", true};
    if (answer.kind == Answer::Kind::error)
        one = {core::TaskFailed{task.ref, answer.problem},
               fmt::format("{} fails with {}", name_of(task.ref), answer.problem.type), true};
    coming_.emplace(now_ + answer.after, std::move(one));
}

// Its worker heard in time; who did not reports in vain.
void Stage::forget(const core::AttemptRef& ref) {
    at_work_.erase({ref.step, ref.undo, ref.attempt});
}

void Stage::crash(const core::Event& event, const std::string& text,
                  const std::vector<core::Fact>& facts) {
    core::Run again = core::new_run(workflow_, out_.run.id);
    again.input = input_;
    for (const auto& [at, written] : history_) {
        const auto read = core::facts_from_json(written);
        if (!read || !core::replay(workflow_, again, *read, at))
            return complain("the run cannot be read back from its history");
    }
    again.input = input_;
    out_.run = std::move(again);
    core::begin_clocks_anew(workflow_, out_.run, now_);
    out_.events.emplace_back("the server dies and starts again");
    // Workers are heard again.
    for (const auto& [step, undo, attempt] : at_work_)
        begin_work({step, undo, attempt});
    carry_out(facts, true);
    if (std::holds_alternative<core::TaskCompleted>(event) ||
        std::holds_alternative<core::TaskFailed>(event))
        coming_.emplace(now_, Coming{event, text + " (again)", false});
}

void Stage::finish() {
    std::vector<std::string> paths;
    for (const core::Step& step : workflow_.steps)
        paths.push_back(step.path);
    if (core::is_closed(out_.run.status)) story_.close();
    out_.steps = story_.take(paths);
    out_.took = out_.run.closed_at.value_or(now_) - begun_;
}

// --- What was expected ---

std::string short_text(const json::value& value) {
    constexpr std::size_t shown_max = 200;
    return shortened(json::serialize(value), shown_max);
}

bool is_same_number(const json::value& expected, const json::value& found) {
    return expected.is_number() && found.is_number() &&
           expected.to_number<double>() == found.to_number<double>();
}

// Where and how `found` does not fit; empty: it does.
std::string misfit(const std::string& where, const json::value& expected,
                   const json::value& found) {
    if (expected.is_object() && found.is_object()) {
        for (const auto& [key, value] : expected.get_object()) {
            const json::value* member = found.get_object().if_contains(key);
            const std::string place = where + "." + std::string(key);
            if (!member) return fmt::format("{} is missing; expected {}", place, short_text(value));
            if (std::string text = misfit(place, value, *member); !text.empty()) return text;
        }
        return {};
    }
    if (expected.is_array() && found.is_array()) {
        const json::array& wanted = expected.get_array();
        const json::array& there = found.get_array();
        if (wanted.size() != there.size())
            return fmt::format("{} has {} items, expected {}", where, there.size(), wanted.size());
        for (std::size_t at = 0; at < wanted.size(); ++at)
            if (std::string text = misfit(fmt::format("{}[{}]", where, at), wanted[at], there[at]);
                !text.empty())
                return text;
        return {};
    }
    if (expected == found || is_same_number(expected, found)) return {};
    return fmt::format("{} is {}, expected {}", where, short_text(found), short_text(expected));
}

std::vector<ExpectedCalls> grouped(const std::vector<Call>& calls) {
    std::vector<ExpectedCalls> out;
    for (const Call& call : calls) {
        if (!out.empty() && out.back().task == call.task)
            ++out.back().times;
        else
            out.push_back({call.task});
    }
    return out;
}

std::string text_of(const std::vector<ExpectedCalls>& calls) {
    std::string text;
    for (const ExpectedCalls& one : calls)
        text += fmt::format("{}{}{}", text.empty() ? "" : ", ", one.task,
                            one.times == 1 ? "" : fmt::format(" x{}", one.times));
    return text.empty() ? "nothing" : text;
}

// As people may have split them: "a", "a" is "a x2".
std::vector<ExpectedCalls> joined(const std::vector<ExpectedCalls>& calls) {
    std::vector<ExpectedCalls> out;
    for (const ExpectedCalls& one : calls) {
        if (one.times == 0) continue;
        if (!out.empty() && out.back().task == one.task)
            out.back().times += one.times;
        else
            out.push_back(one);
    }
    return out;
}

void compare_calls(const Expectation& expect, const Played& played, std::vector<std::string>& out) {
    if (expect.calls) {
        const std::string wanted = text_of(joined(*expect.calls));
        const std::string there = text_of(grouped(played.calls));
        if (wanted != there) out.push_back(fmt::format("called: {}; expected: {}", there, wanted));
    }
    for (const auto& [task, times] : expect.called) {
        const auto there = std::ranges::count(played.calls, task, &Call::task);
        if (there != static_cast<std::ptrdiff_t>(times))
            out.push_back(fmt::format("{} was called {} times, expected {}", task, there, times));
    }
    for (const auto& [step, with] : expect.with) {
        const auto call = std::ranges::find_if(played.calls, [&](const Call& one) {
            return !one.undo && (one.step == step || without_numbers(one.step) == step);
        });
        if (call == played.calls.end())
            out.push_back(fmt::format("{} called nobody", step));
        else if (std::string text = misfit("with of " + step, with.json(), call->with.json());
                 !text.empty())
            out.push_back(std::move(text));
    }
}

void compare_steps(const Expectation& expect, const Played& played, std::vector<std::string>& out) {
    for (const auto& [step, wanted] : expect.steps) {
        const auto found = std::ranges::find_if(played.steps, [&](const core::StepStory& one) {
            return !one.undo && one.step == step;
        });
        const std::string there =
            found == played.steps.end() ? "waiting" : std::string(found->status);
        if (there != wanted)
            out.push_back(fmt::format("step {} is {}, expected {}", step, there, wanted));
    }
}

// What a run that has not ended waits for, as far as the steps tell.
std::string open_steps(const Played& played) {
    std::string text;
    for (const core::StepStory& step : played.steps)
        if (step.status == "dispatched" || step.status == "deferred" || step.status == "running" ||
            step.status == "sleeping")
            text += fmt::format("{}{} is {}", text.empty() ? "; " : ", ", step.step, step.status);
    return text;
}

} // namespace

std::string without_numbers(std::string_view address) {
    std::string path;
    bool is_number = false;
    for (const char c : address) {
        if (c == '[') is_number = true;
        if (!is_number) path += c;
        if (c == ']') is_number = false;
    }
    return path;
}

std::string error_type_of(const core::Document& error) {
    const json::value& value = error.json();
    const json::value* type = value.is_object() ? value.get_object().if_contains("type") : nullptr;
    return type && type->is_string() ? std::string(type->get_string()) : std::string{};
}

Played play(const core::Workflow& workflow, const TestCase& test, const core::Judge& judge,
            const Disturbance& disturbance, std::size_t most_events) {
    return Stage(workflow, test, judge, disturbance, most_events).play();
}

std::vector<std::string> differences(const TestCase& test, const Played& played) {
    const Expectation& expect = test.expect;
    std::vector<std::string> out = played.complaints;
    if (!out.empty()) return out;
    if (played.is_started != expect.started)
        out.push_back(played.is_started ? "a run is started, expected none" : "no run is started: it is not meant");
    if (!played.is_started || !expect.started) return out;
    const auto status = expect.status.value_or(core::RunStatus::completed);
    if (played.run.status != status && (expect.status || !core::is_closed(played.run.status))) {
        std::string text = fmt::format("the run is {}, expected {}",
                                       core::word_of(played.run.status), core::word_of(status));
        if (!core::is_closed(played.run.status)) text += open_steps(played);
        if (!played.run.error.is_null()) text += "; " + short_text(played.run.error.json());
        out.push_back(std::move(text));
    }
    if (expect.error && *expect.error != error_type_of(played.run.error))
        out.push_back(fmt::format("the error is '{}', expected '{}'",
                                  error_type_of(played.run.error), *expect.error));
    if (expect.output)
        if (std::string text = misfit("output", expect.output->json(), played.run.output.json());
            !text.empty())
            out.push_back(std::move(text));
    compare_calls(expect, played, out);
    compare_steps(expect, played, out);
    if (expect.within && played.took > *expect.within)
        out.push_back(fmt::format("it took {}, expected at most {}", to_text(played.took),
                                  to_text(*expect.within)));
    return out;
}

Crashes crash_everywhere(const core::Workflow& workflow, const TestCase& test) {
    Crashes out;
    const Played undisturbed = play(workflow, test);
    const auto try_one = [&](const Disturbance& disturbance, const std::string& how) {
        ++out.played;
        Played played = play(workflow, test, core::evaluating_judge(), disturbance);
        std::vector<std::string> found = differences(test, played);
        if (found.empty()) return;
        if (out.broken && out.broken->events.size() <= played.events.size()) return;
        out.broken = Broken{how, std::move(played.events), std::move(found)};
    };
    for (std::size_t at = 1; at <= undisturbed.transitions; ++at) {
        Disturbance crash;
        crash.crash_after = at;
        try_one(crash,
                fmt::format("a crash behind transition {} of {}", at, undisturbed.transitions));
    }
    for (std::size_t at = 1; at <= undisturbed.reports; ++at) {
        Disturbance other_order;
        other_order.overtaken = at;
        try_one(other_order, fmt::format("report {} of {} is overtaken", at, undisturbed.reports));
    }
    return out;
}

} // namespace baton::orchestrator::rehearsal
