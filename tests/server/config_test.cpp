#include "server/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace baton::server {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Config, TlsIsReadFromFileAndVariables) {
    const auto [config, complaints] = read_config(R"(
[broker]
listen = []
[broker.tls]
certificate = "/c.pem"
key = "/k.pem"
ca = "/ca.pem"
verify = "peer"
fail_if_no_peer_cert = true
version_min = "1.3"
)",
                                                  "baton.toml",
                                                  {{"BATON_BROKER_TLS_LOGIN_FROM", "common_name"}});
    EXPECT_TRUE(complaints.empty()) << complaints.front();
    EXPECT_TRUE(config.broker_listen.empty());
    ASSERT_EQ(config.broker_tls_listen.size(), 1u);
    EXPECT_EQ(config.broker_tls_listen[0].port, 5671);
    EXPECT_EQ(config.broker_tls.files.authorities, "/ca.pem");
    EXPECT_TRUE(config.broker_tls.files.verifies_peer);
    EXPECT_TRUE(config.broker_tls.files.needs_peer_certificate);
    EXPECT_TRUE(config.broker_tls.files.refuses_tls_1_2);
    EXPECT_EQ(config.broker_tls.login_from, net::TlsNameSource::common_name);
}

TEST(Config, TlsThatIsNotCompleteIsNamed) {
    const auto complaints_of = [](std::string_view text) {
        std::string all;
        for (const auto& complaint : read_config(text, "baton.toml", {}).complaints) all += complaint + "\n";
        return all;
    };
    EXPECT_NE(complaints_of("[broker.tls]\nlisten = '127.0.0.1:5671'").find("needs 'broker.tls.certificate'"),
              std::string::npos);
    EXPECT_NE(complaints_of("[broker.tls]\ncertificate = 'c'").find("needs 'broker.tls.key'"), std::string::npos);
    EXPECT_NE(complaints_of("[broker.tls]\ncertificate = 'c'\nkey = 'k'\nverify = 'peer'").find("'broker.tls.ca'"),
              std::string::npos);
    EXPECT_NE(complaints_of("[broker.tls]\nverify = 'sometimes'").find("must be none or peer"), std::string::npos);
    EXPECT_NE(complaints_of("[broker]\nlisten = []").find("'broker.listen' must be host:port"), std::string::npos);
}

TEST(Config, HasDefaultsOnLoopback) {
    const auto [config, complaints] = read_config("", "baton.toml", {});

    EXPECT_THAT(complaints, IsEmpty());
    EXPECT_EQ(config.broker_listen[0].host, "127.0.0.1");
    EXPECT_EQ(config.broker_listen[0].port, 5672);
    EXPECT_EQ(config.http_listen.port, 15672);
}

TEST(Config, ReadsTheFileAndVariablesWin) {
    const auto [config, complaints] = read_config(R"(
data = "/var/lib/baton"
[broker]
listen = ["127.0.0.1:5000", "[::1]:5001"]
[[broker.user]]
name = "yet"
password = "secret"
tags = ["monitoring"]
[database]
url = "sqlite:/tmp/x"
)",
                                                  "baton.toml", {{"BATON_DB_URL", "postgresql://h/db"}});

    EXPECT_THAT(complaints, IsEmpty());
    EXPECT_EQ(config.data, "/var/lib/baton");
    EXPECT_EQ(config.broker_listen.at(1).host, "::1");
    EXPECT_EQ(config.broker_listen.at(1).port, 5001);
    EXPECT_EQ(config.database_url, "postgresql://h/db");
    EXPECT_EQ(config.broker_users.at(0).name, "yet");
    EXPECT_THAT(config.broker_users.at(0).tags, ElementsAre("monitoring"));
}

