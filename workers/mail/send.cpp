// Reads what a letter says, asks the ledger what became of earlier attempts, submits.
#include "workers/mail/send.hpp"

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/suggest.hpp"
#include "workers/attachments.hpp"
#include "workers/mail/calendar.hpp"
#include "workers/mail/ledger.hpp"
#include "workers/mail/smtp.hpp"
#include "workers/mail/templates.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace baton::workers::mail {

namespace json = boost::json;

namespace {

constexpr std::size_t letter_bytes_max = 512 * 1024;
constexpr std::size_t recipients_max = 50;

// Every parameter of mail.send that is no field of a template.
constexpr std::array<std::string_view, 11> send_names = {"to",   "cc",       "bcc",  "reply_to",    "subject",   "text",
                                                         "html", "template", "from", "attachments", "invitation"};

Person person_of(Parameters& parameters, std::string_view text) {
    auto person = person_in(text);
    if (!person) parameters.complain(fmt::format("'{}' is not a mail address", one_line(text)));
    return person.value_or(Person{});
}

std::vector<Person> people_in(Parameters& parameters, std::string_view name) {
    std::vector<Person> people;
    for (const std::string& text : parameters.texts(name)) people.push_back(person_of(parameters, text));
    return people;
}

// { start, end, summary, location, description, uid, method, sequence }
void take_invitation(Parameters& parameters, const json::object& with, Letter& letter) {
    const json::value* value = with.if_contains("invitation");
    if (!value || value->is_null()) return;
    if (!value->is_object()) return parameters.complain("'invitation' must be a table with start, end and summary");
    constexpr std::array<std::string_view, 8> names = {"start", "end", "summary", "location", "description", "uid", "method", "sequence"};
    Parameters inner(value->get_object());
    inner.only(names);
    Invitation invitation;
    const auto start = moment_in(inner.text("start"));
    const auto end = moment_in(inner.text("end"));
    if (!start || !end) inner.complain("'start' and 'end' must be moments as 2026-02-02T09:00:00Z");
    if (start && end && *end < *start) inner.complain("'end' is before 'start'");
    invitation.start = start.value_or(Time{});
    invitation.end = end.value_or(Time{});
    invitation.summary = inner.text("summary", letter.subject);
    invitation.location = inner.text("location");
    invitation.description = inner.text("description");
    invitation.uid = inner.text("uid", letter.message_id.substr(1, letter.message_id.size() - 2));
    invitation.method = inner.text("method", "REQUEST");
    invitation.sequence = inner.number("sequence", 0);
    if (invitation.method != "REQUEST" && invitation.method != "CANCEL") inner.complain("'method' must be REQUEST or CANCEL");
    if (invitation.sequence < 0) inner.complain("'sequence' must not be below zero");
    if (inner.is_bad()) return parameters.complain("invitation: " + inner.problem().detail);
    invitation.organizer = letter.from;
    for (const auto* people : {&letter.to, &letter.cc}) invitation.attendees.insert(invitation.attendees.end(), people->begin(), people->end());
    letter.calendar = to_calendar(invitation, SystemClock{}.now());
    letter.calendar_method = invitation.method;
}

// Every parameter must be a field of the template, and every field a parameter.
void check_fields(Parameters& parameters, const json::object& with, const std::string& name, const Template& pattern) {
    const auto fields = pattern.fields();
    std::vector<std::string_view> known(send_names.begin(), send_names.end());
    known.insert(known.end(), fields.begin(), fields.end());
    for (const auto& member : with)
        if (std::find(known.begin(), known.end(), std::string_view(member.key())) == known.end())
            parameters.complain(fmt::format("template '{}' has no field '{}'{}", name, std::string_view(member.key()),
                                            did_you_mean(member.key(), known)));
    for (const std::string& field : fields)
        if (!with.contains(field)) parameters.complain(fmt::format("template '{}' needs the field '{}'", name, field));
}

void take_template(const Settings& settings, Parameters& parameters, const json::object& with, Letter& letter) {
    const std::string name = parameters.text("template");
    if (name.empty()) return parameters.only(send_names);
    const auto pattern = read_template(settings.template_folder, name);
    if (!pattern) return parameters.complain(pattern.error().detail);
    check_fields(parameters, with, name, *pattern);
    const Template filled = pattern->filled(with);
    if (letter.subject.empty()) letter.subject = filled.subject;
    if (letter.text.empty()) letter.text = filled.text;
    if (letter.html.empty()) letter.html = filled.html;
}

Letter letter_in(const Settings& settings, const Task& task, Parameters& parameters) {
    Letter letter;
    letter.to = people_in(parameters, "to");
    letter.cc = people_in(parameters, "cc");
    letter.bcc = people_in(parameters, "bcc");
    letter.reply_to = people_in(parameters, "reply_to");
    letter.from = sender_of(settings);
    if (const std::string from = parameters.text("from"); !from.empty()) letter.from = person_of(parameters, from);
    letter.subject = parameters.text("subject");
    letter.text = parameters.text("text");
    letter.html = parameters.text("html");
    letter.attachments = attachments_in(parameters, task.with);
    take_template(settings, parameters, task.with, letter);
    letter.message_id = message_id_of(task, letter.from);
    take_invitation(parameters, task.with, letter);
    if (letter.to.empty()) parameters.complain("'to' is missing");
    if (letter.to.size() + letter.cc.size() + letter.bcc.size() > recipients_max)
        parameters.complain(fmt::format("'to', 'cc' and 'bcc' have more than {} addresses", recipients_max));
    if (letter.subject.empty() && parameters.text("template").empty()) parameters.complain("'subject' or 'template' is missing");
    if (letter.text.size() + letter.html.size() > letter_bytes_max) parameters.complain("the text is too long for a mail");
    return letter;
}

// Waiting for those whom the server refuses for the moment makes sense while there is a next attempt.
bool is_last_attempt(const contract::TaskRequest& request) { return request.attempt >= request.max_attempts; }

json::value sent_answer(const Letter& letter, const Submitted& submitted, bool is_doubtful) {
    json::array refused;
    for (const Refused& one : submitted.refused) refused.push_back({{"address", one.address}, {"reason", one.reason}});
    return {{"message_id", letter.message_id}, {"doubtful", is_doubtful}, {"refused", std::move(refused)}};
}

contract::Problem with_doubt(NotSubmitted outcome) {
    if (!outcome.may_have_been_sent) return outcome.problem;
    outcome.problem.detail += "; some may have got it";
    outcome.problem.data = R"({"may_have_been_sent":true})";
    return outcome.problem;
}

} // namespace

