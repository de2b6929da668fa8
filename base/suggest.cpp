// The nearest name by edit distance with neighbouring letters swapped (optimal string alignment).
#include "base/suggest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace baton {

namespace {

// Longer names are not compared: nobody mistypes them, and the table stays on the stack.
constexpr std::size_t compared_bytes_max = 64;

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

std::size_t distance(std::string_view a, std::string_view b) {
    using Row = std::array<std::size_t, compared_bytes_max + 1>;
    Row before_last{};
    Row last{};
    Row row{};
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + changed});
            const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                                 lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        before_last = last;
        last = row;
    }
    return last[b.size()];
}

} // namespace

std::optional<std::string_view> suggest(std::string_view name,
                                        std::span<const std::string_view> candidates) {
    if (name.empty() || name.size() > compared_bytes_max) return std::nullopt;
    const std::size_t allowed = name.size() <= 4 ? 1 : name.size() <= 8 ? 2 : 3;
    std::optional<std::string_view> nearest;
    std::size_t nearest_distance = allowed + 1;
    for (const std::string_view candidate : candidates) {
        if (candidate == name || candidate.size() > compared_bytes_max) continue;
        if (candidate.size() > name.size() + allowed) continue;
        if (name.size() > candidate.size() + allowed) continue;
        const std::size_t edits = distance(name, candidate);
        // A name that shares no letter is no mistyping: "a" is not "b".
        if (edits < nearest_distance && edits < std::max(name.size(), candidate.size())) {
            nearest = candidate;
            nearest_distance = edits;
        }
    }
    return nearest;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
    const auto nearest = suggest(name, candidates);
    if (!nearest) return {};
    return "; did you mean '" + std::string{*nearest} + "'?";
}

} // namespace baton
