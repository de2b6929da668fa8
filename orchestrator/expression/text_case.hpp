// Upper and lower case of letters beyond ASCII. Private to this room.
#pragma once

#include <cstdint>

namespace baton::orchestrator::expression {

// One character for one character: Latin, Greek, Cyrillic and Armenian. "ß" stays, as its capital
// is two letters. No locale is asked.
std::uint32_t lower_case(std::uint32_t code_point);
std::uint32_t upper_case(std::uint32_t code_point);

} // namespace baton::orchestrator::expression
