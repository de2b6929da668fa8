// Mailboxes in mailcow and mails by SMTP, against the sandbox and all its faults.
#include "readme_table.hpp"
#include "support.hpp"

#include "base/base64.hpp"
#include "workers/mail/letter.hpp"
#include "workers/mail/mailcow_filter.hpp"

#include <filesystem>
#include <fstream>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

class MailTest : public WithSandbox {};

const std::string ada = R"({"address":"Ada@Example.org","name":"Ada L"})";
const std::string a_letter = R"({"to":"ada@example.org","subject":"Hallo","text":"Grüße"})";

TEST_F(MailTest, CreatesAMailbox) {
    const Answer answer = perform("mail.create", ada, "k1");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->at("id"), "ada@example.org");
    EXPECT_EQ(answer->at("address"), "ada@example.org");
    EXPECT_EQ(answer->at("created"), true);
}

TEST_F(MailTest, TheSameKeyTwiceMakesOneMailbox) {
    perform("mail.create", ada, "k1");
    const Answer again = perform("mail.create", ada, "k1");

    ASSERT_TRUE(again);
    EXPECT_EQ(again->at("created"), true); // by an attempt of this task
    EXPECT_EQ(count("mailboxes"), 1U);
}

TEST_F(MailTest, MailboxOfSomebodyElseIsAConflict) {
    perform("mail.create", ada, "k1");
    const Answer other = perform("mail.create", ada, "k2");

    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().type, "already_exists");
    EXPECT_FALSE(other.error().retryable);
    const Answer adopted = perform("mail.create", R"({"address":"ada@example.org","adopt":true})", "k3");
    ASSERT_TRUE(adopted);
    EXPECT_EQ(adopted->at("created"), false); // an undo must leave it
}

TEST_F(MailTest, UndoTouchesOnlyWhatThisRunMade) {
    tell("/sandbox/seed", R"({"mailboxes":[{"username":"old@example.org"}]})");
    perform("mail.create", R"({"address":"old@example.org","adopt":true})", "r1/mailbox");
    perform("mail.create", ada, "r1/mailbox");

    for (const char* task : {"mail.lock", "mail.delete"}) {
        const Answer kept = perform(task, R"({"id":"old@example.org","only_if_created_by":"r1/mailbox"})");
        ASSERT_TRUE(kept) << kept.error().detail;
        EXPECT_EQ(kept->at("kept"), true);
    }
    EXPECT_EQ(perform("mail.delete", R"({"id":"ada@example.org","only_if_created_by":"r1/mailbox"})")->at("deleted"), true);
    EXPECT_EQ(count("mailboxes"), 1U);
}

TEST_F(MailTest, AliasesQuotasAndPasswordsOfMailcow) {
    EXPECT_EQ(perform("mail.add_alias", R"({"alias":"sales@example.org","to":"ada@example.org"})", "r1/a")->at("created"), true);
    EXPECT_EQ(perform("mail.add_alias", R"({"alias":"sales@example.org","to":"bob@example.org"})", "r2/a")->at("created"), true);
    EXPECT_EQ(perform("mail.create", R"({"address":"sales@example.org"})").error().type, "conflict");
    EXPECT_EQ(perform("mail.remove_alias", R"({"alias":"sales@example.org","to":"bob@example.org","only_if_created_by":"r9/a"})")->at("kept"), true);
    EXPECT_EQ(perform("mail.remove_alias", R"({"alias":"sales@example.org","to":"bob@example.org","only_if_created_by":"r2/a"})")->at("removed"), true);
    EXPECT_EQ(json::serialize(perform("mail.find", R"({"address":"sales@example.org"})")->at("targets")), R"(["ada@example.org"])");
    EXPECT_EQ(perform("mail.remove_alias", R"({"alias":"sales@example.org"})")->at("removed"), true);
    EXPECT_EQ(perform("mail.find", R"({"address":"sales@example.org"})")->at("found"), false);

    perform("mail.create", ada, "k1");
    EXPECT_TRUE(perform("mail.set_quota", R"({"id":"ada@example.org","quota_mb":7})"));
    EXPECT_EQ(perform("mail.find", R"({"address":"ada@example.org"})")->at("quota_mb"), 7);
    EXPECT_EQ(perform("mail.set_password", R"({"id":"ada@example.org","send_to":"ada@home.example"})", "k2")->at("password_sent"), true);
    EXPECT_TRUE(perform("mail.set_password", R"({"id":"ada@example.org","send_to":"ada@home.example"})", "k2"));
    EXPECT_EQ(count("mails"), 1U);
    EXPECT_EQ(perform("mail.archive", R"({"id":"ada@example.org"})")->at("archived"), true);
    EXPECT_EQ(perform("mail.unlock", R"({"id":"ada@example.org"})")->at("unlocked"), true);
}