std::string digest_of(std::string_view text, std::size_t count) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr);
    std::string out;
    for (unsigned int i = 0; i < size && out.size() < count; ++i) out += fmt::format("{:02x}", bytes[i]);
    out.resize(std::min(out.size(), count));
    return out;
}

Person sender_of(const Settings& settings) {
    return person_in(settings.from.empty() ? settings.smtp_user : settings.from).value_or(Person{});
}

std::string message_id_of(const Task& task, const Person& from, std::string_view purpose) {
    const auto identities = task.identities();
    // Tokens of calls without a run are numbers that come again.
    const std::string source = identities.empty() ? random_name(22) : identities.front();
    return fmt::format("<{}@{}>", digest_of(source + std::string(purpose), 32), domain_of(from.address));
}

std::string send_key(const json::object& with) { return "letter " + digest_of(json::serialize(with), 32); }

Answer send(const Settings& settings, const Task& task) {
    Parameters parameters(task.with);
    Letter letter = letter_in(settings, task, parameters);
    if (parameters.is_bad()) return parameters.problem();
    const Ledger ledger(settings.ledger_folder);
    // Two different letters under one key are still two.
    const std::string key = digest_of(letter.message_id + json::serialize(task.with), 40);
    if (const auto before = ledger.sent(key)) {
        ErrorCode bad;
        json::value answer = json::parse(*before, bad);
        if (!bad) return answer;
    }
    if (auto problem = fetch_contents(letter.attachments, settings.files)) return *problem;
    // Without a ledger nobody knows how the attempts before this one ended.
    const bool is_doubtful = ledger.is_kept() ? ledger.begun(key) : task.may_have_begun_before();
    if (const auto noted = ledger.note_begun(key); !noted) return configuration("ledger", noted.error().detail);
    const auto submitted = submit(settings, letter, {is_last_attempt(task.request), task.is_cancelled});
    if (!submitted) {
        if (!submitted.error().may_have_been_sent && !is_doubtful) ledger.forget(key);
        return with_doubt(submitted.error());
    }
    json::value answer = sent_answer(letter, *submitted, is_doubtful);
    ledger.note_sent(key, json::serialize(answer));
    return answer;
}

} // namespace baton::workers::mail
