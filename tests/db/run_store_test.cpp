// The contract of RunStore and RunQueries, one suite over every store.
#include "base/thread.hpp"
#include "tests/db/store_kit.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <numeric>

namespace baton::db::testing {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class RunStoreContract : public ::testing::TestWithParam<Place::Kind> {
protected:
    Place place_{GetParam()};
    std::unique_ptr<RunStore> store_ = place_.store();
};

// What is seen by people too, or from several threads; the simulated store has neither.
class QueriedStoreContract : public RunStoreContract {
protected:
    std::unique_ptr<RunQueries> queries_ = place_.queries();
};

std::string name_of(const ::testing::TestParamInfo<Place::Kind>& info) {
    switch (info.param) {
    case Place::Kind::sqlite:
        return "Sqlite";
    case Place::Kind::postgres:
        return "Postgres";
    case Place::Kind::simulated:
        return "Simulated";
    }
    return "";
}

const auto real_stores = ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres);
INSTANTIATE_TEST_SUITE_P(Stores, RunStoreContract,
                         ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres,
                                           Place::Kind::simulated),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Stores, QueriedStoreContract, real_stores, name_of);

// ------------------------------------------------------------------ fence and cursor

TEST_P(RunStoreContract, TakingOverRaisesTheEpochAndKeepsTheCursor) {
    OwnedPartition first = take(*store_, 3);
    EXPECT_EQ(first.part, 3);
    EXPECT_EQ(first.epoch, 1U);
    EXPECT_EQ(first.pseq, 0U);
    EXPECT_EQ(first.published, 0U);

    first.published = 1;
    commit(*store_, first, {birth(1, 1), birth(2, 2)});

    const OwnedPartition second = take(*store_, 3);
    EXPECT_EQ(second.epoch, 2U);
    EXPECT_EQ(second.pseq, 2U);
    EXPECT_EQ(second.published, 1U);
}

TEST_P(RunStoreContract, PartitionsComeBackInTheOrderAsked) {
    const Partition parts[] = {9, 2, 63};

    const auto owned = value_of(store_->take_over(parts, "node"));

    ASSERT_THAT(owned, SizeIs(3));
    EXPECT_EQ(owned[0].part, 9);
    EXPECT_EQ(owned[1].part, 2);
    EXPECT_EQ(owned[2].part, 63);
}

TEST_P(RunStoreContract, AStaleOwnerWritesNothing) {
    OwnedPartition old_owner = take(*store_, 1);
    commit(*store_, old_owner, {birth(1, 1)});
    const OwnedPartition new_owner = take(*store_, 1);
    OwnedPartition other = take(*store_, 2);

    Batch batch;
    batch.fences = {old_owner, other};
    batch.fences[0].pseq = 5;
    batch.fences[1].pseq = 5;
    batch.fences[1].published = 4;
    RunChange late = step(1, 2, 5);
    late.part = 1;
    RunChange foreign = birth(2, 5);
    foreign.part = 2;
    batch.runs = {late, foreign};
    batch.alarms = {{run_id(9), 2, time_at(9)}};
    batch.plain_dead_letters = {letter(3, "x")};
    const Committed committed = value_of(store_->commit(batch));

    EXPECT_THAT(committed.fenced, ElementsAre(1));
    EXPECT_EQ(load_one(*store_, 1)->version, 1U);
    EXPECT_FALSE(load_one(*store_, 2).has_value());
    EXPECT_THAT(value_of(store_->history_above(1, 0, 10)), SizeIs(1));
    EXPECT_THAT(value_of(store_->history_above(2, 0, 10)), IsEmpty());
    EXPECT_THAT(value_of(store_->alarms(2)), IsEmpty());
    EXPECT_FALSE(value_of(store_->dead_letter(1)).has_value());
    EXPECT_EQ(take(*store_, 1).pseq, new_owner.pseq);
    EXPECT_EQ(take(*store_, 2).published, 0U);
}

TEST_P(RunStoreContract, APartitionNobodyTookIsRefused) {
    Batch batch;
    batch.fences = {{40, 1, 1, 0}};

    EXPECT_THAT(value_of(store_->commit(batch)).fenced, ElementsAre(40));
}

TEST_P(RunStoreContract, OneBatchServesSeveralPartitions) {
    OwnedPartition one = take(*store_, 1);
    OwnedPartition two = take(*store_, 2);
    Batch batch;
    one.pseq = 1;
    two.pseq = 1;
    batch.fences = {two, one};
    batch.runs = {birth(1, 1), birth(2, 1)};
    batch.runs[0].part = 1;
    batch.runs[1].part = 2;

    const Committed committed = value_of(store_->commit(batch));

    EXPECT_THAT(committed.fenced, IsEmpty());
    EXPECT_THAT(committed.lost, IsEmpty());
    EXPECT_EQ(value_of(store_->history_above(1, 0, 10)).at(0).run_id, run_id(1));
    EXPECT_EQ(value_of(store_->history_above(2, 0, 10)).at(0).run_id, run_id(2));
}

TEST_P(RunStoreContract, TheCursorMovesWithoutAnyRun) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1)});

    owned.published = 1;
    commit(*store_, owned, {});

    EXPECT_EQ(take(*store_, 1).published, 1U);
}

// ------------------------------------------------------------------ versions and history

TEST_P(RunStoreContract, OnlyTheRunWithTheRightVersionWins) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1), birth(2, 2)});
    commit(*store_, owned, {step(1, 2, 3)});

    const Committed committed = commit(*store_, owned, {step(1, 2, 4), step(2, 2, 5)});

    EXPECT_THAT(committed.lost, ElementsAre(run_id(1)));
    EXPECT_EQ(load_one(*store_, 1)->version, 2U);
    EXPECT_EQ(load_one(*store_, 1)->state, R"({"at":2})");
    EXPECT_EQ(load_one(*store_, 2)->version, 2U);
    const auto history = value_of(store_->history_above(1, 2, 10));
    ASSERT_THAT(history, SizeIs(2));
    EXPECT_EQ(history[0].pseq, 3U);
    EXPECT_EQ(history[1].pseq, 5U);
}

