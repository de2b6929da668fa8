// The engine over a simulated store and a clock that stands still: batches, answers, failures of
// the store, other owners, alarms, idempotent starts, dead letters.
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace baton::orchestrator::runtime {
namespace {

// All facts of a run, as they stand in the store.
std::string history_of(const test::SimDatabase& database, const std::string& run_id) {
    std::string all;
    for (const HistoryRow& row : database.history)
        if (row.run_id == run_id) all += row.events;
    return all;
}

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string two_steps = R"(
workflow = "two-steps"
timeout = "1h"
idempotency = { key = "input.name", window = "1d" }
[input]
name = { type = "string", required = true }
[defaults]
timeout = "30s"
retry = { max_attempts = 2, initial_interval = "10s", jitter = 0.0 }
[[step]]
id = "first"
task = "a.one"
with = { name = "${input.name}" }
[[step]]
id = "second"
task = "a.two"
with = { n = "${first.n}" }
[output]
n = "${second.n}"
)";

using test::compile;

// One process: an engine, what it told, and a place for answers.
struct Process {
    explicit Process(test::SimDatabase& database, const Clock& clock, std::uint64_t seed = 7)
        : Process(database, clock, options(seed)) {}
    Process(test::SimDatabase& database, const Clock& clock, EngineOptions options)
        : store(database),
          engine(std::move(options), store, clock, compile,
                 {.tell =
                      [this](Told one) {
                          for (auto& command : one.commands)
                              commands.push_back(std::move(command));
                          for (const auto handle : one.settled)
                              settled.push_back(handle);
                          for (const auto handle : one.returned)
                              returned.push_back(handle);
                          for (auto& report : one.stranded)
                              stranded.push_back(std::move(report));
                      },
                  .declare = [this](std::vector<std::string> all) { routes = std::move(all); },
                  .republish =
                      [this](DeadLetter letter, std::function<void(Outcome<void>)> done) {
                          republished.push_back({std::move(letter), std::move(done)});
                      }}) {}

    struct Republished {
        DeadLetter letter;
        std::function<void(Outcome<void>)> settled;
    };

    static EngineOptions options(std::uint64_t seed) {
        EngineOptions made;
        made.seed = seed;
        return made;
    }

    void work() {
        while (engine.work()) {
        }
    }
    std::vector<core::DispatchTask> dispatched() {
        std::vector<core::DispatchTask> all;
        for (const auto& one : commands)
            if (const auto* task = std::get_if<core::DispatchTask>(&one.command))
                all.push_back(*task);
        commands.clear();
        return all;
    }
    void confirm_all() {
        std::vector<OutboxPlace> places;
        for (const auto& one : commands)
            places.push_back(one.place);
        engine.confirmed(places);
    }
    void deploy(const std::string& source) {
        engine.deploy(source, "test.toml", [](Outcome<Deployed> one) { ASSERT_TRUE(one); });
        work();
    }
    std::string start(const std::string& name) {
        std::string run_id;
        engine.start_run({"two-steps", 0, R"({"name":")" + name + "\"}", ""},
                         [&](Outcome<Started> one) {
                             ASSERT_TRUE(one) << one.error().detail;
                             run_id = one->run_id;
                         });
        work();
        return run_id;
    }
    void complete(const std::string& run_id, const std::string& step, const std::string& result,
                  DeliveryHandle handle, std::uint32_t attempt = 1) {
        engine.report(
            {{run_id,
              core::TaskCompleted{{step, false, attempt}, core::Document::parse(result).value()},
              handle}});
    }
    void begin(const std::string& run_id, const std::string& step, std::uint32_t attempt) {
        engine.report({{run_id, core::TaskStarted{{step, false, attempt}, "worker"}, 1}});
    }
    void fail(const std::string& run_id, const std::string& step, std::uint32_t attempt) {
        core::Problem problem;
        problem.type = "down";
        engine.report({{run_id, core::TaskFailed{{step, false, attempt}, problem}, 1}});
    }

    test::SimStore store;
    std::vector<OutgoingCommand> commands;
    std::vector<DeliveryHandle> settled;
    std::vector<DeliveryHandle> returned;
    std::vector<Stranded> stranded;
    std::vector<std::string> routes;
    std::vector<Republished> republished;
    Engine engine;
};

struct EngineTest : testing::Test {
    test::SimDatabase database;
    test::SimClock clock;
    Process process{database, clock};
};

TEST_F(EngineTest, RunsAWorkflowFromStartToEnd) {
    process.deploy(two_steps);
    EXPECT_THAT(process.routes, ElementsAre("a.one", "a.two"));

    const std::string run = process.start("ada");
    const auto first = process.dispatched();
    ASSERT_THAT(first, SizeIs(1));
    EXPECT_EQ(first[0].route, "a.one");
    EXPECT_EQ(first[0].with.text(), R"({"name":"ada"})");
    EXPECT_EQ(first[0].idempotency_key, run + "/first");

    process.complete(run, "first", R"({"n":1})", 11);
    process.work();
    EXPECT_THAT(process.settled, ElementsAre(11));
    process.complete(run, "second", R"({"n":2})", 12);
    process.work();

    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
    EXPECT_EQ(database.runs[run].output, R"({"n":2})");
    EXPECT_EQ(database.history.size(), 3u);
    EXPECT_THAT(database.alarms, IsEmpty());
}

TEST_F(EngineTest, TellsNothingBeforeItIsDurable) {
    process.deploy(two_steps);
    process.store.on_commit = [&] {
        EXPECT_THAT(process.commands, IsEmpty());
        EXPECT_THAT(process.settled, IsEmpty());
        return test::SimStore::Fault::none;
    };
    process.start("ada");
    EXPECT_THAT(process.commands, SizeIs(1));
}

TEST_F(EngineTest, SeveralEventsOfARunAreOneChange) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    const auto commits = database.commits;

    process.complete(run, "first", R"({"n":1})", 11);
    process.complete(run, "second", R"({"n":2})", 12);
    process.work();

    EXPECT_EQ(database.commits, commits + 1);
    EXPECT_EQ(database.runs[run].version, 2u);
    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
    EXPECT_THAT(process.settled, ElementsAre(11, 12));
}

TEST_F(EngineTest, AReportThatComesTwiceCountsOnce) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.complete(run, "first", R"({"n":1})", 11);
    process.work();
    process.dispatched();

    process.complete(run, "first", R"({"n":1})", 12);
    process.work();

    EXPECT_THAT(process.dispatched(), IsEmpty());
    EXPECT_THAT(process.settled, ElementsAre(11, 12));
    EXPECT_EQ(database.runs[run].version, 2u);
    EXPECT_EQ(process.engine.metrics().ignored_reports.value(), 1u);
}

