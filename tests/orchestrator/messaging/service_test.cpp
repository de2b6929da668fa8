// The orchestrator against a real broker and a real SQLite file, with workers that are plain AMQP
// clients: a run from start to end, dead letters, calls, restarts of either side.
#include "amqp/client/reconnect.hpp"
#include "base/mailbox.hpp"
#include "broker/broker_service.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "db/open_store.hpp"
#include "net/io_threads.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/messaging/run_request.hpp"
#include "orchestrator/orchestrator_service.hpp"
#include "tests/integration/raw_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

namespace baton::orchestrator {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Duration patience = 60s; // never waited out unless something is broken

// A folder that is gone afterwards.
struct TemporaryFolder {
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "baton-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

// What a worker does with a task: a report, or nothing to reject the message.
using Perform = std::function<std::optional<contract::Report>(const contract::TaskRequest&)>;

// A worker that only knows AMQP: consumes, reports, acks.
class PlainWorker {
public:
    PlainWorker(std::uint16_t port, std::vector<std::string> tasks, Perform perform)
        : tasks_(std::move(tasks)),
          perform_(std::move(perform)),
          io_("worker", 1),
          link_(io_.context(0).get_executor(), options(port)) {
        net::asio::co_spawn(io_.context(0), link_.run(), [](std::exception_ptr) {});
    }
    ~PlainWorker() {
        net::asio::post(io_.context(0), [this] { link_.stop(); });
        io_.drain();
    }

private:
    amqp::client::ReconnectOptions options(std::uint16_t port) {
        amqp::client::ReconnectOptions made;
        made.endpoint = *amqp::client::parse_url(fmt::format("amqp://127.0.0.1:{}", port));
        made.on_connected = [this](amqp::client::Connection& one) { return consume(one); };
        made.pause_max = 200ms;
        return made;
    }

    net::Awaitable<Outcome<void>> consume(amqp::client::Connection& connection) {
        auto opened = co_await connection.open_channel();
        if (!opened) co_return opened.error();
        channel_ = *opened;
        for (const std::string& task : tasks_) {
            amqp::BasicConsume method;
            method.queue = contract::task_queue(task);
            const auto consuming = co_await channel_->consume(
                std::move(method), [this](amqp::client::Delivery one) { take(std::move(one)); });
            if (!consuming) co_return consuming.error(); // not declared yet: tried again
        }
        co_return Outcome<void>{boost::system::in_place_value};
    }

    void take(amqp::client::Delivery delivery) {
        const auto task =
            contract::decode_task(delivery.routing_key, delivery.properties, delivery.body.text());
        ASSERT_TRUE(task);
        const auto report = perform_(*task);
        if (!report) {
            (void)channel_->reject(delivery.delivery_tag, false);
            return;
        }
        const contract::Message message =
            contract::encode(contract::TaskReport{task->token, *report});
        amqp::client::Publication publication;
        publication.routing_key = task->reply_to;
        publication.properties = message.properties;
        publication.body = SharedBytes::copy_of(message.body);
        (void)channel_->publish(publication);
        (void)channel_->ack(delivery.delivery_tag);
    }

    std::vector<std::string> tasks_;
    Perform perform_;
    net::IoThreads io_;
    std::shared_ptr<amqp::client::Channel> channel_;
    amqp::client::Reconnect link_;
};

contract::Report completed(std::string result) {
    return contract::Completed{std::move(result)};
}

contract::Report failed(const std::string& type) {
    contract::Problem problem;
    problem.type = type;
    return contract::Failed{problem};
}

const std::string provision = R"(
workflow = "provision"
on_failure = "compensate"
[input]
name = { type = "string", required = true }
[defaults]
retry = { max_attempts = 2, initial_interval = "10ms", jitter = 0.0 }
[[step]]
id = "mailbox"
task = "mail.create"
with = { name = "${input.name}" }
compensate = { task = "mail.delete", with = { id = "${mailbox.id}" } }
[[step]]
id = "invite"
task = "slack.invite"
with = { mailbox = "${mailbox.id}" }
[output]
mailbox = "${mailbox.id}"
user = "${invite.user}"
)";

// By a socket like a broker elsewhere, and inside the process of the broker, as its own user.
enum class Way { socket, inside };

class ServiceTest : public testing::TestWithParam<Way> {
protected:
    ServiceTest() { start_broker(0); }
    ~ServiceTest() override {
        service_.reset();
        store_.reset();
        broker_.reset();
    }

