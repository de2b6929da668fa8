// Which looks belong to which worker.
#include "workers/check.hpp"

#include "workers/exec/check.hpp"
#include "workers/http_call/check.hpp"
#include "workers/mail/check.hpp"
#include "workers/redmine/check.hpp"
#include "workers/slack/check.hpp"

#include <iterator>

namespace baton::workers {

namespace {

Findings check_target(const std::string& name, const Settings& settings) {
    if (name == "mail") return mail::check(settings.mail);
    if (name == "redmine") return redmine::check(settings.redmine);
    if (name == "slack") return slack::check(settings.slack);
    if (name == "http") return http_call::check(settings.http_call);
    if (name == "exec") return exec::check(settings.exec);
    return {};
}

} // namespace

Findings check_worker(const std::string& name, const Settings& settings, const std::string& broker_url) {
    Findings findings;
    std::vector<Handler> handlers;
    if (auto made = handlers_of(name, settings)) {
        handlers = std::move(*made);
        findings = check_target(name, settings);
        findings.insert(findings.begin(), well("settings", "complete"));
    } else {
        findings.push_back(missing("settings", made.error().detail, "docs/workers.md lists all variables"));
    }
    Findings broker = check_broker(name, broker_url, handlers, settings.queue);
    std::move(broker.begin(), broker.end(), std::back_inserter(findings));
    return findings;
}

} // namespace baton::workers
