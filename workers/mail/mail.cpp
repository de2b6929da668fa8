// The tasks of mail: accounts by whichever place is configured, letters by SMTP.
#include "workers/mail/mail.hpp"

#include "base/base64.hpp"
#include "base/named_file.hpp"
#include "base/random.hpp"
#include "workers/mail/accounts.hpp"
#include "workers/mail/smtp.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <variant>

namespace baton::workers::mail {

namespace json = boost::json;

std::string digest_of(std::string_view text, std::size_t count) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr);
    std::string out;
    for (unsigned int i = 0; i < size && out.size() < count; ++i) out += fmt::format("{:02x}", bytes[i]);
    out.resize(std::min(out.size(), count));
    return out;
}

std::string mark_of(std::string_view identity) { return "baton-" + digest_of(identity, 32); }

namespace {

using Accounts = std::variant<Mailcow, PostfixTables>;

constexpr std::size_t letter_bytes_max = 512 * 1024;
// Most servers take 10 to 25 MB, and base64 adds a third.
constexpr std::size_t attachments_bytes_max = 7 * 1024 * 1024;
constexpr std::size_t recipients_max = 50;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool is_address(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.size() <= 254 &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) > 0x20 && c != 0x7F &&
                      std::string_view("<>(),;:\\\"").find(c) == std::string_view::npos;
           }) &&
           text.find('@', at + 1) == std::string_view::npos;
}

std::string address_in(Parameters& parameters) {
    const std::string address = lower(parameters.text("address", parameters.text("id")));
    if (address.empty())
        parameters.complain("'address' is missing");
    else if (!is_address(address))
        parameters.complain(fmt::format("'{}' is not a mail address", address));
    return address;
}

// Letters and a few signs on both sides of one slash; it becomes part of a header.
bool is_media_type(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() && text.size() <= 127 &&
           std::count(text.begin(), text.end(), '/') == 1 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || std::string_view("/.+-_").find(static_cast<char>(c)) != std::string_view::npos;
           });
}

// --- accounts -------------------------------------------------------------------------------------

json::value made(const std::string& address, bool created) {
    return {{"id", address}, {"address", address}, {"created", created}};
}