TEST(Config, RunsAreKeptForEverUnlessItSaysHowLong) {
    EXPECT_EQ(read_config("", "baton.toml", {}).config.retention, std::nullopt);
    EXPECT_EQ(read_config("[orchestrator]\nretention = \"90d\"\n", "baton.toml", {}).config.retention, Duration(std::chrono::hours(90 * 24)));
    for (const char* wrong : {"30s", "long"})
        EXPECT_THAT(read_config("", "baton.toml", {{"BATON_RETENTION", wrong}}).complaints,
                    ElementsAre(HasSubstr("a duration of a minute at least, such as \"90d\"")));
}

TEST(Config, ReportsEveryMistakeWithItsPlace) {
    const auto [config, complaints] = read_config(R"(dataa = "x"
[http]
listen = "nowhere"
[broker]
io_threads = 900
user = 7
)",
                                                  "baton.toml", {{"BATON_LOG_LEVEL", "loud"}});

    ASSERT_EQ(complaints.size(), 5U);
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("baton.toml:1:")));
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("baton.toml:3:10: error: 'http.listen' must be host:port")));
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("'broker.io_threads' must be a whole number from 1 to 64")));
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("[[broker.user]]")));
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("BATON_LOG_LEVEL must be one of debug")));
}

TEST(Config, AnUnknownKeyIsComparedWithTheKnownOnes) {
    const auto [config, complaints] =
        read_config("dta = 'x'\n[broker]\nlisen = []\nurl_fil = 'y'\nzebra = true\n", "baton.toml", {});

    EXPECT_THAT(complaints, ElementsAre("baton.toml:1:1: error: unknown key 'dta'; did you mean 'data'?",
                                        "baton.toml:3:1: error: unknown key 'broker.lisen'; did you mean 'broker.listen'?",
                                        "baton.toml:4:1: error: unknown key 'broker.url_fil'; did you mean 'broker.url_file'?",
                                        "baton.toml:5:1: error: unknown key 'broker.zebra'; docs/operating.md lists all keys"));
}

TEST(Config, TakesTextsNumbersTruthsAndListsOfTexts) {
    const auto [config, complaints] = read_config("data = 5\nworkflows = 2026-01-01\n[broker]\nlisten = [1]\n"
                                                  "[broker.tls]\nfail_if_no_peer_cert = false\n",
                                                  "baton.toml", {});

    EXPECT_EQ(config.data, "5");
    EXPECT_THAT(complaints, ElementsAre("baton.toml:2:13: error: 'workflows' must be a text or a number",
                                        "baton.toml:4:10: error: 'broker.listen' must be a text or a number"));
}

TEST(Config, UrlsThatMakeNoSenseAreNamedWithoutTheirPasswords) {
    const auto [config, complaints] =
        read_config("", "baton.toml",
                    {{"BATON_BROKER_URL", "http://ada:secret@host"}, {"BATON_DB_URL", "mysql://ada:secret@host/db"}});

    ASSERT_EQ(complaints.size(), 2U);
    EXPECT_THAT(complaints[0], HasSubstr("'broker.url' (BATON_BROKER_URL): bad AMQP URL: it must begin with amqp://"));
    EXPECT_THAT(complaints[1], HasSubstr("'database.url' (BATON_DB_URL): mysql:// is not supported; use postgresql://"));
    for (const auto& complaint : complaints) EXPECT_THAT(complaint, ::testing::Not(HasSubstr("secret")));
}

TEST(Config, RefusesGarbageWithItsLine) {
    const auto [config, complaints] = read_config("a = [1,\n\x01\x02", "baton.toml", {});
    ASSERT_EQ(complaints.size(), 1U);
    EXPECT_THAT(complaints[0], HasSubstr("baton.toml:2:"));
}

TEST(Config, RefusesWhatItsParserWouldNotSurvive) {
    for (const char* text : {"[#", "\xC3\xA9 = 1", "a = [[[[[[[[", "\xFF", "= 1", "[[a]]\n[a]"})
        EXPECT_EQ(read_config(text, "baton.toml", {}).complaints.size(), 1U) << text;
}

