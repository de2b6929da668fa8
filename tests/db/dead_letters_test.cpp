// Dead letters in groups, filters and bulk jobs over them: the contract of every store.
#include "orchestrator/runtime/dead_cause.hpp"
#include "tests/db/store_kit.hpp"

#include "db/sqlite.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>

namespace baton::db::testing {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace {

class DeadLetterContract : public ::testing::TestWithParam<Place::Kind> {
protected:
    // Letters of no run, in one commit.
    void add(std::vector<DeadLetter> letters) {
        Batch batch;
        batch.fences = {owned_};
        batch.plain_dead_letters = std::move(letters);
        value_of(store_->commit(batch));
    }
    void close(std::uint64_t id, DeadLetterState state, const Closing& closing) {
        Batch batch;
        batch.fences = {owned_};
        (state == DeadLetterState::dropped ? batch.dropped_dead_letters : batch.redriven_dead_letters) = {id};
        batch.closings[id] = closing;
        value_of(store_->commit(batch));
    }
    std::vector<std::uint64_t> ids(const DeadLetterFilter& filter) { return value_of(store_->dead_letter_ids(filter)); }

    Place place_{GetParam()};
    std::unique_ptr<RunStore> store_ = place_.store();
    OwnedPartition owned_ = take(*store_, 1);
};

class QueriedDeadLetters : public DeadLetterContract {
protected:
    std::unique_ptr<RunQueries> queries_ = place_.queries();
};

std::string name_of_place(const ::testing::TestParamInfo<Place::Kind>& info) {
    switch (info.param) {
    case Place::Kind::sqlite: return "Sqlite";
    case Place::Kind::postgres: return "Postgres";
    case Place::Kind::simulated: return "Simulated";
    }
    return "";
}

INSTANTIATE_TEST_SUITE_P(Stores, DeadLetterContract,
                         ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres, Place::Kind::simulated), name_of_place);
INSTANTIATE_TEST_SUITE_P(Stores, QueriedDeadLetters, ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres),
                         name_of_place);

DeadLetter plain(int second, const std::string& task, const std::string& detail) {
    DeadLetter made = letter(1, "");
    made.run_id.clear();
    made.at = time_at(second);
    made.task = task;
    made.error = R"({"detail":")" + detail + "\"}";
    return made;
}

DeadJob job_over(const std::string& task) {
    DeadJob job;
    job.key = "k-" + task;
    job.at = time_at(1);
    job.actor = "ada";
    job.filter.task = task;
    job.interval = std::chrono::milliseconds(200);
    job.stop_after = 3;
    job.reason = "the mail server is back";
    return job;
}

TEST_P(DeadLetterContract, AFilterSaysWhich) {
    DeadLetter other = plain(3, "b", "user 3");
    other.workflow = "other";
    other.error_type = "http.404";
    add({plain(1, "a", "user 1"), plain(2, "a", "user 2"), other, plain(4, "a", "gone")});
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "x")};
    commit(*store_, owned_, {failed});

    EXPECT_THAT(ids({}), ElementsAre(1, 2, 3, 4, 5));
    DeadLetterFilter one;
    one.task = "a";
    EXPECT_THAT(ids(one), ElementsAre(1, 2, 4));
    one.cause = cause_of(plain(9, "a", "user 77"));
    EXPECT_THAT(ids(one), ElementsAre(1, 2));
    one.after_id = 1;
    one.before_id = 2;
    EXPECT_THAT(ids(one), IsEmpty());
    DeadLetterFilter two;
    two.workflow = "other";
    EXPECT_THAT(ids(two), ElementsAre(3));
    two = {};
    two.error_type = "http.404";
    EXPECT_THAT(ids(two), ElementsAre(3));
    two = {};
    two.since = time_at(2);
    two.until = time_at(4);
    EXPECT_THAT(ids(two), ElementsAre(2, 3));
    two = {};
    two.run_id = run_id(1);
    EXPECT_THAT(ids(two), ElementsAre(5));
    two = {};
    two.limit = 2;
    EXPECT_THAT(ids(two), ElementsAre(1, 2));
    two.task = "'; drop table dead_letter; --";
    EXPECT_THAT(ids(two), IsEmpty());
    close(1, DeadLetterState::dropped, {});
    EXPECT_THAT(ids({}), ElementsAre(2, 3, 4, 5));
}

