// One HTTP call over libcurl, with everything a worker must bound and know: time limits, size limits,
// verified TLS, whether the target may have acted although no answer came. Headers and bodies may
// hold secrets and are never logged. Each thread keeps its connections open between calls.
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
};

enum class Trouble {
    none,
    unreachable,      // refused, no such host, no route: nothing was sent
    timed_out,
    broken,           // the connection ended before the answer did
    mistrusted,       // TLS: the certificate is not accepted
    too_large,
    impossible,       // the URL or the request itself makes no sense
};

struct Response {
    Trouble trouble = Trouble::none;
    std::string detail;                        // what libcurl says; no secrets
    int status = 0;
    std::string body;
    std::optional<Duration> retry_after;       // header Retry-After in seconds
    // Only with a trouble: whether the request may have reached the target.
    bool may_have_happened = false;
};

// Blocks; any thread.
Response perform(const Request& request, const Limits& limits);

std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields);
std::string path_encoded(std::string_view segment);

// The problem for a call without a usable answer, or for the statuses that mean the same everywhere:
// 429, 502, 503, 504. Nothing if the target's own rules decide. `system` is for people: "Redmine".
std::optional<contract::Problem> common_problem(std::string_view system, const Response& response);

} // namespace baton::workers::http
