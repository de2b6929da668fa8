// Lists are read whole: what Redmine's filters take for equal is not what we mean by it.
#include "workers/redmine/names.hpp"

#include "base/percent.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

std::optional<std::int64_t> as_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number <= 0) return std::nullopt;
    return number;
}

User user_from(const json::object& shown) {
    User user{number_of(shown, "id"), text_of(shown, "login"), text_of(shown, "mail")};
    const json::value* admin = shown.if_contains("admin");
    user.is_admin = admin && admin->is_bool() && admin->get_bool();
    user.status = static_cast<int>(number_of(shown, "status"));
    return user;
}

contract::Problem nobody(std::string_view who) {
    return permanent("not_found", fmt::format("Redmine has no user '{}'", who), 404);
}

bool is_address(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos &&
           text.find_first_of(" \t\r\n") == std::string_view::npos;
}

} // namespace

std::string login_from(std::string_view mail) {
    constexpr std::size_t login_max = 60;
    std::string login = lower(mail.substr(0, std::min(mail.find('@'), mail.find('+'))));
    std::erase_if(login, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) == 0 && std::string_view("._-").find(c) == std::string_view::npos;
    });
    login.resize(std::min(login.size(), login_max));
    return login;
}

// --- people ---------------------------------------------------------------------------------------

Reply<std::optional<User>> Names::user(std::int64_t id) const {
    const auto body = client_.get(fmt::format("/users/{}.json?include=groups", id));
    if (!body) return body.error();
    const json::object* shown = *body ? object_of(**body, "user") : nullptr;
    if (!shown) return std::optional<User>();
    User user = user_from(*shown);
    user.shown = *shown;
    // A key that nobody else should see.
    user.shown.erase("api_key");
    return std::optional<User>(std::move(user));
}

Reply<std::vector<User>> Names::users_like(std::string_view text) const {
    std::vector<User> users;
    // An empty status means all of them; without it locked users stay hidden.
    auto problem = client_.each("/users.json?status=&name=" + percent_encoded(text), "users",
                                     [&](const json::object& item) {
                                         users.push_back(user_from(item));
                                         return true;
                                     });
    if (problem) return *problem;
    std::sort(users.begin(), users.end(), [](const User& a, const User& b) { return a.id < b.id; });
    return users;
}

Reply<std::vector<User>> Names::all_with_login(std::string_view login) const {
    auto users = users_like(login);
    if (users)
        std::erase_if(*users, [&](const User& user) { return lower(user.login) != lower(login); });
    return users;
}

// The list shows the first address of each user and is searched in all of them, for parts of words. So
// whoever has the address as a further one is among those found, and perhaps others whose address is only
// longer; that somebody has it exactly, Redmine says when asked to make one more user with it.
Reply<std::optional<User>> Names::owner_of(std::string_view mail) const {
    if (!is_address(mail)) return std::optional<User>();
    auto found = users_like(mail);
    if (!found) return found.error();
    for (const User& user : *found)
        if (lower(user.mail) == lower(mail)) return std::optional<User>(user);
    if (found->empty()) return std::optional<User>();
    const auto taken = is_taken(mail);
    if (!taken) return taken.error();
    if (!*taken) return std::optional<User>();
    // Who was found for what is shown needs no further address for it, so the others come first.
    std::vector<User> hidden = *found;
    std::erase_if(hidden, [&](const User& user) {
        return lower(user.mail).find(lower(mail)) != std::string::npos ||
               lower(user.login).find(lower(mail)) != std::string::npos;
    });
    const std::vector<User>& candidates = hidden.empty() ? *found : hidden;
    if (candidates.size() == 1) return std::optional<User>(candidates.front());
    std::vector<std::string> logins;
    for (const User& user : candidates) logins.push_back(user.login);
    return permanent("conflict",
                     fmt::format("one of {} has '{}' as a further address, and Redmine does not show which: name the "
                                 "login instead",
                                 fmt::join(logins, ", "), mail),
                     409);
}

// A request that Redmine must refuse, since the login is blank: how many complaints has it?
Reply<std::size_t> Names::complaints_about(std::string_view mail) const {
    const Written refused = client_.post("/users.json", {{"user", json::object{{"login", ""}, {"mail", mail}}}});
    if (refused.problem) return *refused.problem;
    if (!refused.is_refused)
        return temporary("bad_answer", "Redmine takes a user without a login, which it must not");
    return refused.errors.size();
}

// Texts come in any language; one complaint more than about an address that nobody has says it, too.
Reply<bool> Names::is_taken(std::string_view mail) const {
    const auto with_it = complaints_about(mail);
    if (!with_it) return with_it.error();
    const auto without = complaints_about(fmt::format("nobody-{:x}{}", std::hash<std::string_view>{}(mail),
                                                      mail.substr(std::min(mail.find('@'), mail.size()))));
    if (!without) return without.error();
    return *with_it > *without;
}

