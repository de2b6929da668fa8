// The clock of the stand-ins.
#include "sandbox/target.hpp"

#include "base/clock.hpp"

namespace baton::sandbox {

std::string stamp() { return to_rfc3339(SystemClock{}.now()); }

} // namespace baton::sandbox
