// The world of a random workflow: processes with the real engine, a broker's queues, workers, an
// operator.
#include "tests/simulation/workflow_world.hpp"

#include "base/log.hpp"
#include "base/random.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/simulation/random_workflow.hpp"
#include "tests/simulation/run_checks.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>

namespace baton::test {
namespace {

using namespace std::chrono_literals;
namespace core = orchestrator::core;
using runtime::RunStatus;

constexpr std::uint16_t partitions = 2;

struct ReportMessage {
    std::string run_id;
    core::Event event;
};

// A process with an engine. `told` is what its dispatcher still has to publish.
struct Process {
    Process(SimDatabase& database, const Clock& clock, std::vector<runtime::Partition> parts,
            std::uint64_t seed, const core::Workflow& workflow)
        : parts(parts),
          store(database),
          engine(options(std::move(parts), seed), store, clock,
                 [&workflow](const std::string&,
                             const std::string&) -> Outcome<std::shared_ptr<core::Workflow>> {
                     return std::make_shared<core::Workflow>(workflow);
                 },
                 {.tell = [this](runtime::Told one) { hear(std::move(one)); }}) {}

    static runtime::EngineOptions options(std::vector<runtime::Partition> parts,
                                          std::uint64_t seed) {
        runtime::EngineOptions made;
        made.partitions = std::move(parts);
        made.partition_count = partitions;
        made.seed = seed | 1;
        // Runs leave memory all the time, and documents are written all the time.
        made.cached_runs_max = 1 + seed % 2;
        made.history_bytes_min = (seed >> 8) % 3 == 0 ? 0 : (seed >> 16) % 2000;
        made.batch_events_max = 1 + (seed >> 4) % 5;
        return made;
    }

    void hear(runtime::Told one) {
        for (auto& command : one.commands)
            told.push_back(std::move(command));
        for (const auto handle : one.settled)
            unacked.erase(handle);
        for (const runtime::Stranded& stranded : one.stranded)
            give_back(stranded.report.delivery.value_or(0));
        for (const auto handle : one.returned)
            give_back(handle);
        std::erase_if(told, [&](const runtime::OutgoingCommand& command) {
            return std::find(one.dropped.begin(), one.dropped.end(), command.place.part) !=
                   one.dropped.end();
        });
    }
    // To the broker, for whoever listens.
    void give_back(runtime::DeliveryHandle handle) {
        if (const auto node = unacked.extract(handle)) returned.push_back(node.mapped());
    }

    bool owns(runtime::Partition part) const {
        return std::find(parts.begin(), parts.end(), part) != parts.end();
    }

    std::uint64_t number = 0;
    std::vector<runtime::Partition> parts;
    SimStore store;
    std::deque<runtime::OutgoingCommand> told;
    std::map<runtime::DeliveryHandle, ReportMessage> unacked;
    std::vector<ReportMessage> returned;
    runtime::Engine engine;
};

class World {
public:
    World(std::uint64_t seed, WorkflowClimate climate)
        : random_(seed),
          made_(random_workflow(random_)),
          runs_(1 + below(3)),
          faults_left_(static_cast<int>(below(3) * 12)),
          acts_left_(chance(50) ? 0 : static_cast<int>(below(10))) {
        failing_ = std::array<std::uint64_t, 4>{0, 5, 20, 50}[below(4)];
        says_started_ = chance(60);
        database_.clock = &clock_;
        database_.fence_is_on = climate.fence;
        database_.history_is_read_back = climate.read_back;
        if (chance(50)) {
            processes_.push_back(make_process({0, 1}));
        } else {
            processes_.push_back(make_process({0}));
            processes_.push_back(make_process({1}));
        }
        for (std::size_t n = 0; n < runs_; ++n)
            inputs_.push_back(
                fmt::format(R"({{"n":{},"yes":true,"no":{},"list":[{}],"none":[]{}}})", below(6),
                            chance(80) ? "false" : "true", chance(50) ? "1,2,3,4" : "5,6",
                            chance(50) ? ",\"maybe\":true" : ""));
    }

    // Empty when all promises were kept.
    std::string play() {
        const std::size_t acts = 60 + 90 * runs_;
        for (std::size_t i = 0; i < acts; ++i)
            act();
        calm_down();
        for (int i = 0; i < 6000 && !is_over(); ++i) {
            act();
            if (i % 40 == 39) tend();
        }
        return verdict();
    }

