// The fault switch: which operations of the sandbox shall go wrong, how, and how often. Set from a
// test or a demo through POST /sandbox/faults.
//
//   {"slack.invite": {"error": "fatal_error", "times": 3},      -> the target's own way to say no
//    "redmine.*":    {"status": 503, "retry_after": 2},         -> a bare HTTP (or SMTP) status
//    "mail.create":  {"mode": "lost_answer", "times": 1},       -> done, but the answer never comes
//    "slack.post":   {"delay_ms": 500},                         -> works, slowly
//    "mail.send":    null}                                      -> works again
//
// Modes: fail (error or status), delay, drop (the connection ends before anything was done),
// lost_answer (it ends after it was done), garbage (200 and bytes that mean nothing), race
// (uniqueness is checked, then `delay_ms` pass, then the record is written: what Redmine really does
// under concurrent requests). Lives on the sandbox's thread.
#pragma once

#include "base/result.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::sandbox {

struct Fault {
    enum class Mode { fail, delay, drop, lost_answer, garbage, race };
    Mode mode = Mode::fail;
    std::string error;
    int status = 0;
    int retry_after_seconds = 0;
    std::chrono::milliseconds delay{0};
    std::optional<int> times_left;   // absent: until taken away
};

class Faults {
public:
    // The text is a JSON object as above; all of it is taken or none. A name that is neither one of the
    // `operations`, nor a family of them, nor "*" would never strike, and is refused.
    Outcome<void> set(std::string_view text, const std::vector<std::string_view>& operations);
    void clear() { faults_.clear(); }

    // The fault for this call, if any, counted down: "slack.invite" before "slack.*" before "*".
    std::optional<Fault> take(std::string_view operation);

    std::string to_json() const;

private:
    std::map<std::string, Fault, std::less<>> faults_;
};

} // namespace baton::sandbox
