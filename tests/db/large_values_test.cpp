// A large value in both databases: kept once, given back whole to whoever reads, gone with its last
// run.
#include "db/sqlite.hpp"
#include "db/sqlite_rows.hpp"
#include "tests/db/store_kit.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <pqxx/connection>
#include <pqxx/nontransaction>

namespace baton::db::testing {
namespace {

using ::testing::IsEmpty;

class LargeValues : public ::testing::TestWithParam<Place::Kind> {
protected:
    void change(const std::string& sql) {
        if (GetParam() == Place::Kind::postgres) {
            pqxx::connection connection(place_.url());
            pqxx::nontransaction(connection).exec(sql);
            return;
        }
        Sqlite database = value_of(Sqlite::open(place_.url().substr(std::string("sqlite:").size()),
                                                Sqlite::Access::write));
        ASSERT_TRUE(database.execute(sql));
    }
    std::int64_t number(const std::string& sql) {
        if (GetParam() == Place::Kind::postgres) {
            pqxx::connection connection(place_.url());
            return pqxx::nontransaction(connection).exec(sql)[0][0].as<std::int64_t>();
        }
        Sqlite database = value_of(
            Sqlite::open(place_.url().substr(std::string("sqlite:").size()), Sqlite::Access::read));
        auto select = value_of(database.prepare(sql));
        return value_of(read_one<std::int64_t>(
                            select, [](const SqliteStatement& row) { return row.number(0); }))
            .value_or(-1);
    }

