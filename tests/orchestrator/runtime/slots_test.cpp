// Concurrency keys and pauses over the simulated store: how many runs of a key go on at any commit,
// what becomes of one more, and what is handed out again, whatever fails in between.
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/slots.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string workflow(const std::string& concurrency, const std::string& more = "") {
    return "workflow = \"one\"\n" + more + "concurrency = { key = \"input.who\", " + concurrency +
           " }\n" +
           "[input]\nwho = { type = \"string\", required = true }\n[[step]]\nid = \"a\"\ntask = "
           "\"t.a\"\nretry = { max_attempts = 1 }\n";
}

using test::compile;

EngineOptions slot_options(std::uint64_t seed, std::vector<Partition> parts, std::uint16_t count) {
    EngineOptions made;
    made.seed = seed;
    made.partitions = std::move(parts);
    made.partition_count = count;
    return made;
}

struct SlotsProcess {
    SlotsProcess(test::SimDatabase& database, const Clock& clock, std::uint64_t seed,
                 std::vector<Partition> parts = {0}, std::uint16_t count = 1)
        : store(database),
          engine(slot_options(seed, std::move(parts), count), store, clock, compile,
                 {.tell = [this](Told one) {
                     for (const auto& command : one.commands)
                         if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
                             dispatched.push_back(*task);
                 }}) {}

    void work() {
        while (engine.work()) {
        }
    }
    void deploy(const std::string& source) {
        engine.deploy(source, "test.toml",
                      [](const Outcome<Deployed>& one) { ASSERT_TRUE(one) << one.error().detail; });
        work();
    }
    Outcome<Started> start(const std::string& who, const std::string& key = "") {
        std::optional<Outcome<Started>> answer;
        engine.start_run({"one", 0, R"({"who":")" + who + "\"}", key},
                         [&](const Outcome<Started>& one) { answer = one; });
        work();
        return answer
                   ? *answer
                   : Outcome<Started>(Failure{make_error_code(EngineErrc::stopping), "no answer"});
    }
    void complete(const std::string& run) {
        engine.report(
            {{run, core::TaskCompleted{{"a", false, 1}, core::Document::parse("{}").value()}, 1}});
        work();
    }
    std::string operate(const std::string& run, core::Event event) {
        std::string answer;
        engine.operate(run, std::move(event), "", [&](const Outcome<RunChanged>& one) {
            answer = one ? std::string(core::word_of(one->status)) : one.error().detail;
        });
        work();
        return answer;
    }
    std::string pause(PauseKind kind, const std::string& name, bool ends = false) {
        std::string answer;
        const auto reply = [&](const Outcome<StoredPause>& one) {
            answer = one ? "" : one.error().detail;
        };
        if (ends)
            engine.resume(kind, name, "", reply, "ada");
        else
            engine.pause(kind, name, "the server moves", reply, "ada");
        work();
        return answer;
    }

    test::SimStore store;
    std::vector<core::DispatchTask> dispatched;
    Engine engine;
};

class SlotsTest : public testing::Test {
protected:
    RunStatus status(const std::string& run) { return database.runs.at(run).status; }
    std::size_t count(RunStatus wanted) const {
        return static_cast<std::size_t>(
            std::count_if(database.runs.begin(), database.runs.end(),
                          [&](const auto& one) { return one.second.status == wanted; }));
    }

    test::SimClock clock;
    test::SimDatabase database;
};

TEST_F(SlotsTest, OneMoreThanMayGoOnWaitsAndBeginsInOrderAlsoInTheNextProcess) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("limit = 1"));
    const auto first = process.start("ada"), second = process.start("ada"),
               third = process.start("ada"), other = process.start("bob");
    ASSERT_TRUE(first && second && third && other);
    EXPECT_FALSE(first->is_queued);
    EXPECT_TRUE(second->is_queued);
    EXPECT_EQ(status(other->run_id), RunStatus::running);
    EXPECT_EQ(status(third->run_id), RunStatus::queued);

    SlotsProcess next(database, clock, 2);
    next.work();
    EXPECT_EQ(count(RunStatus::queued), 2U);
    next.complete(first->run_id);
    EXPECT_EQ(status(second->run_id), RunStatus::running);
    EXPECT_EQ(status(third->run_id), RunStatus::queued);
    EXPECT_EQ(next.operate(second->run_id, core::RunFinished{RunStatus::cancelled, "enough"}),
              "cancelled");
    EXPECT_EQ(status(third->run_id), RunStatus::running);
    const auto fourth = next.start("ada");
    ASSERT_TRUE(fourth && fourth->is_queued);
    EXPECT_EQ(next.operate(fourth->run_id, core::RunFinished{RunStatus::cancelled, "not needed"}),
              "cancelled");
    next.complete(third->run_id);
    EXPECT_FALSE(next.start("ada")->is_queued) << "nobody waits any more";
}

