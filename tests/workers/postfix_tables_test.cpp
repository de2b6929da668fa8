// Mailboxes in PostfixAdmin's tables, on a real PostgreSQL and a real MariaDB, by a user with just the documented rights.
#include "readme_table.hpp"
#include "smtp_peer.hpp"
#include "support.hpp"

#include "base/base64.hpp"
#include "tests/support/mariadb.hpp"
#include "tests/support/postgres.hpp"
#include "workers/mail/database.hpp"

#include <pqxx/pqxx>

#include <fmt/format.h>

#include <crypt.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

std::string file(const std::string& name) {
    std::ifstream in(std::string(BATON_SOURCE_DIR) + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What the README tells an administrator to run.
std::string documented_rights(std::string_view language) {
    const std::string text = file("workers/mail/README.md");
    const std::string mark = "```" + std::string(language) + "\n";
    const std::size_t begin = text.find(mark) + mark.size();
    return text.substr(begin, text.find("```", begin) - begin);
}

constexpr const char* role_word = "word-of-the-role";

// A database with PostfixAdmin's tables, of either kind.
class Tables {
public:
    virtual ~Tables() = default;
    virtual void run(const std::string& sql) = 0;                 // as their owner
    virtual std::string ask(const std::string& sql) = 0;
    virtual std::string url(const std::string& user, const std::string& word) const = 0;
};

class PostgresTables : public Tables {
public:
    PostgresTables() : owner_(baton::testing::Postgres::shared().new_database_url()) {
        run(file("tests/workers/postfixadmin.sql"));
        run("do $$ begin create role baton_mail login password 'word-of-the-role'; exception when duplicate_object then null; end $$");
        run(documented_rights("sql"));
    }
    void run(const std::string& sql) override {
        pqxx::connection connection(owner_);
        pqxx::work work(connection);
        work.exec(sql);
        work.commit();
    }
    std::string ask(const std::string& sql) override {
        pqxx::connection connection(owner_);
        pqxx::work work(connection);
        const pqxx::result rows = work.exec(sql);
        return rows.empty() ? "" : rows[0][0].as<std::string>("");
    }
    std::string url(const std::string& user, const std::string& word) const override {
        return "postgresql://" + user + ":" + word + owner_.substr(owner_.find('@'));
    }

private:
    std::string owner_;
};

class MariadbTables : public Tables {
public:
    MariadbTables() : database_(server().create_database()) {
        run(file("tests/workers/postfixadmin_mysql.sql"));
        run("create or replace user baton_mail@'%' identified by 'word-of-the-role'");
        run(documented_rights("mysql"));
    }
    void run(const std::string& sql) override { server().run(sql, database_); }
    std::string ask(const std::string& sql) override { return server().ask(sql, database_); }
    std::string url(const std::string& user, const std::string& word) const override { return server().url(user, word, database_); }

private:
    static baton::testing::Mariadb& server() { return baton::testing::Mariadb::shared(); }
    std::string database_;
};

class PostfixTablesTest : public WithSandbox, public ::testing::WithParamInterface<const char*> {
protected:
    PostfixTablesTest() {
        if (GetParam() == std::string_view("PostgreSQL")) tables_ = std::make_unique<PostgresTables>();
        else tables_ = std::make_unique<MariadbTables>();
        settings_.mail.mailcow_url.clear();
        settings_.mail.database_url = as("baton_mail", role_word);
    }

    std::string as(const std::string& user, const std::string& word) const { return tables_->url(user, word); }
    void run(const std::string& sql) { tables_->run(sql); }
    std::string ask(const std::string& sql) { return tables_->ask(sql); }
    // "t" or "f"
    std::string flag(const std::string& name, const std::string& table) {
        return ask("select case when " + name + " then 't' else 'f' end from " + table);
    }
    // The failure's type; empty for a success.
    std::string trouble(const std::string& task, const std::string& with, const std::string& key = {}) {
        const Answer answer = perform(task, with, key);
        return answer ? "" : answer.error().type;
    }
    std::string told(const std::string& task, const std::string& with, const std::string& key = {}) {
        const Answer answer = perform(task, with, key);
        return answer ? json::serialize(*answer) : answer.error().type + ": " + answer.error().detail;
    }
    bool opens(const std::string& address, const std::string& word) {
        const std::string hash = ask("select password from mailbox where username = '" + address + "'").substr(std::string("{SHA512-CRYPT}").size());
        crypt_data data{};
        const char* again = ::crypt_r(word.c_str(), hash.c_str(), &data);
        return again && hash == again;
    }

    std::unique_ptr<Tables> tables_;
};

std::string name_of(const ::testing::TestParamInfo<const char*>& database) { return database.param; }
INSTANTIATE_TEST_SUITE_P(In, PostfixTablesTest, ::testing::Values("PostgreSQL", "MariaDB"), name_of);

const std::string tables_ada = R"({"address":"ada@example.org","name":"Ada","password":"secret","quota_mb":5})";
const std::string ada_id = R"({"id":"ada@example.org"})";

TEST_P(PostfixTablesTest, MailboxIsARowWithAHashAndAnAlias) {
    const Answer answer = perform("mail.create", tables_ada, "k1");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("created"), true);
    EXPECT_TRUE(opens("ada@example.org", "secret"));
    EXPECT_TRUE(ask("select maildir from mailbox").starts_with("example.org/ada-"));
    EXPECT_EQ(ask("select quota from mailbox"), "5242880");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org");
    EXPECT_EQ(told("mail.find", R"({"address":"ADA@example.org"})"),
              R"({"address":"ada@example.org","found":true,"targets":[],"kind":"mailbox","id":"ada@example.org","name":"Ada","active":true,"quota_mb":5})");
    EXPECT_EQ(told("mail.find", R"({"address":"bob@example.org"})"), R"({"address":"bob@example.org","found":false,"targets":[],"kind":null})");
}

TEST_P(PostfixTablesTest, OwnMailboxIsRecognisedAndForeignOnesAreAConflict) {
    perform("mail.create", tables_ada, "k1");

    const Answer again = perform("mail.create", tables_ada, "k1");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), true); // by an attempt of this task
    EXPECT_EQ(trouble("mail.create", tables_ada, "k2"), "already_exists");
    run("insert into mailbox(username, domain, local_part) values ('Bob@Example.org', 'example.org', 'Bob')");
    EXPECT_EQ(trouble("mail.create", R"({"address":"bob@example.org"})", "k3"), "already_exists");
}

