// What `baton worker NAME --check` finds: each fault made for real, at a PostgreSQL, a broker, the sandbox, a
// mail server and a few sockets; and that nothing is changed by looking.
#include "faulty_proxy.hpp"
#include "peer.hpp"
#include "smtp_peer.hpp"
#include "support.hpp"

#include "broker/broker_service.hpp"
#include "tests/support/mariadb.hpp"
#include "tests/support/postgres.hpp"
#include "workers/announcement.hpp"
#include "workers/check.hpp"
#include "workers/parameters_check.hpp"
#include "workers/schemas.hpp"

#include <pqxx/pqxx>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <csignal>

#include <unistd.h>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

std::string file(const std::string& name) {
    std::ifstream in(std::string(BATON_SOURCE_DIR) + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

// The lines of what is missing; empty: all is well.
std::string missing_in(const Findings& findings) {
    std::string out;
    for (const Finding& one : findings)
        if (!one.is_well) out += fmt::format("{}: {} → {}\n", one.what, one.detail, one.advice);
    return out;
}

// A broker with a user for each kind of right that may be missing.
class CheckTest : public WithSandbox {
protected:
    void SetUp() override {
        std::signal(SIGPIPE, SIG_IGN);
        folder_ = ::testing::TempDir() + "check_test." + std::to_string(::getpid());
        std::filesystem::remove_all(folder_);
        broker::Options options;
        options.listen = {"127.0.0.1:0"};
        options.data_folder = folder_;
        options.users = {user("all", ".*", ".*", ".*"),
                         user("deaf", ".*", ".*", "^amq\\.gen"),
                         user("mute", ".*", "^amq\\.gen", ".*"),
                         user("maker-of-nothing", "^amq\\.gen", ".*", ".*"),
                         user("no-locks", "^(baton\\.task\\..*|amq\\.gen.*)$", ".*", ".*")};
        auto started = broker::BrokerService::start(std::move(options));
        ASSERT_TRUE(started) << started.error().detail;
        broker_ = std::move(*started);
    }
    void TearDown() override {
        broker_.reset();
        std::filesystem::remove_all(folder_);
    }
    static broker::UserOption user(const std::string& name, const std::string& configure, const std::string& write, const std::string& read) {
        broker::UserOption one;
        one.name = name;
        one.password = "word";
        one.permissions = std::vector<broker::PermissionOption>{{"/", configure, write, read}};
        return one;
    }
    std::string url(const std::string& name, const std::string& word = "word") const {
        return fmt::format("amqp://{}:{}@127.0.0.1:{}", name, word, broker_->port());
    }
    std::string missing_of(const std::string& worker, const std::string& name = "all") {
        return missing_in(check_worker(worker, settings_, url(name)));
    }

    std::string folder_;
    std::unique_ptr<broker::BrokerService> broker_;
};

TEST_F(CheckTest, WhereAllIsWellNothingIsMissingAndNothingChanges) {
    const json::object before = state();
    const auto records = [](json::object all) {
        all.erase("calls");
        return json::serialize(all);
    };

    for (const char* worker : {"mail", "redmine", "slack"}) EXPECT_EQ(missing_of(worker), "") << worker;

    EXPECT_EQ(records(state()), records(before));
}

TEST_F(CheckTest, MissingSettingsAreNamed) {
    settings_.redmine.key.clear();
    settings_.slack.token.clear();
    settings_.mail = {};

    EXPECT_NE(missing_of("redmine").find("BATON_REDMINE_KEY"), std::string::npos);
    EXPECT_NE(missing_of("slack").find("BATON_SLACK_TOKEN"), std::string::npos);
    EXPECT_NE(missing_of("mail").find("BATON_SMTP_URL"), std::string::npos);
    EXPECT_NE(missing_of("exec").find("BATON_WORKER_FILE"), std::string::npos);
    EXPECT_NE(missing_of("http").find("BATON_WORKER_FILE"), std::string::npos);
}

TEST_F(CheckTest, EachRightAtTheBroker) {
    EXPECT_NE(missing_in(check_worker("redmine", settings_, url("all", "wrong"))).find("BATON_BROKER_URL"), std::string::npos);
    EXPECT_NE(missing_in(check_worker("redmine", settings_, "amqp://127.0.0.1:1")).find("broker: amqp://guest@127.0.0.1:1"), std::string::npos);
    EXPECT_NE(missing_of("redmine", "mute").find("broker: reports"), std::string::npos);
    EXPECT_NE(missing_of("redmine", "maker-of-nothing").find("may make none"), std::string::npos);
    const std::string locks = missing_of("redmine", "no-locks");
    EXPECT_NE(locks.find("broker: locks"), std::string::npos);
    EXPECT_NE(locks.find("broker: notes"), std::string::npos);
    EXPECT_EQ(missing_of("mail", "no-locks"), "") << "worker mail takes no locks";
}

TEST_F(CheckTest, TaskQueuesAreAskedAboutAndNeverReadFrom) {
    settings_.mail.mailcow_url.clear();
    {
        Peer peer(url("all"));
        peer.declare("baton.task.mail.send");
        contract::Message message;
        message.body = "{}";
        peer.publish("", "baton.task.mail.send", message);
    }

    EXPECT_EQ(missing_of("mail"), "");
    EXPECT_NE(missing_of("mail", "deaf").find("may not read from baton.task.mail.send"), std::string::npos);

    Peer peer(url("all"));
    const auto left = peer.get("baton.task.mail.send");
    ASSERT_TRUE(left);
    EXPECT_FALSE(left->redelivered) << "nobody has had it";
}

TEST_F(CheckTest, SlackTellsTokenWorkspaceAndScopes) {
    FaultyProxy slack(settings_.slack.url);
    settings_.slack.url = slack.url();
    const auto answers = [&](const std::string& scopes, const std::string& body) {
        slack.heal();
        Misbehaviour one;
        one.call = "POST";
        one.status = 200;
        one.headers = {{"Content-Type", "application/json"}, {"X-OAuth-Scopes", scopes}};
        one.body = body;
        slack.add(one);
        return missing_of("slack");
    };
    const std::string me = R"({"ok":true,"user":"baton","team":"T","team_id":"T0SANDBOX"})";

    EXPECT_EQ(answers("chat:write,users:read.email, admin.users:write", me), "");
    EXPECT_NE(answers("chat:write,users:read.email", me).find("lacks admin.users:write"), std::string::npos);
    settings_.slack.mode = slack::Mode::notify;
    EXPECT_EQ(answers("chat:write,users:read.email", me), "") << "who only asks people needs no right to invite";
    EXPECT_NE(answers("chat:write", me).find("users:read.email"), std::string::npos);
    EXPECT_NE(answers("chat:write,users:read.email", R"({"ok":true,"team":"Other","team_id":"T0OTHER"})").find("T0OTHER"), std::string::npos);
    EXPECT_NE(answers("", "<html>").find("is no Slack"), std::string::npos);
    settings_.slack.token = "wrong";
    slack.heal();
    EXPECT_NE(missing_of("slack").find("invalid_auth"), std::string::npos);
}

TEST_F(CheckTest, RedmineTellsKeyAdministratorAndField) {
    settings_.redmine.key_field = "no such field";
    EXPECT_NE(missing_of("redmine").find("custom field 'no such field'"), std::string::npos);
    settings_.redmine.key_field.clear();
    FaultyProxy redmine(settings_.redmine.url);
    settings_.redmine.url = redmine.url();
    Misbehaviour forbidden;
    forbidden.call = "GET /";
    forbidden.status = 403;
    forbidden.times = 10;
    redmine.add(forbidden);
    EXPECT_NE(missing_of("redmine").find("REST"), std::string::npos);
    redmine.heal();
    settings_.redmine.key = "wrong";
    EXPECT_NE(missing_of("redmine").find("401"), std::string::npos);
    settings_.redmine.url = "http://127.0.0.1:1";
    EXPECT_NE(missing_of("redmine").find("BATON_REDMINE_URL"), std::string::npos);
}

TEST_F(CheckTest, MailcowTellsWhetherTheKeyMayWrite) {
    settings_.mail.smtp_url.clear();
    FaultyProxy mailcow(settings_.mail.mailcow_url);
    settings_.mail.mailcow_url = mailcow.url();
    Misbehaviour forbidden;
    forbidden.call = "POST";
    forbidden.status = 403;
    mailcow.add(forbidden);

    EXPECT_NE(missing_of("mail").find("may only read"), std::string::npos);
    settings_.mail.mailcow_key = "wrong";
    EXPECT_NE(missing_of("mail").find("does not accept the key"), std::string::npos);
}

TEST_F(CheckTest, MailServerLetsInAndTakesTheSenderAndGetsNoLetter) {
    const auto with = [&](const SmtpPeer& peer) {
        settings_.mail = {};
        settings_.mail.smtp_url = peer.url();
        settings_.mail.security = mail::Security::none;
        settings_.mail.from = "Baton <baton+100%@example.org>";
        return missing_of("mail");
    };
    SmtpPeer good;
    EXPECT_EQ(with(good), "");
    EXPECT_TRUE(good.letters().empty());
    EXPECT_NE(with(SmtpPeer({{"MAIL", "553 5.7.1 not yours"}})).find("553 5.7.1 not yours"), std::string::npos);
    EXPECT_NE(with(SmtpPeer({{"RCPT", "553 5.7.1 not owned by user"}})).find("BATON_SMTP_FROM"), std::string::npos);
    EXPECT_EQ(with(SmtpPeer({{"RCPT", "550 5.1.1 no such mailbox"}})), "") << "a sender need not have a mailbox";
    EXPECT_NE(with(SmtpPeer({{"greeting", "554 not you"}})).find("554 not you"), std::string::npos);
    settings_.mail = settings_for(sandbox_).mail;
    settings_.mail.smtp_password = "wrong";
    EXPECT_NE(missing_of("mail").find("BATON_SMTP_PASSWORD"), std::string::npos);
    settings_.mail.smtp_password = sandbox_.options().smtp_password;
    settings_.mail.ca_pem.clear();
    EXPECT_NE(missing_of("mail").find("BATON_SMTP_CA_FILE"), std::string::npos);
    settings_.mail = settings_for(sandbox_).mail;
    settings_.mail.ledger_folder = folder_ + "/none";
    EXPECT_NE(missing_of("mail").find("BATON_MAIL_LEDGER"), std::string::npos);
}

class CheckDatabaseTest : public CheckTest {
protected:
    void SetUp() override {
        CheckTest::SetUp();
        owner_ = baton::testing::Postgres::shared().new_database_url();
        run(file("tests/workers/postfixadmin.sql"));
        run("do $$ begin create role check_mail login password 'word'; exception when duplicate_object then null; end $$");
        const std::string text = file("workers/mail/README.md");
        const std::size_t begin = text.find("```sql\n") + 7;
        std::string rights = text.substr(begin, text.find("```", begin) - begin);
        for (std::size_t at = 0; (at = rights.find("to baton_mail", at)) != std::string::npos;) rights.replace(at, 13, "to check_mail");
        run(rights);
        settings_.mail = {};
        settings_.mail.database_url = "postgresql://check_mail:word" + owner_.substr(owner_.find('@'));
    }
    void run(const std::string& sql) {
        pqxx::connection connection(owner_);
        pqxx::work work(connection);
        work.exec(sql);
        work.commit();
    }
    std::string owner_;
};

TEST_F(CheckDatabaseTest, TheDocumentedRightsAreEnoughAndEachOneThatIsMissingIsNamed) {
    EXPECT_EQ(missing_of("mail"), "");
    struct Right {
        const char* table;
        const char* name;
    };
    for (const Right& right : {Right{"domain", "select"}, {"mailbox", "select"}, {"mailbox", "insert"}, {"mailbox", "update"}, {"mailbox", "delete"},
                               {"alias", "select"}, {"alias", "insert"}, {"alias", "update"}, {"alias", "delete"}, {"baton_mailbox_mark", "select"},
                               {"baton_mailbox_mark", "insert"}, {"baton_mailbox_mark", "delete"}}) {
        run(fmt::format("revoke {} on {} from check_mail", right.name, right.table));
        EXPECT_NE(missing_of("mail").find(fmt::format("grant {} on {} to check_mail", right.name, right.table)), std::string::npos)
            << right.table << " " << right.name;
        run(fmt::format("grant {} on {} to check_mail", right.name, right.table));
    }
    EXPECT_EQ(missing_of("mail"), "");
}

TEST_F(CheckDatabaseTest, RightsOnColumnsAreAsGood) {
    run("revoke update on mailbox from check_mail");
    run("grant update (active, quota, modified) on mailbox to check_mail");
    EXPECT_NE(missing_of("mail").find("grant update (password) on mailbox"), std::string::npos);
    run("grant update (password) on mailbox to check_mail");
    EXPECT_EQ(missing_of("mail"), "");
}

TEST_F(CheckDatabaseTest, TablesColumnsAndTheLogIn) {
    run("alter table mailbox rename column maildir to elsewhere");
    EXPECT_NE(missing_of("mail").find("no column maildir"), std::string::npos);
    run("drop table baton_mailbox_mark");
    EXPECT_NE(missing_of("mail").find("baton_mailbox_mark"), std::string::npos);
    run("drop table domain cascade");
    EXPECT_NE(missing_of("mail").find("table domain: is not there"), std::string::npos);
    settings_.mail.database_url = "postgresql://nobody_known:word" + owner_.substr(owner_.find('@'));
    EXPECT_NE(missing_of("mail").find("does not let this user in"), std::string::npos);
    settings_.mail.database_url = "postgresql://check_mail:word@127.0.0.1:1/mail";
    EXPECT_NE(missing_of("mail").find("cannot be reached"), std::string::npos);
}

class CheckMariadbTest : public CheckTest {
protected:
    void SetUp() override {
        CheckTest::SetUp();
        database_ = server().create_database();
        run(file("tests/workers/postfixadmin_mysql.sql"));
        run("create or replace user baton_mail@'%' identified by 'word'");
        const std::string text = file("workers/mail/README.md");
        const std::size_t begin = text.find("```mysql\n") + 9;
        run(text.substr(begin, text.find("```", begin) - begin));
        settings_.mail = {};
        settings_.mail.database_url = server().url("baton_mail", "word", database_);
    }
    static baton::testing::Mariadb& server() { return baton::testing::Mariadb::shared(); }
    void run(const std::string& sql) { server().run(sql, database_); }
    std::string database_;
};

TEST_F(CheckMariadbTest, TheDocumentedRightsAreEnoughAndEachOneThatIsMissingIsNamed) {
    EXPECT_EQ(missing_of("mail"), "");
    for (const std::string table : {"domain", "mailbox", "alias", "baton_mailbox_mark"})
        for (const std::string right : {"select", "insert", "update", "delete"}) {
            if (table == "domain" && right != "select") continue;
            if (table == "baton_mailbox_mark" && right == "update") continue;
            run(fmt::format("revoke {} on {} from baton_mail@'%'", right, table));
            EXPECT_NE(missing_of("mail").find(fmt::format("grant {} on {}.{} to", right, database_, table)), std::string::npos)
                << table << " " << right << ": " << missing_of("mail");
            run(fmt::format("grant {} on {} to baton_mail@'%'", right, table));
        }
    run("revoke update on mailbox from baton_mail@'%'; grant update (active, quota, modified) on mailbox to baton_mail@'%'");
    EXPECT_NE(missing_of("mail").find("grant update (password) on"), std::string::npos) << missing_of("mail");
    run("grant update (password) on mailbox to baton_mail@'%'");
    EXPECT_EQ(missing_of("mail"), "");
    EXPECT_EQ(server().ask("select count(*) from mailbox", database_), "0") << "nothing was changed";
}

TEST_F(CheckMariadbTest, TablesColumnsAndTheLogIn) {
    run("alter table mailbox change column maildir elsewhere varchar(255)");
    EXPECT_NE(missing_of("mail").find("no column maildir"), std::string::npos) << missing_of("mail");
    run("drop table baton_mailbox_mark");
    EXPECT_NE(missing_of("mail").find("baton_mailbox_mark: is not there, and"), std::string::npos) << missing_of("mail");
    run("drop table domain");
    EXPECT_NE(missing_of("mail").find("table domain: is not there"), std::string::npos) << missing_of("mail");
    settings_.mail.database_url = server().url("nobody", "word", database_);
    EXPECT_NE(missing_of("mail").find("does not let this user in"), std::string::npos) << missing_of("mail");
    settings_.mail.database_url = "mysql://a:word@127.0.0.1:1/mail";
    EXPECT_NE(missing_of("mail").find("cannot be reached"), std::string::npos) << missing_of("mail");
}

TEST_F(CheckTest, TargetsOfHttpAreConnectedTo) {
    http_call::Target good;
    good.name = "good";
    good.url = sandbox_.url();
    http_call::Target away = good;
    away.name = "away";
    away.url = "http://127.0.0.1:1/api";
    http_call::Target plain = good;
    plain.name = "plain";
    plain.url = "https" + sandbox_.url().substr(4);
    settings_.http_call.targets = {{"good", good}, {"away", away}, {"plain", plain}};

    const std::string said = missing_of("http");

    EXPECT_EQ(said.find("target good"), std::string::npos);
    EXPECT_NE(said.find("target away: http://127.0.0.1:1/api"), std::string::npos);
    EXPECT_NE(said.find("target plain"), std::string::npos) << "what speaks no TLS is not reachable by https";
}

TEST_F(CheckTest, ProgramsCanBeStarted) {
    const std::string script = folder_ + "/script";
    std::ofstream(script) << "#!/no/such/shell\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    const auto of = [](std::string task, std::string path, std::string folder = {}, std::uint64_t memory = 0) {
        exec::ProgramTask one;
        one.task = std::move(task);
        one.program.command = {std::move(path)};
        one.program.folder = std::move(folder);
        one.program.memory_max = memory;
        return one;
    };
    settings_.exec.programs = {of("a.fine", "/bin/cat", "/tmp", 1ULL << 30), of("a.away", "/no/such/program"), of("a.script", script),
                               of("a.folder", "/bin/cat", "/no/such/folder"), of("a.small", "/bin/cat", {}, 4096)};

    const std::string said = missing_of("exec");

    EXPECT_EQ(said.find("a.fine"), std::string::npos) << said;
    EXPECT_NE(said.find("/no/such/program is not there"), std::string::npos);
    EXPECT_NE(said.find("wants /no/such/shell"), std::string::npos);
    EXPECT_NE(said.find("/no/such/folder"), std::string::npos);
    EXPECT_NE(said.find("memory_mib"), std::string::npos);
}

// --- schemas ----------------------------------------------------------------------------------------

std::vector<std::string> needs_of(const json::object& schema) {
    std::vector<std::string> first;
    if (const auto* required = schema.if_contains("required"))
        for (const json::value& name : required->as_array()) first.emplace_back(name.as_string());
    if (const auto* all = schema.if_contains("allOf"))
        for (const json::value& choice : all->as_array())
            first.emplace_back(choice.at("anyOf").as_array()[0].at("required").as_array()[0].as_string());
    return first;
}

TEST_F(CheckTest, WhatASchemaNeedsTheTaskRefusesToBeWithout) {
    std::size_t tried = 0;
    for (const TaskSchema& schema : task_schemas()) {
        if (schema.task == "http.call") continue;
        const auto needs = needs_of(schema.parameters);
        for (const std::string& left_out : needs) {
            json::object with;
            for (const std::string& name : needs)
                if (name != left_out) with[name] = name == "quota_mb" ? "5" : "ada@example.org";
            const Answer answer = perform(schema.task, json::serialize(with));
            ASSERT_FALSE(answer) << schema.task << " without " << left_out;
            EXPECT_EQ(answer.error().type, "invalid_input") << schema.task << " without " << left_out << ": " << answer.error().detail;
            ++tried;
        }
    }
    EXPECT_GT(tried, 40U);
}

TEST_F(CheckTest, EachTaskOfOursHasASchema) {
    for (const char* worker : {"mail", "redmine", "slack"}) {
        const auto handlers = handlers_of(worker, settings_);
        ASSERT_TRUE(handlers);
        for (const Handler& handler : *handlers)
            EXPECT_TRUE(std::any_of(task_schemas().begin(), task_schemas().end(), [&](const TaskSchema& schema) {
                return schema.task == handler.task && schema.parameters.contains("properties");
            })) << handler.task;
    }
}

TEST(SchemasTest, UnknownAndMissingParametersAreNamedWithTheNearest) {
    const auto said = [](std::string_view task, const std::vector<std::string>& names) {
        std::vector<Given> given;
        for (const std::string& name : names) given.push_back({name, "${x}"});
        std::string out;
        if (const TaskSchema* schema = task_schema(task))
            for (const Complaint& one : complaints_about(task, schema->parameters, given)) out += one.message + "; " + one.hint + "\n";
        return out;
    };

    EXPECT_EQ(said("mail.create", {"address", "name"}), "");
    EXPECT_NE(said("mail.create", {"adress"}).find("mail.create has no parameter 'adress'; did you mean 'address'?"), std::string::npos);
    EXPECT_NE(said("mail.create", {}).find("needs one of the parameters address, id"), std::string::npos);
    EXPECT_NE(said("slack.invite", {"channels"}).find("slack.invite needs the parameter 'email'"), std::string::npos);
    EXPECT_EQ(said("mail.send", {"to", "template", "any_field"}), "") << "fields of a template are parameters";
    EXPECT_NE(said("mail.send", {"to", "subject", "txt"}).find("did you mean 'text'?"), std::string::npos);
    EXPECT_EQ(said("invoice.print", {"anything"}), "") << "somebody else's task";
}

std::string said_of(const json::object& schema, std::string_view with) {
    std::vector<Given> given;
    const json::value parsed = json::parse(with);
    for (const auto& member : parsed.as_object()) given.push_back({std::string(member.key()), member.value()});
    std::string out;
    for (const Complaint& one : complaints_about("t", schema, given)) out += one.message + "\n";
    return out;
}

TEST(ParametersCheckTest, LiteralsOfAnotherTypeAreNamed) {
    const json::object create = task_schema("mail.create")->parameters;
    const json::object letter = task_schema("mail.send")->parameters;

    EXPECT_EQ(said_of(create, R"({"address": "a@b.c", "quota_mb": 512, "adopt": false})"), "");
    EXPECT_EQ(said_of(create, R"({"address": "a@b.c", "quota_mb": "${input.quota}", "adopt": "${input.adopt}"})"), "");
    EXPECT_EQ(said_of(create, R"({"address": "a@b.c", "adopt": "yes"})"), "t: 'adopt' takes true or false, not a text\n");
    EXPECT_EQ(said_of(create, R"({"address": ["a@b.c"]})"), "t: 'address' takes a text or a whole number, not a list\n");
    EXPECT_EQ(said_of(create, R"({"address": "a@b.c", "adopt": "is ${input.adopt}"})"), "t: 'adopt' takes true or false, not a text\n");
    EXPECT_EQ(said_of(letter, R"({"to": ["a@b.c", true], "subject": "s"})"),
              "t: 'to' takes a list whose elements are a text or a whole number, not true or false\n");
    EXPECT_EQ(said_of(task_schema("redmine.update_project")->parameters, R"({"project": "p", "state": "shut"})"),
              "t: 'state' takes open, closed, archived, not shut\n");
}

TEST(ParametersCheckTest, SchemasOfOthersAreReadAsFarAsTheyAreUnderstood) {
    const auto schema = [](std::string_view text) { return json::parse(text).as_object(); };

    // As pydantic, zod and people write them.
    EXPECT_EQ(said_of(schema(R"({"properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}})"), R"({"n": 1})"), "");
    EXPECT_EQ(said_of(schema(R"({"properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}})"), R"({"n": "1"})"),
              "t: 'n' takes a whole number, not a text\n");
    EXPECT_EQ(said_of(schema(R"({"properties": {"n": {"type": "integer"}}})"), R"({"n": 2.0})"), "") << "JSON Schema's whole number";
    EXPECT_EQ(said_of(schema(R"({"properties": {"n": {"type": "integer"}}})"), R"({"n": 2.5})"), "t: 'n' takes a whole number, not a number\n");
    EXPECT_EQ(said_of(schema(R"({"required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]})"), R"({})"),
              "t needs the parameter 'a'\nt needs one of the parameters b, c\n");
    EXPECT_EQ(said_of(schema(R"({"additionalProperties": false, "patternProperties": {"^x-": {}}})"), R"({"x-a": 1})"), "");
    EXPECT_EQ(said_of(schema(R"({"$ref": "#", "properties": {"a": {"$ref": "#", "type": "colour"}}, "required": "a", "allOf": [1, []],
                                 "anyOf": {}, "if": true, "enum": 3, "additionalProperties": {}})"), R"({"a": [1]})"), "") << "nonsense";
    EXPECT_EQ(said_of(schema(R"({"properties": {"a": {"enum": ["\u001b[31mred"]}}})"), R"({"a": "blue"})"),
              "t: 'a' takes \\x1b[31mred, not blue\n") << "harmless for a terminal";
}

TEST_F(CheckTest, EachParameterOfOurTasksHasATypeOrTakesAnything) {
    for (const TaskSchema& schema : task_schemas())
        for (const auto& property : schema.parameters.at("properties").as_object())
            EXPECT_TRUE(!property.value().as_object().empty() || property.key() == "body") << schema.task << " " << property.key();
}

TEST(AnnouncementTest, SaysWhatATaskTakesAndGives) {
    std::vector<Handler> handlers{only_with({"address", "name"}, {"mail.create", {}}), {"own.task", {}}};
    describe(handlers);

    const json::value told = json::parse(contract::to_json(announcement_of(handlers[0], "mail@host:1", "eu", 4)));
    const json::value foreign = json::parse(contract::to_json(announcement_of(handlers[1], "own", "", 4)));

    EXPECT_EQ(told.at("task"), "mail.create");
    EXPECT_EQ(told.at("queue"), "baton.task.mail.create.eu");
    EXPECT_EQ(told.at("host"), "host");
    EXPECT_EQ(told.at("concurrency"), 4);
    EXPECT_EQ(told.at("every"), 30);
    EXPECT_TRUE(told.at("parameters").at("properties").as_object().contains("address"));
    EXPECT_TRUE(told.at("result").at("properties").as_object().contains("created"));
    EXPECT_FALSE(foreign.as_object().contains("parameters"));
}

} // namespace
} // namespace baton::workers::test
