// What a trigger gives the run that it starts.
#pragma once

#include "base/result.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/expression/value.hpp"

namespace baton::orchestrator::core {

// `event` of a cron trigger: the nominal time, and the trigger's name.
expression::Value cron_event(const Trigger& trigger, Time nominal);

// The failure's detail says which value of `input` could not be made.
Outcome<Document> trigger_input(const Workflow& workflow, const Trigger& trigger,
                                const expression::Value& event);

} // namespace baton::orchestrator::core