TEST_P(PostfixTablesTest, EightAtOnceMakeOneMailbox) {
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(std::async(std::launch::async, [this] { return perform("mail.create", tables_ada, "k1"); }));
    for (auto& answer : answers) {
        const Answer one = answer.get();
        EXPECT_TRUE(one) << one.error().detail;
    }
    EXPECT_EQ(ask("select count(*) from mailbox"), "1");
}

TEST_P(PostfixTablesTest, LocksUnlocksAndDeletes) {
    perform("mail.create", tables_ada, "k1");

    EXPECT_EQ(perform("mail.lock", ada_id)->at("locked"), true);
    EXPECT_EQ(perform("mail.lock", ada_id)->at("locked"), true);
    EXPECT_EQ(flag("active", "mailbox"), "f");
    EXPECT_EQ(flag("active", "alias"), "f"); // or a mail server takes mail and sends it back later
    EXPECT_EQ(perform("mail.unlock", ada_id)->at("unlocked"), true);
    EXPECT_EQ(flag("active", "mailbox"), "t");
    EXPECT_EQ(flag("active", "alias"), "t");
    EXPECT_EQ(perform("mail.delete", ada_id)->at("deleted"), true);
    EXPECT_EQ(perform("mail.delete", ada_id)->at("deleted"), false);
    EXPECT_EQ(ask("select count(*) from alias"), "0");
    EXPECT_EQ(ask("select count(*) from baton_mailbox_mark"), "0");
    EXPECT_EQ(trouble("mail.lock", ada_id), "not_found"); // the wrong person
    EXPECT_EQ(trouble("mail.unlock", ada_id), "not_found");
}

