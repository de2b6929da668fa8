// What needs several processes and a broker (Baton's own, or any other by BATON_TEST_AMQP): one of each, whoever asks at the same moment and whoever is
// killed meanwhile, and an undo that touches only its own.
//
// Called as `redmine_claims_test --perform BROKER REDMINE KEY TASK WITH IDENTITY TIMES` this program is a
// worker: performs the task so many times at once and prints the results, a line each.
#include "faulty_proxy.hpp"
#include "support.hpp"

#include "base/thread.hpp"
#include "broker/broker_service.hpp"
#include "workers/key_locks.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <future>
#include <set>
#include <sstream>

#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::workers::test {

namespace json = boost::json;

namespace {

Answer perform_with(const Settings& settings, const std::string& task, const std::string& with,
                    const std::string& identity) {
    const auto handlers = handlers_of("redmine", settings);
    if (!handlers) return permanent("test", handlers.error().detail);
    for (const Handler& handler : *handlers) {
        if (handler.task != task) continue;
        Task one;
        one.request.task = task;
        one.request.idempotency_key = identity;
        one.with = json::parse(with).as_object();
        return handler.perform(one);
    }
    return permanent("test", "no handler for " + task);
}

// A program that works on its own, as another worker's process would.
class Process {
public:
    explicit Process(const std::vector<std::string>& arguments) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], 1);
            ::close(ends[0]);
            std::vector<char*> argv{const_cast<char*>("redmine_claims_test")};
            for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
            argv.push_back(nullptr);
            ::execv("/proc/self/exe", argv.data());
            ::_exit(1);
        }
        ::close(ends[1]);
        out_ = ends[0];
    }
    ~Process() { kill(); }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        finish();
    }
    // Everything it printed, once it has ended.
    std::string finish() {
        std::string text;
        std::array<char, 4096> part{};
        for (ssize_t n = 0; out_ >= 0 && (n = ::read(out_, part.data(), part.size())) > 0;)
            text.append(part.data(), static_cast<std::size_t>(n));
        if (out_ >= 0) ::close(out_);
        out_ = -1;
        if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
        return text;
    }

private:
    pid_t pid_ = -1;
    int out_ = -1;
};

class RedmineClaimsTest : public WithSandbox {
protected:
    RedmineClaimsTest() : proxy_(settings_.redmine.url) {
        // All of them know Redmine by the same address.
        settings_.redmine.url = proxy_.url();
        if (const char* given = std::getenv("BATON_TEST_AMQP")) {
            url_ = given;
        } else {
            folder_ = ::testing::TempDir() + fmt::format("redmine_claims.{}", ::getpid());
            start_broker(0);
            url_ = fmt::format("amqp://guest:guest@127.0.0.1:{}", broker_->port());
        }
        settings_.redmine.locks = std::make_shared<KeyLocks>(url_, "test");
    }
    ~RedmineClaimsTest() override {
        settings_.redmine.locks.reset();
        broker_.reset();
        if (!folder_.empty()) std::filesystem::remove_all(folder_);
    }
    void start_broker(std::uint16_t port) {
        broker::Options options;
        options.listen = {fmt::format("127.0.0.1:{}", port)};
        options.data_folder = folder_;
        broker_ = *broker::BrokerService::start(std::move(options));
    }

