// What a broker is started with. Values are checked by whoever reads them from a file; here they
// are only used.
#pragma once

#include "broker/core/options.hpp"
#include "broker/journal/journal.hpp"
#include "broker/mqtt/options.hpp"
#include "broker/net/options.hpp"
#include "net/websocket/opening.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace baton::broker {

// Regular expressions on names of exchanges and queues of a virtual host.
struct PermissionOption {
    std::string vhost = "/";
    std::string configure;
    std::string write;
    std::string read;
};

// A user that exists after every start, whatever the journal says. The password is given in plain
// or as RabbitMQ's salted hash; without either, the user cannot log in with a password.
struct UserOption {
    std::string name;
    std::string password;
    std::string password_hash;
    std::string hash_algorithm = "rabbit_password_hashing_sha256";
    std::vector<std::string> tags;
    // Exactly these after each start, whatever was changed since; the virtual hosts are made if needed.
    // Nothing: all of "/", and what was given elsewhere stays.
    std::optional<std::vector<PermissionOption>> permissions{};
    // The server's own, for its own connections: nobody is asked to log in as this one.
    bool is_own = false;
};

struct Options {
    // "host:port", host an address of this machine or "localhost"; port 0 takes a free one.
    std::vector<std::string> listen = {"127.0.0.1:5672"};
    // The same with TLS; `tls` says how. Usual is port 5671.
    std::vector<std::string> tls_listen;
    net::TlsSettings tls;
    // AMQP inside WebSockets, in plain and with the same TLS, and whose pages may come.
    std::vector<std::string> web_socket_listen;
    std::vector<std::string> web_socket_tls_listen;
    baton::net::websocket::OpeningRules web_socket{
        .paths = {"/ws", "/ws/amqp"}, .protocol = "amqp", .origins = {}, .own_names = {}};
    // MQTT, in the four ways AMQP has.
    std::vector<std::string> mqtt_listen;
    std::vector<std::string> mqtt_tls_listen;
    std::vector<std::string> mqtt_web_socket_listen;
    std::vector<std::string> mqtt_web_socket_tls_listen;
    baton::net::websocket::OpeningRules mqtt_web_socket{
        .paths = {"/ws", "/ws/mqtt", "/mqtt"}, .protocol = "mqtt", .origins = {}, .own_names = {}};
    mqtt::Options mqtt;
    // False: where a port of a WebSocket or of MQTT is taken, the broker says so and goes on without.
    bool further_must_listen = true;
    bool has_mqtt() const {
        return !mqtt_listen.empty() || !mqtt_tls_listen.empty() || !mqtt_web_socket_listen.empty() ||
               !mqtt_web_socket_tls_listen.empty();
    }
    // Made if it does not exist; one server at a time.
    std::string data_folder = "baton-data";
    // None but the server's own: a fresh broker gets guest with password guest, as RabbitMQ does.
    std::vector<UserOption> users;
    // False: it does not, because users come from elsewhere.
    bool adds_first_user = true;
    // Users that may log in from this machine only, because everybody knows their password.
    std::vector<std::string> loopback_users = {"guest"};

    // With one, the core lives on it, which costs the least per message and answers the fastest.
    // With more, the core has a thread to itself beside them: they take the work of sockets, frames
    // and TLS off it. 0: one with fewer than four processors, else half of them up to eight. At
    // most net::Connections::threads_max.
    unsigned io_threads = 0;

    core::Options core;
    journal::JournalOptions journal;
    net::NetOptions net;

    // Bytes in memory above which publishers wait (core::Options::stored_bytes_high says of what); 0:
    // two fifths of what this process may have, as RabbitMQ's watermark. Long backlogs leave memory
    // far below it.
    std::uint64_t memory_high = 0;

    // How long stop() gives clients to say goodbye.
    Duration stop_limit = std::chrono::seconds(3);
    // Called on the journal thread when the disk refused. The default logs and ends the process at
    // once, because nobody knows any more what the disk holds.
    std::function<void(const Failure&)> on_disk_failure;
    // Called on the core's thread, which it must not keep waiting, when a durable queue was deleted or
    // purged and lost messages by it. May be left empty.
    std::function<void(const std::string& vhost, const std::string& queue)> on_queue_emptied;
};

} // namespace baton::broker