TEST_P(PostfixTablesTest, UndoTouchesOnlyWhatThisRunMade) {
    run("insert into mailbox(username, domain, local_part) values ('veteran@example.org', 'example.org', 'veteran')");
    const Answer adopted = perform("mail.create", R"({"address":"veteran@example.org","adopt":true})", "r1/mailbox");
    EXPECT_EQ(adopted->at("created"), false);
    perform("mail.create", tables_ada, "r1/mailbox");
    const auto undo = [&](const std::string& task, const std::string& address, const std::string& run) {
        return told(task, R"({"id":")" + address + R"(","only_if_created_by":")" + run + "\"}");
    };

    for (const char* task : {"mail.lock", "mail.delete"})
        EXPECT_NE(undo(task, "veteran@example.org", "r1/mailbox").find(R"("kept":true)"), std::string::npos);
    EXPECT_NE(undo("mail.delete", "ada@example.org", "r2/mailbox").find(R"("deleted":false,"kept":true)"), std::string::npos);
    EXPECT_EQ(ask("select count(*) from mailbox where active"), "2");
    EXPECT_EQ(undo("mail.lock", "nobody@example.org", "r1/mailbox"), R"({"id":"nobody@example.org","locked":false})");
    EXPECT_EQ(undo("mail.delete", "ada@example.org", "r1/mailbox"), R"({"id":"ada@example.org","deleted":true})");
    // Deleted and made again by somebody else, it is that one's.
    perform("mail.create", tables_ada, "r3/mailbox");
    EXPECT_NE(undo("mail.delete", "ada@example.org", "r1/mailbox").find(R"("kept":true)"), std::string::npos);
}

TEST_P(PostfixTablesTest, AddressThatIsAnAliasIsNotCreated) {
    run("insert into alias(address, goto, domain) values ('Sales@example.org', 'bob@example.org', 'example.org')");

    EXPECT_EQ(told("mail.create", R"({"address":"sales@example.org"})", "k1"),
              "conflict: sales@example.org is an alias, whose mail goes to bob@example.org");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_P(PostfixTablesTest, LockedMailboxIsNotAdopted) {
    perform("mail.create", tables_ada, "k1");
    perform("mail.lock", ada_id);

    EXPECT_EQ(trouble("mail.create", R"({"address":"ada@example.org","adopt":true})", "k2"), "locked");
    perform("mail.unlock", ada_id);
    EXPECT_EQ(trouble("mail.create", R"({"address":"ada@example.org","adopt":true})", "k2"), "");
}

TEST_P(PostfixTablesTest, NewOwnerOfAnAddressDoesNotGetTheOldMail) {
    perform("mail.create", tables_ada, "k1");
    const std::string first = ask("select maildir from mailbox");
    perform("mail.delete", ada_id);
    perform("mail.create", tables_ada, "k2");

    EXPECT_NE(ask("select maildir from mailbox"), first);
}

TEST_P(PostfixTablesTest, LocalPartsThatAreNoNameOfAFolderAreRefused) {
    for (const char* local : {"../etc", "a/b", ".ada", "-ada", "ada..b", "ada.", "a b", "ad\xC3\xA4", "a%b", "a$b", "a|b"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":")") + local + R"(@example.org"})"), "invalid_input") << local;
    for (const char* domain : {"../x", "a..b", ".org", "a/b"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":"ada@)") + domain + "\"}"), "invalid_input") << domain;
    for (const char* local : {"ada+tag", "o'brien", "ada.lovelace", "a_b-c", "Ada"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":")") + local + R"(@example.org"})"), "") << local;
    EXPECT_EQ(ask("select count(*) from mailbox where maildir like '%..%' or maildir like '%/%/%/'"), "0");
}

