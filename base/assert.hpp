// BATON_ASSERT and BATON_UNREACHABLE: an invariant of our own that is broken ends the process, in
// every build. Never used for what a peer, a file or a person can cause.
#pragma once

namespace baton {

// Prints expression, place and message to standard error and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line,
                                   const char* message);

} // namespace baton

#define BATON_ASSERT(condition, message)                                                           \
    (static_cast<bool>(condition)                                                                  \
         ? static_cast<void>(0)                                                                    \
         : ::baton::assertion_failed(#condition, __FILE__, __LINE__, message))

#define BATON_UNREACHABLE(message)                                                                 \
    ::baton::assertion_failed("unreachable", __FILE__, __LINE__, message)