TEST_P(DeadLetterContract, WhoClosedItAndWhyStaysBesideIt) {
    add({plain(1, "a", "x"), plain(2, "a", "x")});
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "one"), letter(1, "two")};
    commit(*store_, owned_, {failed});

    close(1, DeadLetterState::dropped, {"ada", "they have left", 0});
    close(1, DeadLetterState::redriven, {"grace", "", 9}); // closed already
    RunChange revived = step(1, 2, 2);
    revived.redriven_steps = {"one", "two"};
    revived.closings["one"] = {"grace", "", 7};
    commit(*store_, owned_, {revived});

    const auto first = value_of(store_->dead_letter(1)).value();
    EXPECT_EQ(first.state, DeadLetterState::dropped);
    EXPECT_EQ(first.closed_by, "ada");
    EXPECT_EQ(first.close_reason, "they have left");
    EXPECT_EQ(first.job, 0U);
    EXPECT_EQ(value_of(store_->dead_letter(2))->closed_by, "");
    EXPECT_EQ(value_of(store_->dead_letter(3))->closed_by, "grace");
    EXPECT_EQ(value_of(store_->dead_letter(3))->job, 7U);
    EXPECT_EQ(value_of(store_->dead_letter(4))->state, DeadLetterState::redriven);
    EXPECT_EQ(value_of(store_->dead_letter(4))->closed_by, "");
}

TEST_P(DeadLetterContract, AJobIsThereOnceAndGoesOnWhereItWas) {
    add({plain(1, "a", "x"), plain(2, "b", "x"), plain(3, "a", "x")});

    DeadJob job = value_of(store_->add_dead_job(job_over("a")));
    const DeadJob again = value_of(store_->add_dead_job(job_over("a")));

    EXPECT_EQ(again.id, job.id);
    EXPECT_EQ(job.total, 2U);
    EXPECT_EQ(job.last_id, 3U);
    EXPECT_EQ(job.seen_id, 3U);
    EXPECT_EQ(job.actor, "ada");
    EXPECT_EQ(job.filter.task, "a");
    EXPECT_EQ(job.interval, std::chrono::milliseconds(200));
    EXPECT_EQ(job.stop_after, 3U);
    EXPECT_EQ(job.reason, "the mail server is back");
    EXPECT_FALSE(job.drops);
    close(1, DeadLetterState::redriven, {"ada", "", job.id});
    job.cursor = 1;
    job.done = 1;
    job.refused = 2;
    job.note = "dead letter 3: no";
    ASSERT_TRUE(store_->save_dead_job(job));

    store_.reset();
    store_ = place_.store();
    const auto running = value_of(store_->running_dead_jobs());
    ASSERT_THAT(running, SizeIs(1));
    EXPECT_EQ(running[0].cursor, 1U);
    EXPECT_EQ(running[0].done, 1U);
    EXPECT_EQ(running[0].refused, 2U);
    EXPECT_EQ(running[0].note, "dead letter 3: no");
    job.state = DeadJobState::cancelled;
    job.closed_at = time_at(9);
    job.done = 0; // counted anew
    ASSERT_TRUE(store_->save_dead_job(job));
    EXPECT_THAT(value_of(store_->running_dead_jobs()), IsEmpty());
}

TEST_P(DeadLetterContract, WhatDiesAgainIsFoundOnce) {
    RunChange failed = birth(1, 1);
    failed.dead_letters = {letter(1, "one"), letter(1, "two")};
    commit(*store_, owned_, {failed});
    add({plain(2, "a", "x")});
    const DeadJob job = value_of(store_->add_dead_job(job_over("mail.create")));
    RunChange revived = step(1, 2, 2);
    revived.redriven_steps = {"one"};
    revived.closings["one"] = {"ada", "", job.id};
    commit(*store_, owned_, {revived});
    close(3, DeadLetterState::redriven, {"ada", "", job.id});
    EXPECT_EQ(value_of(store_->died_again(job.id, job.seen_id)).count, 0U);

    RunChange dead = step(1, 3, 3);
    dead.dead_letters = {letter(1, "one"), letter(1, "two")}; // the second was not the job's
    commit(*store_, owned_, {dead});
    DeadLetter message = plain(5, "a", "x");
    message.again_of = 3;
    DeadLetter stranger = plain(5, "a", "x");
    stranger.again_of = 1000;
    add({message, stranger});

    const DiedAgain found = value_of(store_->died_again(job.id, job.seen_id));
    EXPECT_EQ(found.count, 2U);
    EXPECT_EQ(found.seen_id, 7U);
    EXPECT_EQ(value_of(store_->died_again(job.id, found.seen_id)).count, 0U);
    EXPECT_EQ(value_of(store_->died_again(job.id + 1, job.seen_id)).count, 0U);
}

