// The token of an attempt, opaque to workers: "<run>/<path>#<attempt>.<mac>", an undo has ":undo"
// behind its path. The MAC (HMAC-SHA-256 with the store's secret, 20 hex digits) keeps others from
// reporting for tasks they were never given.
#pragma once

#include "orchestrator/core/event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::orchestrator::messaging {

struct TaskToken {
    std::string run_id;
    core::AttemptRef ref;
};

std::string encode_token(const TaskToken& token, std::string_view secret);
// Nothing when it is none of ours.
std::optional<TaskToken> decode_token(std::string_view text, std::string_view secret);

// The same kind of MAC for other texts of ours.
std::string mac_of(std::string_view text, std::string_view secret);
bool is_mac_of(std::string_view mac, std::string_view text, std::string_view secret);

} // namespace baton::orchestrator::messaging
