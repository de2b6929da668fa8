// Log-ins of browsers: who showed a password once has a cookie for a while, so that a page need not
// keep the password. The cookie is a random name that says nothing; what it stands for is here, in
// memory, and gone with the process; the name itself is not, only its hash. A session ends when
// nobody used it for a while, with its time, by hand, and with the user or the password it was
// begun with. On the web's thread.
#pragma once

#include "base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

struct Session {
    std::string user;
    std::string mark;         // of the password that was shown; see KnownUser
    Time ends{};              // at the latest
    Time idle_ends{};         // unless it is used before
    std::uint64_t number = 0; // in the order of their beginning
    Time began{};
    std::string address; // of whoever began it
};

class Sessions {
public:
    static constexpr std::chrono::hours length{12};
    static constexpr std::chrono::minutes idle{30};
    // The oldest of a user ends for a new one, so that a program that logs in for each request
    // fills nothing but its own share.
    static constexpr std::size_t of_one_user_max = 50;
    static constexpr std::size_t all_max = 10'000;

    // The session's name, for the cookie; nothing: too many have one.
    std::optional<std::string> begin(std::string user, std::string mark, Time now,
                                     std::string address = {});
    // Using it lets it last. Valid until the next call.
    const Session* find(std::string_view name, Time now);
    void end(std::string_view name);
    // Of one user, or of all; in the order of their beginning. Nobody learns a name from it.
    std::vector<Session> list(std::string_view user, Time now);
    void end_number(std::uint64_t number);

private:
    void drop_ended(Time now);
    void make_room_for(const std::string& user);

    std::map<std::string, Session, std::less<>> all_; // by the hash of their names
    std::uint64_t next_number_ = 1;
};

// Of "a=1; baton-session=NAME", under TLS of "__Host-baton-session=NAME" alone, which no other site
// of the domain can set; empty: there is none.
std::string_view session_in(std::string_view cookies, bool has_tls);
// What sets or, with an empty name, takes away the cookie: for this site alone, and no script reads
// it.
std::string session_cookie(std::string_view name, bool has_tls);

} // namespace baton::web
