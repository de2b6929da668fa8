// A real PostgreSQL server of its own for a test: data in a temporary folder, TCP on 127.0.0.1 with
// a free port, user `baton` with a password, ended by its pid when the object goes. A test can stop
// it, start it again and kill it the hard way. Not thread safe; the kernel ends
// the server when the thread that started it ends, so start it on the test's main thread.
//
// The first use on a machine runs initdb once and keeps the result in the system's temporary
// folder; every further server is a copy of it, which takes a fifth of a second instead of a whole
// one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace baton::testing {

class Postgres {
public:
    // `forgetful` leaves out fsync: much faster, and still safe against kill -9 of the server,
    // since only a crash of the machine loses what the kernel holds. `durable` is how products run.
    enum class Disk { forgetful, durable };

    // Throws std::runtime_error when the server cannot run; if PostgreSQL is not installed the
    // message is the command that installs it.
    explicit Postgres(Disk disk = Disk::forgetful);
    ~Postgres();
    Postgres(const Postgres&) = delete;
    Postgres& operator=(const Postgres&) = delete;

    // The same server for all tests of this process.
    static Postgres& shared();

    // A new, empty database; its name.
    std::string create_database();

    // postgresql://baton:<password>@127.0.0.1:<port>/<database>
    std::string url(std::string_view database) const;
    std::string new_database_url() { return url(create_database()); }

    // What must never be seen in a log or an error.
    static std::string_view password();
    int port() const { return port_; }

    // Waits until the server accepts connections. Throws if it does not within 20 seconds.
    void start();
    // Ends connections politely (fast shutdown) and waits for the end.
    void stop();
    // kill -9 of the server and its session processes; waits until they are gone.
    void kill_hard();
    bool is_running() const { return pid_ > 0; }

private:
    void spawn_server();
    bool is_ready() const;

    std::filesystem::path folder_;
    Disk disk_;
    int port_ = 0;
    pid_t pid_ = 0;
    int databases_ = 0;
};

} // namespace baton::testing
