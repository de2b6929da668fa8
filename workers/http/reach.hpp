// Whether somebody listens at a URL and shows a certificate that is trusted. Sends no request.
#pragma once

#include "workers/http/http_client.hpp"

#include <optional>
#include <string>

namespace baton::workers::http {

struct Unreachable {
    Trouble trouble;
    std::string detail;
};

// Nothing if all is well. Blocks; any thread.
std::optional<Unreachable> reach(const std::string& url, const Limits& limits);

} // namespace baton::workers::http