// A mailbox that is there: this task's own, or somebody's.
Answer existing(const Mailbox& mailbox, const std::vector<std::string>& marks, bool adopt) {
    const bool is_own = std::any_of(marks.begin(), marks.end(), [&](const std::string& mark) {
        return std::find(mailbox.marks.begin(), mailbox.marks.end(), mark) != mailbox.marks.end();
    });
    if (is_own || adopt) return made(mailbox.address, false);
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

// --- letters --------------------------------------------------------------------------------------

// Every parameter of mail.send that is no field of a template.
constexpr std::array<std::string_view, 10> send_names = {"to",   "cc",       "bcc",  "reply_to",   "subject",
                                                         "text", "html", "template", "from", "attachments"};

std::string plain(const json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

// Each {{name}} becomes the parameter of that name; an unknown name stays as it is.
std::string filled(std::string_view pattern, const json::object& with) {
    std::string out;
    while (!pattern.empty()) {
        const std::size_t begin = pattern.find("{{");
        const std::size_t end =
            begin == std::string_view::npos ? begin : pattern.find("}}", begin);
        if (end == std::string_view::npos) break;
        const std::string_view name = pattern.substr(begin + 2, end - begin - 2);
        const json::value* value = with.if_contains(name);
        out += pattern.substr(0, begin);
        out += value ? plain(*value) : std::string(pattern.substr(begin, end + 2 - begin));
        pattern.remove_prefix(end + 2);
    }
    return out + std::string(pattern);
}

// A template's text; without a file of that name, a plain list of what the task said.
std::string template_text(const Settings& settings, const std::string& name, const json::object& with) {
    if (!settings.template_folder.empty()) {
        if (auto text = read_named_file(settings.template_folder + "/" + name + ".txt", settings_file_bytes_max)) return *text;
    }
    std::string text = fmt::format("Subject: {}\n\n", name);
    for (const auto& pair : with)
        if (std::find(send_names.begin(), send_names.end(), std::string_view(pair.key())) == send_names.end())
            text += fmt::format("{}: {}\n", std::string_view(pair.key()), plain(pair.value()));
    return text;
}

// The name becomes part of a path.
bool is_template_name(std::string_view name) {
    return name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
}

void write_from_template(const Settings& settings, const std::string& name, const json::object& with,
                         Letter& letter) {
    std::string text = filled(template_text(settings, name, with), with);
    if (text.starts_with("Subject: ")) {
        const std::size_t end = text.find('\n');
        if (letter.subject.empty()) letter.subject = text.substr(9, end - 9);
        text.erase(0, end == std::string::npos ? text.size() : end + 1);
        text.erase(0, text.find_first_not_of("\r\n"));
    }
    if (letter.text.empty()) letter.text = std::move(text);
}

std::string message_id_of(const Task& task, const Letter& letter) {
    const auto identities = task.identities();
    std::string source = identities.empty() ? task.request.token : identities.front();
    if (source.empty()) source = random_name(22);
    return fmt::format("<{}@{}>", digest_of(source, 32),
                       letter.from.substr(letter.from.find('@') + 1));
}

void check_addresses(Parameters& parameters, const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses)
        if (!is_address(address)) parameters.complain(fmt::format("'{}' is not a mail address", address));
}

// [{"name": "a.pdf", "type": "application/pdf", "content": base64}]
std::vector<Attachment> attachments_in(Parameters& parameters, const json::object& with) {
    std::vector<Attachment> all;
    const json::value* list = with.if_contains("attachments");
    if (!list || list->is_null()) return all;
    if (!list->is_array()) {
        parameters.complain("'attachments' must be a list of tables with name and content (base64)");
        return all;
    }
    constexpr std::array<std::string_view, 3> names = {"name", "type", "content"};
    for (const json::value& item : list->get_array()) {
        if (!item.is_object()) {
            parameters.complain("each of 'attachments' must be a table with name and content (base64)");
            continue;
        }
        Parameters inner(item.get_object());
        inner.only(names);
        Attachment one{inner.required_text("name"), inner.text("type", "application/octet-stream"), {}};
        const auto content = from_base64(inner.required_text("content"));
        if (!content) inner.complain("'content' is not base64");
        if (content) one.content = *content;
        if (!is_media_type(one.type)) inner.complain("'type' must be as text/plain");
        if (inner.is_bad()) parameters.complain("attachments: " + inner.problem().detail);
        all.push_back(std::move(one));
    }
    return all;
}

Answer send(const Settings& settings, const Task& task) {
    Parameters parameters(task.with);
    Letter letter;
    letter.to = parameters.texts("to");
    letter.cc = parameters.texts("cc");
    letter.bcc = parameters.texts("bcc");
    letter.reply_to = parameters.texts("reply_to");
    letter.from = parameters.text("from", settings.from.empty() ? settings.smtp_user : settings.from);
    letter.subject = parameters.text("subject");
    letter.text = parameters.text("text");
    letter.html = parameters.text("html");
    letter.attachments = attachments_in(parameters, task.with);
    const std::string name = parameters.text("template");
    // Beside a template every other parameter is one of its fields.
    if (name.empty()) parameters.only(send_names);
    if (letter.to.empty()) parameters.complain("'to' is missing");
    if (letter.to.size() + letter.cc.size() + letter.bcc.size() > recipients_max)
        parameters.complain(fmt::format("'to', 'cc' and 'bcc' have more than {} addresses", recipients_max));
    for (const auto* addresses : {&letter.to, &letter.cc, &letter.bcc, &letter.reply_to})
        check_addresses(parameters, *addresses);
    if (!is_address(letter.from)) parameters.complain("'from' is not a mail address");
    if (!is_template_name(name)) parameters.complain("'template' may have letters, digits, - and _ only");
    if (name.empty() && letter.subject.empty()) parameters.complain("'subject' or 'template' is missing");
    if (parameters.is_bad()) return parameters.problem();
    if (!name.empty()) write_from_template(settings, name, task.with, letter);
    std::size_t attached = 0;
    for (const Attachment& one : letter.attachments) attached += one.content.size();
    if (letter.text.size() + letter.html.size() > letter_bytes_max || attached > attachments_bytes_max)
        return permanent("invalid_input", "the text or what is attached is too long for a mail", 422);
    letter.message_id = message_id_of(task, letter);
    if (auto problem = submit(settings, letter)) return *problem;
    return json::value{{"message_id", letter.message_id}};
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
    if (!settings.smtp_url.empty())
        handlers.push_back(
            {"mail.send", [settings](const Task& task) { return send(settings, task); }});
    return handlers;
}

} // namespace baton::workers::mail