TEST_P(RunStoreContract, ARunThatExistsIsNotBornAgain) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1)});
    RunChange again = birth(1, 2);
    again.created->start_key = StartKey{"k", std::string(32, 'x'), std::nullopt};

    const Committed committed = commit(*store_, owned, {again, birth(2, 3)});

    EXPECT_THAT(committed.lost, ElementsAre(run_id(1)));
    EXPECT_EQ(load_one(*store_, 1)->version, 1U);
    EXPECT_TRUE(load_one(*store_, 2).has_value());
    RunChange third = birth(3, 4);
    third.created->start_key = again.created->start_key;
    EXPECT_THAT(commit(*store_, owned, {third}).duplicates, IsEmpty()) << "the key is still free";
}

TEST_P(RunStoreContract, ARunNobodyKnowsIsLost) {
    OwnedPartition owned = take(*store_, 1);

    EXPECT_THAT(commit(*store_, owned, {step(1, 2, 1)}).lost, ElementsAre(run_id(1)));
}

TEST_P(QueriedStoreContract, ACommitMadeAgainCountsAsWritten) {
    OwnedPartition owned = take(*store_, 1);
    RunChange started = birth(1, 1);
    started.created->start_key = StartKey{"k", std::string(32, 'x'), std::nullopt};
    started.dead_letters = {letter(1, "a")};
    commit(*store_, owned, {started});

    const Committed again = commit(*store_, owned, {started});

    EXPECT_THAT(again.lost, IsEmpty());
    EXPECT_THAT(again.duplicates, IsEmpty());
    EXPECT_THAT(value_of(store_->history_above(1, 0, 10)), SizeIs(1));
    EXPECT_THAT(value_of(queries_->dead_letters({})), SizeIs(1));
    commit(*store_, owned, {step(1, 2, 2)});
    EXPECT_THAT(commit(*store_, owned, {step(1, 2, 2)}).lost, IsEmpty());
    EXPECT_EQ(load_one(*store_, 1)->version, 2U);
}

TEST_P(RunStoreContract, HistoryComesInTheOrderOfThePartition) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(5, 2), birth(4, 1), birth(6, 3)});
    commit(*store_, owned, {step(4, 2, 5), step(5, 2, 4)});

    const auto all = value_of(store_->history_above(1, 0, 100));
    const auto some = value_of(store_->history_above(1, 2, 2));

    ASSERT_THAT(all, SizeIs(5));
    for (std::size_t index = 0; index < all.size(); ++index)
        EXPECT_EQ(all[index].pseq, index + 1);
    EXPECT_EQ(all[0].run_id, run_id(4));
    EXPECT_EQ(all[3].run_id, run_id(5));
    EXPECT_EQ(all[3].seq, 2U);
    EXPECT_EQ(all[3].events, R"([{"event":4}])");
    EXPECT_EQ(all[3].at, time_at(4));
    ASSERT_THAT(some, SizeIs(2));
    EXPECT_EQ(some[0].pseq, 3U);
    EXPECT_EQ(some[1].pseq, 4U);
}

TEST_P(RunStoreContract, ARowHoldsAllItWasGiven) {
    OwnedPartition owned = take(*store_, 11);
    commit(*store_, owned, {birth(1, 1)});
    RunChange end = step(1, 2, 2);
    end.status = RunStatus::failed;
    end.closed_at = time_at(60);
    end.output = R"({"half":true})";
    end.error_type = "http.503";
    end.error = "the mail server is busy";
    commit(*store_, owned, {end});

    const StoredRun run = load_one(*store_, 1).value();

    EXPECT_EQ(run.run_id, run_id(1));
    EXPECT_EQ(run.part, 11);
    EXPECT_EQ(run.definition_id, 7U);
    EXPECT_EQ(run.workflow, "greet");
    EXPECT_EQ(run.workflow_version, 3U);
    EXPECT_EQ(run.status, RunStatus::failed);
    EXPECT_EQ(run.version, 2U);
    EXPECT_EQ(run.state, R"({"at":2})");
    EXPECT_EQ(run.input, R"({"name":"Ada"})");
    EXPECT_EQ(run.output, R"({"half":true})");
    EXPECT_EQ(run.error_type, "http.503");
    EXPECT_EQ(run.error, "the mail server is busy");
    EXPECT_EQ(run.started_at, time_at(1));
    EXPECT_EQ(run.closed_at, time_at(60));
}

TEST_P(RunStoreContract, ARunThatIsOpenedAgainForgetsItsEnd) {
    OwnedPartition owned = take(*store_, 1);
    RunChange end = birth(1, 1);
    end.status = RunStatus::failed;
    end.closed_at = time_at(60);
    end.output = "1";
    end.error_type = "e";
    end.error = "e";
    commit(*store_, owned, {end});

    commit(*store_, owned, {step(1, 2, 2)});

    const StoredRun run = load_one(*store_, 1).value();
    EXPECT_EQ(run.status, RunStatus::running);
    EXPECT_FALSE(run.closed_at.has_value());
    EXPECT_FALSE(run.output.has_value());
    EXPECT_EQ(run.error_type, "");
    EXPECT_EQ(run.error, "");
}

TEST_P(RunStoreContract, LoadingGivesThoseThatExist) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1), birth(2, 2)});
    const std::string ids[] = {run_id(2), run_id(7), run_id(1)};

    std::vector<std::string> found;
    for (const StoredRun& run : value_of(store_->load(ids)))
        found.push_back(run.run_id);

    EXPECT_THAT(found, UnorderedElementsAre(run_id(1), run_id(2)));
    EXPECT_THAT(value_of(store_->load({})), IsEmpty());
}

