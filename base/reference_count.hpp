// How many hold an object that threads share, for objects that count their holders themselves.
// Starts with one holder.
#pragma once

#include <atomic>
#include <cstdint>

namespace baton {

class ReferenceCount {
public:
    void add() { count_.fetch_add(1, std::memory_order_relaxed); }

    // True: that was the last holder, and everything the others wrote is visible. The last one needs
    // no atomic write, since nobody else can see the object any more.
    [[nodiscard]] bool drop() {
        return count_.load(std::memory_order_acquire) == 1 ||
               count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

private:
    std::atomic<std::uint32_t> count_{1};
};

} // namespace baton