TEST_F(SlotsTest, ALargerLimitLetsThoseBeginThatWait) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("limit = 1"));
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(process.start("ada"));
    EXPECT_EQ(count(RunStatus::running), 1U);
    process.deploy(workflow("limit = 3"));
    EXPECT_EQ(count(RunStatus::running), 3U);
    EXPECT_EQ(count(RunStatus::queued), 1U);
}

TEST_F(SlotsTest, OneMoreIsSkippedOrRefused) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("on_limit = \"skip\""));
    const auto first = process.start("ada");
    ASSERT_TRUE(first);
    const auto skipped = process.start("ada");
    ASSERT_TRUE(skipped);
    EXPECT_TRUE(skipped->is_skipped);
    EXPECT_EQ(skipped->run_id, first->run_id);
    EXPECT_THAT(database.runs, SizeIs(1));

    process.deploy(workflow("on_limit = \"refuse\""));
    const auto refused = process.start("ada");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, make_error_code(EngineErrc::refused));
    EXPECT_THAT(refused.error().detail, HasSubstr(first->run_id));
    process.complete(first->run_id);
    EXPECT_TRUE(process.start("ada"));
}

TEST_F(SlotsTest, TheNewestReplacesThoseBeforeItAlsoOverACrash) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("on_limit = \"replace\"", "on_cancel = \"compensate\"\n"));
    const auto first = process.start("ada");
    const auto second = process.start("ada");
    ASSERT_TRUE(first && second);
    EXPECT_EQ(status(first->run_id), RunStatus::cancelled);
    EXPECT_EQ(status(second->run_id), RunStatus::running);
    EXPECT_THAT(database.runs.at(first->run_id).error,
                HasSubstr("replaced by run " + second->run_id));

    // The server dies behind the commit of the third, before it could cancel the second.
    int commits = 0;
    process.store.on_commit = [&] {
        return ++commits == 1 ? test::SimStore::Fault::none : test::SimStore::Fault::before;
    };
    process.engine.start_run({"one", 0, R"({"who":"ada"})", ""}, [](const Outcome<Started>&) {});
    process.engine.work();
    EXPECT_EQ(count(RunStatus::queued), 1U);
    SlotsProcess next(database, clock, 2);
    next.work();
    EXPECT_EQ(status(second->run_id), RunStatus::cancelled);
    EXPECT_EQ(count(RunStatus::queued), 0U);
    EXPECT_EQ(count(RunStatus::running), 1U);
}

TEST_F(SlotsTest, TheSameStartAgainIsTheSameRunAndReplacesNothing) {
    for (const char* on_limit : {"replace", "refuse", "skip"}) {
        database = {};
        SlotsProcess process(database, clock, 1);
        process.deploy(workflow(fmt::format("on_limit = \"{}\"", on_limit)));
        const auto first = process.start("ada", "order-1");
        const auto again = process.start("ada", "order-1");
        ASSERT_TRUE(first && again) << on_limit;
        EXPECT_EQ(again->run_id, first->run_id);
        EXPECT_FALSE(again->is_skipped);
        EXPECT_EQ(status(first->run_id), RunStatus::running);
        EXPECT_THAT(database.runs, SizeIs(1));
    }
}

TEST_F(SlotsTest, ARunThatIsOverGoesOnOnlyWhereThereIsASlot) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("limit = 1"));
    const auto failed = process.start("ada");
    ASSERT_TRUE(failed);
    core::Problem problem;
    problem.retryable = false;
    process.engine.report({{failed->run_id, core::TaskFailed{{"a", false, 1}, problem}, 1}});
    process.work();
    ASSERT_EQ(status(failed->run_id), RunStatus::failed);
    const auto other = process.start("ada");
    ASSERT_TRUE(other && !other->is_queued);
    EXPECT_THAT(process.operate(failed->run_id, core::RunRetried{}), HasSubstr(other->run_id));
    EXPECT_EQ(status(failed->run_id), RunStatus::failed);
    process.complete(other->run_id);
    EXPECT_EQ(process.operate(failed->run_id, core::RunRetried{}), "running");
    EXPECT_TRUE(process.start("ada")->is_queued);
}

