// What a server answered to a request that came with an Idempotency-Key, kept so that the same
// request asked again is answered and not done again. A row is there before the act begins; one
// without an answer is of an act that goes on, or of a server that ended within it.
#pragma once

#include "base/clock.hpp"

#include <string>

namespace baton::orchestrator::runtime {

struct KeptAnswer {
    std::string name;        // whose key it is: the user, and the key
    std::string fingerprint; // of the request
    std::string owner;       // of who began it; no two beginnings have the same
    Time at{};               // when it was begun
    unsigned status = 0;     // of HTTP; 0: not answered
    std::string body;
};

} // namespace baton::orchestrator::runtime