TEST_F(MailTest, AForwardOfAMailboxOfMailcowIsAFilterOfIt) {
    perform("mail.create", ada, "k1");
    const auto script = [&] { return std::string(state().at("mail_filters").at(0).at("script_data").as_string()); };
    EXPECT_EQ(perform("mail.add_forward", R"({"address":"ada@example.org","to":"bob@example.org"})", "r1/a")->at("created"), true);
    EXPECT_EQ(perform("mail.add_forward", R"({"address":"ada@example.org","to":"bob@example.org"})", "r1/a")->at("created"), true) << "an attempt more";
    EXPECT_EQ(perform("mail.add_forward", R"({"address":"ada@example.org","to":"bob@example.org"})", "r2/a")->at("created"), false);
    EXPECT_EQ(perform("mail.add_forward", R"({"address":"ada@example.org","to":"eve@example.org"})", "r2/a")->at("created"), true);
    EXPECT_EQ(count("mail_filters"), 1U);
    EXPECT_NE(script().find("redirect :copy \"bob@example.org\";\n"), std::string::npos) << script();
    EXPECT_EQ(json::serialize(perform("mail.find", R"({"address":"ada@example.org"})")->at("targets")), R"(["bob@example.org","eve@example.org"])");

    EXPECT_TRUE(perform("mail.add_forward", R"({"address":"ada@example.org","to":"eve@example.org","keep_copy":false})", "r2/a"));
    EXPECT_EQ(script().find(":copy"), std::string::npos) << script();
    EXPECT_EQ(perform("mail.remove_forward", R"({"address":"ada@example.org","to":"bob@example.org","only_if_created_by":"r2/a"})")->at("kept"), true);
    EXPECT_EQ(perform("mail.remove_forward", R"({"address":"ada@example.org","to":"bob@example.org","only_if_created_by":"r1/a"})")->at("removed"), true);
    EXPECT_EQ(perform("mail.remove_forward", R"({"address":"ada@example.org","to":"bob@example.org"})")->at("removed"), false);
    EXPECT_EQ(perform("mail.remove_forward", R"({"address":"ada@example.org"})")->at("removed"), true);
    EXPECT_EQ(count("mail_filters"), 0U);

    // Archived: nobody logs in, mail goes on, until the mailbox is unlocked.
    EXPECT_EQ(perform("mail.archive", R"({"id":"ada@example.org","forward_to":"b@c.de"})")->at("archived"), true);
    EXPECT_EQ(state().at("mailboxes").at(0).at("active"), 2);
    EXPECT_EQ(perform("mail.find", R"({"address":"ada@example.org"})")->at("active"), false);
    EXPECT_NE(script().find("redirect \"b@c.de\";\n"), std::string::npos) << script();
    EXPECT_EQ(perform("mail.unlock", R"({"id":"ada@example.org"})")->at("unlocked"), true);
    EXPECT_EQ(count("mail_filters"), 0U);
    EXPECT_EQ(state().at("mailboxes").at(0).at("active"), 1);
}

