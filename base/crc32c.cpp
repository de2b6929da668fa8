#include "base/crc32c.hpp"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace baton {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
        table[i] = crc;
    }
    return table;
}

constexpr auto table = make_table();

std::uint32_t crc32c_by_table(const std::byte* data, std::size_t size, std::uint32_t crc) {
    for (std::size_t i = 0; i < size; ++i)
        crc = (crc >> 8) ^ table[(crc ^ std::to_integer<std::uint32_t>(data[i])) & 0xFFU];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t
crc32c_by_instruction(const std::byte* data, std::size_t size, std::uint32_t crc) {
    std::uint64_t wide = crc;
    for (; size >= 8; size -= 8, data += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, data, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    auto narrow = static_cast<std::uint32_t>(wide);
    for (; size > 0; --size, ++data)
        narrow = _mm_crc32_u8(narrow, std::to_integer<unsigned char>(*data));
    return narrow;
}
#endif

} // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t crc) {
    crc = ~crc;
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return ~crc32c_by_instruction(bytes.data(), bytes.size(), crc);
#endif
    return ~crc32c_by_table(bytes.data(), bytes.size(), crc);
}

} // namespace baton