TEST(Config, RefusesAHashNobodyCouldLogInWith) {
    const auto complaints_of = [](const std::string& hash) {
        return read_config("[[broker.user]]\nname='ada'\npassword_hash='" + hash + "'\n", "baton.toml", {}).complaints;
    };
    EXPECT_THAT(complaints_of("abc"), ElementsAre(HasSubstr("'password_hash' of broker.user 'ada' must be base64 of 36 bytes")));
    EXPECT_THAT(complaints_of("ex8ACaeNhOAcG8oNIBax+Tqq1VX8Byi3wrH2rN2wFRQCGhLc"), IsEmpty());
}

TEST(Config, OnlyTheFirstUserOfTheVariableIsAnAdministratorWithoutSayingSo) {
    const auto users = [](const std::string& text) {
        return read_config("", "baton.toml", {{"BATON_BROKER_USERS", text}});
    };
    const auto [config, complaints] = users("admin:a:b[c],worker:w,ada[baton-operator+monitoring]:x,bob[]:y");
    ASSERT_THAT(complaints, IsEmpty());
    ASSERT_EQ(config.broker_users.size(), 4U);
    EXPECT_EQ(config.broker_users[0].password, "a:b[c]");
    EXPECT_THAT(config.broker_users[0].tags, ElementsAre("administrator"));
    EXPECT_THAT(config.broker_users[1].tags, IsEmpty());
    EXPECT_EQ(config.broker_users[2].name, "ada");
    EXPECT_EQ(config.broker_users[2].password, "x");
    EXPECT_THAT(config.broker_users[2].tags, ElementsAre("baton-operator", "monitoring"));
    EXPECT_EQ(config.broker_users[3].name, "bob");
    EXPECT_THAT(config.broker_users[3].tags, IsEmpty());
    for (const char* wrong : {"ada", ":x", "[]:x", "ada[x:y", "ada[x]y:z"})
        EXPECT_EQ(users(wrong).complaints.size(), 1U) << wrong;
}

TEST(Config, AUserOfTheVariableHasWhatTheWordBehindItSays) {
    const auto [config, complaints] = read_config("", "baton.toml",
                                                  {{"BATON_BROKER_USERS", "chief:c,mail/worker:m,ada[monitoring]/none:x,"
                                                                          "team/a:t,bob[]/all:y"}});
    ASSERT_THAT(complaints, IsEmpty());
    ASSERT_EQ(config.broker_users.size(), 5U);
    EXPECT_FALSE(config.broker_users[0].permissions);
    // The same as the user of the shipped file, whose passwords are elsewhere.
    std::ifstream file(BATON_SOURCE_DIR "/deploy/baton.toml");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    for (auto at = text.find("password_file"); at != std::string::npos; at = text.find("password_file"))
        text.replace(at, 13, "password");
    const auto shipped = read_config(text, "baton.toml", {}).config;
    const auto worker = std::ranges::find(shipped.broker_users, "worker", &BrokerUser::name);
    ASSERT_NE(worker, shipped.broker_users.end());
    const auto& patterns = config.broker_users[1].permissions;
    EXPECT_EQ(config.broker_users[1].name, "mail");
    EXPECT_THAT(config.broker_users[1].tags, IsEmpty());
    ASSERT_TRUE(patterns && patterns->size() == 1);
    EXPECT_EQ(patterns->front().configure, worker->permissions->front().configure);
    EXPECT_EQ(patterns->front().write, worker->permissions->front().write);
    EXPECT_EQ(patterns->front().read, worker->permissions->front().read);
    EXPECT_EQ(config.broker_users[2].name, "ada");
    EXPECT_THAT(config.broker_users[2].tags, ElementsAre("monitoring"));
    EXPECT_THAT(*config.broker_users[2].permissions, IsEmpty());
    EXPECT_EQ(config.broker_users[3].name, "team/a") << "a slash is a character of names, too";
    EXPECT_EQ(config.broker_users[4].name, "bob");
    EXPECT_FALSE(config.broker_users[4].permissions);
    EXPECT_EQ(read_config("", "baton.toml", {{"BATON_BROKER_USERS", "/worker:x"}}).complaints.size(), 1U);
    EXPECT_EQ(read_config("", "baton.toml", {{"BATON_BROKER_USERS", "ada[a]/workers:x"}}).complaints.size(), 1U);
}

