// Follows runs to their end over the HTTP API, printing one line a happening.
#pragma once

#include "cli/api.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace baton::cli {

// How long a verb that follows waits for a server that went away (a restart, a crash).
inline constexpr std::chrono::seconds patience{120};

// While a server is away: says so on standard error as soon as that lasts, and when it is back. Whoever
// waits in silence would think that the run does.
class Outage {
public:
    explicit Outage(std::string url) : url_(std::move(url)) {}
    // The server did not answer, or answered that it cannot now. False: it has been so for `patience`.
    bool goes_on(const Outcome<Answer>& answer);
    // It answers.
    void is_over();

private:
    std::string url_;
    std::optional<std::chrono::steady_clock::time_point> since_;
    bool is_said_ = false;
};
// Whether an answer means that the server is away, and may be asked again.
bool is_away(const Outcome<Answer>& answer);
// Repeats a request while the server is away, for `patience` at most, or until Ctrl-C.
Outcome<Answer> persistently(const Api& api, const std::function<Outcome<Answer>()>& request);

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

// What GET /api/tasks/NAME says; nothing: it could not be asked.
std::optional<boost::json::value> look_at_task(Api& api, const std::string& task);
// Says on standard error that nobody serves the task just now. Waiting is not failing, but nobody should
// wait unknowing.
void say_if_unserved(Api& api, const std::string& task);

struct Followed {
    boost::json::value run; // the last state, with status and output
    bool closed = false;    // false: detached by Ctrl-C
};

// Waits until the run closes, printing with `narrator` if there is one. Repeats over restarts of
// the server for `patience`.
Outcome<Followed> follow(Api& api, const std::string& run_id, Narrator* narrator);

} // namespace baton::cli
