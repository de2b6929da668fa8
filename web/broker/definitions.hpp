// Definitions: everything of a broker but its messages, in RabbitMQ's JSON, so that the file of one
// can be brought into the other. Pure functions; who applies what they say is somebody else.
#pragma once

#include "base/result.hpp"
#include "broker/core/event.hpp"
#include "broker/core/overview.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

struct BrokerPort;

// What to look at for definitions_json(), missing_in() and complaints_about().
broker::core::OverviewWish definitions_wish(const std::optional<std::string>& vhost);

// With a virtual host: only its parameters, policies, queues, exchanges and bindings, as RabbitMQ
// does. Exclusive queues, predeclared exchanges and Baton's own user are left out.
boost::json::object definitions_json(const broker::core::Overview& overview, const BrokerPort& port,
                                     const std::optional<std::string>& vhost);

// One thing that a file asks for.
struct Definition {
    std::string place; // "queues[3] 'orders'"
    broker::core::AdministrationRequest wish;
    std::string password = {}; // of a user whose file has it in plain text
};

struct Definitions {
    std::vector<Definition> wanted; // in an order in which everything finds what it needs
    // Keys of the file that nobody knows, which may come from a newer RabbitMQ. One that looks like a
    // mistyped section is a mistake instead.
    std::vector<std::string> unknown_keys;
};

// The failure names the place and the reason; nothing is asked for then. With a virtual host: all
// entries belong to it.
Outcome<Definitions> read_definitions(std::string_view text, const BrokerPort& port,
                                      const std::optional<std::string>& vhost);

// Without what is there already. Queues and exchanges that exist stay as they are, whatever the
// file says about them, as in RabbitMQ.
std::vector<Definition> missing_in(std::vector<Definition> definitions, const broker::core::Overview& known,
                                   const BrokerPort& port);

// What the broker would refuse, each with its place, found before it is asked for anything: one wrong
// entry must not leave half a file behind. Only what depends on more than `known` is left to the
// broker: limits, and whether something is bound in a circle.
// Parameters of anything else would be kept for nobody.
bool is_known_component(std::string_view name);

std::vector<std::string> complaints_about(const std::vector<Definition>& wanted,
                                          const broker::core::Overview& known);

// A binding may name something that is not there: RabbitMQ's exports leave out internal exchanges.
// Such a binding is passed over.
bool may_be_passed_over(const Definition& definition, const broker::core::Answer& answer);

} // namespace baton::web
