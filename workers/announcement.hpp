// What a worker says about itself on baton.announce when it has connected: one message a task type, whose
// routing key is the type. For catalogues and tools that bind a queue of their own; nobody has to listen. Pure.
#pragma once

#include "workers/handler.hpp"

#include <string>
#include <string_view>

namespace baton::workers {

// {"task", "worker", "version", "queue", "parameters", "result"}; what is not known is left out.
std::string announcement_of(const Handler& handler, std::string_view worker, std::string_view queue);

} // namespace baton::workers
