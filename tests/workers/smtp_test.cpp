// Letters against a mail server that goes wrong in every way it can: the table of workers/mail/README.md row
// by row, lost answers, late answers, several recipients.
#include "readme_table.hpp"
#include "smtp_peer.hpp"
#include "support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace baton::workers::test {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

class SmtpTest : public WithSandbox {
protected:
    SmtpTest() {
        settings_.mail.security = mail::Security::none;
        settings_.mail.from = "Baton <baton@example.org>";
        settings_.mail.smtp_user = "baton";
        settings_.mail.smtp_password = "word-of-the-worker";
        settings_.mail.patience.command = std::chrono::seconds(1);
        settings_.mail.limits.connect = std::chrono::seconds(2);
        folder_ = ::testing::TempDir() + "ledger-" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
        std::replace(folder_.begin() + static_cast<std::ptrdiff_t>(::testing::TempDir().size()), folder_.end(), '/', '-');
        fs::remove_all(folder_);
        fs::create_directory(folder_);
        settings_.mail.ledger_folder = folder_;
    }
    ~SmtpTest() override { fs::remove_all(folder_); }

    Answer send(const SmtpPeer& peer, const std::string& with, int attempt = 1, int attempts = 5) {
        settings_.mail.smtp_url = peer.url();
        attempt_ = attempt;
        max_attempts_ = attempts;
        return perform("mail.send", with, "k1");
    }

    std::string folder_;
};

const std::string smtp_letter = R"({"to":"ada@example.org","subject":"Hallo","text":"Grüße"})";
const std::string two = R"({"to":["ada@example.org","bob@example.org"],"subject":"s","text":"t"})";

struct SmtpRow {
    std::string name;
    SmtpPeer::Answers answers;
    std::string type;
    int status;
    bool retryable;
    bool is_attempt;
    int pause;                        // seconds; 0: none is said
    mail::Security security = mail::Security::none;
};

void PrintTo(const SmtpRow& row, std::ostream* out) { *out << row.name; }

class SmtpTable : public SmtpTest, public ::testing::WithParamInterface<SmtpRow> {};

TEST_P(SmtpTable, IsClassified) {
    const SmtpRow& row = GetParam();
    settings_.mail.security = row.security;
    const SmtpPeer peer(row.answers);

    const Answer answer = send(peer, smtp_letter);

    ASSERT_FALSE(answer);
    const contract::Problem& problem = answer.error();
    EXPECT_EQ(problem.type, row.type) << problem.detail;
    EXPECT_EQ(problem.status, row.status) << problem.detail;
    EXPECT_EQ(problem.retryable, row.retryable);
    EXPECT_EQ(problem.is_attempt, row.is_attempt);
    if (row.pause > 0) EXPECT_EQ(problem.retry_after, Duration{std::chrono::seconds(row.pause)});
    EXPECT_EQ(problem.detail.find("word-of-the-worker"), std::string::npos);
    EXPECT_EQ(problem.data.find("may_have_been_sent"), std::string::npos);
}

