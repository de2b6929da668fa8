// The forms of a database URL, and passwords that stay out of sight.
#include "db/database_url.hpp"
#include "db/open_store.hpp"
#include "db/run_id.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::db {

using ::testing::HasSubstr;
using ::testing::Not;

std::string sqlite_path(std::string_view url) {
    const auto parsed = parse_database_url(url);
    if (!parsed) return "failure: " + parsed.error().detail;
    if (parsed->kind != DatabaseUrl::Kind::sqlite) return "not sqlite";
    return parsed->location;
}

std::string complaint(std::string_view url) {
    const auto parsed = parse_database_url(url);
    return parsed ? "accepted" : parsed.error().detail;
}

TEST(DatabaseUrl, TakesEveryFormOfASqliteFile) {
    EXPECT_EQ(sqlite_path("sqlite:/var/lib/baton/baton.db"), "/var/lib/baton/baton.db");
    EXPECT_EQ(sqlite_path("sqlite:///var/lib/baton.db"), "/var/lib/baton.db");
    EXPECT_EQ(sqlite_path("sqlite:data/baton.db"), "data/baton.db");
    EXPECT_EQ(sqlite_path("/var/lib/baton.db"), "/var/lib/baton.db");
    EXPECT_EQ(sqlite_path("./odd: name.db"), "./odd: name.db");
    EXPECT_EQ(sqlite_path("baton.db"), "baton.db");
}

TEST(DatabaseUrl, TakesBothWordsForPostgres) {
    const auto full =
        parse_database_url("postgresql://u:p%40s@db.example:5433/baton?sslmode=require");
    const auto shortened = parse_database_url("postgres://u@db/baton");

    ASSERT_TRUE(full.has_value());
    EXPECT_EQ(full->kind, DatabaseUrl::Kind::postgres);
    EXPECT_EQ(full->location, "postgresql://u:p%40s@db.example:5433/baton?sslmode=require");
    EXPECT_EQ(shortened->location, "postgresql://u@db/baton");
}

TEST(DatabaseUrl, SaysWhatToWriteInstead) {
    EXPECT_EQ(complaint("mysql://u:secret@host/db"),
              "mysql:// is not supported; use postgresql://user:password@host:5432/database, or "
              "sqlite:/path/to/baton.db");
    EXPECT_THAT(complaint("postgresql:host"), HasSubstr("two slashes"));
    EXPECT_THAT(complaint(""), HasSubstr("is empty"));
    EXPECT_THAT(complaint("sqlite:"), HasSubstr("names no file"));
    EXPECT_THAT(complaint("sqlite://data.db"), HasSubstr("sqlite:relative/path.db"));
    EXPECT_THAT(complaint("sqlite::memory:"), HasSubstr("survive a restart"));
    EXPECT_THAT(complaint("postgresql://"), HasSubstr("names no server"));
    EXPECT_THAT(complaint("C:\\baton.db"), HasSubstr("C: is not supported"));
}

TEST(DatabaseUrl, APasswordThatMustBeEscapedIsRefusedAndNotShown) {
    for (const char* url : {"postgresql://u:sec@ret@host/db", "postgresql://u:sec/ret@host/db"}) {
        EXPECT_THAT(complaint(url), HasSubstr("%40 for @"));
        EXPECT_THAT(complaint(url), Not(HasSubstr("ret")));
    }
}

TEST(DatabaseUrl, PasswordsAreReplacedByStars) {
    EXPECT_EQ(without_password("postgresql://u:p%40s@h:1/db?sslmode=require"),
              "postgresql://u:***@h:1/db?sslmode=require");
    EXPECT_EQ(without_password("postgresql://h/db?user=u&password=geheim&sslmode=x"),
              "postgresql://h/db?user=u&password=***&sslmode=x");
    EXPECT_EQ(without_password("postgresql://u@h/db"), "postgresql://u@h/db");
    EXPECT_EQ(without_password("postgresql://h/db"), "postgresql://h/db");
    EXPECT_EQ(hide_passwords("it was p@s, written p%40s", "postgresql://u:p%40s@h/db"),
              "it was ***, written ***");
    EXPECT_EQ(hide_passwords("a geheim b", "postgresql://h/db?password=geheim"), "a *** b");
    EXPECT_EQ(hide_passwords("***", "postgresql://u:*@h/db"), "*********");
    EXPECT_EQ(printable_url("postgres://u:p@h/db"), "postgresql://u:***@h/db");
    EXPECT_EQ(printable_url("mysql://u:p@h/db"), "(not a database URL)");
    EXPECT_EQ(printable_url("baton.db"), "sqlite:baton.db");
}

TEST(DatabaseUrl, OwnLimitsComeBeforeTheUsers) {
    const std::string limited = with_connection_limits("postgresql://h/db?connect_timeout=60");

    EXPECT_LT(limited.find("connect_timeout=5"), limited.find("connect_timeout=60"));
    EXPECT_THAT(with_connection_limits("postgresql://h/db"), HasSubstr("/db?connect_timeout=5&"));
}

TEST(RunIds, ABeginningIsARangeOfIds) {
    const auto range = run_ids_like("0189ABcd-12");

    ASSERT_TRUE(range.has_value());
    EXPECT_EQ(range->first, "0189abcd-1200-0000-0000-000000000000");
    EXPECT_EQ(range->last, "0189abcd-12ff-ffff-ffff-ffffffffffff");
    EXPECT_FALSE(run_ids_like("0189abcd12").has_value()) << "a dash is missing";
    EXPECT_FALSE(run_ids_like("0189a").has_value());
    EXPECT_FALSE(run_ids_like("0189abcg").has_value());
    EXPECT_TRUE(is_run_id("0189abcd-1200-7000-8000-000000000000"));
    EXPECT_FALSE(is_run_id("0189abcd-1200-7000-8000-00000000000"));
}

} // namespace baton::db
