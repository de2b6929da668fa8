// A letter from a template or from a text of ours.
#include "workers/mail/password_letter.hpp"

#include "base/random.hpp"
#include "workers/mail/ledger.hpp"
#include "workers/mail/send.hpp"
#include "workers/mail/templates.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace baton::workers::mail {

namespace {

constexpr std::string_view own_text = R"(Subject: Your mailbox {{address}}

Hello {{name}},

your mailbox {{address}} is ready. Log in with that address and this password:

    {{password}}

Please change it after the first log-in. If there is more than one letter like this, the newest counts.
)";

// Read before anything is made: a mistyped template must not leave a mailbox behind.
Outcome<Template> template_for(const Settings& settings, const std::string& name) {
    return name.empty() ? template_of(own_text, {}) : read_template(settings.template_folder, name);
}

} // namespace

PasswordLetter password_letter_in(Parameters& parameters, std::string_view name_of_to, const Settings& settings,
                                  const std::string& address) {
    PasswordLetter letter{parameters.text(name_of_to), parameters.text("template")};
    if (letter.to.empty()) {
        if (!letter.pattern.empty()) parameters.complain(fmt::format("'template' is of no use without '{}'", name_of_to));
        return letter;
    }
    const auto person = person_in(letter.to);
    if (!person)
        parameters.complain(fmt::format("'{}' is not a mail address", one_line(letter.to)));
    else if (lower(person->address) == address)
        parameters.complain(fmt::format("'{}' is the mailbox itself: nobody can read there before having the password", name_of_to));
    if (settings.smtp_url.empty()) parameters.complain(fmt::format("'{}' needs BATON_SMTP_URL", name_of_to));
    const auto pattern = template_for(settings, letter.pattern);
    if (!pattern) {
        parameters.complain(pattern.error().detail);
        return letter;
    }
    const auto fields = pattern->fields();
    for (const std::string& field : fields)
        if (field != "name" && field != "address" && field != "password")
            parameters.complain(fmt::format("template '{}' needs the field '{}'; a letter with a password has name, address and password",
                                            letter.pattern, field));
    if (!fields.contains("password")) parameters.complain(fmt::format("template '{}' does not say {{{{password}}}}", letter.pattern));
    return letter;
}

std::string letter_mark_of(const Task& task) {
    const auto identities = task.identities();
    return mark_of("letter " + (identities.empty() ? random_name(22) : identities.front()));
}

// Long enough for any rule, with a character of each kind.
std::string new_password() { return random_name(20) + "aA1!"; }

bool is_password_told(const Settings& settings, const Task& task) {
    return Ledger(settings.ledger_folder).sent(letter_mark_of(task)).has_value();
}

boost::system::result<bool, NotSubmitted> tell_password(const Settings& settings, const Task& task, const PasswordLetter& letter,
                                          const Mailbox& mailbox, const std::string& password) {
    const auto pattern = template_for(settings, letter.pattern);
    if (!pattern) return NotSubmitted{permanent("invalid_input", pattern.error().detail, 422)};
    const Template filled = pattern->filled({{"name", mailbox.name.empty() ? mailbox.address : mailbox.name},
                                             {"address", mailbox.address},
                                             {"password", password}});
    Letter out;
    out.from = sender_of(settings);
    out.to = {person_in(letter.to).value_or(Person{})};
    out.subject = filled.subject.empty() ? "Your mailbox " + mailbox.address : filled.subject;
    out.text = filled.text;
    out.html = filled.html;
    // Another password is another letter: a mail program must not take it for a copy.
    out.message_id = message_id_of(task, out.from, password);
    const Ledger ledger(settings.ledger_folder);
    const std::string key = letter_mark_of(task);
    const bool is_doubtful = ledger.is_kept() ? ledger.begun(key) : task.may_have_begun_before();
    if (const auto noted = ledger.note_begun(key); !noted) return NotSubmitted{configuration("ledger", noted.error().detail)};
    const auto submitted = submit(settings, out, {true, task.is_cancelled});
    if (!submitted) {
        if (!submitted.error().may_have_been_sent && !is_doubtful) ledger.forget(key);
        return submitted.error();
    }
    ledger.note_sent(key, "{}");
    return is_doubtful;
}

} // namespace baton::workers::mail
