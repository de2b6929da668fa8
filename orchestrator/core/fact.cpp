// Facts as JSON and as commands.
#include "orchestrator/core/fact.hpp"

#include "base/overloaded.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/workflow.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <utility>

namespace baton::orchestrator::core {
namespace {

// In the order of FactBody.
constexpr std::array<std::string_view, 52> fact_words = {
    "run_started",    "run_status",   "task_dispatched", "task_started", "task_completed",
    "task_failed",    "task_deferred", "task_cancelled", "late_result",  "effect_kept",
    "step_started",   "step_done",    "step_sent",       "step_skipped", "step_blocked",
    "step_cancelled", "error_caught", "step_dead",       "step_revived", "items_listed",
    "item_started",   "item_closed",  "undo_skipped",    "run_finished", "cancel_requested",
    "retry_requested", "pause_requested", "resume_requested", "skip_requested", "output_given",
    "input_edited",   "rerun_requested", "step_reset", "run_closing",
    "step_waits",     "signal_received", "signal_taken",   "approval_voted", "approval_reminded",
    "parent_told",    "child_cancelled", "event_emitted", "event_taken", "caller_answered",
    "run_mended",      "slot_awaited",   "slot_given",   "task_held",       "task_released",
    "step_verified",   "result_found",   "result_kept",
};
static_assert(std::variant_size_v<FactBody> == fact_words.size());

constexpr std::array<std::string_view, 4> ending_words = {"", "failure", "timeout", "cancel"};

// Writes the members of one object by hand: a transition is written for every event of every run.
class Members {
public:
    explicit Members(std::string& out) : out_(out) { out_ += '{'; }
    void close() { out_ += '}'; }

    void text(std::string_view name, std::string_view value) {
        if (value.empty()) return;
        key(name);
        quoted(value);
    }
    void number(std::string_view name, std::int64_t value) {
        key(name);
        fmt::format_to(std::back_inserter(out_), "{}", value);
    }
    void flag(std::string_view name, bool value) {
        if (!value) return;
        key(name);
        out_ += "true";
    }
    void json(std::string_view name, const Document& value) {
        key(name);
        out_ += value.text();
    }
    void json_unless_null(std::string_view name, const Document& value) {
        if (!value.is_null()) json(name, value);
    }
    void time(std::string_view name, const std::optional<Time>& value) {
        if (value) text(name, to_rfc3339(*value));
    }

private:
    void key(std::string_view name) {
        if (out_.back() != '{') out_ += ',';
        out_ += '"';
        out_ += name;
        out_ += "\":";
    }
    void quoted(std::string_view value) {
        for (const char c : value)
            if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
                out_ +=
                    boost::json::serialize(boost::json::string_view{value.data(), value.size()});
                return;
            }
        out_ += '"';
        out_ += value;
        out_ += '"';
    }

