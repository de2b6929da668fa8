// What keeps another web site from using a signed-in person's browser against this server: a browser
// says with every request that changes something where it comes from, and a form on another site
// can neither send JSON nor, by a name that was pointed at our address, carry a host name of ours.
// Programs that are no browsers send none of these headers and are not hindered. Reading is guarded like
// changing: a page whose name was pointed at our address would be of our origin and could read inputs of runs.
#pragma once

#include "web/http/http_server.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

// Does it change anything? GET, HEAD and OPTIONS do not.
bool is_unsafe(std::string_view method);

// Of a workflow's text.
bool is_toml(std::string_view content_type);

// Browsers say so with every request that a page makes them send, and with links that are followed.
bool is_from_browser(const Request& request);

// A name of loopback, an address (which needs no resolving, so it cannot be pointed elsewhere), or
// one of `own_names`, among which "*" is any. `host` may have a port.
bool is_own_host(std::string_view host, const std::vector<std::string>& own_names);

// The refusal of a request that another site may have made: 403 its origin, 421 its host name, 415
// its body's type. Nothing: it may go on.
std::optional<Response> refuses_foreign(const Request& request, const std::vector<std::string>& own_names);

} // namespace baton::web
