#include "server/server.hpp"

#include "base/clock.hpp"
#include "base/guess_throttle.hpp"
#include "base/log.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/thread.hpp"
#include "broker/broker_service.hpp"
#include "broker/journal/journal.hpp"
#include "broker/machine.hpp"
#include "broker/net/certificates.hpp"
#include "broker/net/passwords.hpp"
#include "db/open_store.hpp"
#include "net/tls.hpp"
#include "orchestrator/hook_keeper.hpp"
#include "orchestrator/orchestrator_service.hpp"
#include "orchestrator/retention_keeper.hpp"
#include "orchestrator/run_job_keeper.hpp"
#include "orchestrator/run_log_keeper.hpp"
#include "orchestrator/trigger_keeper.hpp"
#include "server/amqp_requests.hpp"
#include "server/audit_file.hpp"
#include "server/backups.hpp"
#include "server/definitions_file.hpp"
#include "server/descriptors.hpp"
#include "server/health.hpp"
#include "server/login_cache.hpp"
#include "server/memory_shares.hpp"
#include "server/node_figures.hpp"
#include "server/secret_files.hpp"
#include "server/span_exporter.hpp"
#include "server/token_file.hpp"
#include "server/workflow_folder.hpp"
#include "web/api.hpp"
#include "web/http/http_server.hpp"
#include "web/metrics/metrics.hpp"
#include "web/broker/rate_keeper.hpp"
#include "web/metrics/store_figures.hpp"
#include "web/runs/store_reader.hpp"
#include "web/metrics/web_metrics.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace baton::server {

namespace runtime = orchestrator::runtime;