TEST_F(EngineTest, AReportForAnUnknownRunIsHandedBackToBeKept) {
    process.deploy(two_steps);
    const std::string unknown = "0198c0de-0000-7000-8000-000000000001";
    process.complete(unknown, "first", "1", 5);
    process.begin(unknown, "first", 1);
    process.work();

    ASSERT_THAT(process.stranded, SizeIs(1));
    EXPECT_EQ(process.stranded[0].report.delivery, 5u);
    EXPECT_THAT(process.stranded[0].reason, HasSubstr("no run " + unknown));
    EXPECT_THAT(process.settled, ElementsAre(1)) << "a sign of life is worth nothing";
    EXPECT_EQ(process.engine.metrics().unknown_reports.value(), 2u);
}

// Whatever a row says, or does not say any more.
class UnreadableRunTest : public EngineTest {
protected:
    UnreadableRunTest() {
        process.deploy(two_steps);
        bad = process.start("ada");
        good = process.start("grace");
    }

    // A life that finds the row as it is now.
    void expect_it_stands_alone(Process& next, const std::string& why) {
        next.work();
        next.complete(good, "first", R"({"n":1})", 1);
        next.complete(bad, "first", R"({"n":1})", 2);
        next.work();
        EXPECT_EQ(database.runs[good].version, 2u) << "others go on";
        EXPECT_THAT(next.settled, ElementsAre(1));
        ASSERT_THAT(next.stranded, SizeIs(1)) << "what was reported is not acked away";
        EXPECT_THAT(next.stranded[0].reason, AllOf(HasSubstr(bad), HasSubstr(why)));
        EXPECT_EQ(next.engine.metrics().unreadable_runs.value(), 1);

        std::string answer;
        next.engine.retry(bad, false, [&](Outcome<RunChanged> one) { answer = one.error().detail; });
        next.work();
        EXPECT_THAT(answer, AllOf(HasSubstr(bad), HasSubstr(why)));
    }

    void expect_cancel_closes_it(Process& next) {
        const std::uint64_t version = database.runs[bad].version;
        std::optional<RunChanged> answer;
        next.engine.cancel(bad, "beyond help", [&](Outcome<RunChanged> one) {
            ASSERT_TRUE(one) << one.error().detail;
            answer = *one;
        });
        next.work();
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, RunStatus::cancelled);
        EXPECT_EQ(answer->seq, version + 1);
        const StoredRun& row = database.runs[bad];
        EXPECT_EQ(row.status, RunStatus::cancelled);
        EXPECT_EQ(row.error_type, "baton.unreadable_run");
        EXPECT_THAT(row.error, HasSubstr("beyond help"));
        EXPECT_FALSE(database.alarms.contains(bad));
        EXPECT_THAT(database.history.back().events, HasSubstr("cancel_requested"));
        EXPECT_EQ(next.engine.metrics().unreadable_runs.value(), 0);
    }

    std::string bad;
    std::string good;
};

TEST_F(UnreadableRunTest, AStateThatIsNoJson) {
    database.runs[bad].state = "{\xff";
    Process next(database, clock, 8);
    expect_it_stands_alone(next, "not JSON");
    expect_cancel_closes_it(next);
    EXPECT_EQ(database.runs[bad].state, "{\xff") << "for whoever looks into it";
}

TEST_F(UnreadableRunTest, AStateThatIsLargerThanARunMayBe) {
    database.runs[bad].state = "{\"text\":\"" + std::string(3000, 'x') + "\"}";
    EngineOptions options = Process::options(8);
    options.run_limits.text_bytes = 1000;
    Process next(database, clock, options);
    expect_it_stands_alone(next, "run_mib_max");
    expect_cancel_closes_it(next);
}

TEST_F(UnreadableRunTest, ARowThatTheStoreCannotRead) {
    Process next(database, clock, 8);
    next.store.damaged.insert(bad);
    expect_it_stands_alone(next, "damaged");
    expect_cancel_closes_it(next);
}

TEST_F(UnreadableRunTest, ARowThatIsWellAgainGoesOn) {
    Process next(database, clock, 8);
    next.store.damaged.insert(bad);
    next.work();
    next.store.damaged.clear();
    next.complete(bad, "first", R"({"n":1})", 2);
    next.work();

    EXPECT_EQ(database.runs[bad].version, 2u);
    EXPECT_EQ(next.engine.metrics().unreadable_runs.value(), 0);
}

TEST_F(UnreadableRunTest, WhatWasNotConfirmedIsSentAgainAllTheSame) {
    Process next(database, clock, 8);
    next.store.damaged.insert(bad);
    next.work();
    std::vector<std::string> runs;
    for (const auto& task : next.dispatched())
        runs.push_back(task.run_id);
    EXPECT_THAT(runs, testing::UnorderedElementsAre(bad, good));
}

TEST_F(UnreadableRunTest, AStoreThatRefusesEverythingIsNoMatterOfOneRun) {
    Process next(database, clock, 8);
    next.store.damaged = {bad, good, "00000000-0000-7000-8000-000000000000"};
    database.runs["00000000-0000-7000-8000-000000000000"] = database.runs[good];
    next.complete(good, "first", R"({"n":1})", 1);
    next.work();
    EXPECT_THAT(next.settled, IsEmpty());
    EXPECT_THAT(next.stranded, IsEmpty());

    next.store.damaged.clear();
    clock.advance(1min);
    next.work();
    EXPECT_THAT(next.settled, ElementsAre(1));
}

TEST_F(EngineTest, RunsLeaveMemoryByTheirSizeAndComeBack) {
    EngineOptions options = Process::options(8);
    options.memory_max = 32 * 1024;
    Process small(database, clock, options);
    small.deploy(two_steps);
    std::vector<std::string> runs;
    for (int i = 0; i < 20; ++i) {
        runs.push_back(small.start(std::string(900, static_cast<char>('a' + i))));
        small.confirm_all();
        small.commands.clear();
        small.work();
    }
    EXPECT_LT(small.engine.metrics().run_memory.value(), 32 * 1024);
    EXPECT_LT(small.engine.metrics().cached_runs.value(), 20);

    small.complete(runs[0], "first", R"({"n":1})", 1);
    small.work();
    EXPECT_EQ(database.runs[runs[0]].version, 2u);
}

TEST_F(EngineTest, WhileTheBrokerTakesNothingOnlySoMuchIsBegun) {
    EngineOptions options = Process::options(8);
    options.memory_max = 32 * 1024;
    Process small(database, clock, options);
    small.deploy(two_steps);
    std::string refusal;
    int begun = 0;
    while (refusal.empty() && begun < 100) {
        small.engine.start_run({"two-steps", 0, R"({"name":")" + std::string(900, 'x') + std::to_string(begun) + "\"}", ""},
                               [&](Outcome<Started> one) {
                                   if (one) return;
                                   EXPECT_EQ(one.error().code, EngineErrc::overloaded);
                                   refusal = one.error().detail;
                               });
        small.work();
        ++begun;
    }
    EXPECT_THAT(refusal, HasSubstr("orchestrator.runs_mib_max"));
    EXPECT_GT(begun, 5);
    EXPECT_LT(begun, 50);

    small.confirm_all();
    small.work();
    EXPECT_FALSE(small.start("ada").empty());
}

