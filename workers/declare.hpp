// Declares the contract's topology on a connection. Where somebody else declared a queue with other
// arguments, or the user may not declare, what is there is taken as it is.
#pragma once

#include "amqp/client/connection.hpp"
#include "contract/topology.hpp"

namespace baton::workers {

net::Awaitable<Outcome<void>> declare_task(amqp::client::Connection& connection, std::string key);

} // namespace baton::workers
