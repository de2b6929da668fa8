// SHA-256 and SHA-1 after FIPS 180-4, UUIDs after RFC 9562.
#include "orchestrator/expression/digest.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <span>

namespace baton::orchestrator::expression {

namespace {

using Block = std::array<std::uint8_t, 64>;

// Feeds `data` and its padding (0x80, zeros, length in bits) to `mix` in blocks of 64 bytes.
template <typename Mix>
void for_each_block(std::string_view data, Mix mix) {
    const std::uint64_t bits = std::uint64_t{data.size()} * 8;
    Block block{};
    while (data.size() >= block.size()) {
        for (std::size_t i = 0; i < block.size(); ++i)
            block[i] = static_cast<std::uint8_t>(data[i]);
        mix(block);
        data.remove_prefix(block.size());
    }
    block.fill(0);
    for (std::size_t i = 0; i < data.size(); ++i)
        block[i] = static_cast<std::uint8_t>(data[i]);
    block[data.size()] = 0x80;
    if (data.size() >= 56) {
        mix(block);
        block.fill(0);
    }
    for (std::size_t i = 0; i < 8; ++i)
        block[63 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    mix(block);
}

std::uint32_t word_at(const Block& block, std::size_t index) {
    return std::uint32_t{block[index * 4]} << 24 | std::uint32_t{block[index * 4 + 1]} << 16 |
           std::uint32_t{block[index * 4 + 2]} << 8 | std::uint32_t{block[index * 4 + 3]};
}

template <std::size_t Words>
std::array<std::uint8_t, Words * 4> bytes_of(const std::array<std::uint32_t, Words>& state) {
    std::array<std::uint8_t, Words * 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    return bytes;
}

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> round_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void mix_sha256(std::array<std::uint32_t, 8>& state, const Block& block) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t t = 0; t < 16; ++t)
        w[t] = word_at(block, t);
    for (std::size_t t = 16; t < 64; ++t) {
        const std::uint32_t s0 =
            std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
        const std::uint32_t s1 =
            std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t t = 0; t < 64; ++t) {
        const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        const std::uint32_t choice = (e & f) ^ (~e & g);
        const std::uint32_t t1 = h + s1 + choice + round_constants[t] + w[t];
        const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        const std::uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + s0 + majority;
    }
    const std::array<std::uint32_t, 8> added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i)
        state[i] += added[i];
}

void mix_sha1(std::array<std::uint32_t, 5>& state, const Block& block) {
    std::array<std::uint32_t, 80> w{};
    for (std::size_t t = 0; t < 16; ++t)
        w[t] = word_at(block, t);
    for (std::size_t t = 16; t < 80; ++t)
        w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    auto [a, b, c, d, e] = state;
    for (std::size_t t = 0; t < 80; ++t) {
        std::uint32_t f = b ^ c ^ d;
        std::uint32_t k = t < 40 ? 0x6ed9eba1 : 0xca62c1d6;
        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (t >= 40 && t < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        }
        const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    const std::array<std::uint32_t, 5> added{a, b, c, d, e};
    for (std::size_t i = 0; i < state.size(); ++i)
        state[i] += added[i];
}

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

// The 16 bytes of "6ba7b810-9dad-11d1-80b4-00c04fd430c8".
std::optional<std::string> bytes_of_uuid(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    std::string bytes;
    for (std::size_t at = 0; at < text.size();) {
        if (at == 8 || at == 13 || at == 18 || at == 23) {
            if (text[at] != '-') return std::nullopt;
            ++at;
            continue;
        }
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes.push_back(static_cast<char>(high * 16 + low));
        at += 2;
    }
    return bytes;
}

// RFC 9562 §6.6.
std::string_view uuid_of_space(std::string_view space) {
    if (space == "dns") return "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    if (space == "url") return "6ba7b811-9dad-11d1-80b4-00c04fd430c8";
    if (space == "oid") return "6ba7b812-9dad-11d1-80b4-00c04fd430c8";
    if (space == "x500") return "6ba7b814-9dad-11d1-80b4-00c04fd430c8";
    return space;
}

} // namespace

std::array<std::uint8_t, 32> sha256(std::string_view data) {
    std::array<std::uint32_t, 8> state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for_each_block(data, [&](const Block& block) { mix_sha256(state, block); });
    return bytes_of(state);
}

std::array<std::uint8_t, 20> sha1(std::string_view data) {
    std::array<std::uint32_t, 5> state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for_each_block(data, [&](const Block& block) { mix_sha1(state, block); });
    return bytes_of(state);
}

std::optional<std::string> uuid5(std::string_view space, std::string_view name) {
    auto data = bytes_of_uuid(uuid_of_space(space));
    if (!data) return std::nullopt;
    data->append(name);
    auto hash = sha1(*data);
    hash[6] = static_cast<std::uint8_t>((hash[6] & 0x0f) | 0x50); // version 5
    hash[8] = static_cast<std::uint8_t>((hash[8] & 0x3f) | 0x80); // variant of RFC 9562
    std::string text;
    for (std::size_t i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
        text += fmt::format("{:02x}", hash[i]);
    }
    return text;
}

} // namespace baton::orchestrator::expression