TEST_P(RunStoreContract, ALargeRunComesWithoutItsTextsAndNoMoreThanFits) {
    OwnedPartition owned = take(*store_, 1);
    std::vector<RunChange> births;
    std::vector<std::string> ids;
    for (int run = 1; run <= 5; ++run) {
        RunChange& change = births.emplace_back(birth(run, static_cast<std::uint64_t>(run)));
        change.state = "\"" + std::string(run == 3 ? 900'000 : 100'000, 'x') + "\"";
        ids.push_back(run_id(run));
    }
    commit(*store_, owned, births);

    std::map<std::string, StoredRun> found;
    for (StoredRun& run : value_of(store_->load(ids, {500'000, 150'000})))
        found[run.run_id] = std::move(run);

    using Texts = StoredRun::Texts;
    ASSERT_THAT(found, SizeIs(5));
    EXPECT_EQ(found[run_id(1)].texts, Texts::here);
    EXPECT_EQ(found[run_id(1)].state, births[0].state);
    EXPECT_EQ(found[run_id(2)].texts, Texts::here);
    EXPECT_EQ(found[run_id(3)].texts == Texts::here, false);
    EXPECT_EQ(found[run_id(3)].state, "");
    EXPECT_EQ(found[run_id(4)].texts, Texts::later);
    EXPECT_EQ(found[run_id(5)].texts, Texts::later);

    const auto rows = value_of(store_->load(std::span(&ids[2], 1), {500'000, 150'000}));
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(rows[0].texts, Texts::too_large);
    EXPECT_EQ(rows[0].version, 1U);
    EXPECT_EQ(rows[0].workflow, "greet");
    EXPECT_THAT(value_of(store_->load(ids)), SizeIs(5)) << "asked for whole, it comes whole";
    EXPECT_EQ(load_one(*store_, 3)->state, births[2].state);
}

TEST_P(RunStoreContract, HistoryComesAPieceAtATime) {
    OwnedPartition owned = take(*store_, 1);
    std::vector<RunChange> births;
    for (int run = 1; run <= 5; ++run) {
        RunChange& change = births.emplace_back(birth(run, static_cast<std::uint64_t>(run)));
        change.events = "[\"" + std::string(run == 3 ? 900'000 : 100'000, 'x') + "\"]";
    }
    commit(*store_, owned, births);

    std::vector<std::pair<std::uint64_t, std::size_t>> found;
    std::uint64_t after = 0;
    int calls = 0;
    while (true) {
        const auto rows = value_of(store_->history_above(1, after, 100, {500'000, 150'000}));
        if (rows.empty()) break;
        ++calls;
        std::size_t sum = 0;
        for (const HistoryRow& row : rows) {
            found.emplace_back(row.pseq, row.events.size());
            sum += row.events.size();
            after = row.pseq;
        }
        EXPECT_LE(sum, 250'100U);
    }

    EXPECT_THAT(found, ElementsAre(std::pair(1U, 100'004U), std::pair(2U, 100'004U), std::pair(3U, 0U),
                                   std::pair(4U, 100'004U), std::pair(5U, 100'004U)));
    EXPECT_GE(calls, 2);
}

TEST_P(RunStoreContract, AChangeWithoutAStateKeepsTheFormerOne) {
    OwnedPartition owned = take(*store_, 1);
    RunChange first = birth(1, 1);
    first.state = R"({"kept":true})";
    commit(*store_, owned, {first});
    RunChange closed = step(1, 2, 2);
    closed.state.clear();
    closed.status = RunStatus::cancelled;

    commit(*store_, owned, {closed});

    EXPECT_EQ(load_one(*store_, 1)->state, first.state);
    EXPECT_EQ(load_one(*store_, 1)->status, RunStatus::cancelled);
}

TEST_P(QueriedStoreContract, ADeadLetterOfARunThatDoesNotChangeIsKept) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1)});
    Batch batch;
    batch.fences = {owned};
    batch.plain_dead_letters = {letter(1, "")};
    value_of(store_->commit(batch));

    EXPECT_THAT(value_of(queries_->dead_letters({})), SizeIs(1));
}

TEST_P(RunStoreContract, EverythingIsThereAfterReopening) {
    OwnedPartition owned = take(*store_, 1);
    RunChange started = birth(1, 1);
    started.alarm = AlarmChange{time_at(90)};
    commit(*store_, owned, {started});
    store_.reset();

    store_ = place_.store();

    EXPECT_EQ(load_one(*store_, 1)->version, 1U);
    EXPECT_THAT(value_of(store_->history_above(1, 0, 10)), SizeIs(1));
    EXPECT_THAT(value_of(store_->alarms(1)), SizeIs(1));
    const OwnedPartition again = take(*store_, 1);
    EXPECT_EQ(again.epoch, 2U);
    EXPECT_EQ(again.pseq, 1U);
}

TEST_P(RunStoreContract, ALargeBatchIsOneCommit) {
    OwnedPartition owned = take(*store_, 1);
    std::vector<RunChange> births;
    std::vector<RunChange> steps;
    for (int run = 1; run <= 500; ++run) {
        births.push_back(birth(run, static_cast<std::uint64_t>(run)));
        steps.push_back(step(run, 2, static_cast<std::uint64_t>(500 + run)));
    }

    EXPECT_THAT(commit(*store_, owned, births).lost, IsEmpty());
    EXPECT_THAT(commit(*store_, owned, steps).lost, IsEmpty());

    EXPECT_THAT(value_of(store_->history_above(1, 0, 2000)), SizeIs(1000));
    EXPECT_EQ(load_one(*store_, 500)->version, 2U);
}

// ------------------------------------------------------------------ start keys

RunChange keyed(int run, std::uint64_t pseq, const std::string& key, char input = 'i',
                std::optional<Time> expires_at = std::nullopt) {
    RunChange change = birth(run, pseq);
    change.created->start_key = StartKey{key, std::string(32, input), expires_at};
    return change;
}

TEST_P(RunStoreContract, AStartKeyBelongsToTheFirstRun) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {keyed(1, 1, "order-7")});

    const Committed committed = commit(
        *store_, owned, {keyed(2, 2, "order-7"), keyed(3, 3, "order-7", 'j'), keyed(4, 4, "o")});

    ASSERT_THAT(committed.duplicates, SizeIs(2));
    EXPECT_EQ(committed.duplicates[0].run_id, run_id(2));
    EXPECT_EQ(committed.duplicates[0].existing_run_id, run_id(1));
    EXPECT_TRUE(committed.duplicates[0].same_input);
    EXPECT_EQ(committed.duplicates[1].run_id, run_id(3));
    EXPECT_FALSE(committed.duplicates[1].same_input);
    EXPECT_THAT(committed.lost, IsEmpty());
    EXPECT_FALSE(load_one(*store_, 2).has_value());
    EXPECT_TRUE(load_one(*store_, 4).has_value());
    EXPECT_THAT(value_of(store_->history_above(1, 0, 10)), SizeIs(2));
}

