// Redmine's REST calls as functions. Decides what an answer means for a task; knows nothing of tasks.
// Any thread.
#pragma once

#include "workers/redmine/redmine.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>

namespace baton::workers::redmine {

template <typename T>
using Reply = boost::system::result<T, contract::Problem>;

struct User {
    std::int64_t id = 0;
    std::string login;
    std::string mail;
};

// What became of a request that changes something.
struct Written {
    // The target's answer, or why there is none. 422 is not a problem here: what it means is decided
    // by looking up.
    std::optional<contract::Problem> problem;
    int status = 0;
    // It may have been done although we were not told.
    bool is_ambiguous = false;
    bool is_refused = false;            // 422
    std::string errors;                 // Redmine's texts with 422, for people
    boost::json::object body;
};

class Client {
public:
    explicit Client(const Settings& settings) : settings_(settings) {}

    // With the very login, whatever its status; the oldest if there are several.
    Reply<std::optional<User>> find_by_login(std::string_view login) const;
    Reply<std::optional<User>> find_by_mail(std::string_view mail) const;
    Reply<std::vector<User>> all_with_login(std::string_view login) const;

    // Nothing if the status is 404.
    Reply<std::optional<boost::json::object>> get(const std::string& path) const;
    Written post(const std::string& path, const boost::json::object& body) const;
    Written put(const std::string& path, const boost::json::object& body) const;
    Written remove(const std::string& path) const;

private:
    Reply<std::vector<User>> users_named(std::string_view text) const;
    http::Response send(std::string method, const std::string& path, std::string body) const;
    std::optional<contract::Problem> problem_of(const http::Response& response) const;
    Written write(std::string method, const std::string& path, const boost::json::object& body) const;

    Settings settings_;
};

using http::lower;

} // namespace baton::workers::redmine
