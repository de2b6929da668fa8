// Variables to settings, and what a worker cannot do without.
#include "workers/settings.hpp"

#include "base/named_file.hpp"
#include "workers/mail/database.hpp"
#include "workers/members.hpp"

#include <boost/url/parse.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>

namespace baton::workers {

namespace {

Failure invalid(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

// Reads variables one by one and gathers what is wrong with them.
class Reader {
public:
    explicit Reader(const Lookup& lookup) : lookup_(lookup) {}

    void text(std::string_view name, std::string& into) {
        if (auto value = lookup_(name); value && !value->empty()) into = *value;
    }

    // A file that libcurl will read.
    void file(const std::string& name, std::string& into) {
        text(name, into);
        if (into.empty()) return;
        if (const auto checked = check_named_file(into); !checked)
            complain(fmt::format("{}: cannot read {}: {}", name, into, checked.error().detail));
    }

    // NAME, or the first line of the file that NAME_FILE names. An empty file is like an empty
    // variable: not set. compose.yaml mounts every secret, whether its target is used or not; what a
    // worker cannot do without is checked later, by the names of both.
    void secret(const std::string& name, std::string& into) {
        text(name, into);
        std::string path;
        text(name + "_FILE", path);
        if (path.empty()) return;
        const auto content = read_named_file(path, settings_file_bytes_max);
        if (!content) {
            complain(fmt::format("{}_FILE: cannot read a secret from {}: {}", name, path, content.error().detail));
            return;
        }
        std::string line = content->substr(0, content->find('\n'));
        while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
        if (!line.empty()) into = line;
    }

    void url(std::string_view name, std::string_view schemes, std::string& into) {
        std::string value;
        text(name, value);
        if (value.empty()) return;
        const auto parsed = boost::urls::parse_uri(value);
        const bool is_known =
            parsed && (fmt::format(" {} ", schemes).find(fmt::format(" {} ", std::string(parsed->scheme()))) !=
                       std::string::npos);
        if (!is_known || parsed->host().empty()) {
            complain(fmt::format("{}: not a URL that begins with one of: {}", name, schemes));
            return;
        }
        while (value.ends_with('/')) value.pop_back();
        into = value;
    }

    template <typename Number>
    void number(std::string_view name, std::int64_t low, std::int64_t high, Number& into) {
        std::string value;
        text(name, value);
        if (value.empty()) return;
        std::int64_t parsed = 0;
        const char* end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, parsed);
        if (error != std::errc{} || stop != end || parsed < low || parsed > high)
            complain(fmt::format("{}: must be a whole number from {} to {}", name, low, high));
        else
            into = static_cast<Number>(parsed);
    }

    void seconds(std::string_view name, Duration& into) {
        std::int64_t count = -1;
        number(name, 0, 86400, count);
        if (count >= 0) into = std::chrono::seconds(count);
    }

    void complain(std::string complaint) {
        if (!complaints_.empty()) complaints_ += '\n';
        complaints_ += complaint;
    }

    const std::string& complaints() const { return complaints_; }

private:
    const Lookup& lookup_;
    std::string complaints_;
};

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) {
        std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (!item.empty()) items.emplace_back(item);
    }
    return items;
}

void read_mail(Reader& reader, mail::Settings& mail) {
    reader.url("BATON_MAILCOW_URL", "http https", mail.mailcow_url);
    reader.secret("BATON_MAILCOW_KEY", mail.mailcow_key);
    reader.secret("BATON_MAIL_DB_URL", mail.database_url);
    reader.url("BATON_SMTP_URL", "smtp smtps", mail.smtp_url);
    reader.text("BATON_SMTP_USER", mail.smtp_user);
    reader.secret("BATON_SMTP_PASSWORD", mail.smtp_password);
    reader.file("BATON_SMTP_CA_FILE", mail.ca_file);
    reader.text("BATON_SMTP_FROM", mail.from);
    reader.text("BATON_MAIL_TEMPLATES", mail.template_folder);
    reader.text("BATON_MAIL_LEDGER", mail.ledger_folder);
    if (mail.smtp_url.starts_with("smtps:")) mail.security = mail::Security::tls;
    std::string security;
    reader.text("BATON_SMTP_SECURITY", security);
    if (security == "starttls")
        mail.security = mail::Security::starttls;
    else if (security == "tls")
        mail.security = mail::Security::tls;
    else if (security == "none")
        mail.security = mail::Security::none;
    else if (!security.empty())
        reader.complain("BATON_SMTP_SECURITY: must be starttls, tls or none");
}