TEST_F(SlotsTest, EachKeyBelongsToTheOwnerOfItsPartition) {
    SlotsProcess left(database, clock, 1, {0}, 2), right(database, clock, 2, {1}, 2);
    left.deploy(workflow("limit = 1"));
    right.deploy(workflow("limit = 1"));
    int refused = 0;
    for (int i = 0; i < 20; ++i) {
        const SlotKey key{"one", fmt::format("who{}", i)};
        for (SlotsProcess* process : {&left, &right, &left, &right}) {
            const auto started = process->start(key.key);
            const bool is_mine = slot_partition(key, 2) == (process == &left ? 0 : 1);
            EXPECT_EQ(started.has_value(), is_mine) << (started ? "" : started.error().detail);
            if (started) EXPECT_EQ(partition_of(started->run_id, 2), slot_partition(key, 2));
            refused += !started;
        }
    }
    EXPECT_EQ(refused, 40);
    EXPECT_EQ(count(RunStatus::running), 20U);
    EXPECT_EQ(count(RunStatus::queued), 20U);
}

// Commits that fail before or after they are written, other owners, ends in any order: at no moment
// more than may.
TEST_F(SlotsTest, AtNoMomentGoMoreOnThanMay) {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        database = {};
        std::mt19937 random(seed);
        auto process = std::make_unique<SlotsProcess>(database, clock, seed);
        process->deploy(workflow("limit = 2"));
        std::size_t most = 0;
        const auto look = [&] {
            std::map<std::string, std::size_t> open;
            for (const auto& [id, run] : database.runs)
                if (!core::is_closed(run.status) && run.status != RunStatus::queued)
                    most = std::max(most, ++open[database.slot_keys[id]]);
        };
        const auto fail_sometimes = [&] {
            look();
            const auto dice = random() % 8;
            return dice == 0   ? test::SimStore::Fault::before
                   : dice == 1 ? test::SimStore::Fault::after
                               : test::SimStore::Fault::none;
        };
        process->store.on_commit = fail_sometimes;
        const auto work = [&] {
            for (int i = 0; i < 20; ++i) {
                process->work();
                clock.advance(6s); // a store that failed is asked again
            }
        };
        for (int i = 0; i < 25; ++i) {
            process->engine.start_run(
                {"one", 0, fmt::format(R"({{"who":"{}"}})", random() % 2), ""},
                [](const Outcome<Started>&) {});
            if (random() % 2 == 0) process->work();
            if (random() % 6 == 0) { // kill -9
                process = std::make_unique<SlotsProcess>(database, clock,
                                                         seed * 100 + static_cast<unsigned>(i));
                process->store.on_commit = fail_sometimes;
            }
            for (const auto& [id, run] : database.runs)
                if (run.status == RunStatus::running && random() % 3 == 0)
                    process->engine.report(
                        {{id,
                          core::TaskCompleted{{"a", false, 1}, core::Document::parse("{}").value()},
                          1}});
        }
        for (int round = 0; round < 40; ++round) {
            work();
            for (const auto& [id, run] : database.runs)
                if (run.status == RunStatus::running)
                    process->engine.report(
                        {{id,
                          core::TaskCompleted{{"a", false, 1}, core::Document::parse("{}").value()},
                          1}});
        }
        work();
        look();
        EXPECT_EQ(most, 2U) << "seed " << seed;
        EXPECT_EQ(count(RunStatus::completed), database.runs.size()) << "seed " << seed;
    }
}

// ------------------------------------------------------------------ pauses

