// What a store keeps beside runs: slots of concurrency keys, pauses, bulk jobs; and the look at all
// that does not go with the runs, which finds each kind of damage and puts it right. Every store.
#include "db/sqlite.hpp"
#include "tests/db/store_kit.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <pqxx/connection>
#include <pqxx/nontransaction>

#include <algorithm>
#include <set>

namespace baton::db::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class BesideRuns : public ::testing::TestWithParam<Place::Kind> {
protected:
    Place place_{GetParam()};
    std::unique_ptr<RunStore> store_ = place_.store();
};
class BesideRunsOnDisk : public BesideRuns {
protected:
    void damage(const std::string& sql) {
        if (GetParam() == Place::Kind::postgres) {
            pqxx::connection connection(place_.url());
            pqxx::nontransaction(connection).exec(sql);
            return;
        }
        Sqlite database = value_of(Sqlite::open(place_.url().substr(std::string("sqlite:").size()),
                                                Sqlite::Access::write));
        ASSERT_TRUE(database.execute(sql));
    }
    std::vector<std::string> kinds() {
        std::vector<std::string> found;
        for (const IndexFault& one : value_of(queries_->index_faults(100)))
            found.push_back(one.kind);
        return found;
    }

    std::unique_ptr<RunQueries> queries_ = place_.queries();
};

std::string kind_name(const ::testing::TestParamInfo<Place::Kind>& info) {
    return info.param == Place::Kind::sqlite     ? "Sqlite"
           : info.param == Place::Kind::postgres ? "Postgres"
                                                 : "Simulated";
}

INSTANTIATE_TEST_SUITE_P(Stores, BesideRuns,
                         ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres,
                                           Place::Kind::simulated),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Stores, BesideRunsOnDisk,
                         ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres), kind_name);

RunChange slotted(int run, std::uint64_t pseq, RunStatus status, const std::string& key) {
    RunChange change = birth(run, pseq);
    change.status = status;
    change.created->tags = {{"label.team", "slot\":"}, {"slot", key}};
    return change;
}

TEST_P(BesideRuns, SlotsAreThoseOfOpenRunsOfThePartition) {
    OwnedPartition owned = take(*store_, 1), other = take(*store_, 2);
    RunChange without = birth(5, 5);
    without.status = RunStatus::running;
    without.created->tags = {{"label.team", "\"slot\":"}};
    RunChange closed = slotted(3, 3, RunStatus::completed, "ada");
    closed.closed_at = time_at(9);
    commit(*store_, owned,
           {slotted(1, 1, RunStatus::running, "ada \"a\""), slotted(2, 2, RunStatus::queued, "bob"),
            closed, slotted(4, 4, RunStatus::paused, "eve"), without});
    commit(*store_, other, {slotted(6, 1, RunStatus::running, "ada")});

    std::vector<std::string> found;
    for (const StoredSlot& one : value_of(store_->slots(1)))
        found.push_back(one.run_id.substr(9, 4) + one.workflow + one.key +
                        (one.is_waiting ? " waits" : ""));
    const auto tail = [](int run) { return run_id(run).substr(9, 4); };
    EXPECT_THAT(found, UnorderedElementsAre(tail(1) + "greetada \"a\"", tail(2) + "greetbob waits",
                                            tail(4) + "greeteve"));
    EXPECT_THAT(value_of(store_->open_runs(1, "", 9)),
                ElementsAre(run_id(1), run_id(2), run_id(4), run_id(5)));
}

TEST_P(BesideRuns, AStartKeyIsKnownUntilItExpires) {
    OwnedPartition owned = take(*store_, 1);
    RunChange change = birth(1, 1);
    change.created->start_key = StartKey{"order", std::string(32, 'x'), time_at(50)};
    commit(*store_, owned, {change});
    EXPECT_TRUE(value_of(store_->has_start_key("greet", "order", time_at(49))));
    EXPECT_FALSE(value_of(store_->has_start_key("greet", "order", time_at(50))));
    EXPECT_FALSE(value_of(store_->has_start_key("other", "order", time_at(49))));
}