TEST_P(PostfixTablesTest, LimitsOfADomainAreHonoured) {
    run("insert into domain(domain, active) values ('asleep.org', false);"
        "insert into domain(domain, mailboxes, aliases) values ('small.org', 1, 1), ('closed.org', -1, -1);"
        "insert into domain(domain, maxquota) values ('modest.org', 10);"
        "insert into domain(domain, quota) values ('Shared.org', 20)");
    const auto create = [&](const std::string& address, int quota = 0) {
        return trouble("mail.create", R"({"address":")" + address + R"(","quota_mb":)" + std::to_string(quota) + "}");
    };

    EXPECT_EQ(create("a@asleep.org"), "domain_inactive");
    EXPECT_EQ(create("a@elsewhere.org"), "domain_not_found");
    EXPECT_EQ(create("a@small.org"), "");
    EXPECT_EQ(create("b@small.org"), "limit_reached");
    EXPECT_EQ(create("a@closed.org"), "limit_reached");
    EXPECT_EQ(create("a@modest.org", 11), "quota_exceeded");
    EXPECT_EQ(create("a@modest.org"), "");
    EXPECT_EQ(ask("select quota from mailbox where username = 'a@modest.org'"), "10485760");
    EXPECT_EQ(create("a@shared.org"), "quota_exceeded");
    EXPECT_EQ(create("a@shared.org", 15), "");
    EXPECT_EQ(create("b@shared.org", 6), "quota_exceeded");
    EXPECT_EQ(create("b@shared.org", 5), "");
    EXPECT_EQ(trouble("mail.set_quota", R"({"id":"b@shared.org","quota_mb":6})"), "quota_exceeded");
    EXPECT_EQ(trouble("mail.set_quota", R"({"id":"b@shared.org","quota_mb":4})"), "");
    EXPECT_EQ(trouble("mail.add_alias", R"({"alias":"x@small.org","to":"y@z.org"})"), "");
    EXPECT_EQ(trouble("mail.add_alias", R"({"alias":"v@small.org","to":"y@z.org"})"), "limit_reached");
}

TEST_P(PostfixTablesTest, TheLastMailboxOfADomainIsGivenOnce) {
    run("insert into domain(domain, mailboxes) values ('small.org', 1)");
    std::vector<std::future<std::string>> answers;
    for (int i = 0; i < 6; ++i)
        answers.push_back(std::async(std::launch::async, [this, i] {
            return trouble("mail.create", R"({"address":"u)" + std::to_string(i) + R"(@small.org"})", "k" + std::to_string(i));
        }));
    std::size_t made = 0;
    for (auto& answer : answers) made += answer.get().empty() ? 1 : 0;
    EXPECT_EQ(made, 1U);
}

TEST_P(PostfixTablesTest, AliasesHaveTargetsAndAnUndoOfTheirOwn) {
    const std::string bob = R"({"alias":"sales@example.org","to":"bob@example.org"})";
    const std::string eve = R"({"alias":"Sales@example.org","to":"Eve@example.net"})";
    EXPECT_NE(told("mail.add_alias", bob, "r1/a").find(R"("created":true)"), std::string::npos);
    EXPECT_NE(told("mail.add_alias", bob, "r1/a").find(R"("created":true)"), std::string::npos);
    EXPECT_NE(told("mail.add_alias", bob, "r2/a").find(R"("created":false)"), std::string::npos);
    perform("mail.add_alias", eve, "r3/a");
    EXPECT_EQ(ask("select goto from alias"), "bob@example.org,eve@example.net");
    EXPECT_NE(told("mail.find", R"({"address":"sales@example.org"})").find(R"("targets":["bob@example.org","eve@example.net"],"kind":"alias")"), std::string::npos);

    EXPECT_NE(told("mail.remove_alias", R"({"alias":"sales@example.org","to":"bob@example.org","only_if_created_by":"r2/a"})").find(R"("kept":true)"), std::string::npos);
    EXPECT_NE(told("mail.remove_alias", R"({"alias":"sales@example.org","to":"bob@example.org","only_if_created_by":"r1/a"})").find(R"("removed":true)"), std::string::npos);
    EXPECT_EQ(ask("select goto from alias"), "eve@example.net");
    EXPECT_NE(told("mail.remove_alias", R"({"alias":"sales@example.org"})").find(R"("removed":true)"), std::string::npos);
    EXPECT_NE(told("mail.remove_alias", R"({"alias":"sales@example.org"})").find(R"("removed":false)"), std::string::npos);
    EXPECT_EQ(ask("select count(*) from alias"), "0");
    EXPECT_EQ(ask("select count(*) from baton_mailbox_mark"), "0");
    perform("mail.create", tables_ada, "k1");
    EXPECT_EQ(trouble("mail.add_alias", R"({"alias":"ada@example.org","to":"bob@example.org"})"), "conflict");
    EXPECT_EQ(trouble("mail.remove_alias", R"({"alias":"ada@example.org"})"), "conflict");
}

