// Look first, act, look again when in doubt. What this task did not make is not its to undo.
#include "workers/mail/account_tasks.hpp"

#include "workers/mail/address.hpp"
#include "workers/mail/password_letter.hpp"
#include "workers/mail/send.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace baton::workers::mail {

namespace json = boost::json;

namespace {

struct AccountPlace {
    Settings settings;
    std::shared_ptr<const Accounts> accounts;

    // The operation, wherever accounts live.
    template <typename Operation>
    auto at(Operation&& operation) const {
        return std::visit(operation, *accounts);
    }
};

std::string address_in(Parameters& parameters, std::string_view name = "address") {
    const std::string address = lower(name == "address" ? parameters.text("address", parameters.text("id")) : parameters.text(name));
    if (address.empty())
        parameters.complain(fmt::format("'{}' is missing", name));
    else if (!is_address(address))
        parameters.complain(fmt::format("'{}' is not a mail address", one_line(address)));
    return address;
}

// A locked or emptied account of ours would end all mail.
void refuse_own_account(Parameters& parameters, const Settings& settings, const std::string& address) {
    if (!address.empty() && (address == lower(settings.smtp_user) || address == lower(sender_of(settings).address)))
        parameters.complain(fmt::format("{} is the account this worker itself sends with", address));
}

// The key of the step that made it, also if an operator began that step again under another key.
Only only_in(Parameters& parameters) {
    const std::string key = parameters.text("only_if_created_by");
    if (key.empty()) return {};
    return {mark_of("key " + key), mark_of(fmt::format("step {}/", key))};
}

Only marks_of(const Task& task) {
    Only marks;
    for (const std::string& identity : task.identities()) marks.push_back(mark_of(identity));
    return marks;
}

bool has_mark(const std::vector<std::string>& marks, const std::string& mark) {
    return std::find(marks.begin(), marks.end(), mark) != marks.end();
}

contract::Problem not_found(const std::string& address) {
    return permanent("not_found", fmt::format("there is no mailbox {}", address), 404);
}

// `verb` is the result's field: "locked".
Answer outcome(const Reply<Changed>& changed, const std::string& address, std::string_view verb, bool absent_is_fine) {
    if (!changed) return changed.error();
    if (*changed == Changed::absent && !absent_is_fine) return not_found(address);
    json::object answer{{"id", address}, {verb, *changed == Changed::done}};
    if (*changed == Changed::foreign) answer["kept"] = true;
    return json::value(std::move(answer));
}

// --- create -----------------------------------------------------------------------------------------

struct Creation {
    NewMailbox wish;
    PasswordLetter letter;
    bool adopts = false;
};

Creation creation_in(Parameters& parameters, const Task& task, const Settings& settings) {
    Creation creation;
    Mailbox& mailbox = creation.wish.mailbox;
    mailbox.address = address_in(parameters);
    mailbox.name = parameters.text("name");
    mailbox.quota_mb = parameters.number("quota_mb", 0);
    mailbox.marks = marks_of(task);
    creation.wish.password = parameters.text("password");
    creation.adopts = parameters.flag("adopt", false);
    creation.letter = password_letter_in(parameters, "send_password_to", settings, mailbox.address);
    if (is_address(mailbox.address) && !is_fit_for_mailbox(mailbox.address))
        parameters.complain(fmt::format("'{}' cannot be a mailbox: its name becomes part of a path, so it has letters, digits "
                                        "and ._-+'=& only, no two dots in a row and no dot or dash at the beginning",
                                        one_line(mailbox.address)));
    if (mailbox.quota_mb < 0 || mailbox.quota_mb > 1'000'000) parameters.complain("'quota_mb' is out of range");
    if (!creation.wish.password.empty() && !creation.letter.to.empty())
        parameters.complain("'password' is known to the history of the run: with 'send_password_to' leave it out");
    return creation;
}

json::object made(const Mailbox& mailbox, bool created) {
    return {{"id", mailbox.address}, {"address", mailbox.address}, {"created", created}, {"active", mailbox.is_active}};
}

// Nobody must read there who could reach it only by the mailbox itself.
std::optional<contract::Problem> check_reader(const AccountPlace& place, const Creation& creation) {
    if (creation.letter.to.empty()) return std::nullopt;
    const std::string to = lower(person_in(creation.letter.to).value_or(Person{}).address);
    const auto alias = place.at([&](const auto& accounts) { return accounts.find_alias(to); });
    if (!alias) return alias.error();
    if (!*alias || !(*alias)->goes_to(creation.wish.mailbox.address)) return std::nullopt;
    return permanent("invalid_input", fmt::format("'send_password_to' {} is an alias of the mailbox itself", to), 422);
}

// A letter that was taken is not written again. One that was not, or nobody knows, gets a password of its own.
Answer finish(const AccountPlace& place, const Task& task, const Creation& creation, const Mailbox& mailbox, bool is_new) {
    json::object answer = made(mailbox, true);
    if (creation.letter.to.empty()) return json::value(std::move(answer));
    answer["password_sent"] = true;
    const std::string mark = letter_mark_of(task);
    answer["doubtful"] = false;
    if (has_mark(mailbox.marks, mark) || is_password_told(place.settings, task)) return json::value(std::move(answer));
    std::string password = creation.wish.password;
    if (!is_new) {
        password = new_password();
        const auto set = place.at([&](const auto& accounts) { return accounts.set_password(mailbox.address, password); });
        if (!set) return set.error();
    }
    Mailbox named = mailbox;
    if (named.name.empty()) named.name = creation.wish.mailbox.name;
    const auto told = tell_password(place.settings, task, creation.letter, named, password);
    if (!told) {
        contract::Problem problem = told.error().problem;
        if (problem.retryable) return problem;
        // Nobody can ever log in there: it is taken back, so that a failed step leaves nothing.
        const auto removed = place.at([&](const auto& accounts) { return accounts.remove(mailbox.address, creation.wish.mailbox.marks); });
        if (removed) problem.detail += "; the mailbox was taken back";
        return problem;
    }
    const auto marked = place.at([&](const auto& accounts) { return accounts.add_mark(mailbox.address, mark); });
    if (!marked) return marked.error();
    answer["doubtful"] = *told;
    return json::value(std::move(answer));
}

// A mailbox that is there: this task's own, made by an earlier attempt that could not say so, or
// somebody's. Only the first counts as created: an undo must not take what was there before.
Answer existing(const AccountPlace& place, const Task& task, const Creation& creation, const Mailbox& mailbox) {
    const bool is_own = std::any_of(mailbox.marks.begin(), mailbox.marks.end(),
                                    [&](const std::string& mark) { return has_mark(creation.wish.mailbox.marks, mark); });
    if (is_own) return finish(place, task, creation, mailbox, false);
    contract::Problem problem = permanent("already_exists", fmt::format("there is a mailbox {} already", mailbox.address), 409);
    problem.data = json::serialize(json::object{{"address", mailbox.address}, {"active", mailbox.is_active}});
    if (!creation.adopts) return problem;
    if (!mailbox.is_active) {
        problem.type = "locked";
        problem.detail = fmt::format("the mailbox {} is locked: who comes back is let in by mail.unlock first", mailbox.address);
        return problem;
    }
    // Its owner has a password. To set another would shut him out.
    json::object answer = made(mailbox, false);
    if (!creation.letter.to.empty()) answer["password_sent"] = false;
    return json::value(std::move(answer));
}

Answer create(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    Creation creation = creation_in(parameters, task, place.settings);
    if (parameters.is_bad()) return parameters.problem();
    if (auto problem = check_reader(place, creation)) return *problem;
    // Without a letter nobody is told this word: the owner gets in by the provider's way to set one.
    if (creation.wish.password.empty()) creation.wish.password = new_password();
    const std::string& address = creation.wish.mailbox.address;
    const auto look = [&] { return place.at([&](const auto& accounts) { return accounts.find(address); }); };
    const auto before = look();
    if (!before) return before.error();
    if (*before) return existing(place, task, creation, **before);
    const auto added = place.at([&](const auto& accounts) { return accounts.add(creation.wish); });
    if (added && *added == Added::created) return finish(place, task, creation, creation.wish.mailbox, true);
    if (!added && !added.error().retryable) return added.error();
    // Somebody was faster, or nobody told us how it ended.
    const auto after = look();
    if (after && *after) return existing(place, task, creation, **after);
    if (!added) return added.error();
    return after ? Answer(temporary("conflict", "the mailbox came and went")) : after.error();
}

// --- the others -------------------------------------------------------------------------------------

Answer find(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    const auto mailbox = place.at([&](const auto& accounts) { return accounts.find(address); });
    if (!mailbox) return mailbox.error();
    const auto alias = place.at([&](const auto& accounts) { return accounts.find_alias(address); });
    if (!alias) return alias.error();
    json::array targets;
    if (*alias)
        for (const std::string& target : (*alias)->targets)
            if (target != address) targets.push_back(json::string(target));
    json::object answer{{"address", address}, {"found", mailbox->has_value() || alias->has_value()}, {"targets", std::move(targets)}};
    answer["kind"] = *mailbox ? json::value("mailbox") : *alias ? json::value("alias") : json::value(nullptr);
    if (*mailbox) {
        answer["id"] = address;
        answer["name"] = (*mailbox)->name;
        answer["active"] = (*mailbox)->is_active;
        answer["quota_mb"] = (*mailbox)->quota_mb;
    } else if (*alias) {
        answer["active"] = (*alias)->is_active;
    }
    return json::value(std::move(answer));
}

Answer remove(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    const Only only = only_in(parameters);
    refuse_own_account(parameters, place.settings, address);
    if (parameters.is_bad()) return parameters.problem();
    return outcome(place.at([&](const auto& accounts) { return accounts.remove(address, only); }), address, "deleted", true);
}

Answer set_active(const AccountPlace& place, const Task& task, bool is_active) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    const Only only = is_active ? Only{} : only_in(parameters);
    if (!is_active) refuse_own_account(parameters, place.settings, address);
    if (parameters.is_bad()) return parameters.problem();
    const auto changed = place.at([&](const auto& accounts) { return accounts.set_active(address, is_active, only); });
    // An undo that finds nothing is done; an offboarding that finds nobody has the wrong person.
    return outcome(changed, address, is_active ? "unlocked" : "locked", !only.empty());
}

