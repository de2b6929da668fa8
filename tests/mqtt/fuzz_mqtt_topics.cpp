// Fuzz target: topics and filters: the map to AMQP is its own inverse, what meets what agrees with
// a naive matcher, and a topic that meets a filter is a topic.
#include "mqtt/topic.hpp"
#include "tests/mqtt/naive_match.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace baton::mqtt;

void check_text(std::string_view text) {
    if (to_topic(to_key(text)) != text || to_key(to_topic(text)) != text) std::abort();
    if (is_topic(text) && !is_filter(text)) std::abort();
    const auto shared = as_shared(text);
    if (shared.has_value() != text.starts_with("$share/")) std::abort();
    if (!shared || shared->filter.empty()) return;
    if (!is_filter(shared->filter) || shared->group.empty()) std::abort();
    if ("$share/" + std::string(shared->group) + "/" + std::string(shared->filter) != text)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t cut = std::min(text.find('\n'), text.size());
    const std::string_view filter = text.substr(0, cut);
    const std::string_view topic = text.substr(std::min(cut + 1, text.size()));
    check_text(filter);
    check_text(topic);
    const bool is_met = matches(filter, topic);
    if (!is_filter(filter) || !is_topic(topic)) return 0;
    if (is_met != test::naive_match(filter, topic)) std::abort();
    // A topic as a filter meets itself only.
    if (is_topic(filter) && is_met != (filter == topic)) std::abort();
    return 0;
}
