#include "mqtt/topic.hpp"

#include <algorithm>

namespace baton::mqtt {

namespace {

constexpr std::string_view share_prefix = "$share/";

constexpr char swapped(char one) {
    switch (one) {
    case '/':
        return '.';
    case '.':
        return '/';
    case '+':
        return '*';
    case '*':
        return '+';
    default:
        return one;
    }
}

// Takes the first level off, and its separator. False: it was the last one.
bool take_level(std::string_view& text, std::string_view& level) {
    const std::size_t end = text.find('/');
    level = text.substr(0, end);
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
    return true;
}

bool is_wildcard(char one) {
    return one == '+' || one == '#';
}

} // namespace

bool is_topic(std::string_view text) {
    return !text.empty() &&
           std::ranges::none_of(text, [](char one) { return one == '\0' || is_wildcard(one); });
}

bool is_filter(std::string_view text) {
    if (text.empty() || text.find('\0') != std::string_view::npos) return false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (!is_wildcard(text[at])) continue;
        if (at != 0 && text[at - 1] != '/') return false;
        const bool is_last = at + 1 == text.size();
        if (text[at] == '#' ? !is_last : !is_last && text[at + 1] != '/') return false;
    }
    return true;
}

bool matches(std::string_view filter, std::string_view topic) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')))
        return false;
    std::string_view wanted;
    std::string_view level;
    // '#' is the last level of a filter, so each level decides, and nothing is tried twice.
    while (true) {
        const bool filter_goes_on = take_level(filter, wanted);
        if (wanted == "#") return true;
        const bool topic_goes_on = take_level(topic, level);
        if (wanted != "+" && wanted != level) return false;
        if (!topic_goes_on) return !filter_goes_on || filter == "#";
        if (!filter_goes_on) return false;
    }
}

std::optional<Shared> as_shared(std::string_view filter) {
    if (!filter.starts_with(share_prefix)) return std::nullopt;
    filter.remove_prefix(share_prefix.size());
    Shared shared;
    if (!take_level(filter, shared.group) || shared.group.empty() ||
        std::ranges::any_of(shared.group, is_wildcard) || !is_filter(filter))
        return shared;
    shared.filter = filter;
    return shared;
}

std::string to_key(std::string_view topic) {
    std::string key(topic);
    swap_in_place(key);
    return key;
}

std::string to_topic(std::string_view key) {
    return to_key(key);
}

void swap_in_place(std::string& text) {
    std::ranges::transform(text, text.begin(), swapped);
}

} // namespace baton::mqtt
