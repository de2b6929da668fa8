// Steps that wait for what comes from outside: a signal to the run, people who decide, the first of
// several. While they wait they are running steps that begin nothing; what for stands in their
// state (run.hpp).
#include "base/overloaded.hpp"
#include "orchestrator/core/decide/decider.hpp"
#include "orchestrator/core/event_key.hpp"
#include "orchestrator/core/input.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::orchestrator::core {
namespace {

constexpr std::size_t name_bytes_max = 200;

std::string_view signal_text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

const boost::json::value* member(const Document& wait, std::string_view name) {
    const auto* object = wait.json().if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

// The way of a step's wait that a signal of this name ends: "" for the step itself. Absent: none.
std::optional<std::string> way_of(const Document& wait, std::string_view signal) {
    if (const auto* object = wait.json().if_object();
        object != nullptr && signal_text_in(*object, "signal") == signal && !signal.empty())
        return std::string{};
    const auto* ways = member(wait, "first_of");
    if (ways == nullptr) return std::nullopt;
    for (const auto& way : ways->as_array())
        if (signal_text_in(way.as_object(), "signal") == signal && !signal.empty())
            return std::string{signal_text_in(way.as_object(), "name")};
    return std::nullopt;
}

Problem too_late(std::string_view what) {
    Problem problem;
    problem.type = timeout_type;
    problem.title = "no answer in time";
    problem.detail = fmt::format("the timeout of the {} has passed", what);
    return problem;
}

Problem no_name(std::string detail) {
    Problem problem;
    problem.type = expression_type;
    problem.title = "an expression has no value";
    problem.detail = std::move(detail);
    problem.retryable = false;
    return problem;
}

boost::json::object result_of(const Signal& signal) {
    boost::json::object result;
    if (!signal.by.empty()) result["by"] = signal.by;
    result["at"] = to_rfc3339(signal.at);
    result["data"] = signal.data.json();
    return result;
}

// Names are texts of a length that people can read.
Evaluated<std::string> name_in(const Document& value, std::string_view what) {
    const auto* text = value.json().if_string();
    if (text == nullptr || text->empty() || text->size() > name_bytes_max)
        return no_name(
            fmt::format("{}: the name must be a text of 1 to {} bytes", what, name_bytes_max));
    return Evaluated<std::string>(boost::system::in_place_value, text->data(), text->size());
}

std::string list_of(const boost::json::value* by) {
    std::string list;
    if (by != nullptr)
        for (const auto& one : by->as_array())
            list += fmt::format("{}{}", list.empty() ? "" : ", ",
                                std::string_view{one.as_string().data(), one.as_string().size()});
    return list;
}

bool is_asked(const boost::json::value& by, const ApprovalDecided& event) {
    constexpr std::string_view role = "role:";
    return std::any_of(
        by.as_array().begin(), by.as_array().end(), [&](const boost::json::value& one) {
            const std::string_view who{one.as_string().data(), one.as_string().size()};
            if (!who.starts_with(role)) return who == event.by;
            return std::find(event.roles.begin(), event.roles.end(), who.substr(role.size())) !=
                   event.roles.end();
        });
}

const boost::json::object* vote_of(const Document& wait, std::string_view by) {
    const auto* votes = member(wait, "votes");
    if (votes == nullptr) return nullptr;
    for (const auto& vote : votes->as_array())
        if (signal_text_in(vote.as_object(), "by") == by) return &vote.as_object();
    return nullptr;
}

// What a first_of gives.
Document first_of(const std::string& way, boost::json::value result) {
    boost::json::object first{{"first", way}};
    first[way] = std::move(result);
    return Document::of(std::move(first));
}

// What people are asked, alone or as one of several waits, and the name of that.
struct Asked {
    const boost::json::value* approval = nullptr;
    std::string way{};
};
Asked asked_in(const Document& wait) {
    if (const auto* alone = member(wait, "approval")) return {alone};
    if (const auto* ways = member(wait, "first_of"))
        for (const auto& way : ways->as_array())
            if (const auto* one = way.as_object().if_contains("approval"))
                return {one, std::string{signal_text_in(way.as_object(), "name")}};
    return {};
}

// What an approval gives once it is decided: what the last one said, and all votes.
Document decision_of(const Document& wait) {
    const auto& votes = member(wait, "votes")->as_array();
    const auto& last = votes.back().as_object();
    boost::json::object result{
        {"approved", last.at("approves")}, {"by", last.at("by")}, {"at", last.at("at")}};
    if (const auto* comment = last.if_contains("comment")) result["comment"] = *comment;
    boost::json::object form;
    for (const auto& vote : votes)
        if (const auto* filled = vote.as_object().if_contains("form");
            filled != nullptr && filled->is_object())
            for (const auto& field : filled->as_object())
                form[field.key()] = field.value();
    result["form"] = std::move(form);
    result["votes"] = votes;
    return Document::of(std::move(result));
}

} // namespace

// ---- beginning to wait ----

std::optional<Time> Decider::until_block_timeout(Place place) const {
    const auto& timeout = step(place).block_timeout;
    return timeout ? std::optional(now_ + *timeout) : std::nullopt;
}

bool Decider::begin_wait(Place place, boost::json::object wanted, std::optional<Time> until) {
    fact::StepWaits waits{address(place), Document::of(std::move(wanted)), until};
    const bool is_noted = fits(waits.wanted);
    if (is_noted)
        note(std::move(waits));
    else
        give_up(place, too_large(waits.wanted), "not_retryable", {});
    return is_noted;
}

Evaluated<std::string> Decider::signal_wanted(Place place, const SignalKind& kind,
                                              std::string_view what) const {
    const auto filled = judge_.fill(kind.name, reading(place), what);
    if (!filled) return filled.error();
    return name_in(*filled, what);
}

void Decider::await_signal(Place place, const SignalKind& kind) {
    const auto name = signal_wanted(place, kind, "signal");
    if (!name) return give_up(place, name.error(), "not_retryable", {});
    if (begin_wait(place, {{"signal", *name}}, until_block_timeout(place))) take_kept(place);
}

Evaluated<boost::json::object> Decider::question(Place place, const ApprovalKind& kind) const {
    const auto title = judge_.fill(kind.title, reading(place), "approval.title");
    if (!title) return title.error();
    boost::json::object asked{{"title", title->json()}, {"quorum", kind.quorum}};
    if (!kind.by) return asked;
    const auto by = judge_.fill(*kind.by, reading(place), "approval.by");
    if (!by) return by.error();
    const auto* people = by->json().if_array();
    const bool are_names =
        people != nullptr && !people->empty() &&
        std::all_of(people->begin(), people->end(), [](const boost::json::value& one) {
            return one.is_string() && !one.get_string().empty();
        });
    if (!are_names) return no_name("approval.by: gives no list of users and roles");
    asked["by"] = by->json();
    return asked;
}

void Decider::ask_people(Place place, const ApprovalKind& kind) {
    auto asked = question(place, kind);
    if (!asked) return give_up(place, asked.error(), "not_retryable", {});
    begin_wait(place, {{"approval", std::move(*asked)}}, until_block_timeout(place));
}

// An event that nothing in it ties to this run may not be older than the run.
Evaluated<boost::json::object> Decider::event_wanted(Place place, const EventKind& kind) const {
    std::vector<std::pair<std::string, Document>> wanted;
    boost::json::object match;
    for (const EventKind::Match& one : kind.match) {
        const auto value = judge_.fill(one.value, reading(place), "event.match");
        if (!value) return value.error();
        match[one.path] = value->json();
        wanted.emplace_back(one.path, *value);
    }
    Time since = now_ - kind.keep;
    if (match.empty()) since = std::max(since, run().started_at);
    boost::json::object event{{"type", kind.type}};
    if (!match.empty()) event["match"] = std::move(match);
    event["key"] = event_key(kind.type, wanted);
    event["since"] = to_rfc3339(since);
    return event;
}

void Decider::await_event(Place place, const EventKind& kind) {
    auto event = event_wanted(place, kind);
    if (!event) return give_up(place, event.error(), "not_retryable", {});
    begin_wait(place, {{"event", std::move(*event)}}, until_block_timeout(place));
}

// `first`: the earliest moment that is one of the ways.
Evaluated<boost::json::object> Decider::way_wanted(Place place, const FirstOfKind::Way& way,
                                                   std::optional<Time>& first) const {
    boost::json::object wanted{{"name", way.name}};
    const auto until = [&](Time at) {
        wanted["at"] = to_rfc3339(at);
        if (!first || at < *first) first = at;
    };
    std::optional<Problem> problem;
    const auto put = [&](std::string_view as, auto made) {
        if (made)
            wanted[as] = std::move(*made);
        else
            problem = made.error();
    };
    std::visit(
        Overloaded{
            [&](const SignalKind& one) { put("signal", signal_wanted(place, one, "first_of")); },
            [&](const EventKind& one) { put("event", event_wanted(place, one)); },
            [&](const ApprovalKind& one) { put("approval", question(place, one)); },
            [&](const WaitKind& one) { until(now_ + one.duration); },
            [&](const WaitUntilKind& one) {
                const auto time = judge_.moment(one.time, reading(place), "first_of");
                if (time)
                    until(*time);
                else
                    problem = time.error();
            },
        },
        way.wait);
    if (problem) return *problem;
    return wanted;
}

void Decider::await_first(Place place, const FirstOfKind& kind) {
    boost::json::array ways;
    std::optional<Time> first;
    for (const FirstOfKind::Way& one : kind.ways) {
        auto way = way_wanted(place, one, first);
        if (!way) return give_up(place, way.error(), "not_retryable", {});
        ways.push_back(std::move(*way));
    }
    if (!begin_wait(place, {{"first_of", std::move(ways)}}, first)) return;
    take_kept(place);
    if (!is_closed(state(place).status) && first && *first <= now_) ring_wait(place);
}

// What came before anybody waited for it, oldest first.
void Decider::take_kept(Place place) {
    for (const Signal& signal : run().signals)
        if (way_of(state(place).wait, signal.name)) return take_signal(place, Signal{signal});
}

// ---- events ----

// The step is done with that; the outbox brings the event to the broker, once or more often under
// one id.
void Decider::emit(Place place, const EmitKind& kind) {
    const auto type = judge_.fill(kind.type, reading(place), "emit.type");
    if (!type) return give_up(place, type.error(), "not_retryable", {});
    const auto name = name_in(*type, "emit.type");
    if (!name) return give_up(place, name.error(), "not_retryable", {});
    fact::EventEmitted emitted{address(place), fmt::format("{}/{}", run().id, address(place)),
                               *name};
    if (const auto rerun = rerun_of(place); rerun != 0)
        emitted.id += fmt::format(":rerun{}", rerun);
    emitted.at = now_;
    emitted.trace = run().trace;
    if (kind.subject) {
        const auto subject = judge_.fill(*kind.subject, reading(place), "emit.subject");
        if (!subject) return give_up(place, subject.error(), "not_retryable", {});
        const auto* text = subject->json().if_string();
        emitted.subject = text != nullptr ? std::string{text->data(), text->size()}
                                          : std::string{subject->text()};
    }
    if (kind.data) {
        const auto data = judge_.fill(*kind.data, reading(place), "emit.data");
        if (!data) return give_up(place, data.error(), "not_retryable", {});
        if (!fits(*data)) return give_up(place, too_large(*data), "not_retryable", {});
        emitted.data = *data;
    }
    const Document result =
        Document::of(boost::json::object{{"id", emitted.id}, {"type", emitted.type}});
    note(std::move(emitted));
    complete(place, result, false);
}

// The first answer counts; where nobody waits for one it is the step's result all the same.
void Decider::reply(Place place, const ReplyKind& kind) {
    const auto value = judge_.fill(kind.value, reading(place), "reply");
    if (!value) return give_up(place, value.error(), "not_retryable", {});
    if (!fits(*value, 2)) return give_up(place, too_large(*value), "not_retryable", {});
    if (!run().caller.is_null())
        note(fact::CallerAnswered{address(place), run().caller, *value, {}});
    complete(place, *value, false);
}

// Of the steps that wait for it the one in front in the file has it, and none has it twice.
void Decider::on(const EventArrived& event) {
    const auto& taken = run().event_ids;
    made_.ignored = true;
    if (is_closed(run().status) || std::find(taken.begin(), taken.end(), event.id) != taken.end())
        return;
    for (const Place place : std::set(run().begun)) {
        for (const AwaitedEvent& one : awaited_events(state(place).wait)) {
            if (one.key != event.key || event.at < one.since) continue;
            made_.ignored = false;
            note(fact::EventTaken{address(place), event.key, event.id});
            if (!fits(event.event, 2))
                give_up(place, too_large(event.event), "not_retryable", {});
            else
                complete(place,
                         one.way.empty() ? event.event : first_of(one.way, event.event.json()),
                         false);
            return go_on();
        }
    }
}

// ---- signals ----

void Decider::take_signal(Place place, const Signal& signal) {
    const auto way = way_of(state(place).wait, signal.name);
    note(fact::SignalTaken{address(place), signal.number});
    boost::json::object result = result_of(signal);
    if (way->empty()) return complete(place, Document::of(std::move(result)), false);
    complete(place, first_of(*way, std::move(result)), false);
}

void Decider::on(const SignalSent& event) {
    const auto& ids = run().signal_ids;
    if (!event.id.empty() && std::find(ids.begin(), ids.end(), event.id) != ids.end()) {
        made_.ignored = true; // it came twice
        return;
    }
    made_.refusal = why_no_signal(event);
    if (!made_.refusal.empty()) return;
    note(fact::SignalReceived{run().signals_received + 1, event.name, event.id, event.data,
                              event.by});
    for (const Place place : std::set(run().begun)) {
        if (!way_of(state(place).wait, event.name)) continue;
        take_signal(place, Signal{run().signals.back()});
        break;
    }
    go_on();
}

// Empty: it is taken.
std::string Decider::why_no_signal(const SignalSent& event) const {
    const RunStatus status = status_beneath(run());
    if (is_closed(status) || status == RunStatus::compensating)
        return fmt::format("the run is {}: none of its steps waits for a signal any more",
                           word_of(run().status));
    if (event.name.empty() || event.name.size() > name_bytes_max)
        return fmt::format("the name of a signal has 1 to {} bytes", name_bytes_max);
    std::set<std::string> names;
    bool knows_all = true;
    const auto look = [&](const SignalKind& kind) {
        const auto name = kind.name.references().empty()
                              ? judge_.fill(kind.name, reading({root_scope, no_step}), "signal")
                              : Evaluated<Document>(Problem{});
        if (name && name->json().is_string())
            names.emplace(name->json().get_string());
        else
            knows_all = false;
    };
    for (const Step& one : workflow_.steps) {
        if (const auto* kind = std::get_if<SignalKind>(&one.kind)) look(*kind);
        if (const auto* kind = std::get_if<FirstOfKind>(&one.kind))
            for (const FirstOfKind::Way& way : kind->ways)
                if (const auto* signal = std::get_if<SignalKind>(&way.wait)) look(*signal);
    }
    if (knows_all && !names.contains(event.name))
        return names.empty() ? "no step of the workflow waits for a signal"
                             : fmt::format("no step of the workflow waits for '{}', only for: {}",
                                           event.name, fmt::join(names, ", "));
    if (run().signals.size() >= signals_max)
        return fmt::format("{} signals wait to be taken by the run, as many as it keeps",
                           signals_max);
    if (!fits(event.data)) return too_large(event.data).detail;
    return {};
}

// ---- approvals ----

void Decider::on(const ApprovalDecided& event) {
    const auto place = place_of(event.step);
    if (!place) return;
    if (auto why = why_not_asked(*place, event)) {
        made_.refusal = std::move(*why);
        return;
    }
    const StepState& one = state(*place);
    if (const auto* vote = vote_of(one.wait, event.by)) {
        if (vote->at("approves").as_bool() == event.approves)
            made_.ignored = true; // asked twice, since the answer was lost
        else
            made_.refusal = fmt::format("{} has decided already, and otherwise", event.by);
        return;
    }
    Document form = event.form;
    const ApprovalKind& kind = *approval_of(step(*place).kind);
    const std::string way = asked_in(one.wait).way;
    if (event.approves || !form.is_null()) {
        const CheckedInput checked = check_input(kind.form, form);
        for (const std::string& complaint : checked.complaints)
            made_.refusal += (made_.refusal.empty() ? "form: " : "; ") +
                             (complaint.starts_with("input.") ? complaint.substr(6) : complaint);
        if (!made_.refusal.empty()) return;
        form = kind.form.empty() ? Document{} : checked.input;
    }
    if (!fits(form, 2)) {
        made_.refusal = too_large(form).detail;
        return;
    }
    note(fact::ApprovalVoted{address(*place), event.approves, event.by, event.comment,
                             std::move(form)});
    std::uint32_t approvals = 0;
    for (const auto& vote : member(state(*place).wait, "votes")->as_array())
        if (vote.as_object().at("approves").as_bool()) ++approvals;
    // One who says no is enough: nobody is asked to outvote them.
    if (!event.approves || approvals >= kind.quorum) {
        const Document decision = decision_of(state(*place).wait);
        complete(*place, way.empty() ? decision : first_of(way, decision.json()), false);
    }
    go_on();
}

// Absent: their answer counts.
std::optional<std::string> Decider::why_not_asked(Place place, const ApprovalDecided& event) const {
    const auto* asked = asked_in(state(place).wait).approval;
    if (asked == nullptr || is_closed(run().status))
        return approval_of(step(place).kind) != nullptr
                   ? fmt::format("step '{}' asks nobody now: it is {}", address(place),
                                 word_of(state(place).status))
                   : fmt::format("step '{}' is no approval", address(place));
    const auto* by = asked->as_object().if_contains("by");
    const bool may = by == nullptr ? event.may_operate : is_asked(*by, event);
    if (may) return std::nullopt;
    if (by == nullptr) return "whoever may operate runs decides this, and you may not";
    return fmt::format("step '{}' asks {}, and you are {}", address(place), list_of(by),
                       event.by.empty() ? "nobody it knows" : event.by);
}

// ---- time ----

void Decider::ring_wait(Place place) {
    const StepState& one = state(place);
    const bool is_over = one.due != Time{} && one.due <= now_;
    if (awaited_result(one.wait)) { // nobody answers
        if (is_over) dispatch(place, false);
        return;
    }
    if (const auto* ways = member(one.wait, "first_of"); ways != nullptr && is_over) {
        const boost::json::object* winner = nullptr;
        for (const auto& way : ways->as_array()) {
            const auto& it = way.as_object();
            if (it.contains("at") &&
                (winner == nullptr || signal_text_in(it, "at") < signal_text_in(*winner, "at")))
                winner = &it;
        }
        const std::string name{signal_text_in(*winner, "name")};
        return complete(place, first_of(name, boost::json::object{{"at", winner->at("at")}}),
                        false);
    }
    if (is_over) return give_up(place, too_late(word_of(step(place).kind)), "timeout", {});
    if (one.remind_at != Time{} && one.remind_at <= now_)
        note(fact::ApprovalReminded{address(place), one.wait,
                                    one.due == Time{} ? std::nullopt : std::optional{one.due}});
}

} // namespace baton::orchestrator::core
