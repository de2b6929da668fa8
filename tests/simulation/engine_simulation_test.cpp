// The durability model, simulated: the real engine and the real step function over a simulated
// store, a simulated broker and simulated workers, in one thread from a seed. Anything can happen
// between any two steps: processes crash, hang and come back, commits fail before or after writing,
// messages are doubled and come in any order, workers die before or after their report. When the
// faults are over, everything must have ended, and ended once.
//
// BATON_SIMULATION_TRIALS sets the number of trials, BATON_SIMULATION_SEED plays one seed.
#include "base/log.hpp"
#include "base/random.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <set>

namespace baton::test {
namespace {

using namespace std::chrono_literals;
namespace core = orchestrator::core;
using runtime::RunStatus;

const std::string pipeline = R"(
workflow = "pipeline"
on_failure = "compensate"
[input]
n = { type = "integer", required = true }
[defaults]
timeout = "60s"
retry = { max_attempts = 3, initial_interval = "5s" }
[[step]]
id = "one"
task = "task.one"
with = { n = "${input.n}" }
compensate = { task = "undo.one", with = { token = "${one.token}" } }
[[step]]
id = "both"
[[step.parallel]]
id = "left"
task = "task.left"
with = { from = "${one.token}" }
compensate = { task = "undo.left", with = { token = "${left.token}" } }
[[step.parallel]]
id = "right"
task = "task.right"
[[step]]
id = "three"
task = "task.three"
with = { left = "${both.left.token}" }
[output]
token = "${three.token}"
)";

// Without timeouts nothing heals a lost message: a run that misses one is stuck and gets noticed.
runtime::Compile compile_with(bool timeouts) {
    return [timeouts](const std::string& source,
                      const std::string&) -> Outcome<std::shared_ptr<core::Workflow>> {
        static const auto loaded = orchestrator::definition::load(pipeline, "pipeline.toml");
        EXPECT_EQ(source, pipeline);
        EXPECT_TRUE(loaded) << orchestrator::definition::render(loaded.diagnostics, pipeline);
        auto workflow = std::make_shared<core::Workflow>(*loaded.workflow);
        if (timeouts) return workflow;
        for (core::Step& step : workflow->steps) {
            if (auto* kind = std::get_if<core::TaskKind>(&step.kind))
                kind->call.timeouts.start_to_close.reset();
            if (step.compensate) step.compensate->call.timeouts.start_to_close.reset();
        }
        return workflow;
    };
}

// What a world is like.
struct Climate {
    int faults = 25;
    int runs = 6;
    bool timeouts = false;
    bool fence = true;
    bool read_back = true;
};

// What lies in the task queue, and in the report queue.
struct TaskMessage {
    core::DispatchTask task;
};
struct ReportMessage {
    runtime::Report report; // without its delivery
};

// A process with an engine. `told` is what its dispatcher still has to publish.
struct Process {
    Process(SimDatabase& database, const Clock& clock, std::uint64_t seed, bool timeouts)
        : store(database),
          engine(options(seed), store, clock, compile_with(timeouts),
                 {.tell = [this](runtime::Told one) {
                     for (auto& command : one.commands)
                         told.push_back(std::move(command));
                     for (const auto handle : one.settled)
                         unacked.erase(handle);
                     returned.insert(returned.end(), one.returned.begin(), one.returned.end());
                 }}) {}

    static runtime::EngineOptions options(std::uint64_t seed) {
        runtime::EngineOptions made;
        made.seed = seed | 1;
        made.cached_runs_max = 3; // fewer than there are runs: reading back is part of the game
        made.batch_events_max = 4;
        return made;
    }

    SimStore store;
    std::deque<runtime::OutgoingCommand> told;
    std::map<runtime::DeliveryHandle, ReportMessage> unacked;
    std::vector<runtime::DeliveryHandle> returned; // to the broker, for whoever listens
    runtime::Engine engine;
};

class World {
public:
    World(std::uint64_t seed, Climate climate)
        : random_(seed), climate_(climate), faults_left_(climate.faults) {
        database_.fence_is_on = climate.fence;
        database_.history_is_read_back = climate.read_back;
        owner_ = make_process();
        deploy();
        for (int n = 0; n < climate.runs; ++n)
            start(n);
    }

