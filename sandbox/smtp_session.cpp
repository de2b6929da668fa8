// The submission dialogue, with postfix's reply codes.
#include "sandbox/smtp_session.hpp"

#include "sandbox/target.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <cctype>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

// Somebody who talks nonsense is sent away after this many lines.
constexpr int mistakes_max = 5;
constexpr std::size_t recipients_max = 100;

// What is not base64 ends the text; a wrong login is the worst that comes of it.
std::string decode_base64(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos) break;
        bits = (bits << 6) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>((bits >> count) & 0xFF);
    }
    return out;
}

std::string lower_word(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool is_same(std::string_view a, std::string_view b) { return lower_word(a) == lower_word(b); }

// "FROM:<a@b> SIZE=3" after the prefix "FROM:"; nothing if malformed.
std::optional<std::string> path_in(std::string_view arguments, std::string_view prefix) {
    if (!is_same(arguments.substr(0, prefix.size()), prefix)) return std::nullopt;
    arguments.remove_prefix(prefix.size());
    while (arguments.starts_with(' ')) arguments.remove_prefix(1);
    const std::size_t end = arguments.find('>');
    if (!arguments.starts_with('<') || end == std::string_view::npos) return std::nullopt;
    return std::string(arguments.substr(1, end - 1));
}

bool is_address(std::string_view text) {
    const std::size_t at = text.rfind('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           text.find_first_of(" <>,") == std::string_view::npos;
}

// A header's value, unfolded; empty if it is not there.
std::string header_of(std::string_view mail, std::string_view name) {
    while (!mail.empty() && !mail.starts_with("\r\n")) {
        std::size_t end = mail.find("\r\n");
        while (end != std::string_view::npos && end + 2 < mail.size() &&
               (mail[end + 2] == ' ' || mail[end + 2] == '\t'))
            end = mail.find("\r\n", end + 2);
        const std::string_view line = mail.substr(0, end);
        if (line.size() > name.size() && line[name.size()] == ':' &&
            is_same(line.substr(0, name.size()), name)) {
            std::string value(line.substr(name.size() + 1));
            value.erase(0, value.find_first_not_of(' '));
            return value;
        }
        if (end == std::string_view::npos) break;
        mail.remove_prefix(end + 2);
    }
    return {};
}

std::string unstuffed(std::string_view data) {
    std::string out;
    out.reserve(data.size());
    bool at_line_start = true;
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (!(at_line_start && data[i] == '.')) out += data[i];
        at_line_start = data[i] == '\n';
    }
    return out;
}

} // namespace

bool SmtpSession::spoil(std::string_view operation, Answer& answer) {
    const std::optional<Fault> fault = room_.faults.take(operation);
    if (!fault) return false;
    answer.delay = fault->delay;
    switch (fault->mode) {
    case Fault::Mode::fail:
        // The error is a whole reply: "451 4.3.0 Temporary lookup failure".
        answer.text = !fault->error.empty()
                          ? fault->error + "\r\n"
                          : fmt::format("{} {}.0.0 sandbox fault\r\n", fault->status,
                                        fault->status / 100);
        if (answer.text.starts_with("421")) answer.next = Next::close;
        return true;
    case Fault::Mode::garbage:
        answer.text = "\x7f?\r\n";
        return true;
    case Fault::Mode::drop:
        answer.next = Next::close;
        return true;
    case Fault::Mode::lost_answer:
        loses_answer_ = true;
        return false;
    case Fault::Mode::delay:
    case Fault::Mode::race:
        return false;
    }
    return false;
}

SmtpSession::Answer SmtpSession::greet() {
    Answer answer;
    if (spoil("mail.connect", answer)) {
        answer.next = Next::close;
        return answer;
    }
    answer.text = "220 sandbox.invalid ESMTP Baton sandbox, a stand-in\r\n";
    return answer;
}

void SmtpSession::tls_is_on() {
    has_tls_ = true;
    said_hello_ = false;
    user_.clear();
    forget_mail();
}

