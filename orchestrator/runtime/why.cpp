#include "orchestrator/runtime/why.hpp"

#include "base/percent.hpp"
#include "orchestrator/runtime/pauses.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace baton::orchestrator::runtime {

namespace json = boost::json;
using core::AttemptStory;
using core::StepStory;

namespace {

constexpr std::array<std::string_view, 28> words{
    "unreadable",    "closed",          "store_away",      "partition_elsewhere",
    "broker_away",   "run_paused",      "workflow_paused", "queued_by_key",
    "undo_failed",   "dead_letter",     "unrouted",        "no_consumer",
    "task_held",     "broker_blocked",  "consumers_busy",  "task_paused",
    "limit_full",    "rate_limited",    "backing_off",     "approval",
    "signal",        "event",           "child_run",       "timer",
    "outbox_behind", "attempt_running", "waits_for_step",  "goes_on"};

std::string member(const core::Document& document, std::string_view name) {
    const auto* object = document.json().if_object();
    const auto* value = object == nullptr ? nullptr : object->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

std::string error_text(const core::Document& error) {
    const std::string detail = member(error, "detail");
    return member(error, "type") + (detail.empty() ? "" : ": " + detail);
}

class Teller {
public:
    Teller(const WhyRun& run, const WhySight& sight) : run_(run), sight_(sight) {}

    std::vector<Why> tell() {
        tell_run();
        const bool is_closed = core::is_closed(run_.run.status);
        for (const StepStory& step : run_.steps)
            if (!is_closed || step.status == "dead") tell_step(step);
        if (!is_closed && run_.workflow != nullptr) tell_waiting();
        if (reasons_.empty()) {
            Why none;
            none.sentence = "nothing keeps it: it goes on just now";
            reasons_.push_back(std::move(none));
        }
        std::vector<Why> sorted; // of one code in the order of the steps
        for (Why& one : reasons_)
            sorted.insert(std::ranges::upper_bound(sorted, one.code, {}, &Why::code),
                          std::move(one));
        return sorted;
    }

private:
    std::string path(std::string_view rest) const {
        return fmt::format("/baton/v1/runs/{}{}", run_.run.run_id, rest);
    }
    WhyAct on_run(std::string label, std::string_view act, std::string body = "{}") const {
        return {std::move(label), "POST", path(fmt::format("/{}", act)), std::move(body)};
    }

    Why& put(WhyCode code, std::string sentence) {
        Why one;
        one.code = code;
        one.sentence = std::move(sentence);
        reasons_.push_back(std::move(one));
        return reasons_.back();
    }
    Why& put(WhyCode code, const StepStory& step, std::string sentence) {
        Why& one = put(code, std::move(sentence));
        one.step = step.step;
        one.undo = step.undo;
        one.task = step.task;
        one.since = step.started_at;
        one.until = step.until;
        if (!step.attempts.empty()) one.since = step.attempts.back().dispatched_at;
        return one;
    }

    void tell_run() {
        const StoredRun& run = run_.run;
        if (!run_.incident.empty())
            put(WhyCode::unreadable, "the run stands still: " + run_.incident);
        if (core::is_closed(run.status)) {
            Why& one =
                put(WhyCode::closed, fmt::format("the run is {}{}", core::word_of(run.status),
                                                 run.error.empty() ? "" : ": " + run.error));
            one.since = run.closed_at;
            if (run.status != RunStatus::completed && run.status != RunStatus::cancelled)
                one.act = on_run("Retry", "retry");
            return;
        }
        if (sight_.is_store_away)
            put(WhyCode::store_away,
                "changes of runs cannot be stored; it goes on when the database is back");
        if (!sight_.owner_trouble.empty()) put(WhyCode::partition_elsewhere, sight_.owner_trouble);
        if (sight_.is_broker_away)
            put(WhyCode::broker_away, "the orchestrator is not connected to the broker; tasks and "
                                      "reports wait until it is");
        tell_pause();
        if (run.status == RunStatus::queued) tell_queued();
    }

    void tell_pause() {
        if (run_.run.status == RunStatus::paused && run_.pause) {
            const core::PauseStory& pause = *run_.pause;
            Why& one =
                put(WhyCode::run_paused,
                    fmt::format("{} let it pause{}; baton resume {} lets it go on",
                                pause.actor.empty() ? "somebody" : pause.actor,
                                pause.reason.empty() ? "" : ": " + pause.reason, run_.run.run_id));
            one.since = pause.at;
            one.act = on_run("Resume", "resume");
        }
        if (!sight_.workflow_pause) return;
        const StoredPause& pause = *sight_.workflow_pause;
        Why& one = put(WhyCode::workflow_paused,
                       fmt::format("{}{}; baton resume --workflow {}",
                                   run_.run.status == RunStatus::queued ? "it has not begun: " : "",
                                   sentence_of(pause), pause.name));
        one.since = pause.at;
        one.act =
            WhyAct{"Resume the workflow", "POST",
                   fmt::format("/baton/v1/workflows/{}/resume", percent_encoded(pause.name)), "{}"};
    }

    void tell_queued() {
        // Its words are those of a pause that is told already, or was over a moment ago.
        if (run_.awaits.starts_with("workflow ")) {
            if (!sight_.workflow_pause)
                put(WhyCode::workflow_paused, "it has not begun: " + run_.awaits);
            return;
        }
        Why& one =
            put(WhyCode::queued_by_key,
                fmt::format(
                    "it waits for a slot: as many runs of its concurrency key '{}' go on as may; "
                    "baton runs 'workflow:{} status:running'",
                    run_.awaits, run_.run.workflow));
        one.since = run_.run.started_at;
    }

    void tell_step(const StepStory& step) {
        if (step.status == "dispatched") return tell_dispatched(step);
        if (step.status == "backing_off") return tell_backing_off(step);
        if (step.status == "held") return tell_held(step);
        if (step.status == "dead") return tell_dead(step);
        if (step.status == "deferred") {
            put(WhyCode::attempt_running, step, "its worker has said that it reports later");
            return;
        }
        if (step.status == "done" || step.status == "cancelled" || step.status == "skipped" ||
            step.status == "failed" || step.status == "blocked" || step.status == "waiting")
            return;
        if (!step.waits_for.is_null()) return tell_outside(step);
        if (step.status == "sleeping") put(WhyCode::timer, step, "it waits until its time");
    }

    void tell_dispatched(const StepStory& step) {
        const std::size_t before = reasons_.size();
        tell_sent(step);
        const bool is_look = !step.attempts.empty() && !step.attempts.back().look.empty();
        if (is_look && reasons_.size() > before)
            reasons_.back().sentence =
                fmt::format("nobody knows whether attempt {} took effect, and {} is asked: {}",
                            asked_of(step), step.task, reasons_.back().sentence);
    }

    // The last attempt that was no look.
    static std::uint32_t asked_of(const StepStory& step) {
        const auto found = std::find_if(step.attempts.rbegin(), step.attempts.rend(),
                                        [](const AttemptStory& one) { return one.look.empty(); });
        return found == step.attempts.rend() ? 0 : found->number;
    }

    void tell_sent(const StepStory& step) {
        const AttemptStory* attempt = step.attempts.empty() ? nullptr : &step.attempts.back();
        if (attempt != nullptr && !attempt->worker.empty()) {
            Why& one = put(WhyCode::attempt_running, step, attempt->worker + " works on it");
            one.since = attempt->started_at;
            return;
        }
        if (attempt != nullptr && !attempt->run.empty()) {
            put(WhyCode::child_run, step, "it waits for the end of another run: " + attempt->run);
            return;
        }
        const auto found = sight_.tasks.find(step.task);
        const TaskSight nothing;
        const TaskSight& task = found == sight_.tasks.end() ? nothing : found->second;
        if (task.held) {
            Why& one = put(WhyCode::task_held, step,
                           fmt::format("{} is held back: its target lets no worker try ({})",
                                       step.task, task.held->reason));
            one.since = task.held->since;
            one.until = task.held->until;
            return;
        }
        if (!task.queue) {
            if (sight_.is_outbox_behind)
                put(WhyCode::outbox_behind, step, "the broker has not confirmed its task yet");
            else
                put(WhyCode::attempt_running, step,
                    fmt::format("its task {} is sent; who serves it cannot be asked just now",
                                step.task));
            return;
        }
        tell_queue(step, *task.queue);
    }

    void tell_queue(const StepStory& step, const QueueSight& queue) {
        if (!queue.exists) {
            put(WhyCode::unrouted, step,
                fmt::format("there is no queue for {}: no workflow and no worker has named it",
                            step.task));
            return;
        }
        if (queue.consumers == 0) {
            put(WhyCode::no_consumer, step,
                fmt::format(
                    "no worker serves {} just now ({} tasks wait); it goes on when one does",
                    step.task, queue.ready));
            return;
        }
        if (sight_.is_broker_blocked) {
            put(WhyCode::broker_blocked, step,
                "the broker takes no messages: its memory or its disk is at the limit");
            return;
        }
        if (sight_.is_outbox_behind && queue.ready == 0 && queue.unacked == 0) {
            put(WhyCode::outbox_behind, step, "the broker has not confirmed its task yet");
            return;
        }
        if (queue.ready > 0 && queue.capacity && queue.unacked >= *queue.capacity) {
            put(WhyCode::consumers_busy, step,
                fmt::format(
                    "all {} workers of {} are busy: each has as many tasks as it takes at a time "
                    "({} together), and {} tasks wait",
                    queue.consumers, step.task, queue.unacked, queue.ready));
            return;
        }
        put(WhyCode::attempt_running, step,
            fmt::format("its task is with the workers: {} serve {}, {} tasks wait there",
                        queue.consumers, step.task, queue.ready));
    }

    void tell_backing_off(const StepStory& step) {
        const AttemptStory* attempt = step.attempts.empty() ? nullptr : &step.attempts.back();
        if (attempt == nullptr) {
            put(WhyCode::backing_off, step, "it is tried again later");
            return;
        }
        const auto* error = attempt->error.json().if_object();
        const auto* counts = error == nullptr ? nullptr : error->if_contains("attempt");
        const bool is_held = counts != nullptr && counts->is_bool() && !counts->get_bool();
        Why& one = put(
            is_held ? WhyCode::task_held : WhyCode::backing_off, step,
            is_held ? fmt::format("its target lets no worker try ({})", error_text(attempt->error))
                    : fmt::format("attempt {} of {} failed ({})", attempt->number,
                                  attempt->max_attempts, error_text(attempt->error)));
        one.since = attempt->closed_at;
        one.until = attempt->retry_at;
        one.act = on_run("Try now", "retry", R"({"now":true})");
    }

    // Why it is held stands in the history, in the words of the pause or of the limit that held it.
    void tell_held(const StepStory& step) {
        std::string sentence = "it is held back: " + step.reason;
        if (step.reason.starts_with("workflow ")) {
            put(WhyCode::workflow_paused, step, std::move(sentence));
            return;
        }
        if (step.reason.starts_with("limit ")) {
            const bool is_rate = step.reason.find(": its rate ") != std::string::npos;
            put(is_rate ? WhyCode::rate_limited : WhyCode::limit_full, step, std::move(sentence));
            return;
        }
        Why& one = put(WhyCode::task_paused, step, std::move(sentence));
        const auto found = sight_.tasks.find(step.task);
        if (found == sight_.tasks.end() || !found->second.pause) return;
        one.since = found->second.pause->at;
        one.act = WhyAct{
            "Resume the task type", "POST",
            fmt::format("/baton/v1/tasks/{}/resume", percent_encoded(found->second.pause->name)),
            "{}"};
    }

    void tell_dead(const StepStory& step) {
        const core::Document& error = !step.error.is_null() || step.attempts.empty()
                                          ? step.error
                                          : step.attempts.back().error;
        const std::string text = error_text(error);
        Why& one =
            put(step.undo ? WhyCode::undo_failed : WhyCode::dead_letter, step,
                "it gave up" + (text.empty() ? "" : " (" + text + ")") +
                    fmt::format("; baton retry {0} tries again, baton dead list --run {0} shows it",
                                run_.run.run_id));
        one.act = WhyAct{"Try again", "POST",
                         path(fmt::format("/steps/{}/retry",
                                          percent_encoded(step.step + (step.undo ? ":undo" : "")))),
                         "{}"};
    }

    void tell_outside(const StepStory& step) {
        const core::Document& waits = step.waits_for;
        const auto* wait = waits.json().if_object();
        if (wait == nullptr) return;
        if (const std::string name = member(waits, "signal"); !name.empty()) {
            Why& one = put(WhyCode::signal, step,
                           fmt::format("it waits for the signal '{}'; baton signal {} {} gives it",
                                       name, run_.run.run_id, name));
            one.act =
                on_run("Send the signal", "signal", json::serialize(json::object{{"name", name}}));
            return;
        }
        if (const auto* approval = wait->if_contains("approval"))
            return tell_approval(step, *approval);
        if (const auto* event = wait->if_contains("event")) {
            put(WhyCode::event, step, "it waits for " + event_text(*event));
            return;
        }
        if (wait->contains("run") || wait->contains("child")) {
            const std::string child = member(waits, wait->contains("run") ? "run" : "child");
            put(WhyCode::child_run, step, "it waits for the end of another run: " + child);
            return;
        }
        if (wait->contains("result")) {
            put(WhyCode::attempt_running, step,
                "it asks whether its result is known already; else its task is sent in a moment");
            return;
        }
        const auto* first = wait->if_contains("first_of");
        if (first != nullptr && first->is_array()) return tell_first(step, first->get_array());
        put(WhyCode::timer, step, "it waits until its time");
    }

    void tell_approval(const StepStory& step, const json::value& approval) {
        std::string who, title;
        if (const auto* object = approval.if_object()) {
            if (const auto* by = object->if_contains("by"); by != nullptr && by->is_array())
                for (const auto& one : by->get_array())
                    if (one.is_string())
                        who += (who.empty() ? "" : ", ") + std::string(one.get_string());
            if (const auto* text = object->if_contains("title");
                text != nullptr && text->is_string())
                title = std::string(text->get_string());
        }
        Why& one = put(WhyCode::approval, step,
                       fmt::format("it asks {}: {}; baton approve or baton reject {} {}",
                                   who.empty() ? "whoever may operate" : who, title,
                                   run_.run.run_id, step.step));
        one.act = WhyAct{"Approve", "POST",
                         path(fmt::format("/steps/{}/approve", percent_encoded(step.step))), "{}"};
    }

    // "an event 'invoice.paid' with data.order = 7"
    static std::string event_text(const json::value& event) {
        const auto* object = event.if_object();
        if (object == nullptr)
            return event.is_string()
                       ? fmt::format("an event '{}'", std::string_view(event.get_string()))
                       : "an event";
        const auto* type = object->if_contains("type");
        std::string text = "an event";
        if (type != nullptr && type->is_string())
            text += fmt::format(" '{}'", std::string_view(type->get_string()));
        const auto* match = object->if_contains("match");
        if (match == nullptr || !match->is_object()) return text;
        for (const auto& [key, value] : match->get_object())
            text += fmt::format("{} {} = {}",
                                text.find(" with ") == std::string::npos ? " with" : " and",
                                std::string_view(key), json::serialize(value));
        return text;
    }

    // One of those of a first_of, and what kind of thing from outside it is.
    static std::pair<WhyCode, std::string> way_text(const json::object& way) {
        if (const auto* signal = way.if_contains("signal");
            signal != nullptr && signal->is_string())
            return {WhyCode::signal,
                    fmt::format("the signal '{}'", std::string_view(signal->get_string()))};
        if (const auto* event = way.if_contains("event"))
            return {WhyCode::event, event_text(*event)};
        if (const auto* approval = way.if_contains("approval")) {
            const auto* object = approval->if_object();
            const auto* title = object == nullptr ? nullptr : object->if_contains("title");
            return {WhyCode::approval,
                    title != nullptr && title->is_string()
                        ? fmt::format("an answer to '{}'", std::string_view(title->get_string()))
                        : std::string("an answer")};
        }
        const auto* at = way.if_contains("at");
        return {WhyCode::timer, at != nullptr && at->is_string() ? std::string(at->get_string())
                                                                 : std::string("its time")};
    }

    void tell_first(const StepStory& step, const json::array& ways) {
        std::string told;
        auto code = WhyCode::timer;
        for (const auto& way : ways) {
            const auto* object = way.if_object();
            if (object == nullptr) continue;
            const auto [kind, text] = way_text(*object);
            if (code == WhyCode::timer) code = kind;
            told += (told.empty() ? "" : " or ") + text;
        }
        put(code, step, "it waits for " + told);
    }

    // Steps of the top level that nothing was heard of yet, and before which something is open.
    void tell_waiting() {
        std::map<std::string_view, std::string_view> status;
        for (const StepStory& step : run_.steps)
            if (!step.undo) status[step.step] = step.status;
        const auto is_open = [&](const core::Step& step) {
            const auto found = status.find(step.path);
            const std::string_view is = found == status.end() ? "waiting" : found->second;
            return is != "done" && is != "skipped" && is != "failed" && is != "cancelled" &&
                   is != "blocked" && is != "dead";
        };
        if (run_.run.status != RunStatus::running) return;
        for (const core::StepIndex index : run_.workflow->top_level) {
            const core::Step& step = run_.workflow->steps[index];
            const auto found = status.find(step.path);
            if (found != status.end() && found->second != "waiting") continue;
            std::string before;
            for (const core::StepIndex one : step.predecessors)
                if (is_open(run_.workflow->steps[one]))
                    before += (before.empty() ? "" : ", ") + run_.workflow->steps[one].path;
            if (before.empty()) continue;
            Why& one = put(WhyCode::waits_for_step, "it has its turn after " + before);
            one.step = step.path;
        }
    }

    const WhyRun& run_;
    const WhySight& sight_;
    std::vector<Why> reasons_;
};

} // namespace

std::string_view word_of(WhyCode code) {
    return words[static_cast<std::size_t>(code)];
}

std::optional<WhyCode> why_code_from(std::string_view word) {
    const auto found = std::ranges::find(words, word);
    if (found == words.end()) return std::nullopt;
    return static_cast<WhyCode>(found - words.begin());
}

std::vector<Why> why(const WhyRun& run, const WhySight& sight) {
    return Teller(run, sight).tell();
}

std::vector<std::string> routes_out(std::span<const StepStory> steps) {
    std::set<std::string> routes;
    for (const StepStory& step : steps)
        if (step.status == "dispatched" || step.status == "held" || step.status == "backing_off")
            routes.insert(step.task);
    return {routes.begin(), routes.end()};
}

} // namespace baton::orchestrator::runtime
