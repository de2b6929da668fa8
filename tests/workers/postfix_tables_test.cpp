// Mailboxes in PostfixAdmin's tables, on a real PostgreSQL.
#include "support.hpp"

#include "tests/support/postgres.hpp"

#include <pqxx/pqxx>

#include <future>
#include <vector>

namespace baton::workers::test {
namespace {

// The columns that matter of PostfixAdmin 3.3's schema.
constexpr const char* schema = R"(
    create table domain (domain varchar(255) primary key, active boolean not null default true);
    create table mailbox (username varchar(255) primary key, password varchar(255) not null default '',
        name varchar(255) not null default '', maildir varchar(255) not null default '',
        quota bigint not null default 0, created timestamptz default now(),
        modified timestamptz default now(), active boolean not null default true,
        domain varchar(255) references domain(domain), local_part varchar(255) not null);
    create table alias (address varchar(255) primary key, goto text not null,
        domain varchar(255) not null references domain(domain), created timestamptz default now(),
        modified timestamptz default now(), active boolean not null default true);
    insert into domain(domain) values ('example.org');)";

class PostfixTablesTest : public WithSandbox {
protected:
    PostfixTablesTest() {
        url_ = baton::testing::Postgres::shared().new_database_url();
        settings_.mail.mailcow_url.clear();
        settings_.mail.database_url = url_;
        run(schema);
    }

    void run(const std::string& sql) {
        pqxx::connection connection(url_);
        pqxx::work work(connection);
        work.exec(sql);
        work.commit();
    }
    std::string ask(const std::string& sql) {
        pqxx::connection connection(url_);
        pqxx::work work(connection);
        const pqxx::result rows = work.exec(sql);
        return rows.empty() ? "" : rows[0][0].as<std::string>("");
    }

    std::string url_;
};

const std::string ada = R"({"address":"ada@example.org","name":"Ada","password":"secret","quota_mb":5})";

TEST_F(PostfixTablesTest, MailboxIsARowWithAHashAndAnAlias) {
    const Answer answer = perform("mail.create", ada, "k1");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("created"), true);
    EXPECT_TRUE(ask("select password from mailbox").starts_with("{SHA512-CRYPT}$6$"));
    EXPECT_EQ(ask("select maildir from mailbox"), "example.org/ada/");
    EXPECT_EQ(ask("select quota from mailbox"), "5242880");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org");
}

TEST_F(PostfixTablesTest, OwnMailboxIsRecognisedAndForeignOnesAreAConflict) {
    perform("mail.create", ada, "k1");

    const Answer again = perform("mail.create", ada, "k1");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), true); // by an attempt of this task
    EXPECT_EQ(perform("mail.create", ada, "k2").error().type, "already_exists");
    run("insert into mailbox(username, domain, local_part) values ('bob@example.org', 'example.org', 'bob')");
    EXPECT_EQ(perform("mail.create", R"({"address":"bob@example.org"})", "k3").error().type,
              "already_exists");
}

TEST_F(PostfixTablesTest, EightAtOnceMakeOneMailbox) {
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(std::async(std::launch::async, [this] { return perform("mail.create", ada, "k1"); }));
    for (auto& answer : answers) {
        const Answer one = answer.get();
        EXPECT_TRUE(one) << one.error().detail;
    }
    EXPECT_EQ(ask("select count(*) from mailbox"), "1");
}

TEST_F(PostfixTablesTest, LocksAndDeletes) {
    perform("mail.create", ada, "k1");

    EXPECT_EQ(perform("mail.lock", R"({"id":"ada@example.org"})")->at("locked"), true);
    EXPECT_EQ(ask("select active from mailbox"), "f");
    EXPECT_EQ(perform("mail.delete", R"({"id":"ada@example.org"})")->at("deleted"), true);
    EXPECT_EQ(perform("mail.delete", R"({"id":"ada@example.org"})")->at("deleted"), false);
    EXPECT_EQ(ask("select count(*) from alias"), "0");
    EXPECT_EQ(ask("select count(*) from baton_mailbox_mark"), "0");
}

TEST_F(PostfixTablesTest, RefusalsAreClassified) {
    const Answer domain = perform("mail.create", R"({"address":"ada@elsewhere.org"})");
    ASSERT_FALSE(domain);
    EXPECT_EQ(domain.error().type, "domain_not_found");
    EXPECT_FALSE(domain.error().retryable);

    run("drop table alias; drop table mailbox");
    EXPECT_EQ(perform("mail.create", ada).error().type, "configuration");

    settings_.mail.database_url = "postgresql://nobody:word@127.0.0.1:1/mail";
    const Answer away = perform("mail.create", ada);
    EXPECT_EQ(away.error().type, "unavailable");
    EXPECT_TRUE(away.error().retryable);
    EXPECT_EQ(away.error().detail.find("word"), std::string::npos);
}

} // namespace
} // namespace baton::workers::test