Answer archive(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    const std::string forward_to = parameters.text("forward_to").empty() ? std::string{} : address_in(parameters, "forward_to");
    if (!forward_to.empty() && forward_to == address) parameters.complain("'forward_to' is the mailbox itself");
    refuse_own_account(parameters, place.settings, address);
    if (parameters.is_bad()) return parameters.problem();
    return outcome(place.at([&](const auto& accounts) { return accounts.archive(address, forward_to); }), address, "archived", false);
}

Answer set_quota(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    const std::int64_t quota_mb = parameters.number("quota_mb", -1);
    if (quota_mb < 0 || quota_mb > 1'000'000) parameters.complain("'quota_mb' must be a number from 0 (no limit) to 1000000");
    if (parameters.is_bad()) return parameters.problem();
    const auto changed = place.at([&](const auto& accounts) { return accounts.set_quota(address, quota_mb); });
    if (!changed) return changed.error();
    if (*changed != Changed::done) return not_found(address);
    return json::value{{"id", address}, {"quota_mb", quota_mb}};
}

Answer set_password(const AccountPlace& place, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    std::string password = parameters.text("password");
    const PasswordLetter letter = password_letter_in(parameters, "send_to", place.settings, address);
    refuse_own_account(parameters, place.settings, address);
    if (password.empty() == letter.to.empty()) parameters.complain("either 'send_to' or 'password' must be there");
    if (parameters.is_bad()) return parameters.problem();
    const auto found = place.at([&](const auto& accounts) { return accounts.find(address); });
    if (!found) return found.error();
    if (!*found) return not_found(address);
    const Mailbox& mailbox = **found;
    json::object done{{"id", address}, {"password_set", true}, {"password_sent", !letter.to.empty()}};
    if (!letter.to.empty()) done["doubtful"] = false;
    const std::string mark = letter_mark_of(task);
    const bool is_told = !letter.to.empty() && (has_mark(mailbox.marks, mark) || is_password_told(place.settings, task));
    if (is_told) return json::value(std::move(done));
    if (password.empty()) password = new_password();
    const auto set = place.at([&](const auto& accounts) { return accounts.set_password(address, password); });
    if (!set) return set.error();
    if (letter.to.empty()) return json::value(std::move(done));
    const auto told = tell_password(place.settings, task, letter, mailbox, password);
    if (!told) return told.error().problem;
    const auto marked = place.at([&](const auto& accounts) { return accounts.add_mark(address, mark); });
    if (!marked) return marked.error();
    done["doubtful"] = *told;
    return json::value(std::move(done));
}