    void start_broker(std::uint16_t port) {
        broker::Options options;
        options.listen = {fmt::format("127.0.0.1:{}", port)};
        options.data_folder = (folder_.path / "broker").string();
        broker::UserOption& own = options.users.emplace_back();
        own.name = "own";
        own.password = "secret";
        own.is_own = true;
        auto started = broker::BrokerService::start(options);
        ASSERT_TRUE(started) << started.error().detail;
        broker_ = std::move(*started);
        port_ = broker_->port();
    }

    void start_service() {
        auto store = db::open_store("sqlite:" + (folder_.path / "runs.sqlite").string());
        ASSERT_TRUE(store) << store.error().detail;
        store_ = std::move(*store);
        Options options;
        options.broker_url = fmt::format("amqp://127.0.0.1:{}", port_);
        if (GetParam() == Way::inside) {
            options.broker_url = "amqp://own:secret@127.0.0.1:1"; // no socket goes there
            auto door = broker_->inside_door();
            options.inside_broker = {std::move(door.executor), std::move(door.open)};
        }
        options.queue_check_interval = 100ms;
        options.unseen_patience = 500ms;
        options.partitions = partitions_;
        options.secrets = secrets_;
        service_ = std::make_unique<OrchestratorService>(options, *store_, clock_);
        ASSERT_TRUE(service_->start());
    }

    // Sends a request and waits for its answer.
    template <typename T, typename Ask>
    Outcome<T> answer(Ask ask) {
        auto promise = std::make_shared<std::promise<Outcome<T>>>();
        auto future = promise->get_future();
        ask([promise](Outcome<T> one) { promise->set_value(std::move(one)); });
        if (future.wait_for(patience) != std::future_status::ready) {
            ADD_FAILURE() << "no answer";
            std::abort();
        }
        return future.get();
    }

    void deploy(const std::string& source) {
        const auto deployed = answer<runtime::Deployed>(
            [&](auto reply) { service_->engine().deploy(source, "x.toml", reply); });
        ASSERT_TRUE(deployed) << deployed.error().detail;
    }

    std::string start_run(const std::string& workflow, const std::string& input) {
        const auto started = answer<runtime::Started>(
            [&](auto reply) { service_->engine().start_run({workflow, 0, input, ""}, reply); });
        EXPECT_TRUE(started) << started.error().detail;
        return started ? started->run_id : "";
    }

