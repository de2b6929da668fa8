// People: look first, act, look again when in doubt; touch only what is one's own.
#include "workers/redmine/operations.hpp"

#include "base/log.hpp"
#include "base/utf8.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace baton::workers::redmine {

namespace json = boost::json;

namespace {

// Redmine's own limits, in characters.
constexpr std::size_t first_name_max = 30;
constexpr std::size_t last_name_max = 255;
// Up to Redmine 5.0.
constexpr std::size_t last_name_max_once = 30;

std::string user_path(std::int64_t user) { return fmt::format("/users/{}.json", user); }

// --- names ----------------------------------------------------------------------------------------

std::string capitalised(std::string_view word) {
    std::string out(word);
    if (!out.empty()) out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
    return out;
}

// The first characters, as Redmine counts them: whole ones, however many bytes each has.
std::string clipped(std::string_view text, std::size_t characters) {
    const std::string whole = as_utf8(text);
    std::string_view rest = whole;
    for (std::size_t i = 0; i < characters && !rest.empty(); ++i)
        rest.remove_prefix(std::max<std::size_t>(utf8_length(rest), 1));
    return whole.substr(0, whole.size() - rest.size());
}

// Older versions take less of it; how much they do not say, except by refusing. False: it is short.
bool shorten_last_name(json::object& user) {
    const std::string last = text_of(user, "lastname");
    const std::string shorter = clipped(last, last_name_max_once);
    if (shorter == last) return false;
    user["lastname"] = shorter;
    return true;
}

struct Name {
    std::string first;
    std::string last;
};

// What Redmine insists on, from what the workflow gave: names as such, a whole name, or the words of
// the mail address ("ada.lovelace@…"); one word alone makes the last name a dash.
Name name_from(Parameters& parameters, const std::string& mail, const std::string& login) {
    Name name{parameters.text("firstname", parameters.text("first_name")),
              parameters.text("lastname", parameters.text("last_name"))};
    std::string whole = parameters.text("name");
    if (whole.empty()) {
        whole = mail.substr(0, mail.find('@'));
        if (whole.empty()) whole = login;
        std::replace_if(
            whole.begin(), whole.end(), [](char c) { return c == '.' || c == '_' || c == '-'; }, ' ');
    }
    const std::size_t space = whole.rfind(' ');
    const std::string last = space == std::string::npos ? "-" : whole.substr(space + 1);
    if (name.first.empty()) name.first = capitalised(whole.substr(0, space));
    if (name.last.empty()) name.last = last.empty() ? "-" : capitalised(last);
    return {clipped(name.first, first_name_max), clipped(name.last, last_name_max)};
}

// --- groups ---------------------------------------------------------------------------------------

contract::Problem no_such_groups(const std::vector<std::string>& unknown) {
    return permanent("not_found", fmt::format("Redmine has no group {}; `create_groups = true` makes them",
                                              fmt::join(unknown, ", ")), 404);
}

// Redmine checks that a group's name is new before it writes, and has no index behind it.
Reply<Names::Named> make_group(const Site& site, const Task& task, const std::string& name) {
    const auto claim = Claim::take(site, task, "group " + lower(name));
    if (!claim) return claim.error();
    const Written made = site.client.post("/groups.json", {{"group", json::object{{"name", name}}}});
    std::vector<std::string> unknown;
    const auto found = site.names.groups({name}, unknown);
    if (!found) return found.error();
    if (!found->empty()) return found->front();
    if (auto problem = made.failure()) return *problem;
    return temporary("bad_answer", fmt::format("Redmine made the group '{}' and does not show it", name));
}

Reply<std::vector<Names::Named>> groups_named(const Site& site, const Task& task,
                                              const std::vector<std::string>& names, bool may_create) {
    std::vector<std::string> unknown;
    auto found = site.names.groups(names, unknown);
    if (!found || unknown.empty()) return found;
    if (!may_create) return no_such_groups(unknown);
    for (const std::string& name : unknown) {
        auto made = make_group(site, task, name);
        if (!made) return made.error();
        found->push_back(*made);
    }
    return found;
}

bool is_in(const User& user, std::int64_t group) {
    const json::array* groups = array_of(user.shown, "groups");
    return groups && std::any_of(groups->begin(), groups->end(), [&](const json::value& one) {
               return one.is_object() && number_of(one.get_object(), "id") == group;
           });
}

// The names of those that this task put the user into, whichever attempt did.
Reply<json::array> join(const Site& site, Claim& claim, const User& user, const std::vector<Names::Named>& groups) {
    std::vector<std::string> ours = claim.joined_by_us(user.id);
    std::vector<Names::Named> missing;
    for (const Names::Named& group : groups) {
        if (is_in(user, group.id)) continue;
        missing.push_back(group);
        if (std::find(ours.begin(), ours.end(), group.name) == ours.end()) ours.push_back(group.name);
    }
    if (!missing.empty())
        if (auto problem = claim.join(user.id, ours)) return *problem;
    for (const Names::Named& group : missing) {
        const Written added =
            site.client.post(fmt::format("/groups/{}/users.json", group.id), {{"user_id", user.id}});
        // 422 says that the user came into it meanwhile: that both exist was just seen.
        if (added.problem) return *added.problem;
    }
    json::array joined;
    for (const std::string& name : ours) joined.emplace_back(name);
    return joined;
}

// The names of those that the user was in.
Reply<json::array> leave(const Site& site, const User& user, const std::vector<Names::Named>& groups) {
    json::array left;
    for (const Names::Named& group : groups) {
        if (!is_in(user, group.id)) continue;
        const Written removed = site.client.remove(fmt::format("/groups/{}/users/{}.json", group.id, user.id));
        if (removed.problem && removed.problem->type != "not_found") return *removed.problem;
        if (removed.is_refused) return refusal(removed);
        left.push_back(json::string(group.name));
    }
    return left;
}

// --- creating -------------------------------------------------------------------------------------

struct Wish {
    std::string login;
    std::string mail;
    json::object user;                    // as Redmine takes it
    bool sends_information = false;
};

// The custom field that keeps who made a user, if the site has one; 0: the broker keeps it.
Reply<std::int64_t> field_of_maker(const Site& site) {
    const std::string& name = site.settings.key_field;
    if (name.empty()) return std::int64_t{0};
    const auto field = site.names.custom_field("user", name);
    if (field && *field == 0)
        return configuration("configuration", fmt::format("BATON_REDMINE_KEY_FIELD: Redmine's users have no custom "
                                                          "field '{}'", name));
    return field;
}

// Who made this user, as far as anybody knows.
std::string maker_of(const Claim& claim, const User& user, std::int64_t field) {
    if (field == 0) return claim.maker_of(user.id);
    if (const json::array* values = array_of(user.shown, "custom_fields"))
        for (const json::value& one : *values)
            if (one.is_object() && number_of(one.get_object(), "id") == field)
                return text_of(one.get_object(), "value");
    return {};
}

class Creation {
public:
    Creation(const Site& site, const Task& task, const Wish& wish, Claim& claim, std::int64_t field)
        : site_(site), task_(task), wish_(wish), claim_(claim), field_(field) {}

