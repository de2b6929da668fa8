// UTF-8 as Unicode 15, table 3-7, has it: no second spelling of short characters, no surrogates, nothing
// beyond U+10FFFF. A zero byte is a character.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace baton {

// How many bytes the character at the beginning of `text` has; 0: there is none. `text` must not be empty.
std::size_t utf8_length(std::string_view text);

// The offset of the first byte that belongs to no character.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

inline bool is_utf8(std::string_view text) {
    return !first_invalid_utf8(text);
}

// Each byte that belongs to no character becomes U+FFFD.
std::string as_utf8(std::string_view text);

// As it is, or its first characters, at most `bytes_max` bytes, with an ellipsis behind them.
std::string shortened(std::string_view text, std::size_t bytes_max);

} // namespace baton
