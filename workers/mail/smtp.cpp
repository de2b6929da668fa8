// libcurl's SMTP. What is said and answered is followed line by line, so that the reason of a failure
// is the reply that refused, and each stage has the time RFC 5321 §4.5.3.2 gives it.
#include "workers/mail/smtp.hpp"

#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "workers/http/curl_handle.hpp"
#include "workers/mail/refusal.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

namespace baton::workers::mail {

namespace {

using Instant = std::chrono::steady_clock::time_point;

struct SmtpReply {
    int code = 0;
    std::string said;                 // with its code, all lines
    Stage stage = Stage::connecting;
};

// One conversation as libcurl's callbacks see it.
struct Conversation {
    const SmtpPatience& patience;
    const Submission& submission;
    std::string_view rest;                     // of the text
    bool is_all_given = false;
    bool is_held_back = false;                 // somebody is refused for the moment
    bool is_cancelled = false;
    bool is_too_slow = false;
    Stage stage = Stage::connecting;
    Instant since = std::chrono::steady_clock::now();
    std::string recipient = {};                // whom the last RCPT named
    SmtpReply reply = {};                          // being read, or the last one
    bool is_reply_open = false;
    SmtpReply refusal = {};                        // the last that ended something; code 0: none
    std::vector<std::pair<Refused, int>> refused = {};
    std::size_t recipients = 0;

    void enter(Stage next) {
        stage = next;
        since = std::chrono::steady_clock::now();
    }
};

Duration patience_at(const SmtpPatience& patience, Stage stage, bool is_all_given) {
    switch (stage) {
    case Stage::connecting:
    case Stage::hello:
    case Stage::starttls:
    case Stage::login:
    case Stage::sender:
    case Stage::recipient:
        return patience.command;
    case Stage::data:
        return patience.data;
    case Stage::text:
        return is_all_given ? patience.answer : patience.block;
    case Stage::goodbye:
        return patience.goodbye;
    }
    return patience.command;
}

// Replies are ASCII or UTF-8 by the standard; what is neither is taken as Latin-1, which old servers
// write. A reply is text from outside: one line, no control characters, of a bounded length.
std::string readable(std::string_view line) {
    constexpr std::size_t reply_bytes_max = 1000;
    const std::string text = one_line(line.substr(0, reply_bytes_max));
    if (is_utf8(text)) return text;
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xC0U | (byte >> 6U));
            out += static_cast<char>(0x80U | (byte & 0x3FU));
        }
    }
    return out;
}

// The answer to QUIT is no reason for anything.
void take_whole_reply(Conversation& talk) {
    if (talk.stage == Stage::goodbye) return;
    if (talk.stage == Stage::data && talk.reply.code == 354) talk.enter(Stage::text);
    if (talk.reply.code < 400) return;
    talk.refusal = talk.reply;
    talk.refusal.stage = talk.stage;
    if (talk.stage == Stage::recipient)
        talk.refused.emplace_back(Refused{talk.recipient, talk.reply.said}, talk.reply.code);
}

void take_reply_line(Conversation& talk, std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    const bool has_code = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && line[1] >= '0' && line[1] <= '9' &&
                          line[2] >= '0' && line[2] <= '9';
    if (!has_code) return;
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (!talk.is_reply_open)
        talk.reply = {code, readable(line), talk.stage};
    else if (talk.reply.said.size() < 4000)
        talk.reply.said += " " + readable(line.substr(std::min<std::size_t>(4, line.size())));
    talk.is_reply_open = line.size() >= 4 && line[3] == '-';
    if (!talk.is_reply_open) take_whole_reply(talk);
}

// Lines of a login are secret and no commands: nothing of them is kept.
void take_command(Conversation& talk, std::string_view line) {
    // Whatever was refused before, the conversation goes on; only 421 says that it does not.
    if (!line.starts_with("QUIT") && talk.refusal.code != 421) talk.refusal = {};
    if (line.starts_with("EHLO") || line.starts_with("HELO")) talk.enter(Stage::hello);
    if (line.starts_with("STARTTLS")) talk.enter(Stage::starttls);
    if (line.starts_with("AUTH")) talk.enter(Stage::login);
    if (line.starts_with("MAIL FROM:")) talk.enter(Stage::sender);
    if (line.starts_with("DATA")) talk.enter(Stage::data);
    if (line.starts_with("QUIT")) talk.enter(Stage::goodbye);
    if (!line.starts_with("RCPT TO:<")) return;
    talk.enter(Stage::recipient);
    talk.recipient = line.substr(9, line.find('>') - 9);
}

