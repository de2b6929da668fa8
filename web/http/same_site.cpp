#include "web/http/same_site.hpp"

#include "web/http/replies.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace {

std::string lower_host(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// "name:port", "[v6]:port" → the name, in small letters, without a dot at its end.
std::string name_in(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? std::string{} : lower_host(host.substr(1, end - 1));
    }
    auto name = lower_host(host.substr(0, host.find(':')));
    if (name.ends_with('.')) name.pop_back();
    return name;
}

// "https://host:port" → "host:port"; "null" and what is no origin → nothing.
std::string authority_in(std::string_view origin) {
    const auto scheme = origin.find("://");
    return scheme == std::string_view::npos ? std::string{} : lower_host(origin.substr(scheme + 3));
}

std::string type_in(std::string_view content_type) {
    auto type = lower_host(content_type.substr(0, content_type.find(';')));
    while (type.ends_with(' ') || type.ends_with('\t')) type.pop_back();
    return type;
}

bool is_json(std::string_view content_type) {
    const auto type = type_in(content_type);
    return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

} // namespace

bool is_toml(std::string_view content_type) { return type_in(content_type) == "application/toml"; }

bool is_unsafe(std::string_view method) { return method != "GET" && method != "HEAD" && method != "OPTIONS"; }

bool is_from_browser(const Request& request) {
    return !request.origin.empty() || !request.fetch_site.empty() || !request.fetch_mode.empty();
}

bool is_own_host(std::string_view host, const std::vector<std::string>& own_names) {
    const auto name = name_in(host);
    if (name.empty() || name == "localhost" || name.ends_with(".localhost")) return true; // HTTP/1.0 names none
    boost::system::error_code no_address;
    boost::asio::ip::make_address(name, no_address);
    if (!no_address) return true;
    return std::ranges::any_of(own_names,
                               [&](const std::string& own) { return own == "*" || lower_host(own) == name; });
}

std::optional<Response> refuses_foreign(const Request& request, const std::vector<std::string>& own_names) {
    const bool changes = is_unsafe(request.method);
    if (!is_own_host(request.host, own_names))
        return problem(421, "misdirected_request",
                       fmt::format("'{}' is no name of this server; if it is, name it in 'http.names' "
                                   "(BATON_HTTP_NAMES)",
                                   request.host));
    // Whoever follows a link from elsewhere reads the answer himself; a script of elsewhere must not.
    const bool follows_link = !changes && request.fetch_mode == "navigate";
    const bool is_foreign_site = !request.fetch_site.empty() && request.fetch_site != "same-origin" &&
                                 request.fetch_site != "none" && !follows_link;
    if (is_foreign_site || (!request.origin.empty() && authority_in(request.origin) != lower_host(request.host)))
        return problem(403, "forbidden", "the request comes from another web site");
    if (!changes) return std::nullopt;
    // A form of another site can send neither JSON nor TOML.
    const bool may_be_toml = request.path.starts_with("/baton/v1/workflows/");
    if ((request.has_body || !request.body.empty()) && !is_json(request.content_type) &&
        !(may_be_toml && is_toml(request.content_type)))
        return problem(415, "unsupported_media_type", "a body needs the header 'Content-Type: application/json'");
    return std::nullopt;
}

} // namespace baton::web