TEST_F(EngineTest, AnInputThatIsTooLargeIsRefused) {
    EngineOptions options = Process::options(8);
    options.run_limits.text_bytes = 1000;
    Process small(database, clock, options);
    small.deploy(two_steps);
    std::string refusal;
    small.engine.start_run({"two-steps", 0, R"({"name":")" + std::string(1000, 'x') + "\"}", ""},
                           [&](Outcome<Started> one) { refusal = one.error().detail; });
    small.work();
    EXPECT_THAT(refusal, HasSubstr("orchestrator.run_mib_max"));
}

TEST_F(EngineTest, LargeRunsAreReadAFewAtATime) {
    process.deploy(two_steps);
    std::vector<std::string> runs;
    for (int i = 0; i < 8; ++i)
        runs.push_back(process.start("somebody" + std::to_string(i)));
    for (const std::string& run : runs) {
        std::string& state = database.runs[run].state;
        state.insert(state.size() - 1, ",\"padding\":\"" + std::string(20 << 20, 'x') + "\"");
    }
    Process next(database, clock, 8);
    std::size_t most = 0;
    next.store.on_load = [&](const std::vector<StoredRun>& rows) {
        std::size_t sum = 0;
        for (const StoredRun& row : rows)
            sum += row.state.size();
        most = std::max(most, sum);
    };
    next.work();
    DeliveryHandle handle = 0;
    for (const std::string& run : runs)
        next.complete(run, "first", R"({"n":1})", ++handle);
    next.work();

    EXPECT_LE(most, std::size_t{84} << 20);
    EXPECT_GT(most, std::size_t{40} << 20);
    for (const std::string& run : runs)
        EXPECT_EQ(database.runs[run].version, 2u);
    EXPECT_THAT(next.settled, SizeIs(8));
}

TEST_F(EngineTest, BadRequestsGetSentences) {
    process.deploy(two_steps);
    const auto failure = [&](StartRequest request) {
        std::string detail;
        process.engine.start_run(std::move(request), [&](Outcome<Started> one) {
            ASSERT_FALSE(one);
            detail = one.error().detail;
        });
        process.work();
        return detail;
    };
    EXPECT_EQ(failure({"nope", 0, "", ""}), "there is no workflow 'nope'");
    EXPECT_EQ(failure({"two-steps", 9, "", ""}),
              "version 9 of workflow 'two-steps' is not live, version 1 is");
    EXPECT_THAT(failure({"two-steps", 0, "{", ""}), HasSubstr("not JSON"));
    EXPECT_EQ(failure({"two-steps", 0, R"({"x":1})", ""}),
              "input.name: required\ninput.x: not known to this workflow");

    std::string report;
    process.engine.deploy("workflow = 5", "bad.toml",
                          [&](Outcome<Deployed> one) { report = one.error().detail; });
    std::string cancelled;
    process.engine.cancel("no-run", "why",
                          [&](Outcome<RunChanged> one) { cancelled = one.error().detail; });
    process.work();
    EXPECT_THAT(report, HasSubstr("bad.toml:1:"));
    EXPECT_EQ(cancelled, "there is no run no-run");
}

TEST_F(EngineTest, ARunOfAForeignPartitionIsRefusedByNameAndStopsNobody) {
    process.deploy(two_steps);
    const std::string foreign = process.start("ada");
    const std::string own = process.start("grace");
    database.runs[foreign].part = 63;
    Process next(database, clock, 8);
    next.work();

    std::string answer;
    next.engine.cancel(foreign, "why", [&](Outcome<RunChanged> one) { answer = one.error().detail; });
    next.complete(foreign, "first", R"({"n":1})", 1);
    next.complete(own, "first", R"({"n":1})", 1);
    next.work();

    EXPECT_THAT(answer, AllOf(HasSubstr(foreign), HasSubstr("partition 63")));
    EXPECT_EQ(database.runs[foreign].version, 1u);
    EXPECT_EQ(database.runs[own].version, 2u);
}

TEST_F(EngineTest, AStartThatWasWithdrawnNeverHappens) {
    process.deploy(two_steps);
    StartRequest request{.workflow = "two-steps", .version = 0, .input = R"({"name":"ada"})", .key = "",
                         .fallback_key = "", .claim = std::make_shared<Claim>()};
    std::string answer;
    process.engine.start_run(request, [&](Outcome<Started> one) { answer = one.error().detail; });
    EXPECT_TRUE(request.claim->withdraw());
    process.work();

    EXPECT_THAT(answer, HasSubstr("withdrawn"));
    EXPECT_THAT(database.runs, IsEmpty());
}

TEST_F(EngineTest, WhateverWasWithdrawnNeverHappens) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    const std::string other = std::string(two_steps) + "# another\n";
    const auto version = database.runs[run].version;
    std::vector<std::shared_ptr<Claim>> claims;
    std::vector<std::string> answers;
    const auto claim = [&] { return claims.emplace_back(std::make_shared<Claim>()); };
    const auto answer = [&](const auto& one) { answers.push_back(one ? "done" : one.error().detail); };
    process.engine.cancel(run, "", answer, "ada", claim());
    process.engine.retry(run, true, answer, "ada", claim());
    process.engine.skip_undo(run, "first", "", answer, "ada", claim());
    process.engine.finish(run, RunStatus::completed, "", answer, "ada", claim());
    process.engine.operate(run, core::PauseRequested{}, "", answer, "ada", claim());
    process.engine.redrive(1, answer, "ada", claim());
    process.engine.drop(1, answer, "ada", "", claim());
    process.engine.deploy(other, "test.toml", answer, claim());
    process.engine.undeploy("two-steps", answer, claim());
    for (const auto& one : claims) EXPECT_TRUE(one->withdraw());
    process.work();

    ASSERT_THAT(answers, SizeIs(9));
    for (const std::string& one : answers) EXPECT_THAT(one, HasSubstr("withdrawn"));
    EXPECT_EQ(database.runs[run].version, version);
    EXPECT_THAT(database.definitions, SizeIs(1));
    EXPECT_TRUE(database.definitions[0].is_live);
}

TEST_F(EngineTest, WhatWasDecidedCannotBeWithdrawn) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    const auto claim = std::make_shared<Claim>();
    process.engine.cancel(run, "", [](const Outcome<RunChanged>&) {}, "ada", claim);
    process.work();

    EXPECT_FALSE(claim->withdraw());
    EXPECT_EQ(database.runs[run].status, RunStatus::cancelled);
}

TEST_F(EngineTest, AFileThatLiesThereDoesNotBringBackWhatWasTakenOutOfUse) {
    process.deploy(two_steps);
    process.engine.undeploy("two-steps", [](const Outcome<Undeployed>&) {});
    process.work();
    const auto find = [](Process& one, const std::string& source) {
        std::optional<Deployed> found;
        one.engine.deploy_found(source, "test.toml", [&](Outcome<Deployed> done) { found = *done; });
        one.work();
        return *found;
    };
    EXPECT_TRUE(find(process, two_steps).is_retired);
    Process next(database, clock, 8);
    next.work();
    EXPECT_TRUE(find(next, two_steps).is_retired) << "after a restart, too";
    EXPECT_FALSE(database.definitions[0].is_live);

    const auto changed = find(next, std::string(two_steps) + "# changed\n");
    EXPECT_FALSE(changed.is_retired);
    EXPECT_EQ(changed.version, 2u);
    next.engine.undeploy("two-steps", [](const Outcome<Undeployed>&) {});
    next.work();
    next.deploy(two_steps);
    EXPECT_FALSE(find(next, two_steps).is_retired) << "somebody deployed it";
    EXPECT_TRUE(database.definitions[0].is_live);
}

