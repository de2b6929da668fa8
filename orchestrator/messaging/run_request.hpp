// Runs that begin runs: what is sent to the partition of the other run, and what comes back. Both
// travel in the queues of reports, and are told by their type: "run.start", "run.cancel"; the token
// names the attempt that the run is, from which the run's own id follows, and a code over the whole
// says that it comes from us. Pure functions over values.
#pragma once

#include "amqp/client/message.hpp"
#include "amqp/properties.hpp"
#include "orchestrator/core/command.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::messaging {

// `trace` goes to the run: the span that asks for it.
amqp::client::Publication run_request_of(const core::DispatchTask& task, runtime::Partition to,
                                         std::string_view secret, const trace::Given& trace = {});
amqp::client::Publication run_request_of(const core::CancelTask& cancel, runtime::Partition to,
                                         std::string_view secret);
amqp::client::Publication report_to_parent(const core::ReportToParent& report,
                                           runtime::Partition to, std::string_view secret);

// Nothing: it does not say whom. A step of another run is answered as this is, by a report.
std::optional<amqp::client::Publication> answer_to_caller(const core::AnswerCaller& answer);

struct RunRequest {
    std::string run_id;
    core::Event event;
};
bool is_run_request(const amqp::Properties& properties);
// Nothing: it does not come from us.
std::optional<RunRequest> decode_run_request(const amqp::Properties& properties,
                                             const std::string& body, std::string_view secret);

} // namespace baton::orchestrator::messaging