namespace {

// What a backup says of itself, as JSON.
std::string make_backup_text(const BackupReport& report) {
    boost::json::object out;
    out["folder"] = report.folder;
    out["journal_bytes"] = report.journal_bytes;
    out["runs_bytes"] = report.runs_bytes;
    boost::json::array notes;
    for (const auto& note : report.notes) notes.emplace_back(note);
    out["notes"] = std::move(notes);
    return boost::json::serialize(out);
}

// The orchestrator's own user of the embedded broker, made anew at each start with a password that
// nobody else knows.
constexpr const char* own_user = "baton-orchestrator";
constexpr std::chrono::milliseconds database_pause_max{5000};
// People's questions to the store: two at a time, so that one long list does not keep all waiting.
constexpr std::size_t reader_threads = 2;
constexpr std::chrono::milliseconds read_limit{10'000};
constexpr std::chrono::milliseconds probe_limit{1'500};
// Prometheus waits ten seconds for all of its answer.
constexpr std::chrono::milliseconds counting_limit{3'000};
// Longer than PostgreSQL lets a statement take; then it is not there any more.
constexpr std::chrono::seconds store_call_limit{40};
constexpr std::chrono::seconds store_watch_interval{5};
constexpr std::uint64_t audit_bytes_max = 64ULL << 20;
constexpr unsigned audit_old_max = 7;
// A worker that is started again is back by then.
constexpr std::chrono::seconds deserted_patience{10};
// With a connection attempt's five seconds behind it a stop stays below ten.
constexpr std::chrono::milliseconds stop_grace{3'000};
// A copy looks this often at least whether it shall go on, unless its file system hangs.
constexpr std::chrono::milliseconds backup_grace{2'000};
// The same of the folder of workflows; and how long a start waits for its first look.
constexpr std::chrono::milliseconds folder_grace{1'000};
constexpr std::chrono::seconds folder_patience{5};

// As RabbitMQ calls its own.
const char* protocol_of(const broker::BoundAddress& endpoint) {
    if (endpoint.is_mqtt && endpoint.is_web_socket) return endpoint.has_tls ? "https/web-mqtt" : "http/web-mqtt";
    if (endpoint.is_mqtt) return endpoint.has_tls ? "mqtt/ssl" : "mqtt";
    if (endpoint.is_web_socket) return endpoint.has_tls ? "https/web-amqp" : "http/web-amqp";
    return endpoint.has_tls ? "amqp/ssl" : "amqp";
}

// For people.
std::string speech_of(const broker::BoundAddress& endpoint) {
    return fmt::format("{}{}{}", endpoint.is_mqtt ? "MQTT" : "AMQP 0-9-1", endpoint.is_web_socket ? " over WebSocket" : "", endpoint.has_tls ? " over TLS" : "");
}

std::string address_text(const std::string& host, std::uint16_t port) {
    const bool is_v6 = host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string host_name() {
    char name[256] = "baton";
    gethostname(name, sizeof name - 1);
    return name;
}

// Of an external broker, whose own users we cannot ask: those of the configuration.
std::vector<BrokerUser> users_of(const Config& config) {
    if (!config.broker_users.empty()) return config.broker_users;
    return {{.name = "guest", .password = "guest", .password_hash = {}, .tags = {"administrator"}}};
}

broker::Options broker_options(const Config& config, const std::string& own_password) {
    broker::Options options;
    options.listen.clear();
    for (const auto& address : config.broker_listen) options.listen.push_back(address_text(address.host, address.port));
    for (const auto& address : config.broker_tls_listen)
        options.tls_listen.push_back(address_text(address.host, address.port));
    options.tls = config.broker_tls;
    for (const auto& address : config.websocket_listen)
        options.web_socket_listen.push_back(address_text(address.host, address.port));
    for (const auto& address : config.websocket_tls_listen)
        options.web_socket_tls_listen.push_back(address_text(address.host, address.port));
    options.web_socket.origins = config.websocket_origins;
    options.web_socket.own_names = config.http_names;
    options.web_socket.own_names.push_back(host_name());
    const auto texts_of = [](const std::vector<Address>& addresses) {
        std::vector<std::string> texts;
        for (const auto& address : addresses) texts.push_back(address_text(address.host, address.port));
        return texts;
    };
    options.mqtt_listen = texts_of(config.mqtt_listen);
    options.mqtt_tls_listen = texts_of(config.mqtt_tls_listen);
    options.mqtt_web_socket_listen = texts_of(config.mqtt_websocket_listen);
    options.mqtt_web_socket_tls_listen = texts_of(config.mqtt_websocket_tls_listen);
    options.mqtt_web_socket.origins = config.websocket_origins;
    options.mqtt_web_socket.own_names = options.web_socket.own_names;
    options.mqtt = config.mqtt;
    options.further_must_listen = config.further_must_listen;
    // Where only TLS is wanted, the orchestrator still talks to its own broker in plain, on a free
    // port of this machine.
    if (options.listen.empty()) options.listen.push_back("127.0.0.1:0");
    options.data_folder = config.data;
    options.io_threads = config.io_threads;
    options.memory_high = std::uint64_t{config.memory_high_mib} << 20;
    options.net.product = config.server_product;
    if (!config.server_version.empty()) options.net.version = config.server_version;
    for (const auto& user : config.broker_users) {
        broker::UserOption option;
        option.name = user.name;
        option.password = user.password;
        option.password_hash = user.password_hash;
        option.tags = user.tags;
        option.permissions = user.permissions;
        options.users.push_back(std::move(option));
    }
    broker::UserOption own;
    own.name = own_user;
    own.password = own_password;
    own.is_own = true;
    options.users.push_back(std::move(own));
    options.loopback_users = {"guest", own_user};
    return options;
}

bool is_loopback(const std::string& host) {
    ErrorCode error;
    const auto address = boost::asio::ip::make_address(host, error);
    return host == "localhost" || (!error && address.is_loopback());
}

Outcome<void> check_tls_files(const Config& config) {
    if (!config.http_tls.certificate.empty())
        if (const auto context = net::TlsContext::make(net::TlsSide::server, config.http_tls); !context)
            return Failure{make_error_code(boost::system::errc::invalid_argument),
                           "'http.tls' (certificate, key): " + context.error().detail};
    if (config.broker_tls_listen.empty()) return boost::system::in_place_value;
    if (const auto context = net::TlsContext::make(net::TlsSide::server, config.broker_tls.files); !context)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       "'broker.tls' (certificate, key, ca): " + context.error().detail};
    return boost::system::in_place_value;
}

// Four bytes of salt, then the digest.
std::size_t hash_size(std::string_view algorithm) {
    if (algorithm == broker::net::sha512_algorithm) return 4 + 64;
    return algorithm == broker::net::md5_algorithm ? 4 + 16 : 4 + 32;
}

// What the data folder holds (runs, passwords' hashes, messages) is for this user alone, also where an
// older server or a copy made it wider.
void tighten(const std::string& folder) {
    namespace fs = std::filesystem;
    const auto others = fs::perms::group_all | fs::perms::others_all;
    const auto narrow = [&](const fs::path& path) {
        std::error_code error;
        const auto status = fs::symlink_status(path, error);
        if (error || fs::is_symlink(status) || (status.permissions() & others) == fs::perms::none) return;
        fs::permissions(path, others, fs::perm_options::remove, error);
        if (error)
            log::warning("server", "others can read this, and that cannot be changed",
                         {{"path", path.string()}, {"reason", error.message()}});
        else
            log::info("server", "closed to others", {{"path", path.string()}});
    };
    narrow(folder);
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        narrow(entry->path());
}

// Waits as long as the database is merely away; a wrong database is a failure at once.
Outcome<std::unique_ptr<runtime::RunStore>> open_patiently(const std::string& url,
                                                           const std::function<bool()>& is_stopping) {
    std::chrono::milliseconds pause{100};
    for (;;) {
        auto store = db::open_store(url, is_stopping);
        const bool is_away = !store && store.error().code == runtime::StoreErrc::unavailable;
        if (!is_away || is_stopping()) return store;
        log::warning("server", "the database is out of reach; trying again",
                     {{"database", db::printable_url(url)}, {"reason", store.error().detail}});
        const auto until = std::chrono::steady_clock::now() + pause;
        while (std::chrono::steady_clock::now() < until && !is_stopping())
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        pause = std::min(pause * 2, database_pause_max);
    }
}

// Runs are found by their partition, so a database keeps the number it began with, whoever began it.
Outcome<std::uint16_t> partitions_for(runtime::RunStore& store, const Config& config) {
    constexpr std::uint16_t of_one_process = 1;
    // Enough for a handful of servers; each one costs a queue, and a row in every commit.
    constexpr std::uint16_t of_several = 16;
    const std::uint32_t wanted = static_cast<std::uint32_t>(config.partitions);
    BATON_ASSIGN(std::uint32_t stored, store.partition_count());
    if (stored == 0) {
        const std::uint32_t first = wanted != 0 ? wanted : store.is_shared() ? of_several : of_one_process;
        BATON_TRY(store.make_partitions(first));
        BATON_ASSIGN(stored, store.partition_count());
        if (stored == 0) stored = first;
    }
    if (wanted != 0 && wanted != stored)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("the runs of {} are spread over {} partitions, and BATON_PARTITIONS says {}; "
                                   "set it to {} or leave it out",
                                   db::printable_url(database_url(config)), stored, wanted, stored)};
    return static_cast<std::uint16_t>(stored);
}

Outcome<std::unique_ptr<web::StoreReader>> open_reader(const std::string& url, std::size_t threads,
                                                       std::chrono::milliseconds limit, Histogram* seconds = nullptr) {
    std::vector<std::unique_ptr<runtime::RunQueries>> sessions(threads);
    for (auto& session : sessions) {
        BATON_ASSIGN(session, db::open_queries(url));
    }
    return std::make_unique<web::StoreReader>(std::move(sessions), db::printable_url(url), limit, seconds);
}

// While it lives, a stop goes on even if the database does not answer: after a moment for what is
// under way, every call is cut off. What was not committed happens again after the next start.
class StopGuard {
public:
    StopGuard(runtime::RunStore& store, runtime::RunStore* neighbours)
        : thread_("stop-guard", [this, &store, neighbours] {
              done_.take(stop_grace);
              while (!done_.is_closed()) {
                  store.interrupt(Duration::zero());
                  if (neighbours != nullptr) neighbours->interrupt(Duration::zero());
                  done_.take(std::chrono::milliseconds(200));
              }
          }) {}
    ~StopGuard() { done_.close(); }
    StopGuard(const StopGuard&) = delete;

private:
    Mailbox<int> done_;
    Thread thread_;
};

} // namespace

class Server::Parts {
public:
    Outcome<void> start(const Config& config, bool watch, const std::function<bool()>& is_stopping);
    void stop();
    Outcome<void> check() const;

    Config config;
    SystemClock clock;
    std::string local_broker_url;
    std::unique_ptr<broker::BrokerService> broker;
    std::unique_ptr<runtime::RunStore> store;
    std::unique_ptr<runtime::RunStore> neighbours; // a session for looking after the other servers
    std::string node;                              // of this life; empty where the store is not shared
    std::unique_ptr<web::StoreReader> reader;
    std::unique_ptr<web::StoreReader> probe;
    std::unique_ptr<web::StoreWriter> writer;
    web::WebMetrics web_metrics;
    web::ChangeFeed run_changes;
    std::unique_ptr<web::StoreReader> counting; // behind the figures
    std::unique_ptr<web::StoreFigures> store_figures;
    std::unique_ptr<Backups> backups;
    bool left_thread_behind = false;
    // Cuts off what the engine asked of a database that does not answer.
    Mailbox<int> store_watch_stop;
    Thread store_watch;
    std::unique_ptr<SpanExporter> spans; // told by the orchestrator
    std::unique_ptr<orchestrator::RunLogKeeper> run_log; // likewise
    std::unique_ptr<orchestrator::OrchestratorService> orchestrator;
    std::unique_ptr<orchestrator::RetentionKeeper> retention;
    std::unique_ptr<orchestrator::RunJobKeeper> run_jobs;
    std::unique_ptr<orchestrator::TriggerKeeper> triggers;
    std::unique_ptr<orchestrator::HookKeeper> hooks;
    // Who hears of emptied queues, told by the broker's thread; null before and after its time.
    std::mutex hears_mutex;
    orchestrator::OrchestratorService* hears_of_queues = nullptr;
    std::unique_ptr<WorkflowFolder> workflows;
    boost::asio::io_context web_io{1};
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> web_work;
    DescriptorShares descriptors;
    MemoryShares memory;
    std::unique_ptr<broker::net::Certificates> http_certificates; // on the web's thread
    std::unique_ptr<AmqpRequests> amqp_requests; // likewise
    std::unique_ptr<web::HttpServer> http;
    std::unique_ptr<web::HttpServer> metrics;
    Thread web_thread;

private:
    Outcome<void> start_broker();
    web::BrokerPort broker_port() const;
    Outcome<void> start_orchestrator(const std::function<bool()>& is_stopping);
    void start_traces(orchestrator::Options& options);
    void queue_emptied(const std::string& vhost, const std::string& queue);
    Outcome<void> start_web();
    Outcome<void> start_metrics();
    void start_backups();
    std::optional<web::Login> login(const std::string& user, const std::string& password,
                                    bool remote_is_loopback, const std::string& address);
    std::optional<web::Login> judged_login(const std::string& user, const std::string& password,
                                           bool remote_is_loopback, const std::string& address);
    std::optional<web::KnownUser> find_user(const std::string& user, bool remote_is_loopback) const;
    std::optional<web::Login> known_login(const std::string& user, const std::string& password,
                                          bool remote_is_loopback) const;
    void write_endpoints() const;
    void tell_health(std::function<void(std::vector<web::HealthPart>)> reply) const;

    GuessThrottle guesses; // on the web's thread
    LoginCache logins{{.hash = [](const std::string& password) { return broker::net::hash_password(password); },
                       .matches =
                           [](const std::string& password, const std::string& hash) {
                               return broker::net::password_matches(password, hash, broker::net::sha256_algorithm);
                           }}}; // likewise
    Counter http_logins_succeeded;
    Counter http_logins_failed;
};

// The broker would find out as well, but only after it has recovered its journal.
Outcome<void> Server::Parts::check() const {
    BATON_TRY(check_tls_files(config));
    if (config.broker_url.empty() && !config.definitions.empty())
        BATON_TRY(read_definitions_file(config.definitions, broker_port()));
    ErrorCode error;
    if (config.http_listen.host != "localhost") boost::asio::ip::make_address(config.http_listen.host, error);
    if (error)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("cannot listen for HTTP on {}: it is no address such as 127.0.0.1, 0.0.0.0 or localhost; choose "
                                   "another address with BATON_HTTP_LISTEN=host:port",
                                   config.http_listen.host)};
    return boost::system::in_place_value;
}

Outcome<void> Server::check(const Config& config) {
    Parts parts;
    parts.config = config;
    return parts.check();
}

Outcome<void> Server::Parts::start_broker() {
    if (!config.broker_url.empty()) {
        local_broker_url = config.broker_url;
        return boost::system::in_place_value;
    }
    auto options = broker_options(config, random_name(32));
    options.on_queue_emptied = [this](const std::string& vhost, const std::string& queue) {
        queue_emptied(vhost, queue);
    };
    options.net.connections_max = descriptors.amqp;
    const std::string own_password = options.users.back().password;
    std::vector<web::Definition> definitions;
    if (!config.definitions.empty()) {
        BATON_ASSIGN(definitions, read_definitions_file(config.definitions, broker_port()));
        options.adds_first_user = !names_users(definitions);
    }
    BATON_ASSIGN(broker, broker::BrokerService::open(std::move(options)));
    BATON_TRY(bring_in(definitions, *broker, config.definitions, broker_port()));
    BATON_TRY(broker->listen());
    const auto& first = broker->endpoints().front();
    const bool any_address = first.host == "0.0.0.0" || first.host == "::";
    local_broker_url = fmt::format("amqp://{}:{}@{}/", own_user, own_password,
                                   address_text(any_address ? "127.0.0.1" : first.host, first.port));
    return boost::system::in_place_value;
}

Outcome<void> Server::Parts::start_orchestrator(const std::function<bool()>& is_stopping) {
    const auto url = database_url(config);
    BATON_ASSIGN(store, open_patiently(url, is_stopping));
    if (store->is_shared()) {
        BATON_ASSIGN(neighbours, open_patiently(url, is_stopping));
    }
    BATON_ASSIGN(reader, open_reader(url, reader_threads, read_limit, &web_metrics.store_queries));
    writer = std::make_unique<web::StoreWriter>([url] { return db::open_store(url); }, read_limit);
    BATON_ASSIGN(probe, open_reader(url, 1, probe_limit));
    BATON_ASSIGN(counting, open_reader(url, 1, counting_limit));
    store_figures = std::make_unique<web::StoreFigures>(*counting);
    store_watch = Thread("store-watch", [this] {
        while (!store_watch_stop.is_closed()) {
            store_watch_stop.take(store_watch_interval);
            store->interrupt(store_call_limit);
            if (neighbours) neighbours->interrupt(store_watch_interval);
        }
    });
    orchestrator::Options options;
    options.broker_url = local_broker_url;
    if (broker) {
        auto door = broker->inside_door();
        options.inside_broker = {std::move(door.executor), std::move(door.open)};
    }
    BATON_ASSIGN(options.partitions, partitions_for(*store, config));
    options.run_bytes_max = std::size_t{config.run_mib_max} << 20;
    options.family_runs_max = config.family_runs_max;
    // What nobody chose is less where there is little.
    options.runs_memory_max = std::size_t{config.runs_mib_max} << 20;
    if (config.runs_mib_max == Config{}.runs_mib_max) options.runs_memory_max = std::min(options.runs_memory_max, memory.runs);
    // Of this life alone: a process that is started again owns nothing of what the one before it owned.
    options.node = fmt::format("{}:{}:{}", host_name(), getpid(), random_name(6));
    options.version = broker::net::NetOptions{}.version;
    options.is_shared = store->is_shared();
    if (options.is_shared) node = options.node;
    options.is_told_of_losses = config.broker_url.empty();
    options.secrets = secret_files(config.secrets);
    start_traces(options);
    const auto teller_of = [](const Config::Teller& teller) {
        return orchestrator::messaging::NoticeOptions::Teller{teller.workflow, teller.with, teller.only};
    };
    options.notices = {teller_of(config.notify), teller_of(config.notify_approvals), config.http_public_url};
    run_log = std::make_unique<orchestrator::RunLogKeeper>(
        orchestrator::RunLogKeeper::Options{}, [url] { return db::open_store(url); },
        orchestrator::RunLogKeeper::Counters{web_metrics.log_lines_kept, web_metrics.log_lines_dropped});
    options.keep_line = [this](runtime::RunLogLine line, std::function<void()> done) { run_log->add(std::move(line), std::move(done)); };
    // The web's thread begins when it has somebody to ask; until then requests wait there.
    options.on_request = [this](orchestrator::Request request, std::function<void(orchestrator::Answer)> answer) {
        boost::asio::post(web_io, [this, request = std::move(request), answer = std::move(answer)]() mutable {
            amqp_requests->ask(std::move(request), std::move(answer));
        });
    };
    triggers = std::make_unique<orchestrator::TriggerKeeper>(options.node, clock);
    hooks = std::make_unique<orchestrator::HookKeeper>(clock);
    options.on_live = [this](orchestrator::TriggerKeeper::Live live) {
        hooks->live(live);
        triggers->live(std::move(live));
    };
    orchestrator = std::make_unique<orchestrator::OrchestratorService>(std::move(options), *store, clock, neighbours.get());
    orchestrator->engine().on_changes(
        [this](const std::vector<runtime::RunChanged>& changed) { run_changes.put(changed); });
    BATON_TRY(orchestrator->start());
    orchestrator::RetentionKeeper::Options keeping;
    keeping.otherwise = config.retention;
    retention = std::make_unique<orchestrator::RetentionKeeper>(keeping, [url] { return db::open_store(url); }, clock);
    const auto open_for_jobs = [url]() -> Outcome<orchestrator::RunJobKeeper::Stores> {
        orchestrator::RunJobKeeper::Stores stores;
        BATON_ASSIGN(stores.store, db::open_store(url));
        BATON_ASSIGN(stores.queries, db::open_queries(url));
        return stores;
    };
    // The same after a restart, so that its jobs go on.
    const std::string job_owner = fmt::format("{}:{}", host_name(), std::filesystem::absolute(config.data).string());
    run_jobs = std::make_unique<orchestrator::RunJobKeeper>(job_owner, open_for_jobs, orchestrator->engine(), clock);
    hooks->start(orchestrator->engine());
    triggers->start(orchestrator->engine(), [url]() -> Outcome<orchestrator::TriggerKeeper::Stores> {
        orchestrator::TriggerKeeper::Stores stores;
        BATON_ASSIGN(stores.store, db::open_store(url));
        BATON_ASSIGN(stores.queries, db::open_queries(url));
        return stores;
    });
    const std::lock_guard lock(hears_mutex);
    hears_of_queues = orchestrator.get();
    return boost::system::in_place_value;
}

void Server::Parts::start_traces(orchestrator::Options& options) {
    options.trace.ratio = config.trace_ratio;
    if (config.trace_endpoint.empty()) return;
    SpanExporterOptions exporting;
    exporting.url = traces_url(config.trace_endpoint);
    exporting.headers = config.trace_headers;
    exporting.origin = {config.trace_service, options.node, options.version};
    spans = std::make_unique<SpanExporter>(std::move(exporting), web_metrics.spans_exported, web_metrics.spans_dropped);
    options.trace.is_exported = true;
    options.span = [this](runtime::Span span) { spans->add(std::move(span)); };
}

void Server::Parts::queue_emptied(const std::string& vhost, const std::string& queue) {
    if (vhost != "/") return; // local_broker_url
    const std::lock_guard lock(hears_mutex);
    if (hears_of_queues != nullptr) hears_of_queues->queue_emptied(queue);
}

std::optional<web::Login> Server::Parts::login(const std::string& user, const std::string& password,
                                               bool remote_is_loopback, const std::string& address) {
    auto found = judged_login(user, password, remote_is_loopback, address);
    (found ? http_logins_succeeded : http_logins_failed).add();
    return found;
}

std::optional<web::Login> Server::Parts::judged_login(const std::string& user, const std::string& password,
                                                      bool remote_is_loopback, const std::string& address) {
    if (user == own_user) return std::nullopt;
    if (broker) {
        const LoginCache::Asked asked{user, password, remote_is_loopback, address};
        // Before it is judged: what changes meanwhile makes the verdict an old one.
        const std::uint64_t version = broker->definitions_version();
        if (auto known = logins.find(asked, version)) return known;
        auto identity = broker->authenticate(user, password, remote_is_loopback, address);
        if (!identity) {
            logins.forget(asked);
            return std::nullopt;
        }
        web::Login found{std::move(identity->user), std::move(identity->tags)};
        logins.keep(asked, version, found);
        return found;
    }
    if (!guesses.may_try(user, address, clock.now())) return std::nullopt;
    auto known = known_login(user, password, remote_is_loopback);
    if (known) {
        guesses.succeeded(user, address);
        return known;
    }
    log::warning("web", "a log-in was refused",
                 {{"user", user}, {"from", address}, {"failures", guesses.failed(user, address, clock.now())}});
    return std::nullopt;
}

std::optional<web::KnownUser> Server::Parts::find_user(const std::string& user, bool remote_is_loopback) const {
    if (user == own_user) return std::nullopt;
    if (broker) {
        auto known = broker->identify(user, remote_is_loopback);
        if (!known) return std::nullopt;
        return web::KnownUser{{std::move(known->identity.user), std::move(known->identity.tags)}, std::move(known->password_hash)};
    }
    for (const auto& known : users_of(config))
        if (known.name == user && (known.name != "guest" || remote_is_loopback))
            return web::KnownUser{{known.name, known.tags}, known.password_hash + known.password};
    return std::nullopt;
}

// Of the configuration, where the broker is another program and its users are not ours to ask.
std::optional<web::Login> Server::Parts::known_login(const std::string& user, const std::string& password,
                                                     bool remote_is_loopback) const {
    for (const auto& known : users_of(config)) {
        if (known.name != user) continue;
        if (known.name == "guest" && !remote_is_loopback) return std::nullopt;
        const auto hash = !known.password_hash.empty() ? known.password_hash
                          : known.password.empty()     ? std::string{}
                                                       : broker::net::hash_password(known.password);
        if (!broker::net::password_matches(password, hash, broker::net::sha256_algorithm)) return std::nullopt;
        return web::Login{known.name, known.tags};
    }
    return std::nullopt;
}

web::BrokerPort Server::Parts::broker_port() const {
    web::BrokerPort port;
    port.hash_password = [](std::string_view password) { return broker::net::hash_password(password); };
    port.is_hash_algorithm = [](std::string_view name) { return broker::net::is_known_algorithm(name); };
    port.hash_size = hash_size;
    port.password_matches = broker::net::password_matches;
    port.sha256_algorithm = broker::net::sha256_algorithm;
    port.own_user = own_user;
    port.node = "baton@" + host_name();
    const auto options = broker_options(config, "");
    port.product = options.net.product;
    port.version = options.net.version;
    port.baton_version = broker::net::NetOptions{}.version;
    port.data_folder = config.data;
    port.process_id = getpid();
    port.started_at = clock.now();
    port.figures = [folder = config.data, started_at = port.started_at,
                    memory_high = options.memory_high] {
        auto figures = node_figures(folder, started_at, SystemClock().now());
        if (memory_high != 0) figures.memory_high = memory_high;
        return figures;
    };
    // The first that ends.
    port.certificate_ends = [this]() -> std::optional<Time> {
        std::optional<Time> first;
        if (!config.broker_tls_listen.empty()) first = end_of_certificate(config.broker_tls.files.certificate);
        if (config.http_tls.certificate.empty()) return first;
        const auto other = end_of_certificate(config.http_tls.certificate);
        return first && other ? std::min(*first, *other) : first ? first : other;
    };
    if (!broker) return port;
    port.overview = [this](broker::core::OverviewWish wish, std::function<void(broker::core::Overview)> answer) {
        broker->overview(std::move(wish), std::move(answer));
    };
    port.administer = [this](broker::core::AdministrationRequest wish,
                             std::function<void(broker::core::Answer)> answer) {
        broker->administer(std::move(wish), std::move(answer));
    };
    port.rates = std::make_shared<web::RateKeeper>(
        [] { return SystemClock().now(); }, port.overview,
        [this](std::function<void(broker::core::TrafficList)> reply) { broker->count_traffic(std::move(reply)); });
    port.metrics = [this](const std::function<void(const MetricList&)>& hand_out) { hand_out(broker->metrics()); };
    port.mqtt = [this](std::function<void(std::optional<web::MqttState>)> reply) {
        broker->mqtt([reply = std::move(reply)](std::optional<broker::MqttView> seen) {
            if (!seen) return reply(std::nullopt);
            web::MqttState state{{}, seen->retained, seen->retained_bytes, seen->takeovers};
            for (auto& one : seen->sessions)
                state.sessions.push_back({std::move(one.vhost), std::move(one.client_id), std::move(one.user), one.connection,
                                          one.expiry_seconds, one.ends_at, one.subscriptions, one.has_will});
            reply(std::move(state));
        });
    };
    port.end_mqtt_session = [this](std::string vhost, std::string client_id, std::function<void(bool)> reply) {
        broker->end_mqtt_session(std::move(vhost), std::move(client_id), std::move(reply));
    };
    port.login_attempts = [this] {
        const auto amqp = broker->login_counts();
        return std::vector<web::LoginAttempts>{
            {"amqp091", amqp.succeeded, amqp.failed},
            {"http", http_logins_succeeded.value(), http_logins_failed.value()},
        };
    };
    for (const auto& endpoint : broker->endpoints())
        port.listeners.push_back({protocol_of(endpoint), endpoint.host, endpoint.port});
    if (config.http_listen.port != 0) port.listeners.push_back({config.http_tls.certificate.empty() ? "http" : "https", config.http_listen.host, config.http_listen.port});
    if (!broker->endpoints().empty()) {
        const auto& first = broker->endpoints().front();
        const bool any_address = first.host == "0.0.0.0" || first.host == "::";
        port.local_host = any_address ? "127.0.0.1" : first.host;
        port.local_port = first.port;
        port.pass_for = [this](const std::string& user) { return broker->pass_for(user); };
    }
    return port;
}

void Server::Parts::start_backups() {
    BackupSource source{config.data, database_url(config), std::nullopt, broker::net::NetOptions{}.version};
    if (broker)
        source.journal = HeldJournal{[this] { return broker->hold_journal(); }, [this] { broker->release_journal(); }};
    backups = std::make_unique<Backups>(
        std::move(source), [](const BackupSource& from, const std::string& folder, const std::function<bool()>& is_given_up) {
            return back_up(from, folder, SystemClock().now(), is_given_up);
        });
}

void Server::Parts::tell_health(std::function<void(std::vector<web::HealthPart>)> reply) const {
    HealthFigures figures;
    figures.now = clock.now();
    figures.disk_free_limit = broker::journal::JournalOptions{}.segment_bytes_max;
    std::error_code error;
    const auto space = std::filesystem::space(config.data, error);
    figures.disk_free = error ? 0 : space.available;
    if (!orchestrator) return reply(broker_health_parts(figures));
    figures.is_connected = orchestrator->is_connected();
    figures.broker_silence = orchestrator->broker_silence();
    figures.is_second = orchestrator->is_second();
    if (workflows) figures.folder_silence = workflows->silence(figures.now);
    orchestrator->ask_queues(deserted_patience, [this, figures, reply = std::move(reply)](
                                                    std::vector<std::string> troubles) mutable {
        figures.queue_troubles = std::move(troubles);
        reply(health_parts(figures, orchestrator->engine().metrics()));
    });
}

Outcome<void> Server::Parts::start_web() {
    web::ApiParts api;
    api.has_orchestrator = orchestrator != nullptr;
    if (orchestrator) {
        api.engine = &orchestrator->engine();
        api.node = node;
        if (!node.empty()) api.drain = [this](bool drains) { return orchestrator->drain(drains); };
    }
    api.reader = reader.get();
    api.writer = writer.get();
    if (spans) api.span = [this](runtime::Span span) { spans->add(std::move(span)); };
    api.probe = probe.get();
    api.authenticate = [this](const std::string& user, const std::string& password, bool is_loopback,
                              const std::string& address) {
        return login(user, password, is_loopback, address);
    };
    api.find_user = [this](const std::string& user, bool is_loopback) { return find_user(user, is_loopback); };
    api.figures = store_figures.get();
    api.counted = &web_metrics;
    if (orchestrator) api.changes = &run_changes;
    api.login_pause = [this](const std::string& user, const std::string& address) {
        const auto left = broker ? broker->login_pause(user, address) : guesses.pause_left(user, address, clock.now());
        return std::chrono::duration_cast<std::chrono::milliseconds>(left);
    };
    api.compile = orchestrator::compile_definition;
    api.broker = broker_port();
    api.own_names = config.http_names;
    api.own_names.push_back(config.http_listen.host);
    if (const auto url = boost::urls::parse_uri(config.http_public_url)) api.own_names.emplace_back(url->encoded_host());
    api.own_names.push_back(host_name());
    api.page = std::make_shared<const web::Page>(config.ui_folder);
    // What strangers do has files of its own: however often they try, the others' acts stay.
    const auto audit_file = [this](const char* name, unsigned old_max) {
        return std::make_shared<AuditFile>((std::filesystem::path(config.data) / name).string(), audit_bytes_max, old_max);
    };
    api.audit = [this, acts = audit_file("audit.jsonl", audit_old_max), refused = audit_file("audit-refused.jsonl", 1)](
                    const web::Act& act) { (act.is_known ? acts : refused)->append(web::audit_line(act, clock.now())); };
    api.read_audit = [path = (std::filesystem::path(config.data) / "audit.jsonl").string()](
                         const std::string& from) -> Outcome<web::AuditPage> {
        BATON_ASSIGN(auto piece, read_audit_back(path, audit_old_max, from));
        return web::AuditPage{std::move(piece.lines), std::move(piece.next)};
    };
    const std::string token_path = (std::filesystem::path(config.data) / "tokens.json").string();
    BATON_ASSIGN(api.tokens, read_tokens(token_path));
    api.keep_tokens = [token_path](const std::vector<web::StoredToken>& tokens) { return write_tokens(token_path, tokens); };
    api.call = [this](std::string task, std::string with, std::chrono::milliseconds limit, trace::Given trace,
                      std::function<void(Outcome<web::CallAnswer>)> reply) {
        orchestrator->call(std::move(task), std::move(with), limit, std::move(trace),
                           [reply = std::move(reply)](Outcome<orchestrator::CallAnswer> result) {
                               if (!result) return reply(std::move(result).error());
                               reply(web::CallAnswer{result->completed, std::move(result->body)});
                           });
    };
    api.look = [this](std::string task, std::function<void(Outcome<web::TaskLook>)> reply) {
        orchestrator->look_at_task(std::move(task), [reply = std::move(reply)](Outcome<orchestrator::TaskLook> look) {
            if (!look) return reply(std::move(look).error());
            reply(web::TaskLook{look->has_queue, look->waiting, look->consumers, std::move(look->held)});
        });
    };
    api.workers = [this](std::function<void(std::vector<web::WorkerLook>)> reply) {
        orchestrator->ask_workers([reply = std::move(reply)](std::vector<orchestrator::WorkerLook> known) {
            std::vector<web::WorkerLook> all;
            for (orchestrator::WorkerLook& one : known) {
                web::WorkerLook look{one.worker, one.version, one.host, one.concurrency, one.first_heard, one.last_heard, {}};
                for (orchestrator::OfferedTask& task : one.tasks)
                    look.tasks.push_back({task.task, task.queue, task.held, task.parameters, task.result});
                all.push_back(std::move(look));
            }
            reply(std::move(all));
        });
    };
    api.start_run_job = [this](runtime::RunJob job, std::function<void(Outcome<runtime::RunJob>)> reply) {
        run_jobs->start_job(std::move(job), std::move(reply));
    };
    api.cancel_run_job = [this](std::uint64_t id, std::string actor, std::function<void(Outcome<runtime::RunJob>)> reply) {
        run_jobs->cancel_job(id, std::move(actor), std::move(reply));
    };
    api.schedules = [this](runtime::ScheduleAsk ask, std::function<void(Outcome<std::string>)> reply) {
        triggers->ask(std::move(ask), std::move(reply));
    };
    if (hooks)
        api.hook = [this](runtime::HookCall call, runtime::HookReply reply) { hooks->call(std::move(call), std::move(reply)); };
    start_backups();
    api.backup = [this](std::string folder, std::function<void(Outcome<std::string>)> reply) {
        backups->ask(std::move(folder), [reply = std::move(reply)](const Outcome<BackupReport>& done) {
            if (!done) return reply(done.error());
            reply(make_backup_text(*done));
        });
    };
    api.health = [this](std::function<void(std::vector<web::HealthPart>)> reply) { tell_health(std::move(reply)); };
    web::HttpOptions options;
    options.host = config.http_listen.host;
    options.port = config.http_listen.port;
    options.connections_max = descriptors.http;
    options.bodies_bytes_max = memory.http_bodies;
    if (!config.http_tls.certificate.empty()) {
        broker::net::TlsSettings settings;
        settings.files = config.http_tls;
        BATON_ASSIGN(http_certificates, broker::net::Certificates::open(settings));
        options.tls = [this] { return http_certificates->current(); };
    }
    auto [handler, admit, ask] = web::make_api(std::move(api));
    // The broker has let the user in already, from wherever that was. An outside one has users of its own:
    // those that nobody named here are strangers.
    const auto find_asker = [this](const std::string& user) -> std::optional<web::KnownUser> {
        if (!broker && config.broker_users.empty()) return std::nullopt;
        return find_user(user, true);
    };
    if (orchestrator)
        amqp_requests = std::make_unique<AmqpRequests>(web_io, std::move(ask), orchestrator->engine(), find_asker);
    http = std::make_unique<web::HttpServer>(web_io, options, std::move(handler), std::move(admit));
    BATON_TRY(http->start());
    BATON_TRY(start_metrics());
    web_work.emplace(web_io.get_executor());
    web_thread = Thread("web", [this] { web_io.run(); });
    return boost::system::in_place_value;
}

Outcome<void> Server::Parts::start_metrics() {
    if (!config.metrics_listen) return boost::system::in_place_value;
    web::HttpOptions options;
    options.host = config.metrics_listen->host;
    options.port = config.metrics_listen->port;
    options.body_bytes_max = 4096;
    options.connections_max = descriptors.metrics;
    metrics = std::make_unique<web::HttpServer>(
        web_io, options,
        web::make_metrics({orchestrator ? &orchestrator->engine() : nullptr, broker_port(), store_figures.get(), &web_metrics}));
    const auto started = metrics->start();
    if (started) return boost::system::in_place_value;
    metrics.reset();
    const auto address = address_text(options.host, options.port);
    if (config.metrics_must_listen)
        return Failure{started.error().code,
                       fmt::format("cannot listen for metrics on {}: {}; choose another address with "
                                   "BATON_METRICS_LISTEN=host:port, or none with an empty one",
                                   address, started.error().code.message())};
    log::warning("server", "no metrics without a login: the address is taken; BATON_METRICS_LISTEN chooses another",
                 {{"address", address}});
    return boost::system::in_place_value;
}

// Tells scripts and people where this server listens; port 0 in the configuration is allowed.
void Server::Parts::write_endpoints() const {
    const auto path = std::filesystem::path(config.data) / "endpoints.json";
    std::ofstream out(path);
    std::string amqp;
    std::string amqps;
    std::string ws;
    std::string wss;
    std::string mqtt;
    std::string mqtts;
    std::string mqtt_ws;
    std::string mqtt_wss;
    if (broker)
        for (const auto& endpoint : broker->endpoints()) {
            std::string& list =
                endpoint.is_mqtt
                    ? (endpoint.is_web_socket ? (endpoint.has_tls ? mqtt_wss : mqtt_ws) : (endpoint.has_tls ? mqtts : mqtt))
                    : endpoint.is_web_socket ? (endpoint.has_tls ? wss : ws) : (endpoint.has_tls ? amqps : amqp);
            list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", address_text(endpoint.host, endpoint.port));
        }
    const auto metrics_address = metrics ? address_text(config.metrics_listen->host, metrics->port()) : std::string{};
    out << fmt::format("{{\"pid\":{},\"amqp\":[{}],\"amqps\":[{}],\"ws\":[{}],\"wss\":[{}],\"mqtt\":[{}],\"mqtts\":[{}],\"mqtt_ws\":[{}],\"mqtt_wss\":[{}],\"http\":\"{}\",\"https\":{},\"metrics\":\"{}\"}}\n", getpid(),
                       amqp, amqps, ws, wss, mqtt, mqtts, mqtt_ws, mqtt_wss, address_text(config.http_listen.host, http->port()), http_certificates != nullptr,
                       metrics_address);
}

Outcome<void> Server::Parts::start(const Config& chosen, bool watch, const std::function<bool()>& is_stopping) {
    config = chosen;
    descriptors = share_descriptors(broker::raise_descriptor_limit(),
                                    config.io_threads != 0 ? config.io_threads : broker::processor_limit());
    memory = share_memory(broker::memory_limit());
    if (memory.one_heap) (void)::mallopt(M_ARENA_MAX, 1); // before there are threads
    std::error_code error;
    std::filesystem::create_directories(config.data, error);
    if (error)
        return Failure{ErrorCode(error), fmt::format("cannot make the data folder '{}': {}; choose another one with BATON_DATA",
                                                     config.data, error.message())};
    BATON_TRY(check_no_half_restore(config.data));
    // What this process makes from here on is for its user alone; what is there already becomes so.
    ::umask(0077);
    tighten(config.data);
    BATON_TRY(check());
    BATON_TRY(start_broker());
    if (config.role != Role::broker) BATON_TRY(start_orchestrator(is_stopping));
    if (orchestrator && !config.workflows.empty())
        workflows = std::make_unique<WorkflowFolder>(
            config.workflows,
            [this](std::string source, std::string file, WorkflowFolder::Reply reply) {
                orchestrator->engine().deploy_found(std::move(source), std::move(file), std::move(reply));
            },
            watch, folder_patience);
    BATON_TRY(start_web());
    write_endpoints();
    if (broker)
        for (const auto& endpoint : broker->endpoints())
            log::info("server", speech_of(endpoint), {{"address", address_text(endpoint.host, endpoint.port)}});
    const bool has_https = http_certificates != nullptr;
    log::info("server", has_https ? "HTTPS" : "HTTP", {{"address", address_text(config.http_listen.host, http->port())}});
    if (!has_https && !is_loopback(config.http_listen.host))
        log::warning("server", "passwords and runs go over the network in plain text: HTTP without TLS listens beyond this "
                               "machine; http.tls.certificate and http.tls.key change that",
                     {{"address", address_text(config.http_listen.host, http->port())}});
    if (metrics) log::info("server", "metrics", {{"address", address_text(config.metrics_listen->host, metrics->port())}});
    return boost::system::in_place_value;
}

void Server::Parts::stop() {
    if (http)
        boost::asio::post(web_io, [this] {
            http->stop();
            if (metrics) metrics->stop();
        });
    web_work.reset();
    if (workflows) {
        workflows->stop(folder_grace);
        left_thread_behind = workflows->left_one_behind();
    }
    if (reader) reader->close();
    if (probe) probe->close();
    if (writer) writer->close();
    retention.reset();
    if (run_jobs) run_jobs->stop();
    if (triggers) triggers->stop();
    if (hooks) hooks->stop();
    if (counting) counting->close();
    if (backups) {
        backups->stop(backup_grace);
        left_thread_behind = left_thread_behind || backups->left_one_behind();
    }
    std::optional<StopGuard> guard;
    if (store) guard.emplace(*store, neighbours.get());
    {
        const std::lock_guard lock(hears_mutex);
        hears_of_queues = nullptr;
    }
    if (orchestrator) orchestrator->stop();
    if (run_log) run_log->stop();
    // Requests that waited for the orchestrator have their answers now.
    web_io.stop();
    web_thread.join();
    http.reset();
    reader.reset();
    probe.reset();
    writer.reset();
    store_figures.reset();
    counting.reset();
    metrics.reset();
    orchestrator.reset();
    spans.reset();
    run_log.reset();
    guard.reset();
    store_watch_stop.close();
    store_watch.join();
    store.reset();
    neighbours.reset();
    if (broker) broker->stop();
    broker.reset();
    std::error_code ignored;
    std::filesystem::remove(std::filesystem::path(config.data) / "endpoints.json", ignored);
}

Outcome<std::unique_ptr<Server>> Server::start(const Config& config, bool watch_workflows,
                                               const std::function<bool()>& is_stopping) {
    std::unique_ptr<Server> server(new Server(std::make_unique<Parts>()));
    BATON_TRY(server->parts_->start(config, watch_workflows, is_stopping));
    return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { stop(); }
void Server::stop() { parts_->stop(); }
bool Server::left_a_thread_behind() const { return parts_->left_thread_behind; }

std::vector<Address> Server::broker_addresses() const {
    std::vector<Address> addresses;
    if (parts_->broker)
        for (const auto& endpoint : parts_->broker->endpoints()) addresses.push_back({endpoint.host, endpoint.port});
    return addresses;
}

Address Server::http_address() const { return {parts_->config.http_listen.host, parts_->http->port()}; }

std::string Server::local_broker_url() const { return parts_->local_broker_url; }

} // namespace baton::server