    std::vector<std::string> performing(const std::string& redmine, const std::string& task, const std::string& with,
                                        const std::string& identity, int times = 1) const {
        return {"--perform", url_, redmine, settings_.redmine.key, task, with, identity, std::to_string(times)};
    }
    // Kills a worker after the target has done what it asked for, and before the answer arrives.
    void kill_after(const std::string& call, const std::string& task, const std::string& with,
                    const std::string& identity) {
        const auto times_done = [&] {
            const auto done = proxy_.done();
            return std::count_if(done.begin(), done.end(), [&](const std::string& one) { return one.starts_with(call); });
        };
        const auto before = times_done();
        proxy_.add({.call = call, .kind = Misbehaviour::Kind::late, .pause = std::chrono::seconds(30)});
        Process worker(performing(proxy_.url(), task, with, identity));
        for (int i = 0; i < 2000 && times_done() == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ASSERT_EQ(times_done(), before + 1) << call;
        worker.kill();
    }
    int status_of(const std::string& login) {
        const json::object all = state();
        for (const json::value& user : all.at("redmine_users").as_array())
            if (user.at("login") == json::value(login)) return user.at("status").to_number<int>();
        return 0;
    }

    FaultyProxy proxy_;
    std::string folder_;
    std::string url_;
    std::unique_ptr<broker::BrokerService> broker_;
};

const std::string ada = R"({"login":"ada","mail":"ada@example.org"})";

TEST_F(RedmineClaimsTest, TwentyAtOnceInSixProcessesMakeOneUser) {
    // As the real one does it: looks whether it is free, waits, writes.
    fault(R"({"redmine.create_user":{"mode":"race","delay_ms":200}})");

    std::vector<std::unique_ptr<Process>> workers;
    for (int i = 0; i < 6; ++i)
        workers.push_back(std::make_unique<Process>(
            performing(settings_.redmine.url, "redmine.create_user", ada, fmt::format("k{}", i), i < 2 ? 4 : 3)));
    std::set<std::string> ids;
    int answers = 0;
    int made = 0;
    for (const auto& worker : workers) {
        std::istringstream lines(worker->finish());
        for (std::string line; std::getline(lines, line);) {
            const json::value answer = json::parse(line);
            ASSERT_TRUE(answer.as_object().contains("id")) << line;
            ids.insert(json::serialize(answer.at("id")));
            ++answers;
            made += answer.at("created").as_bool() ? 1 : 0;
        }
    }

    EXPECT_EQ(answers, 20);
    EXPECT_EQ(ids.size(), 1U);
    // Of the task that made it, every call says so; all others do not.
    EXPECT_GE(made, 1);
    EXPECT_LE(made, 4);
    EXPECT_EQ(count("redmine_users"), 1U);
    EXPECT_EQ(state().at("calls").at("redmine.create_user").at("201"), 1);
    EXPECT_FALSE(state().at("calls").as_object().contains("redmine.delete_user"));
}

TEST_F(RedmineClaimsTest, AKilledAttemptsUserIsKnownAsTheTasksOwn) {
    kill_after("POST /users.json", "redmine.create_user", ada, "run-1");
    ASSERT_EQ(count("redmine_users"), 1U);

    const Answer stranger = perform("redmine.create_user", ada, "run-2");
    const Answer again = perform("redmine.create_user", ada, "run-1");

    ASSERT_TRUE(stranger) << stranger.error().detail;
    EXPECT_EQ(stranger->at("created"), false);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), true);
    EXPECT_EQ(count("redmine_users"), 1U);
}

TEST_F(RedmineClaimsTest, AnAttemptKilledBeforeItsEffectDoesNotClaimWhatOthersMake) {
    proxy_.add({.call = "POST /users.json", .kind = Misbehaviour::Kind::silence, .pause = std::chrono::seconds(30)});
    Process worker(performing(proxy_.url(), "redmine.create_user", ada, "run-1"));
    for (int i = 0; i < 2000 && proxy_.asked().size() < 2; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    worker.kill();

    ASSERT_EQ(perform("redmine.create_user", ada, "run-2")->at("created"), true);

    EXPECT_EQ(perform("redmine.create_user", ada, "run-1")->at("created"), false);
}

TEST_F(RedmineClaimsTest, UndoLocksOnlyWhatItsOwnRunMade) {
    const Answer made = perform("redmine.create_user", ada, "run-1");
    const Answer other = perform("redmine.create_user", ada, "run-2");
    EXPECT_EQ(made->at("created"), true);
    EXPECT_EQ(other->at("created"), false);
    EXPECT_EQ(other->at("created_by"), made->at("created_by"));

    const Answer kept = perform("redmine.lock_user", R"({"login":"ada","only_if_created_by":"key run-2"})");
    ASSERT_TRUE(kept) << kept.error().detail;
    EXPECT_EQ(kept->at("locked"), false);
    EXPECT_EQ(status_of("ada"), 1);

    const Answer undone = perform("redmine.lock_user", json::serialize(json::object{
                                      {"id", made->at("id")}, {"only_if_created_by", made->at("created_by")}}));
    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(undone->at("locked"), true);
    EXPECT_EQ(status_of("ada"), 3);
    EXPECT_EQ(perform("redmine.lock_user", R"({"id":99,"only_if_created_by":"key run-1"})")->at("locked"), false);
}

TEST_F(RedmineClaimsTest, AVeteransAccountIsNobodysToUndo) {
    tell("/sandbox/seed", R"({"redmine_users":[{"login":"ada","mail":"Ada@Example.org","firstname":"A","lastname":"L"}]})");

    const Answer found = perform("redmine.create_user", ada, "run-1");
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_EQ(found->at("created"), false);
    EXPECT_TRUE(found->at("created_by").is_null());
    const Answer undone = perform("redmine.lock_user", R"({"login":"ada","only_if_created_by":"key run-1"})");
    ASSERT_FALSE(undone);
    EXPECT_EQ(undone.error().type, "unknown_creator");
    const Answer kept = perform("redmine.lock_user", R"({"mail":"ada@example.org","only_if_created_by":"run-1","keep_unknown":true})");
    ASSERT_TRUE(kept) << kept.error().detail;
    EXPECT_EQ(kept->at("locked"), false);
    EXPECT_EQ(status_of("ada"), 1);
}

// All that a workflow knows whose step died is who it is itself.
TEST_F(RedmineClaimsTest, AnUndoFindsWhatAnAttemptMadeThatNeverSaidSo) {
    kill_after("POST /users.json", "redmine.create_user", ada, "run-1/account");
    ASSERT_EQ(status_of("ada"), 1);

    const Answer others = perform("redmine.lock_user", R"({"mail":"ada@example.org","only_if_created_by":"run-1/acc","keep_unknown":true})");
    ASSERT_TRUE(others) << others.error().detail;
    EXPECT_EQ(others->at("locked"), false);
    const Answer undone = perform("redmine.lock_user", R"({"mail":"ada@example.org","only_if_created_by":"run-1/account","keep_unknown":true})");
    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(undone->at("locked"), true);
    EXPECT_EQ(status_of("ada"), 3);
}

TEST_F(RedmineClaimsTest, WhomARunUnlockedItsUndoLocksAgain) {
    tell("/sandbox/seed", R"({"redmine_users":[{"login":"ada","mail":"ada@example.org","firstname":"A","lastname":"L","status":3}]})");
    kill_after("PUT /users/", "redmine.create_user", ada, "run-1");
    ASSERT_EQ(status_of("ada"), 1);

    const Answer back = perform("redmine.create_user", ada, "run-1");
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->at("created"), false);
    EXPECT_EQ(back->at("unlocked"), true);
    const Answer undone = perform("redmine.lock_user", json::serialize(json::object{
                                      {"id", back->at("id")}, {"only_if_created_by", back->at("created_by")}}));

    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(status_of("ada"), 3);
}