    Place place_{GetParam()};
    std::unique_ptr<RunStore> store_ = place_.store();
    std::unique_ptr<RunQueries> queries_ = place_.queries();
};

INSTANTIATE_TEST_SUITE_P(Stores, LargeValues,
                         ::testing::Values(Place::Kind::sqlite, Place::Kind::postgres),
                         [](const auto& info) {
                             return info.param == Place::Kind::sqlite ? "Sqlite" : "Postgres";
                         });

const std::string megabyte = "\"" + std::string(1'000'000, 'm') + "\"";

// A run that begins, has the value from its first step, and ends with it.
void live(RunStore& store, OwnedPartition& owned, int run, std::uint64_t pseq) {
    RunChange begun = birth(run, pseq);
    begun.created->workflow = "greet";
    commit(store, owned, {begun});
    RunChange has = step(run, 2, pseq + 1);
    has.events = R"([{"fact":"task_completed","raw":{"data":)" + megabyte +
                 R"(},"output":{"data":)" + megabyte + "}}]";
    has.state = R"({"steps":{"a":{"result":{"data":)" + megabyte + "}}}}";
    commit(store, owned, {has});
    RunChange over = step(run, 3, pseq + 2);
    over.status = RunStatus::completed;
    over.closed_at = time_at(run);
    over.output = R"({"v":)" + megabyte + "}";
    over.state = has.state;
    commit(store, owned, {over});
}

TEST_P(LargeValues, AreKeptOnceAndReadWhole) {
    OwnedPartition owned = take(*store_, 1);
    live(*store_, owned, 1, 1);
    live(*store_, owned, 2, 4);

    EXPECT_EQ(number("select count(*) from blob"), 1);
    EXPECT_EQ(number("select count(*) from blob_use"), 2);
    EXPECT_LT(number("select max(length(state) + length(output)) from run"), 1'000);
    EXPECT_LT(number("select sum(length(events)) from history"), 5'000);

    const auto loaded = load_one(*store_, 1);
    EXPECT_EQ(loaded->output, R"({"v":)" + megabyte + "}");
    EXPECT_EQ(loaded->state, R"({"steps":{"a":{"result":{"data":)" + megabyte + "}}}}");
    const HistoryAsk ask{run_id(1), 1};
    const auto since = value_of(store_->history_since(std::span(&ask, 1)));
    EXPECT_EQ(since[0].events.size(),
              2 * megabyte.size() +
                  std::string(R"([{"fact":"task_completed","raw":{"data":},"output":{"data":}}])")
                      .size());
    EXPECT_EQ(value_of(store_->history_above(1, 1, 10)).at(0).events, since[0].events);
    EXPECT_EQ(value_of(queries_->run(run_id(1)))->run.output, loaded->output);
    EXPECT_EQ(value_of(queries_->run_row(run_id(2)))->output, loaded->output);
    EXPECT_EQ(value_of(queries_->record(run_id(2)))->run.state, loaded->state);
    const HistoryPage page = value_of(queries_->history_after(run_id(1), 0, 10));
    EXPECT_EQ(page.rows.at(1).events, since[0].events);
    EXPECT_FALSE(page.has_more);

    // Beyond the limits of a read they count as large as they are.
    EXPECT_EQ(value_of(store_->load(std::vector{run_id(1)}, {100'000, 100'000})).at(0).texts,
              StoredRun::Texts::too_large);
    EXPECT_THAT(value_of(store_->history_above(1, 1, 10, {100'000, 100'000})).at(0).events,
                IsEmpty());
}

TEST_P(LargeValues, GoWithTheLastRunThatRefersToThem) {
    OwnedPartition owned = take(*store_, 1);
    live(*store_, owned, 1, 1);
    live(*store_, owned, 2, 4);
    owned.published = owned.pseq;
    RunChange born = birth(3, 7);
    commit(*store_, owned, {born});
    owned.published = owned.pseq;
    RunChange more = step(3, 2, 8);
    commit(*store_, owned, {more}); // moves the cursor

    EXPECT_EQ(value_of(store_->remove_runs("greet", time_at(2), 10)), 1U);
    EXPECT_EQ(number("select count(*) from blob"), 1);
    EXPECT_EQ(load_one(*store_, 2)->output, R"({"v":)" + megabyte + "}");
    EXPECT_EQ(value_of(store_->remove_runs("greet", time_at(1000), 10)), 1U);
    EXPECT_EQ(number("select count(*) from blob"), 0);
    EXPECT_EQ(number("select count(*) from blob_use"), 0);
    // And is written anew for the next one.
    live(*store_, owned, 4, 9);
    EXPECT_EQ(load_one(*store_, 4)->output, R"({"v":)" + megabyte + "}");
}

// However long it went on, no removal deletes more than some thousand rows.
TEST_P(LargeValues, ARunWithALongHistoryGoesInSlices) {
    OwnedPartition owned = take(*store_, 1);
    live(*store_, owned, 1, 1);
    live(*store_, owned, 2, 4);
    owned.published = owned.pseq;
    commit(*store_, owned, {birth(3, 7)});
    owned.published = owned.pseq;
    commit(*store_, owned, {step(3, 2, 8)}); // moves the cursor
    const std::string series =
        GetParam() == Place::Kind::postgres
            ? "select '{0}'::uuid, n, 1, 1, now(), '[]' from generate_series(4, 10000) n"
            : "with recursive s(n) as (select 4 union all select n + 1 from s where n < 10000) "
              "select '{0}', n, 1, 1, 0, '[]' from s";
    change("insert into history (run_id, seq, part, pseq, at, events) " +
           fmt::format(fmt::runtime(series), run_id(1)));
    change(fmt::format("update run set version = 10000 where run_id = '{}'", run_id(1)));

    std::vector<std::int64_t> left;
    while (value_of(store_->remove_runs("greet", time_at(1000), 10)) > 0) {
        left.push_back(number("select count(*) from history"));
        ASSERT_LT(left.size(), 20U);
    }

    EXPECT_THAT(left, ::testing::ElementsAre(6005, 2005, 2))
        << "the third takes the second run along";
    EXPECT_EQ(number("select count(*) from run"), 1);
    EXPECT_EQ(number("select count(*) from blob"), 0);
}

TEST_P(LargeValues, OfARunThatWasNotWrittenStayNobodys) {
    OwnedPartition owned = take(*store_, 1);
    RunChange first = birth(1, 1);
    first.created->start_key = StartKey{"k", std::string(32, 'a'), {}};
    commit(*store_, owned, {first});
    RunChange second = birth(2, 2);
    second.created->start_key = first.created->start_key;
    second.created->input = R"({"data":)" + megabyte + "}";
    EXPECT_EQ(commit(*store_, owned, {second}).duplicates.size(), 1U);
    RunChange stale = step(1, 7, 3);
    stale.events = "[{\"x\":" + megabyte + "}]";
    EXPECT_EQ(commit(*store_, owned, {stale}).lost.size(), 1U);
    EXPECT_EQ(number("select count(*) from blob"), 0);
}

} // namespace
} // namespace baton::db::testing