TEST_P(QueriedDeadLetters, AreCountedByCause) {
    add({plain(1, "a", "user 17 unknown"), plain(2, "a", "user 18 unknown"), plain(3, "a", "user 19 locked"),
         plain(4, "b", "user 17 unknown"), plain(5, "a", "user 20 unknown")});
    close(5, DeadLetterState::dropped, {"ada", "why", 0});

    const auto groups = value_of(queries_->dead_groups(DeadLetterState::open, 10));

    ASSERT_THAT(groups, SizeIs(3));
    EXPECT_EQ(groups[0].count, 2U);
    EXPECT_EQ(groups[0].first, time_at(1));
    EXPECT_EQ(groups[0].last, time_at(2));
    EXPECT_EQ(groups[0].example.id, 2U);
    EXPECT_EQ(groups[0].example.task, "a");
    EXPECT_EQ(folded(detail_of(groups[0].example)), "user # unknown");
    EXPECT_EQ(groups[0].cause, value_of(queries_->dead_letter(1))->cause);
    EXPECT_THAT(value_of(queries_->dead_groups(DeadLetterState::open, 1)), SizeIs(1));
    EXPECT_EQ(value_of(queries_->dead_groups(std::nullopt, 10))[0].count, 3U);
    EXPECT_THAT(value_of(queries_->dead_groups(DeadLetterState::redriven, 10)), IsEmpty());
}

TEST_P(QueriedDeadLetters, JobsAreListedNewestFirst) {
    add({plain(1, "a", "x")});
    value_of(store_->add_dead_job(job_over("a")));
    value_of(store_->add_dead_job(job_over("b")));

    const auto jobs = value_of(queries_->dead_jobs(std::nullopt, 10));

    ASSERT_THAT(jobs, SizeIs(2));
    EXPECT_EQ(jobs[0].filter.task, "b");
    EXPECT_EQ(jobs[1].total, 1U);
    EXPECT_THAT(value_of(queries_->dead_jobs(jobs[1].id, 10)), SizeIs(1));
    EXPECT_THAT(value_of(queries_->dead_jobs(99, 10)), IsEmpty());
    EXPECT_THAT(value_of(queries_->dead_jobs(std::nullopt, 1)), SizeIs(1));
}

// A hundred thousand: counted in an index, whatever the letters hold.
TEST_P(QueriedDeadLetters, ManyAreCountedQuickly) {
    for (int page = 0; page < 100; ++page) {
        std::vector<DeadLetter> letters;
        for (int i = 0; i < 1000; ++i) letters.push_back(plain(page, "a", fmt::format("user {} unknown", page * 1000 + i)));
        add(std::move(letters));
    }
    const auto began = std::chrono::steady_clock::now();
    const auto groups = value_of(queries_->dead_groups(DeadLetterState::open, 10));
    const auto took = std::chrono::steady_clock::now() - began;

    ASSERT_THAT(groups, SizeIs(1));
    EXPECT_EQ(groups[0].count, 100'000U);
    EXPECT_LT(took, std::chrono::seconds(5)); // a tenth of a second on an idle machine
}

// As a release without causes left them.
TEST(DeadLettersOfAnOlderRelease, GetTheirCauseWhenTheStoreOpens) {
    Place place(Place::Kind::sqlite);
    auto store = place.store();
    OwnedPartition owned = take(*store, 1);
    Batch batch;
    batch.fences = {owned};
    for (int i = 0; i < 1200; ++i) batch.plain_dead_letters.push_back(plain(1, "a", fmt::format("user {} unknown", i)));
    value_of(store->commit(batch));
    store.reset();
    {
        auto database = value_of(Sqlite::open(place.url().substr(place.url().find(':') + 1), Sqlite::Access::write));
        ASSERT_TRUE(database.execute("update dead_letter set cause = ''"));
    }
    store = place.store();

    const auto groups = value_of(place.queries()->dead_groups(DeadLetterState::open, 10));
    ASSERT_THAT(groups, SizeIs(1));
    EXPECT_EQ(groups[0].count, 1200U);
    EXPECT_EQ(groups[0].cause, cause_of(plain(1, "a", "user 1 unknown")));
}

} // namespace

} // namespace baton::db::testing
