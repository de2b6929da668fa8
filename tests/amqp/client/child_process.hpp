// Programs that tests start: each in a process group of its own, ended by its id.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace baton::tests {

// Standard output and error go into the file `log`.
pid_t spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const std::string& log);

// Asks the group to end, insists after ten seconds, and waits for the child. Nothing for -1.
void end_group(pid_t group);

} // namespace baton::tests
