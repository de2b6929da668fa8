// What a trigger makes of an occasion: whether it is meant, the input of the run that it starts,
// and its name.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/expression/value.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::core {

// `event` of a cron trigger: the nominal time, and the trigger's name.
expression::Value cron_event(const Trigger& trigger, Time nominal);

// Whether `when` lets it in; the failure's detail says why that cannot be said.
Outcome<bool> is_meant(const Workflow& workflow, const Trigger& trigger,
                       const expression::Value& event);

// Whether a pattern of topics fits a type: words between dots, of which * is any one and # any
// number.
bool topic_fits(std::string_view pattern, std::string_view type);
// Whether it is for an event of this type and source.
bool is_for(const EventTrigger& trigger, std::string_view type, std::string_view source);

// Whether the server answers requests of this name itself, so that no workflow may: run.start,
// workflow.deploy.
bool is_own_request(std::string_view rpc);

// Names the run that an event begins: however often it comes it has one. Of two sources one id is
// two events.
std::string start_key_of_event(const Trigger& trigger, std::string_view source,
                               std::string_view id);

// The failure's detail says which value of `input` could not be made.
Outcome<Document> trigger_input(const Workflow& workflow, const Trigger& trigger,
                                const expression::Value& event);

} // namespace baton::orchestrator::core
