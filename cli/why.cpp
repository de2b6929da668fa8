// See why.hpp.
#include "cli/why.hpp"

#include "cli/output.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <cstdint>

namespace baton::cli {

namespace json = boost::json;

namespace {

std::int64_t number(const json::value& object, std::string_view name) {
    ErrorCode missing;
    const json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return found == nullptr ? 0 : found->to_number<std::int64_t>(missing);
}

std::string name_of(const json::value& step) {
    return (member(step, "undo") == "true" ? "the undo of " : "") + member(step, "step");
}

const json::value* last_attempt(const json::value& step) {
    const json::value* attempts = step.as_object().if_contains("attempts");
    if (attempts == nullptr || !attempts->is_array() || attempts->get_array().empty()) return nullptr;
    return &attempts->get_array().back();
}

std::string error_text(const json::value& attempt) {
    const json::value* error = attempt.as_object().if_contains("error");
    if (error == nullptr || !error->is_object()) return {};
    const std::string detail = member(*error, "detail");
    return member(*error, "type") + (detail.empty() ? "" : ": " + detail);
}

std::string of_dispatched(const json::value& step, const LookAtTask& look) {
    const std::string task = member(step, "task");
    const json::value* attempt = last_attempt(step);
    if (attempt != nullptr)
        if (const std::string worker = member(*attempt, "worker"); !worker.empty())
            return fmt::format("{} works on it since {}", worker, local_time(member(*attempt, "started_at")));
    const auto seen = look(task);
    if (!seen) return fmt::format("its task {} is sent; who serves it cannot be asked just now", task);
    if (const std::string trouble = trouble_of_task(*seen); !trouble.empty()) return trouble;
    return fmt::format("its task is with the workers: {} serve {}, {} tasks wait there", number(*seen, "workers"), task,
                       number(*seen, "waiting"));
}

std::string of_backing_off(const json::value& step) {
    const json::value* attempt = last_attempt(step);
    if (attempt == nullptr) return "it is tried again later";
    const json::value* error = attempt->as_object().if_contains("error");
    const bool is_held = error != nullptr && member(*error, "attempt") == "false";
    return fmt::format("{} ({}); tried again at {}", is_held ? "its target lets no worker try" : "its last attempt failed",
                       error_text(*attempt), local_time(member(*attempt, "retry_at")));
}

std::string of_event(const json::value& event) {
    std::string text = fmt::format("an event '{}'", member(event, "type"));
    if (const auto* match = event.as_object().if_contains("match"); match != nullptr && match->is_object())
        for (const auto& one : match->get_object())
            text += fmt::format(" with {} = {}", std::string_view{one.key().data(), one.key().size()}, json::serialize(one.value()));
    return text;
}

// One of the waits of a first_of.
std::string of_way(const json::value& way, const std::string& step) {
    if (const std::string signal = member(way, "signal"); !signal.empty()) return "the signal '" + signal + "'";
    if (const auto* event = way.as_object().if_contains("event")) return of_event(*event);
    if (const auto* approval = way.as_object().if_contains("approval"))
        return fmt::format("an answer to '{}' (baton approve or baton reject RUN {})", member(*approval, "title"), step);
    return local_time(member(way, "at"));
}

// What a step waits for that comes from outside; empty: nothing.
std::string of_outside(const json::value& step) {
    const auto* wait = step.as_object().if_contains("waits_for");
    if (wait == nullptr || !wait->is_object()) return {};
    const std::string until = member(step, "until").empty() ? "" : ", until " + local_time(member(step, "until"));
    if (const std::string signal = member(*wait, "signal"); !signal.empty())
        return fmt::format("it waits for the signal '{}'{}; baton signal RUN {} gives it", signal, until, signal);
    if (const auto* approval = wait->as_object().if_contains("approval")) {
        std::string who;
        if (const auto* by = approval->as_object().if_contains("by"); by != nullptr && by->is_array())
            for (const auto& one : by->get_array())
                who += (who.empty() ? "" : ", ") + std::string(one.is_string() ? one.get_string().c_str() : "");
        return fmt::format("it asks {}{}: {}; baton approve or baton reject RUN {}", who.empty() ? "whoever may operate" : who,
                           until, member(*approval, "title"), member(step, "step"));
    }
    if (const auto* event = wait->as_object().if_contains("event"))
        return fmt::format("it waits for {}{}", of_event(*event), until);
    std::string ways;
    if (const auto* first = wait->as_object().if_contains("first_of"); first != nullptr && first->is_array())
        for (const auto& way : first->get_array()) {
            ways += (ways.empty() ? "" : " or ") + of_way(way, member(step, "step"));
        }
    return ways.empty() ? "" : "it waits for " + ways;
}

// Empty: the step is done, or never will be.
std::string of_step(const json::value& step, const LookAtTask& look) {
    const std::string status = member(step, "status");
    if (status == "dispatched") return of_dispatched(step, look);
    if (status == "backing_off") return of_backing_off(step);
    if (status == "held") return "it is held back: " + member(step, "reason");
    if (status == "deferred") return "its worker reports later, until " + local_time(member(step, "until")) + " at the latest";
    if (const std::string waits = of_outside(step); !waits.empty()) return waits;
    if (status == "sleeping") return "it waits until " + local_time(member(step, "until"));
    if (status == "dead") {
        const json::value* attempt = last_attempt(step);
        const std::string error = attempt == nullptr ? "" : error_text(*attempt);
        return "it gave up" + (error.empty() ? "" : " (" + error + ")");
    }
    return {};
}

// Who lets the run pause and why; empty: nobody does, a step failed.
std::string of_pause(const json::value& run) {
    const auto* pause = run.as_object().if_contains("pause");
    if (pause == nullptr || !pause->is_object()) return {};
    const std::string actor = member(*pause, "actor");
    const std::string reason = member(*pause, "reason");
    return fmt::format("{} let it pause{} ({}); baton resume {} lets it go on", actor.empty() ? "somebody" : actor,
                       reason.empty() ? "" : ": " + reason, local_time(member(*pause, "at")), member(run, "id"));
}

std::string of_run(const json::value& run) {
    const std::string status = member(run, "status");
    const std::string id = member(run, "id");
    if (const std::string incident = member(run, "incident"); !incident.empty()) return "the run stands still: " + incident;
    if (status == "paused") {
        if (std::string pause = of_pause(run); !pause.empty()) return pause;
        return fmt::format("an operator is needed: baton retry {0}, baton dead list --run {0}, or baton cancel {0}", id);
    }
    if (status == "queued") {
        const std::string awaits = member(run, "awaits");
        if (awaits.starts_with("workflow ")) return "it has not begun: " + awaits + fmt::format("; baton resume --workflow {}", member(run, "workflow"));
        return fmt::format("it waits for a slot: as many runs of its concurrency key '{}' go on as may; baton runs 'workflow:{} status:running'",
                           awaits, member(run, "workflow"));
    }
    const std::string closed = member(run, "closed_at");
    if (closed.empty()) return {};
    const std::string error = member(run, "error");
    return fmt::format("the run is {} since {}{}", status, local_time(closed), error.empty() ? "" : ": " + error);
}

} // namespace

std::string trouble_of_task(const json::value& task) {
    const std::string name = member(task, "task");
    if (const std::string held = member(task, "held"); !held.empty()) return held;
    if (member(task, "queue") == "false") return fmt::format("there is no queue for {}: no workflow and no worker has named it", name);
    if (number(task, "workers") > 0) return {};
    return fmt::format("no worker serves {} just now ({} tasks wait); it goes on when one does", name, number(task, "waiting"));
}

std::vector<std::string> reasons_of(const json::value& run, const LookAtTask& look) {
    std::vector<std::string> reasons;
    if (std::string whole = of_run(run); !whole.empty()) reasons.push_back(std::move(whole));
    const bool is_closed = !member(run, "closed_at").empty();
    for (const json::value& step : run.as_object().at("steps").as_array()) {
        if (is_closed && member(step, "status") != "dead") continue;
        if (const std::string reason = of_step(step, look); !reason.empty())
            reasons.push_back(fmt::format("{}: {}", name_of(step), reason));
    }
    if (reasons.empty()) reasons.emplace_back("nothing keeps it: it goes on just now");
    return reasons;
}

} // namespace baton::cli
