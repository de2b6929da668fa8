// Log-ins of HTTP requests that were judged a moment ago: each request brings its password, and to
// ask the broker anew means to wait for a turn of its thread. A log-in counts as long as no
// definition has changed, and until the next wrong password for that user from that address:
// guessing does not get past the pauses by it. On one thread.
#pragma once

#include "web/access/login.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace baton::server {

class LoginCache {
public:
    // How passwords are hashed and compared; never kept as they are.
    struct Hashing {
        std::function<std::string(const std::string& password)> hash;
        std::function<bool(const std::string& password, const std::string& hash)> matches;
    };
    explicit LoginCache(Hashing hashing) : hashing_(std::move(hashing)) {}

    struct Asked {
        const std::string& user;
        const std::string& password;
        bool is_loopback = false;
        const std::string& address;
    };
    // `version`: of the definitions now, and when the log-in was judged.
    std::optional<web::Login> find(const Asked& asked, std::uint64_t version);
    void keep(const Asked& asked, std::uint64_t version, const web::Login& login);
    void forget(const Asked& asked);

    static constexpr std::size_t entries_max = 1'000;

private:
    struct Entry {
        std::string password_hash;
        bool is_loopback = false;
        web::Login login;
    };

    Hashing hashing_;
    std::uint64_t version_ = 0;                                    // of all entries
    std::map<std::pair<std::string, std::string>, Entry> entries_; // by user and address
};

} // namespace baton::server
