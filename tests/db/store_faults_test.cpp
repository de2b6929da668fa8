// Databases that are missing, broken, full, foreign, too new, or away for a while: each with a
// sentence a person can act on, and with work going on afterwards.
#include "base/thread.hpp"
#include "db/migrate.hpp"
#include "db/postgres_session.hpp"
#include "tests/db/store_kit.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace baton::db::testing {

using baton::testing::Postgres;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Failure failure_to_open(const std::string& url) {
    const auto store = open_store(url);
    if (store) return {ErrorCode(), "it opened"};
    return store.error();
}

void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// ------------------------------------------------------------------ SQLite

class SqliteFaults : public ::testing::Test {
protected:
    TemporaryFolder folder_;
    std::string path_ = folder_.file("baton.db");
};

TEST_F(SqliteFaults, GarbageIsRefusedAndNotTouched) {
    for (const std::string& garbage :
         {std::string(100, 'x'), std::string("x"), std::string(20000, '\0') + "end",
          std::string(9000, '\xFF')}) {
        write_file(path_, garbage);

        const Failure failure = failure_to_open("sqlite:" + path_);

        EXPECT_EQ(failure.code, StoreErrc::refused) << garbage.size();
        EXPECT_THAT(failure.detail, AllOf(HasSubstr(path_), HasSubstr("not a SQLite database"),
                                          HasSubstr("Move it away")));
        EXPECT_TRUE(content_of(path_) == garbage);
    }
}

TEST_F(SqliteFaults, ADatabaseOfAnotherProgramIsRefusedAndNotTouched) {
    {
        auto other = Sqlite::open(path_, Sqlite::Access::write);
        ASSERT_TRUE(other->execute("create table bookmarks (url text)").has_value());
    }
    const std::string before = content_of(path_);

    const Failure failure = failure_to_open(path_);

    EXPECT_EQ(failure.code, StoreErrc::refused);
    EXPECT_THAT(failure.detail, AllOf(HasSubstr(path_), HasSubstr("another program")));
    EXPECT_TRUE(content_of(path_) == before);
}

TEST_F(SqliteFaults, ADamagedDatabaseIsRefused) {
    {
        const auto store = value_of(open_store(path_));
        OwnedPartition owned = take(*store, 1);
        for (int run = 1; run <= 50; ++run)
            commit(*store, owned, {birth(run, static_cast<std::uint64_t>(run))});
    }
    std::string content = content_of(path_);
    ASSERT_GT(content.size(), 40000U);
    for (std::size_t at = 4096; at < content.size(); ++at)
        content[at] = static_cast<char>(at * 7);
    write_file(path_, content);

    const Failure failure = failure_to_open(path_);

    EXPECT_EQ(failure.code, StoreErrc::refused);
    EXPECT_THAT(failure.detail,
                AllOf(HasSubstr(path_), HasSubstr("damaged"), HasSubstr("restore a backup")));
}

TEST_F(SqliteFaults, AFileThatIsCutOffIsRefused) {
    {
        const auto store = value_of(open_store(path_));
        OwnedPartition owned = take(*store, 1);
        commit(*store, owned, {birth(1, 1)});
    }
    std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);

    EXPECT_EQ(failure_to_open(path_).code, StoreErrc::refused);
}

TEST_F(SqliteFaults, AMissingFolderIsNamed) {
    const Failure failure = failure_to_open(folder_.file("no/such/folder.db"));

    EXPECT_EQ(failure.code, StoreErrc::refused);
    EXPECT_THAT(failure.detail, AllOf(HasSubstr("no/such/folder.db"), HasSubstr("must exist")));
    EXPECT_EQ(failure_to_open(folder_.path().string()).code, StoreErrc::refused) << "a folder";
}

TEST_F(SqliteFaults, AReadOnlyFolderIsNamed) {
    {
        value_of(open_store(path_));
    }
    ASSERT_EQ(chmod(folder_.path().c_str(), 0555), 0);
    ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
    // Root may write everywhere, so the test becomes somebody else for a moment.
    constexpr uid_t nobody = 65534;
    const bool was_root = geteuid() == 0;
    if (was_root) ASSERT_EQ(seteuid(nobody), 0);

    const Failure existing = failure_to_open(path_);
    const Failure fresh = failure_to_open(folder_.file("new.db"));

    if (was_root) ASSERT_EQ(seteuid(0), 0);
    EXPECT_EQ(chmod(folder_.path().c_str(), 0755), 0);
    EXPECT_EQ(existing.code, StoreErrc::refused);
    EXPECT_THAT(existing.detail, AllOf(HasSubstr(path_), HasSubstr("writable")));
    EXPECT_EQ(fresh.code, StoreErrc::refused);
    EXPECT_THAT(fresh.detail, HasSubstr("writable"));
}