TEST_P(BesideRuns, RunsOfATagAreCountedOpenOrNotInAllPartitionsToALimit) {
    OwnedPartition owned = take(*store_, 1), other = take(*store_, 2);
    const auto of = [](int run, std::uint64_t pseq, const std::string& root) {
        RunChange change = birth(run, pseq);
        change.created->tags = {{"root", root}};
        return change;
    };
    RunChange closed = of(2, 2, "a");
    closed.status = RunStatus::completed;
    closed.closed_at = time_at(9);
    commit(*store_, owned, {of(1, 1, "a"), closed, of(3, 3, "b")});
    commit(*store_, other, {of(4, 1, "a")});
    EXPECT_EQ(value_of(store_->runs_of_tag({"root", "a"}, 100)), 3u);
    EXPECT_EQ(value_of(store_->runs_of_tag({"root", "a"}, 2)), 2u);
    EXPECT_EQ(value_of(store_->runs_of_tag({"root", "c"}, 100)), 0u);
    EXPECT_EQ(value_of(store_->runs_of_tag({"label.root", "a"}, 100)), 0u);
}

std::vector<std::string> runs_of(const std::vector<EventWait>& waits) {
    std::vector<std::string> runs;
    for (const EventWait& one : waits)
        runs.push_back(one.run_id);
    return runs;
}

TEST_P(BesideRuns, WaitsForEventsAreFoundByTheirKey) {
    const std::vector<EventWait> waits{
        {"a", run_id(1), 1}, {"b", run_id(1), 1}, {"a", run_id(2), 2}, {"a", run_id(3), 1}};
    ASSERT_TRUE(store_->add_event_waits(waits));
    ASSERT_TRUE(store_->add_event_waits(waits)); // told twice, they are there once
    EXPECT_THAT(runs_of(value_of(store_->event_waits("a", "", 9))),
                ElementsAre(run_id(1), run_id(2), run_id(3)));
    EXPECT_THAT(runs_of(value_of(store_->event_waits("a", run_id(1), 1))), ElementsAre(run_id(2)));
    ASSERT_TRUE(store_->remove_event_waits(
        std::vector<EventWait>{{"a", run_id(1), 1}, {"", run_id(3), 1}}));
    EXPECT_THAT(runs_of(value_of(store_->event_waits("a", "", 9))), ElementsAre(run_id(2)));
    EXPECT_THAT(runs_of(value_of(store_->event_waits("b", "", 9))), ElementsAre(run_id(1)));
}