std::vector<SmtpRow> smtp_rows() {
    return {
        {"greeting 421", {{"greeting", "421 4.7.0 too many connections"}}, "smtp_deferred", 421, true, false, 60},
        {"greeting 554", {{"greeting", "554 5.7.1 no service for you"}}, "smtp_refused", 554, true, false, 30},
        {"no STARTTLS", {{"EHLO", "250 mx"}}, "tls", 0, true, false, 30, mail::Security::starttls},
        {"STARTTLS 454", {{"STARTTLS", "454 4.7.0 TLS not available"}}, "tls", 454, true, false, 30, mail::Security::starttls},
        {"TLS breaks", {{"STARTTLS", "220 go\r\ngarbage garbage garbage"}}, "tls", 0, true, false, 30, mail::Security::starttls},
        {"login 535", {{"AUTH", "535 5.7.8 authentication failed"}}, "smtp_login", 535, true, false, 30},
        {"login 534", {{"AUTH", "534-5.7.9 Application password\r\n534 5.7.9 required"}}, "smtp_login", 534, true, false, 30},
        {"login 538", {{"AUTH", "538 5.7.11 Encryption required"}}, "smtp_login", 538, true, false, 30},
        {"login 454", {{"AUTH", "454 4.7.0 Temporary authentication failure"}}, "smtp_deferred", 454, true, false, 60},
        {"no login", {{"EHLO", "250-mx\r\n250 AUTH GSSAPI"}}, "smtp_login", 0, true, false, 30},
        {"sender 530", {{"MAIL", "530 5.7.0 Authentication required"}}, "smtp_login", 530, true, false, 30},
        {"sender 450", {{"MAIL", "450 4.7.1 too much mail"}}, "smtp_deferred", 450, true, false, 60},
        {"sender 552", {{"MAIL", "552 5.3.4 Message size exceeds fixed limit"}}, "smtp_refused", 552, false, true, 0},
        {"recipient 421", {{"RCPT", "421 4.7.0 too many"}}, "smtp_deferred", 421, true, false, 60},
        {"greylisted", {{"RCPT", "450 4.2.0 Greylisted, see http://postgrey.example"}}, "smtp_deferred", 450, true, false, 300},
        {"greylisted with a time", {{"RCPT", "450 4.2.0 Greylisted, try again in 90 seconds"}}, "smtp_deferred", 450, true, false, 90},
        {"recipient 451", {{"RCPT", "451 4.3.0 Temporary lookup failure"}}, "smtp_deferred", 451, true, false, 60},
        {"recipient 451 in minutes", {{"RCPT", "451 4.7.1 come back in 2 minutes"}}, "smtp_deferred", 451, true, false, 120},
        {"mailbox full", {{"RCPT", "452 4.2.2 Over quota"}}, "smtp_deferred", 452, true, true, 60},
        {"recipient 452", {{"RCPT", "452 4.3.1 Insufficient system storage"}}, "smtp_deferred", 452, true, false, 60},
        {"recipient 550", {{"RCPT", "550 5.1.1 User unknown"}}, "smtp_refused", 550, false, true, 0},
        {"recipient 554", {{"RCPT", "554 5.7.1 Relay access denied"}}, "smtp_refused", 554, false, true, 0},
        {"data 451", {{"DATA", "451 4.3.0 not now"}}, "smtp_deferred", 451, true, false, 60},
        {"data 554", {{"DATA", "554 5.5.1 no valid recipients"}}, "smtp_refused", 554, false, true, 0},
        {"text 451", {{"text", "451 4.3.0 queue file write error"}}, "smtp_deferred", 451, true, false, 60},
        {"text 452", {{"text", "452 4.3.1 Insufficient system storage"}}, "smtp_deferred", 452, true, false, 60},
        {"text 554", {{"text", "554 5.7.1 looks like spam"}}, "smtp_refused", 554, false, true, 0},
        {"dropped at the greeting", {{"greeting", ""}}, "unavailable", 0, true, true, 0},
        {"dropped at the recipient", {{"RCPT", ""}}, "unavailable", 0, true, true, 0},
        {"no answer that is one", {{"MAIL", "what?"}}, "timeout", 0, true, true, 0}};
}

INSTANTIATE_TEST_SUITE_P(Smtp, SmtpTable, ::testing::ValuesIn(smtp_rows()));

// Of the rows that the tests above make happen.
TEST(SmtpReadme, HasTheSameTable) {
    std::string table = "| what happens | the server says | what follows |\n|---|---|---|\n";
    for (const SmtpRow& row : smtp_rows()) {
        contract::Problem problem;
        problem.type = row.type;
        problem.retryable = row.retryable;
        problem.is_attempt = row.is_attempt;
        std::string said = row.answers.empty() ? std::string() : row.answers.begin()->second;
        std::replace(said.begin(), said.end(), '\r', ' ');
        std::erase(said, '\n');
        const std::string pause = row.is_attempt || row.pause == 0 ? "" : fmt::format(", {} s", row.pause);
        table += fmt::format("| {} | {} | {}{} |\n", row.name, said.empty() ? "nothing" : "`" + said + "`", in_words(problem), pause);
    }
    expect_table("mail", "letters", table);
}