TEST_P(RunStoreContract, TwoStartsWithOneKeyInOneBatchMakeOneRun) {
    OwnedPartition owned = take(*store_, 1);

    const Committed committed = commit(*store_, owned, {keyed(1, 1, "k"), keyed(2, 2, "k")});

    ASSERT_THAT(committed.duplicates, SizeIs(1));
    EXPECT_EQ(committed.duplicates[0].run_id, run_id(2));
    EXPECT_EQ(committed.duplicates[0].existing_run_id, run_id(1));
}

TEST_P(RunStoreContract, AKeyOfAnotherWorkflowIsAnotherKey) {
    OwnedPartition owned = take(*store_, 1);
    RunChange other = keyed(2, 2, "k");
    other.created->workflow = "part";

    EXPECT_THAT(commit(*store_, owned, {keyed(1, 1, "k"), other}).duplicates, IsEmpty());
}

TEST_P(RunStoreContract, AnExpiredKeyIsFreeAgain) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {keyed(1, 1, "k", 'i', time_at(10))});

    EXPECT_THAT(commit(*store_, owned, {keyed(9, 2, "k")}).duplicates, SizeIs(1));
    EXPECT_THAT(commit(*store_, owned, {keyed(10, 3, "k")}).duplicates, IsEmpty());
    EXPECT_EQ(commit(*store_, owned, {keyed(11, 4, "k")}).duplicates.at(0).existing_run_id,
              run_id(10));
}

TEST_P(QueriedStoreContract, AHundredConcurrentStartsWithOneKeyMakeOneRun) {
    constexpr int threads = 10;
    constexpr int starts = 10;
    std::vector<std::string> winners(threads);
    std::vector<int> duplicates(threads, 0);
    {
        std::vector<Thread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back(fmt::format("start-{}", number), [&, number] {
                const auto index = static_cast<std::size_t>(number);
                const auto store = place_.store();
                OwnedPartition owned = take(*store, static_cast<Partition>(number));
                for (int start = 0; start < starts; ++start) {
                    const int run = 1 + number * starts + start;
                    const auto committed =
                        commit(*store, owned, {keyed(run, owned.pseq + 1, "the-one")});
                    duplicates[index] += static_cast<int>(committed.duplicates.size());
                    if (committed.duplicates.empty()) winners[index] += run_id(run);
                }
            });
        }
    }

    EXPECT_EQ(std::accumulate(winners.begin(), winners.end(), std::string()).size(), 36U);
    EXPECT_EQ(std::accumulate(duplicates.begin(), duplicates.end(), 0), threads * starts - 1);
    EXPECT_THAT(value_of(queries_->runs({})), SizeIs(1));
}

TEST_P(QueriedStoreContract, ServersThatStartTogetherMigrateOnce) {
    const Place fresh(GetParam());
    std::vector<Thread> all;
    for (int number = 0; number < 6; ++number)
        all.emplace_back(fmt::format("open-{}", number), [&fresh, number] {
            const auto store = fresh.store();
            EXPECT_EQ(take(*store, static_cast<Partition>(number)).epoch, 1U);
        });
}

TEST_P(RunStoreContract, OpenRunsComeInPagesOfTheirPartition) {
    OwnedPartition owned = take(*store_, 1);
    OwnedPartition other = take(*store_, 2);
    RunChange closed = birth(2, 2);
    closed.status = RunStatus::completed;
    RunChange failed = birth(3, 3);
    failed.status = RunStatus::failed;
    RunChange undoing = birth(5, 5);
    undoing.status = RunStatus::compensating;
    RunChange running = birth(1, 1);
    running.status = RunStatus::running;
    RunChange also_running = birth(4, 4);
    also_running.status = RunStatus::running;
    RunChange paused = birth(7, 6);
    paused.status = RunStatus::paused;
    commit(*store_, owned, {running, closed, failed, also_running, undoing, paused});
    RunChange foreign = birth(6, 1);
    foreign.status = RunStatus::running;
    commit(*store_, other, {foreign});

    EXPECT_THAT(value_of(store_->open_runs(1, "", 2)), ElementsAre(run_id(1), run_id(4)));
    EXPECT_THAT(value_of(store_->open_runs(1, run_id(4), 2)), ElementsAre(run_id(5), run_id(7)));
    EXPECT_THAT(value_of(store_->open_runs(1, run_id(7), 2)), IsEmpty());
}

TEST_P(RunStoreContract, AStoreKnowsOverHowManyPartitionsItsRunsAreSpread) {
    EXPECT_EQ(value_of(store_->partition_count()), 0U);
    const Partition parts[] = {0, 1, 2, 7};
    (void)value_of(store_->take_over(parts, "node"));
    EXPECT_EQ(value_of(store_->partition_count()), 8U);
}

// ------------------------------------------------------------------ alarms

TEST_P(RunStoreContract, AlarmsAreSetMovedAndDeleted) {
    OwnedPartition owned = take(*store_, 1);
    RunChange one = birth(1, 1);
    RunChange two = birth(2, 2);
    one.alarm = AlarmChange{time_at(100)};
    two.alarm = AlarmChange{time_at(200)};
    commit(*store_, owned, {one, two, birth(3, 3)});
    ASSERT_THAT(value_of(store_->alarms(1)), SizeIs(2));
    EXPECT_THAT(value_of(store_->alarms(2)), IsEmpty());

    RunChange silent = step(1, 2, 4);
    silent.alarm = AlarmChange{};
    Batch batch;
    owned.pseq = 4;
    batch.fences = {owned};
    silent.part = 1;
    batch.runs = {silent};
    batch.alarms = {{run_id(2), 1, time_at(300)}, {run_id(3), 1, time_at(400)}};
    value_of(store_->commit(batch));

    std::vector<std::pair<std::string, Time>> alarms;
    for (const Alarm& alarm : value_of(store_->alarms(1)))
        alarms.emplace_back(alarm.run_id, alarm.due);
    EXPECT_THAT(alarms, UnorderedElementsAre(std::pair(run_id(2), time_at(300)),
                                             std::pair(run_id(3), time_at(400))));

    batch.runs.clear();
    batch.alarms = {{run_id(2), 1, std::nullopt}};
    value_of(store_->commit(batch));
    EXPECT_THAT(value_of(store_->alarms(1)), SizeIs(1));
}

