// A real MariaDB server of its own for a test: data in a temporary folder, TCP on 127.0.0.1 with a free port, an
// administrator with a password, ended by its pid when the object goes. Not thread safe; the kernel ends the server when the
// thread that started it ends, so start it on the test's main thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace baton::testing {

class Mariadb {
public:
    // Throws std::runtime_error when the server cannot run; if MariaDB is not installed the message is the command that
    // installs it.
    Mariadb();
    ~Mariadb();
    Mariadb(const Mariadb&) = delete;
    Mariadb& operator=(const Mariadb&) = delete;

    // The same server for all tests of this process.
    static Mariadb& shared();

    // A new, empty database; its name.
    std::string create_database();
    // mysql://USER:PASSWORD@127.0.0.1:PORT/DATABASE; both as a URL has them.
    std::string url(std::string_view user, std::string_view password, std::string_view database) const;

    // As administrator; statements with semicolons between. Throws what the server says.
    void run(const std::string& sql, const std::string& database = "mysql");
    // The first value of the first row; empty for none, and for a null.
    std::string ask(const std::string& sql, const std::string& database = "mysql");

    void stop();
    int port() const { return port_; }

private:
    void start();

    std::filesystem::path folder_;
    int port_ = 0;
    pid_t pid_ = 0;
    int databases_ = 0;
};

} // namespace baton::testing