TEST_P(PostfixTablesTest, ForwardsKeepACopyOrNot) {
    perform("mail.create", tables_ada, "k1");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"boss@example.org"})"), "");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org,boss@example.org");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"boss@example.org","keep_copy":false})"), "");
    EXPECT_EQ(ask("select goto from alias"), "boss@example.org");
    EXPECT_EQ(trouble("mail.remove_forward", R"({"address":"ada@example.org","to":"boss@example.org"})"), "");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org"); // gets its mail again
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"bob@example.org","to":"boss@example.org"})"), "not_found");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"ada@example.org"})"), "invalid_input");
}

TEST_P(PostfixTablesTest, ArchivedMailIsKeptAndNewMailGoesToTheHeir) {
    perform("mail.create", tables_ada, "k1");
    EXPECT_EQ(trouble("mail.archive", R"({"address":"ada@example.org","forward_to":"boss@example.org"})"), "");
    EXPECT_EQ(flag("active", "mailbox"), "f");
    EXPECT_EQ(ask("select goto from alias where active"), "boss@example.org");
    EXPECT_EQ(trouble("mail.unlock", ada_id), ""); // rehired
    EXPECT_EQ(ask("select goto from alias where active"), "ada@example.org");
    EXPECT_EQ(trouble("mail.archive", ada_id), "");
    EXPECT_EQ(ask("select count(*) from alias where active"), "0");
}

TEST_P(PostfixTablesTest, WorkersOwnAccountIsNotTouched) {
    settings_.mail.smtp_user = "Robot@example.org";
    settings_.mail.from = "Robot <baton@example.org>";
    for (const char* address : {"robot@example.org", "baton@example.org"})
        for (const char* task : {"mail.lock", "mail.delete", "mail.archive"})
            EXPECT_EQ(trouble(task, std::string(R"({"address":")") + address + "\"}"), "invalid_input") << task << address;
}

// --- passwords --------------------------------------------------------------------------------------

class PasswordLetterTest : public PostfixTablesTest {
protected:
    PasswordLetterTest() {
        settings_.mail.security = mail::Security::none;
        settings_.mail.smtp_user.clear();
        settings_.mail.from = "baton@example.org";
    }
    static std::string password_in(const std::string& letter) {
        std::string body = letter.substr(letter.find("base64\r\n\r\n") + 10);
        std::erase_if(body, [](char c) { return c == '\r' || c == '\n'; });
        const std::string text = from_base64(body).value_or("");
        const std::size_t begin = text.find("    ") + 4;
        return text.substr(begin, text.find('\n', begin) - begin);
    }
    const std::string wish_ = R"({"address":"ada@example.org","name":"Ada","send_password_to":"ada@home.example"})";
};

INSTANTIATE_TEST_SUITE_P(In, PasswordLetterTest, ::testing::Values("PostgreSQL", "MariaDB"), name_of);

