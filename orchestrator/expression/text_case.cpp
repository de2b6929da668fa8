// Case by ranges of Unicode's tables rather than by the tables themselves, which are 100 times
// larger.
#include "orchestrator/expression/text_case.hpp"

namespace baton::orchestrator::expression {

namespace {

// Capitals from `first` to `last`, `step` apart, have their small letters `distance` further on.
struct Range {
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t step;
    std::uint32_t distance;
};

constexpr Range ranges[] = {
    {'A', 'Z', 1, 32},       {0x00c0, 0x00d6, 1, 32}, // Latin-1
    {0x00d8, 0x00de, 1, 32}, {0x0100, 0x012e, 2, 1},  // Latin Extended-A; 0130 and 0131 are the
                                                      // Turkish i
    {0x0132, 0x0136, 2, 1},  {0x0139, 0x0147, 2, 1},  {0x014a, 0x0176, 2, 1},
    {0x0179, 0x017d, 2, 1},  {0x0386, 0x0386, 1, 38}, // Greek
    {0x0388, 0x038a, 1, 37}, {0x038c, 0x038c, 1, 64}, {0x038e, 0x038f, 1, 63},
    {0x0391, 0x03a1, 1, 32}, {0x03a3, 0x03ab, 1, 32}, {0x0400, 0x040f, 1, 80}, // Cyrillic
    {0x0410, 0x042f, 1, 32}, {0x0460, 0x0480, 2, 1},  {0x048a, 0x04be, 2, 1},
    {0x04d0, 0x052e, 2, 1},  {0x0531, 0x0556, 1, 48}, // Armenian
    {0x1e00, 0x1e94, 2, 1},                           // Latin Extended Additional
    {0x1ea0, 0x1efe, 2, 1},
};

} // namespace

std::uint32_t lower_case(std::uint32_t code_point) {
    if (code_point == 0x0178) return 0x00ff; // its small letter is in Latin-1
    for (const Range& range : ranges)
        if (code_point >= range.first && code_point <= range.last &&
            (code_point - range.first) % range.step == 0)
            return code_point + range.distance;
    return code_point;
}

std::uint32_t upper_case(std::uint32_t code_point) {
    if (code_point == 0x00ff) return 0x0178;
    if (code_point == 0x03c2) return 0x03a3; // sigma at the end of a word
    for (const Range& range : ranges) {
        if (code_point < range.first + range.distance || code_point > range.last + range.distance)
            continue;
        const std::uint32_t capital = code_point - range.distance;
        if ((capital - range.first) % range.step == 0) return capital;
    }
    return code_point;
}

} // namespace baton::orchestrator::expression