TEST_P(RunStoreContract, ATransitionWithoutAlarmLeavesIt) {
    OwnedPartition owned = take(*store_, 1);
    RunChange one = birth(1, 1);
    one.alarm = AlarmChange{time_at(100)};
    commit(*store_, owned, {one});

    commit(*store_, owned, {step(1, 2, 2)});

    EXPECT_EQ(value_of(store_->alarms(1)).at(0).due, time_at(100));
}

TEST_P(QueriedStoreContract, ALostRunChangesNoAlarmAndNoDeadLetter) {
    OwnedPartition owned = take(*store_, 1);
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "before")};
    commit(*store_, owned, {failed});
    RunChange late = step(1, 5, 2);
    late.alarm = AlarmChange{time_at(100)};
    late.dead_letters = {letter(1, "a")};
    late.dropped_steps = {"before"};

    EXPECT_THAT(commit(*store_, owned, {late}).lost, SizeIs(1));

    EXPECT_THAT(value_of(store_->alarms(1)), IsEmpty());
    const auto letters = value_of(queries_->dead_letters({}));
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].step, "before");
}

TEST_P(RunStoreContract, AnAlarmInTheFarFutureIsNoProblem) {
    OwnedPartition owned = take(*store_, 1);
    RunChange one = birth(1, 1);
    one.alarm = AlarmChange{Time::max()};

    commit(*store_, owned, {one});

    EXPECT_GT(value_of(store_->alarms(1)).at(0).due, time_from_micros(250'000'000'000'000'000));
}

// ------------------------------------------------------------------ dead letters

TEST_P(QueriedStoreContract, DeadLettersAreKeptWithTheirContext) {
    OwnedPartition owned = take(*store_, 1);
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "mailbox")};
    commit(*store_, owned, {failed});

    const auto letters = value_of(queries_->dead_letters({}));

    ASSERT_THAT(letters, SizeIs(1));
    const DeadLetter kept = value_of(store_->dead_letter(letters[0].id)).value();
    EXPECT_EQ(kept.state, DeadLetterState::open);
    EXPECT_EQ(kept.at, time_at(1));
    EXPECT_EQ(kept.reason, "exhausted");
    EXPECT_EQ(kept.task, "mail.create");
    EXPECT_EQ(kept.run_id, run_id(1));
    EXPECT_EQ(kept.workflow, "greet");
    EXPECT_EQ(kept.workflow_version, 3U);
    EXPECT_EQ(kept.step, "mailbox");
    EXPECT_EQ(kept.attempts, 5U);
    EXPECT_EQ(kept.error_type, "http.503");
    EXPECT_EQ(kept.error, R"({"detail":"busy"})");
    EXPECT_EQ(kept.input, R"({"to":"ada"})");
    EXPECT_EQ(kept.message, "{}");
    EXPECT_FALSE(value_of(store_->dead_letter(letters[0].id + 1)).has_value());
    EXPECT_TRUE(value_of(queries_->dead_letter(letters[0].id)).has_value());
}

TEST_P(QueriedStoreContract, ATransitionClosesTheOpenLettersOfItsSteps) {
    OwnedPartition owned = take(*store_, 1);
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "a"), letter(1, "b"), letter(1, "c")};
    RunChange other = birth(2, 2);
    other.dead_letters = {letter(2, "a")};
    commit(*store_, owned, {failed, other});

    RunChange revived = step(1, 2, 3);
    revived.redriven_steps = {"a"};
    revived.dropped_steps = {"b"};
    revived.dead_letters = {letter(1, "a")};
    commit(*store_, owned, {revived});
    RunChange again = step(1, 3, 4);
    again.redriven_steps = {"b"};
    commit(*store_, owned, {again});

    const auto details = value_of(queries_->run(run_id(1))).value();
    ASSERT_THAT(details.dead_letters, SizeIs(4));
    EXPECT_EQ(details.dead_letters[0].step, "a");
    EXPECT_EQ(details.dead_letters[0].state, DeadLetterState::open) << "the new one stays open";
    EXPECT_EQ(details.dead_letters[1].state, DeadLetterState::open);
    EXPECT_EQ(details.dead_letters[2].state, DeadLetterState::dropped) << "closed stays closed";
    EXPECT_EQ(details.dead_letters[3].state, DeadLetterState::redriven);
    EXPECT_EQ(details.dead_letters[3].closed_at, time_at(3));
    DeadLetterFilter of_other;
    of_other.run_id = run_id(2);
    EXPECT_THAT(value_of(queries_->dead_letters(of_other)), SizeIs(1));
}

TEST_P(QueriedStoreContract, PlainLettersAreClosedByTheirNumber) {
    const OwnedPartition owned = take(*store_, 1);
    Batch batch;
    batch.fences = {owned};
    DeadLetter plain = letter(1, "");
    plain.run_id.clear();
    batch.plain_dead_letters = {plain, plain, plain};
    value_of(store_->commit(batch));
    const auto open = value_of(queries_->dead_letters({}));
    ASSERT_THAT(open, SizeIs(3));
    EXPECT_EQ(open[0].run_id, "");

    batch.plain_dead_letters.clear();
    batch.redriven_dead_letters = {open[0].id};
    batch.dropped_dead_letters = {open[1].id, 999};
    value_of(store_->commit(batch));

    EXPECT_EQ(value_of(store_->dead_letter(open[0].id))->state, DeadLetterState::redriven);
    EXPECT_TRUE(value_of(store_->dead_letter(open[0].id))->closed_at.has_value());
    EXPECT_EQ(value_of(store_->dead_letter(open[1].id))->state, DeadLetterState::dropped);
    EXPECT_THAT(value_of(queries_->dead_letters({})), SizeIs(1));
}

TEST_P(QueriedStoreContract, DeadLettersAreListedByPageTaskAndState) {
    OwnedPartition owned = take(*store_, 1);
    RunChange failed = birth(1, 1);
    for (int number = 0; number < 5; ++number) {
        failed.dead_letters.push_back(letter(1, fmt::format("s{}", number)));
        failed.dead_letters.back().task = number == 3 ? "slack.invite" : "mail.create";
    }
    commit(*store_, owned, {failed});

    DeadLetterFilter filter;
    filter.limit = 2;
    const auto page = value_of(queries_->dead_letters(filter));
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].step, "s4");
    filter.before_id = page[1].id;
    EXPECT_EQ(value_of(queries_->dead_letters(filter)).at(0).step, "s2");

    DeadLetterFilter by_task;
    by_task.task = "slack.invite";
    EXPECT_THAT(value_of(queries_->dead_letters(by_task)), SizeIs(1));
    DeadLetterFilter by_state;
    by_state.state = DeadLetterState::dropped;
    EXPECT_THAT(value_of(queries_->dead_letters(by_state)), IsEmpty());
}