    // A message that is no CloudEvent: its key is the type, its body the data.
    void tell_event(const std::string& type, const std::string& data) {
        test::RawClient client(port_);
        client.log_in();
        client.open_channel(1);
        client.say(1, amqp::ConfirmSelect{});
        client.hear<amqp::ConfirmSelectOk>();
        amqp::BasicPublish publish;
        publish.exchange = contract::event_exchange;
        publish.routing_key = type;
        client.say(1, publish);
        amqp::Buffer out;
        amqp::append_content_header(out, 1, data.size(), as_bytes(std::string_view("\0\0", 2)));
        amqp::append_body(out, 1, as_bytes(data), 131'072);
        client.send(out.text());
        client.hear<amqp::BasicAck>();
    }

    std::string wait_until_closed(const std::string& run_id) {
        std::uint64_t seq = 0;
        while (true) {
            const auto changed = answer<runtime::RunChanged>(
                [&](auto reply) { service_->engine().wait_for_change(run_id, seq, reply); });
            if (!changed) return changed.error().detail;
            seq = changed->seq;
            if (core::is_closed(changed->status))
                return std::string{core::word_of(changed->status)};
        }
    }

    runtime::StoredRun stored(const std::string& run_id) {
        auto queries = db::open_queries("sqlite:" + (folder_.path / "runs.sqlite").string());
        EXPECT_TRUE(queries);
        const auto details = (*queries)->run(run_id);
        EXPECT_TRUE(details && *details);
        return (*details)->run;
    }

    std::vector<runtime::DeadLetter> dead_letters() {
        auto queries = db::open_queries("sqlite:" + (folder_.path / "runs.sqlite").string());
        EXPECT_TRUE(queries);
        const auto letters = (*queries)->dead_letters({});
        EXPECT_TRUE(letters);
        return *letters;
    }

    TemporaryFolder folder_;
    SystemClock clock_;
    std::uint16_t port_ = 0;
    std::uint16_t partitions_ = 1;
    messaging::SecretSource secrets_{};
    std::unique_ptr<broker::BrokerService> broker_;
    std::unique_ptr<runtime::RunStore> store_;
    std::unique_ptr<OrchestratorService> service_;
};

INSTANTIATE_TEST_SUITE_P(, ServiceTest, testing::Values(Way::socket, Way::inside), [](const auto& tested) {
    return tested.param == Way::socket ? std::string{"BySocket"} : std::string{"Inside"};
});

std::optional<contract::Report> perform_well(const contract::TaskRequest& task) {
    if (task.task == "mail.create") return completed(R"({"id":7})");
    if (task.task == "slack.invite") return completed(R"({"user":"U1"})");
    return completed("{}");
}

TEST_P(ServiceTest, ARunGoesThroughBrokerAndWorkersToItsEnd) {
    start_service();
    deploy(provision);
    const std::string run =
        start_run("provision", R"({"name":"ada"})"); // before any worker is there

    const PlainWorker worker(port_, {"mail.create", "slack.invite"}, perform_well);

    EXPECT_EQ(wait_until_closed(run), "completed");
    EXPECT_EQ(stored(run).output, R"({"mailbox":7,"user":"U1"})");
}

TEST_P(ServiceTest, WhoAsksAWorkerWhileItStopsDoesNotHoldItUp) {
    start_service();
    deploy(provision);
    for (int i = 0; i < 20; ++i) // there is a queue for it, and nobody who takes it
        service_->call("mail.create", "{}", 60s, {}, [](const Outcome<CallAnswer>&) {});

    const auto begun = std::chrono::steady_clock::now();
    service_->stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
    service_->call("mail.create", "{}", 60s, {}, [](const Outcome<CallAnswer>&) {}); // and nobody is harmed
}

TEST_P(ServiceTest, ManyRunsAtOnceAllComplete) {
    start_service();
    deploy(provision);
    const PlainWorker worker(port_, {"mail.create", "slack.invite"}, perform_well);
    std::vector<std::string> runs;
    for (int i = 0; i < 200; ++i)
        runs.push_back(start_run("provision", fmt::format(R"({{"name":"user-{}"}})", i)));
    for (const std::string& run : runs)
        EXPECT_EQ(wait_until_closed(run), "completed");
}

TEST_P(ServiceTest, AFailureForGoodIsCompensated) {
    start_service();
    deploy(provision);
    Mailbox<std::string> deleted;
    const PlainWorker worker(
        port_, {"mail.create", "mail.delete", "slack.invite"},
        [&](const contract::TaskRequest& task) -> std::optional<contract::Report> {
            if (task.task == "slack.invite") return failed("slack.down");
            if (task.task == "mail.delete") deleted.put(task.with);
            return perform_well(task);
        });
    const std::string run = start_run("provision", R"({"name":"ada"})");

    EXPECT_EQ(wait_until_closed(run), "compensated");
    EXPECT_THAT(deleted.take(patience), testing::ElementsAre(R"({"id":7})"));
}

TEST_P(ServiceTest, ARejectedTaskIsADeadLetterAndCanBeSentAgain) {
    start_service();
    deploy(R"(
workflow = "fragile"
[[step]]
id = "one"
task = "fragile.task"
with = { n = 1 }
retry = { max_attempts = 1 }
)");
    std::atomic<bool> is_fixed{false};
    const PlainWorker worker(port_, {"fragile.task"},
                             [&](const contract::TaskRequest&) -> std::optional<contract::Report> {
                                 if (!is_fixed) return std::nullopt;
                                 return completed("{}");
                             });
    const std::string run = start_run("fragile", "{}");
    EXPECT_EQ(wait_until_closed(run), "failed");
    const auto letters = dead_letters();
    ASSERT_EQ(letters.size(), 1u);
    EXPECT_EQ(letters[0].run_id, run);
    EXPECT_EQ(letters[0].task, "fragile.task");
    EXPECT_EQ(letters[0].error_type, "baton.poison");
    EXPECT_THAT(letters[0].message, HasSubstr("x-death"));

    is_fixed = true;
    const auto redriven =
        answer<void>([&](auto reply) { service_->engine().redrive(letters[0].id, reply); });

    ASSERT_TRUE(redriven) << redriven.error().detail;
    EXPECT_EQ(wait_until_closed(run), "completed");
    EXPECT_TRUE(dead_letters().empty());
}

TEST_P(ServiceTest, AWorkerCanBeCalledWithoutAWorkflow) {
    start_service();
    deploy(provision);
    const PlainWorker worker(
        port_, {"mail.create", "slack.invite"},
        [](const contract::TaskRequest& task) -> std::optional<contract::Report> {
            if (task.task == "slack.invite") return failed("slack.down");
            return completed(task.with);
        });
    const auto call = [&](const std::string& task, Duration limit) {
        return answer<CallAnswer>(
            [&](auto reply) { service_->call(task, R"({"a":1})", limit, {}, reply); });
    };
    // The connection may still be on its way.
    while (!service_->is_connected())
        std::this_thread::yield();

    const auto echoed = call("mail.create", patience);
    ASSERT_TRUE(echoed) << echoed.error().detail;
    EXPECT_TRUE(echoed->completed);
    EXPECT_EQ(echoed->body, R"({"a":1})");

    const auto refused = call("slack.invite", patience);
    ASSERT_TRUE(refused) << refused.error().detail;
    EXPECT_FALSE(refused->completed);
    EXPECT_THAT(refused->body, HasSubstr("slack.down"));

    const auto unknown = call("no.such", patience);
    ASSERT_TRUE(unknown) << unknown.error().detail;
    EXPECT_FALSE(unknown->completed);
    EXPECT_THAT(unknown->body, HasSubstr("no worker has offered 'no.such'"));

    const auto silent = call("mail.delete", 50ms); // its queue exists, nobody consumes
    ASSERT_FALSE(silent);
    EXPECT_THAT(silent.error().detail, HasSubstr("no worker answered 'mail.delete'"));
}

TEST_P(ServiceTest, ARestartOfTheOrchestratorGoesOnWhereItWas) {
    start_service();
    deploy(provision);
    std::vector<std::string> runs;
    for (int i = 0; i < 20; ++i)
        runs.push_back(start_run("provision", fmt::format(R"({{"name":"user-{}"}})", i)));
    service_.reset();
    store_.reset();

    start_service();
    const PlainWorker worker(port_, {"mail.create", "slack.invite"}, perform_well);

    for (const std::string& run : runs)
        EXPECT_EQ(wait_until_closed(run), "completed");
}

const std::string team = R"(
workflow = "team"
[[step]]
id = "people"
for_each = "['ada', 'bob', 'cy', 'dan', 'eve', 'fay', 'gus', 'hal']"
workflow = "provision"
with = { name = "${item}" }
catch = [ { error = "taken", output = { mailbox = "none", run = "${error.data.run}" } } ]
[[step]]
id = "wrong"
workflow = "provision"
with = { name = 7 }
catch = [ { error = "baton.bad_input", output = "${error.detail}" } ]
[[step]]
id = "gone"
workflow = "nobody"
catch = [ { error = "baton.unknown_workflow", output = "gone" } ]
[[step]]
id = "alone"
workflow = "provision"
detached = true
with = { name = "zoe" }
[output]
mailboxes = "${people.results.map(one, one.mailbox)}"
wrong = "${wrong}"
gone = "${gone}"
alone = "${alone.run}"
)";

// Parents and children lie in different partitions, and speak by messages only.
TEST_P(ServiceTest, ARunOfAnotherWorkflowIsAStepAndARestartLosesNeither) {
    partitions_ = 4;
    start_service();
    deploy(provision);
    deploy(team);
    const std::string run = start_run("team", "{}");
    service_.reset();
    store_.reset();
    start_service();
    std::atomic<int> made = 0;
    const PlainWorker worker(port_, {"mail.create", "mail.delete", "slack.invite"},
                             [&](const contract::TaskRequest& task) -> std::optional<contract::Report> {
                                 if (task.task == "mail.create" && task.with.find("cy") != std::string::npos) return failed("taken");
                                 if (task.task == "mail.create") ++made;
                                 return perform_well(task);
                             });

    EXPECT_EQ(wait_until_closed(run), "completed");

    const auto output = stored(run).output.value_or("");
    EXPECT_THAT(output, HasSubstr(R"("mailboxes":[7,7,"none",7,7,7,7,7])"));
    EXPECT_THAT(output, HasSubstr("input.name"));
    EXPECT_THAT(output, HasSubstr(R"("gone":"gone")"));
    const auto alone = output.substr(output.rfind(R"("alone":")") + 9, 36);
    EXPECT_EQ(wait_until_closed(alone), "completed");
    EXPECT_EQ(made, 8);
}

TEST_P(ServiceTest, ARunThatIsNeededNoMoreIsCancelledWithItsParent) {
    partitions_ = 4;
    start_service();
    deploy("workflow = \"child\"\n[[step]]\nid = \"wait\"\nsignal = \"never\"\n");
    deploy("workflow = \"parent\"\n[[step]]\nid = \"child\"\nworkflow = \"child\"\n");
    const std::string run = start_run("parent", "{}");
    const std::string child = core::child_run_id(run, {"child", false, 1});
    std::string waits;
    for (int i = 0; i < 600 && waits != "running"; ++i) {
        std::this_thread::sleep_for(100ms);
        auto queries = db::open_queries("sqlite:" + (folder_.path / "runs.sqlite").string());
        const auto details = (*queries)->run(child);
        if (details && *details) waits = core::word_of((*details)->run.status);
    }
    ASSERT_EQ(waits, "running");

    const auto cancelled = answer<runtime::RunChanged>(
        [&](auto reply) { service_->engine().cancel(run, "enough", reply); });

    EXPECT_TRUE(cancelled);
    EXPECT_EQ(wait_until_closed(child), "cancelled");
    EXPECT_EQ(wait_until_closed(run), "cancelled");
}

const std::string order = R"(
workflow = "order"
[input]
order = { type = "integer", required = true }
[[step]]
id = "paid"
event = { type = "invoice.paid", match = { "data.order" = "${input.order}" } }
[[step]]
id = "told"
emit = { type = "order.done", data = { order = "${input.order}" } }
[output]
by = "${paid.data.by}"
)";
const std::string watcher = R"(
workflow = "watcher"
[[step]]
id = "done"
event = { type = "order.done", match = { "data.order" = 3 } }
[output]
of = "${done.source}"
)";

