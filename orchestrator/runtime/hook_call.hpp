// A request to a webhook, as it came from outside, and what became of it. Nobody knows who sent it.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

struct HookCall {
    std::string path;                           // behind /baton/v1/hooks/
    std::map<std::string, std::string> headers; // by names in small letters
    std::map<std::string, std::string> query;
    std::string body;
    std::string address; // of the sender, for the log
};

struct HookAnswer {
    enum class Kind : std::uint8_t {
        started, // or found, when it came before
        ignored, // `when` says that it is not meant
        refused, // whoever sends does not show the secret, or there is no such hook; nobody outside
                 // is told which
        unfit,   // of a known sender: the input does not fit the workflow
        busy,    // the same may be sent again in a moment
    };
    struct Run {
        std::string run;
        std::string workflow;
        bool is_new = true;
    };
    Kind kind = Kind::refused;
    std::vector<Run> runs;
    std::string reason; // for a known sender
};

using HookReply = std::function<void(HookAnswer)>;

} // namespace baton::orchestrator::runtime
