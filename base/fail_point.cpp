// What an executable has that is not there to die: nothing. Weak, so that cli/fail_points.cpp is
// taken where it is linked.
#include "base/fail_point.hpp"

namespace baton {

__attribute__((weak)) void fail_point(const char*) {}

} // namespace baton