TEST(Config, ATagThatGivesNothingIsRefusedWhereverItStands) {
    const auto variable = read_config("", "baton.toml", {{"BATON_BROKER_USERS", "ada[baton-opertor]:x"}});
    EXPECT_THAT(variable.complaints, ElementsAre(AllOf(HasSubstr("BATON_BROKER_USERS"), HasSubstr("did you mean 'baton-operator'?"))));
    const auto file = read_config("[[broker.user]]\nname = \"ada\"\npassword = \"x\"\ntags = \"team-a,baton-opertor\"\n", "baton.toml", {});
    EXPECT_THAT(file.complaints, ElementsAre(AllOf(HasSubstr("baton.toml:4"), HasSubstr("did you mean 'baton-operator'?"))));
}

TEST(Config, AUserHasThePermissionsThatStandThere) {
    const auto [config, complaints] = read_config(R"(
[[broker.user]]
name = "worker"
password = "x"
permissions = [{ configure = "^a", read = "^b$" }, { vhost = "own", configure = ".*", write = ".*", read = ".*" }]
[[broker.user]]
name = "nobody"
password = "x"
permissions = []
[[broker.user]]
name = "anybody"
password = "x"
)",
                                                  "baton.toml", {});
    ASSERT_THAT(complaints, IsEmpty());
    const auto& worker = config.broker_users.at(0).permissions;
    ASSERT_TRUE(worker);
    ASSERT_EQ(worker->size(), 2U);
    EXPECT_EQ(worker->at(0).vhost, "/");
    EXPECT_EQ(worker->at(0).configure, "^a");
    EXPECT_EQ(worker->at(0).write, "^$");
    EXPECT_EQ(worker->at(0).read, "^b$");
    EXPECT_EQ(worker->at(1).vhost, "own");
    ASSERT_TRUE(config.broker_users.at(1).permissions);
    EXPECT_THAT(*config.broker_users.at(1).permissions, IsEmpty());
    EXPECT_FALSE(config.broker_users.at(2).permissions);
}

TEST(Config, PermissionsNobodyCouldUseAreRefused) {
    const auto complaints_of = [](const std::string& permissions) {
        return read_config("[[broker.user]]\nname='a'\npassword='b'\npermissions=" + permissions + "\n", "baton.toml", {}).complaints;
    };
    EXPECT_THAT(complaints_of("'.*'"), ElementsAre(HasSubstr("must be a list")));
    EXPECT_THAT(complaints_of("[{ reed = '.*' }]"), ElementsAre(HasSubstr("'reed': a permission has vhost")));
    EXPECT_THAT(complaints_of("[{ read = 'a' }, { read = 'b' }]"), ElementsAre(HasSubstr("'/' twice")));
    EXPECT_THAT(complaints_of("[{ read = 5 }]"), ElementsAre(HasSubstr("all of them texts")));
    EXPECT_THAT(complaints_of("[{ read = '(' }]"), ElementsAre(HasSubstr("'(' is not a regular expression")));
    EXPECT_THAT(complaints_of("[{ vhost = '" + std::string(256, 'v') + "' }]"), ElementsAre(HasSubstr("virtual host")));
}

TEST(Config, RefusesTwoUsersOfOneName) {
    const std::string one = "[[broker.user]]\nname='a'\npassword='b'\n";
    EXPECT_THAT(read_config(one + one, "baton.toml", {}).complaints, ElementsAre(HasSubstr("two broker.user 'a'")));
}

TEST(Config, RefusesAUserWithoutAPassword) {
    const auto [config, complaints] = read_config("[[broker.user]]\nname='a'\n", "baton.toml", {});
    ASSERT_EQ(complaints.size(), 1U);
    EXPECT_THAT(complaints[0], HasSubstr("password_file"));
}

} // namespace baton::server
