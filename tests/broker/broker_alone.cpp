// A broker and nothing else, for trying clients against it by hand and for the system tests:
//   broker_alone --listen 127.0.0.1:0 --data FOLDER [--salvage] [--segment-bytes N]
//       [--memory-high BYTES] [--io-threads N] [--user name:password:configure:write:read]
//       [--tls-listen 127.0.0.1:0 --certificate FILE --key FILE [--ca FILE --verify]]
//       [--ws-listen 127.0.0.1:0] [--wss-listen 127.0.0.1:0]
// Prints "listening HOST:PORT" on standard output when clients can connect, the addresses with TLS
// last; ends in order on SIGTERM and SIGINT.
#include "broker/broker_service.hpp"

#include <CLI/CLI.hpp>
#include <boost/algorithm/string/split.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

int main(int argc, char** argv) {
    baton::broker::Options options;
    options.listen = {"127.0.0.1:0"};
    CLI::App app{"The broker alone"};
    app.add_option("--listen", options.listen, "host:port, port 0 for a free one");
    app.add_option("--data", options.data_folder, "data folder")->required();
    app.add_flag("--salvage", options.journal.salvage, "go on after damage in the journal");
    // Small segments make the journal roll over and empty old ones all the time.
    std::uint64_t segment_bytes = 0;
    app.add_option("--segment-bytes", segment_bytes, "size of the journal's segments");
    app.add_option("--tls-listen", options.tls_listen, "host:port for TLS");
    app.add_option("--certificate", options.tls.files.certificate, "certificate, PEM");
    app.add_option("--key", options.tls.files.key, "its key, PEM");
    app.add_option("--ca", options.tls.files.authorities, "who signs clients' certificates, PEM");
    app.add_option("--ws-listen", options.web_socket_listen, "host:port for WebSocket");
    app.add_option("--wss-listen", options.web_socket_tls_listen, "host:port for WebSocket with TLS");
    app.add_flag("--verify", options.tls.files.verifies_peer, "ask clients for a certificate");
    app.add_option("--memory-high", options.memory_high,
                   "bytes of messages in memory above which publishers wait");
    // By environment, too, so that every suite can be run with several.
    app.add_option("--io-threads", options.io_threads, "I/O threads; the core is on the only one")
        ->envname("BROKER_IO_THREADS");
    std::vector<std::string> users;
    app.add_option("--user", users, "one more user beside guest");
    CLI11_PARSE(app, argc, argv);
    for (const std::string& user : users) {
        std::vector<std::string> words;
        boost::algorithm::split(words, user, [](char letter) { return letter == ':'; });
        if (words.size() != 5) {
            fmt::print(stderr, "broker_alone: --user {}: not five words with colons\n", user);
            return 2;
        }
        baton::broker::UserOption& option = options.users.emplace_back();
        option.name = words[0];
        option.password = words[1];
        option.permissions = {{.vhost = "/", .configure = words[2], .write = words[3], .read = words[4]}};
    }
    if (!users.empty()) {
        baton::broker::UserOption& guest = options.users.emplace_back();
        guest.name = guest.password = "guest";
    }
    if (segment_bytes != 0) {
        options.journal.first_segment_bytes = options.journal.segment_bytes_max = segment_bytes;
        options.core.sealed_segments_max = 2;
    }

    // Blocked before the threads start, so that they inherit it and sigwait() gets the signals.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    auto broker = baton::broker::BrokerService::start(options);
    if (!broker) {
        fmt::print(stderr, "broker_alone: {}\n", broker.error().detail);
        return 1;
    }
    for (const auto& address : (*broker)->endpoints())
        fmt::print("listening {}:{}\n", address.host, address.port);
    std::fflush(stdout);
    int signal = 0;
    sigwait(&signals, &signal);
    (*broker)->stop();
    return 0;
}