int follow(CURL*, curl_infotype kind, char* data, std::size_t size, void* into) {
    auto& talk = *static_cast<Conversation*>(into);
    if (kind == CURLINFO_HEADER_OUT) take_command(talk, {data, size});
    if (kind == CURLINFO_HEADER_IN) take_reply_line(talk, {data, size});
    return 0;
}

// The server waits for the text. Whom it refused for the moment holds the letter back: what is never
// ended by a dot is never sent.
std::size_t give(char* space, std::size_t size, std::size_t count, void* from) {
    auto& talk = *static_cast<Conversation*>(from);
    const bool has_deferred = std::any_of(talk.refused.begin(), talk.refused.end(), [](const auto& one) { return one.second < 500; });
    if (has_deferred && !talk.submission.leaves_out_deferred) {
        talk.is_held_back = true;
        return CURL_READFUNC_ABORT;
    }
    const std::size_t taken = std::min(talk.rest.size(), size * count);
    std::memcpy(space, talk.rest.data(), taken);
    talk.rest.remove_prefix(taken);
    talk.is_all_given = talk.rest.empty();
    talk.enter(Stage::text);
    return taken;
}

// libcurl asks about once a second, also while it waits.
int go_on(void* from, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& talk = *static_cast<Conversation*>(from);
    talk.is_cancelled = talk.is_cancelled || (talk.submission.is_cancelled && talk.submission.is_cancelled());
    talk.is_too_slow = talk.is_too_slow || std::chrono::steady_clock::now() - talk.since >
                                               patience_at(talk.patience, talk.stage, talk.is_all_given);
    return talk.is_cancelled || talk.is_too_slow ? 1 : 0;
}

std::string date_now() {
    const std::time_t now = std::chrono::system_clock::to_time_t(SystemClock{}.now());
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[64] = "";
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
    return text;
}

std::string list_of(const std::vector<std::pair<Refused, int>>& refused) {
    std::string out;
    for (const auto& [one, code] : refused) out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", one.address, one.reason);
    return out;
}

std::string data_of(const std::vector<std::pair<Refused, int>>& refused) {
    boost::json::array list;
    for (const auto& [one, code] : refused) list.push_back({{"address", one.address}, {"reason", one.reason}});
    return boost::json::serialize(boost::json::object{{"refused", std::move(list)}});
}

// Of several refusals the first that is none for good decides: the letter may still go to somebody.
contract::Problem all_refused(const Conversation& talk) {
    const auto deferred = std::find_if(talk.refused.begin(), talk.refused.end(), [](const auto& one) { return one.second < 500; });
    const auto& [one, code] = deferred == talk.refused.end() ? talk.refused.front() : *deferred;
    contract::Problem problem = problem_of_reply(Stage::recipient, code, one.reason);
    if (talk.refused.size() > 1) problem.detail = "SMTP: " + list_of(talk.refused);
    problem.data = data_of(talk.refused);
    return problem;
}

contract::Problem held_back(const Conversation& talk) {
    contract::Problem problem = all_refused(talk);
    problem.is_attempt = true;        // the letter could go to others, so this does not go on for ever
    problem.detail = "SMTP: not sent to anybody yet, since some are refused for the moment: " + list_of(talk.refused);
    return problem;
}

bool is_tls_trouble(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_USE_SSL_FAILED ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER ||
           code == CURLE_SSL_ISSUER_ERROR;
}

contract::Problem smtp_problem(CURLcode code, const Conversation& talk) {
    if (talk.is_held_back) return held_back(talk);
    if (talk.recipients > 0 && talk.refused.size() == talk.recipients) return all_refused(talk);
    // One of several refused, and then the connection broke: that is the reason.
    const bool is_reason = talk.refusal.code != 0 && (talk.refusal.stage != Stage::recipient || talk.refusal.code == 421);
    if (is_reason) return problem_of_reply(talk.refusal.stage, talk.refusal.code, talk.refusal.said);
    const std::string said = fmt::format("SMTP: {}", curl_easy_strerror(code));
    const bool is_odd_tls = talk.stage == Stage::starttls && code == CURLE_WEIRD_SERVER_REPLY;
    if (is_tls_trouble(code) || is_odd_tls) return configuration("tls", said);
    if (code == CURLE_LOGIN_DENIED) return configuration("smtp_login", "SMTP: the server offers no way to log in that fits");
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return configuration("configuration", said);
    if (talk.is_cancelled) return temporary("cancelled", "SMTP: given up, since the task was cancelled or the worker stops");
    if (talk.is_too_slow || code == CURLE_OPERATION_TIMEDOUT) return temporary("timeout", "SMTP: the server takes too long");
    return temporary("unavailable", said);
}

