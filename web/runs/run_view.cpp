#include "web/runs/run_view.hpp"

#include "base/clock.hpp"
#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_story.hpp"
#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/dead_cause.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using orchestrator::core::AttemptStory;
using orchestrator::core::Document;
using orchestrator::core::RunStory;
using orchestrator::core::StepStory;
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

json::value json_of(const Document& document) { return from_text(document.text()); }

// How much of the history stands in the page of a run.
constexpr std::size_t shown_rows_max = 1000;
constexpr std::size_t shown_bytes_max = std::size_t{4} * 1024 * 1024;

json::object attempt_json(const AttemptStory& attempt) {
    json::object out;
    out["attempt"] = attempt.number;
    out["max_attempts"] = attempt.max_attempts;
    out["dispatched_at"] = to_rfc3339(attempt.dispatched_at);
    out["closed_at"] = time_or_null(attempt.closed_at);
    out["outcome"] = text_or_null(attempt.outcome);
    if (attempt.started_at) out["started_at"] = to_rfc3339(*attempt.started_at);
    if (!attempt.worker.empty()) out["worker"] = attempt.worker;
    if (!attempt.run.empty()) out["run"] = attempt.run;
    if (!attempt.look.empty()) out["verify"] = attempt.look;
    if (!attempt.error.is_null()) out["error"] = json_of(attempt.error);
    if (attempt.retry_at) out["retry_at"] = to_rfc3339(*attempt.retry_at);
    return out;
}

} // namespace

json::object step_json(const StepStory& step) {
    json::object out;
    out["step"] = step.step;
    out["undo"] = step.undo;
    out["task"] = text_or_null(step.task);
    out["status"] = step.status;
    json::array attempts;
    for (const AttemptStory& attempt : step.attempts) attempts.emplace_back(attempt_json(attempt));
    out["attempts"] = std::move(attempts);
    if (step.input) out["input"] = json_of(*step.input);
    if (step.output) out["output"] = json_of(*step.output);
    if (!step.error.is_null()) out["error"] = json_of(step.error);
    if (!step.reason.empty()) out["reason"] = step.reason;
    if (step.caught) out["caught"] = true;
    if (!step.known_from.empty()) out["cached_from"] = step.known_from;
    if (step.until) out["until"] = to_rfc3339(*step.until);
    if (!step.waits_for.is_null()) out["waits_for"] = json_of(step.waits_for);
    if (step.items) out["items"] = *step.items;
    if (step.started_at) out["started_at"] = to_rfc3339(*step.started_at);
    if (step.closed_at) out["closed_at"] = to_rfc3339(*step.closed_at);
    return out;
}

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
    out["edit"] = job.edit.empty() ? json::value(nullptr) : from_text(job.edit);
    out["unfit"] = job.unfit;
    out["closed_at"] = time_or_null(job.closed_at);
    out["note"] = text_or_null(job.note);
    return out;
}

struct RunTeller::Parts {
    RunStory story;
    json::array requests;
    json::array history;
    std::size_t shown_bytes = 0;
    std::uint64_t shown_seq = 0;
    bool is_cut = false;

    void add(const HistoryRow& row) {
        const auto facts = from_text(row.events);
        const auto at = to_rfc3339(row.at);
        if (const auto told = orchestrator::core::facts_from_json(row.events)) story.add(*told, row.at);
        if (const auto* list = facts.if_array())
            for (const auto& fact : *list) {
                const auto* object = fact.if_object();
                if (object == nullptr) continue;
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

json::object RunTeller::tell(const RunDetails& details, std::span<const std::string> paths) {
    json::object out = found_summary(details.run);
    out["input"] = from_text(details.run.input);
    out["output"] = details.run.output ? from_text(*details.run.output) : json::value(nullptr);
    if (orchestrator::core::is_closed(details.run.status)) parts_->story.close();
    json::array steps;
    for (const StepStory& step : parts_->story.take(paths)) steps.emplace_back(step_json(step));
    out["steps"] = std::move(steps);
    out["pause"] = nullptr;
    if (const auto& pause = parts_->story.pause())
        out["pause"] = json::object{{"actor", text_or_null(pause->actor)}, {"reason", text_or_null(pause->reason)},
                                    {"at", to_rfc3339(pause->at)}};
    out["parent"] = nullptr;
    if (const auto& parent = parts_->story.parent())
        out["parent"] = json::object{{"run", parent->run_id}, {"step", parent->ref.step}, {"detached", parent->is_detached}};
    out["closing"] = nullptr;
    if (const auto& closing = parts_->story.closing())
        out["closing"] = json::object{{"as", orchestrator::core::word_of(closing->end)},
                                      {"phase", orchestrator::core::word_of(closing->phase)}};
    if (!parts_->story.awaits().empty()) out["awaits"] = parts_->story.awaits();
    out["requests"] = std::move(parts_->requests);
    out["history"] = std::move(parts_->history);
    out["history_next"] = parts_->is_cut ? json::value(parts_->shown_seq) : json::value(nullptr);
    json::array letters;
    for (const auto& letter : details.dead_letters) letters.emplace_back(dead_letter_json(letter));
    out["dead_letters"] = std::move(letters);
    return out;
}

} // namespace baton::web