    Answer perform() {
        const auto known = site_.names.all_with_login(wish_.login);
        if (!known) return known.error();
        if (!known->empty()) return adopt(known->front().id);
        return make();
    }

private:
    Answer make() {
        json::object user = wish_.user;
        if (field_ != 0) {
            json::array values = user.contains("custom_fields") ? user["custom_fields"].as_array() : json::array{};
            values.push_back(json::object{{"id", field_}, {"value", mark_of(task_)}});
            user["custom_fields"] = std::move(values);
        }
        if (auto problem = claim_.begin()) return *problem;
        json::object body{{"user", std::move(user)}};
        if (wish_.sends_information) body["send_information"] = true;
        Written made = site_.client.post("/users.json", body);
        if (made.is_refused && shorten_last_name(body["user"].as_object()))
            made = site_.client.post("/users.json", body);
        if (made.is_refused || (made.problem && !made.is_ambiguous)) {
            if (auto problem = claim_.refused()) return *problem;
            return made.is_refused ? why_refused(made) : Answer(*made.problem);
        }
        if (made.problem) return look_again(*made.problem);
        const json::object* shown = object_of(made.body, "user");
        const std::int64_t id = shown ? number_of(*shown, "id") : 0;
        if (id == 0) return look_again(temporary("bad_answer", "Redmine's answer names no id"));
        return settle_race(id);
    }