TEST_F(SmtpTest, TheReasonIsTheRefusalAndNeverTheAnswerToTheGoodbye) {
    const auto reason = [&](SmtpPeer::Answers answers) {
        const SmtpPeer peer(std::move(answers));
        const Answer answer = send(peer, smtp_letter);
        return answer ? std::string() : answer.error().detail;
    };

    EXPECT_EQ(reason({{"RCPT", "550 5.1.1 User unknown in table"}, {"QUIT", "554 5.5.1 I do not like your goodbye"}}),
              "SMTP: 550 5.1.1 User unknown in table");
    EXPECT_EQ(reason({{"text", "554 5.7.1 spam"}, {"QUIT", "421 4.4.2 timeout"}}), "SMTP: 554 5.7.1 spam");
    EXPECT_EQ(reason({{"RCPT", "550 5.1.1 Empf\xE4nger unbekannt"}}), "SMTP: 550 5.1.1 Empfänger unbekannt");
    EXPECT_EQ(reason({{"RCPT", "550-5.7.1 Rejected\r\n550 see https://mx.example/x"}}),
              "SMTP: 550-5.7.1 Rejected see https://mx.example/x");
    EXPECT_EQ(reason({{"RCPT", "550 a\x1B[31mb"}}), "SMTP: 550 a [31mb");
}

TEST_F(SmtpTest, LetterThatWasTakenIsNotUndoneByABadGoodbye) {
    const SmtpPeer peer({{"QUIT", "554 5.5.1 no"}});

    EXPECT_TRUE(send(peer, smtp_letter));
    EXPECT_EQ(peer.letters().size(), 1U);
}

TEST_F(SmtpTest, LateAnswerIsWaitedForLongerThanAnHttpCall) {
    settings_.mail.limits.total = std::chrono::milliseconds(200);
    const SmtpPeer peer({}, std::chrono::milliseconds(2500));

    const Answer answer = send(peer, smtp_letter);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("doubtful"), false);
    EXPECT_EQ(mail::SmtpPatience{}.answer, std::chrono::minutes(10));
}

TEST_F(SmtpTest, LateRefusalIsNeverTheNextLettersReason) {
    settings_.mail.patience.answer = std::chrono::milliseconds(500);
    {
        const SmtpPeer slow({{"text", "554 5.7.1 the first looks like spam"}}, std::chrono::milliseconds(2500));
        const Answer first = send(slow, smtp_letter);
        ASSERT_FALSE(first);
        EXPECT_EQ(first.error().type, "timeout");
        EXPECT_EQ(first.error().data, R"({"may_have_been_sent":true})");
    }
    const SmtpPeer quick;
    const Answer second = send(quick, two);
    ASSERT_TRUE(second) << second.error().detail;
    EXPECT_EQ(second->at("doubtful"), false); // another letter
}

TEST_F(SmtpTest, LetterThatMayHaveBeenTakenIsSaidToBeDoubtful) {
    const SmtpPeer dropping({{"text", ""}});
    const Answer lost = send(dropping, smtp_letter);
    ASSERT_FALSE(lost);
    EXPECT_TRUE(lost.error().retryable);
    EXPECT_EQ(lost.error().data, R"({"may_have_been_sent":true})");

    const SmtpPeer away({{"greeting", "421 4.3.2 down"}});
    EXPECT_FALSE(send(away, smtp_letter, 2)); // which tells nothing about the first
    const SmtpPeer peer;
    const Answer again = send(peer, smtp_letter, 3);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("doubtful"), true);
}