void SmtpSession::forget_mail() {
    has_sender_ = false;
    sender_.clear();
    recipients_.clear();
}

bool SmtpSession::may_send() const { return !user_.empty() || room_.options.smtp_takes_plain; }

SmtpSession::Answer SmtpSession::hello(std::string_view verb) {
    said_hello_ = true;
    forget_mail();
    if (verb == "helo") return {"250 sandbox.invalid\r\n"};
    std::string text = "250-sandbox.invalid\r\n250-PIPELINING\r\n";
    text += fmt::format("250-SIZE {}\r\n", mail_bytes_max);
    if (!has_tls_) text += "250-STARTTLS\r\n";
    if (has_tls_) text += "250-AUTH PLAIN LOGIN\r\n";
    return {text + "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"};
}

SmtpSession::Answer SmtpSession::take_line(std::string_view line) {
    if (login_ != Login::none) return login_line(line);
    const std::size_t space = line.find(' ');
    const std::string verb = lower_word(line.substr(0, space));
    const std::string_view arguments =
        space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
    if (verb == "ehlo" || verb == "helo") return hello(verb);
    if (verb == "quit") return {"221 2.0.0 Bye\r\n", Next::close};
    if (verb == "noop") return {"250 2.0.0 Ok\r\n"};
    if (verb == "rset") {
        forget_mail();
        return {"250 2.0.0 Ok\r\n"};
    }
    if (verb == "starttls") {
        if (has_tls_) return {"503 5.5.1 TLS is already on\r\n"};
        return {"220 2.0.0 Ready to start TLS\r\n", Next::start_tls};
    }
    if (verb == "auth") return authenticate(arguments);
    if (verb == "mail") return mail(arguments);
    if (verb == "rcpt") return recipient(arguments);
    if (verb == "data") {
        if (recipients_.empty()) return {"503 5.5.1 Error: need RCPT command\r\n"};
        return {"354 End data with <CR><LF>.<CR><LF>\r\n", Next::read_data};
    }
    if (++mistakes_ >= mistakes_max)
        return {"421 4.7.0 this is the sandbox's SMTP port; good bye\r\n", Next::close};
    return {"502 5.5.2 Error: command not recognized\r\n"};
}

SmtpSession::Answer SmtpSession::authenticate(std::string_view arguments) {
    if (!has_tls_) return {"530 5.7.0 Must issue a STARTTLS command first\r\n"};
    if (!user_.empty()) return {"503 5.5.1 Error: already authenticated\r\n"};
    Answer answer;
    if (spoil("mail.auth", answer)) return answer;
    const std::size_t space = arguments.find(' ');
    const std::string mechanism = lower_word(arguments.substr(0, space));
    const std::string_view initial =
        space == std::string_view::npos ? std::string_view{} : arguments.substr(space + 1);
    if (mechanism == "plain") {
        if (initial.empty()) {
            login_ = Login::word;
            login_name_.clear();
            return {"334 \r\n"};
        }
        login_ = Login::word;
        login_name_.clear();
        return login_line(initial);
    }
    if (mechanism == "login") {
        login_ = Login::name;
        if (!initial.empty()) return login_line(initial);
        return {"334 VXNlcm5hbWU6\r\n"};
    }
    return {"535 5.7.8 Error: authentication failed: no such mechanism\r\n"};
}

SmtpSession::Answer SmtpSession::login_line(std::string_view line) {
    const std::string text = decode_base64(line);
    if (login_ == Login::name) {
        login_ = Login::word;
        login_name_ = text;
        return {"334 UGFzc3dvcmQ6\r\n"};
    }
    login_ = Login::none;
    if (!login_name_.empty()) return check(login_name_, text);
    // PLAIN: authorization id, NUL, name, NUL, word.
    const std::size_t first = text.find('\0');
    const std::size_t second = first == std::string::npos ? first : text.find('\0', first + 1);
    if (second == std::string::npos) return {"501 5.5.2 cannot decode this response\r\n"};
    return check(std::string_view(text).substr(first + 1, second - first - 1),
                 std::string_view(text).substr(second + 1));
}

