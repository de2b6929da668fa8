// What needs several processes and a broker: whoever is killed between the effect and its report is known by the next
// attempt, and nobody else takes what he did for his own.
//
// Called as `slack_claims_test --perform BROKER SLACK TASK WITH IDENTITY` this program is a worker: performs the task
// once and prints what came of it.
#include "faulty_proxy.hpp"
#include "support.hpp"

#include "broker/broker_service.hpp"
#include "workers/key_locks.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

namespace baton::workers::test {

namespace json = boost::json;

namespace {

// A program that works on its own, as another worker's process would.
class Process {
public:
    explicit Process(const std::vector<std::string>& arguments) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], 1);
            std::vector<char*> argv{const_cast<char*>("slack_claims_test")};
            for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
            argv.push_back(nullptr);
            ::execv("/proc/self/exe", argv.data());
            ::_exit(1);
        }
        ::close(ends[1]);
        out_ = ends[0];
    }
    Process(const Process&) = delete;
    ~Process() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
        finish();
    }
    // What it printed, once it has ended.
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

class SlackClaimsTest : public WithSandbox {
protected:
    SlackClaimsTest() : proxy_(settings_.slack.url) {
        // All of them know Slack by the same address.
        settings_.slack.url = proxy_.url();
        folder_ = ::testing::TempDir() + fmt::format("slack_claims.{}", ::getpid());
        broker::Options options;
        options.listen = {"127.0.0.1:0"};
        options.data_folder = folder_;
        broker_ = *broker::BrokerService::start(std::move(options));
        url_ = fmt::format("amqp://guest:guest@127.0.0.1:{}", broker_->port());
        settings_.slack.locks = std::make_shared<KeyLocks>(url_, "test");
    }
    ~SlackClaimsTest() override {
        settings_.slack.locks.reset();
        broker_.reset();
        std::filesystem::remove_all(folder_);
    }

    std::vector<std::string> performing(const std::string& task, const std::string& with, const std::string& identity) const {
        return {"--perform", url_, settings_.slack.url, task, with, identity};
    }
    // Kills a worker after Slack has done what it asked for, and before the answer arrives.
    void kill_after(const std::string& call, const std::string& task, const std::string& with, const std::string& identity) {
        const auto times_done = [&] {
            const auto done = proxy_.done();
            return std::count_if(done.begin(), done.end(), [&](const std::string& one) { return one.starts_with(call); });
        };
        const auto before = times_done();
        proxy_.add({.call = call, .kind = Misbehaviour::Kind::late, .pause = std::chrono::seconds(30)});
        {
            const Process worker(performing(task, with, identity));
            for (int i = 0; i < 2000 && times_done() == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ASSERT_EQ(times_done(), before + 1) << call;
        proxy_.heal();
    }

    FaultyProxy proxy_;
    std::string folder_;
    std::string url_;
    std::unique_ptr<broker::BrokerService> broker_;
};

const std::string ada = R"({"email":"ada@example.org"})";

TEST_F(SlackClaimsTest, AKilledAttemptsInvitationIsKnownAsTheTasksOwn) {
    kill_after("POST /admin.users.invite", "slack.invite", ada, "run-1");
    ASSERT_EQ(count("slack_users"), 1U);

    const Answer stranger = perform("slack.invite", ada, "run-2");
    attempt_ = 2;
    const Answer again = perform("slack.invite", ada, "run-1");

    ASSERT_TRUE(stranger) << stranger.error().detail;
    EXPECT_EQ(stranger->at("invited"), false);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("invited"), true);
    EXPECT_EQ(count("slack_users"), 1U);
}

TEST_F(SlackClaimsTest, TheSameWithScim) {
    settings_.slack.mode = slack::Mode::scim;
    FaultyProxy scim(settings_.slack.scim_url);
    settings_.slack.scim_url = scim.url();
    settings_.slack.limits.total = std::chrono::milliseconds(500);
    scim.add({.call = "POST /Users", .kind = Misbehaviour::Kind::drop, .is_after = true});
    ASSERT_TRUE(perform("slack.invite", ada, "run-1"));

    EXPECT_EQ(perform("slack.invite", ada, "run-2").error().type, "already_in_team");
    attempt_ = 2;
    const Answer again = perform("slack.invite", ada, "run-1");

    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("invited"), true);
}

TEST_F(SlackClaimsTest, AKilledAttemptsChannelIsKnownAsTheTasksOwn) {
    const std::string with = R"({"name":"inc-1","topic":"It burns"})";
    kill_after("POST /conversations.create", "slack.create_channel", with, "run-1");

    const Answer stranger = perform("slack.create_channel", R"({"name":"inc-1","topic":"Mine"})", "run-2");
    attempt_ = 2;
    const Answer again = perform("slack.create_channel", with, "run-1");

    ASSERT_TRUE(stranger) << stranger.error().detail;
    EXPECT_EQ(stranger->at("created"), false);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("created"), true);
    EXPECT_EQ(stranger->at("id"), again->at("id"));
    EXPECT_EQ(perform("slack.find_channel", R"({"channel":"inc-1"})")->at("topic"), "It burns");
}

