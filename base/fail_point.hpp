// Places at which a test may let the process die, by name: between any two steps that must not be
// one. Nothing happens at them in `baton`. The executable `baton_with_fail_points`, which only
// tests build, has cli/fail_points.cpp: there the variable TEST_FAIL_POINT=NAME:N kills the process
// with SIGKILL when the place is passed for the Nth time. tests/system/fail_points.py knows them
// all.
#pragma once

namespace baton {

// Any thread may pass a place.
void fail_point(const char* name);

} // namespace baton