TEST_P(BesideRuns, OneOfAHundredThousandWaitsIsFoundAtOnce) {
    std::vector<EventWait> waits;
    for (int i = 0; i < 100'000; ++i)
        waits.push_back({fmt::format("{:032}", i), run_id(i), static_cast<Partition>(i % 16)});
    // Never so many at once in a server either, whose statements have their time.
    const std::span<const EventWait> all(waits);
    for (std::size_t at = 0; at < all.size(); at += 2000)
        if (const auto added = store_->add_event_waits(
                all.subspan(at, std::min<std::size_t>(2000, all.size() - at)));
            !added)
            FAIL() << added.error().detail;
    Duration fastest = std::chrono::seconds(9);
    for (int i = 0; i < 50; ++i) {
        const Time began = SystemClock{}.now();
        const auto found =
            value_of(store_->event_waits(fmt::format("{:032}", 77'777 + i), "", 500));
        fastest = std::min(fastest, SystemClock{}.now() - began);
        ASSERT_THAT(runs_of(found), ElementsAre(run_id(77'777 + i)));
    }
    EXPECT_LT(fastest, std::chrono::milliseconds(1));
}

TEST_P(BesideRuns, EventsAreKeptAWhileAndOfferedToWhoBeganToWait) {
    const KeptEvent first{"a", "one", time_at(1), time_at(9), "{\"id\":\"one\"}"};
    const KeptEvent second{"a", "two", time_at(2), time_at(5), "{}"};
    ASSERT_TRUE(store_->keep_events(std::vector<KeptEvent>{second, first}));
    KeptEvent again = first;
    again.at = time_at(4);
    ASSERT_TRUE(store_->keep_events(std::vector<KeptEvent>{again})); // what is there stays
    const std::vector<std::string> keys{"a", "b"};
    const auto kept = value_of(store_->kept_events(keys, time_at(3)));
    ASSERT_THAT(kept, SizeIs(2));
    EXPECT_EQ(kept[0].id + kept[0].event, first.id + first.event);
    EXPECT_EQ(kept[0].at, first.at);
    EXPECT_EQ(kept[1].id, "two");
    EXPECT_THAT(value_of(store_->kept_events(keys, time_at(5))), SizeIs(1));

    ASSERT_TRUE(store_->add_event_waits(
        std::vector<EventWait>{{"a", run_id(1), 1}, {"b", run_id(2), 1}, {"a", run_id(3), 2}}));
    const auto offers = value_of(store_->event_offers(1, time_at(5)));
    ASSERT_THAT(offers, SizeIs(1));
    EXPECT_EQ(offers[0].run_id + offers[0].event.id, run_id(1) + "one");
    ASSERT_TRUE(store_->forget_events(time_at(9)));
    EXPECT_THAT(value_of(store_->kept_events(keys, time_at(0))), IsEmpty());
}

TEST_P(BesideRuns, ShapesOfEventsStayWithTheLongestKeeping) {
    ASSERT_TRUE(store_->add_event_shapes(std::vector<StoredShape>{
        {"paid", "[]", std::chrono::hours(2)}, {"paid", "[\"data.id\"]", {}}}));
    ASSERT_TRUE(
        store_->add_event_shapes(std::vector<StoredShape>{{"paid", "[]", std::chrono::hours(1)}}));
    auto shapes = value_of(store_->event_shapes("paid"));
    ASSERT_THAT(shapes, SizeIs(2));
    std::sort(shapes.begin(), shapes.end(),
              [](const auto& a, const auto& b) { return a.paths < b.paths; });
    EXPECT_EQ(shapes[1].paths, "[]");
    EXPECT_EQ(shapes[1].keep, Duration(std::chrono::hours(2)));
    EXPECT_THAT(value_of(store_->event_shapes("sent")), IsEmpty());
}

TEST_P(BesideRuns, APauseIsKeptReplacedAndRemoved) {
    ASSERT_TRUE(
        store_->save_pause({PauseKind::task, "mail.create", "ada", "it's moving", time_at(1), {}}));
    ASSERT_TRUE(
        store_->save_pause({PauseKind::workflow, "mail.create", "bob", "", time_at(2), {}}));
    ASSERT_TRUE(store_->save_pause(
        {PauseKind::task, "mail.create", "ada", "it's moving", time_at(1), time_at(3)}));
    auto pauses = value_of(store_->pauses());
    ASSERT_THAT(pauses, SizeIs(2));
    std::sort(pauses.begin(), pauses.end(),
              [](const auto& a, const auto& b) { return a.kind < b.kind; });
    EXPECT_EQ(pauses[0].actor, "bob");
    EXPECT_EQ(pauses[0].ended_at, std::nullopt);
    EXPECT_EQ(pauses[1].reason, "it's moving");
    EXPECT_EQ(pauses[1].at, time_at(1));
    EXPECT_EQ(pauses[1].ended_at, time_at(3));
    ASSERT_TRUE(store_->remove_pause(PauseKind::task, "mail.create"));
    EXPECT_THAT(value_of(store_->pauses()), SizeIs(1));
}

TEST_P(BesideRunsOnDisk, AJobIsThereOnceAndGoesOnFromWhereItWas) {
    RunJob job;
    job.key = "k";
    job.node = "here";
    job.at = time_at(1);
    job.actor = "ada";
    job.action = R"({"action":"pause"})";
    job.query = "status:running";
    job.interval = std::chrono::milliseconds(250);
    job.stop_after = 3;
    job.total = 12;
    job.total_is_exact = false;
    RunJob kept = value_of(store_->add_run_job(job));
    EXPECT_EQ(value_of(store_->add_run_job(job)).id, kept.id);
    kept.cursor = "place";
    kept.done = 4;
    kept.refused = 1;
    kept.note = "run x: no";
    ASSERT_TRUE(store_->save_run_job(kept));
    const auto running = value_of(store_->running_run_jobs("here"));
    ASSERT_THAT(running, SizeIs(1));
    EXPECT_EQ(running[0].cursor, "place");
    EXPECT_EQ(running[0].interval, std::chrono::milliseconds(250));
    EXPECT_EQ(running[0].query, "status:running");
    kept.state = DeadJobState::stopped;
    kept.closed_at = time_at(7);
    ASSERT_TRUE(store_->save_run_job(kept));
    EXPECT_THAT(value_of(store_->running_run_jobs("here")), IsEmpty());
    const auto seen = value_of(queries_->run_jobs(kept.id, 1));
    ASSERT_THAT(seen, SizeIs(1));
    EXPECT_EQ(seen[0].closed_at, time_at(7));
    EXPECT_EQ(seen[0].at, time_at(1));
    EXPECT_EQ(seen[0].total, 12U);
    EXPECT_FALSE(seen[0].total_is_exact);
    EXPECT_THAT(value_of(queries_->run_jobs(std::nullopt, 9)), SizeIs(1));
    EXPECT_THAT(value_of(queries_->run_jobs(kept.id + 1, 9)), IsEmpty());
}

TEST_P(BesideRunsOnDisk, ARecordIsAllThatIsSaidOfARun) {
    OwnedPartition owned = take(*store_, 1);
    RunChange change = birth(1, 1);
    change.status = RunStatus::running;
    change.alarm = AlarmChange{time_at(30)};
    change.dead_letters = {letter(1, "mailbox"), letter(1, "")};
    commit(*store_, owned, {change});
    const auto record = value_of(queries_->record(run_id(1)));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->run.state, change.state);
    EXPECT_EQ(record->run.input, R"({"name":"Ada"})");
    EXPECT_EQ(record->alarm, time_at(30));
    ASSERT_THAT(record->open_letters, SizeIs(1));
    EXPECT_EQ(record->open_letters[0].step, "mailbox");
    EXPECT_FALSE(value_of(queries_->record(run_id(2))));
}

TEST_P(BesideRunsOnDisk, WhatDoesNotGoWithTheRunsIsFoundAndPutRight) {
    OwnedPartition owned = take(*store_, 1);
    RunChange change = birth(1, 1);
    change.status = RunStatus::running;
    change.created->tags = {{"input.who", "Ada's"}, {"label.team", "ops"}};
    change.created->start_key = StartKey{"order", std::string(32, 'x'), {}};
    change.alarm = AlarmChange{time_at(30)};
    RunChange doomed = birth(2, 2);
    doomed.status = RunStatus::failed;
    doomed.closed_at = time_at(9);
    doomed.created->tags = {{"label.team", "hr"}};
    doomed.created->start_key = StartKey{"other", std::string(32, 'x'), {}};
    doomed.dead_letters = {letter(2, "mailbox"), letter(2, "")};
    commit(*store_, owned, {change, doomed});
    owned.published = owned.pseq;
    commit(*store_, owned, {});
    EXPECT_THAT(kinds(), IsEmpty());

    damage("delete from run_tag where name = 'input.who'");
    EXPECT_THAT(kinds(), ElementsAre("label"));
    damage("delete from run where run_id = '" + run_id(2) + "'");
    damage("update run set status = 6, closed_at = started_at where run_id = '" + run_id(1) + "'");
    const auto found = kinds();
    EXPECT_THAT(std::multiset<std::string>(found.begin(), found.end()),
                ElementsAre("dead_letter", "due_time", "history", "label", "label", "start_key"));
    EXPECT_THAT(value_of(queries_->index_faults(100))[0].what, HasSubstr("label.team"));

    EXPECT_EQ(value_of(store_->mend_indexes({"ada", "of no run", 0}, time_at(99))), 6U);
    EXPECT_THAT(kinds(), IsEmpty());
    DeadLetterFilter dropped;
    dropped.state = DeadLetterState::dropped;
    const auto letters = value_of(queries_->dead_letters(dropped));
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].close_reason, "of no run");
    EXPECT_EQ(letters[0].closed_at, time_at(99));
    EXPECT_EQ(value_of(store_->mend_indexes({"ada", "of no run", 0}, time_at(99))), 0U) << "once";
}

namespace {

RunLogLine line(int run, std::string text) {
    return {run_id(run), 0, time_at(5), "lock.mail:undo", 2, "warning", std::move(text)};
}
std::vector<std::string> texts(const RunLogPage& page) {
    std::vector<std::string> all;
    for (const RunLogLine& one : page.lines)
        all.push_back(one.text);
    return all;
}

} // namespace

TEST_P(BesideRunsOnDisk, LinesOfWorkersAreNumberedByRun) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1), birth(2, 2)});

    ASSERT_TRUE(store_->add_log_lines(std::vector{line(1, "a"), line(2, "x"), line(1, "b")}, {}));
    ASSERT_TRUE(store_->add_log_lines(std::vector{line(1, "c"), line(77, "of no run")}, {}));

    const RunLogPage page = value_of(queries_->log_lines(run_id(1), 0, 10));
    EXPECT_THAT(texts(page), ElementsAre("a", "b", "c"));
    EXPECT_EQ(page.dropped, 0U);
    EXPECT_FALSE(page.has_more);
    EXPECT_EQ(page.lines[2].number, 3U);
    EXPECT_EQ(page.lines[2].at, time_at(5));
    EXPECT_EQ(page.lines[2].step, "lock.mail:undo");
    EXPECT_EQ(page.lines[2].attempt, 2U);
    EXPECT_EQ(page.lines[2].level, "warning");
    const RunLogPage first = value_of(queries_->log_lines(run_id(1), 1, 1));
    EXPECT_THAT(texts(first), ElementsAre("b"));
    EXPECT_TRUE(first.has_more);
    EXPECT_THAT(texts(value_of(queries_->log_lines(run_id(2), 0, 10))), ElementsAre("x"));
    EXPECT_THAT(texts(value_of(queries_->log_lines(run_id(77), 0, 10))), IsEmpty());
}

