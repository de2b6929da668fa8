// Places at which a test may let the process die, by name: between any two steps that must not be
// one. In a build with sanitizers, which is what tests run, and in one with -DBATON_FAIL_POINTS,
// the variable TEST_FAIL_POINT=NAME:N kills the process with SIGKILL when the place is passed for
// the Nth time. In every other build there is nothing at these places. tests/system/fail_points.py
// knows them all.
#pragma once

namespace baton {

#if defined(__has_feature) && !defined(BATON_FAIL_POINTS)
#if __has_feature(address_sanitizer)
#define BATON_FAIL_POINTS 1
#endif
#endif

#ifdef BATON_FAIL_POINTS
void fail_point(const char* name);
#else
inline void fail_point(const char*) {}
#endif

} // namespace baton