    std::string& out_;
};

void append(Members& out, const AttemptRef& ref) {
    out.text("step", ref.step);
    out.flag("undo", ref.undo);
    if (ref.attempt != 0) out.number("attempt", ref.attempt);
}

void append(Members& out, const ParentRef& parent) {
    out.text("run", parent.run_id);
    append(out, parent.ref);
    out.number("depth", parent.depth);
    out.flag("detached", parent.is_detached);
    out.text("root", parent.root);
}

void append(Members& out, const trace::Given& trace) {
    out.text("traceparent", trace.parent);
    out.text("tracestate", trace.state);
}

void append(Members& out, const fact::RunStarted& fact) {
    if (fact.parent) append(out, *fact.parent);
    out.json_unless_null("caller", fact.caller);
    out.time("scheduled_at", fact.scheduled_at);
    append(out, fact.trace);
}
void append(Members& out, const fact::RunBecame& fact) {
    out.text("status", word_of(fact.status));
    out.json_unless_null("output", fact.output);
    out.json_unless_null("cause", fact.cause);
    out.text("ending", ending_words[static_cast<std::size_t>(fact.ending)]);
    out.flag("hand", fact.by_hand);
    if (fact.from) out.text("from", word_of(*fact.from));
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::RunClosing& fact) {
    out.text("phase", word_of(fact.phase));
    append(out, fact.end);
}
Document to_list(const std::vector<std::string>& texts) {
    boost::json::array list;
    for (const std::string& text : texts)
        list.emplace_back(text);
    return Document::of(std::move(list));
}

void append(Members& out, const fact::TaskDispatched& fact) {
    const TaskOrder& order = fact.order;
    append(out, fact.ref);
    if (order.attempt_of_series != fact.ref.attempt) out.number("of_series", order.attempt_of_series);
    out.number("max_attempts", order.max_attempts);
    out.json("input", order.with);
    if (!order.secrets.empty()) out.json("secrets", to_list(order.secrets));
    out.text("key", order.idempotency_key);
    if (order.priority != 4) out.number("priority", order.priority);
    out.time("start_by", order.start_by);
    out.time("deadline", order.deadline);
    if (order.timeout) out.number("timeout_ms", order.timeout->count() / 1000);
    if (order.heartbeat) out.number("heartbeat_ms", order.heartbeat->count() / 1000);
    out.json_unless_null("progress", order.progress);
    out.text("run", order.child_run);
    if (order.depth != 0) out.number("depth", order.depth);
    out.flag("detached", order.is_detached);
    out.text("root", order.root);
    out.flag("verify", order.is_look);
    append(out, order.trace);
    out.text("task", order.route);
}
void append(Members& out, const fact::TaskStarted& fact) {
    append(out, fact.ref);
    out.time("since", fact.since);
    out.text("worker", fact.worker);
}
void append(Members& out, const fact::TaskCompleted& fact) {
    append(out, fact.ref);
    if (!fact.ref.undo) out.json("output", fact.output);
    out.json_unless_null("result", fact.result);
    out.text("worker", fact.worker);
}
void append(Members& out, const fact::TaskFailed& fact) {
    append(out, fact.ref);
    out.time("retry_at", fact.retry_at);
    out.flag("untried", fact.untried);
    out.flag("verify", fact.asks);
    out.text("worker", fact.worker);
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::TaskDeferred& fact) {
    append(out, fact.ref);
    out.time("until", fact.until);
}
void append(Members& out, const fact::TaskCancelled& fact) {
    append(out, fact.ref);
    out.text("task", fact.task);
}
void append(Members& out, const fact::LateResult& fact) {
    append(out, fact.ref);
    out.json("output", fact.output);
}
void append(Members& out, const fact::EffectKept& fact) {
    out.text("step", fact.step);
    out.json_unless_null("effect", fact.effect);
    out.json_unless_null("undo_input", fact.undo_input);
}
void append(Members& out, const fact::StepStarted& fact) {
    out.text("step", fact.step);
    out.time("until", fact.until);
}
void append(Members& out, const fact::StepWaits& fact) {
    out.text("step", fact.step);
    out.json("for", fact.wanted);
    out.time("until", fact.until);
}
void append(Members& out, const fact::SignalReceived& fact) {
    out.number("number", fact.number);
    out.text("name", fact.name);
    out.text("id", fact.id);
    out.json_unless_null("data", fact.data);
    out.text("by", fact.by);
}
void append(Members& out, const fact::SignalTaken& fact) {
    out.text("step", fact.step);
    out.number("number", fact.number);
}
void append(Members& out, const fact::EventTaken& fact) {
    out.text("step", fact.step);
    out.text("key", fact.key);
    out.text("id", fact.id);
}
void append(Members& out, const fact::CallerAnswered& fact) {
    out.text("step", fact.step);
    out.json("caller", fact.caller);
    out.json_unless_null("output", fact.output);
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::ApprovalVoted& fact) {
    out.text("step", fact.step);
    out.flag("approves", fact.approves);
    out.text("by", fact.by);
    out.text("text", fact.comment);
    out.json_unless_null("form", fact.form);
}
void append(Members& out, const fact::ApprovalReminded& fact) {
    out.text("step", fact.step);
    out.json("for", fact.wanted);
    out.time("until", fact.until);
}
void append(Members& out, const fact::StepDone& fact) {
    out.text("step", fact.step);
    out.json_unless_null("output", fact.output);
    out.flag("hand", fact.by_hand);
}
void append(Members& out, const fact::StepSent& fact) { out.text("step", fact.step); }
void append(Members& out, const fact::StepSkipped& fact) {
    out.text("step", fact.step);
    out.flag("undo", fact.undo);
    out.flag("passed", fact.passed);
}
void append(Members& out, const fact::StepBlocked& fact) { out.text("step", fact.step); }
void append(Members& out, const fact::StepCancelled& fact) {
    out.text("step", fact.step);
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::ErrorCaught& fact) {
    out.text("step", fact.step);
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::StepDead& fact) {
    append(out, AttemptRef{fact.step, fact.undo, fact.attempt});
    out.text("task", fact.task);
    out.json_unless_null("error", fact.error);
    out.text("reason", fact.reason);
}
void append(Members& out, const fact::StepRevived& fact) {
    out.text("step", fact.step);
    out.flag("undo", fact.undo);
}
void append(Members& out, const fact::ItemsListed& fact) {
    out.text("step", fact.step);
    out.json("items", fact.items);
    if (fact.parallel != 0) out.number("parallel", fact.parallel);
}
void append(Members& out, const fact::ItemStarted& fact) { out.text("step", fact.step); }
void append(Members& out, const fact::ItemClosed& fact) { out.text("step", fact.step); }
void append(Members& out, const fact::UndoSkipped& fact) {
    append(out, AttemptRef{fact.step, true, 0});
    out.text("text", fact.reason);
}
void append(Members& out, const fact::RunFinished& fact) { out.text("text", fact.reason); }
void append(Members& out, const fact::CancelRequested& fact) { out.text("text", fact.reason); }
void append(Members&, const fact::RetryRequested&) {}
void append(Members& out, const fact::PauseRequested& fact) { out.text("text", fact.reason); }
void append(Members& out, const fact::ResumeRequested& fact) { out.text("text", fact.reason); }
void append(Members& out, const fact::SkipRequested& fact) {
    out.text("step", fact.step);
    out.text("text", fact.reason);
}
void append(Members& out, const fact::OutputGiven& fact) {
    out.text("step", fact.step);
    out.json("output", fact.output);
    out.text("text", fact.reason);
}
void append(Members& out, const fact::InputEdited& fact) {
    append(out, AttemptRef{fact.step, fact.undo, 0});
    out.json("input", fact.input);
    out.text("text", fact.reason);
}
void append(Members& out, const fact::RerunRequested& fact) {
    out.text("step", fact.step);
    out.text("text", fact.reason);
}
void append(Members& out, const fact::ParentTold& fact) {
    append(out, fact.parent);
    out.json_unless_null("output", fact.output);
    out.json_unless_null("error", fact.error);
}
void append(Members& out, const fact::EventEmitted& fact) {
    out.text("step", fact.step);
    out.text("id", fact.id);
    out.text("type", fact.type);
    out.text("subject", fact.subject);
    out.json_unless_null("data", fact.data);
    out.time("at", fact.at);
    append(out, fact.trace);
}
void append(Members& out, const fact::ChildCancelled& fact) {
    append(out, fact.ref);
    out.text("task", fact.task);
}
void append(Members& out, const fact::SlotAwaited& fact) { out.text("text", fact.key); }
void append(Members&, const fact::SlotGiven&) {}
void append(Members& out, const fact::TaskHeld& fact) {
    out.text("step", fact.step);
    out.flag("undo", fact.undo);
    out.text("task", fact.task);
    out.text("text", fact.reason);
}
void append(Members& out, const fact::TaskReleased& fact) {
    out.text("step", fact.step);
    out.flag("undo", fact.undo);
}
void append(Members& out, const fact::StepVerified& fact) {
    append(out, fact.ref);
    out.flag("done", fact.is_done);
    out.time("retry_at", fact.retry_at);
    out.text("worker", fact.worker);
    out.json("result", fact.result);
}
void append(Members& out, const fact::ResultFound& fact) {
    out.text("step", fact.step);
    out.text("run", fact.run);
}
void append(Members& out, const fact::ResultKept& fact) {
    out.text("step", fact.step);
    out.text("key", fact.key);
    out.time("until", fact.until);
}
void append(Members& out, const fact::RunMended& fact) { out.text("text", fact.what); }
void append(Members& out, const fact::StepReset& fact) {
    out.text("step", fact.step);
    out.number("rerun", fact.rerun);
    out.flag("sent", fact.is_sent);
}

// Reading back: tolerant, since an older or newer program may have written it.

std::string fact_text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

std::int64_t number_in(const boost::json::object& object, std::string_view name,
                       std::int64_t otherwise = 0) {
    const auto* value = object.if_contains(name);
    if (!value) return otherwise;
    if (value->is_int64()) return value->get_int64();
    if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
    return otherwise;
}

Document json_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value ? Document::of(*value) : Document{};
}