TEST_P(PasswordLetterTest, PasswordReachesAPersonAndNoHistory) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();

    const Answer answer = perform("mail.create", wish_, "k1");
    const Answer again = perform("mail.create", wish_, "k1");

    ASSERT_TRUE(answer && again) << answer.error().detail;
    EXPECT_EQ(*answer, *again);
    EXPECT_EQ(answer->at("password_sent"), true);
    ASSERT_EQ(peer.letters().size(), 1U); // the second attempt found that it was taken
    const std::string password = password_in(peer.letters().front());
    EXPECT_GE(password.size(), 20U);
    EXPECT_TRUE(opens("ada@example.org", password));
    EXPECT_EQ(json::serialize(*answer).find(password), std::string::npos);
    EXPECT_NE(peer.letters().front().find("To: ada@home.example"), std::string::npos);
}

TEST_P(PasswordLetterTest, LetterNobodyKnowsAboutIsFollowedByAnotherPassword) {
    std::string lost;
    {
        const SmtpPeer dropping({{"text", ""}});
        settings_.mail.smtp_url = dropping.url();
        const Answer first = perform("mail.create", wish_, "k1");
        ASSERT_FALSE(first);
        EXPECT_TRUE(first.error().retryable);
        lost = password_in(dropping.letters().front());
        EXPECT_EQ(first.error().detail.find(lost), std::string::npos);
    }
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    ASSERT_TRUE(perform("mail.create", wish_, "k1"));
    const std::string password = password_in(peer.letters().front());
    EXPECT_NE(password, lost);
    EXPECT_TRUE(opens("ada@example.org", password)); // the newest letter counts
    EXPECT_EQ(ask("select count(*) from mailbox"), "1");
}

TEST_P(PasswordLetterTest, LetterThatIsRefusedForGoodTakesTheMailboxBack) {
    const SmtpPeer peer({{"RCPT", "550 5.1.1 nobody there"}});
    settings_.mail.smtp_url = peer.url();

    EXPECT_EQ(told("mail.create", wish_, "k1"), "smtp_refused: SMTP: 550 5.1.1 nobody there; the mailbox was taken back");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_P(PasswordLetterTest, OwnerOfAnAdoptedMailboxKeepsHisPassword) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    run("insert into mailbox(username, domain, local_part, password) values ('ada@example.org', 'example.org', 'ada', 'old')");

    const Answer answer = perform("mail.create", R"({"address":"ada@example.org","adopt":true,"send_password_to":"ada@home.example"})", "k1");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->at("password_sent"), false);
    EXPECT_EQ(ask("select password from mailbox"), "old");
    EXPECT_TRUE(peer.letters().empty());
}

TEST_P(PasswordLetterTest, ReaderMustBeSomebodyElse) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    run("insert into alias(address, goto, domain) values ('a@example.org', 'ada@example.org', 'example.org')");
    const auto with = [](const std::string& to, const std::string& more = {}) {
        return R"({"address":"ada@example.org","send_password_to":")" + to + "\"" + more + "}";
    };
    EXPECT_EQ(trouble("mail.create", with("Ada@Example.org")), "invalid_input");
    EXPECT_EQ(trouble("mail.create", with("a@example.org")), "invalid_input");
    EXPECT_EQ(trouble("mail.create", with("ada")), "invalid_input");
    EXPECT_EQ(trouble("mail.create", with("b@c.de", R"(,"password":"x")")), "invalid_input");
    EXPECT_EQ(trouble("mail.create", with("b@c.de", R"(,"template":"absent")")), "invalid_input");
    settings_.mail.smtp_url.clear();
    EXPECT_EQ(trouble("mail.create", with("b@c.de")), "invalid_input");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_P(PasswordLetterTest, SetPasswordSendsANewOneOnce) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    perform("mail.create", tables_ada, "k1");

    const std::string reset = R"({"address":"ada@example.org","send_to":"ada@home.example"})";
    EXPECT_EQ(told("mail.set_password", reset, "k2"), R"({"id":"ada@example.org","password_set":true,"password_sent":true,"doubtful":false})");
    EXPECT_EQ(trouble("mail.set_password", reset, "k2"), "");
    ASSERT_EQ(peer.letters().size(), 1U);
    EXPECT_TRUE(opens("ada@example.org", password_in(peer.letters().front())));
    EXPECT_EQ(trouble("mail.set_password", R"({"address":"ada@example.org","password":"another"})"), "");
    EXPECT_TRUE(opens("ada@example.org", "another"));
    EXPECT_EQ(trouble("mail.set_password", ada_id), "invalid_input");
    EXPECT_EQ(trouble("mail.set_password", R"({"address":"bob@example.org","password":"x"})"), "not_found");
}

