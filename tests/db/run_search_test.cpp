// The search of runs, one suite over the real stores: each condition, their order, pages that stand while runs
// come, and totals. What the indexes give is compared with what looking at every run gives.
#include "tests/db/store_kit.hpp"

#include "base/random.hpp"
#include "orchestrator/runtime/run_query.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <deque>
#include <set>

namespace baton::db::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

constexpr Time first_start = time_from_micros(1'767'225'600'000'000);

struct Made {
    std::string id;
    std::string workflow = "greet";
    RunStatus status = RunStatus::running;
    Time started;
    std::optional<Time> ended;
    std::vector<RunTag> tags;
    std::string error_type;
    std::string key;
};

std::string text(Time time) { return to_rfc3339(time); }

class RunSearchContract : public ::testing::TestWithParam<Place::Kind> {
protected:
    // `minute` after the first start.
    Made& add(int minute, const std::string& workflow = "greet") {
        Made& one = made_.emplace_back();
        one.started = first_start + std::chrono::minutes(minute);
        one.id = uuid_v7(millis_of(one.started), random_);
        one.workflow = workflow;
        return one;
    }

    void close(Made& one, RunStatus status, Duration after, const std::string& error = {}) {
        one.status = status;
        one.ended = one.started + after;
        one.error_type = error;
    }

    // All that were added since the last time, in commits of 500.
    void write() {
        while (written_ < made_.size()) {
            std::vector<RunChange> changes;
            for (; written_ < made_.size() && changes.size() < 500; ++written_) changes.push_back(change_of(made_[written_]));
            commit(*store_, owned_, std::move(changes));
        }
        for (const Made& one : made_)
            if (definitions_.insert(one.workflow).second)
                value_of(store_->save_definition(one.workflow, "workflow = 1", "w.toml", std::string(32, one.workflow[0]), first_start));
    }

    RunChange change_of(const Made& one) {
        RunChange change = birth(1, ++pseq_);
        change.run_id = one.id;
        change.created->workflow = one.workflow;
        change.created->started_at = one.started;
        change.created->tags = one.tags;
        if (!one.key.empty()) change.created->start_key = StartKey{one.key, std::string(32, 'i'), {}};
        change.status = one.status;
        change.closed_at = one.ended;
        change.error_type = one.error_type;
        return change;
    }

    static RunSearch search(const std::string& query) { return value_of(parse_run_query(query, first_start)); }

    RunPage page(const std::string& query, const std::string& from = {}, std::size_t limit = 100) {
        return value_of(queries_->search(search(query), from, limit));
    }

    std::vector<std::string> ids(const std::string& query) {
        std::vector<std::string> all;
        for (const StoredRun& run : page(query).runs) all.push_back(run.run_id);
        return all;
    }

    Place place_{GetParam()};
    std::unique_ptr<RunStore> store_ = place_.store();
    std::unique_ptr<RunQueries> queries_ = place_.queries();
    OwnedPartition owned_ = take(*store_, 1);
    std::deque<Made> made_;
    std::size_t written_ = 0;
    std::uint64_t pseq_ = 0;
    std::set<std::string> definitions_;
    Random random_{7};
};

INSTANTIATE_TEST_SUITE_P(Stores, RunSearchContract, ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres),
                         [](const auto& info) { return info.param == Place::Kind::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(RunSearchContract, EachConditionFindsItsRuns) {
    Made& ada = add(0);
    ada.tags = {{"input.user", "ada"}, {"label.team", "ops"}};
    ada.key = "order-1";
    close(ada, RunStatus::completed, 10min);
    Made& bob = add(10, "provision-user");
    bob.tags = {{"input.user", "bob"}, {"label.team", "ops"}};
    close(bob, RunStatus::failed, 5min, "mail.smtp");
    Made& eve = add(20, "provision-team");
    eve.tags = {{"input.user", "évelyne \"x\" O'Hara"}};
    eve.key = "order-2";
    Made& ned = add(30);
    close(ned, RunStatus::failed, 1min, "mail");
    write();

    EXPECT_THAT(ids(""), ElementsAre(ned.id, eve.id, bob.id, ada.id));
    EXPECT_THAT(ids("run:" + bob.id.substr(0, 13)), ElementsAre(bob.id));
    EXPECT_THAT(ids("run:" + bob.id + "," + ned.id), ElementsAre(ned.id, bob.id));
    EXPECT_THAT(ids("run:" + bob.id + " run:" + bob.id.substr(0, 13)), ElementsAre(bob.id));
    EXPECT_THAT(ids("run:" + ada.id + "," + bob.id + "," + ned.id + " status:failed error:mail.smtp"), ElementsAre(bob.id));
    EXPECT_THAT(ids("workflow:greet"), ElementsAre(ned.id, ada.id));
    EXPECT_THAT(ids("workflow:provision-*"), ElementsAre(eve.id, bob.id));
    EXPECT_THAT(ids("workflow:nobody"), IsEmpty());
    EXPECT_THAT(ids("workflow:nobody-*"), IsEmpty());
    EXPECT_THAT(ids("status:failed"), ElementsAre(ned.id, bob.id));
    EXPECT_THAT(ids("status:completed status:running"), ElementsAre(eve.id, ada.id));
    EXPECT_THAT(ids("workflow:greet status:failed"), ElementsAre(ned.id));
    EXPECT_THAT(ids("label.team=ops"), ElementsAre(bob.id, ada.id));
    EXPECT_THAT(ids("input.user=ada input.user=bob"), ElementsAre(bob.id, ada.id));
    EXPECT_THAT(ids("input.user=év*"), ElementsAre(eve.id));
    EXPECT_THAT(ids(R"(input.user="évelyne \"x\" O'Hara")"), ElementsAre(eve.id));
    EXPECT_THAT(ids("label.team=ops input.user=b*"), ElementsAre(bob.id));
    EXPECT_THAT(ids("input.user=b* label.team=o*"), ElementsAre(bob.id));
    EXPECT_THAT(ids("input.user=ops"), IsEmpty());
    EXPECT_THAT(ids("error:mail.smt"), IsEmpty());
    EXPECT_THAT(ids("error:mail.*"), ElementsAre(ned.id, bob.id));
    EXPECT_THAT(ids("error:mail"), ElementsAre(ned.id));
    EXPECT_THAT(ids("key:order-2"), ElementsAre(eve.id));
    EXPECT_THAT(ids("key:order-*"), ElementsAre(eve.id, ada.id));
    EXPECT_THAT(ids("label.team=ops key:order-1"), ElementsAre(ada.id));
    EXPECT_THAT(ids("since:" + text(bob.started) + " until:" + text(ned.started)), ElementsAre(eve.id, bob.id));
    EXPECT_THAT(ids("status:failed since:" + text(bob.started + 1us)), ElementsAre(ned.id));
    // By their end: ned 31, bob 15, ada 10.
    EXPECT_THAT(ids("ended_since:" + text(first_start)), ElementsAre(ned.id, bob.id, ada.id));
    EXPECT_THAT(ids("ended_since:" + text(*ada.ended) + " ended_until:" + text(*bob.ended)), ElementsAre(ada.id));
    EXPECT_THAT(ids("label.team=ops ended_since:" + text(first_start)), ElementsAre(bob.id, ada.id));
}

TEST_P(RunSearchContract, ARunTellsWhatItIsFoundBy) {
    Made& ada = add(0);
    ada.tags = {{"label.team", "ops"}};
    ada.key = "order-1";
    write();

    const StoredRun found = page("").runs.at(0);
    EXPECT_EQ(found.tags, R"({"label.team":"ops","key":"order-1"})");
    EXPECT_EQ(found.workflow, "greet");
    EXPECT_EQ(found.started_at, ada.started);
    EXPECT_EQ(value_of(queries_->run(ada.id))->run.tags, found.tags);
}

TEST_P(RunSearchContract, ABirthThatIsWrittenTwiceIsTaggedOnce) {
    Made& ada = add(0);
    ada.tags = {{"label.team", "ops"}};
    const RunChange change = change_of(ada);
    commit(*store_, owned_, {change});
    EXPECT_THAT(value_of(try_commit(*store_, owned_, {change})).lost, IsEmpty());

    EXPECT_THAT(ids("label.team=ops"), ElementsAre(ada.id));
}

TEST_P(RunSearchContract, PagesStandWhileRunsComeAndEnd) {
    for (int i = 0; i < 10; ++i) close(add(i), RunStatus::failed, std::chrono::minutes(30 - 2 * i), "x");
    write();
    for (const std::string& query : {std::string("status:failed"), "ended_since:" + text(first_start)}) {
        std::vector<std::string> whole = ids(query);
        ASSERT_THAT(whole, SizeIs(::testing::Ge(10U)));
        std::vector<std::string> paged;
        std::string from;
        int pages = 0;
        do {
            const RunPage one = page(query, from, 3);
            for (const StoredRun& run : one.runs) paged.push_back(run.run_id);
            from = one.next.value_or("");
            close(add(200 + static_cast<int>(made_.size())), RunStatus::failed, 1min, "x");
            write();
        } while (!from.empty() && ++pages < 20);

        EXPECT_EQ(paged, whole);
    }
}

TEST_P(RunSearchContract, APlaceThatIsNoneIsRefused) {
    add(0);
    write();
    for (const char* from : {"x", "12.0193a5c2-7d41-7000-8000-000000000001", "0193a5c2"}) {
        const auto answer = queries_->search({}, from, 10);
        ASSERT_FALSE(answer) << from;
        EXPECT_EQ(answer.error().code, make_error_code(StoreErrc::not_found));
        EXPECT_THAT(answer.error().detail, HasSubstr("is no place in the list"));
    }
    EXPECT_FALSE(queries_->search(search("ended_since:1d"), "0193a5c2-7d41-7000-8000-000000000001", 10));
}

TEST_P(RunSearchContract, TotalsAreByStatus) {
    close(add(0), RunStatus::completed, 1min);
    close(add(1, "other"), RunStatus::completed, 1min);
    Made& bad = add(2);
    bad.tags = {{"label.team", "ops"}};
    close(bad, RunStatus::failed, 1min, "mail.smtp");
    add(3);
    write();
    const auto totals = [&](const std::string& query) {
        const RunTotals found = value_of(queries_->totals(search(query)));
        EXPECT_TRUE(found.is_exact);
        return found.by_status;
    };

    EXPECT_THAT(totals(""), UnorderedElementsAre(Pair(RunStatus::completed, 2U), Pair(RunStatus::failed, 1U), Pair(RunStatus::running, 1U)));
    EXPECT_THAT(totals("workflow:greet status:completed status:failed"),
                UnorderedElementsAre(Pair(RunStatus::completed, 1U), Pair(RunStatus::failed, 1U)));
    EXPECT_THAT(totals("label.team=ops"), UnorderedElementsAre(Pair(RunStatus::failed, 1U)));
    EXPECT_THAT(totals("error:mail.*"), UnorderedElementsAre(Pair(RunStatus::failed, 1U)));
    EXPECT_THAT(totals("since:" + text(first_start + 2min)), UnorderedElementsAre(Pair(RunStatus::failed, 1U), Pair(RunStatus::running, 1U)));
    EXPECT_THAT(totals("workflow:nobody"), IsEmpty());
}

TEST_P(RunSearchContract, OldRunsAreRemovedWithAllThatIsTheirs) {
    Made& old = add(0);
    old.tags = {{"label.team", "ops"}, {"input.user", "a\"b'c"}};
    old.key = "order-1";
    close(old, RunStatus::failed, 1min, "x");
    Made& late = add(1); // began before the moment, ended after it
    close(late, RunStatus::completed, 24h);
    Made& open = add(2);
    open.tags = {{"label.team", "ops"}};
    Made& other = add(3, "other");
    close(other, RunStatus::completed, 1min);
    Made& untold = add(4);
    close(untold, RunStatus::cancelled, 1min);
    owned_.published = 4;
    write();
    Batch letters;
    letters.fences = {owned_};
    DeadLetter letter;
    letter.run_id = old.id;
    letter.error = letter.input = letter.message = "{}";
    letters.plain_dead_letters = {letter};
    value_of(store_->commit(letters));
    const Time moment = first_start + 2h;

    EXPECT_EQ(value_of(store_->remove_runs("greet", moment, 10)), 1U);
    EXPECT_EQ(value_of(store_->remove_runs("greet", moment, 10)), 0U);

    EXPECT_THAT(ids(""), ElementsAre(untold.id, other.id, open.id, late.id));
    EXPECT_THAT(ids("label.team=ops"), ElementsAre(open.id));
    EXPECT_THAT(ids("input.user=*"), IsEmpty());
    EXPECT_THAT(ids("key:order-1"), IsEmpty());
    EXPECT_THAT(value_of(queries_->history_after(old.id, 0, 10)).rows, IsEmpty());
    EXPECT_FALSE(value_of(store_->dead_letter(1)).has_value());
    Made& again = add(5);
    again.key = "order-1";
    EXPECT_THAT(commit(*store_, owned_, {change_of(again)}).duplicates, IsEmpty());
    ++written_;

    // It is told, and then it goes.
    owned_.published = owned_.pseq;
    write();
    Batch told;
    told.fences = {owned_};
    value_of(store_->commit(told));
    EXPECT_EQ(value_of(store_->remove_runs("greet", moment, 10)), 1U);
    EXPECT_EQ(value_of(store_->remove_runs("other", moment, 10)), 1U);
    EXPECT_THAT(ids(""), ElementsAre(again.id, open.id, late.id));
}

TEST_P(RunSearchContract, OfManyOldRunsTheOldestGoFirst) {
    for (int i = 0; i < 20; ++i) close(add(i), i % 2 == 0 ? RunStatus::completed : RunStatus::failed, 1min);
    owned_.published = 20;
    write();

    EXPECT_EQ(value_of(store_->remove_runs("greet", first_start + 24h, 7)), 7U);
    EXPECT_EQ(value_of(store_->remove_runs("greet", first_start + 24h, 7)), 7U);
    EXPECT_EQ(value_of(store_->remove_runs("greet", first_start + 24h, 7)), 6U);

    EXPECT_THAT(ids(""), IsEmpty());
}

TEST_P(RunSearchContract, NewestDefinitionsAreTheLiveOnesAndTheLastOfOthers) {
    const auto save = [&](const std::string& name, const std::string& source, char sha) {
        value_of(store_->save_definition(name, source, "w.toml", std::string(32, sha), first_start));
    };
    save("a", "one", '1');
    save("a", "two", '2');
    save("a", "one", '1'); // rolled back
    save("b", "one", '1');
    save("b", "two", '2');
    value_of(store_->retire_definition("b"));

    const auto newest = value_of(store_->newest_definitions());

    ASSERT_THAT(newest, SizeIs(2));
    EXPECT_EQ(newest[0].source, "one");
    EXPECT_EQ(newest[1].source, "two");
}

// More runs than a page looks at, with few that fit, far apart: pages may be short, and together are all.
TEST_P(RunSearchContract, WhatIsFarBehindIsFoundPageByPage) {
    std::vector<std::string> wanted;
    for (int i = 0; i < 25'000; ++i) {
        Made& one = add(i);
        one.tags = {{"label.team", "ops"}, {"label.kind", i % 5000 == 7 ? "rare" : "usual"}};
        if (i % 10 == 7) close(one, RunStatus::failed, 1min, "x");
        else close(one, RunStatus::completed, 1min);
        if (i % 5000 == 7) wanted.insert(wanted.begin(), one.id);
    }
    write();
    // Both lead to many runs, and few are in both; a prefix leads nowhere in order.
    const std::vector<std::string> searches{
        "status:failed label.kind=ra*",
        "label.team=ops label.kind=rare",
        "label.team=o* since:" + text(first_start) + " until:" + text(first_start + 24'000min),
        "workflow:greet ended_since:" + text(first_start + 10'000min),
    };
    for (std::size_t i = 0; i < searches.size(); ++i) {
        std::set<std::string> found;
        std::size_t count = 0;
        std::string from;
        int pages = 0;
        do {
            const RunPage one = page(searches[i], from, 1000);
            for (const StoredRun& run : one.runs) found.insert(run.run_id);
            count += one.runs.size();
            from = one.next.value_or("");
        } while (!from.empty() && ++pages < 100);
        EXPECT_TRUE(from.empty());
        EXPECT_EQ(found.size(), count) << "no run twice, search " << i;
        if (i < 2) EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(wanted)) << i;
        if (i == 2) EXPECT_EQ(count, 24'000U);
        if (i == 3) EXPECT_EQ(count, 15'001U);
    }
    const RunTotals all = value_of(queries_->totals(search("")));
    EXPECT_FALSE(all.is_exact);
    EXPECT_EQ(all.by_status.at(RunStatus::completed), counted_runs_max);
    EXPECT_EQ(all.by_status.at(RunStatus::failed), 2'500U);
    const RunTotals ops = value_of(queries_->totals(search("label.team=ops")));
    EXPECT_FALSE(ops.is_exact);
}

} // namespace baton::db::testing