// The form to_rfc3339 writes: 2026-01-31T12:04:10.123456Z.
std::optional<Time> time_in(const boost::json::object& object, std::string_view name) {
    const std::string text = fact_text_in(object, name);
    const auto part = [&text](std::size_t at, std::size_t size) -> std::optional<int> {
        int value = 0;
        if (at + size > text.size()) return std::nullopt;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + size, value);
        if (error != std::errc{} || end != text.data() + at + size) return std::nullopt;
        return value;
    };
    const auto year = part(0, 4), month = part(5, 2), day = part(8, 2);
    const auto hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    std::int64_t micros = 0;
    if (text.size() > 20 && text[19] == '.') {
        std::int64_t unit = 100'000;
        for (std::size_t i = 20; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
            micros += (text[i] - '0') * unit;
            unit /= 10;
        }
    }
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    return Time{std::chrono::sys_days{date}} + std::chrono::hours(*hour) +
           std::chrono::minutes(*minute) + std::chrono::seconds(*second) + Duration{micros};
}

bool flag_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_bool() && value->get_bool();
}

AttemptRef ref_in(const boost::json::object& object) {
    return {fact_text_in(object, "step"), flag_in(object, "undo"),
            static_cast<std::uint32_t>(number_in(object, "attempt"))};
}