// ------------------------------------------------------------------ definitions and the secret

TEST_P(QueriedStoreContract, DefinitionsAreVersionedByTheirContent) {
    const auto save = [this](const std::string& name, const std::string& source) {
        return value_of(
            store_->save_definition(name, source, name + ".toml", "sha of " + source, time_at(1)));
    };

    const auto first = save("greet", "one");
    const auto second = save("greet", "two");
    const auto same = save("greet", "two");
    const auto other = save("part", "one");

    EXPECT_EQ(first.version, 1U);
    EXPECT_EQ(second.version, 2U);
    EXPECT_TRUE(second.is_live);
    EXPECT_EQ(same.definition_id, second.definition_id);
    EXPECT_EQ(other.version, 1U);
    EXPECT_EQ(value_of(store_->needed_definitions()).size(), 2U);
    EXPECT_EQ(value_of(store_->definition(first.definition_id))->is_live, false);

    const auto back = save("greet", "one");
    EXPECT_EQ(back.definition_id, first.definition_id);
    EXPECT_EQ(back.version, 1U);
    EXPECT_TRUE(back.is_live);
    EXPECT_EQ(save("greet", "three").version, 3U);

    const auto versions = value_of(queries_->definitions("greet"));
    ASSERT_THAT(versions, SizeIs(3));
    EXPECT_EQ(versions[0].version, 3U);
    EXPECT_TRUE(versions[0].is_live);
    EXPECT_FALSE(versions[2].is_live);
    EXPECT_EQ(versions[2].source, "one");
    EXPECT_EQ(versions[2].file_name, "greet.toml");
    EXPECT_EQ(versions[2].created_at, time_at(1));
    const auto live = value_of(queries_->definitions(""));
    ASSERT_THAT(live, SizeIs(2));
    EXPECT_EQ(live[0].name, "greet");
    EXPECT_EQ(live[0].version, 3U);
    EXPECT_FALSE(value_of(store_->definition(4711)).has_value());
}

TEST_P(QueriedStoreContract, ADefinitionIsSavedOverTheOneThatWasSeenOnly) {
    const auto save = [this](const std::string& source, std::optional<std::uint64_t> seen) {
        return store_->save_definition("greet", source, "greet.toml", "sha of " + source, time_at(1), seen);
    };
    const auto is_stale = [](const Outcome<StoredDefinition>& saved) {
        return !saved && saved.error().code == make_error_code(StoreErrc::stale);
    };
    EXPECT_TRUE(is_stale(save("one", 4711))) << "there is none";
    EXPECT_THAT(value_of(queries_->definitions("greet")), IsEmpty());
    const auto first = value_of(save("one", {})).definition_id;
    const auto second = value_of(save("two", first)).definition_id;

    EXPECT_TRUE(is_stale(save("three", first)));
    EXPECT_TRUE(is_stale(save("one", first))) << "a rollback is a change, too";
    EXPECT_EQ(value_of(queries_->definitions("")).at(0).definition_id, second);
    EXPECT_EQ(value_of(save("two", first)).definition_id, second) << "a second try of what was done";

    EXPECT_TRUE(value_of(store_->retire_definition("greet")));
    EXPECT_TRUE(is_stale(save("two", first))) << "nothing is live: the newest is what was seen";
    EXPECT_TRUE(value_of(save("one", second)).is_live);
}

TEST_P(RunStoreContract, WhatOpenRunsBeganWithIsNeededThoughItIsNotLive) {
    auto owned = take(*store_, 0);
    const auto save = [this](const std::string& source) {
        return value_of(store_->save_definition("greet", source, "greet.toml", "sha of " + source, time_at(1))).definition_id;
    };
    const auto old = save("one");
    const auto live = save("two");
    auto first = birth(1, 1);
    first.created->definition_id = old;
    auto second = birth(2, 2);
    second.created->definition_id = live;
    commit(*store_, owned, {first, second});
    const auto needed = [this] {
        std::map<std::uint64_t, bool> all;
        for (const auto& one : value_of(store_->needed_definitions())) all[one.definition_id] = one.is_live;
        return all;
    };
    EXPECT_EQ(needed(), (std::map<std::uint64_t, bool>{{old, false}, {live, true}}));

    EXPECT_TRUE(value_of(store_->retire_definition("greet")));
    EXPECT_EQ(needed(), (std::map<std::uint64_t, bool>{{old, false}, {live, false}}));

    auto end = step(1, 2, 3);
    end.status = RunStatus::completed;
    end.closed_at = time_at(3);
    commit(*store_, owned, {end});
    EXPECT_EQ(needed(), (std::map<std::uint64_t, bool>{{live, false}}));
}

TEST_P(QueriedStoreContract, ARetiredDefinitionIsKeptAndLivesAgainWhenItIsSaved) {
    const auto save = [this](const std::string& source) {
        return value_of(store_->save_definition("greet", source, "greet.toml", "sha of " + source, time_at(1)));
    };
    save("one");
    const auto second = save("two");

    EXPECT_FALSE(value_of(store_->is_retired("greet", "sha of one"))) << "another version is live";
    EXPECT_TRUE(value_of(store_->retire_definition("greet")));
    EXPECT_TRUE(value_of(store_->is_retired("greet", "sha of one")));
    EXPECT_TRUE(value_of(store_->is_retired("greet", "sha of two")));
    EXPECT_FALSE(value_of(store_->is_retired("greet", "sha of three")));
    EXPECT_FALSE(value_of(store_->is_retired("nobody", "sha of one")));
    EXPECT_FALSE(value_of(store_->retire_definition("greet")));
    EXPECT_FALSE(value_of(store_->retire_definition("nobody")));

    EXPECT_THAT(value_of(store_->needed_definitions()), IsEmpty());
    EXPECT_THAT(value_of(queries_->definitions("")), IsEmpty());
    EXPECT_THAT(value_of(queries_->definitions("greet")), SizeIs(2));
    const auto kept = value_of(store_->definition(second.definition_id));
    ASSERT_TRUE(kept);
    EXPECT_FALSE(kept->is_live);
    const auto again = save("two");
    EXPECT_FALSE(value_of(store_->is_retired("greet", "sha of two")));
    EXPECT_TRUE(again.is_live);
    EXPECT_EQ(again.version, 2U);
}