TEST_F(SlotsTest, OfAPausedTaskTypeNothingIsHandedOutUntilItGoesOnAlsoInTheNextProcess) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("limit = 9"));
    EXPECT_EQ(process.pause(PauseKind::task, "t.a"), "");
    EXPECT_THAT(process.pause(PauseKind::task, "t.a"), HasSubstr("is paused by ada"));
    const auto first = process.start("ada");
    ASSERT_TRUE(first && !first->is_queued);
    EXPECT_THAT(process.dispatched, IsEmpty());

    SlotsProcess next(database, clock, 2);
    next.work();
    const auto second = next.start("bob");
    ASSERT_TRUE(second);
    EXPECT_THAT(next.dispatched, IsEmpty());
    EXPECT_THAT(next.engine.pauses().list(), SizeIs(1));
    // The server dies behind the end of the pause, before anything is handed out.
    next.engine.resume(PauseKind::task, "t.a", "", [](const Outcome<StoredPause>&) {}, "ada");
    next.engine.work();
    EXPECT_THAT(next.dispatched, IsEmpty());

    SlotsProcess last(database, clock, 3);
    last.work();
    EXPECT_THAT(last.dispatched, SizeIs(2));
    EXPECT_THAT(last.engine.pauses().list(), IsEmpty());
    EXPECT_THAT(last.pause(PauseKind::task, "t.a", true), HasSubstr("is not paused"));
    last.complete(first->run_id);
    last.complete(second->run_id);
    EXPECT_EQ(count(RunStatus::completed), 2U);
    clock.advance(11min);
    last.work();
    EXPECT_THAT(database.pauses, IsEmpty()) << "what has ended long ago is forgotten";
}

TEST_F(SlotsTest, RunsOfAPausedWorkflowWaitAndKeepTheirOrder) {
    SlotsProcess process(database, clock, 1);
    process.deploy(workflow("limit = 1"));
    const auto running = process.start("ada");
    ASSERT_TRUE(running);
    EXPECT_EQ(process.pause(PauseKind::workflow, "one"), "");
    const auto queued = process.start("ada"), other = process.start("bob");
    ASSERT_TRUE(queued && other);
    EXPECT_TRUE(other->is_queued);
    process.complete(running->run_id);
    EXPECT_EQ(status(running->run_id), RunStatus::completed) << "what is with workers is taken";
    EXPECT_EQ(count(RunStatus::queued), 2U);
    EXPECT_EQ(process.pause(PauseKind::workflow, "one", true), "");
    EXPECT_EQ(count(RunStatus::running), 2U);
}

TEST_F(SlotsTest, AnotherServersPauseIsKnownWithinASecond) {
    SlotsProcess left(database, clock, 1, {0}, 2), right(database, clock, 2, {1}, 2);
    left.deploy(workflow("limit = 9"));
    right.deploy(workflow("limit = 9"));
    EXPECT_EQ(left.pause(PauseKind::task, "t.a"), "");
    clock.advance(1100ms);
    right.work();
    std::string who;
    for (int i = 0; who.empty(); ++i)
        if (slot_partition({"one", std::to_string(i)}, 2) == 1) who = std::to_string(i);
    ASSERT_TRUE(right.start(who));
    EXPECT_THAT(right.dispatched, IsEmpty());
    EXPECT_EQ(left.pause(PauseKind::task, "t.a", true), "");
    clock.advance(1100ms);
    right.work();
    EXPECT_THAT(right.dispatched, SizeIs(1));
}

TEST_F(SlotsTest, OfTasksThatBeginTogetherTheUrgentOnesAreHandedOutFirst) {
    SlotsProcess process(database, clock, 1);
    process.deploy("workflow = \"calm\"\npriority = 2\n[[step]]\nid = \"a\"\ntask = "
                   "\"t.calm\"\n[[step]]\nid = \"b\"\n"
                   "task = \"t.urgent\"\nafter = []\npriority = 9\n");
    process.deploy("workflow = \"usual\"\n[[step]]\nid = \"a\"\ntask = \"t.usual\"\n");
    for (const char* name : {"calm", "usual", "calm"})
        process.engine.start_run({name, 0, "{}", ""}, [](const Outcome<Started>&) {});
    process.work();
    std::vector<std::string> order;
    for (const auto& one : process.dispatched)
        order.push_back(one.route + std::to_string(one.priority));
    EXPECT_THAT(order,
                testing::ElementsAre("t.urgent9", "t.urgent9", "t.usual4", "t.calm2", "t.calm2"));
}

// ------------------------------------------------------------------ limits

std::string limited(const std::string& name, const std::string& limit,
                    const std::string& more = "") {
    return "workflow = \"" + name + "\"\n" + "[limits.crm]\n" + limit +
           "\n[[step]]\nid = \"all\"\nfor_each = \"[1,2,3,4,5]\"\nmax_parallel = 5\n" +
           "task = \"t." + name + "\"\nlimit = \"crm\"\nretry = { max_attempts = 1 }\n" + more;
}