    const std::string& source() const { return made_.source; }
    std::string story() const {
        std::string text;
        for (const auto& row : database_.history)
            text += fmt::format(
                "{} {} {} {}\n", row.run_id.substr(30), row.seq,
                std::chrono::duration_cast<std::chrono::seconds>(row.at.time_since_epoch())
                        .count() -
                    1'800'000'000,
                row.events);
        return text;
    }

private:
    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool chance(std::uint64_t percent) { return below(100) < percent; }

    std::unique_ptr<Process> make_process(std::vector<runtime::Partition> parts) {
        auto made = std::make_unique<Process>(database_, clock_, std::move(parts), random_.next(),
                                              *made_.workflow);
        made->number = ++last_process_;
        made->store.on_commit = [this] {
            return std::exchange(broken_commit_, SimStore::Fault::none);
        };
        made->store.refuses = [this](const runtime::Batch& batch) {
            for (const runtime::RunChange& change : batch.runs)
                if (!change.state.empty() && change.version > 1)
                    documents_.push_back(
                        {change.run_id, change.version, change.at, change.events, change.state});
            return false;
        };
        return made;
    }

    Process& any_process() { return *processes_[below(processes_.size())]; }
    Process& owner_of(const std::string& run_id) {
        const runtime::Partition part = runtime::partition_of(run_id, partitions);
        std::vector<Process*> owners;
        for (const auto& one : processes_)
            if (one->owns(part)) owners.push_back(one.get());
        return *owners[below(owners.size())];
    }

    // --- what happens ---------------------------------------------------------------------------

    void act() {
        switch (below(10)) {
        case 0:
        case 1:
        case 2:
            any_process().engine.work();
            break;
        case 3:
            deliver_report();
            break;
        case 4:
        case 5:
            publish(any_process());
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
            else if (acts_left_ > 0 && chance(50))
                operate();
            else if (is_quiet())
                clock_.advance(is_calm_ ? 30s : 10s);
            break;
        }
        if (!is_deployed_ && chance(10)) deploy();
        if (is_deployed_ && started_.size() < runs_ && chance(5)) start();
        ask_for_lost_queues();
        count_slots();
    }

    // Runs with one key go on by so many at once; an undo that comes late asks nobody.
    void count_slots() {
        if (!made_.workflow->concurrency) return;
        const auto going = std::ranges::count_if(database_.runs, [](const auto& one) {
            return one.second.status == RunStatus::running ||
                   one.second.status == RunStatus::paused;
        });
        if (going > made_.workflow->concurrency->limit && broken_.empty())
            broken_ = fmt::format("{} runs of one key go on at once", going);
    }

    // A request dies with the process it was asked of; who gets no answer asks again.
    void deploy() {
        for (const auto& one : processes_)
            one->engine.deploy(made_.source, "w.toml", [this](Outcome<runtime::Deployed> done) {
                is_deployed_ |= done.has_value();
            });
    }
    void start() {
        const std::size_t n = below(runs_);
        any_process().engine.start_run(
            {"w", 0, inputs_[n], fmt::format("key-{}", n)},
            [this, n](Outcome<runtime::Started> one) {
                if (one) started_[n] = one->run_id;
                // Neighbours would tell a process what is live.
                is_deployed_ &= one || one.error().code != runtime::EngineErrc::unknown_workflow;
            });
    }

    void deliver_report() {
        for (const auto& one : processes_) {
            reports_.insert(reports_.end(), one->returned.begin(), one->returned.end());
            one->returned.clear();
        }
        if (reports_.empty()) return;
        const auto at = reports_.begin() + static_cast<std::ptrdiff_t>(below(reports_.size()));
        ReportMessage message = *at;
        reports_.erase(at);
        Process& to = chance(3) ? any_process() : owner_of(message.run_id);
        const runtime::DeliveryHandle handle = ++handles_;
        to.unacked.emplace(handle, message);
        to.engine.report({{message.run_id, message.event, handle}});
    }