Reply<std::int64_t> Names::user_id(std::string_view who) const {
    if (const auto number = as_number(who)) return *number;
    const auto known = all_with_login(who);
    if (!known) return known.error();
    if (!known->empty()) return known->front().id;
    if (who.find('@') == std::string_view::npos) return nobody(who);
    const auto owner = owner_of(who);
    if (!owner) return owner.error();
    if (!*owner) return nobody(who);
    return (*owner)->id;
}

Reply<std::int64_t> Names::own_id() const {
    const auto body = client_.get("/users/current.json");
    if (!body) return body.error();
    const json::object* user = *body ? object_of(**body, "user") : nullptr;
    if (!user) return temporary("bad_answer", "Redmine does not say whose the API key is");
    return number_of(*user, "id");
}

// --- things ---------------------------------------------------------------------------------------

Reply<std::int64_t> Names::in_list(const std::string& path, std::string_view list, std::string_view kind,
                                   const std::string& name) const {
    const auto number = as_number(name);
    std::int64_t id = 0;
    std::vector<std::string> names;
    auto problem = client_.each(path, list, [&](const json::object& item) {
        const std::string one = text_of(item, "name");
        if (lower(one) == lower(name) || (number && number_of(item, "id") == *number)) id = number_of(item, "id");
        names.push_back(one);
        return id == 0;
    });
    if (problem) return *problem;
    if (id != 0) return id;
    return permanent("not_found", fmt::format("Redmine has no {} '{}'; there are {}", kind, name,
                                              names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "))),
                     404);
}

Reply<std::vector<Names::Named>> Names::groups(const std::vector<std::string>& names,
                                               std::vector<std::string>& unknown) const {
    std::vector<Named> found;
    if (names.empty()) return found;
    std::vector<Named> all;
    auto problem = client_.each("/groups.json", "groups", [&](const json::object& item) {
        all.push_back({number_of(item, "id"), text_of(item, "name")});
        return true;
    });
    if (problem) return *problem;
    for (const std::string& name : names) {
        const auto one = std::find_if(all.begin(), all.end(),
                                      [&](const Named& group) { return lower(group.name) == lower(name); });
        if (one == all.end())
            unknown.push_back(name);
        else
            found.push_back(*one);
    }
    return found;
}

Reply<std::int64_t> Names::group(const std::string& name) const { return in_list("/groups.json", "groups", "group", name); }
Reply<std::int64_t> Names::role(const std::string& name) const { return in_list("/roles.json", "roles", "role", name); }
Reply<std::int64_t> Names::tracker(const std::string& name) const {
    return in_list("/trackers.json", "trackers", "tracker", name);
}
Reply<std::int64_t> Names::priority(const std::string& name) const {
    return in_list("/enumerations/issue_priorities.json", "issue_priorities", "priority", name);
}
Reply<std::int64_t> Names::status(const std::string& name) const {
    return in_list("/issue_statuses.json", "issue_statuses", "status", name);
}

Reply<std::int64_t> Names::closed_status() const {
    std::int64_t id = 0;
    auto problem = client_.each("/issue_statuses.json", "issue_statuses", [&](const json::object& item) {
        const json::value* closed = item.if_contains("is_closed");
        if (closed && closed->is_bool() && closed->get_bool()) id = number_of(item, "id");
        return id == 0;
    });
    if (problem) return *problem;
    if (id == 0) return permanent("not_found", "Redmine has no status that closes an issue", 404);
    return id;
}

Reply<std::int64_t> Names::custom_field(std::string_view of, const std::string& name) const {
    std::int64_t id = 0;
    auto problem = client_.each("/custom_fields.json", "custom_fields", [&](const json::object& item) {
        if (text_of(item, "customized_type") == of && lower(text_of(item, "name")) == lower(name))
            id = number_of(item, "id");
        return id == 0;
    });
    if (problem) return *problem;
    return id;
}

Reply<json::array> Names::custom_values(std::string_view of, const json::object& values) const {
    json::array all;
    for (const auto& [name, value] : values) {
        // Numbers work for keys that may not see the list of fields.
        std::int64_t id = as_number(name).value_or(0);
        if (id == 0) {
            const auto field = custom_field(of, std::string(name));
            if (!field) return field.error();
            id = *field;
        }
        if (id == 0)
            return permanent("not_found", fmt::format("Redmine has no custom field '{}' of a {}",
                                                      std::string_view(name), of), 404);
        all.push_back(json::object{{"id", id}, {"value", value}});
    }
    return all;
}

} // namespace baton::workers::redmine
