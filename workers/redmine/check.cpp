// GET only: who we are, whom we may see, and the field that keeps who made somebody.
#include "workers/redmine/check.hpp"

#include "workers/redmine/client.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

std::string advice_for(const contract::Problem& problem) {
    if (problem.type == "tls") return "let BATON_HTTP_CA_FILE name the certificates to trust";
    if (problem.type == "unauthorized")
        return "Administration → Settings → API → Enable REST web service; BATON_REDMINE_KEY is on an administrator's page 'My account'";
    if (problem.type == "redirected" || problem.type == "not_the_api")
        return "set BATON_REDMINE_URL to the address that Redmine itself shows, https and the path below it included";
    return "is BATON_REDMINE_URL right, and Redmine running and reachable from here?";
}

Finding check_field(const Client& client, const std::string& name) {
    const std::string what = fmt::format("Redmine's custom field '{}'", name);
    const std::string advice = "Administration → Custom fields → Users → New: format Text, as BATON_REDMINE_KEY_FIELD names it";
    std::string format;
    const auto problem = client.each("/custom_fields.json", "custom_fields", [&](const json::object& item) {
        if (text_of(item, "customized_type") == "user" && lower(text_of(item, "name")) == lower(name))
            format = text_of(item, "field_format");
        return format.empty();
    });
    if (problem) return missing(what, problem->detail, advice);
    if (format.empty()) return missing(what, "users have no such field", advice);
    if (format != "string" && format != "text") return missing(what, fmt::format("is of format {}, no text", format), advice);
    return well(what, "is there");
}

} // namespace

Findings check(const Settings& settings) {
    const Client client(settings);
    const auto whoami = client.get("/users/current.json");
    if (!whoami) return {missing("Redmine", whoami.error().detail, advice_for(whoami.error()))};
    const json::object* user = *whoami ? object_of(**whoami, "user") : nullptr;
    if (!user)
        return {missing("Redmine", fmt::format("what answers at {} is no Redmine", settings.url),
                        "set BATON_REDMINE_URL to the address that Redmine itself shows")};
    Findings findings{well("Redmine", fmt::format("{} takes the key of '{}'{}", settings.url, text_of(*user, "login"),
                                                  settings.url.starts_with("http:") ? "; the key goes unencrypted" : ""))};
    // Only administrators are shown a list of users; the word "admin" alone depends on Redmine's version.
    const auto listed = client.get("/users.json?limit=1");
    if (!listed || !*listed) {
        findings.push_back(missing("Redmine's administrator", listed ? "no list of users is given" : listed.error().detail,
                                   "tick 'Administrator' for the key's owner, or take an administrator's key"));
        return findings;
    }
    findings.push_back(well("Redmine's administrator", "users, groups and their fields may be seen"));
    if (!settings.key_field.empty()) findings.push_back(check_field(client, settings.key_field));
    return findings;
}

} // namespace baton::workers::redmine