TEST_F(EngineTest, QueuesOfOpenRunsAreDeclaredAfterARestartThoughTheirWorkflowIsNotLive) {
    process.deploy(two_steps);
    process.start("ada");
    process.engine.undeploy("two-steps", [](const Outcome<Undeployed>&) {});
    process.work();
    Process next(database, clock, 8);
    next.work();
    EXPECT_THAT(next.routes, ElementsAre("a.one", "a.two"));

    bool is_refused = false;
    next.engine.start_run({"two-steps", 0, R"({"name":"bob"})", ""}, [&](const Outcome<Started>& one) { is_refused = !one; });
    next.work();
    EXPECT_TRUE(is_refused) << "nothing new begins with it";
}

TEST_F(EngineTest, AStartThatIsBeingStoredCannotBeWithdrawnAndHasItsName) {
    process.deploy(two_steps);
    StartRequest request{.workflow = "two-steps", .version = 0, .input = R"({"name":"ada"})", .key = "",
                         .fallback_key = "", .claim = std::make_shared<Claim>()};
    process.store.is_away = true;
    process.engine.start_run(request, [](Outcome<Started>) {});
    for (int i = 0; i < 5; ++i) {
        process.work();
        clock.advance(1min);
    }
    EXPECT_FALSE(request.claim->withdraw());

    process.store.is_away = false;
    for (int i = 0; i < 5; ++i) {
        process.work();
        clock.advance(1min);
    }
    EXPECT_THAT(database.runs, SizeIs(1));
    EXPECT_TRUE(database.runs.contains(request.claim->name()));
}

TEST_F(EngineTest, TheSameKeyGivesTheSameRun) {
    process.deploy(two_steps);
    const std::string first = process.start("ada");
    const std::string second = process.start("ada");
    const std::string other = process.start("grace");

    EXPECT_EQ(first, second);
    EXPECT_NE(first, other);
    EXPECT_EQ(database.runs.size(), 2u);

    clock.advance(25h);
    process.work();
    EXPECT_NE(process.start("ada"), first);
}

TEST_F(EngineTest, TheSameKeyTwiceInOneBatchGivesOneRun) {
    process.deploy(two_steps);
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i)
        process.engine.start_run({"two-steps", 0, R"({"name":"ada"})", ""},
                                 [&](Outcome<Started> one) { ids.push_back(one->run_id); });
    process.work();

    ASSERT_THAT(ids, SizeIs(3));
    EXPECT_EQ(ids[0], ids[1]);
    EXPECT_EQ(ids[0], ids[2]);
    EXPECT_EQ(database.runs.size(), 1u);
    EXPECT_THAT(process.dispatched(), SizeIs(1));
}

TEST_F(EngineTest, RetriesWhenTheAlarmRings) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.dispatched();
    process.fail(run, "first", 1);
    process.work();
    EXPECT_THAT(process.dispatched(), IsEmpty());
    EXPECT_EQ(process.engine.next_wake(), clock.now() + 10s);

    clock.advance(10s);
    process.work();

    const auto again = process.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].ref.attempt, 2u);
}

TEST_F(EngineTest, AWorkerThatBeginsWritesNothing) {
    process.deploy(two_steps);
    const std::string run = process.start("ada"); // the alarm is the run's own: in an hour
    const Time alarm = database.alarms[run].due;
    clock.advance(20s);
    process.begin(run, "first", 1); // now there is a deadline in 30 s
    process.work();

    EXPECT_EQ(database.alarms[run].due, alarm);
    EXPECT_EQ(database.runs[run].version, 1u);
}

TEST_F(EngineTest, TasksThatNobodyBeganDoNotTimeOut) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.dispatched();
    for (int i = 0; i < 10; ++i) {
        clock.advance(5min);
        process.work();
    }
    EXPECT_EQ(database.runs[run].version, 1u);
}

TEST_F(EngineTest, ASilentWorkerIsNoticedAlsoWhileOtherTasksWait) {
    process.deploy(two_steps);
    const std::string first = process.start("ada");
    const std::string second = process.start("grace");
    process.begin(first, "first", 1);
    process.work();
    clock.advance(31s);
    process.work();

    EXPECT_EQ(database.runs[first].version, 2u);
    EXPECT_EQ(database.runs[second].version, 1u);
}

// The broker is away: workers go on, and nobody can say so.
TEST_F(EngineTest, NobodyIsSilentWhileNobodyCanBeHeard) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.begin(run, "first", 1);
    process.work();
    process.engine.hear_workers(false);
    clock.advance(10min);
    process.work();
    EXPECT_THAT(history_of(database, run), Not(HasSubstr("baton.timeout")));
    EXPECT_EQ(process.engine.next_wake(), std::nullopt);

    process.engine.hear_workers(true);
    process.work();
    clock.advance(29s);
    process.work();
    EXPECT_THAT(history_of(database, run), Not(HasSubstr("baton.timeout")));
    clock.advance(2s);
    process.work();
    EXPECT_THAT(history_of(database, run), HasSubstr("baton.timeout"));
}

TEST_F(EngineTest, ThatAWorkerBeganSurvivesARestart) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.confirm_all();
    process.begin(run, "first", 1);
    process.work();
    EXPECT_EQ(database.runs[run].version, 1u);
    clock.advance(6s);
    process.work();
    EXPECT_EQ(database.runs[run].version, 2u);

    Process next(database, clock, 8);
    next.work();
    clock.advance(31s);
    next.work();
    EXPECT_EQ(database.runs[run].version, 3u);
    EXPECT_THAT(history_of(database, run), HasSubstr("baton.timeout"));
}

TEST_F(EngineTest, TasksOfALostQueueAreSentAgainUnlessSomebodyBeganThem) {
    process.deploy(two_steps);
    std::set<std::string> waiting;
    for (int i = 0; i < 450; ++i)
        waiting.insert(process.start(fmt::format("person {}", i)));
    const std::string begun = *waiting.begin();
    const std::string unsent = *std::next(waiting.begin());
    process.confirm_all();
    process.commands.clear();
    process.begin(begun, "first", 1);
    process.work();

    process.engine.queue_lost({"b.other"}, {});
    process.engine.queue_lost({"b.other", "a.one"}, {{unsent, {{"first", false, 1}}}});
    process.work();

    waiting.erase(begun);
    waiting.erase(unsent);
    std::set<std::string> again;
    for (const auto& task : process.dispatched()) {
        EXPECT_EQ(task.ref.attempt, 1u);
        EXPECT_TRUE(again.insert(task.run_id).second);
    }
    EXPECT_EQ(again, waiting);
}

