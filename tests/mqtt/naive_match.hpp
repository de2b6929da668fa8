// MQTT 5.0 §4.7 as it is written, level by level, slow: what the fast one is compared with.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::mqtt::test {

inline std::vector<std::string> levels_of(std::string_view text) {
    std::vector<std::string> levels(1);
    for (const char one : text) {
        if (one == '/')
            levels.emplace_back();
        else
            levels.back().push_back(one);
    }
    return levels;
}

inline bool naive_levels_match(std::span<const std::string> filter,
                               std::span<const std::string> topic) {
    if (filter.empty()) return topic.empty();
    // Any number of levels from here on, its parent included.
    if (filter.front() == "#") return true;
    if (topic.empty()) return false;
    if (filter.front() != "+" && filter.front() != topic.front()) return false;
    return naive_levels_match(filter.subspan(1), topic.subspan(1));
}

inline bool naive_match(std::string_view filter, std::string_view topic) {
    const auto wanted = levels_of(filter);
    if (topic.starts_with('$') && (wanted.front() == "#" || wanted.front() == "+")) return false;
    return naive_levels_match(wanted, levels_of(topic));
}

} // namespace baton::mqtt::test
