// The only randomness in the house: a seeded generator (SplitMix64, public domain algorithm by
// Sebastiano Vigna). Cores get a seed made from ids; edges may use entropy_seed().
#pragma once

#include <cstdint>
#include <string>

namespace baton {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }

    // Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
    }

private:
    std::uint64_t state_;
};

// From the operating system. Edges only.
std::uint64_t entropy_seed();

// `count` characters of the base64url alphabet, from the operating system's generator. Edges only.
std::string random_name(std::size_t count);

// A time-ordered unique id, RFC 9562 version 7, as text. Edges only.
std::string uuid_v7(std::int64_t unix_millis, Random& random);

} // namespace baton