TEST_F(EngineTest, ARunOfALostQueueThatAnotherProcessChangedMeanwhileIsNotForgotten) {
    process.deploy(two_steps);
    std::set<std::string> waiting;
    for (int i = 0; i < 5; ++i) waiting.insert(process.start(fmt::format("person {}", i)));
    process.confirm_all();
    process.commands.clear();
    for (const std::string& changed : {*waiting.begin(), *waiting.rbegin()}) {
        HistoryRow row;
        row.run_id = changed;
        row.seq = database.runs[changed].version += 1;
        row.at = clock.now();
        row.events = "[]";
        database.history.push_back(row);
    }

    process.engine.queue_lost({"a.one"}, {});
    process.work();

    std::set<std::string> again;
    for (const auto& task : process.dispatched()) EXPECT_TRUE(again.insert(task.run_id).second);
    EXPECT_EQ(again, waiting);
}

TEST_F(EngineTest, WhatWasNotConfirmedIsPublishedAgainByTheNextLife) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    ASSERT_THAT(process.dispatched(), SizeIs(1)); // and never confirmed

    Process next(database, clock, 8);
    next.work();

    const auto again = next.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].run_id, run);
    EXPECT_EQ(again[0].with.text(), R"({"name":"ada"})");
    EXPECT_EQ(again[0].ref.attempt, 1u);
}

TEST_F(EngineTest, WhatWasConfirmedIsNotPublishedAgain) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.confirm_all();
    process.work();
    clock.advance(1s); // an idle moment: the cursor is written
    process.work();

    Process next(database, clock, 8);
    next.work();
    EXPECT_THAT(next.dispatched(), IsEmpty());
}

TEST_F(EngineTest, AnAttemptThatWasAnsweredIsNotPublishedAgain) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.complete(run, "first", R"({"n":1})", 1);
    process.work();

    Process next(database, clock, 8);
    next.work();

    const auto again = next.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].ref.step, "second");
}

TEST_F(EngineTest, AStoreThatIsAwayLosesNothing) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.dispatched();
    process.store.is_away = true;
    process.complete(run, "first", R"({"n":1})", 11);
    std::string started;
    process.engine.start_run({"two-steps", 0, R"({"name":"grace"})", ""},
                             [&](Outcome<Started> one) { started = one->run_id; });
    for (int i = 0; i < 5; ++i) {
        process.work();
        clock.advance(20ms);
    }
    EXPECT_THAT(process.settled, IsEmpty());
    EXPECT_EQ(started, "");

    process.store.is_away = false;
    clock.advance(5s);
    process.work();

    EXPECT_THAT(process.settled, ElementsAre(11));
    EXPECT_EQ(database.runs[started].status, RunStatus::running);
    std::map<std::string, int> sent;
    for (const auto& one : process.dispatched())
        ++sent[one.run_id + one.ref.step];
    EXPECT_EQ(sent[run + "second"], 1);
    EXPECT_EQ(sent[started + "first"], 1);
}

TEST_F(EngineTest, OneEventTheStoreRefusesDoesNotStopTheOthers) {
    process.deploy(two_steps);
    const std::string good = process.start("ada");
    const std::string bad = process.start("grace");
    process.dispatched();
    process.store.refuses = [&](const Batch& batch) {
        return std::any_of(batch.runs.begin(), batch.runs.end(),
                           [&](const RunChange& change) { return change.run_id == bad; });
    };
    process.complete(bad, "first", R"({"n":1})", 1);
    process.complete(good, "first", R"({"n":1})", 2);
    for (int i = 0; i < 20; ++i) {
        process.work();
        clock.advance(1s);
    }

    EXPECT_THAT(process.settled, testing::UnorderedElementsAre(1, 2));
    EXPECT_EQ(database.runs[good].version, 2u);
    EXPECT_EQ(database.runs[bad].version, 1u);
    ASSERT_THAT(database.dead_letters, SizeIs(1));
    EXPECT_EQ(database.dead_letters[0].run_id, bad);
    EXPECT_EQ(database.dead_letters[0].reason, "not_storable");
}

TEST_F(EngineTest, AReportTheStoreRefusesForAWhileIsKept) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.store.refusal = StoreErrc::refused;
    process.store.refuses = [](const Batch&) { return true; };
    process.complete(run, "first", R"({"n":1})", 1);
    for (int i = 0; i < 60; ++i) {
        process.work();
        clock.advance(5s);
    }
    EXPECT_THAT(process.settled, IsEmpty());

    process.store.refuses = nullptr;
    for (int i = 0; i < 60; ++i) {
        process.work();
        clock.advance(5s);
    }

    EXPECT_THAT(process.settled, testing::ElementsAre(1));
    EXPECT_EQ(database.runs[run].version, 2u);
    EXPECT_THAT(database.dead_letters, IsEmpty());
}

TEST_F(EngineTest, DeeplyNestedResultsComeBackFromTheStore) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    const std::string deep = std::string(60, '[') + std::string(60, ']');
    process.complete(run, "first", "{\"n\":" + deep + "}", 1);
    process.work();

    Process next(database, clock, 8);
    next.work();
    const auto again = next.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].with.text(), "{\"n\":" + deep + "}");
    next.complete(run, "second", "{\"n\":" + deep + "}", 2);
    next.work();
    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
}

TEST_F(EngineTest, TextForDatabasesHasNoControlCharacters) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    core::Problem problem;
    problem.type = std::string("a\0b", 3);
    problem.detail = std::string(5000, 'x') + "\n";
    problem.retryable = false;
    process.engine.report({{run, core::TaskFailed{{"first", false, 1}, problem}, 1}});
    process.work();

    EXPECT_EQ(database.runs[run].error_type, "a b");
    EXPECT_LT(database.runs[run].error.size(), 2100u);
    EXPECT_EQ(database.dead_letters[0].error_type, "a b");

    std::string refusal;
    process.engine.start_run({"two-steps", 0, R"({"name":"a\u0000b"})", ""},
                             [&](Outcome<Started> one) { refusal = one.error().detail; });
    process.work();
    EXPECT_THAT(refusal, HasSubstr("idempotency key"));
}

TEST_F(EngineTest, ACommitOfUnknownOutcomeIsNotDoneTwice) {
    for (const auto fault : {test::SimStore::Fault::before, test::SimStore::Fault::after}) {
        test::SimDatabase own;
        Process one(own, clock);
        one.deploy(two_steps);
        bool failed = false;
        one.store.on_commit = [&] {
            return std::exchange(failed, true) ? test::SimStore::Fault::none : fault;
        };
        std::string run;
        one.engine.start_run({"two-steps", 0, R"({"name":"ada"})", ""},
                             [&](Outcome<Started> started) { run = started->run_id; });
        one.work();
        clock.advance(1s);
        one.work();

        ASSERT_FALSE(run.empty());
        EXPECT_EQ(own.runs.size(), 1u);
        EXPECT_EQ(own.history.size(), 1u);
        EXPECT_THAT(one.dispatched(), SizeIs(1));
    }
}

