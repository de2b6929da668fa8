// Settings, questions to the sandbox, tasks without a broker.
#include "support.hpp"

#include "workers/http/http_client.hpp"

namespace baton::workers::test {

namespace json = boost::json;

Settings settings_for(const sandbox::Sandbox& sandbox) {
    const sandbox::Options& options = sandbox.options();
    Settings settings;
    settings.mail.mailcow_url = sandbox.mailcow_url();
    settings.mail.mailcow_key = options.mailcow_key;
    settings.mail.smtp_url = sandbox.smtp_url();
    settings.mail.smtp_user = options.smtp_user;
    settings.mail.smtp_password = options.smtp_password;
    settings.mail.ca_pem = sandbox.certificate_pem();
    settings.redmine.url = sandbox.redmine_url();
    settings.redmine.key = options.redmine_key;
    settings.slack.url = sandbox.slack_url();
    settings.slack.token = options.slack_token;
    settings.slack.team = options.slack_team;
    settings.slack.scim_url = sandbox.url() + "/slack/scim/v2";
    settings.slack.webhook_url = sandbox.url() + "/slack/hooks/sandbox";
    for (http::Limits* limits :
         {&settings.mail.limits, &settings.redmine.limits, &settings.slack.limits})
        limits->total = std::chrono::seconds(5);
    return settings;
}

WithSandbox::WithSandbox() : sandbox_(*sandbox::Sandbox::start({})), settings_(settings_for(sandbox_)) {}

void WithSandbox::tell(const std::string& page, const std::string& body) {
    const http::Request request{"POST", sandbox_.url() + page, {}, body};
    const http::Response response = http::perform(request, {});
    ASSERT_EQ(response.status, 200) << response.body;
}

json::object WithSandbox::state() {
    const http::Request request{"GET", sandbox_.url() + "/sandbox/state"};
    return json::parse(http::perform(request, {}).body).as_object();
}

std::size_t WithSandbox::count(const std::string& collection) {
    const json::object all = state();
    return all.contains(collection) ? all.at(collection).as_array().size() : 0;
}

Answer WithSandbox::perform(const std::string& task, const std::string& with,
                            const std::string& identity) {
    auto handlers = handlers_of(task.substr(0, task.find('.')), settings_);
    if (!handlers) return permanent("test", handlers.error().detail);
    for (const Handler& handler : *handlers) {
        if (handler.task != task) continue;
        Task one;
        one.request.task = task;
        one.request.idempotency_key = identity;
        one.with = json::parse(with).as_object();
        one.heartbeat = [](const json::value&) {};
        one.request.attempt = attempt_;
        one.request.max_attempts = max_attempts_;
        one.request.run = run_;
        one.request.step = run_.empty() ? "" : "step";
        one.is_cancelled = [is_cancelled = is_cancelled_] { return is_cancelled; };
        return handler.perform(one);
    }
    return permanent("test", "no handler for " + task);
}

} // namespace baton::workers::test