std::optional<Duration> millis_in(const boost::json::object& object, std::string_view name) {
    const auto millis = number_in(object, name);
    if (millis == 0) return std::nullopt;
    return std::chrono::milliseconds(millis);
}

ParentRef parent_in(const boost::json::object& in) {
    return {fact_text_in(in, "run"), ref_in(in), static_cast<std::uint32_t>(number_in(in, "depth", 1)), flag_in(in, "detached"),
            fact_text_in(in, "root")};
}

trace::Given fact_trace_in(const boost::json::object& in) { return {fact_text_in(in, "traceparent"), fact_text_in(in, "tracestate")}; }

void read(const boost::json::object& in, fact::RunStarted& fact) {
    if (in.contains("run")) fact.parent = parent_in(in);
    fact.caller = json_in(in, "caller");
    fact.scheduled_at = time_in(in, "scheduled_at");
    fact.trace = fact_trace_in(in);
}
void read(const boost::json::object& in, fact::RunBecame& fact) {
    if (const auto status = run_status_from(fact_text_in(in, "status"))) fact.status = *status;
    fact.output = json_in(in, "output");
    fact.error = json_in(in, "error");
    fact.cause = json_in(in, "cause");
    fact.by_hand = flag_in(in, "hand");
    fact.from = run_status_from(fact_text_in(in, "from"));
    const std::string ending = fact_text_in(in, "ending");
    for (std::size_t i = 0; i < ending_words.size(); ++i)
        if (ending_words[i] == ending) fact.ending = static_cast<Ending>(i);
}
void read(const boost::json::object& in, fact::RunClosing& fact) {
    fact.phase = fact_text_in(in, "phase") == word_of(Phase::on_error) ? Phase::on_error : Phase::at_end;
    read(in, fact.end);
}
void read(const boost::json::object& in, fact::TaskDispatched& fact) {
    fact.ref = ref_in(in);
    TaskOrder& order = fact.order;
    order.route = fact_text_in(in, "task");
    order.with = json_in(in, "input");
    if (const auto* secrets = in.if_contains("secrets"); secrets != nullptr && secrets->is_array())
        for (const auto& pointer : secrets->get_array())
            if (pointer.is_string()) order.secrets.emplace_back(pointer.get_string());
    order.attempt_of_series = static_cast<std::uint32_t>(number_in(in, "of_series", fact.ref.attempt));
    order.max_attempts = static_cast<std::uint32_t>(number_in(in, "max_attempts"));
    order.priority = static_cast<std::uint8_t>(number_in(in, "priority", 4));
    order.idempotency_key = fact_text_in(in, "key");
    order.start_by = time_in(in, "start_by");
    order.deadline = time_in(in, "deadline");
    order.timeout = millis_in(in, "timeout_ms");
    order.heartbeat = millis_in(in, "heartbeat_ms");
    order.progress = json_in(in, "progress");
    order.child_run = fact_text_in(in, "run");
    order.depth = static_cast<std::uint32_t>(number_in(in, "depth"));
    order.is_detached = flag_in(in, "detached");
    order.root = fact_text_in(in, "root");
    order.is_look = flag_in(in, "verify");
    order.trace = fact_trace_in(in);
}
void read(const boost::json::object& in, fact::TaskStarted& fact) {
    fact.ref = ref_in(in);
    fact.worker = fact_text_in(in, "worker");
    fact.since = time_in(in, "since");
}
void read(const boost::json::object& in, fact::TaskCompleted& fact) {
    fact.ref = ref_in(in);
    fact.worker = fact_text_in(in, "worker");
    fact.output = json_in(in, "output");
    fact.result = json_in(in, "result");
}
void read(const boost::json::object& in, fact::TaskFailed& fact) {
    fact.ref = ref_in(in);
    fact.worker = fact_text_in(in, "worker");
    fact.error = json_in(in, "error");
    fact.retry_at = time_in(in, "retry_at");
    fact.untried = flag_in(in, "untried");
    fact.asks = flag_in(in, "verify");
}
void read(const boost::json::object& in, fact::ResultFound& fact) {
    fact.step = fact_text_in(in, "step");
    fact.run = fact_text_in(in, "run");
}
void read(const boost::json::object& in, fact::ResultKept& fact) {
    fact.step = fact_text_in(in, "step");
    fact.key = fact_text_in(in, "key");
    fact.until = time_in(in, "until").value_or(Time{});
}
void read(const boost::json::object& in, fact::StepVerified& fact) {
    fact.ref = ref_in(in);
    fact.worker = fact_text_in(in, "worker");
    fact.is_done = flag_in(in, "done");
    fact.result = json_in(in, "result");
    fact.retry_at = time_in(in, "retry_at");
}
void read(const boost::json::object& in, fact::TaskDeferred& fact) {
    fact.ref = ref_in(in);
    fact.until = time_in(in, "until");
}
void read(const boost::json::object& in, fact::TaskCancelled& fact) {
    fact.ref = ref_in(in);
    fact.task = fact_text_in(in, "task");
}
void read(const boost::json::object& in, fact::LateResult& fact) {
    fact.ref = ref_in(in);
    fact.output = json_in(in, "output");
}
void read(const boost::json::object& in, fact::EffectKept& fact) {
    fact.step = fact_text_in(in, "step");
    fact.effect = json_in(in, "effect");
    fact.undo_input = json_in(in, "undo_input");
}
void read(const boost::json::object& in, fact::StepStarted& fact) {
    fact.step = fact_text_in(in, "step");
    fact.until = time_in(in, "until");
}
void read(const boost::json::object& in, fact::StepWaits& fact) {
    fact.step = fact_text_in(in, "step");
    fact.wanted = json_in(in, "for");
    fact.until = time_in(in, "until");
}
void read(const boost::json::object& in, fact::SignalReceived& fact) {
    fact.number = static_cast<std::uint32_t>(number_in(in, "number"));
    fact.name = fact_text_in(in, "name");
    fact.id = fact_text_in(in, "id");
    fact.data = json_in(in, "data");
    fact.by = fact_text_in(in, "by");
}
void read(const boost::json::object& in, fact::SignalTaken& fact) {
    fact.step = fact_text_in(in, "step");
    fact.number = static_cast<std::uint32_t>(number_in(in, "number"));
}
void read(const boost::json::object& in, fact::EventTaken& fact) {
    fact.step = fact_text_in(in, "step");
    fact.key = fact_text_in(in, "key");
    fact.id = fact_text_in(in, "id");
}
void read(const boost::json::object& in, fact::CallerAnswered& fact) {
    fact.step = fact_text_in(in, "step");
    fact.caller = json_in(in, "caller");
    fact.output = json_in(in, "output");
    fact.error = json_in(in, "error");
}
void read(const boost::json::object& in, fact::ApprovalVoted& fact) {
    fact.step = fact_text_in(in, "step");
    fact.approves = flag_in(in, "approves");
    fact.by = fact_text_in(in, "by");
    fact.comment = fact_text_in(in, "text");
    fact.form = json_in(in, "form");
}
void read(const boost::json::object& in, fact::ApprovalReminded& fact) {
    fact.step = fact_text_in(in, "step");
    fact.wanted = json_in(in, "for");
    fact.until = time_in(in, "until");
}
void read(const boost::json::object& in, fact::StepDone& fact) {
    fact.step = fact_text_in(in, "step");
    fact.output = json_in(in, "output");
    fact.by_hand = flag_in(in, "hand");
}
void read(const boost::json::object& in, fact::StepSent& fact) { fact.step = fact_text_in(in, "step"); }
void read(const boost::json::object& in, fact::StepSkipped& fact) {
    fact.step = fact_text_in(in, "step");
    fact.undo = flag_in(in, "undo");
    fact.passed = flag_in(in, "passed");
}
void read(const boost::json::object& in, fact::StepBlocked& fact) { fact.step = fact_text_in(in, "step"); }
void read(const boost::json::object& in, fact::StepCancelled& fact) {
    fact.step = fact_text_in(in, "step");
    fact.error = json_in(in, "error");
}
void read(const boost::json::object& in, fact::ErrorCaught& fact) {
    fact.step = fact_text_in(in, "step");
    fact.error = json_in(in, "error");
}
void read(const boost::json::object& in, fact::StepDead& fact) {
    const AttemptRef ref = ref_in(in);
    fact.step = ref.step;
    fact.undo = ref.undo;
    fact.attempt = ref.attempt;
    fact.task = fact_text_in(in, "task");
    fact.error = json_in(in, "error");
    fact.reason = fact_text_in(in, "reason");
}
void read(const boost::json::object& in, fact::StepRevived& fact) {
    fact.step = fact_text_in(in, "step");
    fact.undo = flag_in(in, "undo");
}
void read(const boost::json::object& in, fact::ItemsListed& fact) {
    fact.step = fact_text_in(in, "step");
    fact.items = json_in(in, "items");
    fact.parallel = static_cast<std::uint32_t>(number_in(in, "parallel"));
}
void read(const boost::json::object& in, fact::ItemStarted& fact) { fact.step = fact_text_in(in, "step"); }
void read(const boost::json::object& in, fact::ItemClosed& fact) { fact.step = fact_text_in(in, "step"); }
void read(const boost::json::object& in, fact::UndoSkipped& fact) {
    fact.step = fact_text_in(in, "step");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::RunFinished& fact) { fact.reason = fact_text_in(in, "text"); }
