// Slack's Web API and its SCIM API as calls with an answer that has been understood. Methods that read are
// GET, methods that write POST a form, as Slack's published description has them. Any thread.
#pragma once

#include "workers/handler.hpp"
#include "workers/slack/slack.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::workers::slack {

using Fields = std::vector<std::pair<std::string, std::string>>;
template <typename T>
using Reply = boost::system::result<T, contract::Problem>;

// Of a channel, a group or a file.
struct Id {
    std::string value = {};                      // empty: there is none
};

// The app's own token, or the one that may manage people.
enum class As { app, administrator };

// An answer of Slack: its body if well, its word if not.
struct Said {
    boost::json::object body = {};
    std::string error = {};                      // Slack's word; empty: well, or no answer at all
    std::optional<contract::Problem> problem = {};
    // The request may have had its effect though nobody says so. Look before you repeat it.
    bool may_have_happened = false;
    std::vector<std::string> warnings = {};
    int status = 0;                              // of HTTP
};

class Client {
public:
    explicit Client(const Settings& settings) : settings_(settings) {}

    Said write(std::string_view method, const Fields& fields, As as = As::app) const;
    Said read(std::string_view method, const Fields& fields, As as = As::app) const;
    // SCIM 2.0: "POST", "/Users", a resource. A refusal has its status and no word.
    Said scim(const std::string& verb, const std::string& path, const boost::json::value& resource = nullptr) const;
    // Plain bytes to a URL that Slack gave; and a message to an incoming webhook. Neither gets a token.
    Said upload(const std::string& url, const std::string& content) const;
    Said tell_webhook(const boost::json::object& message) const;

private:
    Settings settings_;
};

// The problem of a call that was not well. What may have had its effect is an attempt, whatever was answered: the next
// one must know that it is not the first.
contract::Problem counted(const Said& said);

// Empty if it is not there or no text.
std::string text_of(const boost::json::object& object, std::string_view key);
bool flag_of(const boost::json::object& object, std::string_view key);
const boost::json::object& object_of(const boost::json::object& object, std::string_view key);   // empty if none
const boost::json::array& list_of(const boost::json::object& object, std::string_view key);      // empty if none
std::string cursor_of(const boost::json::object& body);

} // namespace baton::workers::slack
