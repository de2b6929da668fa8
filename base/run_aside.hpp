// A thread that nobody waits for: for a call of the operating system that cannot be ended. It may outlive everything but
// what its body owns.
#pragma once

#include <functional>
#include <string>

namespace baton {

// `name` and exceptions: as in thread.hpp.
void run_aside(std::string name, std::function<void()> body);

} // namespace baton