TEST_F(SmtpTest, LetterThatWasTakenIsNotSentAgain) {
    const SmtpPeer peer;
    const Answer first = send(peer, smtp_letter);
    const Answer second = send(peer, smtp_letter, 2); // the report of the first was lost

    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
    EXPECT_EQ(peer.letters().size(), 1U);
}

TEST_F(SmtpTest, TwoCallsWithoutAnIdentityAreTwoLetters) {
    const SmtpPeer peer;
    settings_.mail.smtp_url = peer.url();
    const Answer first = perform("mail.send", smtp_letter);
    const Answer second = perform("mail.send", smtp_letter);
    EXPECT_NE(first->at("message_id"), second->at("message_id"));
    EXPECT_EQ(peer.letters().size(), 2U);
}

TEST_F(SmtpTest, AttemptThatSurelyFailedLeavesNoDoubt) {
    const SmtpPeer busy({{"text", "451 4.3.0 later"}});
    EXPECT_FALSE(send(busy, smtp_letter));
    const SmtpPeer peer;
    EXPECT_EQ(send(peer, smtp_letter, 2)->at("doubtful"), false);
}

TEST_F(SmtpTest, WithoutALedgerEveryFurtherAttemptIsDoubtful) {
    settings_.mail.ledger_folder.clear();
    const SmtpPeer peer;
    EXPECT_EQ(send(peer, smtp_letter, 1)->at("doubtful"), false);
    EXPECT_EQ(send(peer, smtp_letter, 2)->at("doubtful"), true);
}

TEST_F(SmtpTest, LedgerThatCannotBeWrittenSendsNothing) {
    settings_.mail.ledger_folder = folder_ + "/absent";
    const SmtpPeer peer;
    const Answer answer = send(peer, smtp_letter);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "ledger");
    EXPECT_FALSE(answer.error().is_attempt);
    EXPECT_EQ(peer.connections(), 0U);
}

TEST_F(SmtpTest, CancelEndsTheWaiting) {
    const SmtpPeer peer({}, std::chrono::seconds(3));
    is_cancelled_ = true;
    const Answer answer = send(peer, smtp_letter);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "cancelled");
}

TEST_F(SmtpTest, RefusedRecipientsAreNamedAndTheOthersGetTheLetter) {
    const SmtpPeer peer({{"RCPT bob@example.org", "550 5.1.1 who is bob"}});

    const Answer answer = send(peer, two);

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(json::serialize(answer->at("refused")), R"([{"address":"bob@example.org","reason":"550 5.1.1 who is bob"}])");
    EXPECT_EQ(peer.letters().size(), 1U);
}

TEST_F(SmtpTest, RecipientWhoIsRefusedForTheMomentHoldsTheLetterBackUntilTheLastAttempt) {
    const SmtpPeer peer({{"RCPT bob@example.org", "452 4.2.2 bob's mailbox is full"}});

    const Answer first = send(peer, two, 1, 2);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().type, "smtp_deferred");
    EXPECT_TRUE(first.error().is_attempt);
    EXPECT_TRUE(peer.letters().empty());
    const Answer last = send(peer, two, 2, 2);
    ASSERT_TRUE(last) << last.error().detail;
    EXPECT_EQ(last->at("refused").as_array().size(), 1U);
    EXPECT_EQ(last->at("doubtful"), false);
}

TEST_F(SmtpTest, WhenAllAreRefusedTheReasonNamesEachOfThem) {
    const SmtpPeer peer({{"RCPT ada@example.org", "550 5.1.1 who is ada"}, {"RCPT bob@example.org", "550 5.1.1 who is bob"}});

    const Answer answer = send(peer, two);

    ASSERT_FALSE(answer);
    EXPECT_FALSE(answer.error().retryable);
    EXPECT_EQ(answer.error().detail, "SMTP: ada@example.org: 550 5.1.1 who is ada; bob@example.org: 550 5.1.1 who is bob");
}

} // namespace
} // namespace baton::workers::test