    // In doubt, the answer is what is there now.
    Answer look_again(const contract::Problem& otherwise) {
        const auto all = site_.names.all_with_login(wish_.login);
        if (!all || all->empty()) return otherwise;
        return adopt(all->front().id);
    }

    // Somebody has the login, or the address.
    Answer why_refused(const Written& made) {
        const auto all = site_.names.all_with_login(wish_.login);
        if (all && !all->empty()) return adopt(all->front().id);
        const auto owner = site_.names.owner_of(wish_.mail);
        if (owner && *owner) return conflict(**owner, fmt::format("the address '{}' belongs to the user '{}'",
                                                                  wish_.mail, (*owner)->login));
        return refusal(made);
    }

    static contract::Problem conflict(const User& user, std::string detail) {
        contract::Problem problem = permanent("conflict", std::move(detail), 409);
        problem.data = json::serialize(json::object{{"id", user.id}, {"login", user.login}});
        return problem;
    }

    // Somebody outside, who does not ask for our lock, made the same login at the same moment: the older
    // one stays. Ours goes again only while nobody else of ours can have seen it.
    Answer settle_race(std::int64_t own) {
        if (auto problem = claim_.made(own)) return *problem;
        const auto all = site_.names.all_with_login(wish_.login);
        // Not knowing is no reason to fail a task that is done.
        if (!all || all->empty() || all->front().id == own || !claim_.is_held()) return result(own, true, false);
        log::warning("redmine", "two users of one login, the newer one is removed",
                     {{"login", wish_.login}, {"kept", all->front().id}, {"removed", own}});
        const Written removed = site_.client.remove(user_path(own));
        if (removed.problem && removed.problem->type != "not_found") return *removed.problem;
        if (auto problem = claim_.refused()) return *problem;
        return adopt(all->front().id);
    }

    // A user who is there: the person we mean if an address is the same; unlocked if need be.
    Answer adopt(std::int64_t id) {
        // Lists of users do not tell the status in every version; the user itself does.
        const auto user = site_.names.user(id);
        if (!user) return user.error();
        if (!*user) return temporary("conflict", fmt::format("the user '{}' is just being removed", wish_.login));
        if (lower((*user)->mail) != lower(wish_.mail)) {
            const auto owner = site_.names.owner_of(wish_.mail);
            if (!owner) return owner.error();
            if (!*owner || (*owner)->id != id)
                return conflict(**user, fmt::format("the login '{}' belongs to {}", wish_.login, (*user)->mail));
        }
        const std::string maker = maker_of(claim_, **user, field_);
        const bool is_ours = is_same_work(maker, mark_of(task_)) || (field_ == 0 && claim_.is_ours(id));
        if ((*user)->status != status_locked) return result(id, is_ours, claim_.is_opened_by_us(id), maker);
        if (!is_ours)
            if (auto problem = claim_.open(id)) return *problem;
        const Written unlocked =
            site_.client.put(user_path(id), {{"user", json::object{{"status", status_active}}}});
        if (auto problem = unlocked.failure()) return *problem;
        return result(id, is_ours, !is_ours, maker);
    }

    Answer result(std::int64_t id, bool created, bool unlocked, std::string maker = {}) {
        if (created || unlocked) maker = mark_of(task_);
        return json::value{{"id", id},
                           {"login", wish_.login},
                           {"created", created},
                           {"unlocked", unlocked},
                           {"created_by", maker.empty() ? json::value(nullptr) : json::value(maker)}};
    }