TEST_F(MailTest, AFilterOfTheOwnerIsNotSwitchedOff) {
    perform("mail.create", ada, "k1");
    const http::Response made = http::perform({"POST", sandbox_.mailcow_url() + "/api/v1/add/filter", {{"X-API-Key", settings_.mail.mailcow_key}},
        R"({"username":"ada@example.org","active":"1","filter_type":"prefilter","script_desc":"mine","script_data":"keep;"})"}, {});
    ASSERT_EQ(made.status, 200) << made.body;

    EXPECT_EQ(perform("mail.add_forward", R"({"address":"ada@example.org","to":"bob@example.org"})").error().type, "conflict");
    EXPECT_EQ(perform("mail.archive", R"({"id":"ada@example.org","forward_to":"b@c.de"})").error().type, "conflict");
    EXPECT_EQ(state().at("mail_filters").at(0).at("active"), 1);
    EXPECT_EQ(state().at("mailboxes").at(0).at("active"), 1) << "not half archived";
    EXPECT_EQ(perform("mail.remove_forward", R"({"address":"ada@example.org"})")->at("removed"), false);
    EXPECT_TRUE(perform("mail.lock", R"({"id":"ada@example.org"})"));
    EXPECT_TRUE(perform("mail.unlock", R"({"id":"ada@example.org"})"));
    EXPECT_EQ(count("mail_filters"), 1U);
}

TEST(MailcowFilter, WhatWasWrittenIsReadAgain) {
    const mail::Forwarding forwarding{{}, {"a@b.de", "o'\"brien\\@b.de"}, false, true, {{"a@b.de", {"baton-1", "baton-2"}}}};

    const mail::Forwarding read = mail::forwarding_in(mail::script_of(forwarding));

    EXPECT_EQ(read.targets, forwarding.targets);
    EXPECT_EQ(read.marks, forwarding.marks);
    EXPECT_FALSE(read.keeps_copy);
    EXPECT_TRUE(read.is_archived);
    EXPECT_TRUE(mail::forwarding_in("").targets.empty());
}

TEST_F(MailTest, LostAnswerOfACreateIsFoundByLookingAgain) {
    fault(R"({"mail.create":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("mail.create", ada, "k1");

    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(count("mailboxes"), 1U);
}

TEST_F(MailTest, DeletesOnceAndIsDoneTheSecondTime) {
    perform("mail.create", ada, "k1");

    EXPECT_EQ(perform("mail.delete", R"({"id":"ada@example.org"})")->at("deleted"), true);
    EXPECT_EQ(perform("mail.delete", R"({"id":"ada@example.org"})")->at("deleted"), false);
    EXPECT_EQ(count("mailboxes"), 0U);
}

TEST_F(MailTest, LockedMailboxTakesNoMail) {
    perform("mail.create", ada, "k1");

    EXPECT_EQ(perform("mail.lock", R"({"address":"ada@example.org"})")->at("locked"), true);
    const Answer sent = perform("mail.send", a_letter);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().type, "smtp_refused");
    EXPECT_EQ(sent.error().status, 550);
    EXPECT_FALSE(sent.error().retryable);
}

TEST_F(MailTest, EveryAnswerOfMailcowMeansWhatTheReadmeSays) {
    struct Row {
        const char* what;
        const char* fault;
    };
    const Row rows[] = {
        {"401", R"({"mail.*":{"status":401}})"},
        {"403", R"({"mail.create":{"status":403}})"},
        {"429 with `Retry-After`", R"({"mail.create":{"status":429,"retry_after":7}})"},
        {"503 with `Retry-After`", R"({"mail.create":{"status":503,"retry_after":7}})"},
        {"a redirect", R"({"mail.*":{"status":302}})"},
        {"404", R"({"mail.create":{"status":404}})"},
        {"408", R"({"mail.create":{"status":408}})"},
        {"425", R"({"mail.create":{"status":425}})"},
        {"500", R"({"mail.create":{"status":500}})"},
        {"502", R"({"mail.create":{"status":502}})"},
        {"503", R"({"mail.create":{"status":503}})"},
        {"504", R"({"mail.create":{"status":504}})"},
        {"nothing", R"({"mail.*":{"mode":"drop"}})"},
        {"what is no JSON", R"({"mail.*":{"mode":"garbage"}})"},
        {"`is_alias`", R"({"mail.create":{"error":"is_alias"}})"},
        {"`is_spam_alias`", R"({"mail.create":{"error":"is_spam_alias"}})"},
        {"`domain_not_found`", R"({"mail.create":{"error":"domain_not_found"}})"},
        {"`mailbox_quota_left_exceeded`", R"({"mail.create":{"error":"mailbox_quota_left_exceeded"}})"},
        {"`max_mailbox_exceeded`", R"({"mail.create":{"error":"max_mailbox_exceeded"}})"},
        {"`access_denied`", R"({"mail.create":{"error":"access_denied"}})"},
    };
    std::string table = "| mailcow answers | what follows |\n|---|---|\n";
    int number = 0;
    for (const Row& row : rows) {
        (void)http::perform({"DELETE", sandbox_.url() + "/sandbox/faults"}, {});
        fault(row.fault);
        const Answer answer = perform("mail.create", R"({"address":"row)" + std::to_string(++number) + R"(@example.org"})", "k");
        ASSERT_FALSE(answer) << row.what;
        EXPECT_FALSE(answer.error().detail.empty()) << row.what;
        table += std::string("| ") + row.what + " | " + in_words(answer.error()) + " |\n";
    }
    expect_table("mail", "mailcow", table);
}