std::size_t out_in(const test::SimDatabase& database, const std::vector<core::DispatchTask>& all,
                   const std::set<std::string>& reported) {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const core::DispatchTask& one) {
            return !core::is_closed(database.runs.at(one.run_id).status) &&
                   !reported.contains(one.run_id + one.ref.step);
        }));
}

TEST_F(SlotsTest, SoManyTasksOfALimitAreOutAsItSaysOverAllWorkflowsAndCrashes) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
        database = {};
        std::mt19937 random(seed);
        auto process = std::make_unique<SlotsProcess>(database, clock, seed);
        process->deploy(limited("one", "max_concurrent = 4"));
        process->deploy(limited("two", "max_concurrent = 3")); // the smaller counts
        for (const char* name : {"one", "two", "one"})
            process->engine.start_run({name, 0, "{}", ""}, [](const Outcome<Started>&) {});
        process->work();
        std::set<std::string> reported;
        std::map<std::string, core::DispatchTask> all;
        std::size_t most = 0;
        for (int round = 0; round < 200 && count(RunStatus::completed) < 3; ++round) {
            for (const auto& one : process->dispatched)
                all[one.run_id + one.ref.step] = one;
            std::vector<core::DispatchTask> known;
            for (const auto& [id, one] : all)
                known.push_back(one);
            most = std::max(most, out_in(database, known, reported));
            if (random() % 5 == 0) { // kill -9
                process = std::make_unique<SlotsProcess>(
                    database, clock, seed * 1000 + static_cast<unsigned>(round));
                process->work();
                continue;
            }
            process->dispatched.clear();
            for (const auto& [id, one] : all) {
                if (reported.contains(id) || random() % 2 == 0) continue;
                reported.insert(id);
                process->engine.report(
                    {{one.run_id, core::TaskCompleted{one.ref, core::Document::parse("{}").value()},
                      1}});
                break;
            }
            process->work();
        }
        EXPECT_EQ(count(RunStatus::completed), 3U) << "seed " << seed;
        EXPECT_EQ(most, 3U) << "seed " << seed;
    }
}

TEST_F(SlotsTest, ARateHandsOutOneAfterTheOther) {
    SlotsProcess process(database, clock, 1);
    process.deploy(limited("one", "rate = \"2/s\""));
    process.engine.start_run({"one", 0, "{}", ""}, [](const Outcome<Started>&) {});
    process.work();
    EXPECT_THAT(process.dispatched, SizeIs(1));
    ASSERT_TRUE(process.engine.next_wake());
    EXPECT_EQ(*process.engine.next_wake(), clock.now() + 500ms);
    for (std::size_t wanted = 2; wanted <= 5; ++wanted) {
        clock.advance(499ms);
        process.work();
        EXPECT_THAT(process.dispatched, SizeIs(wanted - 1));
        clock.advance(1ms);
        process.work();
        EXPECT_THAT(process.dispatched, SizeIs(wanted));
    }
}

TEST_F(SlotsTest, TheMoreUrgentHasTheNextPlaceAndAPausedTypeNone) {
    SlotsProcess process(database, clock, 1);
    process.deploy(limited("one", "max_concurrent = 1"));
    process.deploy(limited("two", "max_concurrent = 1", "priority = 9\n"));
    for (const char* name : {"one", "two"}) {
        process.engine.start_run({name, 0, "{}", ""}, [](const Outcome<Started>&) {});
        process.work();
    }
    ASSERT_THAT(process.dispatched, SizeIs(1));
    const auto report = [&] {
        const auto one = process.dispatched.back();
        process.engine.report(
            {{one.run_id, core::TaskCompleted{one.ref, core::Document::parse("{}").value()}, 1}});
        process.work();
    };
    report();
    EXPECT_EQ(process.dispatched.back().route, "t.two");
    EXPECT_EQ(process.pause(PauseKind::task, "t.two"), "");
    report();
    EXPECT_EQ(process.dispatched.back().route, "t.one");
    EXPECT_EQ(process.pause(PauseKind::task, "t.two", true), "");
    for (int i = 0; i < 8; ++i)
        report();
    EXPECT_THAT(process.dispatched, SizeIs(10));
    EXPECT_EQ(count(RunStatus::completed), 2U);
}

} // namespace
} // namespace baton::orchestrator::runtime
