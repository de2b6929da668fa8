// The wrapper around SQLite.
#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::db {

using ::testing::HasSubstr;

class SqliteWrapper : public ::testing::Test {
protected:
    SqliteWrapper() {
        EXPECT_TRUE(
            database_.execute("create table t (a integer primary key, b text)").has_value());
    }

    SqliteStatement prepared(std::string_view sql) {
        auto statement = database_.prepare(sql);
        EXPECT_TRUE(statement.has_value()) << statement.error().detail;
        return std::move(*statement);
    }

    Sqlite database_ = *Sqlite::open(":memory:", Sqlite::Access::write);
};

TEST_F(SqliteWrapper, AStatementIsPreparedOnceAndUsedOften) {
    SqliteStatement insert = prepared("insert into t values (?, ?)");
    ASSERT_TRUE(insert.with(1, "one").run().has_value());
    ASSERT_TRUE(insert.with(2, std::optional<std::string>()).run().has_value());
    ASSERT_TRUE(insert.with(3, std::string_view("a\0b", 3)).run().has_value());

    SqliteStatement select = prepared("select a, b from t order by a");
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.number(0), 1);
    EXPECT_EQ(select.text(1), "one");
    ASSERT_TRUE(*select.step());
    EXPECT_FALSE(select.optional_text(1).has_value());
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.text(1), std::string("a\0b", 3));
    EXPECT_FALSE(*select.step());
    EXPECT_TRUE(*select.step()) << "from the beginning again";
}

TEST_F(SqliteWrapper, ParametersAreForgottenWithTheReset) {
    SqliteStatement select = prepared("select ?");
    ASSERT_TRUE(*select.with("secret").step());
    select.reset();

    ASSERT_TRUE(*select.step());
    EXPECT_FALSE(select.optional_text(0).has_value());
}

TEST_F(SqliteWrapper, AFailedStatementMayBeUsedAgain) {
    SqliteStatement insert = prepared("insert into t values (?, '')");
    ASSERT_TRUE(insert.with(1).run().has_value());

    const auto twice = insert.with(1).run();

    ASSERT_FALSE(twice.has_value());
    EXPECT_EQ(twice.error().code, orchestrator::runtime::StoreErrc::unfit);
    EXPECT_THAT(twice.error().detail, HasSubstr("UNIQUE constraint failed: t.a"));
    EXPECT_TRUE(insert.with(2).run().has_value());
}

TEST_F(SqliteWrapper, ATransactionThatIsLeftIsRolledBack) {
    {
        auto transaction = SqliteTransaction::begin(database_);
        ASSERT_TRUE(transaction.has_value());
        ASSERT_TRUE(database_.execute("insert into t values (1, '')").has_value());
    }
    {
        auto transaction = SqliteTransaction::begin(database_);
        ASSERT_TRUE(database_.execute("insert into t values (2, '')").has_value());
        ASSERT_TRUE(transaction->commit().has_value());
    }

    SqliteStatement select = prepared("select a from t");
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.number(0), 2);
    EXPECT_FALSE(*select.step());
}

TEST_F(SqliteWrapper, BadSqlIsAFailureWithTheReason) {
    const auto statement = database_.prepare("selct 1");

    ASSERT_FALSE(statement.has_value());
    EXPECT_THAT(statement.error().detail, HasSubstr("syntax error"));
}

} // namespace baton::db