TEST_F(SlackClaimsTest, AKilledAttemptsPostIsThereOnce) {
    const std::string with = R"({"channel":"#general","text":"one"})";
    kill_after("POST /chat.postMessage", "slack.post", with, "run-1");
    ASSERT_EQ(count("slack_messages"), 1U);

    attempt_ = 2;
    const Answer again = perform("slack.post", with, "run-1");

    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(count("slack_messages"), 1U);
}

TEST_F(SlackClaimsTest, AKilledAttemptsDeactivationIsNotSaidToBeOfNobody) {
    tell("/sandbox/seed", R"({"slack_users":[{"email":"ada@example.org"}]})");
    kill_after("POST /admin.users.remove", "slack.deactivate", ada, "run-1");

    attempt_ = 2;
    const Answer again = perform("slack.deactivate", ada, "run-1");

    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->at("deactivated"), true);
    EXPECT_EQ(again->at("user_id"), "U0SANDBOX00001");
    EXPECT_EQ(perform("slack.deactivate", ada, "run-2").error().type, "not_found");
}

TEST_F(SlackClaimsTest, AnUndoLetsGoOnlyWhomItsRunInvited) {
    run_ = "r1";
    ASSERT_EQ(perform("slack.invite", ada, "k1")->at("invited"), true);
    run_ = "r2";
    ASSERT_EQ(perform("slack.invite", ada, "k2")->at("invited"), false);

    const Answer kept = perform("slack.deactivate", R"({"email":"ada@example.org","only_if_created_by":"r2/step"})", "u2");
    ASSERT_TRUE(kept) << kept.error().detail;
    EXPECT_EQ(kept->at("kept"), true);
    EXPECT_EQ(state().at("slack_users").at(0).at("state"), "invited");

    const std::string undo = R"({"email":"ada@example.org","only_if_created_by":"r1/step"})";
    const Answer undone = perform("slack.deactivate", undo, "u1");
    ASSERT_TRUE(undone) << undone.error().detail;
    EXPECT_EQ(undone->at("deactivated"), true);
    // What is gone needs no undo.
    EXPECT_TRUE(perform("slack.deactivate", undo, "u3"));
}

TEST_F(SlackClaimsTest, SixWhoJoinAGroupAtOnceAreAllInIt) {
    json::array users;
    for (int i = 0; i < 6; ++i) users.push_back(json::object{{"email", fmt::format("u{}@example.org", i)}});
    tell("/sandbox/seed", json::serialize(json::object{{"slack_users", users}}));
    const http::Request make{"POST", settings_.slack.url + "/usergroups.create",
                             {{"Authorization", "Bearer " + settings_.slack.token}, {"Content-Type", "application/x-www-form-urlencoded"}},
                             "name=Operators&handle=ops"};
    ASSERT_EQ(http::perform(make, {}).status, 200);
    fault(R"({"slack.list_group_users":{"delay_ms":50},"slack.update_group_users":{"delay_ms":100}})");

    std::vector<std::unique_ptr<Process>> workers;
    for (int i = 0; i < 6; ++i)
        workers.push_back(std::make_unique<Process>(
            performing("slack.add_to_group", fmt::format(R"({{"group":"ops","users":"u{}@example.org"}})", i), fmt::format("k{}", i))));
    for (const auto& worker : workers) EXPECT_NE(worker->finish().find("members"), std::string::npos);

    EXPECT_EQ(state().at("slack_groups").at(0).at("users").as_array().size(), 6U);
}

} // namespace

int perform_one(char** argv) {
    const sandbox::Options options;
    Settings settings;
    settings.slack.url = argv[1];
    settings.slack.token = options.slack_token;
    settings.slack.team = options.slack_team;
    settings.slack.locks = std::make_shared<KeyLocks>(argv[0], "child");
    const auto handlers = handlers_of("slack", settings);
    for (const Handler& handler : *handlers) {
        if (handler.task != std::string_view(argv[2])) continue;
        Task task;
        task.request.task = argv[2];
        task.request.idempotency_key = argv[4];
        task.with = json::parse(argv[3]).as_object();
        const Answer answer = handler.perform(task);
        std::printf("%s\n", answer ? json::serialize(*answer).c_str() : answer.error().detail.c_str());
    }
    return 0;
}

} // namespace baton::workers::test

int main(int argc, char** argv) {
    if (argc == 7 && std::string_view(argv[1]) == "--perform") return baton::workers::test::perform_one(argv + 2);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
