// What differs between two texts, line by line, as people read it. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace baton::web {

struct DiffLine {
    char op = ' ';          // ' ' in both, '-' only here, '+' only there
    std::uint32_t here = 0; // the line's number, from 1; 0: it is not there
    std::uint32_t there = 0;
    std::string_view text{};
};

// The longest lines in common stay (Myers 1986: the greedy algorithm). Of texts that have next to
// nothing in common all lines of the one go and all of the other come. The lines look into the
// texts.
std::vector<DiffLine> diff_of(std::string_view here, std::string_view there);

} // namespace baton::web
