// Whether a thread with nothing to do should look for more before it sleeps. To wake a sleeping thread
// costs its waker a few microseconds, on a virtual machine whose processor went idle a hundred; to look
// once more costs one call of the system. So a thread spins as long as that finds something, and after
// each time it did not, sleeps without it more often.
#pragma once

#include <algorithm>

namespace baton::net {

class SpinPolicy {
public:
    // Asked once before each sleep.
    bool should_spin() {
        if (sleeps_left_ == 0) return true;
        --sleeps_left_;
        return false;
    }
    void found_something() { pause_ = 0; }
    void found_nothing() {
        pause_ = std::min(pause_ * 2 + 1, pause_max);
        sleeps_left_ = pause_;
    }

    // Sleeps in a row without spinning; makes what spins in vain cost about a microsecond a sleep.
    static constexpr int pause_max = 63;

private:
    int pause_ = 0;
    int sleeps_left_ = 0;
};

} // namespace baton::net