TEST_P(QueriedStoreContract, TheSecretIsTheFirstCandidateForEver) {
    const std::string bytes("\0\x01\xFF'\"\\ secret of thirty-two bytes", 32);

    EXPECT_EQ(value_of(store_->secret(bytes)), bytes);
    EXPECT_EQ(value_of(store_->secret("another")), bytes);
    EXPECT_EQ(value_of(place_.store()->secret("third")), bytes);
}

// ------------------------------------------------------------------ queries

class RunStoreQueries : public QueriedStoreContract {
protected:
    RunStoreQueries() {
        owned_ = take(*store_, 1);
        std::vector<RunChange> runs;
        for (int run = 1; run <= 9; ++run) {
            RunChange change = birth(run, static_cast<std::uint64_t>(run));
            change.created->workflow = run % 3 == 0 ? "part" : "greet";
            change.status = run % 2 == 0 ? RunStatus::completed : RunStatus::failed;
            change.state = R"({"large":1})";
            change.output = fmt::format("{}", run);
            change.error = *change.output;
            runs.push_back(change);
        }
        commit(*store_, owned_, runs);
    }

    std::vector<int> numbers(const RunFilter& filter) {
        std::vector<int> found;
        for (const StoredRun& run : value_of(queries_->runs(filter)))
            found.push_back(std::stoi(run.error));
        return found;
    }

    OwnedPartition owned_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RunStoreQueries, real_stores, name_of);

TEST_P(RunStoreQueries, RunsAreListedNewestFirst) {
    EXPECT_THAT(numbers({}), ElementsAre(9, 8, 7, 6, 5, 4, 3, 2, 1));
    const auto runs = value_of(queries_->runs({}));
    EXPECT_EQ(runs[0].state, "");
    EXPECT_EQ(runs[0].input, "");
    EXPECT_FALSE(runs[0].output.has_value());
    EXPECT_EQ(runs[0].started_at, time_at(9));
}

TEST_P(RunStoreQueries, RunsAreFilteredAndPaged) {
    RunFilter filter;
    filter.workflow = "greet";
    EXPECT_THAT(numbers(filter), ElementsAre(8, 7, 5, 4, 2, 1));
    filter.status = RunStatus::failed;
    EXPECT_THAT(numbers(filter), ElementsAre(7, 5, 1));
    filter.workflow.clear();
    EXPECT_THAT(numbers(filter), ElementsAre(9, 7, 5, 3, 1));
    filter.limit = 2;
    EXPECT_THAT(numbers(filter), ElementsAre(9, 7));
    filter.before_run_id = run_id(7);
    EXPECT_THAT(numbers(filter), ElementsAre(5, 3));
    filter.limit = 0;
    EXPECT_THAT(numbers(filter), IsEmpty());
}

TEST_P(RunStoreQueries, ARunIsFoundByTheBeginningOfItsId) {
    EXPECT_EQ(value_of(queries_->run(run_id(4)))->run.output, "4");
    EXPECT_EQ(value_of(queries_->run("01890000-0004"))->run.output, "4");
    EXPECT_FALSE(value_of(queries_->run("01890000")).has_value()) << "several begin like this";
    EXPECT_FALSE(value_of(queries_->run("01890000-0044")).has_value());
    EXPECT_FALSE(value_of(queries_->run("0189")).has_value()) << "too short";
    EXPECT_FALSE(value_of(queries_->run("")).has_value());
    EXPECT_FALSE(value_of(queries_->run("not-an-id' or '1'='1")).has_value());
    EXPECT_FALSE(value_of(queries_->run(std::string(5000, '0'))).has_value());
}

TEST_P(RunStoreQueries, TheRowOfARunComesAlone) {
    const auto row = value_of(queries_->run_row("01890000-0004")).value();
    EXPECT_EQ(row.run_id, run_id(4));
    EXPECT_EQ(row.output, "4");
    EXPECT_EQ(row.state, "");
    EXPECT_EQ(row.input, "");
    EXPECT_EQ(row.version, value_of(queries_->run(run_id(4)))->run.version);
    EXPECT_FALSE(value_of(queries_->run_row("01890000")).has_value()) << "several begin like this";
    EXPECT_FALSE(value_of(queries_->run_row("nonsense")).has_value());
}

TEST_P(RunStoreQueries, HistoryComesInPages) {
    commit(*store_, owned_, {step(4, 2, 10), step(5, 2, 11)});
    commit(*store_, owned_, {step(4, 3, 12)});

    const auto details = value_of(queries_->run(run_id(4))).value();
    const auto all = value_of(queries_->history_after(run_id(4), 0, 10));
    const auto first = value_of(queries_->history_after(run_id(4), 0, 2));
    const auto later = value_of(queries_->history_after(run_id(4), 1, 2));

    EXPECT_EQ(details.run.state, "") << "nobody is shown it";
    EXPECT_EQ(details.run.input, R"({"name":"Ada"})");
    ASSERT_THAT(all.rows, SizeIs(3));
    EXPECT_FALSE(all.has_more);
    EXPECT_EQ(all.rows[2].pseq, 12U);
    ASSERT_THAT(first.rows, SizeIs(2));
    EXPECT_TRUE(first.has_more);
    ASSERT_THAT(later.rows, SizeIs(2));
    EXPECT_EQ(later.rows[0].seq, 2U);
    EXPECT_FALSE(later.has_more);
    EXPECT_THAT(value_of(queries_->history_after("nonsense", 0, 10)).rows, IsEmpty());
}

