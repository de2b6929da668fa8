// What a delivery to a webhook is to the trigger: the `event` that its expressions read, and what
// names it.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/expression/value.hpp"
#include "orchestrator/hook/sender.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::hook {

struct Delivery {
    Headers headers; // those that may be read
    std::map<std::string, std::string> query;
    std::string_view body;
};

// event.trigger, .headers, .query, .body: JSON as what it says, a form as its fields, else text.
// The failure says what is wrong with a body that claims to be JSON.
Outcome<expression::Value> event_of(const core::Trigger& trigger, const Delivery& delivery);

// Names the run of this delivery. What is signed without a time is named by what is signed, unless
// `id` says better: so nobody who saw it can make it count again. Nothing: each delivery is one of
// its own.
Outcome<std::optional<std::string>> start_key(const core::Workflow& workflow,
                                              const core::Trigger& trigger,
                                              const expression::Value& event,
                                              std::string_view body);

} // namespace baton::orchestrator::hook