// A server was killed between the commit and the acknowledgement.
TEST_P(BesideRunsOnDisk, ALineThatTheBrokerBringsAgainIsKeptOnce) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1)});
    ASSERT_TRUE(store_->add_log_lines(std::vector{line(1, "a"), line(1, "a"), line(1, "b")}, {}));
    auto again = std::vector{line(1, "a"), line(1, "b"), line(1, "c")};
    for (auto& one : again)
        one.came_before = true;
    again[1].level = "error"; // another line
    ASSERT_TRUE(store_->add_log_lines(again, {}));
    EXPECT_THAT(texts(value_of(queries_->log_lines(run_id(1), 0, 10))),
                ElementsAre("a", "a", "b", "b", "c"));
}

TEST_P(BesideRunsOnDisk, OfManyLinesTheOldestGoAndThatIsSaid) {
    OwnedPartition owned = take(*store_, 1);
    commit(*store_, owned, {birth(1, 1), birth(2, 2)});
    ASSERT_TRUE(store_->add_log_lines(std::vector{line(2, "stays")}, {}));

    for (const char* text : {"a", "b", "c", "d", "e"})
        ASSERT_TRUE(store_->add_log_lines(std::vector{line(1, text)}, {.lines = 3}));
    RunLogPage page = value_of(queries_->log_lines(run_id(1), 0, 10));
    EXPECT_THAT(texts(page), ElementsAre("c", "d", "e"));
    EXPECT_EQ(page.dropped, 2U);

    ASSERT_TRUE(store_->add_log_lines(
        std::vector{line(1, std::string(90, '1')), line(1, "\u00e4\u00e4\u00e4\u00e4\u00e4")},
        {.bytes = 100}));
    page = value_of(queries_->log_lines(run_id(1), 0, 10));
    EXPECT_THAT(page.lines, SizeIs(2)) << "a hundred bytes, not characters";
    EXPECT_EQ(page.dropped, 5U);
    ASSERT_TRUE(store_->add_log_lines(std::vector{line(1, "f")}, {.bytes = 100}));
    EXPECT_THAT(value_of(queries_->log_lines(run_id(1), 0, 10)).lines, SizeIs(2));
    EXPECT_THAT(texts(value_of(queries_->log_lines(run_id(2), 0, 10))), ElementsAre("stays"));
}