    const Site& site_;
    const Task& task_;
    const Wish& wish_;
    Claim& claim_;
    std::int64_t field_;
};

// How the person gets in: a password from the workflow or the directory behind an authentication source, or
// one that Redmine makes up and mails.
void add_password(Parameters& parameters, Wish& wish) {
    const std::string password = parameters.text("password");
    const std::int64_t source = parameters.number("auth_source", 0);
    const bool generates = parameters.flag("generate_password", password.empty() && source == 0);
    if (source != 0) wish.user["auth_source_id"] = source;
    if (!password.empty()) wish.user["password"] = password;
    if (generates) wish.user["generate_password"] = true;
    if (parameters.flag("must_change_passwd", generates)) wish.user["must_change_passwd"] = true;
    // A password that nobody is told lets nobody in.
    wish.sends_information = parameters.flag("send_information", generates);
    if (generates && !password.empty()) parameters.complain("'password' and 'generate_password' exclude each other");
}

std::string lock_name(std::string_view login) { return "user " + lower(login); }

} // namespace

Answer create_user(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    Wish wish;
    wish.mail = parameters.required_text("mail");
    wish.login = parameters.text("login", login_from(wish.mail));
    if (wish.login.empty()) parameters.complain("'login' is missing, and 'mail' gives none");
    const Name name = name_from(parameters, wish.mail, wish.login);
    wish.user = {{"login", wish.login}, {"mail", wish.mail}, {"firstname", name.first}, {"lastname", name.last}};
    if (parameters.has("language")) wish.user["language"] = parameters.text("language");
    add_password(parameters, wish);
    const std::vector<std::string> group_names = parameters.texts("groups");
    const bool creates_groups = parameters.flag("create_groups", false);
    const json::object custom = parameters.object("custom_fields");
    if (parameters.is_bad()) return parameters.problem();
    // Whatever is unknown is refused before anything is made.
    const auto groups = groups_named(site, task, group_names, creates_groups);
    if (!groups) return groups.error();
    const auto values = site.names.custom_values("user", custom);
    if (!values) return values.error();
    if (!values->empty()) wish.user["custom_fields"] = *values;
    const auto field = field_of_maker(site);
    if (!field) return field.error();
    auto claim = Claim::take(site, task, lock_name(wish.login));
    if (!claim) return claim.error();
    Answer answer = Creation(site, task, wish, *claim, *field).perform();
    if (!answer) return answer;
    answer->as_object()["joined_groups"] = json::array();
    if (groups->empty()) return answer;
    const auto user = site.names.user(answer->at("id").as_int64());
    if (!user) return user.error();
    if (!*user) return temporary("conflict", fmt::format("the user '{}' is just being removed", wish.login));
    const auto joined = join(site, *claim, **user, *groups);
    if (!joined) return joined.error();
    answer->as_object()["joined_groups"] = *joined;
    return answer;
}

// --- the others -----------------------------------------------------------------------------------