struct MailCase {
    std::string task;
    std::string with;
    std::string fault;
    std::string type;
    bool retryable;
    bool is_attempt = true;
};

class MailFault : public MailTest, public ::testing::WithParamInterface<MailCase> {};

TEST_P(MailFault, IsClassified) {
    fault(GetParam().fault);

    const Answer answer = perform(GetParam().task, GetParam().with, "k1");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, GetParam().type) << answer.error().detail;
    EXPECT_EQ(answer.error().retryable, GetParam().retryable);
    EXPECT_EQ(answer.error().is_attempt, GetParam().is_attempt);
    EXPECT_FALSE(answer.error().detail.empty());
    EXPECT_EQ(answer.error().detail.find("sandbox-smtp-password"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Mail, MailFault,
    ::testing::Values(
        MailCase{"mail.create", ada, R"({"mail.get":{"status":503}})", "unavailable", true},
        MailCase{"mail.create", ada, R"({"mail.create":{"status":500}})", "unavailable", true},
        MailCase{"mail.create", ada, R"({"mail.create":{"status":429,"retry_after":7}})", "rate_limited", true, false},
        MailCase{"mail.create", ada, R"({"mail.*":{"status":401}})", "unauthorized", true, false},
        MailCase{"mail.create", ada, R"({"mail.create":{"status":403}})", "unauthorized", true, false},
        MailCase{"mail.create", ada, R"({"mail.create":{"error":"mailbox_quota_left_exceeded"}})",
             "mailbox_quota_left_exceeded", false},
        MailCase{"mail.create", ada, R"({"mail.create":{"status":502}})", "unavailable", true},
        MailCase{"mail.create", ada, R"({"mail.*":{"status":302}})", "redirected", true, false},
        MailCase{"mail.create", ada, R"({"mail.create":{"error":"max_mailbox_exceeded"}})", "max_mailbox_exceeded", false},
        MailCase{"mail.create", ada, R"({"mail.create":{"error":"is_alias"}})", "conflict", false},
        MailCase{"mail.add_alias", R"({"alias":"a@b.de","to":"c@d.de"})", R"({"mail.add_alias":{"status":429,"retry_after":7}})", "rate_limited", true, false},
        MailCase{"mail.add_alias", R"({"alias":"a@b.de","to":"c@d.de"})", R"({"mail.add_alias":{"error":"domain_not_found"}})", "domain_not_found", false},
        MailCase{"mail.create", ada, R"({"mail.*":{"mode":"garbage"}})", "bad_answer", true},
        MailCase{"mail.create", ada, R"({"mail.*":{"mode":"drop"}})", "unavailable", true},
        MailCase{"mail.create", R"({"address":"a@nowhere.invalid"})", "{}", "domain_not_found", false},
        MailCase{"mail.create", R"({"address":"a b@c.de"})", "{}", "invalid_input", false},
        MailCase{"mail.create", "{}", "{}", "invalid_input", false},
        MailCase{"mail.send", a_letter, R"({"mail.auth":{"error":"535 5.7.8 Error: authentication failed"}})",
             "smtp_login", true, false},
        MailCase{"mail.send", a_letter, R"({"mail.auth":{"error":"454 4.7.0 Temporary authentication failure"}})",
             "smtp_deferred", true, false},
        MailCase{"mail.send", a_letter, R"({"mail.from":{"error":"552 5.3.4 Message size exceeds fixed limit"}})",
             "smtp_refused", false},
        MailCase{"mail.send", a_letter, R"({"mail.rcpt":{"error":"451 4.3.0 Temporary lookup failure"}})",
             "smtp_deferred", true, false},
        MailCase{"mail.send", a_letter, R"({"mail.rcpt":{"error":"550 5.1.1 User unknown"}})", "smtp_refused", false},
        MailCase{"mail.send", a_letter, R"({"mail.send":{"error":"452 4.3.1 Insufficient system storage"}})",
             "smtp_deferred", true, false},
        MailCase{"mail.send", a_letter, R"({"mail.send":{"error":"554 5.7.1 Rejected"}})", "smtp_refused", false},
        MailCase{"mail.send", a_letter, R"({"mail.connect":{"error":"421 4.7.0 too many connections"}})",
             "smtp_deferred", true, false},
        MailCase{"mail.send", R"({"to":"x"})", "{}", "invalid_input", false},
        MailCase{"mail.send", R"({"to":"a@b.de","template":"../../etc/passwd"})", "{}", "invalid_input", false}));

TEST_F(MailTest, RetryAfterIsPassedOn) {
    fault(R"({"mail.create":{"status":429,"retry_after":7}})");

    EXPECT_EQ(perform("mail.create", ada, "k1").error().retry_after, Duration{std::chrono::seconds(7)});
}

TEST_F(MailTest, TimeoutAndUnreachableAreRetryable) {
    settings_.mail.limits.total = std::chrono::milliseconds(200);
    fault(R"({"mail.get":{"delay_ms":2000}})");
    EXPECT_EQ(perform("mail.create", ada, "k1").error().type, "timeout");

    settings_.mail.mailcow_url = "http://127.0.0.1:1";
    const Answer unreachable = perform("mail.create", ada, "k1");
    EXPECT_EQ(unreachable.error().type, "unavailable");
    EXPECT_TRUE(unreachable.error().retryable);
}

TEST_F(MailTest, SendsWithTheSameMessageIdInEveryAttempt) {
    const Answer first = perform("mail.send", a_letter, "k1");
    const Answer second = perform("mail.send", a_letter, "k1");
    const Answer other = perform("mail.send", a_letter, "k2");

    ASSERT_TRUE(first) << first.error().detail;
    EXPECT_EQ(first->at("message_id"), second->at("message_id"));
    EXPECT_NE(first->at("message_id"), other->at("message_id"));
    const json::value mail = state().at("mails").at(0);
    EXPECT_EQ(mail.at("message_id"), first->at("message_id"));
    EXPECT_EQ(mail.at("tls"), true);
    EXPECT_NE(mail.at("text").as_string().find("R3LDvMOfZQ=="), std::string::npos);
}

TEST_F(MailTest, MailWhoseAnswerIsLostSaysThatItMayHaveBeenSent) {
    fault(R"({"mail.send":{"mode":"lost_answer","times":1}})");

    const Answer answer = perform("mail.send", a_letter, "k1");

    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().retryable);
    EXPECT_EQ(answer.error().data, R"({"may_have_been_sent":true})");
    EXPECT_EQ(count("mails"), 1U);
}

