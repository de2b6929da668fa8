// The words of run states.
#include "orchestrator/core/status.hpp"

namespace baton::orchestrator::core {

std::string_view word_of(RunStatus status) {
    switch (status) {
    case RunStatus::queued:
        return "queued";
    case RunStatus::running:
        return "running";
    case RunStatus::paused:
        return "paused";
    case RunStatus::compensating:
        return "compensating";
    case RunStatus::completed:
        return "completed";
    case RunStatus::failed:
        return "failed";
    case RunStatus::cancelled:
        return "cancelled";
    case RunStatus::timed_out:
        return "timed_out";
    case RunStatus::compensated:
        return "compensated";
    }
    return "unknown";
}

std::optional<RunStatus> run_status_from(std::string_view word) {
    for (auto status = RunStatus::queued; status <= RunStatus::compensated;
         status = static_cast<RunStatus>(static_cast<int>(status) + 1))
        if (word_of(status) == word) return status;
    return std::nullopt;
}

std::string_view word_of(Phase phase) {
    switch (phase) {
    case Phase::main:
        return "step";
    case Phase::on_error:
        return "on_error";
    case Phase::at_end:
        return "finally";
    }
    return "unknown";
}

} // namespace baton::orchestrator::core
