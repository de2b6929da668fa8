#include "web/http/routes.hpp"

#include <boost/url/decode_view.hpp>
#include <boost/url/pct_string_view.hpp>

#include <optional>
#include <utility>

namespace baton::web {
namespace {

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> segments;
    while (!path.empty()) {
        if (path.front() == '/') path.remove_prefix(1);
        const auto end = std::min(path.find('/'), path.size());
        segments.emplace_back(path.substr(0, end));
        path.remove_prefix(end);
        if (path == "/") break; // as if it were not there
    }
    return segments;
}

std::optional<std::string> decode(std::string_view segment) {
    const auto view = boost::urls::make_pct_string_view(segment);
    if (!view) return std::nullopt;
    std::string decoded;
    decoded.reserve(segment.size());
    for (const char c : *(*view)) decoded += c;
    return decoded;
}

bool is_parameter(const std::string& segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// `path` is decoded already.
bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
    if (pattern.size() != path.size()) return false;
    for (std::size_t i = 0; i < pattern.size(); ++i)
        if (!is_parameter(pattern[i]) && pattern[i] != path[i]) return false;
    return true;
}

Parameters parameters_of(const std::vector<std::string>& pattern, std::vector<std::string>& path) {
    Parameters parameters;
    for (std::size_t i = 0; i < pattern.size(); ++i)
        if (is_parameter(pattern[i]))
            parameters[pattern[i].substr(1, pattern[i].size() - 2)] = std::move(path[i]);
    return parameters;
}

} // namespace

void Routes::add(std::string method, std::string_view pattern, Level level, RouteHandler handler,
                 std::vector<std::string> query) {
    routes_.push_back({std::move(method), std::string(pattern), split_path(pattern), level, std::move(handler), std::move(query)});
}

std::vector<Routes::Entry> Routes::all() const {
    std::vector<Entry> entries;
    for (const Route& route : routes_) entries.push_back({route.method, route.pattern, route.level});
    return entries;
}

RouteHandler Routes::handler_of(std::string_view method, std::string_view pattern) const {
    for (const Route& route : routes_)
        if (route.method == method && route.pattern == pattern) return route.handler;
    return {};
}

Routes::Match Routes::find(std::string_view method, std::string_view path) const {
    auto segments = split_path(path);
    for (auto& segment : segments) {
        auto decoded = decode(segment);
        if (!decoded) return {};
        segment = std::move(*decoded);
    }
    if (method == "HEAD") method = "GET"; // whose answer the server sends without its body
    Match found;
    for (const Route& route : routes_) {
        if (!fits(route.segments, segments)) continue;
        found.path_exists = true;
        if (route.method != method) continue;
        found.handler = &route.handler;
        found.level = route.level;
        found.pattern = route.pattern;
        found.query = route.query;
        found.parameters = parameters_of(route.segments, segments);
        return found;
    }
    return found;
}

std::string Routes::methods_of(std::string_view path) const {
    std::string methods;
    for (const char* method : {"GET", "HEAD", "POST", "PUT", "DELETE"})
        if (find(method, path).handler != nullptr) methods += std::string(method) + ", ";
    return methods.empty() ? methods : methods + "OPTIONS";
}

} // namespace baton::web
