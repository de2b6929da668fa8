// What a program asks of the server over AMQP, and what it is told; see messaging/requests.hpp.
#pragma once

#include "base/trace.hpp"

#include <functional>
#include <string>

namespace baton::orchestrator {

struct Request {
    std::string name; // the routing key: "run.start"
    std::string user; // as the broker vouches for; empty: the message names none
    std::string id;   // its message_id or correlation_id: the same when it comes again; may be empty
    std::string body;
    trace::Given trace{};
    bool waits = false; // for the end of what it begins: header baton-wait
    std::string unfit;  // why its headers say nothing sensible; empty: they do
};

struct Answer {
    std::string kind; // the message's type: "answer", "closed"
    unsigned status = 0;
    std::string body; // JSON
};

// Called on a thread of the service. `answer` may be called on any thread, once or several times, as long as the
// service exists.
using OnRequest = std::function<void(Request request, std::function<void(Answer)> answer)>;

} // namespace baton::orchestrator
