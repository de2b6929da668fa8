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

// A UUID of version 8: the time of the parent's, and bits of the hash.
std::string child_run_id(std::string_view parent, const AttemptRef& attempt) {
    std::string name{parent};
    name += '/' + attempt.step + (attempt.undo ? ":undo#" : "#") + std::to_string(attempt.attempt);
    const std::string hash = to_hex(sha256(name));
    constexpr std::size_t time_digits = 13; // "0193a5c2-7d41"
    const bool has_time = parent.size() == 36 && parent[8] == '-' && parent[13] == '-';
    const std::string time = has_time ? std::string{parent.substr(0, time_digits)}
                                      : hash.substr(0, 8) + '-' + hash.substr(8, 4);
    constexpr std::string_view variants = "89ab";
    return time + "-8" + hash.substr(12, 3) + '-' +
           variants[static_cast<std::size_t>(hash[15]) % 4] + hash.substr(16, 3) + '-' +
           hash.substr(19, 12);
}

} // namespace baton::orchestrator::core
