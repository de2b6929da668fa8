#include "cli/sandbox_view.hpp"

#include "cli/api.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>
#include <vector>

namespace baton::cli {

namespace json = boost::json;

namespace {

// A sandbox asks for no password; its address is all that differs from a server.
Api sandbox_api(const Session& session) {
    auto environment = session.environment;
    const auto found = environment.find("BATON_SANDBOX_LISTEN");
    environment["BATON_URL"] = "http://" + (found == environment.end() ? std::string("127.0.0.1:15680") : found->second);
    return Api(environment);
}

std::string lines_of(const json::value& state, std::string_view collection, std::string_view title,
                     const std::vector<std::string_view>& members) {
    const auto* object = state.if_object();
    const auto* found = object == nullptr ? nullptr : object->if_contains(collection);
    std::string out = fmt::format("   {}\n", paint(Colour::bold, title));
    if (found == nullptr || !found->is_array() || found->as_array().empty()) return out + "      none\n";
    const auto& list = found->as_array();
    constexpr std::size_t shown_max = 20;
    for (std::size_t i = 0; i < list.size() && i < shown_max; ++i) {
        std::string line;
        for (const auto name : members)
            if (const auto text = member(list[i], name); !text.empty()) line += fmt::format("{}{} {}", line.empty() ? "" : "  ", name, text);
        out += fmt::format("      {}\n", line);
    }
    if (list.size() > shown_max) out += fmt::format("      and {} more\n", list.size() - shown_max);
    return out;
}

} // namespace

void show_sandbox(Session& session, bool as_json) {
    Api api = sandbox_api(session);
    const auto state = expect(session, api.get("/sandbox/state"));
    if (!state) return;
    if (as_json) return print_json(*state);
    fmt::print("{}", lines_of(*state, "mailboxes", "Mailboxes", {"username", "name"}));
    fmt::print("{}", lines_of(*state, "redmine_users", "Redmine users", {"id", "login", "mail", "status"}));
    fmt::print("{}", lines_of(*state, "slack_users", "Slack members", {"id", "email", "state"}));
}

void set_sandbox_fault(Session& session, const std::string& fault, const std::string& heal) {
    json::object request;
    if (!heal.empty()) {
        request[heal] = nullptr;
    } else {
        const auto equals = fault.find('=');
        if (equals == std::string::npos || equals == 0) {
            complain("--fault must be CALL=ERROR, for example slack.invite=user_disabled");
            session.exit_code = exit_wrong_usage;
            return;
        }
        request[fault.substr(0, equals)] = json::object{{"mode", "fail"}, {"error", fault.substr(equals + 1)}};
    }
    Api api = sandbox_api(session);
    if (const auto faults = expect(session, api.post("/sandbox/faults", request))) print_json(*faults);
}

void print_free_ports(Session& session, unsigned count) {
    std::vector<int> sockets;
    std::string line;
    for (unsigned i = 0; i < count && i < 100; ++i) {
        const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        // Held open until all are found, so that they differ.
        sockets.push_back(socket_fd);
        if (bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            complain("no free port");
            session.exit_code = exit_failed;
            break;
        }
        line += fmt::format("{}{}", line.empty() ? "" : " ", ntohs(address.sin_port));
    }
    for (const int socket_fd : sockets) close(socket_fd);
    fmt::print("{}\n", line);
}

} // namespace baton::cli
