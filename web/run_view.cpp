#include "web/run_view.hpp"

#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/dead_cause.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "web/replies.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using orchestrator::runtime::DeadGroup;
using orchestrator::runtime::DeadJob;
using orchestrator::runtime::DeadLetter;
using orchestrator::runtime::DeadLetterState;
using orchestrator::runtime::HistoryRow;
using orchestrator::runtime::RunDetails;
using orchestrator::runtime::StoredRun;

namespace {

json::value time_or_null(const std::optional<Time>& time) {
    if (!time) return nullptr;
    return json::value(to_rfc3339(*time));
}

json::value text_or_null(std::string_view text) {
    if (text.empty()) return nullptr;
    return json::value(text);
}

json::value number_or_null(std::uint64_t number) {
    if (number == 0) return nullptr;
    return json::value(number);
}

std::string_view word_of(DeadLetterState state) {
    switch (state) {
    case DeadLetterState::open: return "open";
    case DeadLetterState::redriven: return "redriven";
    case DeadLetterState::dropped: return "dropped";
    }
    return "open";
}

// How much of the history stands in the page of a run.
constexpr std::size_t shown_rows_max = 1000;
constexpr std::size_t shown_bytes_max = std::size_t{4} * 1024 * 1024;

// Builds the steps while the facts go by in their order:
// [{"step", "undo", "task", "status", "attempts": [{"attempt", "dispatched_at", "closed_at", "outcome", "worker", "error",
// "retry_at"}], "output", "error", "until"}], in the order of the workflow's file as the stored `state` of the run has it,
// undos behind.
class StepList {
public:
    void add(const json::object& fact, std::string_view at) {
        const auto* kind = text(fact, "fact");
        const auto* path = text(fact, "step");
        if (kind == nullptr || path == nullptr) return;
        json::object& step = entry(*path, fact.if_contains("undo") != nullptr);
        const std::string_view word = *kind;
        if (word == "task_dispatched") {
            step["task"] = fact.at("task");
            step["status"] = "dispatched";
            if (const auto* input = fact.if_contains("input")) step["input"] = *input;
            json::object attempt;
            attempt["attempt"] = number(fact, "attempt");
            attempt["max_attempts"] = number(fact, "max_attempts");
            attempt["dispatched_at"] = at;
            attempt["closed_at"] = nullptr;
            attempt["outcome"] = nullptr;
            step["attempts"].as_array().emplace_back(std::move(attempt));
        } else if (word == "task_started") {
            for (auto& item : step["attempts"].as_array()) {
                json::object& attempt = item.as_object();
                if (number(attempt, "attempt") != number(fact, "attempt")) continue;
                attempt["started_at"] = at;
                copy(fact, "worker", attempt);
            }
        } else if (word == "task_completed") {
            close_attempt(step, fact, at, "completed");
            step["status"] = "done";
            copy(fact, "output", step);
        } else if (word == "task_failed") {
            close_attempt(step, fact, at, "failed");
            step["status"] = fact.contains("retry_at") ? "backing_off" : "failed";
            copy(fact, "error", step);
        } else if (word == "task_cancelled") {
            close_attempt(step, fact, at, "cancelled");
            step["status"] = "cancelled";
        } else if (word == "task_deferred") {
            step["status"] = "deferred";
            copy(fact, "until", step);
        } else if (word == "step_started") {
            // Only a wait knows when it ends.
            step["status"] = fact.contains("until") ? "sleeping" : "running";
            step["started_at"] = at;
            copy(fact, "until", step);
        } else if (word == "step_done") {
            step["status"] = "done";
            step["closed_at"] = at;
            copy(fact, "output", step);
        } else if (word == "error_caught") {
            step["caught"] = true;
            copy(fact, "error", step);
        } else if (word == "step_dead") {
            step["status"] = "dead";
            copy(fact, "error", step);
            copy(fact, "reason", step);
        } else if (word == "undo_skipped") {
            step["status"] = "skipped";
            if (const auto* reason = fact.if_contains("text")) step["reason"] = *reason;
        } else if (word == "step_revived") {
            step["status"] = "waiting";
        } else if (word == "step_skipped" || word == "step_blocked" || word == "step_cancelled" || word == "step_sent") {
            step["status"] = word == "step_sent" ? "waiting" : word.substr(5);
        }
    }