void read(const boost::json::object& in, fact::CancelRequested& fact) {
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object&, fact::RetryRequested&) {}
void read(const boost::json::object& in, fact::PauseRequested& fact) { fact.reason = fact_text_in(in, "text"); }
void read(const boost::json::object& in, fact::ResumeRequested& fact) { fact.reason = fact_text_in(in, "text"); }
void read(const boost::json::object& in, fact::SkipRequested& fact) {
    fact.step = fact_text_in(in, "step");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::OutputGiven& fact) {
    fact.step = fact_text_in(in, "step");
    fact.output = json_in(in, "output");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::InputEdited& fact) {
    fact.step = fact_text_in(in, "step");
    fact.undo = flag_in(in, "undo");
    fact.input = json_in(in, "input");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::RerunRequested& fact) {
    fact.step = fact_text_in(in, "step");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::ParentTold& fact) {
    fact.parent = parent_in(in);
    fact.output = json_in(in, "output");
    fact.error = json_in(in, "error");
}
void read(const boost::json::object& in, fact::EventEmitted& fact) {
    fact.step = fact_text_in(in, "step");
    fact.id = fact_text_in(in, "id");
    fact.type = fact_text_in(in, "type");
    fact.subject = fact_text_in(in, "subject");
    fact.data = json_in(in, "data");
    fact.at = time_in(in, "at").value_or(Time{});
    fact.trace = fact_trace_in(in);
}
void read(const boost::json::object& in, fact::ChildCancelled& fact) {
    fact.ref = ref_in(in);
    fact.task = fact_text_in(in, "task");
}
void read(const boost::json::object& in, fact::SlotAwaited& fact) { fact.key = fact_text_in(in, "text"); }
void read(const boost::json::object&, fact::SlotGiven&) {}
void read(const boost::json::object& in, fact::TaskHeld& fact) {
    fact.step = fact_text_in(in, "step");
    fact.undo = flag_in(in, "undo");
    fact.task = fact_text_in(in, "task");
    fact.reason = fact_text_in(in, "text");
}
void read(const boost::json::object& in, fact::TaskReleased& fact) {
    fact.step = fact_text_in(in, "step");
    fact.undo = flag_in(in, "undo");
}
void read(const boost::json::object& in, fact::RunMended& fact) { fact.what = fact_text_in(in, "text"); }
void read(const boost::json::object& in, fact::StepReset& fact) {
    fact.step = fact_text_in(in, "step");
    fact.rerun = static_cast<std::uint32_t>(number_in(in, "rerun"));
    fact.is_sent = flag_in(in, "sent");
}

