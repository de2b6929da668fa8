// Follows runs to their end over the HTTP API, printing one line a happening.
#pragma once

#include "cli/api.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace baton::cli {

// How long a verb that follows waits for a server that went away (a restart, a crash).
inline constexpr std::chrono::seconds patience{120};

// Turns the facts of a run's history into lines for people. Pure.
class Narrator {
public:
    // The lines for one history entry {"seq", "at", "facts"}; possibly empty.
    std::string tell(const boost::json::value& entry);

private:
    std::string tell_fact(const boost::json::object& fact, std::int64_t at);
    std::map<std::string, std::int64_t> dispatched_at_; // by step
};

// A fact somebody asked for, in words: "cancel requested by ada: wrong person".
std::string request_text(const boost::json::object& fact);

// True once for each Ctrl-C since watch_interrupts(); then a second Ctrl-C ends the process.
void watch_interrupts();
bool was_interrupted();

struct Followed {
    boost::json::value run; // the last state, with status and output
    bool closed = false;    // false: detached by Ctrl-C
};

// Waits until the run closes, printing with `narrator` if there is one. Repeats over restarts of
// the server for `patience`.
Outcome<Followed> follow(Api& api, const std::string& run_id, Narrator* narrator);

} // namespace baton::cli