// --- errors: the database's table in workers/mail/README.md ---------------------------------------------

// One way to go wrong, in the words of each database.
struct Trouble {
    std::string what;
    std::string postgres;             // statements of the owner; DB is the database's name
    std::string mariadb;
    std::string url = {};             // what takes the place of user and password, or of all behind "://"
    std::string name = "Ada";
    std::string repair = {};          // of what outlives the database
};

std::vector<Trouble> troubles() {
    return {
        {"nobody listens there", "", "", "nobody:word-of-x@127.0.0.1:1/mail"},
        {"the password is wrong", "", "", "baton_mail:word-of-nobody@"},
        {"a right is missing", "revoke insert on mailbox from baton_mail", "revoke insert on mailbox from baton_mail@'%'"},
        {"a table is missing", "drop table alias", "drop table alias"},
        {"a column is missing", "alter table domain drop column maxquota", "alter table domain drop column maxquota"},
        {"it takes no changes", "alter database DB set default_transaction_read_only = on", "set global read_only = 1", {}, "Ada",
         "set global read_only = 0"},
        {"too many connections", "alter role baton_mail connection limit 0", "alter user baton_mail@'%' with max_connections_per_hour 1",
         {}, "Ada", "alter user baton_mail@'%' with max_connections_per_hour 0"},
        {"a value does not fit", "", "", {}, std::string(300, 'n')},
    };
}

class MailDatabaseErrors : public WithSandbox {
protected:
    MailDatabaseErrors() { settings_.mail.mailcow_url.clear(); }

    std::string outcome(Tables& tables, const Trouble& trouble, bool is_postgres) {
        std::string url = tables.url("baton_mail", role_word);
        const std::string database = url.substr(url.rfind('/') + 1);
        std::string spoil = is_postgres ? trouble.postgres : trouble.mariadb;
        if (const std::size_t at = spoil.find("DB"); at != std::string::npos) spoil.replace(at, 2, database);
        if (!spoil.empty()) tables.run(spoil);
        if (trouble.url.ends_with('@')) url = url.substr(0, url.find("//") + 2) + trouble.url + url.substr(url.find('@') + 1);
        else if (!trouble.url.empty()) url = url.substr(0, url.find("//") + 2) + trouble.url;
        settings_.mail.database_url = url;
        if (spoil.find("per_hour") != std::string::npos) perform("mail.find", ada_id); // the one that is allowed
        const Answer answer = perform("mail.create", R"({"address":"ada@example.org","name":")" + trouble.name + "\"}", "k1");
        if (is_postgres && spoil.find("connection limit") != std::string::npos) tables.run("alter role baton_mail connection limit -1");
        if (!is_postgres && !trouble.repair.empty()) tables.run(trouble.repair);
        EXPECT_FALSE(answer) << trouble.what;
        if (answer) return "done";
        EXPECT_EQ(answer.error().detail.find("word-of"), std::string::npos) << answer.error().detail;
        return in_words(answer.error());
    }
};

TEST_F(MailDatabaseErrors, EachMeansWhatTheReadmeSays) {
    std::string table = "| what is wrong | PostgreSQL | MariaDB |\n|---|---|---|\n";
    for (const Trouble& trouble : troubles()) {
        PostgresTables postgres;
        MariadbTables mariadb;
        const std::string one = outcome(postgres, trouble, true);
        const std::string other = outcome(mariadb, trouble, false);
        table += fmt::format("| {} | {} | {} |\n", trouble.what, one, other);
    }
    expect_table("mail", "databases", table);
}