CancelTask cancel_of(const std::string& run_id, const AttemptRef& ref, const std::string& route) {
    const bool is_run = route.starts_with(workflow_route);
    return {run_id, ref, route, is_run ? child_run_id(run_id, ref) : std::string{}};
}

// What a step asks people, of what it waits for.
std::optional<Document> approval_in(const Document& wanted) {
    const auto* object = wanted.json().if_object();
    const auto* approval = object == nullptr ? nullptr : object->if_contains("approval");
    const auto* ways = object == nullptr ? nullptr : object->if_contains("first_of");
    if (ways != nullptr && ways->is_array())
        for (const auto& way : ways->get_array())
            if (const auto* one = way.is_object() ? way.get_object().if_contains("approval") : nullptr) approval = one;
    return approval == nullptr ? std::nullopt : std::optional{Document::of(*approval)};
}

template <std::size_t... Index>
std::optional<FactBody> body_from(const boost::json::object& object, std::string_view word,
                                  std::index_sequence<Index...>) {
    std::optional<FactBody> found;
    const auto try_one = [&]<std::size_t I>() {
        if (fact_words[I] != word) return false;
        read(object, found.emplace().template emplace<I>());
        return true;
    };
    (void)(try_one.template operator()<Index>() || ...);
    return found;
}

} // namespace

