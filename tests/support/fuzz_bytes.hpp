// The bytes of a fuzzer's input as a row of choices; when they are used up, every choice is the first.
#pragma once

#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace baton::test {

class FuzzBytes {
public:
    explicit FuzzBytes(ByteView bytes) : left_(bytes) {}

    bool is_empty() const { return left_.empty(); }
    std::uint8_t next() {
        if (left_.empty()) return 0;
        const auto byte = std::to_integer<std::uint8_t>(left_[0]);
        left_ = left_.subspan(1);
        return byte;
    }
    std::uint64_t below(std::uint64_t bound) {
        std::uint64_t number = next();
        if (bound > 256) number = number << 8 | next();
        return number % bound;
    }
    bool flag() { return next() % 2 != 0; }
    template <std::size_t Count>
    std::string one_of(const std::array<const char*, Count>& words) {
        return words[next() % Count];
    }
    ByteView take(std::size_t count) {
        const ByteView taken = left_.first(std::min(count, left_.size()));
        left_ = left_.subspan(taken.size());
        return taken;
    }

private:
    ByteView left_;
};

} // namespace baton::test