TEST_F(MailDatabaseErrors, ServersThatAreGoneAreTriedAgain) {
    baton::testing::Postgres postgres;
    baton::testing::Mariadb mariadb;
    const std::string urls[] = {postgres.new_database_url(), mariadb.url("root", "word-of-x", "mysql")};
    postgres.stop();
    mariadb.stop();
    for (const std::string& url : urls) {
        settings_.mail.database_url = url;
        const Answer answer = perform("mail.create", tables_ada, "k1");
        ASSERT_FALSE(answer);
        EXPECT_EQ(in_words(answer.error()), "`unavailable`, again");
    }
}

TEST_F(MailDatabaseErrors, ADatabaseThatIsNotThere) {
    PostgresTables postgres;
    MariadbTables mariadb;
    settings_.mail.database_url = postgres.url("baton_mail", role_word) + "_absent";
    EXPECT_EQ(in_words(perform("mail.create", tables_ada, "k1").error()), "`configuration`, no attempt");
    // MariaDB does not tell a stranger which there are.
    settings_.mail.database_url = mariadb.url("baton_mail", role_word) + "_absent";
    EXPECT_EQ(in_words(perform("mail.create", tables_ada, "k1").error()), "`unauthorized`, no attempt");
}

// --- MariaDB alone ------------------------------------------------------------------------------------

class MariadbTest : public PostfixTablesTest {};
INSTANTIATE_TEST_SUITE_P(In, MariadbTest, ::testing::Values("MariaDB"), name_of);

TEST_P(MariadbTest, UserWhoMayMakeTablesMakesTheMarks) {
    run("drop table baton_mailbox_mark; grant all on *.* to baton_mail@'%'");
    EXPECT_EQ(trouble("mail.create", tables_ada, "k1"), "");
    EXPECT_EQ(trouble("mail.create", tables_ada, "k1"), "");
    EXPECT_EQ(trouble("mail.create", tables_ada, "k2"), "already_exists");
}

TEST_P(MariadbTest, WhatFailsHalfWayLeavesNothing) {
    run("revoke insert on alias from baton_mail@'%'");
    EXPECT_EQ(trouble("mail.create", tables_ada, "k1"), "unauthorized");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_P(MariadbTest, NamesBeyondAsciiArriveAsTheyAre) {
    EXPECT_EQ(trouble("mail.create", R"({"address":"zoe@example.org","name":"Zoë 林"})", "k1"), "");
    EXPECT_EQ(ask("select hex(convert(name using utf8mb4)) from mailbox"), "5A6FC3AB20E69E97");
    EXPECT_NE(told("mail.find", R"({"address":"zoe@example.org"})").find("Zoë 林"), std::string::npos);
}

TEST_P(MariadbTest, TlsThatIsWantedAndNotThereIsTheWorkersFault) {
    settings_.mail.database_url += "?tls=verify";
    const Answer answer = perform("mail.create", tables_ada, "k1");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "tls");
    EXPECT_FALSE(answer.error().is_attempt);
}

TEST(MariadbUrlTest, WhatMakesNoSenseIsSaid) {
    EXPECT_EQ(mail::url_complaint("mysql://a:b@host/db?tls=on"), "");
    EXPECT_EQ(mail::url_complaint("mariadb://a:b%2F@host:3307/db?ca=/x&socket=/y"), "");
    for (const char* wrong : {"mysql://host/db", "mysql://a:b@host", "mysql://a:b@host/", "mysql://a:b@host/d/b", "mysql://a:b@host/db?tls=maybe",
                              "mysql://a:b@host/db?sslmode=require", "mysql://a:b/c@host:port/db", "http://a:b@host/db"})
        EXPECT_NE(mail::url_complaint(wrong), "") << wrong;
}

} // namespace
} // namespace baton::workers::test
