#include "web/access/login.hpp"

#include "base/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

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
    case Level::viewer:
        return login.has_tag("baton-viewer") || login.has_tag("monitoring") || reaches(login, Level::operating) ||
               reaches(login, Level::deploying);
    case Level::operating: return login.has_tag("baton-operator") || reaches(login, Level::admin);
    case Level::deploying: return login.has_tag("baton-deployer") || reaches(login, Level::admin);
    case Level::admin: return login.has_tag("baton-admin");
    case Level::anybody: return reaches(login, Level::viewer) || reaches(login, Level::management);
    case Level::open: return true;
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
    case Level::viewer:
        return "this needs one of the tags baton-viewer, baton-operator, baton-deployer, baton-admin, monitoring, "
               "administrator";
    case Level::operating: return "this needs one of the tags baton-operator, baton-admin, administrator";
    case Level::deploying: return "this needs one of the tags baton-deployer, baton-admin, administrator";
    case Level::admin: return "this needs the tag baton-admin or administrator";
    case Level::anybody: return "this needs any of the tags that let a user do something over HTTP";
    case Level::open: return {};
    }
    return {};
}

bool is_own(Level level) {
    switch (level) {
    case Level::management:
    case Level::policymaker:
    case Level::monitoring:
    case Level::administrator: return false;
    case Level::viewer:
    case Level::operating:
    case Level::deploying:
    case Level::admin:
    case Level::anybody:
    case Level::open: return true;
    }
    return true;
}

unsigned refusal_status(Level level) { return is_own(level) ? 403 : 401; }

std::string tag_trouble(std::string_view tag) {
    constexpr std::array<std::string_view, 4> own{"baton-viewer", "baton-operator", "baton-deployer", "baton-admin"};
    if (std::ranges::find(own, tag) != own.end()) return {};
    std::string small(tag);
    for (char& c : small)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    std::ranges::replace(small, '_', '-');
    if (!small.starts_with("baton-")) return {};
    const auto hint = did_you_mean(tag, own);
    return fmt::format("there is no tag '{}'{} those that begin with baton- are {}", tag, hint.empty() ? ";" : hint, fmt::join(own, ", "));
}

} // namespace baton::web