// Runs in four partitions; some wait already, some begin after the event, and the server is restarted between.
TEST_P(ServiceTest, AnEventFindsTheRunsThatWaitForItAndThoseThatWaitLater) {
    partitions_ = 4;
    start_service();
    deploy(order);
    deploy(watcher);
    std::vector<std::string> runs{start_run("watcher", "{}")};
    for (int i = 0; i < 8; ++i)
        runs.push_back(start_run("order", fmt::format("{{\"order\":{}}}", i)));
    const auto tell = [&](int order, const std::string& by) {
        tell_event("invoice.paid", fmt::format("{{\"order\":{},\"by\":\"{}\"}}", order, by));
    };
    for (int i = 0; i < 12; ++i)
        tell(i, fmt::format("payer{}", i));
    service_.reset();
    store_.reset();
    start_service();
    for (int i = 8; i < 12; ++i)
        runs.push_back(start_run("order", fmt::format("{{\"order\":{}}}", i)));

    for (const std::string& run : runs)
        EXPECT_EQ(wait_until_closed(run), "completed");

    EXPECT_EQ(stored(runs[0]).output, R"({"of":"/workflows/order"})");
    for (int i = 0; i < 12; ++i)
        EXPECT_EQ(stored(runs[static_cast<std::size_t>(i) + 1]).output, fmt::format("{{\"by\":\"payer{}\"}}", i));
}

