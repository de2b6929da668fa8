#include "cli/follow.hpp"

#include "base/percent.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/why.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <set>
#include <thread>
#include <utility>

namespace baton::cli {

namespace json = boost::json;

namespace {

std::atomic<int> interrupts{0};

void count_interrupt(int) {
    if (++interrupts > 1) std::_Exit(130);
}

std::string detail_of(const json::object& fact) {
    const auto* error = fact.if_contains("error");
    if (error == nullptr) return {};
    const auto type = member(*error, "type");
    const auto detail = member(*error, "detail");
    return detail.empty() ? type : type + ": " + detail;
}

bool is_closed(std::string_view status) {
    return status == "completed" || status == "failed" || status == "cancelled" || status == "timed_out" ||
           status == "compensated";
}

} // namespace

void watch_interrupts() { std::signal(SIGINT, count_interrupt); }
bool was_interrupted() { return interrupts > 0; }

std::string request_text(const json::object& fact) {
    const auto word = member(fact, "fact");
    std::string text = word == "run_started" ? "started"
                       : word == "cancel_requested" ? "cancel requested"
                       : word == "retry_requested" ? "retry requested"
                       : word == "undo_skipped" ? "undo of " + member(fact, "step") + " skipped"
                       : word == "run_finished" ? "finished by hand"
                       : word == "pause_requested" ? "paused"
                       : word == "resume_requested" ? "resumed"
                       : word == "skip_requested" ? member(fact, "step") + " passed over"
                       : word == "output_given" ? member(fact, "step") + " done by hand"
                       : word == "input_edited" ? "input of " + std::string(fact.contains("undo") ? "the undo of " : "") + member(fact, "step") + " edited"
                       : word == "run_mended" ? "mended"
                       : word == "rerun_requested" ? "run again from " + member(fact, "step")
                       : word == "step_revived" ? (fact.contains("undo") ? "undo " : "") + member(fact, "step") + " redriven"
                                                : word;
    if (const auto actor = member(fact, "actor"); !actor.empty()) text += " by " + actor;
    if (const auto reason = member(fact, "text"); !reason.empty()) text += ": " + reason;
    return text;
}

std::string Narrator::tell(const json::value& entry) {
    std::string lines;
    const auto at = micros_from(member(entry, "at"));
    const auto* object = entry.if_object();
    const auto* facts = object == nullptr ? nullptr : object->if_contains("facts");
    if (facts == nullptr || !facts->is_array()) return lines;
    for (const auto& fact : facts->as_array())
        if (const auto* as_object = fact.if_object()) lines += tell_fact(*as_object, at);
    return lines;
}

std::string Narrator::tell_fact(const json::object& fact, std::int64_t at) {
    const auto word = member(fact, "fact");
    const bool undo = fact.contains("undo");
    const auto step = member(fact, "step");
    const std::string name = undo ? "undo " + step : step;
    const auto line = [&](Colour colour, const char* sign, std::string_view what) {
        return fmt::format("  {} {:<20} {}\n", paint(colour, sign), name, what);
    };
    if (word == "task_dispatched") {
        dispatched_at_[name] = at;
        return {};
    }
    if (word == "task_completed")
        return line(undo ? Colour::blue : Colour::green, undo ? "↶" : "✓",
                    fmt::format("{} in {}", undo ? "undone" : "done", duration_text(at - dispatched_at_[name])));
    if (word == "result_found") return line(Colour::green, "✓", "known from run " + member(fact, "run"));
    if (word == "step_verified") {
        if (fact.contains("done")) return line(Colour::green, "✓", "a look found that it took effect");
        const auto again = member(fact, "retry_at");
        return line(Colour::yellow, "…", "a look found that it took no effect" +
                                             (again.empty() ? "" : fmt::format("; again in {}", duration_text(micros_from(again) - at))));
    }
    if (word == "task_failed") {
        if (fact.contains("verify"))
            return line(Colour::yellow, "…", fmt::format("attempt {}: {}; nobody knows whether it took effect, so that is looked at",
                                                         member(fact, "attempt"), detail_of(fact)));
        const auto retry_at = member(fact, "retry_at");
        if (retry_at.empty()) return line(Colour::red, "✗", fmt::format("attempt {} failed: {}", member(fact, "attempt"), detail_of(fact)));
        return line(Colour::yellow, "…", fmt::format("attempt {} failed: {}; again in {}", member(fact, "attempt"),
                                                     detail_of(fact), duration_text(micros_from(retry_at) - at)));
    }
    if (word == "task_held") return line(Colour::yellow, "…", "held back: " + member(fact, "text"));
    if (word == "slot_awaited") return fmt::format("  {} waits: {}\n", paint(Colour::yellow, "…"), member(fact, "text"));
    if (word == "step_done") return line(Colour::green, "✓", "done");
    if (word == "step_skipped") return line(Colour::dim, "-", "skipped");
    if (word == "step_cancelled" || word == "task_cancelled") return line(Colour::dim, "-", "cancelled");
    if (word == "error_caught") return line(Colour::yellow, "!", "caught " + detail_of(fact));
    if (word == "step_dead") return line(Colour::red, "✗", fmt::format("gave up ({}): {}", member(fact, "reason"), detail_of(fact)));
    if (word == "late_result") return line(Colour::dim, "-", "a late result was ignored");
    if (word == "cancel_requested" || word == "retry_requested" || word == "step_revived" ||
        word == "undo_skipped" || word == "run_finished" || word == "pause_requested" || word == "resume_requested" ||
        word == "skip_requested" || word == "output_given" || word == "input_edited" || word == "rerun_requested" ||
        word == "run_mended")
        return fmt::format("  {} {}\n", paint(Colour::yellow, "!"), request_text(fact));
    if (word == "run_status" && member(fact, "status") == "compensating")
        return fmt::format("  {} undoing what was done, newest first\n", paint(Colour::blue, "↶"));
    return {};
}

bool is_away(const Outcome<Answer>& answer) {
    // What is wrong on this side does not get better.
    if (!answer) return answer.error().code != make_error_code(boost::system::errc::invalid_argument);
    return answer->status == 503 || answer->status == 429;
}

bool Outage::goes_on(const Outcome<Answer>& answer) {
    // A server that is started again within a moment is no news.
    constexpr std::chrono::seconds unmentioned{1};
    const auto now = std::chrono::steady_clock::now();
    if (!since_) since_ = now;
    if (now - *since_ > patience) return false;
    if (!is_said_ && now - *since_ >= unmentioned) {
        is_said_ = true;
        complain(fmt::format("the connection to {} is lost; trying again for {} s. Runs go on when the server does.\n  {}", url_,
                             patience.count(), answer ? answer->reason() : answer.error().detail));
    }
    return true;
}

void Outage::is_over() {
    if (std::exchange(is_said_, false)) complain(fmt::format("{} answers again", url_));
    since_.reset();
}

Outcome<Answer> persistently(const Api& api, const std::function<Outcome<Answer>()>& request) {
    Outage outage(api.url());
    for (;;) {
        auto answer = request();
        if (!is_away(answer)) outage.is_over();
        if (!is_away(answer) || !outage.goes_on(answer) || was_interrupted()) return answer;
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
}

std::optional<json::value> look_at_task(Api& api, const std::string& task) {
    const auto answer = api.get("/api/tasks/" + percent_encoded(task));
    if (!answer || !answer->is_good()) return std::nullopt;
    return answer->body;
}

void say_if_unserved(Api& api, const std::string& task) {
    const auto seen = look_at_task(api, task);
    if (!seen) return;
    if (const std::string trouble = trouble_of_task(*seen); !trouble.empty()) complain(trouble);
}

namespace {

// The tasks that an entry of the history says were sent.
std::set<std::string> tasks_sent(const json::value& entry) {
    std::set<std::string> tasks;
    const json::value* facts = entry.as_object().if_contains("facts");
    if (facts == nullptr || !facts->is_array()) return tasks;
    for (const json::value& fact : facts->get_array())
        if (member(fact, "fact") == "task_dispatched") tasks.insert(member(fact, "task"));
    return tasks;
}

// Whether an operator lets the run pause after this entry of its history; it was so before: `was`.
bool pauses_by_hand(const json::value& entry, bool was) {
    const auto* facts = entry.is_object() ? entry.get_object().if_contains("facts") : nullptr;
    if (facts == nullptr || !facts->is_array()) return was;
    for (const auto& fact : facts->get_array())
        if (member(fact, "fact") == "run_status") was = !member(fact, "from").empty();
    return was;
}

} // namespace

Outcome<Followed> follow(Api& api, const std::string& run_id, Narrator* narrator) {
    std::uint64_t after = 0;
    std::set<std::string> looked_at;
    bool is_held = false; // then it goes on some time, unlike one that waits for an operator after a failure
    Outage outage(api.url());
    for (;;) {
        // Short, so that a machine that is gone without a word is noticed soon.
        const auto path = fmt::format("/api/runs/{}/history?after={}&wait=5", percent_encoded(run_id), after);
        const auto answer = api.get(path, std::chrono::seconds{10});
        if (was_interrupted()) return Followed{};
        if (is_away(answer)) {
            if (!outage.goes_on(answer))
                return Failure{make_error_code(boost::system::errc::host_unreachable),
                               fmt::format("given up after {} s: {} The run is not lost: baton show {}", patience.count(),
                                           answer ? answer->reason() : answer.error().detail, run_id)};
            std::this_thread::sleep_for(std::chrono::milliseconds(250));
            continue;
        }
        if (!answer) return answer.error();
        outage.is_over();
        if (!answer->is_good()) return Failure{make_error_code(boost::system::errc::no_such_file_or_directory), answer->reason()};
        const auto* object = answer->body.if_object();
        const auto* history = object == nullptr ? nullptr : object->if_contains("history");
        if (history != nullptr && history->is_array()) {
            for (const auto& entry : history->as_array()) {
                is_held = pauses_by_hand(entry, is_held);
                if (narrator != nullptr) {
                    fmt::print("{}", narrator->tell(entry));
                    std::fflush(stdout);
                    for (const std::string& task : tasks_sent(entry))
                        if (looked_at.insert(task).second) say_if_unserved(api, task);
                }
                ErrorCode ignored;
                if (const auto* seq = entry.as_object().if_contains("seq")) after = seq->to_number<std::uint64_t>(ignored);
            }
            std::fflush(stdout);
        }
        if (!member(answer->body, "next").empty()) continue; // there is more of the history already
        const auto status = member(answer->body, "status");
        if (is_closed(status) || (status == "paused" && !is_held)) return Followed{answer->body, true};
    }
}

} // namespace baton::cli
