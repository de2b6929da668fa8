#include "base/printable.hpp"

#include "base/utf8.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace baton {

namespace {

struct Symbol {
    std::uint32_t code = 0;
    std::size_t bytes = 0; // 0: no UTF-8
};

Symbol first_of(std::string_view text) {
    const std::size_t bytes = utf8_length(text);
    if (bytes <= 1) return {static_cast<std::uint8_t>(text[0]), bytes};
    std::uint32_t code = static_cast<std::uint8_t>(text[0]) & (0xFFu >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) code = (code << 6) | (static_cast<std::uint8_t>(text[i]) & 0x3Fu);
    return {code, bytes};
}

bool is_harmful(std::uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code <= 0x9F)    // C0, DEL, C1
           || code == 0x061C || code == 0x200E || code == 0x200F // marks of direction
           || (code >= 0x2028 && code <= 0x202E)            // separators, embeddings, overrides
           || (code >= 0x2066 && code <= 0x2069)            // isolates
           || code == 0xFEFF;                               // invisible
}

} // namespace

std::string printable(std::string_view text, LineEnds line_ends) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Symbol symbol = first_of(text);
        const std::size_t bytes = symbol.bytes == 0 ? 1 : symbol.bytes;
        if (symbol.bytes == 0)
            out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(text[0]));
        else if (!is_harmful(symbol.code) || (symbol.code == '\n' && line_ends == LineEnds::kept))
            out += text.substr(0, bytes);
        else if (symbol.code == '\n')
            out += "\\n";
        else if (symbol.code == '\t')
            out += "\\t";
        else
            out += symbol.code < 0x100 ? fmt::format("\\x{:02x}", symbol.code) : fmt::format("\\u{:04x}", symbol.code);
        text.remove_prefix(bytes);
    }
    return out;
}

std::string printable_json(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    while (!json.empty()) {
        const Symbol symbol = first_of(json);
        const std::size_t bytes = symbol.bytes == 0 ? 1 : symbol.bytes;
        if (symbol.bytes == 0)
            out += "\\ufffd";
        else if (symbol.code >= 0x7F && is_harmful(symbol.code)) // what is below is escaped already, or between values
            out += fmt::format("\\u{:04x}", symbol.code);
        else
            out += json.substr(0, bytes);
        json.remove_prefix(bytes);
    }
    return out;
}

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const Symbol symbol = first_of(text);
        if (symbol.bytes == 0 || is_harmful(symbol.code)) return false;
        text.remove_prefix(symbol.bytes);
    }
    return true;
}

} // namespace baton