TEST_F(RedmineClaimsTest, ProjectsMembersIssuesAndCommentsOnceUnderKill) {
    perform("redmine.create_user", ada);
    const std::string project = R"({"name":"Ops","identifier":"ops"})";
    const std::string member = R"({"project":"ops","user":"ada","role":"Manager"})";
    const std::string issue = R"({"project":"ops","subject":"a | b \"c\" 'd' %","description":"e"})";
    const std::string text = R"({"issue":1,"text":"seen"})";
    kill_after("POST /projects.json", "redmine.create_project", project, "k1");
    EXPECT_EQ(perform("redmine.create_project", project, "k1")->at("created"), true);
    EXPECT_EQ(perform("redmine.create_project", project, "k2")->at("created"), false);
    kill_after("POST /projects/ops/memberships.json", "redmine.add_member", member, "k1");
    EXPECT_EQ(perform("redmine.add_member", member, "k1")->at("created"), true);
    EXPECT_EQ(perform("redmine.add_member", member, "k2")->at("created"), false);
    kill_after("POST /issues.json", "redmine.create_issue", issue, "k1");
    const Answer found = perform("redmine.create_issue", issue, "k1");
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_EQ(found->at("created"), true);
    EXPECT_EQ(count("redmine_issues"), 1U);
    kill_after("PUT /issues/1.json", "redmine.comment", text, "k1");
    ASSERT_TRUE(perform("redmine.comment", text, "k1"));
    EXPECT_EQ(state().at("redmine_issues").at(0).at("notes").as_array().size(), 1U);
    ASSERT_TRUE(perform("redmine.comment", text, "k2"));
    EXPECT_EQ(state().at("redmine_issues").at(0).at("notes").as_array().size(), 2U);
}

TEST_F(RedmineClaimsTest, GroupsThatATaskGaveAVeteranAreTakenBackAndNoOthers) {
    tell("/sandbox/seed", R"({"redmine_groups":[{"name":"New"},{"name":"Old"}]})");
    ASSERT_TRUE(perform("redmine.create_user", R"({"login":"ada","mail":"ada@example.org","groups":["old"]})", "long ago"));
    const std::string hired = R"({"login":"ada","mail":"ada@example.org","groups":["new","old"]})";
    kill_after("POST /groups/", "redmine.create_user", hired, "k1");

    const Answer again = perform("redmine.create_user", hired, "k1");

    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), false);
    EXPECT_EQ(again->at("joined_groups"), json::array{json::value("New")}) << "by the attempt that was killed";
    const Answer undone = perform("redmine.lock_user", R"({"user":"ada","only_if_created_by":null,"leave_groups":["New","gone"]})", "k2");
    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(undone->at("locked"), false);
    EXPECT_EQ(perform("redmine.find_user", R"({"user":"ada"})")->at("groups"), json::array{json::value("Old")});
    EXPECT_EQ(perform("redmine.find_user", R"({"user":"ada"})")->at("locked"), false);
    EXPECT_EQ(perform("redmine.create_user", R"({"login":"ada","mail":"ada@example.org","groups":["old"]})", "k3")->at("joined_groups"), json::array());
}

