// Migrations on SQLite; the same on PostgreSQL is in store_faults_test.cpp.
#include "db/migrate.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::db {

using ::testing::HasSubstr;

constexpr Migration first{1, "0001_first",
                          "create table one (a integer); insert into one values (7)"};
constexpr Migration second{2, "0002_second", "alter table one add column b text"};
constexpr Migration broken{3, "0003_broken",
                           "create table three (a integer); insert into nowhere values (1)"};

Sqlite in_memory() {
    return *Sqlite::open(":memory:", Sqlite::Access::write);
}

TEST(Migrations, AreCompiledInWithoutGaps) {
    for (const auto all : {sqlite_migrations(), postgres_migrations()}) {
        ASSERT_FALSE(all.empty());
        for (std::size_t index = 0; index < all.size(); ++index)
            EXPECT_EQ(all[index].number, static_cast<int>(index + 1));
        EXPECT_EQ(all[0].name, "0001_runs");
        EXPECT_THAT(std::string(all[0].sql), HasSubstr("create table history"));
    }
}

TEST(Migrations, AreAppliedOnceAndInOrder) {
    Sqlite database = in_memory();
    const Migration all[] = {first, second};

    ASSERT_TRUE(migrate(database, std::span(all).first(1)).has_value());
    ASSERT_TRUE(migrate(database, all).has_value());
    ASSERT_TRUE(migrate(database, all).has_value());

    EXPECT_TRUE(database.execute("update one set b = 'x' where a = 7").has_value());
    EXPECT_EQ(database.changes(), 1);
}

TEST(Migrations, ADatabaseOfANewerProgramIsRefused) {
    Sqlite database = in_memory();
    const Migration all[] = {first, second};
    ASSERT_TRUE(migrate(database, all).has_value());

    const auto older = migrate(database, std::span(all).first(1));

    ASSERT_FALSE(older.has_value());
    EXPECT_EQ(older.error().code, orchestrator::runtime::StoreErrc::refused);
    EXPECT_EQ(older.error().detail,
              "the database :memory: was written by a newer Baton (migration 2 \"0002_second\"; "
              "this one knows 1). Use that version or newer; going back would lose data");
}

TEST(Migrations, AChangedMigrationIsRefused) {
    Sqlite database = in_memory();
    ASSERT_TRUE(migrate(database, std::span(&first, 1)).has_value());
    Migration changed = first;
    changed.sql = "create table two (a integer)";

    const auto other = migrate(database, std::span(&changed, 1));

    ASSERT_FALSE(other.has_value());
    EXPECT_THAT(other.error().detail, HasSubstr("made by a different build"));
}

TEST(Migrations, AFailureLeavesTheDatabaseAsItWas) {
    Sqlite database = in_memory();
    const Migration all[] = {first, second, broken};
    ASSERT_TRUE(migrate(database, std::span(all).first(1)).has_value());

    const auto failed = migrate(database, all);

    ASSERT_FALSE(failed.has_value());
    EXPECT_THAT(failed.error().detail, HasSubstr("nowhere"));
    EXPECT_FALSE(database.execute("select b from one").has_value());
    EXPECT_FALSE(database.execute("select a from three").has_value());
    EXPECT_TRUE(migrate(database, std::span(all).first(2)).has_value());
}

} // namespace baton::db
