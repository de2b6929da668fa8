// The worker on a broker: Baton's own in this process, or any other by BATON_TEST_AMQP, for example
// amqp://guest:guest@127.0.0.1:5672. Task types have random names, so runs do not meet.
//
// Called as `worker_test --die-after-effect URL TASK FILE` this program is a worker that does its work
// (a line in FILE) and dies before it can report it.
#include "peer.hpp"

#include "base/random.hpp"
#include "base/thread.hpp"
#include "broker/broker_service.hpp"
#include "contract/topology.hpp"
#include "sandbox/sandbox.hpp"
#include "support.hpp"
#include "workers/run_workers.hpp"
#include "workers/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

namespace baton::workers::test {
namespace {

namespace json = boost::json;

std::string unique(std::string_view name) {
    return std::string(name) + "." + std::to_string(Random(entropy_seed()).below(1'000'000'000));
}

class WorkerTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        if (const char* given = std::getenv("BATON_TEST_AMQP")) {
            url_ = given;
            return;
        }
        folder_ = ::testing::TempDir() + unique("worker_test");
        start_broker(0);
    }
    static void TearDownTestSuite() {
        broker_.reset();
        if (!folder_.empty()) std::filesystem::remove_all(folder_);
    }
    static void start_broker(std::uint16_t port) {
        broker::Options options;
        options.listen = {"127.0.0.1:" + std::to_string(port)};
        options.data_folder = folder_;
        auto started = broker::BrokerService::start(std::move(options));
        ASSERT_TRUE(started) << started.error().detail;
        broker_ = std::move(*started);
        url_ = "amqp://guest:guest@127.0.0.1:" + std::to_string(broker_->port());
    }

    // A worker that runs until it is stopped or goes out of scope.
    class Running {
    public:
        explicit Running(std::vector<Handler> handlers, WorkerOptions options = {}) {
            if (options.broker_url.empty()) options.broker_url = url_;
            worker_ = std::make_unique<Worker>(std::move(options), std::move(handlers));
            thread_ = Thread("test-worker", [this] {
                const auto ended = worker_->run(stop_.get_token());
                EXPECT_TRUE(ended) << ended.error().detail;
            });
        }
        ~Running() { stop(); }
        void stop() {
            stop_.request_stop();
            thread_.join();
        }
        void request_stop() { stop_.request_stop(); }

    private:
        std::stop_source stop_;
        std::unique_ptr<Worker> worker_;
        Thread thread_;
    };

    // Until the worker of this task type consumes: queue and binding are there before that.
    static void await_worker(const std::string& task) { await_workers(task, 1); }
    static void await_workers(const std::string& task, std::size_t number) {
        for (int i = 0; i < 1000; ++i) {
            try {
                if (Peer(url_).consumers_of(contract::task_queue(task)) >= number) return;
            } catch (const std::exception&) {
                // The queue is not there yet.
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        FAIL() << "no worker ever consumed " << task;
    }

    static inline std::string url_;
    static inline std::string folder_;
    static inline std::unique_ptr<broker::BrokerService> broker_;
};

TEST_F(WorkerTest, PerformsATaskAndReportsWithItsToken) {
    const std::string task = unique("echo");
    const Running worker({{task, [](const Task& one) -> Answer { return json::value(one.with); }}});
    await_worker(task);
    Peer peer(url_);

    const auto report = peer.call(task, R"({"a":1})", "k");

    ASSERT_TRUE(report);
    EXPECT_EQ(report->token, "token-k");
    EXPECT_EQ(report->report, contract::Report{contract::Completed{R"({"a":1})"}});
}

TEST_F(WorkerTest, PlainRpcWithoutHeadersWorks) {
    const std::string task = unique("echo");
    const Running worker({{task, [](const Task&) -> Answer { return json::value(42); }}});
    await_worker(task);
    Peer peer(url_);

    contract::Message message;
    message.body = "{}";
    message.properties.reply_to = peer.reply_queue();
    message.properties.correlation_id = "17";
    peer.publish("", contract::task_queue(task), message);

    const auto report = peer.next_result();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->token, "17");
    EXPECT_EQ(report->report, contract::Report{contract::Completed{"42"}});
}

// Two processes serve one target (here two workers). One hears "come back later": neither asks again
// before that, what waits is not reported, and then all of it is done.
TEST_F(WorkerTest, ATargetThatAsksToComeBackLaterIsLeftAloneByAllWorkers) {
    const std::string task = unique("limited");
    std::mutex mutex;
    std::vector<std::chrono::steady_clock::time_point> calls;
    std::atomic<bool> is_open = false;
    const auto perform = [&](const Task&) -> Answer {
        const std::lock_guard lock(mutex);
        calls.push_back(std::chrono::steady_clock::now());
        if (!is_open) return not_now("rate_limited", "too many calls", std::chrono::seconds(2));
        return json::value("done");
    };
    WorkerOptions one_at_a_time;
    one_at_a_time.threads = 1;
    const Running first({{task, perform}}, one_at_a_time);
    const Running second({{task, perform}}, one_at_a_time);
    await_workers(task, 2);
    Peer peer(url_);
    const auto send = [&](const std::string& key) {
        contract::TaskRequest request;
        request.task = task;
        request.run = "r";
        request.step = key;
        request.with = "{}";
        request.token = key;
        peer.send(std::move(request));
    };
    send("probe");
    const auto refused = peer.next_result();
    ASSERT_TRUE(refused);
    const auto* failed = std::get_if<contract::Failed>(&refused->report);
    ASSERT_NE(failed, nullptr);
    EXPECT_FALSE(failed->problem.is_attempt);
    // As the server does with such a report.
    contract::Message hold;
    hold.body = contract::to_json(failed->problem);
    peer.publish(std::string(contract::control_exchange), contract::hold_key(task), hold);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (int i = 0; i < 6; ++i) send("task-" + std::to_string(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    {
        const std::lock_guard lock(mutex);
        EXPECT_EQ(calls.size(), 1U) << "nobody asks the target meanwhile";
    }
    is_open = true;
    std::set<std::string> done;
    for (int i = 0; i < 6; ++i) {
        const auto report = peer.next_result();
        ASSERT_TRUE(report);
        EXPECT_TRUE(std::holds_alternative<contract::Completed>(report->report));
        done.insert(report->token);
    }
    EXPECT_EQ(done.size(), 6U);
    ASSERT_GT(calls.size(), 1U);
    EXPECT_GE(calls[1] - calls[0], std::chrono::milliseconds(1900));
}

// One target, two task types: a right that only one of them needs holds that one.
TEST_F(WorkerTest, ATroubleOfOneTaskTypeHoldsThatTypeAlone) {
    const std::string lacking = unique("lacking");
    const std::string well = unique("well");
    std::atomic<int> asked = 0;
    Handler first;
    first.task = lacking;
    first.perform = [&](const Task&) -> Answer {
        ++asked;
        return not_now("missing_scope", "needs chat:write", std::chrono::seconds(60));
    };
    first.target = "one";
    first.own_troubles = {"missing_scope"};
    Handler second;
    second.task = well;
    second.perform = [](const Task&) -> Answer { return json::value("done"); };
    second.target = "one";
    const Running worker({first, second});
    await_worker(lacking);
    await_worker(well);
    Peer peer(url_);
    const auto send = [&](const std::string& task, const std::string& token) {
        contract::TaskRequest request;
        request.task = task;
        request.run = "r";
        request.step = token;
        request.with = "{}";
        request.token = token;
        peer.send(std::move(request));
    };
    send(lacking, "a");
    ASSERT_TRUE(peer.next_result());

    send(lacking, "b");
    send(well, "c");
    const auto report = peer.next_result();

    ASSERT_TRUE(report);
    EXPECT_EQ(report->token, "c");
    EXPECT_TRUE(std::holds_alternative<contract::Completed>(report->report));
    EXPECT_EQ(asked, 1);
}

TEST_F(WorkerTest, ACallWithoutARunIsAnsweredAlsoWhileItsTargetIsHeld) {
    const std::string task = unique("limited");
    const Running worker({{task, [](const Task&) -> Answer {
                               return not_now("rate_limited", "too many calls", std::chrono::seconds(60));
                           }}});
    await_worker(task);
    Peer peer(url_);
    for (int i = 0; i < 2; ++i) {
        const auto report = peer.call(task, "{}", "k" + std::to_string(i));
        ASSERT_TRUE(report);
        ASSERT_TRUE(std::holds_alternative<contract::Failed>(report->report));
        EXPECT_EQ(std::get<contract::Failed>(report->report).problem.type, "rate_limited");
    }
}

TEST_F(WorkerTest, AHandlerLearnsThatTheTimeOfItsAttemptIsOver) {
    const std::string task = unique("slow");
    const Running worker({{task, [](const Task& one) -> Answer {
                               for (int i = 0; i < 1000 && !one.is_cancelled(); ++i)
                                   std::this_thread::sleep_for(std::chrono::milliseconds(5));
                               return json::value(one.is_cancelled());
                           }}});
    await_worker(task);
    Peer peer(url_);
    contract::TaskRequest request;
    request.task = task;
    request.run = "r";
    request.with = "{}";
    request.token = "t";
    request.timeout = std::chrono::milliseconds(200);
    peer.send(std::move(request));
    const auto report = peer.next_result();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->report, contract::Report{contract::Completed{"true"}});
}

TEST_F(WorkerTest, ProblemsAndExceptionsBecomeFailures) {
    const std::string task = unique("fail");
    const Running worker({{task, [](const Task& one) -> Answer {
                               if (one.with.contains("throw")) throw std::runtime_error("on purpose");
                               return permanent("no", "because");
                           }}});
    await_worker(task);
    Peer peer(url_);

    const auto problem = std::get<contract::Failed>(peer.call(task, "{}", "a")->report).problem;
    EXPECT_EQ(problem.type, "no");
    EXPECT_FALSE(problem.retryable);
    const auto thrown = std::get<contract::Failed>(peer.call(task, R"({"throw":1})", "b")->report).problem;
    EXPECT_EQ(thrown.type, "baton.handler_failed");
    EXPECT_EQ(thrown.detail, "on purpose");
    EXPECT_TRUE(thrown.retryable);
}

TEST_F(WorkerTest, TaskThatCannotBeReadIsReportedOrBecomesADeadLetter) {
    const std::string task = unique("bad");
    const Running worker({{task, [](const Task&) -> Answer { return json::value(1); }}});
    await_worker(task);
    Peer peer(url_);

    EXPECT_EQ(std::get<contract::Failed>(peer.call(task, "[1]", "a")->report).problem.type,
              contract::bad_task_type);
    EXPECT_EQ(std::get<contract::Failed>(peer.call(task, "{", "b")->report).problem.type,
              contract::bad_task_type);

    contract::TaskRequest silent;
    silent.task = task;
    silent.with = "not json " + task;
    peer.send(silent, false);
    bool is_dead = false;
    for (int i = 0; i < 1000 && !is_dead; ++i) {
        const auto dead = peer.get(std::string(contract::dead_queue));
        is_dead = dead && dead->body.text() == silent.with;
        if (!dead) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(is_dead);
}

TEST_F(WorkerTest, QueueThatSomebodyDeclaredOtherwiseIsTakenAndBound) {
    const std::string task = unique("other");
    Peer peer(url_);
    peer.declare(contract::task_queue(task));
    const Running worker({{task, [](const Task&) -> Answer { return json::value(1); }}});
    await_worker(task);

    const auto report = peer.call(task, "{}", "k");

    ASSERT_TRUE(report);
    EXPECT_EQ(report->report, contract::Report{contract::Completed{"1"}});
}

TEST_F(WorkerTest, TaskAfterItsDeadlineIsNotPerformed) {
    const std::string task = unique("late");
    std::atomic<int> performed = 0;
    const Running worker({{task, [&](const Task&) -> Answer {
                               ++performed;
                               return json::value(1);
                           }}});
    await_worker(task);
    Peer peer(url_);
    contract::TaskRequest request;
    request.task = task;
    request.deadline = SystemClock{}.now() - std::chrono::seconds(1);

    peer.send(request);

    const auto problem = std::get<contract::Failed>(peer.next_result()->report).problem;
    EXPECT_EQ(problem.type, contract::expired_type);
    EXPECT_TRUE(problem.retryable);
    EXPECT_EQ(performed, 0);
}

TEST_F(WorkerTest, TasksOfOneKeyNeverRunAtOnceAndOthersDo) {
    const std::string task = unique("keyed");
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> broken = 0;
    std::map<std::string, std::atomic<int>> per_key;
    per_key["a"] = 0;
    per_key["b"] = 0;
    const auto perform = [&](const Task& one) -> Answer {
        auto& mine = per_key.at(std::string(one.with.at("key").as_string()));
        if (++mine > 1) ++broken;
        const int now = ++inside;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {}
        for (int i = 0; i < 2000 && most < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --inside;
        --mine;
        return json::value(1);
    };
    const auto key = [](const json::object& with) { return std::string(with.at("key").as_string()); };
    const Running worker({{task, perform, key}});
    await_worker(task);
    Peer peer(url_);

    for (int i = 0; i < 8; ++i) {
        contract::TaskRequest request;
        request.task = task;
        request.with = i % 2 == 0 ? R"({"key":"a"})" : R"({"key":"b"})";
        request.token = std::to_string(i);
        peer.send(request);
    }
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(peer.next_result());

    EXPECT_EQ(broken, 0);
    EXPECT_EQ(most, 2);
}

TEST_F(WorkerTest, HeartbeatTaskIsAckedAtItsStartAndSaysThatItLives) {
    const std::string task = unique("long");
    std::promise<void> may_end;
    const Running worker({{task, [ended = may_end.get_future().share()](const Task& one) -> Answer {
                               one.heartbeat({{"percent", 40}});
                               ended.wait();
                               return json::value("done");
                           }}});
    await_worker(task);
    Peer peer(url_);
    contract::TaskRequest request;
    request.task = task;
    request.token = "t";
    request.heartbeat = std::chrono::milliseconds(200);

    peer.send(request);

    const auto started = peer.next_report();
    ASSERT_TRUE(started);
    ASSERT_TRUE(std::holds_alternative<contract::Started>(started->report));
    EXPECT_FALSE(std::get<contract::Started>(started->report).worker.empty());
    bool saw_progress = false;
    while (!saw_progress) {
        const auto report = peer.next_report();
        ASSERT_TRUE(report);
        const auto* heartbeat = std::get_if<contract::Heartbeat>(&report->report);
        ASSERT_NE(heartbeat, nullptr);
        saw_progress = heartbeat->progress == R"({"percent":40})";
    }
    may_end.set_value();
    EXPECT_EQ(peer.next_result()->report, contract::Report{contract::Completed{R"("done")"}});
}

// In order, and before the result; a caller without a run expects one answer and gets no other.
TEST_F(WorkerTest, LinesOfARunsLogComeInOrderAndBeforeTheResult) {
    const std::string task = unique("talks");
    const Running worker({{task, [](const Task& one) -> Answer {
                               one.log("info", "begins");
                               one.log("warning", "bytes \xff");
                               std::thread([&] { one.log("error", "from another thread"); }).join();
                               return json::value("done");
                           }}});
    await_worker(task);
    Peer peer(url_);
    contract::TaskRequest request;
    request.task = task;
    request.token = "t";
    request.run = "r";
    request.with = "{}";
    peer.send(request);

    ASSERT_TRUE(std::holds_alternative<contract::Started>(peer.next_report()->report));
    for (const contract::LogLine& line :
         {contract::LogLine{"info", "begins"}, contract::LogLine{"warning", "bytes \ufffd"},
          contract::LogLine{"error", "from another thread"}}) {
        const auto report = peer.next_report();
        ASSERT_TRUE(report);
        EXPECT_EQ(report->report, contract::Report{line});
        EXPECT_EQ(report->token, "t");
    }
    EXPECT_EQ(peer.next_report()->report, contract::Report{contract::Completed{R"("done")"}});

    EXPECT_EQ(peer.call(task, "{}", "k")->report, contract::Report{contract::Completed{R"("done")"}});
}

TEST_F(WorkerTest, CancelledTaskIsAnsweredAsCancelled) {
    const std::string task = unique("cancel");
    const Running worker({{task, [](const Task& one) -> Answer {
                               one.heartbeat({{"began", true}});
                               while (!one.is_cancelled())
                                   std::this_thread::sleep_for(std::chrono::milliseconds(1));
                               return temporary("gave_up", "was told to");
                           }}});
    await_worker(task);
    Peer peer(url_);
    contract::TaskRequest request;
    request.task = task;
    request.token = "t-cancel";
    request.heartbeat = std::chrono::milliseconds(200);
    peer.send(request);
    ASSERT_TRUE(peer.next_report());

    contract::Message cancel;
    cancel.properties.correlation_id = "t-cancel";
    peer.publish(std::string(contract::control_exchange), contract::cancel_key(task), cancel);

    const auto report = peer.next_result();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->report, contract::Report{contract::Cancelled{}});
}

TEST_F(WorkerTest, StopFinishesWhatRunsAndGivesTheRestBack) {
    const std::string task = unique("stop");
    std::promise<void> may_end;
    std::promise<void> began;
    std::atomic<bool> is_first = true;
    const auto slow = [&, ended = may_end.get_future().share()](const Task&) -> Answer {
        if (is_first.exchange(false)) began.set_value();
        ended.wait();
        return json::value("first");
    };
    WorkerOptions options;
    options.threads = 1;
    auto first = std::make_unique<Running>(std::vector<Handler>{{task, slow}}, options);
    await_worker(task);
    Peer peer(url_);
    for (int i = 0; i < 3; ++i) {
        contract::TaskRequest request;
        request.task = task;
        request.token = std::to_string(i);
        peer.send(request);
    }
    began.get_future().wait();

    first->request_stop();
    may_end.set_value();
    first.reset();
    const Running second({{task, [](const Task&) -> Answer { return json::value("second"); }}});

    std::multiset<std::string> results;
    for (int i = 0; i < 3; ++i) {
        const auto report = peer.next_result();
        ASSERT_TRUE(report);
        results.insert(std::get<contract::Completed>(report->report).result);
    }
    EXPECT_EQ(results, (std::multiset<std::string>{R"("first")", R"("second")", R"("second")"}));
}

TEST_F(WorkerTest, WorkerThatDiesBetweenEffectAndReportLosesNothing) {
    const std::string task = unique("die");
    const std::string file = ::testing::TempDir() + task;
    contract::TaskRequest request;
    request.task = task;
    request.token = "t";
    {
        const Running declares({{task + ".none", [](const Task&) -> Answer { return json::value(1); }},
                                {task, [](const Task&) -> Answer { return json::value(1); }}});
        await_worker(task);
    }
    Peer peer(url_);
    peer.send(request);

    const pid_t child = ::fork();
    if (child == 0) {
        ::execl("/proc/self/exe", "worker_test", "--die-after-effect", url_.c_str(), task.c_str(),
                file.c_str(), nullptr);
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    const Running worker({{task, [](const Task& one) -> Answer {
        return json::value(one.request.token + (one.is_redelivered ? ", not for the first time" : ""));
    }}});

    const auto report = peer.next_result();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->report, contract::Report{contract::Completed{R"("t, not for the first time")"}});
    std::ifstream lines(file);
    std::string line;
    EXPECT_TRUE(std::getline(lines, line));
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(WorkerTest, RestartOfTheBrokerLosesNoTaskAndNoReport) {
    if (!broker_) GTEST_SKIP() << "the broker is not ours to restart";
    const std::string task = unique("restart");
    std::promise<void> began;
    std::promise<void> may_end;
    std::atomic<int> performed = 0;
    const Running worker({{task, [&, ended = may_end.get_future().share()](const Task&) -> Answer {
                               if (++performed == 1) began.set_value();
                               ended.wait();
                               return json::value("done");
                           }}});
    await_worker(task);
    {
        Peer peer(url_);
        contract::TaskRequest request;
        request.task = task;
        request.token = "t";
        request.reply_to = contract::task_queue(task) + ".replies";
        // Any durable queue will do for the reply; the worker's own declaration makes one.
        const Running declares({{task + ".replies", [](const Task&) -> Answer { return json::value(1); }}});
        await_worker(task + ".replies");
        peer.send(request);
        began.get_future().wait();
    }
    const std::uint16_t port = broker_->port();
    broker_->stop();
    broker_.reset();
    may_end.set_value();
    start_broker(port);

    Peer peer(url_);
    std::optional<amqp::client::Delivery> report;
    for (int i = 0; i < 2000 && !report; ++i) {
        report = peer.get(contract::task_queue(task) + ".replies");
        if (!report) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_TRUE(report);
    EXPECT_EQ(report->body.text(), R"("done")");
    // The task came again over the new connection and was answered from memory.
    EXPECT_EQ(performed, 1);
}

TEST_F(WorkerTest, ThreeWorkersProvisionAUserThroughTheBroker) {
    const sandbox::Sandbox sandbox(*sandbox::Sandbox::start({}));
    Settings settings = settings_for(sandbox);
    settings.queue = unique("q").substr(2);
    std::stop_source stop;
    Thread workers("workers", [&] {
        const auto ended = run_workers({"mail", "redmine", "slack"}, settings, url_, stop.get_token());
        EXPECT_TRUE(ended) << ended.error().detail;
    });
    for (const char* task : {"mail.create", "redmine.create_user", "slack.invite"})
        await_worker(contract::task_key(task, settings.queue));
    Peer peer(url_);
    const auto call = [&](const char* task, const std::string& with, const std::string& key) {
        const auto report = peer.call(contract::task_key(task, settings.queue), with, key);
        EXPECT_TRUE(report);
        const auto* completed = report ? std::get_if<contract::Completed>(&report->report) : nullptr;
        EXPECT_NE(completed, nullptr);
        return completed ? json::parse(completed->result) : json::value(json::object{});
    };

    for (int i = 0; i < 2; ++i) {
        const auto mailbox = call("mail.create", R"({"address":"ada@x.org","name":"Ada L"})", "m");
        EXPECT_EQ(mailbox.at("address"), "ada@x.org");
        const auto account = call(
            "redmine.create_user", R"({"login":"ada","mail":"ada@x.org","groups":["everyone"],"create_groups":true})", "r");
        EXPECT_TRUE(account.at("id").is_int64());
        const auto invited = call("slack.invite", R"({"email":"ada@x.org","channels":["general"]})", "s");
        EXPECT_TRUE(invited.at("user_id").is_string());
    }

    stop.request_stop();
    workers.join();
}

TEST_F(WorkerTest, EightIdenticalCreatesReachRedmineOneByOne) {
    const sandbox::Sandbox sandbox(*sandbox::Sandbox::start({}));
    Settings settings = settings_for(sandbox);
    WorkerOptions options;
    options.queue = unique("q").substr(2);
    options.threads = 8;
    http::perform({"POST", sandbox.url() + "/sandbox/faults", {},
                   R"({"redmine.create_user":{"mode":"race","delay_ms":50}})"},
                  {});
    const Running worker(*handlers_of("redmine", settings), options);
    const std::string task = contract::task_key("redmine.create_user", options.queue);
    await_worker(task);
    Peer peer(url_);

    for (int i = 0; i < 8; ++i) {
        contract::TaskRequest request;
        request.task = task;
        request.with = R"({"login":"ada","mail":"ada@x.org"})";
        request.token = std::to_string(i);
        peer.send(request);
    }
    std::set<std::string> ids;
    for (int i = 0; i < 8; ++i) {
        const auto report = peer.next_result();
        ASSERT_TRUE(report);
        const auto& completed = std::get<contract::Completed>(report->report);
        ids.insert(json::serialize(json::parse(completed.result).at("id")));
    }

    EXPECT_EQ(ids.size(), 1U);
    const http::Response state = http::perform({"GET", sandbox.url() + "/sandbox/state"}, {});
    EXPECT_EQ(json::parse(state.body).at("calls").at("redmine.create_user").at("201"), 1);
}

} // namespace

int die_after_effect(const std::string& url, const std::string& task, const std::string& file) {
    WorkerOptions options;
    options.broker_url = url;
    Worker worker(options, {{task, [&](const Task& one) -> Answer {
                                 std::ofstream(file, std::ios::app) << one.request.token << std::endl;
                                 ::_exit(9);
                             }}});
    static_cast<void>(worker.run({}));
    return 1;
}

} // namespace baton::workers::test

int main(int argc, char** argv) {
    if (argc == 5 && std::string_view(argv[1]) == "--die-after-effect")
        return baton::workers::test::die_after_effect(argv[2], argv[3], argv[4]);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