TEST_F(RedmineClaimsTest, OneGroupForManyWhoMakeIt) {
    std::vector<std::unique_ptr<Process>> workers;
    for (int i = 0; i < 4; ++i)
        workers.push_back(std::make_unique<Process>(performing(
            settings_.redmine.url, "redmine.create_user",
            fmt::format(R"({{"login":"u{0}","mail":"u{0}@example.org","groups":["new"],"create_groups":true}})", i),
            fmt::format("k{}", i))));
    for (const auto& worker : workers) EXPECT_EQ(worker->finish().find("problem"), std::string::npos);

    EXPECT_EQ(count("redmine_groups"), 1U);
    EXPECT_EQ(state().at("redmine_groups").at(0).at("users").as_array().size(), 4U);
}

TEST_F(RedmineClaimsTest, TheRightsThatTheReadmeNamesAreEnoughAndNeeded) {
    if (!broker_) GTEST_SKIP() << "the broker's users are not ours to make";
    const auto answer_with = [&](const std::string& rights, const std::string& key) {
        broker::Options options;
        options.listen = {"127.0.0.1:0"};
        options.data_folder = folder_ + key;
        broker::UserOption user;
        user.name = "worker";
        user.password = "secret";
        // To the default exchange go the reports of every worker.
        user.permissions = {{.vhost = "/", .configure = rights, .write = "^amq\\.default$|" + rights, .read = rights}};
        options.users = {user};
        auto broker = *broker::BrokerService::start(std::move(options));
        settings_.redmine.locks =
            std::make_shared<KeyLocks>(fmt::format("amqp://worker:secret@127.0.0.1:{}", broker->port()), "limited");
        Answer answer = perform("redmine.create_user", ada, key);
        settings_.redmine.locks.reset();
        broker.reset();
        std::filesystem::remove_all(folder_ + key);
        return answer;
    };
    const Answer refused = answer_with("^baton\\.task\\.", "k1");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().type, "locks");
    EXPECT_FALSE(refused.error().is_attempt);
    EXPECT_NE(refused.error().detail.find("^baton\\.(lock|note)\\."), std::string::npos) << refused.error().detail;

    const Answer made = answer_with("^baton\\.(lock|note)\\.", "k2");
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->at("created"), true);
}

TEST_F(RedmineClaimsTest, ALockEndsWithItsConnectionAndTheHolderKnows) {
    KeyLocks other(url_, "other");
    auto held = settings_.redmine.locks->hold("x", std::chrono::seconds(5));
    ASSERT_TRUE(held) << held.error().detail;
    EXPECT_TRUE(held->is_valid());
    ASSERT_TRUE(held->put_note("first"));
    ASSERT_TRUE(held->put_note("second"));
    EXPECT_EQ(*held->note(), "second");
    EXPECT_FALSE(other.hold("x", std::chrono::milliseconds(100)));
    EXPECT_TRUE(other.hold("y", std::chrono::milliseconds(100)));

    if (!broker_) GTEST_SKIP() << "the broker is not ours to restart";
    const std::uint16_t port = broker_->port();
    broker_.reset();
    start_broker(port);

    const auto after = other.hold("x", std::chrono::seconds(10));
    ASSERT_TRUE(after) << after.error().detail;
    EXPECT_FALSE(held->is_valid());
    EXPECT_EQ(*after->note(), "second");
}

} // namespace

int perform_many(char** argv) {
    Settings settings;
    settings.redmine.url = argv[1];
    settings.redmine.key = argv[2];
    settings.redmine.locks = std::make_shared<KeyLocks>(argv[0], "child");
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < std::atoi(argv[6]); ++i)
        answers.push_back(std::async(std::launch::async,
                                     [&] { return perform_with(settings, argv[3], argv[4], argv[5]); }));
    for (auto& one : answers) {
        const Answer answer = one.get();
        const std::string line = answer ? json::serialize(*answer)
                                        : json::serialize(json::object{{"problem", answer.error().type},
                                                                       {"detail", answer.error().detail}});
        std::printf("%s\n", line.c_str());
    }
    return 0;
}

} // namespace baton::workers::test

int main(int argc, char** argv) {
    if (argc == 9 && std::string_view(argv[1]) == "--perform")
        return baton::workers::test::perform_many(argv + 2);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
