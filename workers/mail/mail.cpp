// The tasks of mail: accounts by whichever place is configured, letters by SMTP.
#include "workers/mail/mail.hpp"

#include "base/random.hpp"
#include "workers/mail/accounts.hpp"
#include "workers/mail/ledger.hpp"
#include "workers/mail/send.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <variant>

namespace baton::workers::mail {

namespace json = boost::json;

std::string mark_of(std::string_view identity) { return "baton-" + digest_of(identity, 32); }

namespace {

using Accounts = std::variant<Mailcow, PostfixTables>;

std::string address_in(Parameters& parameters) {
    const std::string address = lower(parameters.text("address", parameters.text("id")));
    if (address.empty())
        parameters.complain("'address' is missing");
    else if (!is_address(address))
        parameters.complain(fmt::format("'{}' is not a mail address", address));
    return address;
}

// --- accounts -------------------------------------------------------------------------------------

json::value made(const std::string& address, bool created) {
    return {{"id", address}, {"address", address}, {"created", created}};
}

// A mailbox that is there: this task's own, made by an earlier attempt that could not say so, or
// somebody's. Only the first counts as created: an undo must not take what was there before.
Answer existing(const Mailbox& mailbox, const std::vector<std::string>& marks, bool adopt) {
    const bool is_own = std::any_of(marks.begin(), marks.end(), [&](const std::string& mark) {
        return std::find(mailbox.marks.begin(), mailbox.marks.end(), mark) != mailbox.marks.end();
    });
    if (is_own || adopt) return made(mailbox.address, is_own);
    contract::Problem problem =
        permanent("already_exists", fmt::format("there is a mailbox {} already", mailbox.address), 409);
    problem.data = json::serialize(json::object{{"address", mailbox.address}});
    return problem;
}

Answer create(const Accounts& accounts, const Task& task) {
    Parameters parameters(task.with);
    NewMailbox wish;
    wish.mailbox.address = address_in(parameters);
    wish.mailbox.name = parameters.text("name");
    wish.password = parameters.text("password");
    wish.quota_mb = parameters.number("quota_mb", 0);
    const bool adopt = parameters.flag("adopt", false);
    if (wish.quota_mb < 0 || wish.quota_mb > 1'000'000) parameters.complain("'quota_mb' is out of range");
    if (parameters.is_bad()) return parameters.problem();
    // Nobody is told this word: the owner gets in by the provider's way to set one.
    if (wish.password.empty()) wish.password = random_name(24) + "aA1!";
    for (const std::string& identity : task.identities())
        wish.mailbox.marks.push_back(mark_of(identity));
    return std::visit(
        [&](const auto& place) -> Answer {
            const auto before = place.find(wish.mailbox.address);
            if (!before) return before.error();
            if (*before) return existing(**before, wish.mailbox.marks, adopt);
            const auto added = place.add(wish);
            if (added && *added == Added::created) return made(wish.mailbox.address, true);
            if (!added && !added.error().retryable) return added.error();
            // Somebody was faster, or nobody told us how it ended.
            const auto after = place.find(wish.mailbox.address);
            if (after && *after) return existing(**after, wish.mailbox.marks, adopt);
            if (!added) return added.error();
            return after ? Answer(temporary("conflict", "the mailbox came and went")) : after.error();
        },
        accounts);
}

Answer remove(const Accounts& accounts, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    return std::visit(
        [&](const auto& place) -> Answer {
            const auto removed = place.remove(address);
            if (!removed) return removed.error();
            return json::value{{"id", address}, {"deleted", *removed}};
        },
        accounts);
}

Answer lock(const Accounts& accounts, const Task& task) {
    Parameters parameters(task.with);
    const std::string address = address_in(parameters);
    if (parameters.is_bad()) return parameters.problem();
    return std::visit(
        [&](const auto& place) -> Answer {
            const auto locked = place.lock(address);
            if (!locked) return locked.error();
            return json::value{{"id", address}, {"locked", *locked}};
        },
        accounts);
}

std::string address_key(const json::object& with) {
    for (const char* name : {"address", "id"})
        if (const json::value* value = with.if_contains(name); value && value->is_string())
            return "mailbox " + lower(value->get_string());
    return {};
}

} // namespace

std::vector<Handler> make_handlers(const Settings& settings) {
    std::vector<Handler> handlers;
    if (!settings.mailcow_url.empty() || !settings.database_url.empty()) {
        const auto accounts = settings.mailcow_url.empty()
                                  ? std::make_shared<const Accounts>(PostfixTables(settings))
                                  : std::make_shared<const Accounts>(Mailcow(settings));
        handlers.push_back(only_with({"address", "id", "name", "password", "quota_mb", "adopt"},
                                     {"mail.create",
                                      [accounts](const Task& task) { return create(*accounts, task); },
                                      address_key}));
        handlers.push_back(only_with({"id", "address"},
                                     {"mail.delete",
                                      [accounts](const Task& task) { return remove(*accounts, task); },
                                      address_key}));
        handlers.push_back(only_with({"id", "address"},
                                     {"mail.lock",
                                      [accounts](const Task& task) { return lock(*accounts, task); },
                                      address_key}));
    }
    if (!settings.smtp_url.empty()) {
        Ledger(settings.ledger_folder).clean();
        handlers.push_back({"mail.send", [settings](const Task& task) { return send(settings, task); }, send_key});
    }
    return handlers;
}

} // namespace baton::workers::mail