TEST_P(ServiceTest, ASecretGoesToTheWorkerAndNowhereElse) {
    auto value = std::make_shared<std::atomic<bool>>(false);
    secrets_.find = [value](const std::string& name) {
        return *value && name == "token" ? std::optional<std::string>("s3cr3t") : std::nullopt;
    };
    start_service();
    deploy("workflow = \"fetch\"\n[[step]]\nid = \"one\"\ntask = \"fetch\"\n"
           "with = { auth = \"Bearer ${secret.token}\" }\n[output]\nsaid = \"${one.said}\"\n");
    const std::string run = start_run("fetch", "{}");
    std::string given;
    const PlainWorker worker(port_, {"fetch"}, [&](const contract::TaskRequest& task) -> std::optional<contract::Report> {
        given = task.with;
        return completed(R"({"said":"you gave me s3cr3t"})");
    });
    std::this_thread::sleep_for(500ms); // it is not there yet, and nothing was sent
    *value = true;
    answer<runtime::RunChanged>([&](auto reply) { service_->engine().retry(run, true, reply); });

    EXPECT_EQ(wait_until_closed(run), "completed");

    EXPECT_EQ(given, R"({"auth":"Bearer s3cr3t"})");
    EXPECT_EQ(stored(run).output, R"({"said":"you gave me ***"})");
    auto queries = db::open_queries("sqlite:" + (folder_.path / "runs.sqlite").string());
    const auto history = (*queries)->history_after(run, 0, 100);
    ASSERT_TRUE(history);
    for (const runtime::HistoryRow& row : history->rows)
        EXPECT_THAT(row.events, testing::Not(HasSubstr("s3cr3t")));
}

