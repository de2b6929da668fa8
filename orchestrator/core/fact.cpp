// Facts as JSON and as commands.
#include "orchestrator/core/fact.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>

namespace baton::orchestrator::core {
namespace {

constexpr std::array<std::string_view, 22> fact_words = {
    "run_started",  "run_status",    "task_dispatched", "task_started",     "task_completed",
    "task_failed",  "task_deferred", "task_cancelled",  "late_result",      "step_started",
    "step_done",    "step_sent",     "step_skipped",    "step_blocked",     "step_cancelled",
    "error_caught", "step_dead",     "step_revived",    "cancel_requested", "retry_requested",
    "undo_skipped", "run_finished",
};
static_assert(static_cast<std::size_t>(FactKind::run_finished) + 1 == fact_words.size());

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

void append(std::string& out, const Fact& fact) {
    Members members(out);
    members.text("fact", word_of(fact.kind));
    members.text("step", fact.step);
    members.flag("undo", fact.undo);
    if (fact.attempt != 0) members.number("attempt", fact.attempt);
    switch (fact.kind) {
    case FactKind::run_status:
        members.text("status", word_of(fact.status));
        if (!fact.output.is_null()) members.json("output", fact.output);
        break;
    case FactKind::task_dispatched:
        if (fact.attempt_of_series != fact.attempt)
            members.number("of_series", fact.attempt_of_series);
        members.number("max_attempts", fact.max_attempts);
        members.json("input", fact.input);
        members.text("key", fact.idempotency_key);
        if (fact.priority != 4) members.number("priority", fact.priority);
        members.time("start_by", fact.start_by);
        members.time("deadline", fact.deadline);
        if (fact.timeout) members.number("timeout_ms", fact.timeout->count() / 1000);
        if (fact.heartbeat) members.number("heartbeat_ms", fact.heartbeat->count() / 1000);
        if (!fact.progress.is_null()) members.json("progress", fact.progress);
        break;
    case FactKind::task_completed:
        if (!fact.undo) members.json("output", fact.output);
        break;
    case FactKind::late_result:
        members.json("output", fact.output);
        break;
    case FactKind::step_done:
        if (!fact.output.is_null()) members.json("output", fact.output);
        break;
    case FactKind::task_failed:
        members.time("retry_at", fact.due);
        break;
    case FactKind::task_deferred:
    case FactKind::step_started:
        members.time("until", fact.due);
        break;
    case FactKind::run_started:
    case FactKind::task_started:
    case FactKind::task_cancelled:
    case FactKind::step_sent:
    case FactKind::step_skipped:
    case FactKind::step_blocked:
    case FactKind::step_cancelled:
    case FactKind::error_caught:
    case FactKind::step_dead:
    case FactKind::step_revived:
    case FactKind::cancel_requested:
    case FactKind::retry_requested:
    case FactKind::undo_skipped:
    case FactKind::run_finished:
        break;
    }
    members.text("task", fact.task);
    members.text("worker", fact.worker);
    members.text("actor", fact.actor);
    if (!fact.error.is_null()) members.json("error", fact.error);
    members.text(fact.kind == FactKind::step_dead ? "reason" : "text", fact.text);
    members.close();
}

// Reading back: tolerant, since an older or newer program may have written it.

std::string text_in(const boost::json::object& object, std::string_view name) {
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
    const std::string text = text_in(object, name);
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

std::optional<FactKind> kind_from(std::string_view word) {
    for (std::size_t i = 0; i < fact_words.size(); ++i)
        if (fact_words[i] == word) return static_cast<FactKind>(i);
    return std::nullopt;
}

std::optional<Fact> fact_from(const boost::json::object& object) {
    const auto kind = kind_from(text_in(object, "fact"));
    if (!kind) return std::nullopt;
    Fact fact;
    fact.kind = *kind;
    fact.step = text_in(object, "step");
    const auto* undo = object.if_contains("undo");
    fact.undo = undo && undo->is_bool() && undo->get_bool();
    fact.attempt = static_cast<std::uint32_t>(number_in(object, "attempt"));
    if (const auto status = run_status_from(text_in(object, "status"))) fact.status = *status;
    fact.task = text_in(object, "task");
    fact.worker = text_in(object, "worker");
    fact.actor = text_in(object, "actor");
    fact.text = text_in(object, *kind == FactKind::step_dead ? "reason" : "text");
    fact.input = json_in(object, "input");
    fact.output = json_in(object, "output");
    fact.error = json_in(object, "error");
    fact.due = time_in(object, *kind == FactKind::task_failed ? "retry_at" : "until");
    if (*kind != FactKind::task_dispatched) return fact;
    fact.attempt_of_series =
        static_cast<std::uint32_t>(number_in(object, "of_series", fact.attempt));
    fact.max_attempts = static_cast<std::uint32_t>(number_in(object, "max_attempts"));
    fact.priority = static_cast<std::uint8_t>(number_in(object, "priority", 4));
    fact.idempotency_key = text_in(object, "key");
    fact.start_by = time_in(object, "start_by");
    fact.deadline = time_in(object, "deadline");
    if (const auto millis = number_in(object, "timeout_ms"))
        fact.timeout = std::chrono::milliseconds(millis);
    if (const auto millis = number_in(object, "heartbeat_ms"))
        fact.heartbeat = std::chrono::milliseconds(millis);
    fact.progress = json_in(object, "progress");
    return fact;
}

Command dispatch_of(const RunName& run, const Fact& fact) {
    DispatchTask command;
    command.run_id = run.run_id;
    command.workflow = run.workflow;
    command.workflow_version = run.workflow_version;
    command.ref = {fact.step, fact.undo, fact.attempt};
    command.route = fact.task;
    command.with = fact.input;
    command.attempt_of_series = fact.attempt_of_series;
    command.max_attempts = fact.max_attempts;
    command.priority = fact.priority;
    command.idempotency_key = fact.idempotency_key;
    command.start_by = fact.start_by;
    command.deadline = fact.deadline;
    command.timeout = fact.timeout;
    command.heartbeat = fact.heartbeat;
    command.progress = fact.progress;
    return command;
}

} // namespace

std::string_view word_of(FactKind kind) {
    return fact_words[static_cast<std::size_t>(kind)];
}

void append_json(std::string& out, std::span<const Fact> facts) {
    out += '[';
    bool first = true;
    for (const Fact& fact : facts) {
        if (!first) out += ',';
        first = false;
        append(out, fact);
    }
    out += ']';
}

Outcome<std::vector<Fact>> facts_from_json(std::string_view json) {
    BATON_ASSIGN(const Document document,
                 Document::parse_stored(std::string{json}));
    if (!document.json().is_array())
        return Failure{make_error_code(boost::json::error::not_array),
                       "a transition in the history is no JSON array"};
    std::vector<Fact> facts;
    for (const auto& one : document.json().get_array())
        if (one.is_object())
            if (auto fact = fact_from(one.get_object())) facts.push_back(std::move(*fact));
    return facts;
}

std::optional<Command> command_of(const RunName& run, const Fact& fact) {
    switch (fact.kind) {
    case FactKind::task_dispatched:
        return dispatch_of(run, fact);
    case FactKind::task_cancelled:
        return CancelTask{run.run_id, {fact.step, fact.undo, fact.attempt}, fact.task};
    case FactKind::run_status:
        // That it runs is no news: nobody would subscribe to it, and every run would pay for it.
        if (fact.status == RunStatus::running) return std::nullopt;
        return AnnounceRun{run.run_id,  run.workflow, run.workflow_version,
                           fact.status, fact.output,  fact.error};
    case FactKind::step_dead:
        if (fact.task.empty()) return std::nullopt;
        return AnnounceDeadTask{
            run.run_id, run.workflow, {fact.step, fact.undo, fact.attempt}, fact.task, fact.error};
    case FactKind::run_started:
    case FactKind::task_started:
    case FactKind::task_completed:
    case FactKind::task_failed:
    case FactKind::task_deferred:
    case FactKind::late_result:
    case FactKind::step_started:
    case FactKind::step_done:
    case FactKind::step_sent:
    case FactKind::step_skipped:
    case FactKind::step_blocked:
    case FactKind::step_cancelled:
    case FactKind::error_caught:
    case FactKind::step_revived:
    case FactKind::cancel_requested:
    case FactKind::retry_requested:
    case FactKind::undo_skipped:
    case FactKind::run_finished:
        return std::nullopt;
    }
    return std::nullopt;
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

bool was_not_tried(const Document& problem) {
    if (problem.is_null() || !problem.json().is_object()) return false;
    const boost::json::value* attempt = problem.json().get_object().if_contains("attempt");
    return attempt != nullptr && attempt->is_bool() && !attempt->get_bool();
}

} // namespace baton::orchestrator::core
