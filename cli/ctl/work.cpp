#include "cli/ctl/work.hpp"

#include "base/percent.hpp"
#include "base/printable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace baton::cli::ctl {

namespace json = boost::json;

Api Work::api_as(const std::string& user, const std::string& password) const {
    server::Environment environment = environment_;
    environment.erase("BATON_PASSWORD_FILE");
    environment["BATON_USER"] = user;
    environment["BATON_PASSWORD"] = password;
    return Api(environment);
}

void Work::remark(std::string_view text) const {
    const auto formatter = arguments_.option("formatter", "table");
    if (arguments_.is_quiet() || formatter == "json" || formatter == "csv") return;
    fmt::print("{}\n", printable(text, LineEnds::kept));
}

void Work::fail(int code, std::string_view text) {
    std::fflush(stdout);
    fmt::print(stderr, "Error:\n{}\n", printable(text, LineEnds::kept));
    exit_code_ = code;
}

void Work::fail_usage(std::string_view text) {
    std::fflush(stdout);
    std::string given;
    for (const auto& argument : arguments_.given) given += " " + argument;
    fmt::print(stderr, "Error (argument validation): {}\nArguments given:\n\t{}\n\nUsage\n\n{}\n", text,
               given.empty() ? given : given.substr(1), usage_);
    exit_code_ = ctl_usage;
}

void Work::fail_as(const Answer& answer) {
    int code = ctl_software;
    if (answer.status == 400 || answer.status == 404 || answer.status == 409) code = ctl_data;
    if (answer.status == 401 || answer.status == 403) code = ctl_no_permission;
    if (answer.status == 501 || answer.status == 503) code = ctl_unavailable;
    if (answer.status == 401 && answer.body.is_object() && answer.body.as_object().contains("error") &&
        answer.body.as_object().at("error") == "unauthorized")
        return fail(code, "the server refused user and password; set BATON_USER and BATON_PASSWORD");
    const bool may_lack_vhost = (answer.status == 400 || answer.status == 404) && arguments_.has("vhost");
    if (may_lack_vhost && !has_vhost()) return;
    fail(code, answer.reason());
}

bool Work::has_vhost() {
    const auto answer = ask(api_.get(in_vhost("vhosts")));
    if (!answer) return false;
    if (answer->status == 404) fail(ctl_data, fmt::format("Virtual host '{}' does not exist", arguments_.vhost()));
    return answer->status != 404;
}

std::optional<Answer> Work::ask(Outcome<Answer> answer) {
    if (answer) return std::move(*answer);
    fail(ctl_unavailable, answer.error().detail);
    return std::nullopt;
}

std::optional<json::value> Work::get(const std::string& path) {
    auto answer = ask(api_.get(path, std::max(arguments_.timeout(list_limit), std::chrono::seconds{1})));
    if (!answer) return std::nullopt;
    if (answer->is_good()) return std::move(answer->body);
    fail_as(*answer);
    return std::nullopt;
}

bool Work::put(const std::string& path, const json::value& body) {
    const auto answer = ask(api_.put(path, body));
    if (answer && !answer->is_good()) fail_as(*answer);
    return answer && answer->is_good();
}

bool Work::post(const std::string& path, const json::value& body) {
    const auto answer = ask(api_.post(path, body));
    if (answer && !answer->is_good()) fail_as(*answer);
    return answer && answer->is_good();
}

bool Work::remove(const std::string& path, const std::string& reason) {
    const auto answer = ask(api_.remove(path, reason));
    if (answer && !answer->is_good()) fail_as(*answer);
    return answer && answer->is_good();
}

std::string Work::in_vhost(std::string_view kind) const {
    return fmt::format("/api/{}/{}", kind, percent_encoded(arguments_.vhost()));
}

} // namespace baton::cli::ctl
