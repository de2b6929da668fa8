// The clock of the stand-ins, and the names of all their calls.
#include "sandbox/target.hpp"

#include "base/clock.hpp"
#include "sandbox/smtp_session.hpp"

namespace baton::sandbox {

std::vector<std::string_view> all_operations() {
    std::vector<std::string_view> names(smtp_operations.begin(), smtp_operations.end());
    for (const Target* target : {&mailcow_target(), &redmine_target(), &slack_target()})
        for (const Route& route : target->routes) names.push_back(route.operation);
    return names;
}

std::string stamp() { return to_rfc3339(SystemClock{}.now()); }

} // namespace baton::sandbox
