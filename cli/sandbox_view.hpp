// What `baton sandbox --show`, --fault, --heal and --free-ports do.
#pragma once

#include "cli/verbs.hpp"

#include <string>

namespace baton::cli {

void show_sandbox(Session& session, bool as_json);
// `fault` is CALL=ERROR, `heal` a call; one of them is empty.
void set_sandbox_fault(Session& session, const std::string& fault, const std::string& heal);
// Ports of 127.0.0.1 that are free just now, on one line.
void print_free_ports(Session& session, unsigned count);

} // namespace baton::cli