namespace {

KeptAnswer asked(std::string name, std::string owner, int second) {
    return {std::move(name), "f", std::move(owner), time_at(second), 0, {}};
}

} // namespace

TEST_P(BesideRunsOnDisk, ViewsAreEachUsersOwn) {
    const auto names = [&](const std::string& user) {
        std::vector<std::string> all;
        for (const SavedView& view : value_of(queries_->views(user)))
            all.push_back(view.name + "=" + view.query);
        return all;
    };
    EXPECT_TRUE(value_of(store_->save_view({"ada", "b", "status:failed", time_at(1)}, 2)));
    EXPECT_TRUE(value_of(store_->save_view({"ada", "\u00e4 \"x\"", "", time_at(1)}, 2)));
    EXPECT_FALSE(value_of(store_->save_view({"ada", "c", "", time_at(1)}, 2)))
        << "two are as many as may be";
    EXPECT_TRUE(value_of(store_->save_view({"ada", "b", "since:1h", time_at(5)}, 2)))
        << "instead of the first";
    EXPECT_TRUE(value_of(store_->save_view({"bob", "b", "key:x", time_at(1)}, 2)));
    EXPECT_THAT(names("ada"), ElementsAre("b=since:1h", "\u00e4 \"x\"="));
    EXPECT_EQ(value_of(queries_->views("ada"))[0].at, time_at(5));
    EXPECT_TRUE(value_of(store_->remove_view("ada", "b")));
    EXPECT_FALSE(value_of(store_->remove_view("ada", "b")));
    EXPECT_THAT(names("ada"), SizeIs(1));
    EXPECT_THAT(names("bob"), ElementsAre("b=key:x"));
}