TEST_F(MailTest, ForeignCertificateIsNotTrusted) {
    const sandbox::Sandbox other(*sandbox::Sandbox::start({}));
    settings_.mail.ca_pem = other.certificate_pem();

    EXPECT_EQ(perform("mail.send", a_letter).error().type, "tls");
}

TEST_F(MailTest, TemplatesTakeTheirFieldsAndNoOthers) {
    const std::string folder = ::testing::TempDir() + "letters";
    std::filesystem::create_directory(folder);
    settings_.mail.template_folder = folder;
    std::ofstream(folder + "/welcome.txt") << "Subject: Welcome {{name}}\n\nHello {{ name }}, {{what}}.\n";
    std::ofstream(folder + "/welcome.html") << "<p>{{name}}</p>";
    const auto reason = [&](const std::string& with) {
        const Answer answer = perform("mail.send", with);
        return answer ? std::string() : answer.error().detail;
    };

    EXPECT_EQ(reason(R"({"to":"a@b.de","template":"welcome","name":"A & B","what":"you"})"), "");
    EXPECT_EQ(reason(R"({"to":"a@b.de","template":"welcome","nmae":"Ada","what":"you"})"),
              "template 'welcome' has no field 'nmae'; did you mean 'name'?; template 'welcome' needs the field 'name'");
    EXPECT_EQ(reason(R"({"to":"a@b.de","template":"wellcome"})"),
              "there is no template 'wellcome' in " + folder + ": No such file or directory; did you mean 'welcome'?");
    EXPECT_EQ(count("mails"), 1U);
    const json::value mail = state().at("mails").at(0);
    EXPECT_EQ(mail.at("subject"), "Welcome A & B");
    EXPECT_NE(mail.at("text").as_string().find(base64_of("<p>A &amp; B</p>")), std::string::npos);
    EXPECT_NE(mail.at("text").as_string().find(base64_of("Hello A & B, you.\n")), std::string::npos);
}