    // The dispatcher sends one command; the broker's confirm reaches the engine, or does not.
    void publish(Process& process) {
        if (process.told.empty()) return;
        const runtime::OutgoingCommand command = process.told.front();
        process.told.pop_front();
        if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
            tasks_.push_back(*task);
        if (const auto* cancel = std::get_if<core::CancelTask>(&command.command);
            cancel != nullptr && chance(60))
            std::erase_if(tasks_, [&](const core::DispatchTask& one) { // a worker that heard of it
                return one.run_id == cancel->run_id && one.ref == cancel->ref;
            });
        if (faults_left_ > 0 && chance(3)) {
            --faults_left_;
            return;
        }
        process.engine.confirmed({command.place});
    }

    // --- workers
    // ----------------------------------------------------------------------------------

    void perform() {
        if (tasks_.empty()) return finish_deferred();
        const auto at = tasks_.begin() + static_cast<std::ptrdiff_t>(below(tasks_.size()));
        const core::DispatchTask task = *at;
        if (faults_left_ > 0 && chance(3)) {
            --faults_left_; // died before doing anything: the task stays in the queue
            return;
        }
        tasks_.erase(at);
        if (says_started_) report(task.run_id, core::TaskStarted{task.ref, "w1"});
        if (says_started_ && chance(10))
            report(task.run_id,
                   core::TaskHeartbeat{task.ref, core::Document::parse(R"({"page":1})").value()});
        // Begins, and is heard of only much later.
        if (!is_calm_ && says_started_ && chance(8)) return slow_.push_back(task);
        if (!is_calm_ && chance(4)) {
            report(task.run_id, core::TaskDeferred{task.ref, {}});
            return slow_.push_back(task);
        }
        do_it(task);
        if (faults_left_ > 0 && chance(5)) {
            --faults_left_; // died after the report and before the ack: done again
            tasks_.push_back(task);
        }
    }
    void finish_deferred() {
        if (slow_.empty() || chance(70)) return;
        const core::DispatchTask task = slow_.front();
        slow_.pop_front();
        do_it(task);
    }

    void do_it(const core::DispatchTask& task) {
        if (!is_calm_ && chance(failing_)) {
            core::Problem problem;
            problem.type = chance(40) ? "worker.soft" : "worker.failed";
            problem.retryable = chance(70);
            problem.is_attempt = !chance(10);
            if (chance(8)) {
                problem.type = std::string{core::poison_type};
                return report(task.run_id, core::TaskLost{task.ref, problem, {}});
            }
            return report(task.run_id, core::TaskFailed{task.ref, problem});
        }
        const auto [effect, is_new] = effects_.try_emplace(task.idempotency_key);
        if (is_new) {
            effect->second = {task.run_id, task.ref.step, task.ref.undo, false, chance(75)};
            results_[task.idempotency_key] = core::Document::of(boost::json::object{
                {"ok", is_calm_ || chance(80)},
                {"n", static_cast<std::int64_t>(below(6))},
                {"undo", effect->second.needs_undo},
                {"stop", is_calm_ || chance(50)},
                {"list", chance(50) ? boost::json::array{1, 2} : boost::json::array{7}}});
        } else if (effect->second.address != task.ref.step ||
                   effect->second.undo != task.ref.undo || effect->second.run_id != task.run_id) {
            broken_ = fmt::format("the key {} was given to '{}' and to '{}'", task.idempotency_key,
                                  effect->second.address, task.ref.step);
        }
        if (faults_left_ > 0 && chance(3)) { // it took effect, and nobody hears of it
            --faults_left_;
            tasks_.push_back(task);
            return;
        }
        effect->second.is_reported = true;
        report(task.run_id, core::TaskCompleted{task.ref, results_[task.idempotency_key]});
    }

    void report(const std::string& run_id, core::Event event) {
        reports_.push_back({run_id, std::move(event)});
    }

    // --- faults
    // -----------------------------------------------------------------------------------