TEST_F(EngineTest, AnOwnerThatWasReplacedWritesNothing) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.dispatched();
    Process next(database, clock, 8);
    next.work(); // takes over
    next.complete(run, "first", R"({"n":1})", 1);
    next.work();
    const auto history = database.history.size();

    process.complete(run, "first", R"({"n":99})", 2);
    process.work();

    EXPECT_EQ(database.history.size(), history);
    EXPECT_THAT(process.settled, IsEmpty());
    EXPECT_THAT(process.dispatched(), IsEmpty());
    EXPECT_THAT(process.returned, ElementsAre(2)) << "the broker has it for the owner";
    // When it takes over again and the broker brings it again, the same report is recognised as old.
    clock.advance(2s);
    process.work();
    process.complete(run, "first", R"({"n":99})", 3);
    process.work();
    EXPECT_THAT(process.settled, ElementsAre(3));
    EXPECT_EQ(database.runs[run].version, 2u);
}

TEST_F(EngineTest, AnOwnerThatWasReplacedDoesNotAcknowledgeWhatItNeverHeardOf) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    Process next(database, clock, 8);
    next.work(); // takes over
    next.complete(run, "first", R"({"n":1})", 1);
    next.work();

    process.complete(run, "second", R"({"n":2})", 2); // the broker gives it to the one that was replaced
    process.work();

    EXPECT_THAT(process.settled, IsEmpty());
    EXPECT_THAT(process.returned, ElementsAre(2)) << "the broker has it for the owner";
    clock.advance(2s);
    process.work(); // takes over again
    process.complete(run, "second", R"({"n":2})", 3);
    process.work();
    EXPECT_THAT(process.settled, ElementsAre(3));
    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
}

TEST_F(EngineTest, AConfirmFromBeforeATakeOverDoesNotCountForWhatIsPublishedAgain) {
    process.deploy(R"(workflow = "two-steps"
[input]
name = { type = "string", required = true }
[[step]]
id = "both"
[[step.parallel]]
id = "left"
task = "a.left"
[[step.parallel]]
id = "right"
task = "a.right")");
    const std::string run = process.start("ada");
    const auto before = process.commands;
    ASSERT_THAT(before, SizeIs(2));
    process.commands.clear();
    int commits = 0;
    process.store.on_commit = [&] {
        return ++commits == 1 ? test::SimStore::Fault::before : test::SimStore::Fault::none;
    };
    process.engine.start_run({"two-steps", 0, R"({"name":"grace"})", ""}, nullptr);
    process.work(); // the store fails, and the partition is taken over again
    clock.advance(1s);
    process.work();
    ASSERT_GE(process.commands.size(), 2u);

    // The broker has the one message twice, and the other one never.
    process.engine.confirmed({before[0].place, process.commands[0].place});
    process.work();
    clock.advance(1s);
    process.work();

    Process next(database, clock, 8);
    next.work();
    const auto again = next.dispatched();
    EXPECT_EQ(std::count_if(again.begin(), again.end(),
                            [&](const auto& task) { return task.run_id == run && task.route == "a.right"; }),
              1);
}

TEST_F(EngineTest, ARunKeepsTheVersionItStartedWith) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    std::string changed = two_steps;
    changed.replace(changed.find("a.two"), 5, "b.two");
    process.deploy(changed);
    const std::string newer = process.start("grace");
    process.dispatched();

    Process next(database, clock, 8); // also after a restart
    next.work();
    next.dispatched();
    next.complete(run, "first", R"({"n":1})", 1);
    next.complete(newer, "first", R"({"n":1})", 2);
    next.work();

    std::map<std::string, std::string> routes;
    for (const auto& one : next.dispatched())
        routes[one.run_id] = one.route;
    EXPECT_EQ(routes[run], "a.two");
    EXPECT_EQ(routes[newer], "b.two");
    EXPECT_THAT(next.routes, ElementsAre("a.one", "a.two", "b.two"));
}

TEST_F(EngineTest, TheSameSourceTwiceIsOneVersion) {
    std::vector<Deployed> all;
    for (int i = 0; i < 2; ++i)
        process.engine.deploy(two_steps, "x.toml",
                              [&](Outcome<Deployed> one) { all.push_back(*one); });
    process.work();
    ASSERT_THAT(all, SizeIs(2));
    EXPECT_TRUE(all[0].is_new);
    EXPECT_FALSE(all[1].is_new);
    EXPECT_EQ(all[1].version, 1u);
}

TEST_F(EngineTest, ADeadTaskBecomesADeadLetterAndIsRedriven) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.fail(run, "first", 1);
    process.work();
    clock.advance(10s);
    process.work();
    process.fail(run, "first", 2);
    process.work();
    ASSERT_THAT(database.dead_letters, SizeIs(1));
    EXPECT_EQ(database.dead_letters[0].step, "first");
    EXPECT_EQ(database.dead_letters[0].attempts, 2u);
    EXPECT_EQ(database.dead_letters[0].input, R"({"name":"ada"})");
    EXPECT_EQ(database.runs[run].status, RunStatus::failed);
    EXPECT_EQ(database.runs[run].error, "first: down");
    process.dispatched();

    bool redriven = false;
    process.engine.redrive(1, [&](Outcome<void> one) { redriven = one.has_value(); });
    process.work();

    EXPECT_TRUE(redriven);
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::redriven);
    const auto again = process.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].ref.attempt, 3u);
    EXPECT_EQ(again[0].attempt_of_series, 1u);

    std::string refusal;
    process.engine.redrive(1, [&](Outcome<void> one) { refusal = one.error().detail; });
    process.engine.redrive(77, [&](Outcome<void> one) { refusal += "|" + one.error().detail; });
    process.work();
    EXPECT_EQ(refusal, "the dead letter is settled already|there is no dead letter 77; baton dead list shows them");
}

// What an operator asks for, and whether it was refused.
std::string operate(Process& process, const std::string& run, core::Event event) {
    std::string answer;
    process.engine.operate(run, std::move(event), "because", [&](Outcome<RunChanged> one) {
        answer = one ? std::string{core::word_of(one->status)} : one.error().detail;
    }, "ada");
    process.work();
    return answer;
}

TEST_F(EngineTest, APauseByHandLastsOverATakeOverAndTakesWhatWorkersReport) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    EXPECT_EQ(operate(process, run, core::PauseRequested{"moving"}), "paused");
    EXPECT_THAT(operate(process, run, core::RunRetried{}), HasSubstr("paused by hand"));
    EXPECT_EQ(database.runs[run].status, RunStatus::paused);
    process.confirm_all();
    process.work();
    clock.advance(1s); // an idle moment: the cursor is written
    process.work();
    clock.advance(2h); // longer than the run may take

    Process next(database, clock, 8);
    next.work();
    next.complete(run, "first", R"({"n":1})", 1);
    next.work();
    EXPECT_THAT(next.settled, ElementsAre(1));
    EXPECT_THAT(next.dispatched(), IsEmpty());
    EXPECT_EQ(database.runs[run].status, RunStatus::paused);

    EXPECT_EQ(operate(next, run, core::ResumeRequested{}), "running");
    const auto second = next.dispatched();
    ASSERT_THAT(second, SizeIs(1));
    EXPECT_EQ(second[0].route, "a.two");
    clock.advance(59min);
    next.complete(run, "second", R"({"n":2})", 2);
    next.work();
    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
}