TEST_F(MailTest, NamesOfPeopleAreHeadersTheyCanRead) {
    const Answer sent = perform("mail.send", R"({"to":["Ada Lovelace <ada@example.net>","\"Büro, Köln\" <koeln@example.net>"],
        "cc":"\"O'Brien, Pat\" <pat@example.net>","from":"Søren <soeren@example.org>","subject":"s","text":"t"})");

    ASSERT_TRUE(sent) << sent.error().detail;
    const std::string text(state().at("mails").at(0).at("text").as_string());
    for (const std::string& expected :
         {std::string("To: Ada Lovelace <ada@example.net>,\r\n =?UTF-8?B?") + base64_of("Büro, Köln") + "?= <koeln@example.net>",
          std::string("Cc: \"O'Brien, Pat\" <pat@example.net>"),
          std::string("From: =?UTF-8?B?") + base64_of("Søren") + "?= <soeren@example.org>"})
        EXPECT_NE(text.find(expected), std::string::npos) << text;
    for (const char* bad : {"Ada <>", "Ada <a@b", "a@b@c", "bücher@example.org", "Ada\\n <a@b.de>"})
        EXPECT_FALSE(perform("mail.send", std::string(R"({"subject":"s","to":")") + bad + "\"}")) << bad;
}

TEST_F(MailTest, InvitationsAreCalendarEntries) {
    const Answer sent = perform("mail.send", R"({"to":"Ada <ada@example.net>","subject":"Kick-off","text":"Come.","from":"boss@example.org",
        "invitation":{"start":"2026-02-02T10:00:00+01:00","end":"2026-02-02T09:30:00Z","location":"Room 1, left","uid":"m-1"}})", "k1");

    ASSERT_TRUE(sent) << sent.error().detail;
    const std::string text(state().at("mails").at(0).at("text").as_string());
    const std::string kind = "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    const std::size_t begin = text.find(kind);
    ASSERT_NE(begin, std::string::npos) << text;
    std::string encoded = text.substr(begin + kind.size(), text.find("--", begin) - begin - kind.size());
    std::erase_if(encoded, [](char c) { return c == '\r' || c == '\n'; });
    std::string calendar = from_base64(encoded).value_or("");
    for (std::size_t fold = 0; (fold = calendar.find("\r\n ")) != std::string::npos;) calendar.erase(fold, 3);
    for (const char* line : {"METHOD:REQUEST", "UID:m-1", "DTSTART:20260202T090000Z", "DTEND:20260202T093000Z", "SUMMARY:Kick-off",
                             "LOCATION:Room 1\\, left", "ORGANIZER:mailto:boss@example.org", "SEQUENCE:0"})
        EXPECT_NE(calendar.find(std::string("\r\n") + line + "\r\n"), std::string::npos) << line << "\n" << calendar;
    EXPECT_NE(calendar.find("mailto:ada@example.net"), std::string::npos);
    for (const char* wrong : {R"({"start":"tomorrow","end":"2026-02-02T09:30:00Z"})", R"({"start":"2026-02-02T09:30:00Z","end":"2026-02-02T09:00:00Z"})",
                              R"({"start":"2026-02-30T09:30:00Z","end":"2026-03-02T09:00:00Z"})", R"({"begin":"2026-02-02T09:30:00Z"})"})
        EXPECT_FALSE(perform("mail.send", std::string(R"({"to":"a@b.de","subject":"s","invitation":)") + wrong + "}")) << wrong;
}

