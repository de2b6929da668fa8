// Which function answers which method and path. Patterns are written as paths whose parameters are
// in braces: "/api/runs/{run}/cancel". Every route says what it asks of its user. Built once at start, read-only afterwards.
#pragma once

#include "web/http/http_server.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

using Parameters = std::map<std::string, std::string>;
using RouteHandler = std::function<boost::asio::awaitable<Response>(Request, Parameters)>;

class Routes {
public:
    // `query`: the parameters that it reads, for routes that refuse others (Baton's own).
    void add(std::string method, std::string_view pattern, Level level, RouteHandler handler,
             std::vector<std::string> query = {});

    struct Match {
        const RouteHandler* handler = nullptr; // null: nothing fits
        Parameters parameters;
        Level level = Level::administrator;
        std::string_view pattern; // lives as long as the routes, like `query`
        std::span<const std::string> query;
        bool path_exists = false; // true with a null handler: the method is wrong (405)
    };
    // `path` is percent-encoded; parameters come out decoded.
    Match find(std::string_view method, std::string_view path) const;
    // "GET, HEAD, OPTIONS"; empty: nothing fits.
    std::string methods_of(std::string_view path) const;

    // The function of a route, named by its pattern; null: there is none. For a second way to it.
    RouteHandler handler_of(std::string_view method, std::string_view pattern) const;

    // Every route, for tests and lists.
    struct Entry {
        std::string method;
        std::string pattern;
        Level level;
    };
    std::vector<Entry> all() const;

private:
    struct Route {
        std::string method;
        std::string pattern;
        std::vector<std::string> segments;
        Level level;
        RouteHandler handler;
        std::vector<std::string> query;
    };
    std::vector<Route> routes_;
};

// Adds members of an object as handlers.
template <typename Object>
class RouteAdder {
public:
    using Member = boost::asio::awaitable<Response> (Object::*)(Request, Parameters);

    RouteAdder(Routes& routes, std::shared_ptr<Object> object)
        : routes_(routes), object_(std::move(object)) {}

    void operator()(const char* method, std::string_view pattern, Level level, Member member,
                    std::vector<std::string> query = {}) const {
        const auto answer = [object = object_, member](Request request, Parameters parameters) {
            return (object.get()->*member)(std::move(request), std::move(parameters));
        };
        routes_.add(method, pattern, level, answer, std::move(query));
    }

private:
    Routes& routes_;
    std::shared_ptr<Object> object_;
};

} // namespace baton::web