    // In the order of the workflow's file, which the run's state keeps; undos behind, as they were done.
    json::array take(std::string_view state) {
        const auto kept = from_text(state);
        const auto* object = kept.if_object();
        const auto* order = object == nullptr ? nullptr : object->if_contains("steps");
        if (order == nullptr || !order->is_object()) return std::move(steps_);
        std::map<std::string_view, std::size_t> places;
        for (const auto& step : order->get_object()) places.emplace(step.key(), places.size());
        const auto place_of = [&](const json::value& step) {
            const auto& entry = step.as_object();
            if (entry.at("undo").as_bool()) return places.size() + 1;
            const auto found = places.find(std::string_view(entry.at("step").as_string()));
            return found == places.end() ? places.size() : found->second;
        };
        std::vector<std::pair<std::size_t, std::size_t>> sorted; // place, number
        for (std::size_t i = 0; i < steps_.size(); ++i) sorted.emplace_back(place_of(steps_[i]), i);
        std::sort(sorted.begin(), sorted.end());
        json::array steps;
        for (const auto& one : sorted) steps.push_back(std::move(steps_[one.second]));
        return steps;
    }

private:
    static const json::string* text(const json::object& object, std::string_view key) {
        const auto* found = object.if_contains(key);
        return found == nullptr ? nullptr : found->if_string();
    }

    static std::int64_t number(const json::object& object, std::string_view key) {
        const auto* found = object.if_contains(key);
        if (found == nullptr) return 0;
        ErrorCode error;
        return found->to_number<std::int64_t>(error);
    }

    static void copy(const json::object& from, std::string_view key, json::object& into) {
        if (const auto* value = from.if_contains(key)) into[key] = *value;
    }

    static void close_attempt(json::object& step, const json::object& fact, std::string_view at,
                              std::string_view outcome) {
        for (auto& item : step["attempts"].as_array()) {
            json::object& attempt = item.as_object();
            if (number(attempt, "attempt") != number(fact, "attempt")) continue;
            attempt["closed_at"] = at;
            attempt["outcome"] = outcome;
            copy(fact, "worker", attempt);
            copy(fact, "error", attempt);
            copy(fact, "retry_at", attempt);
        }
    }

    json::object& entry(std::string_view path, bool undo) {
        for (auto& item : steps_) {
            json::object& step = item.as_object();
            if (step.at("step").as_string() == path && step.at("undo").as_bool() == undo) return step;
        }
        json::object step;
        step["step"] = path;
        step["undo"] = undo;
        step["task"] = nullptr;
        step["status"] = "waiting";
        step["attempts"] = json::array{};
        steps_.emplace_back(std::move(step));
        return steps_.back().as_object();
    }

    json::array steps_;
};

// A run that is over has no step that goes on, whatever was the last that was heard of it.
void close_steps(json::array& steps) {
    for (auto& item : steps) {
        auto& step = item.as_object();
        const std::string_view status = step.at("status").as_string();
        const bool is_open = status == "waiting" || status == "dispatched" || status == "backing_off" || status == "deferred" || status == "sleeping" ||
                             status == "running";
        auto& attempts = step.at("attempts").as_array();
        if (!attempts.empty()) attempts.back().as_object().erase("retry_at"); // it never came
        if (!is_open) continue;
        step["status"] = "cancelled";
        step.erase("until");
    }
}

} // namespace

json::value from_text(std::string_view text) {
    if (text.empty()) return nullptr;
    auto value = read_json(text, json_of_our_own);
    if (!value) return json::value(as_utf8(text)); // a row of an older version, or damaged
    return std::move(*value);
}

json::object run_summary(const StoredRun& run) {
    json::object out;
    out["id"] = run.run_id;
    out["workflow"] = run.workflow;
    out["version"] = run.workflow_version;
    out["status"] = orchestrator::core::word_of(run.status);
    out["started_at"] = to_rfc3339(run.started_at);
    out["closed_at"] = time_or_null(run.closed_at);
    out["error_type"] = text_or_null(run.error_type);
    out["error"] = text_or_null(run.error);
    out["seq"] = run.version;
    return out;
}

json::object found_summary(const StoredRun& run) {
    json::object out = run_summary(run);
    json::object labels;
    json::value key = nullptr;
    const json::value tags = from_text(run.tags);
    if (const json::object* object = tags.if_object())
        for (const auto& tag : *object) {
            const std::string_view name = tag.key();
            if (name.starts_with(runtime::label_prefix)) labels[name.substr(runtime::label_prefix.size())] = tag.value();
            if (name == "key") key = tag.value();
        }
    out["labels"] = std::move(labels);
    out["key"] = std::move(key);
    return out;
}

json::array history_json(std::span<const HistoryRow> rows) {
    json::array out;
    for (const HistoryRow& row : rows) {
        json::object entry;
        entry["seq"] = row.seq;
        entry["at"] = to_rfc3339(row.at);
        entry["facts"] = from_text(row.events);
        out.emplace_back(std::move(entry));
    }
    return out;
}