// mail.add_alias {alias, to} and mail.add_forward {address, to, keep_copy}.
Answer add_target(const AccountPlace& place, const Task& task, bool is_forward) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters, is_forward ? "address" : "alias");
    const std::string to = address_in(parameters, "to");
    const bool keeps_copy = parameters.flag("keep_copy", true);
    if (!address.empty() && address == to) parameters.complain("'to' is the address itself");
    if (!is_forward && is_address(address) && !is_fit_for_mailbox(address))
        parameters.complain(fmt::format("'{}' cannot be an alias here", one_line(address)));
    if (parameters.is_bad()) return parameters.problem();
    const auto mailbox = place.at([&](const auto& accounts) { return accounts.find(address); });
    if (!mailbox) return mailbox.error();
    if (is_forward && !*mailbox) return not_found(address);
    if (!is_forward && *mailbox)
        return permanent("conflict", fmt::format("{} is a mailbox: its mail is passed on by mail.add_forward", address), 409);
    const auto added = place.at([&](const auto& accounts) { return accounts.add_target(address, to, keeps_copy, marks_of(task)); });
    if (!added) return added.error();
    return json::value{{is_forward ? "address" : "alias", address}, {"to", to}, {"created", *added == Added::created}};
}

Answer remove_target(const AccountPlace& place, const Task& task, bool is_forward) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters, is_forward ? "address" : "alias");
    const std::string to = parameters.text("to").empty() ? std::string{} : address_in(parameters, "to");
    const Only only = only_in(parameters);
    if (!to.empty() && to == address) parameters.complain("'to' is the address itself");
    if (!only.empty() && to.empty()) parameters.complain("'only_if_created_by' needs 'to'");
    if (parameters.is_bad()) return parameters.problem();
    const auto mailbox = place.at([&](const auto& accounts) { return accounts.find(address); });
    if (!mailbox) return mailbox.error();
    if (is_forward && !*mailbox) return not_found(address);
    if (!is_forward && *mailbox)
        return permanent("conflict", fmt::format("{} is a mailbox: a forward ends by mail.remove_forward", address), 409);
    const auto removed = place.at([&](const auto& accounts) { return accounts.remove_target(address, to, only); });
    if (!removed) return removed.error();
    json::object answer{{is_forward ? "address" : "alias", address}, {"removed", *removed == Changed::done}};
    if (*removed == Changed::foreign) answer["kept"] = true;
    return json::value(std::move(answer));
}

