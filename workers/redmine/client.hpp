// Redmine's REST calls as functions. Decides what an answer means for a task; knows nothing of tasks.
// The table of README.md is this file's promise. Any thread.
#pragma once

#include "workers/redmine/redmine.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <optional>

namespace baton::workers::redmine {

using http::lower;

template <typename T>
using Reply = boost::system::result<T, contract::Problem>;

// What became of a request that changes something.
struct Written {
    // The target's answer, or why there is none. 422 is not a problem here: what it means is decided
    // by looking up.
    std::optional<contract::Problem> problem;
    int status = 0;
    // It may have been done although we were not told.
    bool is_ambiguous = false;
    bool is_refused = false;            // 422
    std::vector<std::string> errors;    // Redmine's texts with 422, for people
    boost::json::object body;

    // For a request that does no harm when it is repeated: every way to fail.
    std::optional<contract::Problem> failure() const;
};

// 422 as a problem: permanent, with Redmine's texts.
contract::Problem refusal(const Written& written);

class Client {
public:
    explicit Client(const Settings& settings) : settings_(settings) {}

    // Nothing if Redmine says 404.
    Reply<std::optional<boost::json::object>> get(const std::string& path) const;
    Written post(const std::string& path, const boost::json::object& body) const;
    Written put(const std::string& path, const boost::json::object& body) const;
    Written remove(const std::string& path) const;
    // Of a file; the answer's token belongs into an issue.
    Written upload(const std::string& name, const std::string& content) const;

    // The objects of a list, page by page, until `take` says false or there are no more. `path` has a
    // query already or none. False: Redmine says 404, as it does for the members of a project that is not there.
    using Take = std::function<bool(const boost::json::object& item)>;
    Reply<bool> each_if_there(const std::string& path, std::string_view list, const Take& take) const;
    // The same of a list that every Redmine has; 404 says that it is none.
    std::optional<contract::Problem> each(const std::string& path, std::string_view list, const Take& take) const;

    const std::string& url() const { return settings_.url; }

private:
    http::Response send(std::string method, const std::string& path, std::string body,
                        std::string_view content_type) const;
    std::optional<contract::Problem> problem_of(const http::Response& response, const std::string& method,
                                                const std::string& path) const;
    contract::Problem forbidden(const std::string& method, const std::string& path) const;
    Written write(std::string method, const std::string& path, std::string body,
                  std::string_view content_type = "application/json") const;

    Settings settings_;
};

// --- reading answers --------------------------------------------------------------------------------

// Empty, 0, nothing where the field is missing or of another kind.
std::string text_of(const boost::json::object& object, std::string_view key);
std::int64_t number_of(const boost::json::object& object, std::string_view key);
const boost::json::object* object_of(const boost::json::object& object, std::string_view key);
const boost::json::array* array_of(const boost::json::object& object, std::string_view key);

} // namespace baton::workers::redmine
