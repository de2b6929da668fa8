// Which function answers which method and path. Patterns are written as paths whose parameters are
// in braces: "/api/runs/{run}/cancel". Built once at start, read-only afterwards.
#pragma once

#include "web/http_server.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

using Parameters = std::map<std::string, std::string>;
using RouteHandler = std::function<boost::asio::awaitable<Response>(Request, Parameters)>;

class Routes {
public:
    void add(std::string method, std::string_view pattern, RouteHandler handler);

    struct Match {
        const RouteHandler* handler = nullptr; // null: nothing fits
        Parameters parameters;
        bool path_exists = false; // true with a null handler: the method is wrong (405)
    };
    // `path` is percent-encoded; parameters come out decoded.
    Match find(std::string_view method, std::string_view path) const;
    // "GET, HEAD, OPTIONS"; empty: nothing fits.
    std::string methods_of(std::string_view path) const;

private:
    struct Route {
        std::string method;
        std::vector<std::string> segments;
        RouteHandler handler;
    };
    std::vector<Route> routes_;
};

} // namespace baton::web