SmtpSession::Answer SmtpSession::check(std::string_view name, std::string_view word) {
    if (name != room_.options.smtp_user || word != room_.options.smtp_password)
        return {"535 5.7.8 Error: authentication failed\r\n"};
    user_ = name;
    return {"235 2.7.0 Authentication successful\r\n"};
}

SmtpSession::Answer SmtpSession::mail(std::string_view arguments) {
    if (!said_hello_) return {"503 5.5.1 Error: send HELO/EHLO first\r\n"};
    if (!may_send())
        return {has_tls_ ? "530 5.7.0 Authentication required\r\n"
                         : "530 5.7.0 Must issue a STARTTLS command first\r\n"};
    const auto sender = path_in(arguments, "FROM:");
    if (!sender || (!sender->empty() && !is_address(*sender)))
        return {"501 5.1.7 Bad sender address syntax\r\n"};
    const std::size_t size = lower_word(arguments).find("size=");
    if (size != std::string::npos &&
        std::strtoull(std::string(arguments.substr(size + 5)).c_str(), nullptr, 10) > mail_bytes_max)
        return {"552 5.3.4 Message size exceeds fixed limit\r\n"};
    Answer answer;
    if (spoil("mail.from", answer)) return answer;
    forget_mail();
    has_sender_ = true;
    sender_ = *sender;
    return {"250 2.1.0 Ok\r\n"};
}

SmtpSession::Answer SmtpSession::recipient(std::string_view arguments) {
    if (!has_sender_) return {"503 5.5.1 Error: need MAIL command\r\n"};
    const auto path = path_in(arguments, "TO:");
    if (!path || !is_address(*path)) return {"501 5.1.3 Bad recipient address syntax\r\n"};
    if (recipients_.size() >= recipients_max) return {"452 4.5.3 Error: too many recipients\r\n"};
    Answer answer;
    if (spoil("mail.rcpt", answer)) return answer;
    const std::string address = lower_word(*path);
    const std::string domain = address.substr(address.rfind('@') + 1);
    if (domain.ends_with(".invalid")) return {"550 5.1.2 no route off this machine\r\n"};
    // A domain that has mailboxes here is ours: only these can be written to. All other domains
    // stand for the rest of the world.
    bool is_ours = false;
    bool exists = false;
    for (const auto& [key, mailbox] : room_.world.all("mailboxes")) {
        is_ours = is_ours || key.ends_with("@" + domain);
        exists = exists || (key == address && mailbox.at("active") == 1);
    }
    if (is_ours && !exists && !room_.options.is_furnished)
        return {fmt::format("550 5.1.1 <{}>: Recipient address rejected: User unknown\r\n", address)};
    recipients_.push_back(address);
    return {"250 2.1.5 Ok\r\n"};
}

SmtpSession::Answer SmtpSession::take_data(std::string_view data) {
    Answer answer;
    if (spoil("mail.send", answer)) {
        forget_mail();
        room_.world.count("mail.send", answer.text.empty() ? "no answer" : answer.text.substr(0, 3));
        return answer;
    }
    const std::string mail = unstuffed(data);
    const std::int64_t number = room_.world.next_id("mails");
    json::array to;
    for (const std::string& recipient : recipients_) to.push_back(json::string(recipient));
    room_.world.put("mails", std::to_string(number),
                    {{"from", sender_},
                     {"to", std::move(to)},
                     {"message_id", header_of(mail, "Message-ID")},
                     {"subject", header_of(mail, "Subject")},
                     {"text", mail},
                     {"tls", has_tls_},
                     {"user", user_},
                     {"received", stamp()}});
    forget_mail();
    if (loses_answer_) {
        loses_answer_ = false;
        room_.world.count("mail.send", "no answer");
        answer.next = Next::close;
        return answer;
    }
    room_.world.count("mail.send", "250");
    answer.text = fmt::format("250 2.0.0 Ok: queued as SANDBOX{}\r\n", number);
    return answer;
}

} // namespace baton::sandbox
