// Mailboxes in PostfixAdmin's tables, on a real PostgreSQL, by a role with just the documented rights.
#include "smtp_peer.hpp"
#include "support.hpp"

#include "base/base64.hpp"
#include "tests/support/postgres.hpp"

#include <pqxx/pqxx>

#include <crypt.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <iterator>
#include <vector>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

std::string file(const std::string& name) {
    std::ifstream in(std::string(BATON_SOURCE_DIR) + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What the README tells an administrator to run.
std::string documented_rights() {
    const std::string text = file("workers/mail/README.md");
    const std::size_t begin = text.find("```sql\n") + 7;
    return text.substr(begin, text.find("```", begin) - begin);
}

class PostfixTablesTest : public WithSandbox {
protected:
    PostfixTablesTest() {
        owner_ = baton::testing::Postgres::shared().new_database_url();
        settings_.mail.mailcow_url.clear();
        run(file("tests/workers/postfixadmin.sql"));
        run("do $$ begin create role baton_mail login password 'word-of-the-role'; exception when duplicate_object then null; end $$");
        run(documented_rights());
        settings_.mail.database_url = as("baton_mail", "word-of-the-role");
    }

    std::string as(const std::string& user, const std::string& password) const {
        return "postgresql://" + user + ":" + password + owner_.substr(owner_.find('@'));
    }
    void run(const std::string& sql) {
        pqxx::connection connection(owner_);
        pqxx::work work(connection);
        work.exec(sql);
        work.commit();
    }
    std::string ask(const std::string& sql) {
        pqxx::connection connection(owner_);
        pqxx::work work(connection);
        const pqxx::result rows = work.exec(sql);
        return rows.empty() ? "" : rows[0][0].as<std::string>("");
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
    bool opens(const std::string& address, const std::string& password) {
        const std::string hash = ask("select password from mailbox where username = '" + address + "'").substr(std::string("{SHA512-CRYPT}").size());
        crypt_data data{};
        const char* again = ::crypt_r(password.c_str(), hash.c_str(), &data);
        return again && hash == again;
    }

    std::string owner_;
};

const std::string ada = R"({"address":"ada@example.org","name":"Ada","password":"secret","quota_mb":5})";
const std::string ada_id = R"({"id":"ada@example.org"})";

TEST_F(PostfixTablesTest, MailboxIsARowWithAHashAndAnAlias) {
    const Answer answer = perform("mail.create", ada, "k1");

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

TEST_F(PostfixTablesTest, OwnMailboxIsRecognisedAndForeignOnesAreAConflict) {
    perform("mail.create", ada, "k1");

    const Answer again = perform("mail.create", ada, "k1");
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), true); // by an attempt of this task
    EXPECT_EQ(trouble("mail.create", ada, "k2"), "already_exists");
    run("insert into mailbox(username, domain, local_part) values ('Bob@Example.org', 'example.org', 'Bob')");
    EXPECT_EQ(trouble("mail.create", R"({"address":"bob@example.org"})", "k3"), "already_exists");
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

TEST_F(PostfixTablesTest, LocksUnlocksAndDeletes) {
    perform("mail.create", ada, "k1");

    EXPECT_EQ(perform("mail.lock", ada_id)->at("locked"), true);
    EXPECT_EQ(perform("mail.lock", ada_id)->at("locked"), true);
    EXPECT_EQ(ask("select active from mailbox"), "f");
    EXPECT_EQ(ask("select active from alias"), "f"); // or a mail server takes mail and sends it back later
    EXPECT_EQ(perform("mail.unlock", ada_id)->at("unlocked"), true);
    EXPECT_EQ(ask("select active from mailbox"), "t");
    EXPECT_EQ(ask("select active from alias"), "t");
    EXPECT_EQ(perform("mail.delete", ada_id)->at("deleted"), true);
    EXPECT_EQ(perform("mail.delete", ada_id)->at("deleted"), false);
    EXPECT_EQ(ask("select count(*) from alias"), "0");
    EXPECT_EQ(ask("select count(*) from baton_mailbox_mark"), "0");
    EXPECT_EQ(trouble("mail.lock", ada_id), "not_found"); // the wrong person
    EXPECT_EQ(trouble("mail.unlock", ada_id), "not_found");
}

TEST_F(PostfixTablesTest, UndoTouchesOnlyWhatThisRunMade) {
    run("insert into mailbox(username, domain, local_part) values ('veteran@example.org', 'example.org', 'veteran')");
    const Answer adopted = perform("mail.create", R"({"address":"veteran@example.org","adopt":true})", "r1/mailbox");
    EXPECT_EQ(adopted->at("created"), false);
    perform("mail.create", ada, "r1/mailbox");
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
    perform("mail.create", ada, "r3/mailbox");
    EXPECT_NE(undo("mail.delete", "ada@example.org", "r1/mailbox").find(R"("kept":true)"), std::string::npos);
}

TEST_F(PostfixTablesTest, AddressThatIsAnAliasIsNotCreated) {
    run("insert into alias(address, goto, domain) values ('Sales@example.org', 'bob@example.org', 'example.org')");

    EXPECT_EQ(told("mail.create", R"({"address":"sales@example.org"})", "k1"),
              "conflict: sales@example.org is an alias, whose mail goes to bob@example.org");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_F(PostfixTablesTest, LockedMailboxIsNotAdopted) {
    perform("mail.create", ada, "k1");
    perform("mail.lock", ada_id);

    EXPECT_EQ(trouble("mail.create", R"({"address":"ada@example.org","adopt":true})", "k2"), "locked");
    perform("mail.unlock", ada_id);
    EXPECT_EQ(trouble("mail.create", R"({"address":"ada@example.org","adopt":true})", "k2"), "");
}

TEST_F(PostfixTablesTest, NewOwnerOfAnAddressDoesNotGetTheOldMail) {
    perform("mail.create", ada, "k1");
    const std::string first = ask("select maildir from mailbox");
    perform("mail.delete", ada_id);
    perform("mail.create", ada, "k2");

    EXPECT_NE(ask("select maildir from mailbox"), first);
}

TEST_F(PostfixTablesTest, LocalPartsThatAreNoNameOfAFolderAreRefused) {
    for (const char* local : {"../etc", "a/b", ".ada", "-ada", "ada..b", "ada.", "a b", "ad\xC3\xA4", "a%b", "a$b", "a|b"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":")") + local + R"(@example.org"})"), "invalid_input") << local;
    for (const char* domain : {"../x", "a..b", ".org", "a/b"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":"ada@)") + domain + "\"}"), "invalid_input") << domain;
    for (const char* local : {"ada+tag", "o'brien", "ada.lovelace", "a_b-c", "Ada"})
        EXPECT_EQ(trouble("mail.create", std::string(R"({"address":")") + local + R"(@example.org"})"), "") << local;
    EXPECT_EQ(ask("select count(*) from mailbox where maildir like '%..%' or maildir like '%/%/%/'"), "0");
}

TEST_F(PostfixTablesTest, LimitsOfADomainAreHonoured) {
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

TEST_F(PostfixTablesTest, TheLastMailboxOfADomainIsGivenOnce) {
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

TEST_F(PostfixTablesTest, AliasesHaveTargetsAndAnUndoOfTheirOwn) {
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
    perform("mail.create", ada, "k1");
    EXPECT_EQ(trouble("mail.add_alias", R"({"alias":"ada@example.org","to":"bob@example.org"})"), "conflict");
    EXPECT_EQ(trouble("mail.remove_alias", R"({"alias":"ada@example.org"})"), "conflict");
}

TEST_F(PostfixTablesTest, ForwardsKeepACopyOrNot) {
    perform("mail.create", ada, "k1");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"boss@example.org"})"), "");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org,boss@example.org");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"boss@example.org","keep_copy":false})"), "");
    EXPECT_EQ(ask("select goto from alias"), "boss@example.org");
    EXPECT_EQ(trouble("mail.remove_forward", R"({"address":"ada@example.org","to":"boss@example.org"})"), "");
    EXPECT_EQ(ask("select goto from alias"), "ada@example.org"); // gets its mail again
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"bob@example.org","to":"boss@example.org"})"), "not_found");
    EXPECT_EQ(trouble("mail.add_forward", R"({"address":"ada@example.org","to":"ada@example.org"})"), "invalid_input");
}