std::string address_key(const json::object& with) {
    for (const char* name : {"address", "id", "alias"})
        if (const json::value* value = with.if_contains(name); value && value->is_string())
            return "mailbox " + lower(value->get_string());
    return {};
}

} // namespace

std::vector<Handler> account_handlers(const Settings& settings, std::shared_ptr<const Accounts> accounts) {
    const AccountPlace place{settings, std::move(accounts)};
    std::vector<Handler> handlers;
    const auto offer = [&](std::string task, std::vector<std::string_view> names, auto perform) {
        Handler handler{std::move(task), [place, perform](const Task& one) -> Answer { return perform(place, one); }, address_key};
        handler.target = "mail accounts";
        handlers.push_back(only_with(std::move(names), std::move(handler)));
    };
    offer("mail.create", {"address", "id", "name", "password", "quota_mb", "adopt", "send_password_to", "template"}, create);
    offer("mail.find", {"address", "id"}, find);
    offer("mail.delete", {"address", "id", "only_if_created_by"}, remove);
    offer("mail.lock", {"address", "id", "only_if_created_by"}, [](const AccountPlace& at, const Task& task) { return set_active(at, task, false); });
    offer("mail.unlock", {"address", "id"}, [](const AccountPlace& at, const Task& task) { return set_active(at, task, true); });
    offer("mail.archive", {"address", "id", "forward_to"}, archive);
    offer("mail.set_quota", {"address", "id", "quota_mb"}, set_quota);
    offer("mail.set_password", {"address", "id", "password", "send_to", "template"}, set_password);
    offer("mail.add_alias", {"alias", "to"}, [](const AccountPlace& at, const Task& task) { return add_target(at, task, false); });
    offer("mail.remove_alias", {"alias", "to", "only_if_created_by"}, [](const AccountPlace& at, const Task& task) { return remove_target(at, task, false); });
    offer("mail.add_forward", {"address", "id", "to", "keep_copy"}, [](const AccountPlace& at, const Task& task) { return add_target(at, task, true); });
    offer("mail.remove_forward", {"address", "id", "to", "only_if_created_by"}, [](const AccountPlace& at, const Task& task) { return remove_target(at, task, true); });
    return handlers;
}

} // namespace baton::workers::mail
