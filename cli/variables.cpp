#include "cli/variables.hpp"

#include "orchestrator/definition/complaints.hpp"
#include "workers/settings.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace baton::cli {
namespace {

// Every name the workers ask for, whether it is set or not.
void add_worker_variables(std::vector<std::string>& names) {
    workers::Settings ignored;
    const auto nothing_is_set = [&](std::string_view name) -> std::optional<std::string> {
        names.emplace_back(name);
        return std::nullopt;
    };
    (void)workers::apply_variables(nothing_is_set, ignored);
    (void)workers::workers_file(nothing_is_set);
}

std::vector<std::string> known_variables() {
    auto names = server::variable_names();
    add_worker_variables(names);
    for (const char* name : {"BATON_URL", "BATON_USER", "BATON_PASSWORD", "BATON_PASSWORD_FILE", "BATON_CA_FILE", "BATON_AMQP",
                             "BATON_SANDBOX_LISTEN"})
        names.emplace_back(name);
    return names;
}

// tests/ and bench/ start the executable with what is meant for themselves.
bool is_of_the_tests(std::string_view name) {
    return name == "BATON_EXE" || name == "BATON_POLICIES_AGAINST" || name.starts_with("BATON_TEST_") ||
           name.starts_with("BATON_UPDATE_") || name.starts_with("BATON_SIMULATION_") || name.starts_with("BATON_DISK_");
}

// BATON_SERVICE_HOST, BATON_SERVICE_PORT_AMQP, BATON_PORT=tcp://…, BATON_PORT_5672_TCP_ADDR: the
// addresses of services (Kubernetes) and of linked containers (Docker).
bool is_of_containers(std::string_view name, std::string_view value) {
    if (name.find("_SERVICE_HOST") != std::string_view::npos || name.find("_SERVICE_PORT") != std::string_view::npos)
        return true;
    if (name.ends_with("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://"))) return true;
    const auto port = name.find("_PORT_");
    return port != std::string_view::npos && port + 6 < name.size() && name[port + 6] >= '0' && name[port + 6] <= '9';
}

} // namespace

std::map<std::string, std::string> unknown_variables(const server::Environment& environment) {
    const auto known = known_variables();
    std::map<std::string, std::string> unknown;
    for (const auto& [name, value] : environment) {
        if (!name.starts_with("BATON_") || std::ranges::find(known, name) != known.end()) continue;
        if (is_of_the_tests(name) || is_of_containers(name, value)) continue;
        const auto hint = orchestrator::definition::did_you_mean(name, known);
        unknown[name] = hint.empty() ? "docs/operating.md and docs/workers.md list all" : hint;
    }
    return unknown;
}

} // namespace baton::cli