    // Empty when all promises were kept.
    std::string play() {
        for (int i = 0; i < 60 * climate_.runs; ++i)
            act();
        faults_left_ = 0;
        hung_.clear();
        broken_commit_ = SimStore::Fault::none;
        for (int i = 0; i < 20'000 && !is_over(); ++i)
            act();
        return verdict();
    }

private:
    std::unique_ptr<Process> make_process() {
        auto made = std::make_unique<Process>(database_, clock_, random_.next(), climate_.timeouts);
        made->store.on_commit = [this] {
            return std::exchange(broken_commit_, SimStore::Fault::none);
        };
        return made;
    }

    // A request dies with the process it was asked of; who gets no answer asks again.
    void deploy() {
        owner_->engine.deploy(pipeline, "pipeline.toml", [this](Outcome<runtime::Deployed> one) {
            is_deployed_ |= one.has_value();
        });
    }

    void start(int n) {
        // Asked again until there is an answer, as a careful client does; the key makes it one run.
        const std::string key = fmt::format("key-{}", n);
        owner_->engine.start_run({"pipeline", 0, fmt::format(R"({{"n":{}}})", n), key},
                                 [this, n](Outcome<runtime::Started> one) {
                                     if (one) started_[n] = one->run_id;
                                 });
    }

    bool chance(std::uint64_t percent) { return random_.below(100) < percent; }

    void act() {
        switch (random_.below(10)) {
        case 0:
        case 1:
        case 2:
            work(*owner_);
            break;
        case 3:
            deliver_report();
            break;
        case 4:
        case 5:
            publish(*owner_);
            break;
        case 6:
        case 7:
            perform();
            break;
        case 8:
            clock_.advance(chance(10) ? 20s : 300ms);
            break;
        case 9:
            if (faults_left_ > 0 && chance(40))
                fault();
            else if (!hung_.empty())
                wake_a_hung_one();
            else if (is_quiet())
                clock_.advance(10s);
            break;
        }
        if (!is_deployed_ && chance(5)) deploy();
        for (int n = 0; n < climate_.runs; ++n)
            if (!started_.contains(n) && chance(2)) start(n);
    }

    void work(Process& process) {
        process.engine.work();
        for (const auto handle : std::exchange(process.returned, {}))
            if (const auto node = process.unacked.extract(handle)) reports_.push_back(node.mapped());
    }

    void deliver_report() {
        if (reports_.empty()) return;
        const auto at =
            reports_.begin() + static_cast<std::ptrdiff_t>(random_.below(reports_.size()));
        ReportMessage message = *at;
        reports_.erase(at);
        const runtime::DeliveryHandle handle = ++handles_;
        owner_->unacked.emplace(handle, message);
        runtime::Report report = message.report;
        report.delivery = handle;
        owner_->engine.report({std::move(report)});
    }

    // The dispatcher sends one command; the broker's confirm reaches the engine.
    void publish(Process& process) {
        if (process.told.empty()) return;
        const runtime::OutgoingCommand command = process.told.front();
        process.told.pop_front();
        if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
            tasks_.push_back({*task});
        process.engine.confirmed({command.place});
    }

    // A worker takes any task, does it, and perhaps fails, dies or reports.
    void perform() {
        if (tasks_.empty()) return;
        const auto at = tasks_.begin() + static_cast<std::ptrdiff_t>(random_.below(tasks_.size()));
        const core::DispatchTask task = at->task;
        if (faults_left_ > 0 && chance(3)) {
            --faults_left_; // died before doing anything: the task stays in the queue
            return;
        }
        const std::string token = fmt::format("{}/{}{}#{}", task.run_id, task.ref.step,
                                              task.ref.undo ? ":undo" : "", task.ref.attempt);
        performed_.insert(token);
        core::Event event;
        if (!task.ref.undo && chance(8)) {
            core::Problem problem;
            problem.type = "worker.failed";
            problem.retryable = chance(80);
            event = core::TaskFailed{task.ref, problem};
        } else {
            event = core::TaskCompleted{task.ref,
                                        core::Document::of(boost::json::object{{"token", token}})};
        }
        reports_.push_back({{task.run_id, event, std::nullopt}});
        if (faults_left_ > 0 && chance(5)) {
            --faults_left_; // died after the report and before the ack: done again
            return;
        }
        tasks_.erase(at);
    }

    void fault() {
        --faults_left_;
        switch (random_.below(6)) {
        case 0: // killed; the broker gives its reports to the next one
            give_back(*owner_);
            owner_ = make_process();
            break;
        case 1: // hangs; the broker thinks it is gone, a successor takes over
            give_back(*owner_);
            hung_.push_back(std::move(owner_));
            owner_ = make_process();
            break;
        case 2:
            broken_commit_ = SimStore::Fault::before;
            break;
        case 3:
            broken_commit_ = SimStore::Fault::after;
            break;
        case 4:
            if (!tasks_.empty()) tasks_.push_back(tasks_[random_.below(tasks_.size())]);
            break;
        case 5:
            if (!reports_.empty()) reports_.push_back(reports_[random_.below(reports_.size())]);
            break;
        }
    }

    // Goes on where it stopped for a few steps, then dies.
    void wake_a_hung_one() {
        auto process = std::move(hung_.front());
        hung_.pop_front();
        for (std::uint64_t i = random_.below(12); i > 0; --i) {
            if (chance(50))
                publish(*process);
            else
                work(*process);
        }
    }

    void give_back(Process& process) {
        for (auto& [handle, message] : process.unacked)
            reports_.push_back(message);
        process.unacked.clear();
    }

    bool is_quiet() const { return tasks_.empty() && reports_.empty() && owner_->told.empty(); }

    bool is_over() const {
        if (database_.runs.size() < static_cast<std::size_t>(climate_.runs) || !is_quiet() ||
            !owner_->unacked.empty())
            return false;
        return std::all_of(database_.runs.begin(), database_.runs.end(),
                           [](const auto& one) { return core::is_closed(one.second.status); });
    }

    // --- the promises ---------------------------------------------------------------------------

    std::string verdict() const {
        if (database_.runs.size() != static_cast<std::size_t>(climate_.runs))
            return fmt::format("{} starts with different keys made {} runs", climate_.runs,
                               database_.runs.size());
        for (const auto& [id, run] : database_.runs) {
            if (!core::is_closed(run.status)) return "stuck: " + run.state;
            if (auto complaint = check_history(run); !complaint.empty()) return complaint;
        }
        if (!database_.alarms.empty()) return "an alarm of a closed run is left";
        return {};
    }

    std::string check_history(const runtime::StoredRun& run) const {
        std::vector<const runtime::HistoryRow*> rows;
        for (const auto& row : database_.history)
            if (row.run_id == run.run_id) rows.push_back(&row);
        if (rows.size() != run.version)
            return fmt::format("run at version {} has {} rows of history", run.version,
                               rows.size());
        std::map<std::string, int> completions;
        std::set<std::string> effects; // what was done, in time or too late
        bool is_closed = false;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (rows[i]->seq != i + 1) return "history is not in order";
            const auto facts = core::facts_from_json(rows[i]->events);
            if (!facts) return "history cannot be read";
            bool came_late = false;
            for (const core::Fact& fact : *facts) {
                const auto path_of = [](const core::AttemptRef& ref) { return ref.step + (ref.undo ? ":undo" : ""); };
                if (const auto* done = std::get_if<core::fact::TaskCompleted>(&fact.body)) {
                    ++completions[path_of(done->ref)];
                    effects.insert(path_of(done->ref));
                }
                if (const auto* late = std::get_if<core::fact::LateResult>(&fact.body)) {
                    effects.insert(path_of(late->ref));
                    came_late |= !late->ref.undo;
                }
                const auto* became = std::get_if<core::fact::RunBecame>(&fact.body);
                if (became == nullptr) continue;
                if (is_closed && core::is_closed(became->status)) return "the run ended twice";
                // Nobody retries in this world: only what took effect too late opens a run again.
                if (is_closed && !(came_late && became->status == RunStatus::compensating))
                    return fmt::format("the closed run became {}", core::word_of(became->status));
                is_closed = core::is_closed(became->status);
            }
        }
        if (!is_closed) return "the run has no end";
        for (const auto& [path, count] : completions)
            if (count != 1) return fmt::format("{} was completed {} times", path, count);
        return check_end(run, completions, effects);
    }

