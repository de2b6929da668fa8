// What clients and administrators of a broker may do next, as lines of a story: everything there is,
// with few names, so that things meet. Who chooses (a seed, a fuzzer) is plugged in.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace baton::broker::core {

class RandomLife {
public:
    // `choose(bound)` gives a number below bound.
    explicit RandomLife(std::function<std::uint64_t(std::uint64_t)> choose)
        : choose_(std::move(choose)) {}

    std::string line();
    std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
        return low + choose_(high - low + 1);
    }

private:
    std::string queue();
    std::string exchange();
    std::string type();
    std::string policy();
    std::string arguments();

    std::function<std::uint64_t(std::uint64_t)> choose_;
    int count_ = 0;
};

} // namespace baton::broker::core