void read_slack(Reader& reader, slack::Settings& slack) {
    reader.url("BATON_SLACK_URL", "http https", slack.url);
    reader.secret("BATON_SLACK_TOKEN", slack.token);
    reader.secret("BATON_SLACK_ADMIN_TOKEN", slack.admin_token);
    reader.url("BATON_SLACK_SCIM_URL", "http https", slack.scim_url);
    reader.secret("BATON_SLACK_WEBHOOK_URL", slack.webhook_url);
    reader.text("BATON_SLACK_TEAM", slack.team);
    reader.text("BATON_SLACK_NOTIFY_CHANNEL", slack.notify_channel);
    std::string channels;
    reader.text("BATON_SLACK_CHANNELS", channels);
    if (!channels.empty()) slack.channels = split_list(channels);
    std::string mode;
    reader.text("BATON_SLACK_MODE", mode);
    if (mode == "admin_invite")
        slack.mode = slack::Mode::admin_invite;
    else if (mode == "scim")
        slack.mode = slack::Mode::scim;
    else if (mode == "notify")
        slack.mode = slack::Mode::notify;
    else if (!mode.empty())
        reader.complain("BATON_SLACK_MODE: must be admin_invite, scim or notify");
}

Outcome<void> check_mail(const mail::Settings& mail) {
    const bool has_mailcow = !mail.mailcow_url.empty();
    if (!has_mailcow && mail.database_url.empty() && mail.smtp_url.empty())
        return invalid("worker mail: set BATON_MAILCOW_URL and BATON_MAILCOW_KEY, or BATON_MAIL_DB_URL, "
                       "for accounts, and BATON_SMTP_URL, BATON_SMTP_USER, BATON_SMTP_PASSWORD for "
                       "sending mail");
    if (has_mailcow && !mail.database_url.empty())
        return invalid("worker mail: BATON_MAILCOW_URL and BATON_MAIL_DB_URL are both set; accounts "
                       "live in one place");
    if (const std::string wrong = mail::url_complaint(mail.database_url); !wrong.empty())
        return invalid("worker mail: BATON_MAIL_DB_URL " + wrong);
    if (has_mailcow && mail.mailcow_key.empty())
        return invalid("worker mail: BATON_MAILCOW_URL is set, BATON_MAILCOW_KEY (or "
                       "BATON_MAILCOW_KEY_FILE) is missing");
    if (!mail.smtp_user.empty() && mail.smtp_password.empty())
        return invalid("worker mail: BATON_SMTP_USER is set, BATON_SMTP_PASSWORD (or "
                       "BATON_SMTP_PASSWORD_FILE) is missing");
    if (!mail.smtp_url.empty() && mail.from.empty() && mail.smtp_user.find('@') == std::string::npos)
        return invalid("worker mail: set BATON_SMTP_FROM, the address mail comes from");
    return {};
}

Outcome<void> check_redmine(const redmine::Settings& redmine) {
    if (redmine.url.empty() || redmine.key.empty())
        return invalid("worker redmine: set BATON_REDMINE_URL and BATON_REDMINE_KEY (or "
                       "BATON_REDMINE_KEY_FILE), the API key of an administrator");
    return {};
}

Outcome<void> check_slack(const slack::Settings& slack) {
    if (slack.token.empty())
        return invalid("worker slack: set BATON_SLACK_TOKEN (or BATON_SLACK_TOKEN_FILE)");
    if (slack.team.empty() && slack.mode == slack::Mode::admin_invite)
        return invalid("worker slack: set BATON_SLACK_TEAM, the T… id of the workspace, or "
                       "BATON_SLACK_MODE=scim or notify");
    return {};
}

// One address, one key: what refuses one of them refuses all.
std::vector<Handler> with_target(const char* target, std::vector<Handler> handlers) {
    for (Handler& handler : handlers)
        if (handler.target.empty()) handler.target = target;
    return handlers;
}

} // namespace

Lookup environment() {
    return [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        return value ? std::optional<std::string>(value) : std::nullopt;
    };
}

