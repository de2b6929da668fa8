// Topic names and filters (MQTT 5.0 §4.7), and how they stand in AMQP: a topic exchange has '.'
// between levels and
// '*' for one of them. '/' and '.' change places, and '+' and '*': the map is its own inverse, so
// that nothing that goes from MQTT to MQTT is changed, dots included.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::mqtt {

// Not empty, no wildcard, no U+0000; UTF-8 is checked by the reader.
bool is_topic(std::string_view text);
// Wildcards where they may stand: '#' as the whole last level, '+' as a whole one.
bool is_filter(std::string_view text);

// Does a filter without "$share" meet a topic? '#' and '+' at the beginning do not meet topics that
// begin with '$' (§4.7.2); '#' meets its parent level, too.
bool matches(std::string_view filter, std::string_view topic);

// "$share/group/filter" in its parts; nothing: it is none. A broken one (no group, wildcards in it,
// no filter) has an empty `filter`.
struct Shared {
    std::string_view group;
    std::string_view filter;
};
std::optional<Shared> as_shared(std::string_view filter);

// A topic or filter as routing key or binding key, and back.
std::string to_key(std::string_view topic);
std::string to_topic(std::string_view key);
void swap_in_place(std::string& text);

} // namespace baton::mqtt
