// Which dead letters are of one cause: those that agree in task, error type, reason and the error's
// detail with its numbers, ids and quoted texts folded away, so that "user 17 unknown" and "user 18
// unknown" are one. The stores keep the key beside the letter when they add it. Pure functions.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::runtime {

// As a group shows it: every word with a digit in it and every address is "#", every quoted text "'…'",
// and white space is one blank. Only the beginning of a long text counts. What is no UTF-8 becomes U+FFFD.
std::string folded(std::string_view detail);

// The detail of a letter's error, or its title where it has none.
std::string detail_of(const DeadLetter& letter);

// 16 hexadecimal digits.
std::string cause_of(const DeadLetter& letter);

} // namespace baton::orchestrator::runtime
