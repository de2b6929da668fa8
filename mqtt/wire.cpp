#include "mqtt/wire.hpp"

#include "base/utf8.hpp"

namespace baton::mqtt {

bool is_wire_text(std::string_view text) {
    // Most of it is ASCII: eight characters at a time, each of 0x01 to 0x7F.
    std::uint64_t word = 0;
    while (text.size() >= sizeof word) {
        std::memcpy(&word, text.data(), sizeof word);
        if (((word | (word - 0x0101010101010101)) & 0x8080808080808080) != 0) break;
        text.remove_prefix(sizeof word);
    }
    while (!text.empty() && static_cast<signed char>(text.front()) > 0)
        text.remove_prefix(1);
    return text.empty() || (is_utf8(text) && text.find('\0') == std::string_view::npos);
}

} // namespace baton::mqtt