TEST_P(BesideRunsOnDisk, AnAnswerIsKeptForWhoBeganItFirst) {
    const auto other = place_.store();
    const KeptAnswer first = asked("ada\nk", "a/1", 10);
    EXPECT_EQ(value_of(store_->begin_answer(first, time_at(0))).owner, "a/1");
    KeptAnswer second = asked("ada\nk", "b/1", 11);
    KeptAnswer there = value_of(other->begin_answer(second, time_at(0)));
    EXPECT_EQ(there.owner, "a/1");
    EXPECT_EQ(there.status, 0U);
    EXPECT_EQ(there.at, time_at(10));
    EXPECT_EQ(value_of(other->begin_answer(asked("bob\nk", "b/2", 11), time_at(0))).owner, "b/2");

    second.status = 500;
    ASSERT_TRUE(other->keep_answer(second)) << "and does nothing: it is another one's";
    KeptAnswer answered = first;
    answered.status = 201;
    answered.body = "{\"run\":\"\u00e4\"}";
    ASSERT_TRUE(store_->keep_answer(answered));
    there = value_of(other->begin_answer(asked("ada\nk", "b/3", 12), time_at(0)));
    EXPECT_EQ(there.status, 201U);
    EXPECT_EQ(there.body, answered.body);
    EXPECT_EQ(there.fingerprint, "f");
    EXPECT_FALSE(value_of(other->take_answer_over(there, "b/3"))) << "it has its answer";
    ASSERT_TRUE(store_->drop_answer(first));
    EXPECT_EQ(value_of(store_->begin_answer(asked("ada\nk", "a/2", 12), time_at(0))).status, 201U);
}

TEST_P(BesideRunsOnDisk, AnAnswerThatNobodyGaveIsTakenOverOnceAndForgottenInTime) {
    const KeptAnswer first = asked("ada\nk", "a/1", 10);
    ASSERT_TRUE(store_->begin_answer(first, time_at(0)));
    EXPECT_TRUE(value_of(store_->take_answer_over(first, "b/1")));
    EXPECT_FALSE(value_of(store_->take_answer_over(first, "c/1")));
    ASSERT_TRUE(store_->drop_answer(first)) << "it is another one's by now";
    EXPECT_EQ(value_of(store_->begin_answer(asked("ada\nk", "d/1", 11), time_at(0))).owner, "b/1");

    for (int number = 0; number < 300; ++number)
        ASSERT_TRUE(
            store_->begin_answer(asked(fmt::format("eve\n{}", number), "e", 12), time_at(0)));
    EXPECT_EQ(value_of(store_->begin_answer(asked("eve\n299", "f", 100), time_at(50))).owner, "f")
        << "the one that is asked for is forgotten, however many there are";
    EXPECT_EQ(value_of(store_->begin_answer(asked("ada\nk", "d/2", 100), time_at(10))).owner, "d/2")
        << "the oldest went first";
}

} // namespace baton::db::testing