namespace {

// By 'user' (number, login or address), 'id', 'login' or 'mail'. Must be there.
Reply<User> user_named_in(const Site& site, Parameters& parameters, bool mail_finds = true) {
    std::string who = parameters.text("user", parameters.text("id"));
    const std::string login = parameters.text("login");
    const std::string mail = mail_finds ? parameters.text("mail", parameters.text("email")) : std::string();
    if (who.empty() && login.empty() && mail.empty())
        parameters.complain(mail_finds ? "one of 'user', 'id', 'login', 'mail' is needed"
                                       : "one of 'user', 'id', 'login' is needed");
    if (parameters.is_bad()) return parameters.problem();
    const auto missing = [](const std::string& whom) {
        return permanent("not_found", fmt::format("Redmine has no user '{}'", whom), 404);
    };
    std::int64_t id = 0;
    if (!who.empty()) {
        const auto found = site.names.user_id(who);
        if (!found) return found.error();
        id = *found;
    } else if (!login.empty()) {
        who = login;
        const auto found = site.names.all_with_login(login);
        if (!found) return found.error();
        if (!found->empty()) id = found->front().id;
    } else {
        who = mail;
        const auto found = site.names.owner_of(mail);
        if (!found) return found.error();
        if (*found) id = (*found)->id;
    }
    if (id == 0) return missing(who);
    auto user = site.names.user(id);
    if (!user) return user.error();
    if (!*user) return missing(who);
    return std::move(**user);
}

json::object summary_of(const User& user) {
    json::object result{{"id", user.id},
                        {"login", user.login},
                        {"mail", user.mail},
                        {"firstname", text_of(user.shown, "firstname")},
                        {"lastname", text_of(user.shown, "lastname")},
                        {"admin", user.is_admin},
                        {"locked", user.status == status_locked},
                        {"groups", json::array{}}};
    if (const json::array* groups = array_of(user.shown, "groups"))
        for (const json::value& group : *groups)
            if (group.is_object()) result["groups"].as_array().push_back(json::string(text_of(group.get_object(), "name")));
    if (const json::array* fields = array_of(user.shown, "custom_fields")) result["custom_fields"] = *fields;
    return result;
}

// Nobody locks himself out, and an administrator only on purpose.
std::optional<contract::Problem> protection_of(const Site& site, const User& user, bool allows_admin) {
    const auto own = site.names.own_id();
    if (!own) return own.error();
    if (*own == user.id)
        return permanent("protected", fmt::format("'{}' is the account whose API key this worker uses; it is never "
                                                  "locked", user.login), 403);
    if (user.is_admin && !allows_admin)
        return permanent("protected", fmt::format("'{}' is an administrator; `allow_admin = true` locks him "
                                                  "nevertheless", user.login), 403);
    return std::nullopt;
}

} // namespace

Answer find_user(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const auto user = user_named_in(site, parameters);
    if (!user) return user.error();
    return json::value(summary_of(*user));
}

namespace {

// `who` is what create_user called its maker, an idempotency key, or RUN/STEP.
bool is_work_of(std::string_view mark, const std::string& who) {
    if (who.empty()) return false;
    const std::string steps = fmt::format(" ; {} ; ", mark);
    return is_same_work(mark, who) || is_same_work(mark, "key " + who) || steps.find(fmt::format(" ; step {}/", who)) != std::string::npos;
}

} // namespace

Answer lock_user(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::string only_if_created_by = parameters.text("only_if_created_by");
    const bool is_undo = task.with.contains("only_if_created_by");
    const bool allows_admin = parameters.flag("allow_admin", false);
    const bool keeps_unknown = parameters.flag("keep_unknown", false);
    const std::vector<std::string> group_names = parameters.texts("leave_groups");
    const auto user = user_named_in(site, parameters);
    if (!user) {
        // What an undo made and somebody removed since needs no undo.
        if (is_undo && user.error().type == "not_found")
            return json::value{{"id", nullptr}, {"locked", false}, {"open_issues", 0}, {"kept", "it is gone"}};
        return user.error();
    }
    const auto claim = Claim::take(site, task, lock_name(user->login));
    if (!claim) return claim.error();
    if (!group_names.empty()) {
        std::vector<std::string> gone; // those that are no more need no undo
        const auto groups = site.names.groups(group_names, gone);
        if (!groups) return groups.error();
        const auto left = leave(site, *user, *groups);
        if (!left) return left.error();
    }
    if (is_undo) {
        const auto field = field_of_maker(site);
        if (!field) return field.error();
        const std::string maker = maker_of(*claim, *user, *field);
        const bool is_theirs = is_work_of(maker, only_if_created_by) || is_work_of(claim->opener_of(user->id), only_if_created_by);
        // The note is forgotten, or somebody else's broker keeps it: a person must look.
        if (!is_theirs && maker.empty() && !only_if_created_by.empty() && !keeps_unknown)
            return permanent("unknown_creator", fmt::format("nobody knows any more who made the user '{}', so it is "
                                                            "not locked", user->login), 409);
        if (!is_theirs)
            return json::value{{"id", user->id}, {"locked", false}, {"open_issues", nullptr}, {"kept", "somebody else made it"}};
    }
    if (auto problem = protection_of(site, *user, allows_admin)) return *problem;
    const Written locked =
        site.client.put(user_path(user->id), {{"user", json::object{{"status", status_locked}}}});
    if (auto problem = locked.failure()) return *problem;
    json::object result{{"id", user->id}, {"locked", true}};
    const auto issues =
        site.client.get(fmt::format("/issues.json?assigned_to_id={}&status_id=open&limit=1", user->id));
    const json::value* total = issues && *issues ? (*issues)->if_contains("total_count") : nullptr;
    result["open_issues"] = total ? *total : json::value(nullptr);
    return json::value(std::move(result));
}

