#include "net/websocket/sha1.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace baton::net::websocket {
namespace {

constexpr std::size_t block_bytes = 64;

void add_block(std::array<std::uint32_t, 5>& state, std::string_view block) {
    std::array<std::uint32_t, 80> words{};
    for (std::size_t i = 0; i < block_bytes; ++i)
        words[i / 4] = words[i / 4] << 8 | static_cast<unsigned char>(block[i]);
    for (std::size_t i = 16; i < words.size(); ++i)
        words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    auto [a, b, c, d, e] = state;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::uint32_t mixed = 0;
        if (i < 20)
            mixed = ((b & c) | (~b & d)) + 0x5a827999U;
        else if (i < 40)
            mixed = (b ^ c ^ d) + 0x6ed9eba1U;
        else if (i < 60)
            mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
        else
            mixed = (b ^ c ^ d) + 0xca62c1d6U;
        const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

} // namespace

std::string sha1_of(std::string_view text) {
    std::array<std::uint32_t, 5> state{0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U,
                                       0xc3d2e1f0U};
    const std::uint64_t bits = std::uint64_t{text.size()} * 8;
    for (; text.size() >= block_bytes; text.remove_prefix(block_bytes))
        add_block(state, text.substr(0, block_bytes));
    std::string rest(text);
    rest.push_back('\x80');
    while (rest.size() % block_bytes != block_bytes - 8)
        rest.push_back('\0');
    for (int shift = 56; shift >= 0; shift -= 8)
        rest.push_back(static_cast<char>(bits >> shift & 0xff));
    for (std::size_t at = 0; at < rest.size(); at += block_bytes)
        add_block(state, std::string_view(rest).substr(at, block_bytes));
    std::string digest;
    for (const std::uint32_t word : state)
        for (int shift = 24; shift >= 0; shift -= 8)
            digest.push_back(static_cast<char>(word >> shift & 0xff));
    return digest;
}

} // namespace baton::net::websocket