void set_up(CURL* curl, const Settings& settings, Conversation& talk) {
    curl_easy_setopt(curl, CURLOPT_URL, settings.smtp_url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_USE_SSL, settings.security == Security::none ? CURLUSESSL_NONE : CURLUSESSL_ALL);
    if (!settings.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings.ca_file.c_str());
    curl_blob certificates{const_cast<char*>(settings.ca_pem.data()), settings.ca_pem.size(), CURL_BLOB_COPY};
    if (!settings.ca_pem.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &certificates);
    if (!settings.smtp_user.empty()) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, settings.smtp_user.c_str());
        curl_easy_setopt(curl, CURLOPT_PASSWORD, settings.smtp_password.c_str());
    }
    // A connection for each mail: one that timed out or broke in the middle is in nobody's way.
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(settings.limits.connect).count()));
    // Our own patience decides; libcurl's would be two minutes for each reply.
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, 24L * 3600);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &talk);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, follow);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &talk);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, &talk);
}

} // namespace

boost::system::result<Submitted, NotSubmitted> submit(const Settings& settings, const Letter& letter,
                                                      const Submission& submission) {
    const std::string text = to_text(letter, date_now());
    Conversation talk{settings.patience, submission, text};
    CURL* curl = http::fresh_handle();
    set_up(curl, settings, talk);
    http::List recipients;
    for (const auto* people : {&letter.to, &letter.cc, &letter.bcc})
        for (const Person& person : *people) {
            http::append(recipients, person.address.c_str());
            ++talk.recipients;
        }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, letter.from.address.c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    const CURLcode code = curl_easy_perform(curl);
    // Nothing of this frame stays known to the handle.
    curl_easy_reset(curl);
    if (code == CURLE_OK) {
        Submitted submitted;
        for (auto& [one, reply] : talk.refused) submitted.refused.push_back(std::move(one));
        return submitted;
    }
    const bool is_text_refused = talk.refusal.code != 0 && talk.refusal.stage == Stage::text;
    return NotSubmitted{smtp_problem(code, talk), talk.is_all_given && !is_text_refused};
}

namespace {

// One command on the connection that stands; libcurl takes escapes out of it.
CURLcode say(CURL* curl, std::string_view command) {
    std::string text;
    for (const char c : command) text += c == '%' ? std::string("%25") : std::string(1, c);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, text.c_str());
    return curl_easy_perform(curl);
}

} // namespace

std::optional<contract::Problem> try_sender(const Settings& settings, const std::string& from) {
    const Submission submission;
    SmtpPatience patience = settings.patience;
    patience.command = std::min<Duration>(patience.command, std::chrono::seconds(30)); // somebody is watching
    Conversation talk{patience, submission, {}};
    CURL* curl = http::fresh_handle();
    set_up(curl, settings, talk);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 0L);
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 0L);
    CURLcode code = say(curl, fmt::format("MAIL FROM:<{}>", from));
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 0L);
    // Many servers say at the first recipient only that the sender is not this user's. Refusals of the
    // recipient himself tell nothing: a sender need not have a mailbox.
    SmtpReply refusal = talk.refusal;
    if (code == CURLE_OK && refusal.code == 0) {
        code = say(curl, fmt::format("RCPT TO:<{}>", from));
        const bool is_policy = talk.refusal.code >= 500 && talk.refusal.said.find(" 5.7.") != std::string::npos;
        if (is_policy) refusal = talk.refusal;
        // libcurl ends the connection after most refusals, and with it what was begun.
        if (code == CURLE_OK) static_cast<void>(say(curl, "RSET"));
        if (talk.refusal.code != 0) code = CURLE_OK;
    }
    curl_easy_reset(curl);
    http::drop_handle();
    if (refusal.code != 0) return problem_of_reply(refusal.stage, refusal.code, refusal.said);
    if (code == CURLE_OK) return std::nullopt;
    return smtp_problem(code, talk);
}

} // namespace baton::workers::mail
