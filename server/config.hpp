// The configuration of a server: baton.toml, then environment variables, which win. Every mistake is
// reported at once, with file, line and what is expected. Secrets come from files or variables.
#pragma once

#include "base/clock.hpp"
#include "base/log.hpp"
#include "broker/net/options.hpp"
#include "broker/options.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::server {

struct Address {
    std::string host;
    std::uint16_t port = 0;
};

// "host:port" or "[v6]:port"; nothing if it is neither.
std::optional<Address> parse_address(std::string_view text);

struct BrokerUser {
    std::string name;
    std::string password;      // plain text, from password, password_file or the variable
    std::string password_hash; // RabbitMQ's: base64(4 bytes of salt + SHA-256(salt + password))
    std::vector<std::string> tags;
    std::optional<std::vector<broker::PermissionOption>> permissions{}; // nothing: all of vhost "/"
};

// What a server is.
enum class Role : std::uint8_t {
    all,          // broker and orchestrator, or the orchestrator alone where broker.url names a broker
    orchestrator, // needs broker.url
    broker,       // for orchestrators on other machines, or for anybody
};

struct Config {
    Role role = Role::all;
    // Empty: no plain AMQP, only TLS.
    std::vector<Address> broker_listen{{"127.0.0.1", 5672}};
    // amqps; the rest of TLS is in broker_tls.
    std::vector<Address> broker_tls_listen;
    broker::net::TlsSettings broker_tls;
    // AMQP inside WebSockets, in plain and with broker_tls; whose pages may come beside this server's own.
    std::vector<Address> websocket_listen;
    std::vector<Address> websocket_tls_listen;
    std::vector<std::string> websocket_origins;
    // MQTT: over TCP, with broker_tls, and inside WebSockets; none: nobody speaks it.
    std::vector<Address> mqtt_listen;
    std::vector<Address> mqtt_tls_listen;
    std::vector<Address> mqtt_websocket_listen;
    std::vector<Address> mqtt_websocket_tls_listen;
    broker::mqtt::Options mqtt;
    // False: WebSockets and MQTT are a convenience, and a port that is taken is left alone.
    bool further_must_listen = true;
    std::string broker_url; // an external broker; empty: the embedded one
    std::vector<BrokerUser> broker_users;
    std::string definitions; // a file of RabbitMQ's definitions, brought in at each start; empty: none
    std::string server_product = "Baton";
    std::string server_version; // empty: Baton's own
    Address http_listen{"127.0.0.1", 15672};
    // Certificate and key: HTTPS instead of HTTP on http_listen.
    net::TlsOptions http_tls;
    // Metrics without a login; nothing: off. Where nobody chose the address, a port that is taken is
    // no reason not to start.
    std::optional<Address> metrics_listen = Address{"127.0.0.1", 15692};
    bool metrics_must_listen = false;
    // Names of this server that browsers and scripts may use; loopback's, addresses and the machine's
    // own name are known without.
    std::vector<std::string> http_names;
    // Where people reach the page, for links to it; without a / at its end.
    std::string http_public_url;
    // The built page, for who works on it; empty: the one in the executable.
    std::string ui_folder;
    std::string data = "baton-data";
    std::string database_url; // empty: SQLite in `data`
    std::string secrets;      // folder whose files workflows read as secrets; empty: none
    std::string workflows;    // folder loaded at start; empty: none
    unsigned partitions = 0;  // 0: as many as the database has; a new SQLite file 1, a new PostgreSQL database 16
    std::optional<Duration> retention; // of runs whose workflow says nothing; absent: for ever
    unsigned run_mib_max = 16;   // what one run may hold
    unsigned family_runs_max = 100'000; // that may go back to one start
    unsigned runs_mib_max = 256; // memory for runs at hand and messages that wait for the broker
    unsigned io_threads = 0;  // 0: by the number of processors
    unsigned memory_high_mib = 0; // 0: by the memory of the machine or container
    // Who is told of runs that failed, and of what people are asked: by a run of a workflow.
    struct Teller {
        std::string workflow;          // empty: nobody is told
        std::string with;              // JSON object: further input of it
        std::vector<std::string> only; // runs of these workflows; empty: of all
    };
    Teller notify;
    Teller notify_approvals;
    std::string trace_endpoint;       // of a collector that takes OTLP over HTTP; empty: spans are told to nobody
    std::vector<std::string> trace_headers; // "name: value" for it
    std::string trace_service = "baton";
    double trace_ratio = 1;           // of the traces that begin here, so many are recorded
    log::Level log_level = log::Level::info;
    log::Format log_format = log::Format::text;
};

// As configured, or the file in the data folder.
std::string database_url(const Config& config);

using Environment = std::map<std::string, std::string>;
// A copy of the process's environment.
Environment process_environment();

// Every variable that load_config() reads.
std::vector<std::string> variable_names();

struct ConfigResult {
    Config config;
    std::vector<std::string> complaints; // empty: the configuration is good
};

// `text` is the content of `file`; both empty when there is no file.
ConfigResult read_config(std::string_view text, const std::string& file,
                         const Environment& environment);

// Reads BATON_CONFIG or `file`; an empty name means "baton.toml if it is there".
ConfigResult load_config(const std::string& file, const Environment& environment);

} // namespace baton::server
