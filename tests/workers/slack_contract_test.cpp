// Every call of the Slack worker, checked in both directions against Slack's published description: the worker asks
// through a proxy that refuses a request, or an answer of the sandbox, which does not fit slack_contract/contract.json.
// Skipped where `npm ci` was not run in slack_contract.
#include "faulty_proxy.hpp"
#include "support.hpp"

#include "base/base64.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::workers::test {
namespace {

namespace json = boost::json;
namespace asio = boost::asio;
using asio::ip::tcp;

const std::filesystem::path folder = std::filesystem::path(BATON_SOURCE_DIR) / "tests/workers/slack_contract";

std::string content_of(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// The validating proxy as a process of its own.
class Prism {
public:
    explicit Prism(const std::string& target) {
        asio::io_context io;
        {
            const tcp::acceptor free(io, {asio::ip::make_address("127.0.0.1"), 0});
            port_ = free.local_endpoint().port();
        }
        log_ = ::testing::TempDir() + fmt::format("prism.{}.log", ::getpid());
        const std::string port = std::to_string(port_);
        const std::string program = folder / "node_modules/.bin/prism";
        const std::string contract = folder / "contract.json";
        pid_ = ::fork();
        if (pid_ == 0) {
            const int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            ::dup2(out, 1);
            ::dup2(out, 2);
            ::execlp(program.c_str(), "prism", "proxy", "-p", port.c_str(), "-h", "127.0.0.1", "--errors", contract.c_str(),
                     target.c_str(), static_cast<char*>(nullptr));
            ::_exit(127);
        }
    }
    Prism(const Prism&) = delete;
    ~Prism() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        std::filesystem::remove(log_);
    }

    bool starts_within(std::chrono::seconds limit) const {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (std::chrono::steady_clock::now() < end) {
            asio::io_context io;
            tcp::socket socket(io);
            boost::system::error_code code;
            socket.connect({asio::ip::make_address("127.0.0.1"), port_}, code);
            if (!code) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return false;
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
    std::string log() const { return content_of(log_); }

private:
    std::uint16_t port_ = 0;
    std::string log_;
    pid_t pid_ = -1;
};

// Slack's methods that the worker's sources name.
std::set<std::string> methods_in_the_sources() {
    const std::regex method("\"((admin|auth|users|conversations|chat|reactions|usergroups|files)(\\.[a-zA-Z]+)+)\"");
    std::set<std::string> methods;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(BATON_SOURCE_DIR) / "workers/slack")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = content_of(entry.path());
        for (std::sregex_iterator one(text.begin(), text.end(), method), end; one != end; ++one) methods.insert((*one)[1]);
    }
    return methods;
}

class SlackContractTest : public WithSandbox {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(folder / "node_modules/.bin/prism"))
            GTEST_SKIP() << "prism is not installed: run `npm ci` in tests/workers/slack_contract";
        tell("/sandbox/seed", R"({"slack_users":[{"email":"bob@example.org"},{"email":"eve@example.org"}]})");
        const http::Request make{"POST", settings_.slack.url + "/usergroups.create",
                                 {{"Authorization", "Bearer " + settings_.slack.token}, {"Content-Type", "application/x-www-form-urlencoded"}},
                                 "name=Operators&handle=ops"};
        ASSERT_EQ(http::perform(make, {}).status, 200);
        prism_ = std::make_unique<Prism>(settings_.slack.url);
        ASSERT_TRUE(prism_->starts_within(std::chrono::seconds(60))) << prism_->log();
        recorder_ = std::make_unique<FaultyProxy>(prism_->url());
        settings_.slack.url = recorder_->url();
        settings_.slack.limits.total = std::chrono::seconds(30);
    }

    Answer well(const std::string& task, const std::string& with, const std::string& key = "key") {
        Answer answer = perform(task, with, key);
        EXPECT_TRUE(answer) << task << ' ' << with << ": " << (answer ? "" : answer.error().detail) << '\n' << prism_->log();
        return answer;
    }
    std::set<std::string> methods_asked() const {
        std::set<std::string> methods;
        for (const std::string& call : recorder_->asked()) {
            const std::size_t slash = call.find('/');
            methods.insert(call.substr(slash + 1, call.find('?') - slash - 1));
        }
        return methods;
    }

    std::unique_ptr<Prism> prism_;
    std::unique_ptr<FaultyProxy> recorder_;
};