    void fault() {
        --faults_left_;
        switch (below(11)) {
        case 0:
        case 1: // killed; the broker gives its reports to the next one
            replace(below(processes_.size()), false);
            break;
        case 2:
        case 3: // hangs; the broker thinks it is gone, another takes over
            replace(below(processes_.size()), true);
            break;
        case 4:
            broken_commit_ = SimStore::Fault::before;
            break;
        case 5:
            broken_commit_ = SimStore::Fault::after;
            break;
        case 6:
            if (!tasks_.empty()) tasks_.push_back(tasks_[below(tasks_.size())]);
            break;
        case 7:
            if (!reports_.empty()) reports_.push_back(reports_[below(reports_.size())]);
            break;
        case 8: // the start once more
            if (!started_.empty()) report(started_.begin()->second, core::RunStarted{});
            break;
        case 9:
            lose_a_queue();
            break;
        case 10:
            if (!tasks_.empty() && chance(50)) { // a worker that died with the task after its start
                core::Problem problem;
                problem.type = std::string{core::unrouted_type};
                report(tasks_.front().run_id, core::TaskLost{tasks_.front().ref, problem, {}});
                tasks_.pop_front();
            } else {
                any_process().engine.hear_workers(false);
                deaf_ = true;
            }
            break;
        }
        if (deaf_ && chance(50)) hear_again();
    }
    void hear_again() {
        for (const auto& one : processes_)
            one->engine.hear_workers(true);
        deaf_ = false;
    }

    void replace(std::size_t which, bool hangs) {
        give_back(*processes_[which]);
        const auto parts = processes_[which]->parts;
        if (hangs) hung_.push_back(std::move(processes_[which]));
        processes_[which] = make_process(parts);
        if (processes_.size() > 2 && chance(50)) { // one that came back is gone for good
            was_double_ = true;
            give_back(*processes_.back());
            processes_.pop_back();
        }
    }

    // Goes on where it stopped for a few steps; then it dies, or stays and wants its partitions
    // back.
    void wake_a_hung_one() {
        auto process = std::move(hung_.front());
        hung_.pop_front();
        for (std::uint64_t i = below(12); i > 0; --i) {
            switch (below(3)) {
            case 0:
                publish(*process);
                break;
            case 1:
                process->engine.work();
                break;
            case 2:
                if (!reports_.empty() && chance(40)) {
                    const runtime::DeliveryHandle handle = ++handles_;
                    const ReportMessage message = reports_.back();
                    reports_.pop_back();
                    process->unacked.emplace(handle, message);
                    process->engine.report({{message.run_id, message.event, handle}});
                }
                break;
            }
        }
        if (!is_calm_ && chance(30))
            processes_.push_back(std::move(process));
        else
            give_back(*process);
    }

    void give_back(Process& process) {
        for (auto& [handle, message] : process.unacked)
            reports_.push_back(message);
        process.unacked.clear();
        reports_.insert(reports_.end(), process.returned.begin(), process.returned.end());
        process.returned.clear();
    }

    // All that waits in it is gone; each owner must be told until it has taken it up.
    void lose_a_queue() {
        if (tasks_.empty()) return;
        const std::string route = tasks_[below(tasks_.size())].route;
        std::erase_if(tasks_, [&](const core::DispatchTask& task) { return task.route == route; });
        for (runtime::Partition part = 0; part < partitions; ++part)
            lost_queues_.push_back({part, route});
    }
    void ask_for_lost_queues() {
        for (LostQueue& lost : lost_queues_) {
            if (lost.is_done) continue;
            Process* owner = nullptr;
            for (const auto& one : processes_)
                if (one->owns(lost.part)) owner = one.get();
            if (owner == nullptr || lost.asked_of == owner->number) continue;
            lost.asked_of = owner->number;
            runtime::Unsent unsent;
            for (const runtime::OutgoingCommand& command : owner->told)
                if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
                    unsent[task->run_id].push_back(task->ref);
            owner->engine.queue_lost(
                {lost.route}, unsent, [&lost] { lost.is_done = true; }, lost.part);
        }
    }

    // --- an operator
    // --------------------------------------------------------------------------------