TEST_F(PostfixTablesTest, ArchivedMailIsKeptAndNewMailGoesToTheHeir) {
    perform("mail.create", ada, "k1");
    EXPECT_EQ(trouble("mail.archive", R"({"address":"ada@example.org","forward_to":"boss@example.org"})"), "");
    EXPECT_EQ(ask("select active from mailbox"), "f");
    EXPECT_EQ(ask("select goto from alias where active"), "boss@example.org");
    EXPECT_EQ(trouble("mail.unlock", ada_id), ""); // rehired
    EXPECT_EQ(ask("select goto from alias where active"), "ada@example.org");
    EXPECT_EQ(trouble("mail.archive", ada_id), "");
    EXPECT_EQ(ask("select count(*) from alias where active"), "0");
}

TEST_F(PostfixTablesTest, WorkersOwnAccountIsNotTouched) {
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

TEST_F(PasswordLetterTest, PasswordReachesAPersonAndNoHistory) {
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

TEST_F(PasswordLetterTest, LetterNobodyKnowsAboutIsFollowedByAnotherPassword) {
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

TEST_F(PasswordLetterTest, LetterThatIsRefusedForGoodTakesTheMailboxBack) {
    const SmtpPeer peer({{"RCPT", "550 5.1.1 nobody there"}});
    settings_.mail.smtp_url = peer.url();

    EXPECT_EQ(told("mail.create", wish_, "k1"), "smtp_refused: SMTP: 550 5.1.1 nobody there; the mailbox was taken back");
    EXPECT_EQ(ask("select count(*) from mailbox"), "0");
}

TEST_F(PasswordLetterTest, OwnerOfAnAdoptedMailboxKeepsHisPassword) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    run("insert into mailbox(username, domain, local_part, password) values ('ada@example.org', 'example.org', 'ada', 'old')");

    const Answer answer = perform("mail.create", R"({"address":"ada@example.org","adopt":true,"send_password_to":"ada@home.example"})", "k1");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->at("password_sent"), false);
    EXPECT_EQ(ask("select password from mailbox"), "old");
    EXPECT_TRUE(peer.letters().empty());
}

TEST_F(PasswordLetterTest, ReaderMustBeSomebodyElse) {
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

TEST_F(PasswordLetterTest, SetPasswordSendsANewOneOnce) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    perform("mail.create", ada, "k1");

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

class MailDatabaseErrors : public PostfixTablesTest {
protected:
    contract::Problem problem() {
        const Answer answer = perform("mail.create", ada, "k1");
        EXPECT_FALSE(answer);
        if (answer) return {};
        EXPECT_EQ(answer.error().detail.find("word-of"), std::string::npos) << answer.error().detail;
        return answer.error();
    }
    void expect(const std::string& type, bool retryable, bool is_attempt) {
        const contract::Problem one = problem();
        EXPECT_EQ(one.type, type) << one.detail;
        EXPECT_EQ(one.retryable, retryable) << one.detail;
        EXPECT_EQ(one.is_attempt, is_attempt) << one.detail;
    }
};

TEST_F(MailDatabaseErrors, CannotBeReached) {
    settings_.mail.database_url = "postgresql://nobody:word-of-x@127.0.0.1:1/mail";
    expect("unavailable", true, true);
}
TEST_F(MailDatabaseErrors, WrongPassword) {
    settings_.mail.database_url = as("baton_mail", "word-of-nobody");
    expect("unauthorized", true, false);
}
TEST_F(MailDatabaseErrors, NoSuchDatabase) {
    settings_.mail.database_url = owner_ + "_absent";
    expect("configuration", true, false);
}
TEST_F(MailDatabaseErrors, RightsAreMissing) {
    run("revoke insert on mailbox from baton_mail");
    expect("unauthorized", true, false);
}
TEST_F(MailDatabaseErrors, TablesAreMissing) {
    run("drop table alias; drop table mailbox");
    expect("configuration", true, false);
}
TEST_F(MailDatabaseErrors, ColumnsAreMissing) {
    run("alter table domain drop column maxquota");
    expect("configuration", true, false);
}
TEST_F(MailDatabaseErrors, ReadOnly) {
    run("alter database " + owner_.substr(owner_.rfind('/') + 1) + " set default_transaction_read_only = on");
    expect("read_only", true, false);
}
TEST_F(MailDatabaseErrors, TooManyConnections) {
    run("alter role baton_mail connection limit 0");
    expect("unavailable", true, false);
    run("alter role baton_mail connection limit -1");
}
TEST_F(MailDatabaseErrors, ShutsDown) {
    baton::testing::Postgres own;
    settings_.mail.database_url = own.new_database_url();
    own.stop();
    expect("unavailable", true, true);
}
TEST_F(MailDatabaseErrors, ValueThatDoesNotFit) {
    const std::string name(300, 'n');
    const Answer answer = perform("mail.create", R"({"address":"ada@example.org","name":")" + name + "\"}");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "invalid_input");
    EXPECT_FALSE(answer.error().retryable);
}

} // namespace
} // namespace baton::workers::test
