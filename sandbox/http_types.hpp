// A request and its reply as the sandbox's stand-ins see them: plain values, no socket in sight.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace baton::sandbox {

struct Request {
    std::string method;                          // "GET", "POST", ...
    std::string path;                            // without query, percent-decoded, below the prefix
    std::map<std::string, std::string> query;    // decoded; a repeated key keeps its last value
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;

    std::string_view header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string_view{} : std::string_view{found->second};
    }
};

struct Reply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json; charset=utf-8";
    std::map<std::string, std::string> headers = {};
};

// "a=1&b=x%20y" as sent in a query or a form body; '+' is a space, broken escapes stay as they are.
std::map<std::string, std::string> parse_form(std::string_view text);
std::string percent_decoded(std::string_view text, bool plus_is_space);

} // namespace baton::sandbox