    void operate() {
        --acts_left_;
        if (database_.runs.empty()) return;
        const runtime::StoredRun& run =
            std::next(database_.runs.begin(),
                      static_cast<std::ptrdiff_t>(below(database_.runs.size())))
                ->second;
        runtime::Engine& engine = owner_of(run.run_id).engine;
        const auto reply = [](const Outcome<runtime::RunChanged>&) {};
        const auto ask = [&](core::Event event) {
            engine.operate(run.run_id, std::move(event), "why", reply, "ann");
        };
        const std::string step = some_step(run.run_id);
        switch (below(18)) {
        case 16:
            pause_something(engine);
            break;
        case 17:
            resume_something(engine);
            break;
        case 14:
        case 15:
            ask_people(engine, run.run_id);
            break;
        case 0:
            engine.cancel(run.run_id, "enough", reply);
            break;
        case 1:
        case 2:
            engine.retry(run.run_id, chance(40), reply);
            break;
        case 3:
            ask(core::PauseRequested{"wait"});
            break;
        case 4:
            ask(core::ResumeRequested{"go on"});
            break;
        case 5:
            ask(core::SkipRequested{step, "not needed"});
            break;
        case 6:
            ask(core::OutputGiven{step, core::Document::parse(R"({"ok":true,"n":5})").value(),
                                  "by hand"});
            break;
        case 7:
            ask(core::InputEdited{step, chance(30), core::Document::parse(R"({"n":9})").value(),
                                  "typo"});
            break;
        case 8:
        case 9:
            ask(core::RerunRequested{step, "again"});
            break;
        case 10:
            engine.skip_undo(run.run_id, step, "done by hand", reply);
            break;
        case 11:
            engine.finish(
                run.run_id,
                std::array{RunStatus::failed, RunStatus::completed, RunStatus::cancelled}[below(3)],
                "enough", reply);
            break;
        case 12:
        case 13:
            redrive();
            break;
        }
    }

    void pause_something(runtime::Engine& engine) {
        const bool all = chance(50);
        const core::Step& one = made_.workflow->steps[below(made_.workflow->steps.size())];
        engine.pause(
            all ? runtime::PauseKind::workflow : runtime::PauseKind::task,
            all ? std::string{"w"} : "t." + one.path.substr(one.path.rfind('.') + 1), "wait",
            [](const Outcome<runtime::StoredPause>&) {}, "ann");
    }
    void resume_something(runtime::Engine& engine) {
        if (database_.pauses.empty()) return;
        const runtime::StoredPause pause = database_.pauses[below(database_.pauses.size())];
        engine.resume(pause.kind, pause.name, "go on", [](const auto&) {}, "ann");
    }

    // What steps wait for that comes from outside.
    void ask_people(runtime::Engine& engine, const std::string& run_id) {
        const auto reply = [](const Outcome<runtime::RunChanged>&) {};
        engine.operate(
            run_id, core::SignalSent{"ack", "", core::Document::parse(R"({"n":3})").value(), "ann"},
            "", reply, "ann");
        for (const core::Step& one : made_.workflow->steps)
            if (std::holds_alternative<core::ApprovalKind>(one.kind))
                engine.operate(run_id,
                               core::ApprovalDecided{one.path, chance(70), "", {}, "ann", {}, true},
                               "", reply, "ann");
    }

    void redrive() {
        std::vector<std::uint64_t> open;
        for (const runtime::DeadLetter& letter : database_.dead_letters)
            if (letter.state == runtime::DeadLetterState::open) open.push_back(letter.id);
        if (open.empty()) return;
        const std::uint64_t id = open[below(open.size())];
        owner_of(database_.dead_letters[id - 1].run_id)
            .engine.redrive(id, [](const Outcome<void>&) {}, "ann");
    }

    // As somebody sees it in the history.
    std::string some_step(const std::string& run_id) {
        std::vector<std::string> steps;
        for (const core::Step& one : made_.workflow->steps)
            steps.push_back(one.path);
        for (const auto& [key, effect] : effects_)
            if (effect.run_id == run_id) steps.push_back(effect.address);
        for (const runtime::DeadLetter& letter : database_.dead_letters)
            if (letter.run_id == run_id)
                steps.push_back(letter.step.ends_with(":undo")
                                    ? letter.step.substr(0, letter.step.size() - 5)
                                    : letter.step);
        return steps[below(steps.size())];
    }

    // --- the end
    // ------------------------------------------------------------------------------------