Outcome<void> apply_variables(const Lookup& lookup, Settings& settings) {
    Reader reader(lookup);
    read_mail(reader, settings.mail);
    reader.url("BATON_REDMINE_URL", "http https", settings.redmine.url);
    reader.secret("BATON_REDMINE_KEY", settings.redmine.key);
    reader.text("BATON_REDMINE_KEY_FIELD", settings.redmine.key_field);
    read_slack(reader, settings.slack);
    for (http::Limits* limits :
         {&settings.mail.limits, &settings.redmine.limits, &settings.slack.limits}) {
        reader.file("BATON_HTTP_CA_FILE", limits->ca_file);
        reader.seconds("BATON_HTTP_TIMEOUT", limits->total);
    }
    reader.text("BATON_WORKER_QUEUE", settings.queue);
    reader.number("BATON_WORKER_PREFETCH", 1, 65535, settings.prefetch);
    reader.number("BATON_WORKER_THREADS", 1, 256, settings.threads);
    reader.seconds("BATON_WORKER_STOP_GRACE", settings.stop_grace);
    if (!reader.complaints().empty()) return invalid(reader.complaints());
    return {};
}

std::string workers_file(const Lookup& lookup) {
    return lookup("BATON_WORKER_FILE").value_or("");
}

Outcome<void> apply_file(const boost::json::value& file, Settings& settings) {
    std::string complaints;
    Members members(file, "the workers' file", complaints);
    if (const auto* targets = members.any("target")) {
        auto read = http_call::read_settings(*targets, settings.slack.limits);
        if (!read) members.complain(read.error().detail);
        else settings.http_call = std::move(*read);
    }
    if (const auto* programs = members.any("program")) {
        auto read = exec::read_settings(*programs);
        if (!read) members.complain(read.error().detail);
        else settings.exec = std::move(*read);
    }
    members.finish();
    if (!complaints.empty()) return invalid(complaints);
    return {};
}

const std::vector<std::string>& worker_names() {
    static const std::vector<std::string> names = {"mail", "redmine", "slack", "http", "exec"};
    return names;
}

bool is_set_up(std::string_view worker, const Settings& settings) {
    const auto any = [](std::initializer_list<const std::string*> texts) {
        return std::any_of(texts.begin(), texts.end(), [](const std::string* text) { return !text->empty(); });
    };
    if (worker == "mail") return any({&settings.mail.mailcow_url, &settings.mail.database_url, &settings.mail.smtp_url});
    if (worker == "redmine") return !settings.redmine.url.empty();
    if (worker == "slack") return any({&settings.slack.token, &settings.slack.team, &settings.slack.webhook_url});
    if (worker == "http") return !settings.http_call.targets.empty();
    if (worker == "exec") return !settings.exec.programs.empty();
    return true;
}

Outcome<std::vector<Handler>> handlers_of(std::string_view worker, const Settings& settings) {
    if (worker == "mail") {
        BATON_TRY(check_mail(settings.mail));
        mail::Settings mail = settings.mail;
        mail.files = http_call::files_of(settings.http_call);
        return mail::make_handlers(mail);
    }
    if (worker == "redmine") {
        BATON_TRY(check_redmine(settings.redmine));
        redmine::Settings redmine = settings.redmine;
        redmine.files = http_call::files_of(settings.http_call);
        return with_target("redmine", redmine::make_handlers(redmine));
    }
    if (worker == "slack") {
        BATON_TRY(check_slack(settings.slack));
        slack::Settings slack = settings.slack;
        slack.files = http_call::files_of(settings.http_call);
        return with_target("slack", slack::make_handlers(slack));
    }
    if (worker == "http") {
        if (settings.http_call.targets.empty())
            return invalid("worker http: BATON_WORKER_FILE must name a file with at least one [[target]]");
        return http_call::make_handlers(settings.http_call);
    }
    if (worker == "exec") {
        if (settings.exec.programs.empty())
            return invalid("worker exec: BATON_WORKER_FILE must name a file with at least one [[program]]");
        return exec::make_handlers(settings.exec);
    }
    return invalid(fmt::format("there is no worker '{}'; known are {}", worker, fmt::join(worker_names(), ", ")));
}

} // namespace baton::workers