std::string_view word_of(const Fact& fact) {
    return fact_words[fact.body.index()];
}

std::size_t bytes_of(const Fact& fact) {
    const auto sum = [](const auto&... documents) { return (documents.text().size() + ...); };
    return std::visit(
        Overloaded{
            [&](const fact::RunBecame& one) { return sum(one.output, one.error, one.cause); },
            [&](const fact::RunClosing& one) { return sum(one.end.output, one.end.error, one.end.cause); },
            [&](const fact::TaskDispatched& one) { return sum(one.order.with, one.order.progress); },
            [&](const fact::TaskCompleted& one) { return sum(one.output, one.result); },
            [&](const fact::TaskFailed& one) { return sum(one.error); },
            [&](const fact::StepVerified& one) { return sum(one.result); },
            [&](const fact::LateResult& one) { return sum(one.output); },
            [&](const fact::EffectKept& one) { return sum(one.effect, one.undo_input); },
            [&](const fact::StepDone& one) { return sum(one.output); },
            [&](const fact::StepDead& one) { return sum(one.error); },
            [&](const fact::ItemsListed& one) { return sum(one.items); },
            [&](const fact::OutputGiven& one) { return sum(one.output); },
            [&](const fact::InputEdited& one) { return sum(one.input); },
            [&](const fact::StepWaits& one) { return sum(one.wanted); },
            [&](const fact::SignalReceived& one) { return sum(one.data); },
            [&](const fact::ApprovalVoted& one) { return sum(one.form) + one.comment.size(); },
            [&](const fact::ApprovalReminded& one) { return sum(one.wanted); },
            [&](const fact::ParentTold& one) { return sum(one.output, one.error); },
            [&](const fact::EventEmitted& one) { return sum(one.data); },
            [&](const fact::CallerAnswered& one) { return sum(one.output, one.error); },
            [](const auto&) { return std::size_t{0}; },
        },
        fact.body);
}

void append_json(std::string& out, std::span<const Fact> facts) {
    out += '[';
    bool first = true;
    for (const Fact& fact : facts) {
        if (!first) out += ',';
        first = false;
        Members members(out);
        members.text("fact", word_of(fact));
        std::visit([&](const auto& body) { append(members, body); }, fact.body);
        members.text("actor", fact.actor);
        members.close();
    }
    out += ']';
}