// A file may not grow beyond the limit, which is what a full disk does to a database.
class FullDisk {
public:
    explicit FullDisk(rlim_t bytes) {
        before_ = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &limit_);
        rlimit tight = limit_;
        tight.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &tight);
    }
    ~FullDisk() {
        setrlimit(RLIMIT_FSIZE, &limit_);
        std::signal(SIGXFSZ, before_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

private:
    rlimit limit_{};
    void (*before_)(int) = nullptr;
};

TEST_F(SqliteFaults, AFullDiskIsUnavailableUntilThereIsSpace) {
    const auto store = value_of(open_store(path_));
    OwnedPartition owned = take(*store, 1);
    commit(*store, owned, {birth(1, 1)});
    RunChange large = birth(2, 2);
    large.state = std::string(200'000, 'x');

    Outcome<Committed> failed = Failure{};
    {
        const FullDisk full(std::filesystem::file_size(path_ + "-wal") + 10'000);
        failed = try_commit(*store, owned, {large});
    }

    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, StoreErrc::unavailable) << failed.error().detail;
    EXPECT_THAT(failed.error().detail, HasSubstr(path_));
    EXPECT_FALSE(load_one(*store, 2).has_value());
    EXPECT_THAT(commit(*store, owned, {large}).lost, IsEmpty());
    EXPECT_EQ(load_one(*store, 2)->state.size(), 200'000U);
}

TEST_F(SqliteFaults, ReadingNeverWaitsForTheWriter) {
    const auto store = value_of(open_store(path_));
    const auto queries = value_of(open_queries(path_));
    OwnedPartition owned = take(*store, 1);
    commit(*store, owned, {birth(1, 1)});
    auto writer = value_of(Sqlite::open(path_, Sqlite::Access::write));
    ASSERT_TRUE(writer.execute("begin immediate; delete from run").has_value());

    EXPECT_THAT(value_of(queries->runs({})), SizeIs(1));
}

TEST_F(SqliteFaults, AReaderCannotWrite) {
    {
        value_of(open_store(path_));
    }
    auto reader = value_of(Sqlite::open(path_, Sqlite::Access::read));

    EXPECT_FALSE(reader.execute("delete from run").has_value());
}

TEST_F(SqliteFaults, AskingADatabaseThatIsNotThereMakesNone) {
    EXPECT_FALSE(open_queries(path_).has_value());
    EXPECT_FALSE(std::filesystem::exists(path_));
}

// ------------------------------------------------------------------ PostgreSQL

TEST(PostgresFaults, AStoreThatIsAwayIsUnavailableAndWorksAgainWhenItIsBack) {
    Postgres server;
    const std::string url = server.new_database_url();
    const auto store = value_of(open_store(url));
    const auto queries = value_of(open_queries(url));
    OwnedPartition owned = take(*store, 1);
    commit(*store, owned, {birth(1, 1)});
    ASSERT_THAT(value_of(queries->runs({})), SizeIs(1));

    server.kill_hard();
    const auto away = try_commit(*store, owned, {step(1, 2, 2)});
    const auto still_away = try_commit(*store, owned, {step(1, 2, 2)});
    const auto unread = queries->runs({});
    server.start();

    ASSERT_FALSE(away.has_value());
    EXPECT_EQ(away.error().code, StoreErrc::unavailable) << away.error().detail;
    ASSERT_FALSE(still_away.has_value());
    EXPECT_EQ(still_away.error().code, StoreErrc::unavailable) << still_away.error().detail;
    ASSERT_FALSE(unread.has_value());
    EXPECT_EQ(unread.error().code, StoreErrc::unavailable);
    for (const std::string& sentence : {away.error().detail, still_away.error().detail}) {
        EXPECT_THAT(sentence, Not(HasSubstr("open sesame")));
        EXPECT_THAT(sentence, Not(HasSubstr("open%20sesame")));
    }
    EXPECT_THAT(commit(*store, owned, {step(1, 2, 2)}).lost, IsEmpty());
    EXPECT_EQ(load_one(*store, 1)->version, 2U);
    EXPECT_THAT(value_of(queries->runs({})), SizeIs(1));
}

TEST(PostgresFaults, ARestartIsNotSeenByWhoReads) {
    Postgres server;
    const std::string url = server.new_database_url();
    const auto store = value_of(open_store(url));
    const auto queries = value_of(open_queries(url));
    value_of(queries->counts());

    server.stop();
    server.start();

    EXPECT_TRUE(queries->counts().has_value());
    EXPECT_TRUE(store->alarms(1).has_value());
}

TEST(PostgresFaults, ASessionEndedByAnOperatorIsReplaced) {
    Postgres& server = Postgres::shared();
    const std::string url = server.new_database_url();
    const auto store = value_of(open_store(url));
    OwnedPartition owned = take(*store, 1);
    {
        pqxx::connection operator_session(url);
        pqxx::nontransaction work(operator_session);
        work.exec("select pg_terminate_backend(pid) from pg_stat_activity "
                  "where datname = current_database() and pid <> pg_backend_pid()");
    }

    const auto noticed = try_commit(*store, owned, {birth(1, 1)});

    ASSERT_FALSE(noticed.has_value());
    EXPECT_EQ(noticed.error().code, StoreErrc::unavailable) << noticed.error().detail;
    EXPECT_THAT(commit(*store, owned, {birth(1, 1)}).lost, IsEmpty());
}

// Until the server says that one of its sessions waits for a lock.
void wait_for_a_waiting_session(const std::string& url) {
    pqxx::connection watch(url);
    pqxx::nontransaction work(watch);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < limit) {
        const auto waiting = work.exec("select count(*) from pg_stat_activity where "
                                       "datname = current_database() and wait_event_type = 'Lock'");
        if (waiting[0][0].as<int>() > 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "nobody waits";
}

TEST(PostgresFaults, ABatchThatWaitsForATakeOverIsFencedWhenItGoesOn) {
    Postgres& server = Postgres::shared();
    const std::string url = server.new_database_url();
    const auto store = value_of(open_store(url));
    OwnedPartition owned = take(*store, 1);
    commit(*store, owned, {birth(1, 1)});
    pqxx::connection other(url);
    pqxx::work take_over(other);
    take_over.exec("update owner set epoch = epoch + 1 where part = 1");

    Committed late;
    {
        const Thread old_owner("old-owner",
                               [&] { late = commit(*store, owned, {step(1, 2, 2), birth(2, 3)}); });
        wait_for_a_waiting_session(url);
        take_over.commit();
    }

    EXPECT_THAT(late.fenced, SizeIs(1));
    EXPECT_EQ(load_one(*store, 1)->version, 1U);
    EXPECT_FALSE(load_one(*store, 2).has_value());
    EXPECT_THAT(value_of(store->history_above(1, 0, 10)), SizeIs(1));
}

TEST(PostgresFaults, TakingOverWaitsForACommitUnderWay) {
    Postgres& server = Postgres::shared();
    const std::string url = server.new_database_url();
    const auto store = value_of(open_store(url));
    take(*store, 1);
    pqxx::connection other(url);
    pqxx::work commit_under_way(other);
    commit_under_way.exec("update owner set pseq = 8 where part = 1");

    OwnedPartition taken;
    {
        const Thread new_owner("new-owner", [&] { taken = take(*store, 1); });
        wait_for_a_waiting_session(url);
        commit_under_way.commit();
    }

    EXPECT_EQ(taken.pseq, 8U);
    EXPECT_EQ(taken.epoch, 2U);
}

TEST(PostgresFaults, NoSentenceContainsAPassword) {
    Postgres& server = Postgres::shared();
    const std::string good = server.new_database_url();
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string url = good;
        return url.replace(url.find(from), from.size(), to);
    };
    const std::string port = fmt::format(":{}/", server.port());

    for (const std::string& url : {
             with("open%20sesame%2F42", "wrong%20sesame"),
             with("test_", "no_such_sesame_"),
             with(port, ":1/"),
             with(port, ":sesame/"),
             with(port, ":99999/"),
             with("127.0.0.1", "no-such-host.invalid"),
             with("127.0.0.1", "[::"),
             good + "?sslmode=sesame",
             good + "?no_such_setting=1",
             good + "?password=other%20sesame",
             with("open%20sesame%2F42", "open%20sesame%ZZ"),
         }) {
        const Failure failure = failure_to_open(url);
        EXPECT_NE(failure.detail, "it opened") << url;
        EXPECT_THAT(failure.detail, Not(HasSubstr("open sesame")));
        EXPECT_THAT(failure.detail, Not(HasSubstr("open%20sesame")));
        EXPECT_THAT(failure.detail, Not(HasSubstr("wrong sesame")));
        EXPECT_THAT(failure.detail, Not(HasSubstr("other sesame")));
        EXPECT_THAT(failure.detail, HasSubstr("PostgreSQL at postgresql://baton:***@"));
        EXPECT_THAT(failure.detail, Not(HasSubstr("\n")));
    }
}

TEST(PostgresFaults, WaitingIsForServersThatMayComeBack) {
    Postgres& server = Postgres::shared();
    const std::string good = server.new_database_url();
    std::string wrong_password = good;
    wrong_password.replace(wrong_password.find("open"), 4, "shut");
    std::string no_server = good;
    no_server.replace(no_server.find(std::to_string(server.port())),
                      std::to_string(server.port()).size(), "1");

    EXPECT_EQ(failure_to_open(wrong_password).code, StoreErrc::refused);
    EXPECT_EQ(failure_to_open(good + "_missing").code, StoreErrc::refused);
    EXPECT_EQ(failure_to_open(good + "?sslmode=maybe").code, StoreErrc::refused);
    EXPECT_EQ(failure_to_open(no_server).code, StoreErrc::unavailable);
}

TEST(PostgresFaults, ANewerDatabaseIsRefusedAndALaterOneMigrated) {
    const std::string url = Postgres::shared().new_database_url();
    value_of(open_store(url));
    std::vector<Migration> more(postgres_migrations().begin(), postgres_migrations().end());
    const int number = static_cast<int>(more.size()) + 1;
    more.push_back({number, "9999_more", "alter table run add column more text"});
    PostgresSession newer(url, {});

    ASSERT_TRUE(newer.migrate(more).has_value());
    ASSERT_TRUE(newer.migrate(more).has_value()) << "nothing to do the second time";

    const Failure failure = failure_to_open(url);
    EXPECT_EQ(failure.code, StoreErrc::refused);
    EXPECT_THAT(failure.detail, AllOf(HasSubstr("newer Baton"), HasSubstr("9999_more")));
}

TEST(PostgresFaults, AMigrationThatFailsLeavesTheDatabaseAsItWas) {
    const std::string url = Postgres::shared().new_database_url();
    const Migration all[] = {
        {1, "0001_a", "create table a (x int)"},
        {2, "0002_b", "create table b (x int); insert into nowhere values (1)"}};
    PostgresSession session(url, {});

    const auto failed = session.migrate(all);

    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, StoreErrc::refused);
    EXPECT_THAT(failed.error().detail, HasSubstr("42P01"));
    EXPECT_TRUE(session.migrate(std::span(all).first(1)).has_value()) << "table a is not there";
}

TEST(PostgresFaults, AStatementTheServerRefusesIsNotUnavailable) {
    const std::string url = Postgres::shared().new_database_url();
    PostgresSession session(url, {});

    const auto outcome = session.run([](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec("select 1 / 0");
    });
    const auto next = session.run([](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec("select 1");
    });

    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, StoreErrc::unfit);
    EXPECT_THAT(outcome.error().detail, HasSubstr("division by zero (SQLSTATE 22012)"));
    EXPECT_TRUE(next.has_value());
}

TEST(PostgresFaults, AStatementThatWaitsTooLongIsUnavailable) {
    const std::string url = Postgres::shared().new_database_url();
    PostgresSession session(url, {});

    const auto outcome = session.run([](pqxx::connection& connection) {
        pqxx::nontransaction work(connection);
        work.exec("set statement_timeout = '50ms'");
        work.exec("select pg_sleep(60)");
    });

    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, StoreErrc::unavailable) << outcome.error().detail;
}

} // namespace baton::db::testing