TEST_F(EngineTest, ATaskThatWaitsInALostQueueIsSentAgainInAPause) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    operate(process, run, core::PauseRequested{});
    process.dispatched();
    process.engine.queue_lost({"a.one"}, {});
    process.work();
    const auto again = process.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].ref.attempt, 1u);
}

TEST_F(EngineTest, ADeadTaskIsTriedAgainWithAnotherInputAlsoByTheNextProcess) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.fail(run, "first", 1);
    process.work();
    clock.advance(10s);
    process.work();
    process.fail(run, "first", 2);
    process.work();
    process.dispatched();

    std::string answer;
    const auto told = [&](Outcome<void> one) { answer = one ? "done" : one.error().detail; };
    process.engine.redrive(1, told, "ada", {}, {}, core::Document::parse("[1]").value());
    process.work();
    EXPECT_THAT(answer, HasSubstr("must be an object"));
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::open);
    process.engine.redrive(1, told, "ada", {}, {}, core::Document::parse(R"({"name":"bob"})").value());
    process.work();
    EXPECT_EQ(answer, "done");
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::redriven);
    EXPECT_THAT(database.dead_letters[0].close_reason, HasSubstr("another input"));
    auto sent = process.dispatched();
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].with.text(), R"({"name":"bob"})");
    EXPECT_EQ(sent[0].idempotency_key, run + "/first");

    Process next(database, clock, 8);
    next.work();
    next.dispatched();
    next.fail(run, "first", 3);
    next.work();
    clock.advance(10s);
    next.work();
    sent = next.dispatched();
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].with.text(), R"({"name":"bob"})");
}

TEST_F(EngineTest, AMessageHasNoInput) {
    DeadLetter letter;
    letter.message = R"({"body":"aGVsbG8="})";
    process.work();
    process.engine.add_dead_letter({letter, std::nullopt});
    process.work();
    std::string answer;
    process.engine.redrive(1, [&](Outcome<void> one) { answer = one ? "done" : one.error().detail; }, "ada", {}, {},
                           core::Document::parse("{}").value());
    process.work();
    EXPECT_THAT(answer, HasSubstr("no input"));
    EXPECT_THAT(process.republished, IsEmpty());
}

TEST_F(EngineTest, AStepThatIsPassedOverClosesItsDeadLetterWithTheReason) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.fail(run, "first", 1);
    process.work();
    clock.advance(10s);
    process.work();
    process.fail(run, "first", 2);
    process.work();
    ASSERT_THAT(database.dead_letters, SizeIs(1));

    EXPECT_EQ(operate(process, run, core::OutputGiven{"first", core::Document::parse(R"({"n":1})").value(), "because"}),
              "running");

    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::dropped);
    EXPECT_EQ(database.dead_letters[0].closed_by, "ada");
    EXPECT_EQ(database.dead_letters[0].close_reason, "because");
    process.complete(run, "second", R"({"n":2})", 2);
    process.work();
    EXPECT_EQ(database.runs[run].status, RunStatus::completed);
}

TEST_F(EngineTest, ARunThatIsOverRunsAgainFromAStepInTheNextProcess) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    process.complete(run, "first", R"({"n":1})", 1);
    process.work();
    process.complete(run, "second", R"({"n":2})", 2);
    process.work();
    ASSERT_EQ(database.runs[run].status, RunStatus::completed);

    Process next(database, clock, 8);
    next.work();
    next.dispatched();
    EXPECT_EQ(operate(next, run, core::RerunRequested{"second", "wrong figures"}), "running");
    const auto again = next.dispatched();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].ref.attempt, 2u);
    EXPECT_EQ(again[0].attempt_of_series, 1u);
    EXPECT_EQ(again[0].idempotency_key, run + "/second:rerun1");
    EXPECT_EQ(database.runs[run].output, std::nullopt);
    next.complete(run, "second", R"({"n":9})", 3); // of the attempt before
    next.work();
    EXPECT_EQ(database.runs[run].status, RunStatus::running);
    next.complete(run, "second", R"({"n":3})", 4, 2);
    next.work();
    EXPECT_EQ(database.runs[run].output, R"({"n":3})");
}

TEST_F(EngineTest, AMessageOfNoRunIsMarkedWhenTheBrokerHasItAgainAndNotBefore) {
    DeadLetter letter;
    letter.message = R"({"body":"aGVsbG8="})";
    process.engine.add_dead_letter({letter, {}});
    process.work();
    std::vector<std::string> answers;
    const auto redrive = [&] {
        process.engine.redrive(1, [&](Outcome<void> one) {
            answers.push_back(one ? "done" : one.error().detail);
        });
        process.work();
    };

    redrive();
    ASSERT_THAT(process.republished, SizeIs(1));
    EXPECT_EQ(process.republished[0].letter.message, letter.message);
    redrive(); // while the first is on its way
    EXPECT_THAT(process.republished, SizeIs(1));
    ASSERT_THAT(answers, SizeIs(1));
    EXPECT_THAT(answers[0], HasSubstr("on its way"));
    answers.clear();
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::open);
    EXPECT_THAT(answers, IsEmpty());

    process.republished[0].settled(Failure{make_error_code(EngineErrc::refused), "no queue takes it"});
    process.work();
    EXPECT_THAT(answers, ElementsAre("no queue takes it"));
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::open);

    redrive();
    ASSERT_THAT(process.republished, SizeIs(2));
    process.republished[1].settled(Outcome<void>{boost::system::in_place_value});
    process.work();
    EXPECT_THAT(answers, ElementsAre("no queue takes it", "done"));
    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::redriven);
}

TEST_F(EngineTest, ADeadLetterIsDroppedOnceAndAnUnknownOneIsRefused) {
    process.engine.add_dead_letter({});
    process.work();
    ASSERT_THAT(database.dead_letters, SizeIs(1));
    std::vector<std::string> answers;
    const auto drop = [&](std::uint64_t id) {
        process.engine.drop(id, [&](Outcome<void> one) { answers.push_back(one ? "done" : one.error().detail); });
        process.work();
    };

    drop(1);
    drop(1);
    drop(77);

    EXPECT_EQ(database.dead_letters[0].state, DeadLetterState::dropped);
    EXPECT_THAT(answers, ElementsAre("done", "the dead letter is settled already",
                                     "there is no dead letter 77; baton dead list shows them"));
}