    // Completed: every step once, the output from a task that was really performed. Compensated:
    // what was done and can be undone was undone, also what was done too late.
    std::string check_end(const runtime::StoredRun& run,
                          const std::map<std::string, int>& completions,
                          const std::set<std::string>& effects) const {
        switch (run.status) {
        case RunStatus::completed: {
            for (const char* step : {"one", "both.left", "both.right", "three"})
                if (!completions.contains(step)) return fmt::format("completed without {}", step);
            const auto output = core::Document::parse(run.output.value_or("null"));
            const auto* token = output->json().as_object().if_contains("token");
            if (!token || !performed_.contains(std::string{token->get_string().c_str()}))
                return "the output was never made";
            return {};
        }
        case RunStatus::compensated:
            for (const char* step : {"one", "both.left"})
                if (effects.contains(step) != completions.contains(step + std::string{":undo"}))
                    return fmt::format("{} was done and not undone", step);
            return {};
        case RunStatus::failed:
            return {}; // an undo may time out three times
        case RunStatus::queued:
        case RunStatus::running:
        case RunStatus::paused:
        case RunStatus::compensating:
        case RunStatus::cancelled:
        case RunStatus::timed_out:
            return fmt::format("ended as {}", core::word_of(run.status));
        }
        return "no status";
    }