Answer unlock_user(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const auto user = user_named_in(site, parameters);
    if (!user) return user.error();
    const bool was_locked = user->status == status_locked;
    if (user->status != status_active) {
        const Written done =
            site.client.put(user_path(user->id), {{"user", json::object{{"status", status_active}}}});
        if (auto problem = done.failure()) return *problem;
    }
    return json::value{{"id", user->id}, {"login", user->login}, {"unlocked", true}, {"was_locked", was_locked}};
}

Answer update_user(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    json::object changes;
    for (const char* name : {"mail", "language", "password"})
        if (parameters.has(name)) changes[name] = parameters.text(name);
    if (parameters.has("new_login")) changes["login"] = parameters.text("new_login");
    const std::string first = parameters.text("firstname", parameters.text("first_name"));
    const std::string last = parameters.text("lastname", parameters.text("last_name"));
    if (!first.empty()) changes["firstname"] = clipped(first, first_name_max);
    if (!last.empty()) changes["lastname"] = clipped(last, last_name_max);
    for (const char* name : {"generate_password", "must_change_passwd"})
        if (parameters.has(name)) changes[name] = parameters.flag(name, false);
    const bool sends_information = parameters.flag("send_information", parameters.flag("generate_password", false));
    const json::object custom = parameters.object("custom_fields");
    const auto user = user_named_in(site, parameters, false);
    if (!user) return user.error();
    const auto values = site.names.custom_values("user", custom);
    if (!values) return values.error();
    if (!values->empty()) changes["custom_fields"] = *values;
    if (changes.empty()) return permanent("invalid_input", "nothing is to be changed", 422);
    json::object body{{"user", changes}};
    if (sends_information) body["send_information"] = true;
    Written written = site.client.put(user_path(user->id), body);
    if (written.is_refused && shorten_last_name(body["user"].as_object()))
        written = site.client.put(user_path(user->id), body);
    if (auto problem = written.failure()) return *problem;
    const auto now = site.names.user(user->id);
    if (!now) return now.error();
    if (!*now) return permanent("not_found", fmt::format("the user '{}' is gone", user->login), 404);
    return json::value(summary_of(**now));
}

Answer join_groups(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::vector<std::string> names = parameters.texts("groups");
    const bool creates_groups = parameters.flag("create_groups", false);
    if (names.empty()) parameters.complain("'groups' is missing");
    const auto user = user_named_in(site, parameters);
    if (!user) return user.error();
    const auto groups = groups_named(site, task, names, creates_groups);
    if (!groups) return groups.error();
    auto claim = Claim::take(site, task, lock_name(user->login));
    if (!claim) return claim.error();
    const auto joined = join(site, *claim, *user, *groups);
    if (!joined) return joined.error();
    return json::value{{"id", user->id}, {"joined", *joined}};
}

Answer leave_groups(const Site& site, const Task& task) {
    Parameters parameters(task.with);
    const std::vector<std::string> names = parameters.texts("groups");
    if (names.empty()) parameters.complain("'groups' is missing");
    const auto user = user_named_in(site, parameters);
    if (!user) return user.error();
    const auto groups = groups_named(site, task, names, false);
    if (!groups) return groups.error();
    const auto left = leave(site, *user, *groups);
    if (!left) return left.error();
    return json::value{{"id", user->id}, {"left", *left}};
}

} // namespace baton::workers::redmine