TEST_P(RunStoreQueries, APageOfHistoryEndsBehindSoManyBytes) {
    RunChange large = step(4, 2, 11);
    large.events = "[\"" + std::string(history_page_bytes_max, 'x') + "\"]";
    commit(*store_, owned_, {large});
    commit(*store_, owned_, {step(4, 3, 12)});

    const HistoryPage first = value_of(queries_->history_after(run_id(4), 0, 10));
    const HistoryPage second = value_of(queries_->history_after(run_id(4), first.rows.back().seq, 10));

    ASSERT_THAT(first.rows, SizeIs(2));
    EXPECT_EQ(first.rows[1].events, large.events);
    EXPECT_TRUE(first.has_more);
    ASSERT_THAT(second.rows, SizeIs(1));
    EXPECT_FALSE(second.has_more);
}

TEST_P(RunStoreQueries, CountsGroupByWorkflowAndStatus) {
    const auto counts = value_of(queries_->counts());

    ASSERT_THAT(counts, SizeIs(4));
    EXPECT_EQ(counts[0].workflow, "greet");
    EXPECT_EQ(counts[0].status, RunStatus::completed);
    EXPECT_EQ(counts[0].count, 3U);
    EXPECT_EQ(counts[3].workflow, "part");
    EXPECT_EQ(counts[3].status, RunStatus::failed);
    EXPECT_EQ(counts[3].count, 2U);
}

// ------------------------------------------------------------------ whatever people write

TEST_P(QueriedStoreContract, TextsComeBackAsTheyWere) {
    const std::string texts[] = {
        "'; drop table run; --",
        "$1 {} %s \\x00 \\\\ \"quoted\" {a,b} NULL \n\r\t",
        "grüße 日本語 🦊 \u200b\u202e e\u0301",
        R"({"escaped":"\u0000 \ud83e\udd8a","number":12345678901234567890.10,"b":1,"a":2})",
        "",
        "null",
        "NULL",
        "{}",
    };
    OwnedPartition owned = take(*store_, 1);
    int run = 0;
    for (const std::string& text : texts) {
        ++run;
        RunChange change = keyed(run, static_cast<std::uint64_t>(run), "key " + text);
        change.created->workflow = "w " + text;
        change.created->input = text;
        change.state = text;
        change.output = text;
        change.error = text;
        change.events = text;
        change.dead_letters = {letter(run, text)};
        const Committed committed = commit(*store_, owned, {change});
        ASSERT_THAT(committed.lost, IsEmpty()) << text;

        const StoredRun stored = load_one(*store_, run).value();
        EXPECT_EQ(stored.workflow, "w " + text);
        EXPECT_EQ(stored.input, text);
        EXPECT_EQ(stored.state, text);
        EXPECT_EQ(stored.output, text);
        EXPECT_EQ(stored.error, text);
        const auto details = value_of(queries_->run(run_id(run))).value();
        EXPECT_EQ(value_of(queries_->history_after(details.run.run_id, 0, 1)).rows.at(0).events, text);
        EXPECT_EQ(details.dead_letters.at(0).step, text);
        RunFilter filter;
        filter.workflow = "w " + text;
        EXPECT_THAT(value_of(queries_->runs(filter)), SizeIs(1)) << text;
        EXPECT_THAT(commit(*store_, owned, {keyed(90 + run, 90, "key " + text)}).duplicates,
                    IsEmpty())
            << "another workflow";
    }
}

TEST_P(QueriedStoreContract, ADocumentOfAMebibyteComesBack) {
    std::string document = R"({"text":")";
    while (document.size() < 1024 * 1024)
        document += "ünïcödé \\\" ";
    document += "\"}";
    OwnedPartition owned = take(*store_, 1);
    RunChange change = birth(1, 1);
    change.state = document;
    change.created->input = document;
    change.events = document;
    change.output = document;

    commit(*store_, owned, {change, birth(2, 2)});

    EXPECT_TRUE(load_one(*store_, 1)->state == document);
    EXPECT_TRUE(load_one(*store_, 1)->input == document);
    EXPECT_TRUE(value_of(store_->history_above(1, 0, 10)).at(0).events == document);
    EXPECT_TRUE(value_of(queries_->run(run_id(1)))->run.output == document);
}

TEST_P(QueriedStoreContract, NoBytesCanMakeABatchFail) {
    const std::string bytes[] = {
        std::string("a\0b", 3), "\xFF\xFE", "\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80", "ok\x80",
    };
    OwnedPartition owned = take(*store_, 1);
    int run = 0;
    for (const std::string& text : bytes) {
        ++run;
        RunChange change = keyed(run, static_cast<std::uint64_t>(run), text);
        change.error = text;
        change.events = text;
        EXPECT_THAT(commit(*store_, owned, {change}).lost, IsEmpty());
        EXPECT_TRUE(load_one(*store_, run).has_value());
        EXPECT_THAT(commit(*store_, owned, {change}).lost, IsEmpty()) << "made again";
        RunFilter filter;
        filter.workflow = text;
        EXPECT_THAT(value_of(queries_->runs(filter)), IsEmpty());
    }
}

TEST_P(QueriedStoreContract, TheRowOfATriggerIsChangedByWhoReadItsLastVersion) {
    EXPECT_THAT(value_of(store_->triggers()), IsEmpty());
    const TriggerRow first{"nightly", "cron", 1, R"({"cursor":1})"};
    const TriggerRow other{"nightly", "evening", 1, "{}"};
    const std::vector<TriggerRow> both{first, other};
    EXPECT_THAT(value_of(store_->save_triggers(both)), IsEmpty());
    EXPECT_THAT(value_of(store_->save_triggers(std::vector{first})), ElementsAre(0)) << "it is there already";

    TriggerRow next{"nightly", "cron", 2, R"({"cursor":2})"};
    EXPECT_THAT(value_of(store_->save_triggers(std::vector{next})), IsEmpty());
    next.state = R"({"cursor":3})";
    const TriggerRow unknown{"none", "cron", 7, "{}"};
    EXPECT_THAT(value_of(store_->save_triggers(std::vector{next, TriggerRow{"nightly", "evening", 2, "[]"}, unknown})),
                ElementsAre(0, 2))
        << "somebody else was faster; the others are written";

    const auto rows = value_of(store_->triggers());
    ASSERT_THAT(rows, SizeIs(2));
    EXPECT_EQ(rows[0].state, R"({"cursor":2})");
    EXPECT_EQ(rows[0].version, 2U);
    EXPECT_EQ(rows[1].trigger, "evening");
    EXPECT_EQ(rows[1].state, "[]");
}

} // namespace baton::db::testing
