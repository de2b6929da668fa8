// What messages begin: the runs that an event starts, and the one of a request to the exchange
// baton.rpc. Pure.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::messaging {

using LiveWorkflows = std::vector<std::shared_ptr<const core::Workflow>>;

// Of each workflow that wants it; a run is named by the event, so that one which comes twice begins
// once.
struct EventStarts {
    std::vector<runtime::StartRequest> starts;
    std::vector<std::string> complaints; // of workflows that want it and cannot take it
};
EventStarts starts_of(const LiveWorkflows& live, const runtime::IncomingEvent& event);

struct RpcCall {
    std::string name;
    std::string user; // whom the broker vouches for; empty: the message names nobody
    std::string id; // its message_id; this, correlation_id and reply_to are the same when it comes
                    // again
    std::string correlation_id;
    std::string reply_to; // empty: nobody waits
    std::string body;
    trace::Given trace{}; // that who calls is in
};

// Who answers a name: an [[on]] rpc of a live workflow.
struct Answering {
    std::shared_ptr<const core::Workflow> workflow;
    const core::Trigger* trigger = nullptr; // of it
};

// The failure is the engine's: unknown_workflow where nobody has the name, refused where several
// do.
Outcome<Answering> answering(const LiveWorkflows& live, std::string_view name);

// The run is named by the request, so that one which comes twice begins once, and knows whom it
// answers until when. Fails with bad_input.
Outcome<runtime::StartRequest> start_of(const Answering& one, const RpcCall& call, Time now);

} // namespace baton::orchestrator::messaging
