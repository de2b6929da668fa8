#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace baton {

void assertion_failed(const char* expression, const char* file, int line, const char* message) {
    std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, message, expression);
    std::abort();
}

} // namespace baton
