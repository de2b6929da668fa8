// Stories for advance(): each .txt file beside this one is a workflow and what happens to one run
// of it, with every fact the step function noted. BATON_UPDATE_SCENARIOS=1 writes the answers anew;
// a changed answer is committed only by somebody who can say why it is right.
//
//   ```toml … ```            the workflow
//   event lines              start JSON · complete STEP JSON · fail STEP TYPE [final] [untried] [after=30s]
//                            lose STEP TYPE · started STEP · heartbeat STEP [JSON] · defer STEP 1h
//                            wait 30s · cancel WHY · retry · revive STEP
//                            skip STEP WHY (its undo) · finish STATUS WHY
//                            pause WHY · resume · pass STEP WHY · give STEP JSON · edit STEP JSON · rerun STEP WHY
//                            signal NAME [id=ID] [by=USER] [JSON] · approve STEP USER[:ROLE,..] [JSON] [(COMMENT)] · reject ..
//                            caller JSON (who waits for an answer; no event)
//                            event TYPE ID [ago=30s] DATA
//                            known STEP ago=30s JSON (its result is in the cache) · unknown STEP
//                            (USER operator may operate) · parent RUN STEP DEPTH [detached] (whose step the run is; no
//                            event) · keys (from now on the idempotency keys of tasks are told, too; no event)
//                            limit BYTES (what the run may hold from now on; no event)
//   ----                     then the answer, and a blank line
//
// STEP is a path, with ":undo" for its compensation and "#2" for an attempt that is not the last
// one. Times are counted from the start.
#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/definition/loader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace baton::orchestrator::core {
namespace {

namespace fs = std::filesystem;

const Time start_of_time = time_from_micros(1'800'000'000'000'000);

std::string read_file(const fs::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

Duration duration_from(const std::string& text) {
    const std::int64_t number = std::stoll(text);
    const std::string unit = text.substr(text.find_first_not_of("0123456789"));
    if (unit == "ms") return std::chrono::milliseconds(number);
    if (unit == "s") return std::chrono::seconds(number);
    if (unit == "m") return std::chrono::minutes(number);
    if (unit == "h") return std::chrono::hours(number);
    return std::chrono::hours(24) * number;
}

std::string since_start(Time time) {
    const auto millis = millis_of(time) - millis_of(start_of_time);
    return millis % 1000 == 0 ? fmt::format("{}s", millis / 1000)
                              : fmt::format("{}.{:03}s", millis / 1000, millis % 1000);
}

std::string words_of(const AttemptRef& ref) {
    return fmt::format("{}{}{}", ref.step, ref.undo ? ":undo" : "",
                       ref.attempt != 0 ? fmt::format("#{}", ref.attempt) : "");
}
std::string value_of(const Document& document) {
    return document.is_null() ? "" : fmt::format(" {}", document.text());
}
std::string error_of(const Document& document) {
    return document.is_null() ? "" : fmt::format(" error={}", document.text());
}
std::string worker_of(const std::string& worker) { return worker.empty() ? "" : " worker=" + worker; }
std::string due_of(const std::optional<Time>& time) { return time ? " due=" + since_start(*time) : ""; }
std::string remark(const std::string& text) { return text.empty() ? "" : " (" + text + ")"; }

struct Words {
    std::string operator()(const fact::RunStarted& fact) const {
        if (!fact.parent) return "";
        return fmt::format("by {} {} depth={}{}", fact.parent->run_id, words_of(fact.parent->ref), fact.parent->depth,
                           fact.parent->is_detached ? " detached" : "");
    }
    std::string operator()(const fact::ParentTold& fact) const {
        return fmt::format("{} {}{}{}", fact.parent.run_id, words_of(fact.parent.ref), value_of(fact.output), error_of(fact.error));
    }
    std::string operator()(const fact::EventEmitted& fact) const {
        return fmt::format("{} {} {}{}{}", fact.step, fact.id, fact.type, fact.subject.empty() ? "" : " about " + fact.subject,
                           value_of(fact.data));
    }
    std::string operator()(const fact::ChildCancelled& fact) const { return words_of(fact.ref) + " " + fact.task; }
    std::string operator()(const fact::RunBecame& fact) const {
        return fmt::format("{}{}{}{}", word_of(fact.status), fact.from ? fmt::format(" from={}", word_of(*fact.from)) : "",
                           value_of(fact.output), error_of(fact.error));
    }
    std::string operator()(const fact::RunClosing& fact) const { return fmt::format("{} as {}", word_of(fact.phase), (*this)(fact.end)); }
    std::string operator()(const fact::TaskDispatched& fact) const {
        const TaskOrder& order = fact.order;
        std::string line = fmt::format("{} {} {} {}/{}", words_of(fact.ref), order.route, order.with.text(),
                                       order.attempt_of_series, order.max_attempts);
        if (order.start_by) line += " start_by=" + since_start(*order.start_by);
        if (order.deadline) line += " deadline=" + since_start(*order.deadline);
        if (order.timeout) line += fmt::format(" timeout={}s", order.timeout->count() / 1'000'000);
        for (const std::string& pointer : order.secrets)
            line += " secret=" + pointer;
        if (!order.child_run.empty()) line += fmt::format(" depth={}{}", order.depth, order.is_detached ? " detached" : "");
        if (order.is_look) line += " (verify)";
        if (!order.progress.is_null()) line += fmt::format(" progress={}", order.progress.text());
        return line;
    }
    std::string operator()(const fact::TaskStarted& fact) const {
        return words_of(fact.ref) + (fact.since ? " since=" + since_start(*fact.since) : "") + worker_of(fact.worker);
    }
    std::string operator()(const fact::TaskCompleted& fact) const {
        return words_of(fact.ref) + value_of(fact.output) +
               (fact.result.is_null() ? "" : " of" + value_of(fact.result)) + worker_of(fact.worker);
    }
    std::string operator()(const fact::TaskFailed& fact) const {
        return words_of(fact.ref) + error_of(fact.error) + due_of(fact.retry_at) + (fact.untried ? " untried" : "") +
               (fact.asks ? " asks" : "") +
               worker_of(fact.worker);
    }
    std::string operator()(const fact::ResultFound& fact) const { return fmt::format("{} from {}", fact.step, fact.run); }
    std::string operator()(const fact::ResultKept& fact) const {
        return fmt::format("{} until {}", fact.step, since_start(fact.until));
    }
    std::string operator()(const fact::StepVerified& fact) const {
        return fmt::format("{}{} {}{}{}", words_of(fact.ref), value_of(fact.result), fact.is_done ? "done" : "not done",
                           due_of(fact.retry_at), worker_of(fact.worker));
    }
    std::string operator()(const fact::TaskDeferred& fact) const { return words_of(fact.ref) + due_of(fact.until); }
    std::string operator()(const fact::TaskCancelled& fact) const { return words_of(fact.ref) + " " + fact.task; }
    std::string operator()(const fact::LateResult& fact) const { return words_of(fact.ref) + value_of(fact.output); }
    std::string operator()(const fact::EffectKept& fact) const {
        return fact.step + value_of(fact.effect) +
               (fact.undo_input.is_null() ? "" : " undo_input=" + std::string{fact.undo_input.text()});
    }
    std::string operator()(const fact::StepStarted& fact) const { return fact.step + due_of(fact.until); }
    std::string operator()(const fact::StepWaits& fact) const {
        return fact.step + value_of(fact.wanted) + due_of(fact.until);
    }
    std::string operator()(const fact::SignalReceived& fact) const {
        return fmt::format("{} {}{}{}{}", fact.number, fact.name, fact.id.empty() ? "" : " id=" + fact.id,
                           fact.by.empty() ? "" : " by=" + fact.by, value_of(fact.data));
    }
    std::string operator()(const fact::SignalTaken& fact) const { return fmt::format("{} {}", fact.step, fact.number); }
    std::string operator()(const fact::CallerAnswered& fact) const {
        return fmt::format("{}{}{}{}", fact.caller.text(), fact.step.empty() ? "" : " by " + fact.step, value_of(fact.output),
                           error_of(fact.error));
    }
    std::string operator()(const fact::EventTaken& fact) const { return fmt::format("{} {}", fact.step, fact.id); }
    std::string operator()(const fact::ApprovalVoted& fact) const {
        return fmt::format("{} {} {}{}{}", fact.step, fact.by, fact.approves ? "approves" : "rejects", value_of(fact.form),
                           remark(fact.comment));
    }
    std::string operator()(const fact::ApprovalReminded& fact) const {
        return fact.step + value_of(fact.wanted) + due_of(fact.until);
    }
    std::string operator()(const fact::StepDone& fact) const {
        return fact.step + value_of(fact.output) + (fact.by_hand ? " (by hand)" : "");
    }
    std::string operator()(const fact::StepSkipped& fact) const {
        return fact.step + (fact.undo ? ":undo" : "") + (fact.passed ? " (its own when)" : "");
    }
    std::string operator()(const fact::StepCancelled& fact) const { return fact.step + error_of(fact.error); }
    std::string operator()(const fact::ErrorCaught& fact) const { return fact.step + error_of(fact.error); }
    std::string operator()(const fact::StepDead& fact) const {
        return words_of({fact.step, fact.undo, fact.attempt}) + (fact.task.empty() ? "" : " " + fact.task) +
               error_of(fact.error) + remark(fact.reason);
    }
    std::string operator()(const fact::StepRevived& fact) const { return fact.step + (fact.undo ? ":undo" : ""); }
    std::string operator()(const fact::ItemsListed& fact) const { return fact.step + value_of(fact.items); }
    std::string operator()(const fact::UndoSkipped& fact) const { return fact.step + ":undo" + remark(fact.reason); }
    std::string operator()(const fact::RunFinished& fact) const { return fmt::format("({})", fact.reason); }
    std::string operator()(const fact::CancelRequested& fact) const { return fmt::format("({})", fact.reason); }
    std::string operator()(const fact::RetryRequested&) const { return ""; }
    std::string operator()(const fact::PauseRequested& fact) const { return fmt::format("({})", fact.reason); }
    std::string operator()(const fact::ResumeRequested&) const { return ""; }
    std::string operator()(const fact::SkipRequested& fact) const { return fact.step + remark(fact.reason); }
    std::string operator()(const fact::OutputGiven& fact) const {
        return fmt::format("{} {}", fact.step, fact.output.text()) + remark(fact.reason);
    }
    std::string operator()(const fact::InputEdited& fact) const {
        return words_of({fact.step, fact.undo, 0}) + value_of(fact.input) + remark(fact.reason);
    }
    std::string operator()(const fact::RerunRequested& fact) const { return fact.step + remark(fact.reason); }
    std::string operator()(const fact::StepReset& fact) const {
        return fmt::format("{} rerun={}{}", fact.step, fact.rerun, fact.is_sent ? " sent" : "");
    }
    std::string operator()(const fact::SlotAwaited& fact) const { return fmt::format("({})", fact.key); }
    std::string operator()(const fact::SlotGiven&) const { return ""; }
    std::string operator()(const fact::TaskHeld& fact) const {
        return fmt::format("{} {} ({})", words_of({fact.step, fact.undo, 0}), fact.task, fact.reason);
    }
    std::string operator()(const fact::TaskReleased& fact) const { return words_of({fact.step, fact.undo, 0}); }
    std::string operator()(const fact::RunMended& fact) const { return fmt::format("({})", fact.what); }
    std::string operator()(const auto& fact) const { return fact.step; } // sent, blocked, item_started, ..
};

std::string line_of(const Fact& fact) {
    const std::string words = std::visit(Words{}, fact.body);
    return std::string{word_of(fact)} + (words.empty() ? "" : " ") + words;
}

// Holds what a story says.
struct Holding final : Gate {
    std::set<std::string> held;
    std::string why_held(const TaskCall&, std::string_view route) const override {
        return held.contains(std::string(route)) ? "its type is paused" : "";
    }
};

class Story {
public:
    explicit Story(std::shared_ptr<const Workflow> workflow)
        : workflow_(std::move(workflow)), run_(new_run(*workflow_, "run")) {}

    std::string tell(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        words >> verb;
        if (verb == "start") {
            const CheckedInput input =
                check_input(workflow_->input, Document::parse(rest_of(words)).value());
            if (!input.complaints.empty()) return "complaint " + input.complaints[0] + "\n";
            RunStarted begins{input.input, {}, parent_};
            begins.caller = caller_;
            return happen(begins);
        }
        if (verb == "wait") {
            now_ += duration_from(rest_of(words));
            return happen(AlarmRang{});
        }
        if (verb == "limit") {
            words >> limits_.text_bytes;
            return "";
        }
        if (verb == "caller") {
            caller_ = Document::parse(rest_of(words)).value();
            return "";
        }
        if (verb == "parent") {
            ParentRef& parent = parent_.emplace();
            std::string word;
            words >> parent.run_id >> parent.ref.step >> parent.depth >> word;
            parent.ref.attempt = 1;
            parent.is_detached = word == "detached";
            return "";
        }
        if (verb == "finish") {
            std::string status;
            words >> status;
            return happen(RunFinished{run_status_from(status).value(), rest_of(words)});
        }
        if (verb == "keys") {
            tells_keys_ = true;
            return "";
        }
        if (verb == "pause") return happen(PauseRequested{rest_of(words)});
        if (verb == "resume") return happen(ResumeRequested{rest_of(words)});
        if (verb == "cancel") return happen(CancelRequested{rest_of(words)});
        if (verb == "start_queued") {
            const std::string key = "ada";
            return happen(RunStarted{Document::parse(rest_of(words)).value(), key});
        }
        if (verb == "slot") return happen(SlotGiven{});
        if (verb == "hold") {
            std::string route;
            while (words >> route) gate_.held.insert(route);
            return "";
        }
        if (verb == "release") {
            std::set<std::string> routes;
            std::string route;
            while (words >> route) routes.insert(route), gate_.held.erase(route);
            return happen(TasksReleased{{routes.begin(), routes.end()}});
        }
        if (verb == "mend") {
            std::string route;
            words >> route;
            return happen(RunMended{rest_of(words), {route}});
        }
        if (verb == "retry") return happen(RunRetried{rest_of(words) == "now"});

        if (verb == "signal") return happen(signal_of(words));
        if (verb == "event") return tell_event(words);
        if (verb == "approve" || verb == "reject") return happen(decision_of(verb == "approve", words));

        std::string step;
        words >> step;
        if (verb == "known" || verb == "unknown") return happen(known_result(verb == "known", step, words));
        const AttemptRef ref = ref_of(step);
        if (verb == "skip") return happen(UndoSkipped{ref.step, rest_of(words)});
        if (verb == "revive") return happen(TaskRevived{ref.step, ref.undo, Document::parse(rest_of(words)).value()});
        if (verb == "pass") return happen(SkipRequested{ref.step, rest_of(words)});
        if (verb == "give") return happen(OutputGiven{ref.step, Document::parse(rest_of(words)).value(), "by hand"});
        if (verb == "edit") return happen(InputEdited{ref.step, ref.undo, Document::parse(rest_of(words)).value(), "typo"});
        if (verb == "rerun") return happen(RerunRequested{ref.step, rest_of(words)});
        if (verb == "complete")
            return happen(TaskCompleted{ref, Document::parse(rest_of(words)).value()});
        if (verb == "started") return happen(TaskStarted{ref, "worker-1"});
        if (verb == "heartbeat") {
            const std::string progress = rest_of(words);
            return happen(TaskHeartbeat{ref, progress.empty() ? Document{} : Document::parse(progress).value()});
        }
        if (verb == "defer") return happen(TaskDeferred{ref, now_ + duration_from(rest_of(words))});
        if (verb == "fail") return happen(TaskFailed{ref, problem_of(words)});
        if (verb == "queue_lost") return happen(QueueLost{{step}, {}});
        if (verb == "queue_lost_unsent") return happen(QueueLost{{"a"}, {ref}});
        if (verb == "lose") return happen(TaskLost{ref, problem_of(words), {}});
        return "unknown verb " + verb + "\n";
    }

private:
    static std::string rest_of(std::istringstream& words) {
        std::string rest;
        std::getline(words >> std::ws, rest);
        return rest.empty() ? "null" : rest;
    }

    AttemptRef ref_of(std::string text) const {
        AttemptRef ref;
        if (const auto hash = text.find('#'); hash != std::string::npos) {
            ref.attempt = static_cast<std::uint32_t>(std::stoul(text.substr(hash + 1)));
            text.resize(hash);
        }
        ref.undo = text.ends_with(":undo");
        if (ref.undo) text.resize(text.size() - 5);
        ref.step = text;
        const auto found = find_place(*workflow_, run_, text);
        if (ref.attempt == 0 && found) {
            const StepState& state = state_of(*workflow_, run_, *found);
            ref.attempt = ref.undo ? state.undo_attempts.number : state.attempts.number;
        }
        return ref;
    }

    // As who keeps results answers the step that asks.
    ResultKnown known_result(bool is_known, const std::string& step, std::istringstream& words) const {
        const auto place = find_place(*workflow_, run_, step);
        const auto asked = place ? awaited_result(state_of(*workflow_, run_, *place).wait) : std::nullopt;
        ResultKnown answer{asked ? asked->key : "nobody asks"};
        if (!is_known) return answer;
        std::string ago;
        words >> ago;
        answer.run = "another-run";
        answer.at = now_ - duration_from(ago.substr(4));
        answer.result = Document::parse(rest_of(words)).value();
        return answer;
    }

    // As the engine finds out which keys it has.
    std::string tell_event(std::istringstream& words) {
        std::string type, id, ago;
        words >> type >> id >> ago;
        Time at = now_;
        std::string data = ago;
        if (ago.starts_with("ago=")) {
            at -= duration_from(ago.substr(4));
            data = rest_of(words);
        } else if (!words.eof()) {
            data += " " + rest_of(words);
        }
        boost::json::object event{{"id", id}, {"source", "test"}, {"type", type}};
        event["data"] = Document::parse(data).value().json();
        const Document whole = Document::of(event);
        std::string told;
        for (const EventShape& shape : workflow_->event_shapes)
            if (const auto key = key_of(shape, type, whole.json())) told += happen(EventArrived{*key, id, at, whole});
        return told.empty() ? "nobody waits for such\n" : told;
    }

    static SignalSent signal_of(std::istringstream& words) {
        SignalSent signal;
        words >> signal.name;
        std::string word;
        while (words >> word) {
            if (word.starts_with("id="))
                signal.id = word.substr(3);
            else if (word.starts_with("by="))
                signal.by = word.substr(3);
            else
                signal.data = Document::parse(word + (words.eof() ? "" : " " + rest_of(words))).value();
        }
        return signal;
    }

    static ApprovalDecided decision_of(bool approves, std::istringstream& words) {
        ApprovalDecided decision;
        decision.approves = approves;
        std::string word;
        words >> decision.step >> word;
        decision.by = word.substr(0, word.find(':'));
        decision.may_operate = decision.by.starts_with("operator");
        if (const auto colon = word.find(':'); colon != std::string::npos) {
            std::istringstream roles(word.substr(colon + 1));
            for (std::string role; std::getline(roles, role, ',');)
                decision.roles.push_back(role);
        }
        std::string rest = rest_of(words);
        if (const auto comment = rest.find('('); comment != std::string::npos) {
            decision.comment = rest.substr(comment + 1, rest.size() - comment - 2);
            rest.resize(comment);
        }
        if (rest.starts_with('{')) decision.form = Document::parse(rest).value();
        return decision;
    }

    static Problem problem_of(std::istringstream& words) {
        Problem problem;
        words >> problem.type;
        std::string word;
        while (words >> word) {
            if (word == "final") problem.retryable = false;
            if (word == "untried") problem.is_attempt = false;
            if (word.starts_with("after=")) problem.retry_after = duration_from(word.substr(6));
            if (word.starts_with("{")) problem.data = Document::parse(word).value();
        }
        return problem;
    }

    std::string happen(const Event& event) {
        const Transition made = advance(*workflow_, run_, event, now_, limits_, evaluating_judge(), gate_);
        std::string told;
        for (const Fact& fact : made.facts) {
            told += line_of(fact);
            const auto* task = std::get_if<fact::TaskDispatched>(&fact.body);
            if (task != nullptr && tells_keys_) told += " key=" + task->order.idempotency_key;
            told += "\n";
        }
        for (const DeadTask& dead : made.dead)
            told += fmt::format("dead letter {}{}#{} {} {} attempts={} input={}\n", dead.ref.step,
                                dead.ref.undo ? ":undo" : "", dead.ref.attempt, dead.task,
                                dead.reason, dead.attempts, dead.input.text());
        for (const std::string& path : made.dropped)
            told += "drops dead letter " + path + "\n";
        for (const std::string& path : made.revived)
            told += "settles dead letter " + path + "\n";
        if (!made.refusal.empty()) told += "refused: " + made.refusal + "\n";
        if (made.ignored) told += "ignored\n";
        if (told.empty()) told = "nothing\n";
        if (const auto next = next_deadline(run_))
            told += "alarm at " + since_start(*next) + "\n";
        check_forms(made);
        return told;
    }

    // Whatever happens, the stored forms say everything: the state, and the facts from which it follows.
    void check_forms(const Transition& made) {
        const std::string state = state_json(run_);
        Run again = new_run(*workflow_, run_.id);
        again.input = run_.input;
        again.started_at = run_.started_at;
        const auto was_read = read_state_json(state, *workflow_, again);
        ASSERT_TRUE(was_read) << state << was_read.error().detail;
        EXPECT_EQ(state, state_json(again));
        expect_same_counters(again, "read");

        std::string facts;
        append_json(facts, made.facts);
        const auto read = facts_from_json(facts);
        ASSERT_TRUE(read) << facts;
        std::string facts_again;
        append_json(facts_again, *read);
        EXPECT_EQ(facts, facts_again);

        if (!made.facts.empty()) history_.push_back({now_, facts});
        Run replayed = new_run(*workflow_, run_.id);
        for (const auto& [at, written] : history_)
            ASSERT_TRUE(replay(*workflow_, replayed, facts_from_json(written).value(), at)) << written;
        EXPECT_EQ(state, state_json(replayed)) << "the history does not give the state";
        expect_same_counters(replayed, "replayed");
        EXPECT_TRUE(run_.marked.empty() || run_.status != RunStatus::running);
    }

    std::string state_json(const Run& run) const {
        std::string json;
        append_state_json(json, *workflow_, run, 1);
        return json;
    }

    // What apply() kept up is what follows from the state.
    void expect_same_counters(const Run& other, const char* how) const {
        EXPECT_EQ(run_.begun, other.begun) << how;
        EXPECT_EQ(run_.dead, other.dead) << how;
        EXPECT_EQ(run_.erred, other.erred) << how;
        EXPECT_EQ(run_.to_undo, other.to_undo) << how;
        EXPECT_EQ(run_.undoing, other.undoing) << how;
        EXPECT_EQ(run_.undo_dead, other.undo_dead) << how;
        EXPECT_EQ(run_.with_workers, other.with_workers) << how;
        EXPECT_EQ(run_.undone, other.undone) << how;
        EXPECT_EQ(run_.forward_clocks, other.forward_clocks) << how;
        ASSERT_EQ(run_.scopes.size(), other.scopes.size()) << how;
        for (const auto& [number, scope] : run_.scopes) {
            const Scope& same = other.scope(number);
            EXPECT_EQ(scope.open_top, same.open_top) << how;
            EXPECT_EQ(scope.open_closing, same.open_closing) << how;
            EXPECT_EQ(scope.address, same.address) << how;
            for (std::size_t slot = 0; slot < scope.steps.size(); ++slot) {
                EXPECT_EQ(scope.steps[slot].before, same.steps[slot].before) << how << slot;
                EXPECT_EQ(scope.steps[slot].open_senders, same.steps[slot].open_senders) << how << slot;
                EXPECT_EQ(scope.steps[slot].open_children, same.steps[slot].open_children) << how << slot;
            }
            ASSERT_EQ(scope.repetitions.size(), same.repetitions.size()) << how;
            for (const auto& [step, instances] : scope.repetitions) {
                const Instances& others = same.repetitions.at(step);
                EXPECT_EQ(instances.open, others.open) << how;
                EXPECT_EQ(instances.total, others.total) << how;
                EXPECT_EQ(instances.scopes, others.scopes) << how;
            }
        }
    }

    std::shared_ptr<const Workflow> workflow_;
    Run run_;
    Time now_ = start_of_time;
    RunLimits limits_;
    Holding gate_;
    bool tells_keys_ = false;
    std::optional<ParentRef> parent_;
    Document caller_;
    std::vector<std::pair<Time, std::string>> history_;
};

// Plays the whole file and gives it back with the answers as they are now.
std::string play(const std::string& text, const std::string& file) {
    std::istringstream lines(text);
    std::string line, played, source;
    bool in_workflow = false, in_answer = false;
    std::unique_ptr<Story> story;
    std::string told;
    while (std::getline(lines, line)) {
        if (line == "```toml" || (in_workflow && line == "```")) {
            in_workflow = !in_workflow;
            played += line + "\n";
            if (in_workflow) continue;
            const auto loaded = definition::load(source, file);
            if (!loaded) { // warnings are the checker's business
                for (const auto& one : loaded.diagnostics)
                    played += "complaint " + one.message + "\n";
                return played;
            }
            story = std::make_unique<Story>(loaded.workflow);
        } else if (in_workflow) {
            source += line + "\n";
            played += line + "\n";
        } else if (line == "----") {
            in_answer = true;
            played += line + "\n" + told;
            told.clear();
        } else if (line.empty()) {
            in_answer = false;
            played += "\n";
        } else if (!in_answer) {
            played += line + "\n";
            if (line.starts_with('#')) continue;
            if (!story) return played + "no workflow before the first event\n";
            told += story->tell(line);
        }
    }
    return played;
}

class Scenarios : public testing::TestWithParam<std::string> {};

TEST_P(Scenarios, ReadAsWritten) {
    const fs::path path =
        fs::path(BATON_SOURCE_DIR) / "tests/orchestrator/scenarios" / (GetParam() + ".txt");
    const std::string written = read_file(path);

    const std::string played = play(written, GetParam() + ".toml");

    if (const char* update = std::getenv("BATON_UPDATE_SCENARIOS"); update && *update == '1')
        std::ofstream(path) << played;
    else
        EXPECT_EQ(played, written);
}

std::vector<std::string> all_scenarios() {
    std::vector<std::string> names;
    for (const auto& entry :
         fs::directory_iterator(fs::path(BATON_SOURCE_DIR) / "tests/orchestrator/scenarios"))
        if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

INSTANTIATE_TEST_SUITE_P(All, Scenarios, testing::ValuesIn(all_scenarios()),
                         [](const auto& one) { return one.param; });

} // namespace
} // namespace baton::orchestrator::core