TEST_F(SlackContractTest, EveryCallFitsSlacksPublishedDescriptionInBothDirections) {
    // People.
    well("slack.invite", R"({"email":"ada@example.org","name":"Ada L","channels":["general"]})");
    well("slack.invite", R"({"email":"ada@example.org"})");
    EXPECT_EQ(perform("slack.invite", R"({"email":"bob@example.org"})").error().type, "already_in_team");
    well("slack.find_user", R"({"email":"bob@example.org"})");
    EXPECT_EQ(well("slack.find_user", R"({"email":"nobody@example.org"})")->at("found"), false);
    well("slack.deactivate", R"({"email":"eve@example.org"})");
    well("slack.reactivate", R"({"user_id":"U0SANDBOX00002"})");
    // Channels and groups.
    well("slack.create_channel", R"({"name":"inc-1","topic":"t","purpose":"p","private":true,"members":["bob@example.org"]})");
    well("slack.create_channel", R"({"name":"inc-1"})", "other");
    well("slack.remove_from_channel", R"({"channel":"inc-1","users":"bob@example.org"})");
    well("slack.rename_channel", R"({"channel":"inc-1","name":"inc-2"})");
    well("slack.archive_channel", R"({"channel":"inc-2"})");
    well("slack.find_channel", R"({"channel":"inc-2"})");
    well("slack.unarchive_channel", R"({"channel":"inc-2"})");
    well("slack.add_to_group", R"({"group":"ops","users":["bob@example.org","eve@example.org"]})");
    well("slack.remove_from_group", R"({"group":"ops","users":["bob@example.org"]})");
    // Messages; the second attempt looks for what is there.
    const Answer posted = well("slack.post", R"({"channel":"#general","text":"hello","blocks":[{"type":"divider"}]})");
    ASSERT_TRUE(posted);
    const std::string ts(posted->at("ts").as_string());
    const std::string place = R"({"channel":"general","ts":")" + ts + '"';
    well("slack.direct_message", R"({"users":"bob@example.org","text":"psst"})", "direct");
    attempt_ = 2;
    EXPECT_EQ(well("slack.post", R"({"channel":"#general","text":"hello"})")->at("ts"), json::value(ts));
    well("slack.post", R"({"channel":"#general","text":"re","thread_ts":")" + ts + R"("})", "thread");
    EXPECT_EQ(count("slack_messages"), 3U);
    well("slack.react", place + R"(,"emoji":"tada"})");
    well("slack.post", R"({"channel":"#general","text":"hello"})");
    well("slack.unreact", place + R"(,"emoji":"tada"})");
    well("slack.update_message", place + R"(,"text":"bye"})");
    well("slack.delete_message", place + "}");
    const std::string file = R"({"channel":"general","filename":"a.txt","content":")" + base64_of("abc") + R"(","text":"see"})";
    const Answer shared = well("slack.upload", file, "file");
    EXPECT_EQ(well("slack.upload", file, "file")->at("file"), shared->at("file"));

    const std::set<std::string> asked = methods_asked();
    const std::set<std::string> named = methods_in_the_sources();
    EXPECT_GT(named.size(), 25U);
    EXPECT_EQ(asked, named);
    const std::string log = prism_->log();
    EXPECT_EQ(log.find("prism/errors#"), std::string::npos) << log;
}

TEST_F(SlackContractTest, TheCheckFindsWhatDoesNotFit) {
    const auto status_of = [&](const std::string& method, const std::string& body) {
        const http::Request request{"POST", prism_->url() + method,
                                    {{"Authorization", "Bearer " + settings_.slack.token}, {"Content-Type", "application/x-www-form-urlencoded"}}, body};
        return http::perform(request, settings_.slack.limits).status;
    };
    EXPECT_EQ(status_of("/admin.users.invite", "team_id=T0SANDBOX&channel_ids=C0SANDBOX00001"), 422);
    EXPECT_EQ(status_of("/admin.users.invite", "team_id=T0SANDBOX&channel_ids=C0SANDBOX00001&email=a%40b.de"), 200);
}

} // namespace
} // namespace baton::workers::test
