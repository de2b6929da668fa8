// What the tests of the core's loop and of its inlets share.
#pragma once

#include "base/clock.hpp"
#include "broker/core/options.hpp"

namespace baton::test {

class StillClock final : public Clock {
public:
    Time now() const override { return time; }
    Time time = time_from_micros(1'000'000);
};

inline broker::core::Options options_with_a_user() {
    broker::core::Options options;
    options.first_user_password_hash = "of guest";
    options.own_user = "own"; // who is not there until somebody puts it
    return options;
}

} // namespace baton::test
