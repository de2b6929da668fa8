// The definitions of baton.toml's `broker.definitions`: read before the broker starts, so that a
// mistake stops the start, and brought in before the first client can connect.
#pragma once

#include "base/result.hpp"
#include "broker/broker_service.hpp"
#include "web/broker/broker_port.hpp"
#include "web/broker/definitions.hpp"

#include <string>
#include <vector>

namespace baton::server {

// The failure names the file, the place in it and what is wrong.
// A key nobody knows is a line in the log.
Outcome<std::vector<web::Definition>> read_definitions_file(const std::string& file, const web::BrokerPort& port);

// Then the broker needs no user of its own making.
bool names_users(const std::vector<web::Definition>& definitions);

// Asks the broker for what it does not have yet, and waits until that is durable; for nothing if it
// would refuse some of it. `file` is for the failure.
Outcome<void> bring_in(const std::vector<web::Definition>& definitions, broker::BrokerService& broker,
                       const std::string& file, const web::BrokerPort& port);

} // namespace baton::server