    void calm_down() {
        is_calm_ = true;
        faults_left_ = 0;
        acts_left_ = 0;
        hung_.clear();
        broken_commit_ = SimStore::Fault::none;
        const auto is_double = [this] {
            return processes_.size() > 2 ||
                   (processes_.size() == 2 && processes_[0]->owns(0) && processes_[1]->owns(0));
        };
        // Who stays may own partitions that one of the others had last. Neighbours would tell it;
        // here it begins anew.
        const bool was_double = was_double_ || is_double();
        while (is_double()) {
            give_back(*processes_.back());
            processes_.pop_back();
        }
        for (std::size_t n = 0; was_double && n < processes_.size(); ++n)
            replace(n, false);
        hear_again();
        for (const core::DispatchTask& task : slow_)
            do_it(task);
        slow_.clear();
    }

    // What is left of an operator's duties: what waits for one does not end by itself.
    void tend() {
        resume_something(any_process().engine);
        for (const auto& [id, run] : database_.runs) {
            runtime::Engine& engine = owner_of(id).engine;
            if (run.status == RunStatus::running) ask_people(engine, id);
            if (run.status != RunStatus::paused) continue;
            const auto reply = [](const Outcome<runtime::RunChanged>&) {};
            const int tries = ++tended_[id];
            if (tries % 2 == 1)
                engine.operate(id, core::ResumeRequested{"go on"}, "go on", reply);
            else if (tries < 8)
                engine.retry(id, false, reply);
            else
                engine.finish(id, RunStatus::failed, "enough", reply);
        }
    }

    bool is_quiet() const {
        return tasks_.empty() && reports_.empty() && slow_.empty() &&
               std::all_of(processes_.begin(), processes_.end(),
                           [](const auto& one) { return one->told.empty(); });
    }
    bool is_over() const {
        if (database_.runs.size() < runs_ || started_.size() < runs_ || !is_quiet()) return false;
        for (const auto& one : processes_)
            if (!one->unacked.empty() || !one->returned.empty()) return false;
        for (const LostQueue& lost : lost_queues_)
            if (!lost.is_done) return false;
        return std::all_of(database_.runs.begin(), database_.runs.end(),
                           [](const auto& one) { return core::is_closed(one.second.status); });
    }

    std::string verdict() const {
        if (!broken_.empty()) return broken_;
        if (database_.runs.size() != runs_)
            return fmt::format("{} starts with different keys made {} runs", runs_,
                               database_.runs.size());
        for (const auto& [id, run] : database_.runs)
            if (auto complaint = complaint_about({*made_.workflow, run, database_.history,
                                                  documents_, database_.dead_letters, effects_});
                !complaint.empty())
                return fmt::format("run {}: {}", id.substr(30), complaint);
        if (!is_over()) return "the world does not come to rest";
        if (!database_.alarms.empty()) return "an alarm of a closed run is left";
        return {};
    }

    Random random_;
    RandomWorkflow made_;
    std::size_t runs_;
    int faults_left_;
    int acts_left_;
    std::uint64_t failing_ = 0;
    bool says_started_ = false;
    bool is_calm_ = false;
    bool was_double_ = false; // two took a partition for their own, and one of them is gone
    bool deaf_ = false;
    SimClock clock_;
    SimDatabase database_;
    SimStore::Fault broken_commit_ = SimStore::Fault::none;
    std::vector<KeptDocument> documents_;
    std::deque<core::DispatchTask> tasks_;
    std::deque<core::DispatchTask> slow_; // with a worker
    std::deque<ReportMessage> reports_;
    Effects effects_;
    std::map<std::string, core::Document> results_;
    struct LostQueue {
        runtime::Partition part = 0;
        std::string route;
        std::uint64_t asked_of = 0; // a process's number
        bool is_done = false;
    };
    std::list<LostQueue> lost_queues_;
    std::uint64_t last_process_ = 0;
    std::vector<std::unique_ptr<Process>> processes_;
    std::deque<std::unique_ptr<Process>> hung_;
    std::vector<std::string> inputs_;
    bool is_deployed_ = false;
    std::map<std::size_t, std::string> started_;
    std::map<std::string, int> tended_;
    runtime::DeliveryHandle handles_ = 0;
    std::string broken_;
};

} // namespace

WorkflowLife live(std::uint64_t seed, WorkflowClimate climate) {
    log::set_level(log::Level::off);
    World world(seed, climate);
    std::string complaint = world.play();
    log::set_level(log::Level::info);
    return {std::move(complaint), world.source(), world.story()};
}

} // namespace baton::test
