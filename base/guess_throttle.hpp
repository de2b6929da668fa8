#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace baton {

// Slows the guessing of passwords down: after five failures of one user from one address that pair has
// to pause, a second at first, twice as long after each further failure, a minute at most. Others are
// not held up, so nobody can lock a user out from elsewhere. A success, or ten quiet minutes, clears
// the count. Pure; not safe to share between threads.
class GuessThrottle {
public:
    static constexpr std::uint32_t free_failures = 5;
    static constexpr Duration pause_min = std::chrono::seconds(1);
    static constexpr Duration pause_max = std::chrono::seconds(60);
    static constexpr Duration memory = std::chrono::minutes(10);
    static constexpr std::size_t entries_max = 10'000; // about a megabyte

    // False: the pause is not over; the password must not even be looked at.
    bool may_try(std::string_view user, std::string_view address, Time now);
    // Until may_try() says yes again; zero: it does.
    Duration pause_left(std::string_view user, std::string_view address, Time now) const;
    // How many failures it are now.
    std::uint32_t failed(std::string_view user, std::string_view address, Time now);
    void succeeded(std::string_view user, std::string_view address);

    std::size_t entries() const { return entries_.size(); }

private:
    struct Entry {
        std::uint32_t failures = 0;
        Time last{};
        Time until{};
    };
    static std::string key(std::string_view user, std::string_view address);
    void make_room(Time now);

    std::map<std::string, Entry, std::less<>> entries_;
};

} // namespace baton
