// SHA-256 comes from the expression language; HMAC is a few lines on top.
#include "orchestrator/core/fingerprint.hpp"

#include "orchestrator/expression/digest.hpp"

namespace baton::orchestrator::core {

std::string sha256(std::string_view text) {
    const auto digest = expression::sha256(text);
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
    constexpr std::size_t block_bytes = 64;
    std::string padded = key.size() > block_bytes ? sha256(key) : std::string{key};
    padded.resize(block_bytes, '\0');
    std::string inner = padded, outer = padded;
    for (char& c : inner)
        c = static_cast<char>(c ^ 0x36);
    for (char& c : outer)
        c = static_cast<char>(c ^ 0x5c);
    inner += text;
    outer += sha256(inner);
    return sha256(outer);
}

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        text += digits[static_cast<unsigned char>(c) >> 4];
        text += digits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

} // namespace baton::orchestrator::core
