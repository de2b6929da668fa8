// The server, put together: broker, store, orchestrator, HTTP, in this order of start and the
// opposite order of stop.
#pragma once

#include "base/result.hpp"
#include "server/config.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace baton::server {

class Server {
public:
    // Returns when everything works. `is_stopping` is asked while it waits for a database that is
    // away; true gives up. `watch_workflows` reloads changed files of Config::workflows. A failure
    // with the code errc::invalid_argument is the configuration's: a file it names, a value in it.
    static Outcome<std::unique_ptr<Server>> start(const Config& config, bool watch_workflows,
                                                  const std::function<bool()>& is_stopping);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // What is wrong with the files and addresses of a configuration, as start() would say before it
    // touches anything.
    static Outcome<void> check(const Config& config);

    // May be called twice.
    void stop();
    // After it: something hangs in a call of the system and uses what is global. End the process without
    // taking that down.
    bool left_a_thread_behind() const;

    std::vector<Address> broker_addresses() const; // empty with an external broker
    Address http_address() const;
    // For workers of this machine; holds a password.
    std::string local_broker_url() const;

private:
    class Parts;
    explicit Server(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace baton::server
