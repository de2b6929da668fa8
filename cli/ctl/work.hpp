// What a word works with: its arguments, the server, and how to say things. One per call of
// `baton ctl`; one thread.
#pragma once

#include "cli/api.hpp"
#include "cli/ctl/arguments.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace baton::cli::ctl {

// rabbitmqctl's, which are those of sysexits.h.
enum CtlExit : int {
    ctl_done = 0,
    ctl_usage = 64,       // the command line is wrong
    ctl_data = 65,        // what it names is not there, or the server refused what it says
    ctl_no_user = 67,     // there is no such user
    ctl_unavailable = 69, // no server answers, or it cannot now
    ctl_software = 70,    // it exists already, or the server failed
    ctl_late = 75,        // not within the time limit
    ctl_no_permission = 77, // the server refused the user
};

class Work {
public:
    Work(const server::Environment& environment, Arguments given, std::string usage_line)
        : environment_(environment), api_(environment), arguments_(std::move(given)),
          usage_(std::move(usage_line)) {}

    const Arguments& arguments() const { return arguments_; }
    const std::string& value(std::size_t index) const { return arguments_.values.at(index); }
    // How the word is written, for complaints about arguments.
    const std::string& usage() const { return usage_; }
    Api& api() { return api_; }
    // As somebody else.
    Api api_as(const std::string& user, const std::string& password) const;

    int exit_code() const { return exit_code_; }

    // A remark like "Adding user …"; not with --quiet, and not in front of JSON or CSV.
    void remark(std::string_view text) const;
    // "Error:" and the text, to standard error.
    void fail(int code, std::string_view text);
    // The same for the command line, with the usage.
    void fail_usage(std::string_view text);

    // How long an answer may take without --timeout.
    static constexpr std::chrono::seconds list_limit{60};

    // --- Requests; nothing after having failed ---
    std::optional<boost::json::value> get(const std::string& path);
    bool put(const std::string& path, const boost::json::value& body);
    bool post(const std::string& path, const boost::json::value& body);
    bool remove(const std::string& path, const std::string& reason = {});
    // For words that know better what a 404 means.
    std::optional<Answer> ask(Outcome<Answer> answer);
    // Of a virtual host that is not there it says so, whatever the answer says.
    void fail_as(const Answer& answer);
    // That of --vhost; false after having said that it is not there.
    bool has_vhost();

    // /api/KIND/VHOST of the option --vhost.
    std::string in_vhost(std::string_view kind) const;

private:
    const server::Environment& environment_;
    Api api_;
    Arguments arguments_;
    std::string usage_;
    int exit_code_ = ctl_done;
};

} // namespace baton::cli::ctl
