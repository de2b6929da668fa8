// The client of a running server's HTTP API, used by every verb that talks to a server. Blocking;
// one thread. Secrets come from the environment: BATON_URL, BATON_USER, BATON_PASSWORD(_FILE), BATON_CA_FILE.
#pragma once

#include "base/result.hpp"
#include "server/config.hpp"

#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace baton::cli {

struct Answer {
    unsigned status = 0;
    boost::json::value body; // null if the server sent none
    bool is_good() const { return status >= 200 && status < 300; }
    // The server's "reason", or the status in words.
    std::string reason() const;
};

class Api {
public:
    // Reads BATON_URL and its companions; the default is http://127.0.0.1:15672 as guest.
    explicit Api(const server::Environment& environment);

    // Failure: the server is out of reach (exit code 3). An Answer with any status is an answer.
    Outcome<Answer> get(const std::string& path, std::chrono::seconds limit = std::chrono::seconds{30});
    Outcome<Answer> post(const std::string& path, const boost::json::value& body,
                         std::chrono::seconds limit = std::chrono::seconds{60});
    // The same with a body that is JSON already, or claims to be.
    Outcome<Answer> post_text(const std::string& path, const std::string& body, std::chrono::seconds limit);
    Outcome<Answer> put(const std::string& path, const boost::json::value& body);
    // `reason` is for the one whose connection ends.
    Outcome<Answer> remove(const std::string& path, const std::string& reason = {});

    const std::string& url() const { return url_; }

    // Asked while a request waits; true gives it up. May be empty.
    std::function<bool()> is_interrupted;

private:
    Outcome<Answer> send(const char* method, const std::string& path, const std::string* body,
                         std::chrono::seconds limit, const std::string& reason = {});

    std::string url_;
    std::string user_;
    std::string password_;
    std::string authorities_; // a PEM file; empty: those of the system
    std::string problem_; // why nothing can be asked; empty: none
    std::shared_ptr<void> handle_; // libcurl's, made on first use
};

} // namespace baton::cli