TEST_P(ServiceTest, ARestartOfTheBrokerGoesOnWhereItWas) {
    if (GetParam() == Way::inside) GTEST_SKIP() << "then it restarts with the orchestrator";
    start_service();
    deploy(provision);
    std::vector<std::string> runs;
    for (int i = 0; i < 20; ++i)
        runs.push_back(start_run("provision", fmt::format(R"({{"name":"user-{}"}})", i)));
    broker_->stop();
    broker_.reset();
    for (int i = 20; i < 40; ++i)
        runs.push_back(start_run("provision", fmt::format(R"({{"name":"user-{}"}})", i)));

    start_broker(port_);
    const PlainWorker worker(port_, {"mail.create", "slack.invite"}, perform_well);

    for (const std::string& run : runs)
        EXPECT_EQ(wait_until_closed(run), "completed");
}

// What somebody does to the queues of tasks of a broker that does not tell us.
class LossTest : public ServiceTest {
protected:
    void start_runs() {
        start_service();
        deploy(provision);
        for (int i = 0; i < 5; ++i) runs_.push_back(start_run("provision", fmt::format(R"({{"name":"user-{}"}})", i)));
        EXPECT_EQ(wait_for_tasks(5), 5U);
        // Looked at once more by the orchestrator.
        std::this_thread::sleep_for(300ms);
    }
    std::uint64_t wait_for_tasks(std::uint64_t count) {
        std::uint64_t ready = 0;
        for (int tries = 0; tries < 200; ++tries) {
            const auto view = broker_->overview();
            const auto queue = std::ranges::find(view.queues, "baton.task.mail.create", &broker::core::QueueView::name);
            ready = queue == view.queues.end() ? 0 : queue->ready;
            if (ready >= count) break;
            std::this_thread::sleep_for(50ms);
        }
        return ready;
    }
    // What a worker does that declares its queue before it consumes.
    void delete_and_declare_again() {
        test::RawClient client(port_);
        client.log_in();
        client.open_channel(1);
        client.say(1, amqp::QueueDelete{.queue = contract::task_queue("mail.create")});
        client.hear<amqp::QueueDeleteOk>();
        for (const auto& declaration : contract::task_declarations("mail.create")) {
            const auto* queue = std::get_if<contract::Queue>(&declaration);
            const auto* binding = std::get_if<contract::Binding>(&declaration);
            if (queue != nullptr) {
                client.say(1, amqp::QueueDeclare{.queue = queue->name, .durable = true, .arguments = queue->arguments});
                client.hear<amqp::QueueDeclareOk>();
            }
            if (binding != nullptr) {
                client.say(1, amqp::QueueBind{.queue = binding->queue, .exchange = binding->exchange,
                                              .routing_key = binding->routing_key, .arguments = {}});
                client.hear<amqp::QueueBindOk>();
            }
        }
    }
    void expect_all_complete() {
        const PlainWorker worker(port_, {"mail.create", "slack.invite"}, perform_well);
        for (const std::string& run : runs_) EXPECT_EQ(wait_until_closed(run), "completed");
    }
    std::vector<std::string> runs_;
};