TEST_F(MailTest, UnknownParametersAreRefusedByName) {
    const Answer letter_to = perform("mail.send", R"({"to":"a@b.de","subject":"s","txt":"t"})");
    ASSERT_FALSE(letter_to);
    EXPECT_EQ(letter_to.error().type, "invalid_input");
    EXPECT_EQ(letter_to.error().detail, "unknown parameter 'txt'; did you mean 'text'?");
    for (const auto& [task, with] : std::vector<std::pair<std::string, std::string>>{
             {"mail.create", ada}, {"mail.delete", ada}, {"mail.lock", ada}, {"redmine.create_user", "{}"},
             {"redmine.lock_user", "{}"}, {"redmine.create_project", "{}"}, {"redmine.add_member", "{}"},
             {"redmine.create_issue", "{}"}, {"redmine.comment", "{}"}, {"slack.invite", "{}"},
             {"slack.post", "{}"}, {"slack.deactivate", "{}"}, {"slack.create_channel", "{}"}}) {
        json::object object = json::parse(with).as_object();
        object["zebra"] = 1;
        const Answer answer = perform(task, json::serialize(object));
        ASSERT_FALSE(answer) << task;
        EXPECT_NE(answer.error().detail.find("unknown parameter 'zebra'"), std::string::npos) << task;
    }
    EXPECT_EQ(count("mailboxes"), 0U);
}

TEST_F(MailTest, AttachmentsAreTextOrBase64) {
    ASSERT_TRUE(perform("mail.send", R"({"to":"a@b.de","subject":"s","attachments":[{"name":"a.csv","type":"text/csv","text":"ä,b\n"},
        {"name":"b.bin","content_base64":"AAE="},{"name":"c.txt","text":"c"}]})"));
    const std::string text(state().at("mails").at(0).at("text").as_string());
    for (const std::string& expected : {base64_of("ä,b\n"), std::string("AAE="), std::string("Content-Type: text/csv"),
                                        std::string("Content-Type: application/octet-stream"), std::string("Content-Type: text/plain")})
        EXPECT_NE(text.find(expected), std::string::npos) << expected;
}

