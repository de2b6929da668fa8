// A clock that stands still until a test moves it. One thread.
#pragma once

#include "base/clock.hpp"

namespace baton::test {

class SimClock final : public Clock {
public:
    explicit SimClock(Time start = time_from_micros(1'800'000'000'000'000)) : now_(start) {}

    Time now() const override { return now_; }
    void advance(Duration by) { now_ += by; }
    void set(Time to) { now_ = to; }

private:
    Time now_;
};

} // namespace baton::test
