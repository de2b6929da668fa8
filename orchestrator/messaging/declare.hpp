// Declaring what the contract names. A thing that exists with other arguments is used as it is,
// with a warning: refusing to work would help nobody.
#pragma once

#include "amqp/client/connection.hpp"
#include "base/result.hpp"
#include "contract/topology.hpp"
#include "net/awaitable.hpp"

#include <memory>
#include <vector>

namespace baton::orchestrator::messaging {

// `channel` is replaced when a refused declaration closed it; null: opened first.
net::Awaitable<Outcome<void>> declare_all(amqp::client::Connection& connection,
                                          std::shared_ptr<amqp::client::Channel>& channel,
                                          std::vector<contract::Declaration> declarations);

} // namespace baton::orchestrator::messaging