TEST_F(MailTest, AttachmentsMayLieBelowATargetOfHttp) {
    const auto with = [](const std::string& attachments) { return R"({"to":"a@b.de","subject":"s","attachments":[)" + attachments + "]}"; };
    const std::string state_file = R"({"from":{"target":"documents","path":"state"}})";
    EXPECT_EQ(perform("mail.send", with(state_file)).error().type, "invalid_input") << "no target is configured";
    settings_.http_call.targets["documents"] = {.name = "documents", .url = sandbox_.url() + "/sandbox"};

    ASSERT_TRUE(perform("mail.send", with(state_file + R"(,{"name":"n.csv","type":"text/csv","from":{"target":"documents","path":"faults"}})")));

    const std::string text(state().at("mails").at(0).at("text").as_string());
    for (const char* expected : {"filename*=UTF-8''state", "Content-Type: application/json\r\n", "n.csv", "Content-Type: text/csv\r\n"})
        EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
    const Answer gone = perform("mail.send", with(R"({"from":{"target":"documents","path":"none"}})"));
    EXPECT_EQ(gone.error().type, "file_not_found");
    settings_.http_call.targets["away"] = {.name = "away", .url = "http://127.0.0.1:9"};
    const Answer away = perform("mail.send", with(R"({"from":{"target":"away","path":"x"}})"));
    EXPECT_EQ(away.error().type, "file_unavailable");
    EXPECT_EQ(away.error().data.find("may_have_been_sent"), std::string::npos) << "nothing was sent";
    for (const char* wrong : {R"({"from":"documents"})", R"({"from":{"target":"documents"}})", R"({"from":{"target":"d","path":"x","url":"y"}})",
                              R"({"from":{"target":"documents","path":"state"},"text":"t"})", R"({"from":{"target":"documents","path":"folder/"}})"})
        EXPECT_EQ(perform("mail.send", with(wrong)).error().type, "invalid_input") << wrong;
    EXPECT_EQ(state().at("mails").as_array().size(), 1U);
}

TEST_F(MailTest, SendsCopiesHtmlAndAttachments) {
    const Answer sent = perform("mail.send", R"({"to":"a@b.de","cc":["c@b.de"],"bcc":"d@b.de","reply_to":"r@b.de",
        "subject":"Grüße","text":"t","html":"<b>x</b>","attachments":[{"name":"Übersicht.txt","type":"text/plain","content":"aGk="}]})");

    ASSERT_TRUE(sent) << sent.error().detail;
    const json::value mail = state().at("mails").at(0);
    EXPECT_EQ(json::serialize(mail.at("to")), R"(["a@b.de","c@b.de","d@b.de"])");
    const std::string text(mail.at("text").as_string());
    for (const char* expected : {"multipart/mixed", "multipart/alternative", "PGI+eDwvYj4=", "aGk=", "filename*=UTF-8''%C3%9Cbersicht.txt"})
        EXPECT_NE(text.find(expected), std::string::npos) << expected;
    for (const char* wrong : {R"({"name":"x","content":"%"})", R"({"name":"x"})", R"({"name":"x","text":"t","content_base64":"aGk="})",
                              R"({"text":"t"})", R"({"name":"x","text":"t","typ":"text/plain"})"})
        EXPECT_FALSE(perform("mail.send", std::string(R"({"to":"a@b.de","subject":"s","attachments":[)") + wrong + "]}")) << wrong;
    const mail::Letter copies{{"", "a@b.de"}, {{"", "c@d.de"}}, "s", "t", "<1@b.de>", {{"", "e@f.de"}}, {{"", "g@h.de"}}, {{"", "i@j.de"}}};
    const std::string headers = mail::to_text(copies, "now");
    EXPECT_NE(headers.find("\r\nCc: e@f.de\r\nReply-To: i@j.de\r\n"), std::string::npos);
    EXPECT_EQ(headers.find("g@h.de"), std::string::npos);
}

TEST_F(MailTest, HeadersGrowNoLinesFromParameters) {
    const mail::Letter evil{{"", "a@b.de"}, {{"x\r\nBcc: g@h.de", "c@d.de"}}, "x\r\nBcc: e@f.de", "text", "<1@b.de>"};

    EXPECT_EQ(mail::to_text(evil, "now").find("\r\nBcc:"), std::string::npos);
}

TEST_F(MailTest, LongSubjectsAreCutIntoEncodedWords) {
    std::string accents;
    for (int i = 0; i < 60; ++i) accents += "ü";

    for (const std::string& subject : {accents, std::string(3000, 'x'), std::string("=?UTF-8?B?eA==?=")}) {
        const std::string text = mail::to_text({{"", "a@b.de"}, {{"", "c@d.de"}}, subject, "t", "<1@b.de>"}, "now");
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = text.find("\r\n", begin);
            EXPECT_LE(end - begin, 90U) << text.substr(begin, end - begin);
            begin = end + 2;
        }
        EXPECT_EQ(text.find("Subject: " + subject), std::string::npos);
    }
}

} // namespace
} // namespace baton::workers::test