INSTANTIATE_TEST_SUITE_P(, LossTest, testing::Values(Way::socket, Way::inside), [](const auto& tested) {
    return tested.param == Way::socket ? std::string{"BySocket"} : std::string{"Inside"};
});

TEST_P(LossTest, AQueueThatIsDeletedAndDeclaredAgainAtOnceGetsItsTasksAgain) {
    start_runs();
    for (int round = 0; round < 2; ++round) {
        delete_and_declare_again();
        EXPECT_EQ(wait_for_tasks(5), 5U) << round;
    }
    expect_all_complete();
}

TEST_P(LossTest, AlsoWhenNobodyLookedAtThatTime) {
    start_runs();
    service_.reset();
    store_.reset();
    delete_and_declare_again();

    start_service();

    EXPECT_EQ(wait_for_tasks(5), 5U);
    expect_all_complete();
}

TEST_P(LossTest, AQueueThatIsPurgedWithoutAWorkerGetsItsTasksAgain) {
    start_runs();
    {
        test::RawClient client(port_);
        client.log_in();
        client.open_channel(1);
        client.say(1, amqp::QueuePurge{.queue = contract::task_queue("mail.create")});
        EXPECT_EQ(client.hear<amqp::QueuePurgeOk>().message_count, 5U);
    }
    EXPECT_EQ(wait_for_tasks(5), 5U);
    expect_all_complete();
}

TEST_P(LossTest, ARestartWithoutALossSendsNothingAgain) {
    start_runs();
    service_.reset();
    store_.reset();
    start_service();
    std::this_thread::sleep_for(1s);
    EXPECT_EQ(wait_for_tasks(5), 5U);
    expect_all_complete();
}

TEST_P(ServiceTest, NonsenseOnTheReportQueueDoesNoHarm) {
    start_service();
    deploy(provision);
    const PlainWorker worker(
        port_, {"mail.create", "slack.invite"},
        [&](const contract::TaskRequest& task) -> std::optional<contract::Report> {
            return task.task == "mail.create" && task.attempt == 1 ? completed("this is { no JSON")
                                                                   : perform_well(task);
        });
    const std::string run = start_run("provision", R"({"name":"ada"})");
    EXPECT_EQ(wait_until_closed(run), "completed"); // the second attempt makes sense
}

} // namespace
} // namespace baton::orchestrator