TEST_F(EngineTest, FollowersHearOfEveryChange) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    std::vector<std::string> heard;
    const auto follow = [&](std::uint64_t after) {
        return process.engine.wait_for_change(run, after, [&](Outcome<RunChanged> one) {
            heard.push_back(one ? std::to_string(one->seq) : one.error().detail);
        });
    };
    follow(0); // is further already
    process.work();
    EXPECT_THAT(heard, ElementsAre("1"));

    follow(1);
    const auto forgotten = follow(1);
    process.engine.forget(forgotten);
    process.work();
    EXPECT_THAT(heard, SizeIs(1));
    process.complete(run, "first", R"({"n":1})", 1);
    process.work();
    EXPECT_THAT(heard, ElementsAre("1", "2"));

    process.complete(run, "second", R"({"n":1})", 1);
    process.work();
    follow(99); // closed: nothing will ever come
    process.engine.wait_for_change(
        "nobody", 0, [&](Outcome<RunChanged> one) { heard.push_back(one.error().detail); });
    process.work();
    EXPECT_THAT(heard, ElementsAre("1", "2", "3", "there is no run nobody"));
}

TEST_F(EngineTest, CancelAndRetryAnswerWhenTheyAreDurable) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    std::vector<std::string> answers;
    const auto keep = [&](Outcome<RunChanged> one) {
        answers.push_back(one ? std::string{core::word_of(one->status)} : one.error().detail);
    };
    process.engine.cancel(run, "why not", keep);
    process.work();
    process.engine.cancel(run, "again", keep);
    process.engine.retry(run, false, keep);
    process.work();

    EXPECT_THAT(answers,
                ElementsAre("cancelled", "the run is cancelled already",
                            "the run is cancelled; only a failed, timed out or paused run can be "
                            "retried"));
}

// Both looked at the same version, and their requests are decided in one batch.
TEST_F(EngineTest, OfTwoWhoSawTheSameVersionOneIsFirst) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    std::vector<std::string> answers;
    const auto keep = [&](const Outcome<RunChanged>& one) {
        answers.push_back(one                                    ? fmt::format("{} at {}", core::word_of(one->status), one->seq)
                          : one.error().code == EngineErrc::stale ? "stale"
                                                                  : one.error().detail);
    };
    process.engine.operate(run, core::PauseRequested{"first"}, "first", keep, "ada", {}, OnlyAt{1});
    process.engine.finish(run, RunStatus::failed, "second", keep, "bob", {}, OnlyAt{1});
    process.work();
    EXPECT_THAT(answers, ElementsAre("paused at 2", "stale"));

    answers.clear();
    process.engine.cancel(run, "third", keep, "bob", {}, OnlyAt{1});
    process.engine.retry(run, false, keep, "bob", {}, OnlyAt{1});
    process.engine.skip_undo(run, "first", "third", keep, "bob", {}, OnlyAt{3});
    process.work();
    EXPECT_THAT(answers, ElementsAre("stale", "stale", "stale"));
    EXPECT_EQ(history_of(database, run).find("bob"), std::string::npos);

    answers.clear();
    process.engine.cancel(run, "now", keep, "bob", {}, OnlyAt{2});
    process.work();
    EXPECT_THAT(answers, ElementsAre("cancelled at 3"));
}

TEST_F(EngineTest, ADeadLetterIsRedrivenOnlyWhileItsRunIsAsItWasSeen) {
    process.deploy(two_steps);
    const std::string run = process.start("ada");
    core::Problem problem;
    problem.retryable = false;
    process.engine.report({{run, core::TaskFailed{{"first", false, 1}, problem}, 1}});
    process.work();
    std::vector<std::string> answers;
    const auto keep = [&](const Outcome<void>& one) {
        answers.push_back(one ? "done" : one.error().code == EngineErrc::stale ? "stale" : one.error().detail);
    };
    process.engine.redrive(1, keep, "ada", {}, {}, {}, OnlyAt{1});
    process.engine.redrive(1, keep, "ada", {}, {}, {}, OnlyAt{2});
    process.engine.redrive(1, keep, "bob", {}, {}, {}, OnlyAt{2});
    process.work();
    EXPECT_THAT(answers, ElementsAre("stale", "done", "stale"));
}

TEST_F(EngineTest, TheHistoryKeepsWhoAskedForIt) {
    process.deploy(two_steps);
    std::string run;
    process.engine.start_run({.workflow = "two-steps", .input = R"({"name":"ada"})", .key = {}, .actor = "alice"},
                             [&](Outcome<Started> one) { run = one->run_id; });
    process.work();
    core::Problem problem;
    problem.retryable = false;
    process.engine.report({{run, core::TaskFailed{{"first", false, 1}, problem}, 1}});
    process.work();
    process.engine.redrive(1, [](Outcome<void> one) { EXPECT_TRUE(one); }, "bob");
    process.work();
    process.engine.cancel(run, "why not", [](const Outcome<RunChanged>& one) { EXPECT_TRUE(one); }, "carol");
    process.work();

    std::string asked;
    const auto history = process.store.history_above(0, 0, 100).value();
    for (const auto& row : history) {
        const auto facts = core::facts_from_json(row.events).value();
        for (const auto& fact : facts)
            if (!fact.actor.empty()) asked += fmt::format("{} {}\n", core::word_of(fact), fact.actor);
    }
    EXPECT_EQ(asked, "run_started alice\nstep_revived bob\ncancel_requested carol\n");
}

TEST_F(EngineTest, ARunThatOnlyWaitsLeavesMemoryAndGoesOnInItsTime) {
    process.deploy("workflow = \"waits\"\n[[step]]\nid = \"a\"\nwait = \"1h\"\n[[step]]\nid = \"b\"\ntask = \"t.b\"\n");
    std::string run;
    process.engine.start_run({"waits", 0, "{}", ""}, [&](const Outcome<Started>& one) { run = one->run_id; });
    process.work();
    EXPECT_EQ(process.engine.metrics().cached_runs.value(), 0);

    clock.advance(59min);
    process.work();
    EXPECT_THAT(process.dispatched(), IsEmpty());
    clock.advance(1min);
    process.work();
    EXPECT_THAT(process.dispatched(), SizeIs(1));
    EXPECT_EQ(process.engine.metrics().cached_runs.value(), 1) << "it is with a worker now";
}

TEST_F(EngineTest, WhoeverWaitsWhenItStopsIsTold) {
    std::string refusal;
    process.store.is_away = true;
    process.engine.start_run({"two-steps", 0, "", ""},
                             [&](Outcome<Started> one) { refusal = one.error().detail; });
    process.work();
    process.engine.stop();
    EXPECT_EQ(refusal, "the server is stopping");
}

TEST(Engine, WorksOnItsOwnThread) {
    test::SimDatabase database;
    const SystemClock clock;
    test::SimStore store(database);
    Mailbox<std::string> answers;
    Engine engine({}, store, clock, compile, {});
    engine.start();
    engine.deploy(two_steps, "x.toml", {});
    engine.start_run({"two-steps", 0, R"({"name":"ada"})", ""},
                     [&](Outcome<Started> one) { answers.put(one ? one->run_id : "failed"); });

    const auto got = answers.take(std::chrono::seconds(20));
    engine.stop();

    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(database.runs.count(got[0]), 1u);
}

} // namespace
} // namespace baton::orchestrator::runtime
