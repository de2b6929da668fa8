// The tasks of mail: accounts by whichever place is configured, letters by SMTP.
#include "workers/mail/mail.hpp"

#include "workers/mail/account_tasks.hpp"
#include "workers/mail/ledger.hpp"
#include "workers/mail/send.hpp"

#include <algorithm>
#include <memory>

namespace baton::workers::mail {

std::string mark_of(std::string_view identity) { return "baton-" + digest_of(identity, 32); }

bool may_touch(const Only& only, const std::vector<std::string>& marks) {
    return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& mark) {
        return std::find(marks.begin(), marks.end(), mark) != marks.end();
    });
}

bool Alias::goes_to(std::string_view target) const { return std::find(targets.begin(), targets.end(), target) != targets.end(); }

std::vector<Handler> make_handlers(const Settings& settings) {
    std::vector<Handler> handlers;
    if (!settings.mailcow_url.empty() || !settings.database_url.empty())
        handlers = account_handlers(settings, settings.mailcow_url.empty()
                                                  ? std::make_shared<const Accounts>(PostfixTables(settings))
                                                  : std::make_shared<const Accounts>(Mailcow(settings)));
    if (!settings.smtp_url.empty()) {
        Ledger(settings.ledger_folder).clean();
        handlers.push_back({"mail.send", [settings](const Task& task) { return send(settings, task); }, send_key, "smtp"});
    }
    return handlers;
}

} // namespace baton::workers::mail
