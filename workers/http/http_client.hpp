// One HTTP call over libcurl, with everything a worker must bound and know: time limits, size limits,
// verified TLS, whether the target may have acted although no answer came. Headers and bodies may
// hold secrets and are never logged. Each thread keeps the connections it reads over open between calls;
// what changes something goes over a connection of its own, exactly once. Redirects are not followed.
#pragma once

#include "base/clock.hpp"
#include "contract/task_message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::workers::http {

struct Limits {
    Duration connect = std::chrono::seconds(5);
    Duration total = std::chrono::seconds(20);
    std::size_t body_bytes_max = 4 * 1024 * 1024;
    std::string ca_file = {};                  // empty: the system's certificates
};

struct Request {
    std::string method = "GET";
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    std::string wanted_header = {};            // of the answer; empty: none
};

enum class Trouble {
    none,
    unreachable,      // refused, no such host, no route: nothing was sent
    timed_out,
    broken,           // the connection ended before the answer did
    mistrusted,       // TLS: the certificate is not accepted, or the file of those we trust is not readable
    too_large,
    impossible,       // the URL or the request itself makes no sense
};

struct Response {
    Trouble trouble = Trouble::none;
    std::string detail;                        // what libcurl says; no secrets
    int status = 0;
    std::string body;
    std::string content_type;                  // as sent; empty if there was none
    std::string location;                      // where a redirect points
    std::string wanted_header;                 // empty if there was none
    std::optional<Duration> retry_after;       // from now on; a date is counted from now, too; a day at most
    // The request may have had its effect although nobody says so: sent and not answered, answered in part,
    // or answered with a status from behind the effect (408, 5xx). Look before you repeat it.
    bool may_have_happened = false;
};

// Blocks; any thread.
Response perform(const Request& request, const Limits& limits);

std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields);

std::string lower(std::string_view text);      // ASCII letters only

// For an answer that should have been JSON: says what came instead.
contract::Problem not_the_api(std::string_view system, const Response& response);

// The problem for a call without a usable answer, or for the statuses that mean the same everywhere:
// 3xx, 408, 425, 429, 502, 503, 504. Nothing if the target's own rules decide. `system` is for people: "Redmine".
std::optional<contract::Problem> common_problem(std::string_view system, const Response& response);

} // namespace baton::workers::http
