// Submission as curl does it, and as nobody should.
#include "web.hpp"

#include <boost/json.hpp>

#include <gtest/gtest.h>

namespace baton::sandbox::test {
namespace {

namespace json = boost::json;

class SmtpTest : public testing::Test {
protected:
    SmtpTest() : sandbox_(*Sandbox::start({})) {}

    Mail mail() const {
        Mail mail;
        mail.url = sandbox_.smtp_url();
        mail.user = sandbox_.options().smtp_user;
        mail.password = sandbox_.options().smtp_password;
        mail.certificate_pem = sandbox_.certificate_pem();
        mail.to = "ada@example.org";
        return mail;
    }
    void faults(std::string body) {
        ask({"POST", sandbox_.url() + "/sandbox/faults", {}, std::move(body)});
    }
    json::array mails() {
        const json::value state = json::parse(ask({"GET", sandbox_.url() + "/sandbox/state"}).body);
        return state.as_object().contains("mails") ? state.at("mails").as_array() : json::array{};
    }

    Sandbox sandbox_;
};

TEST_F(SmtpTest, MailOverStarttlsWithLoginIsKept) {
    const MailAnswer answer = send(mail());

    EXPECT_EQ(answer.curl_code, 0);
    ASSERT_EQ(mails().size(), 1U);
    const json::value kept = mails()[0];
    EXPECT_EQ(kept.at("to").at(0), "ada@example.org");
    EXPECT_EQ(kept.at("message_id"), "<1@test>");
    EXPECT_EQ(kept.at("subject"), "hello");
    EXPECT_EQ(kept.at("tls"), true);
    EXPECT_NE(kept.at("text").as_string().find("\r\n.dot\r\n"), std::string::npos);
}

TEST_F(SmtpTest, WrongPasswordIs535) {
    Mail wrong = mail();
    wrong.password = "guess";

    const MailAnswer answer = send(wrong);

    EXPECT_EQ(answer.curl_code, 67);
    EXPECT_EQ(answer.reply, 535);
}

TEST_F(SmtpTest, WithoutTlsNothingIsTaken) {
    Mail plain = mail();
    plain.with_tls = false;
    plain.user.clear();

    EXPECT_EQ(send(plain).reply, 530);
    EXPECT_TRUE(mails().empty());
}

TEST_F(SmtpTest, ForeignCertificateIsNotAccepted) {
    const Sandbox other(*Sandbox::start({}));
    Mail mistrusted = mail();
    mistrusted.certificate_pem = other.certificate_pem();

    EXPECT_NE(send(mistrusted).curl_code, 0);
    EXPECT_TRUE(mails().empty());
}

TEST_F(SmtpTest, UnknownUserOfOurDomainIs550) {
    ask({"POST", sandbox_.url() + "/sandbox/seed", {}, R"({"mailboxes":[{"username":"ada@example.org"}]})"});
    Mail lost = mail();
    lost.to = "bob@example.org";

    EXPECT_EQ(send(mail()).curl_code, 0);
    EXPECT_EQ(send(lost).reply, 550);
    lost.to = "x@nowhere.invalid";
    EXPECT_EQ(send(lost).reply, 550);
}

TEST_F(SmtpTest, FaultsActAtEveryStage) {
    faults(R"({"mail.auth":{"error":"454 4.7.0 Temporary authentication failure","times":1}})");
    EXPECT_EQ(send(mail()).reply, 454);
    faults(R"({"mail.from":{"error":"450 4.7.1 too many messages","times":1}})");
    EXPECT_EQ(send(mail()).reply, 450);
    faults(R"({"mail.rcpt":{"error":"451 4.3.0 Temporary lookup failure","times":1}})");
    EXPECT_EQ(send(mail()).reply, 451);
    faults(R"({"mail.send":{"error":"452 4.3.1 Insufficient system storage","times":1}})");
    EXPECT_EQ(send(mail()).reply, 452);
    faults(R"({"mail.connect":{"error":"421 4.7.0 too many connections","times":1}})");
    EXPECT_EQ(send(mail()).curl_code, 8);
    EXPECT_TRUE(mails().empty());
    faults(R"({"mail.send":{"mode":"lost_answer","times":1}})");
    EXPECT_NE(send(mail()).curl_code, 0);
    EXPECT_EQ(mails().size(), 1U);
}

TEST_F(SmtpTest, GarbageIsSentAway) {
    const std::string answer = talk(sandbox_.smtp_port(), "GET / HTTP/1.1\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n");

    EXPECT_TRUE(answer.starts_with("220 "));
    EXPECT_NE(answer.find("502 "), std::string::npos);
    EXPECT_NE(answer.find("421 "), std::string::npos);
    EXPECT_EQ(send(mail()).curl_code, 0);
}

TEST_F(SmtpTest, EndlessLineEndsTheConnection) {
    const std::string answer = talk(sandbox_.smtp_port(), std::string(100'000, 'x'));

    EXPECT_TRUE(answer.starts_with("220 "));
    EXPECT_EQ(send(mail()).curl_code, 0);
}

} // namespace
} // namespace baton::sandbox::test