Outcome<std::vector<Fact>> facts_from_json(std::string_view json) {
    BATON_ASSIGN(const Document document, Document::parse_stored(std::string{json}));
    if (!document.json().is_array())
        return Failure{make_error_code(boost::json::error::not_array),
                       "a transition in the history is no JSON array"};
    std::vector<Fact> facts;
    for (const auto& one : document.json().get_array()) {
        if (!one.is_object()) continue;
        const auto& object = one.get_object();
        auto body = body_from(object, fact_text_in(object, "fact"),
                              std::make_index_sequence<std::variant_size_v<FactBody>>());
        if (body) facts.push_back({std::move(*body), fact_text_in(object, "actor")});
    }
    return facts;
}

std::optional<Command> command_of(const RunName& run, const Fact& fact) {
    using Made = std::optional<Command>;
    return std::visit(
        Overloaded{
            [&](const fact::TaskDispatched& one) -> Made {
                return DispatchTask{{one.order}, run.run_id, run.workflow, run.workflow_version, one.ref};
            },
            [&](const fact::TaskCancelled& one) -> Made {
                return cancel_of(run.run_id, one.ref, one.task);
            },
            [&](const fact::ChildCancelled& one) -> Made {
                return cancel_of(run.run_id, one.ref, one.task);
            },
            [&](const fact::EventEmitted& one) -> Made {
                return EmitEvent{run.run_id, run.workflow, one.id, one.type, one.subject, one.data, one.at, one.trace};
            },
            [&](const fact::CallerAnswered& one) -> Made {
                return AnswerCaller{run.run_id, one.caller, one.output, one.error};
            },
            [&](const fact::ParentTold& one) -> Made {
                return ReportToParent{run.run_id, one.parent, one.output, one.error};
            },
            [&](const fact::RunBecame& one) -> Made {
                // That it runs is no news: nobody would subscribe to it, and every run would pay for it.
                if (one.status == RunStatus::running) return std::nullopt;
                return AnnounceRun{run.run_id, run.workflow, run.workflow_version,
                                   one.status, one.output,   one.error, one.by_hand || one.from};
            },
            [&](const fact::StepWaits& one) -> Made {
                const auto asked = approval_in(one.wanted);
                if (!asked) return std::nullopt;
                return AnnounceApproval{run.run_id, run.workflow, run.workflow_version, one.step, false, *asked, one.until};
            },
            [&](const fact::ApprovalReminded& one) -> Made {
                const auto asked = approval_in(one.wanted);
                if (!asked) return std::nullopt;
                return AnnounceApproval{run.run_id, run.workflow, run.workflow_version, one.step, true, *asked, one.until};
            },
            [&](const fact::StepDead& one) -> Made {
                if (one.task.empty()) return std::nullopt;
                return AnnounceDeadTask{
                    run.run_id, run.workflow, {one.step, one.undo, one.attempt}, one.task, one.error};
            },
            [](const auto&) -> Made { return std::nullopt; },
        },
        fact.body);
}

Document to_document(const Problem& problem) {
    boost::json::object error;
    error["type"] = problem.type;
    if (!problem.title.empty()) error["title"] = problem.title;
    if (!problem.detail.empty()) error["detail"] = problem.detail;
    if (problem.status != 0) error["status"] = problem.status;
    if (!problem.is_attempt) error["attempt"] = false;
    if (!problem.data.is_null()) error["data"] = problem.data.json();
    return Document::of(std::move(error));
}

Problem problem_of(const Document& document) {
    Problem problem;
    const auto* error = document.json().if_object();
    if (error == nullptr) return problem;
    problem.type = fact_text_in(*error, "type");
    problem.title = fact_text_in(*error, "title");
    problem.detail = fact_text_in(*error, "detail");
    problem.status = static_cast<int>(number_in(*error, "status"));
    problem.data = json_in(*error, "data");
    problem.is_attempt = !was_not_tried(document);
    return problem;
}

bool was_not_tried(const Document& problem) {
    if (problem.is_null() || !problem.json().is_object()) return false;
    const boost::json::value* attempt = problem.json().get_object().if_contains("attempt");
    return attempt != nullptr && attempt->is_bool() && !attempt->get_bool();
}

} // namespace baton::orchestrator::core