    Random random_;
    Climate climate_;
    int faults_left_;
    SimClock clock_;
    SimDatabase database_;
    SimStore::Fault broken_commit_ = SimStore::Fault::none;
    std::vector<TaskMessage> tasks_;
    std::vector<ReportMessage> reports_;
    std::unique_ptr<Process> owner_;
    std::deque<std::unique_ptr<Process>> hung_;
    std::set<std::string> performed_;
    bool is_deployed_ = false;
    std::map<int, std::string> started_;
    runtime::DeliveryHandle handles_ = 0;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Tally {
    std::uint64_t trials = 0;
    std::uint64_t broken = 0;
    std::string first; // complaint with its seed
};

Tally play(Climate climate, std::uint64_t trials) {
    log::set_level(log::Level::off);
    Tally tally;
    const std::uint64_t only = number_from_environment("BATON_SIMULATION_SEED", 0);
    for (std::uint64_t seed = 1; seed <= trials; ++seed) {
        const std::uint64_t chosen = only != 0 ? only : seed;
        World world(chosen, climate);
        const std::string complaint = world.play();
        ++tally.trials;
        if (!complaint.empty() && tally.broken++ == 0)
            tally.first = fmt::format("seed {}: {}", chosen, complaint);
        if (only != 0) break;
    }
    log::set_level(log::Level::info);
    return tally;
}

std::uint64_t trials() {
    return number_from_environment("BATON_SIMULATION_TRIALS", 60);
}

TEST(EngineSimulation, KeepsItsPromisesWhateverHappens) {
    const Tally tally = play({}, trials());
    EXPECT_EQ(tally.broken, 0u) << tally.first;
}

TEST(EngineSimulation, KeepsItsPromisesWhenAttemptsTimeOut) {
    Climate hasty;
    hasty.timeouts = true;
    const Tally tally = play(hasty, trials());
    EXPECT_EQ(tally.broken, 0u) << tally.first;
}

TEST(EngineSimulation, KeepsItsPromisesInFairWeather) {
    Climate fair;
    fair.faults = 0;
    const Tally tally = play(fair, trials() / 3 + 1);
    EXPECT_EQ(tally.broken, 0u) << tally.first;
}

// A checker that finds nothing proves nothing: without these two the promises must break.

TEST(EngineSimulation, WithoutReadingTheHistoryBackRunsAreStuck) {
    Climate without;
    without.read_back = false;
    const Tally tally = play(without, trials());
    EXPECT_GT(tally.broken, 0u);
    EXPECT_NE(tally.first.find("stuck"), std::string::npos) << tally.first;
}

TEST(EngineSimulation, WithoutTheFenceRunsAreStuck) {
    Climate without;
    without.fence = false;
    without.faults = 60;
    const Tally tally = play(without, trials() * 3);
    EXPECT_GT(tally.broken, 0u);
}

} // namespace
} // namespace baton::test
