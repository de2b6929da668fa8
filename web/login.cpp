#include "web/login.hpp"

#include <algorithm>

namespace baton::web {

bool Login::has_tag(std::string_view tag) const { return std::ranges::find(tags, tag) != tags.end(); }

bool reaches(const Login& login, Level level) {
    if (login.is_administrator()) return true;
    switch (level) {
    case Level::management:
        return login.has_tag("management") || login.has_tag("policymaker") || login.has_tag("monitoring");
    case Level::policymaker: return login.has_tag("policymaker");
    case Level::monitoring: return login.has_tag("monitoring");
    case Level::administrator: return false;
    }
    return false;
}

std::string refusal(Level level) {
    switch (level) {
    case Level::management:
        return "Not management user: this needs one of the tags management, policymaker, monitoring, administrator";
    case Level::policymaker: return "Not policymaker user: this needs the tag policymaker or administrator";
    case Level::monitoring: return "Not monitor user: this needs the tag monitoring or administrator";
    case Level::administrator: return "Not administrator user: this needs the tag administrator";
    }
    return {};
}

} // namespace baton::web