json::object dead_letter_json(const DeadLetter& letter) {
    json::object out;
    out["id"] = letter.id;
    out["state"] = word_of(letter.state);
    out["at"] = to_rfc3339(letter.at);
    out["closed_at"] = time_or_null(letter.closed_at);
    out["closed_by"] = text_or_null(letter.closed_by);
    out["close_reason"] = text_or_null(letter.close_reason);
    out["job"] = number_or_null(letter.job);
    out["again_of"] = number_or_null(letter.again_of);
    out["group"] = letter.cause;
    out["reason"] = letter.reason;
    out["task"] = letter.task;
    out["run"] = text_or_null(letter.run_id);
    out["workflow"] = text_or_null(letter.workflow);
    out["version"] = letter.workflow_version;
    out["step"] = text_or_null(letter.step);
    out["attempts"] = letter.attempts;
    out["error_type"] = text_or_null(letter.error_type);
    out["error"] = from_text(letter.error);
    out["input"] = from_text(letter.input);
    out["message"] = from_text(letter.message);
    return out;
}

json::object dead_group_json(const DeadGroup& group) {
    json::object out;
    out["group"] = group.cause;
    out["count"] = group.count;
    out["first"] = to_rfc3339(group.first);
    out["last"] = to_rfc3339(group.last);
    out["task"] = group.example.task;
    out["reason"] = group.example.reason;
    out["error_type"] = text_or_null(group.example.error_type);
    out["detail"] = text_or_null(orchestrator::runtime::folded(orchestrator::runtime::detail_of(group.example)));
    out["example"] = group.example.id;
    return out;
}

json::object dead_job_json(const DeadJob& job) {
    json::object out;
    out["job"] = job.id;
    out["action"] = job.drops ? "drop" : "redrive";
    out["state"] = orchestrator::runtime::word_of(job.state);
    out["at"] = to_rfc3339(job.at);
    out["actor"] = job.actor;
    out["filter"] = from_text(orchestrator::runtime::filter_text(job.filter));
    out["rate"] = text_or_null(orchestrator::runtime::rate_text(job.interval));
    out["stop_after"] = number_or_null(job.stop_after);
    out["reason"] = text_or_null(job.reason);
    out["total"] = job.total;
    out["done"] = job.done;
    out["refused"] = job.refused;
    out["failures"] = job.failures;
    out["closed_at"] = time_or_null(job.closed_at);
    out["note"] = text_or_null(job.note);
    return out;
}

struct RunTeller::Parts {
    StepList steps;
    json::array requests;
    json::array history;
    std::size_t shown_bytes = 0;
    std::uint64_t shown_seq = 0;
    bool is_cut = false;

    void add(const HistoryRow& row) {
        const auto facts = from_text(row.events);
        const auto at = to_rfc3339(row.at);
        if (const auto* list = facts.if_array())
            for (const auto& fact : *list) {
                const auto* object = fact.if_object();
                if (object == nullptr) continue;
                steps.add(*object, at);
                if (!object->contains("actor")) continue;
                json::object request = *object;
                request["at"] = at;
                requests.emplace_back(std::move(request));
            }
        is_cut = is_cut || history.size() >= shown_rows_max || shown_bytes >= shown_bytes_max;
        if (is_cut) return;
        shown_bytes += row.events.size();
        shown_seq = row.seq;
        history.emplace_back(json::object{{"seq", row.seq}, {"at", at}, {"facts", facts}});
    }
};

RunTeller::RunTeller() : parts_(std::make_unique<Parts>()) {}
RunTeller::~RunTeller() = default;

void RunTeller::add(std::span<const HistoryRow> rows) {
    for (const HistoryRow& row : rows) parts_->add(row);
}

json::object RunTeller::tell(const RunDetails& details) {
    json::object out = found_summary(details.run);
    out["input"] = from_text(details.run.input);
    out["output"] = details.run.output ? from_text(*details.run.output) : json::value(nullptr);
    auto steps = parts_->steps.take(details.run.state);
    if (orchestrator::core::is_closed(details.run.status)) close_steps(steps);
    out["steps"] = std::move(steps);
    out["requests"] = std::move(parts_->requests);
    out["history"] = std::move(parts_->history);
    out["history_next"] = parts_->is_cut ? json::value(parts_->shown_seq) : json::value(nullptr);
    json::array letters;
    for (const auto& letter : details.dead_letters) letters.emplace_back(dead_letter_json(letter));
    out["dead_letters"] = std::move(letters);
    return out;
}

} // namespace baton::web
