// What a furnished sandbox begins with, so that the workflows that ship run in it as they are: the
// Redmine project "ops" and Slack's channel "#oncall". Idempotent; lives on the sandbox's thread, or
// before it starts.
#pragma once

#include "sandbox/room.hpp"

namespace baton::sandbox {

// Does nothing unless the options ask for it.
void furnish(Room& room);

} // namespace baton::sandbox
