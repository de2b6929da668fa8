#include "base/random.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>
#include <sys/random.h>

namespace baton {

std::uint64_t entropy_seed() {
    std::uint64_t seed = 0;
    const auto got = getrandom(&seed, sizeof seed, 0);
    BATON_ASSERT(got == sizeof seed, "the kernel gives random bytes");
    return seed;
}

std::string random_name(std::size_t count) {
    static constexpr char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string name(count, '\0');
    const auto got = getrandom(name.data(), count, 0);
    BATON_ASSERT(got == static_cast<ssize_t>(count), "the kernel gives random bytes");
    for (char& c : name) c = alphabet[static_cast<unsigned char>(c) & 63U];
    return name;
}

std::string uuid_v7(std::int64_t unix_millis, Random& random) {
    const auto millis = static_cast<std::uint64_t>(unix_millis);
    const std::uint64_t a = random.next();
    const std::uint64_t b = random.next();
    return fmt::format("{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}", millis >> 16, millis & 0xFFFFU,
                       a & 0xFFFU, 0x8000U | ((a >> 12) & 0x3FFFU), b & 0xFFFFFFFFFFFFULL);
}

} // namespace baton
