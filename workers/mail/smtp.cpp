// libcurl's SMTP, and what the server's reply codes mean. The reply decides, not libcurl's code: an
// authentication server that is down looks like a wrong password to libcurl.
#include "workers/mail/smtp.hpp"

#include "base/clock.hpp"
#include "base/utf8.hpp"
#include "workers/http/curl_handle.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <ctime>

namespace baton::workers::mail {

namespace {

struct Sending {
    std::string_view rest = {};
    bool all_sent = false;
    std::string refusal = {};         // 4xx or 5xx, with its code
    bool is_open = false;             // of several lines, and the last is still to come
};

std::size_t give(char* space, std::size_t size, std::size_t count, void* from) {
    auto& sending = *static_cast<Sending*>(from);
    const std::size_t taken = std::min(sending.rest.size(), size * count);
    std::memcpy(space, sending.rest.data(), taken);
    sending.rest.remove_prefix(taken);
    sending.all_sent = sending.rest.empty();
    return taken;
}

// A header must never grow a second line from a parameter.
std::string one_line(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    return out;
}

// Replies are ASCII or UTF-8 by the standard; what is neither is taken as Latin-1, which old servers
// write. A reply is text from outside: one line, no control characters, of a bounded length.
std::string readable(std::string_view line) {
    constexpr std::size_t reply_bytes_max = 1000;
    line = line.substr(0, reply_bytes_max);
    const std::string text = one_line(line);
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

// Keeps the last refusal with all its lines: after it libcurl says QUIT, whose answer is no reason.
std::size_t take_reply(char* data, std::size_t size, std::size_t count, void* into) {
    std::string_view line(data, size * count);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    auto& sending = *static_cast<Sending*>(into);
    const bool is_refusal = line.size() >= 3 && (line[0] == '4' || line[0] == '5');
    const bool goes_on = sending.is_open && is_refusal;
    sending.is_open = line.size() >= 4 && line[3] == '-' && is_refusal;
    if (!is_refusal) return size * count;
    if (!goes_on)
        sending.refusal = readable(line);
    else if (sending.refusal.size() < 4000)
        sending.refusal += " " + readable(line.substr(std::min<std::size_t>(4, line.size())));
    return size * count;
}

std::string base64(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::uint32_t bits = 0;
        const std::size_t count = std::min<std::size_t>(3, text.size() - i);
        for (std::size_t k = 0; k < 3; ++k)
            bits = (bits << 8) | (k < count ? static_cast<unsigned char>(text[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k)
            out += k <= count ? alphabet[(bits >> (18 - 6 * k)) & 63] : '=';
    }
    return out;
}

// RFC 2047, in words of at most 75 characters, cut between characters.
std::string encoded_header(std::string_view text) {
    const bool is_plain = std::all_of(text.begin(), text.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (is_plain) return std::string(text);
    std::string out;
    while (!text.empty()) {
        std::size_t size = std::min<std::size_t>(text.size(), 42);
        while (size < text.size() && size > 1 &&
               (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
            --size;
        out += (out.empty() ? "" : "\r\n ") + fmt::format("=?UTF-8?B?{}?=", base64(text.substr(0, size)));
        text.remove_prefix(size);
    }
    return out;
}

std::string wrapped_base64(std::string_view text) {
    const std::string all = base64(text);
    std::string out;
    for (std::size_t i = 0; i < all.size(); i += 76) out += all.substr(i, 76) + "\r\n";
    return out;
}

std::string date_now() {
    const std::time_t now = std::chrono::system_clock::to_time_t(SystemClock{}.now());
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[64] = "";
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
    return text;
}

std::string part(std::string_view type, std::string_view content) {
    return fmt::format("Content-Type: {}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", type, wrapped_base64(content));
}

std::string several(std::string_view kind, std::string_view boundary, const std::vector<std::string>& parts) {
    std::string out = fmt::format("Content-Type: multipart/{}; boundary=\"{}\"\r\n\r\n", kind, boundary);
    for (const std::string& one : parts) out += fmt::format("--{}\r\n{}", boundary, one);
    return out + fmt::format("--{}--\r\n", boundary);
}

// RFC 2231, for the name of a file.
std::string encoded_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = std::isalnum(byte) != 0 && byte < 0x80;
        out += is_plain || c == '.' || c == '-' || c == '_' ? std::string(1, c) : fmt::format("%{:02X}", byte);
    }
    return out;
}

// From Content-Type on. Everything is base64, so no line of it can be a boundary.
std::string body_of(const Letter& letter) {
    std::string text = part("text/plain; charset=utf-8", letter.text);
    std::string body = std::move(text);
    if (!letter.html.empty()) {
        std::string html = part("text/html; charset=utf-8", letter.html);
        body = letter.text.empty() ? std::move(html) : several("alternative", "=_baton_alternative", {body, html});
    }
    if (letter.attachments.empty()) return body;
    std::vector<std::string> parts{std::move(body)};
    for (const Attachment& one : letter.attachments)
        parts.push_back(fmt::format("Content-Disposition: attachment; filename*=UTF-8''{}\r\n{}", encoded_name(one.name),
                                    part(one.type, one.content)));
    return several("mixed", "=_baton_mixed", parts);
}

contract::Problem problem_of(CURLcode code, long reply, const Sending& sending) {
    const std::string said = sending.refusal.empty() ? curl_easy_strerror(code) : sending.refusal;
    const std::string detail = "SMTP: " + said;
    const bool is_final = reply >= 400 && reply < 600;
    if (reply == 535 || reply == 534 || reply == 530 || (code == CURLE_LOGIN_DENIED && !is_final)) {
        // The same answer comes when the database behind the mail server is away, so this is never
        // final; but an operator should know.
        contract::Problem problem = configuration("smtp_login", detail);
        problem.retryable = true;
        problem.retry_after = std::chrono::seconds(30);
        problem.status = static_cast<int>(reply);
        return problem;
    }
    if (is_final) {
        contract::Problem problem = reply >= 500 ? permanent("smtp_refused", detail)
                                                 : temporary("smtp_deferred", detail);
        problem.status = static_cast<int>(reply);
        return problem;
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_USE_SSL_FAILED || code == CURLE_SSL_CACERT_BADFILE) {
        contract::Problem problem = configuration("tls", "SMTP: " + std::string(curl_easy_strerror(code)));
        problem.retryable = true;
        problem.retry_after = std::chrono::seconds(60);
        return problem;
    }
    contract::Problem problem = temporary(
        code == CURLE_OPERATION_TIMEDOUT ? "timeout" : "unavailable",
        "SMTP: " + std::string(curl_easy_strerror(code)));
    if (sending.all_sent) problem.data = R"({"may_have_been_sent":true})";
    return problem;
}

} // namespace

std::string to_text(const Letter& letter, const std::string& date) {
    const auto header = [](std::string_view name, const std::vector<std::string>& addresses) {
        std::string line;
        for (const std::string& address : addresses)
            line += (line.empty() ? "" : ",\r\n ") + encoded_header(one_line(address));
        return line.empty() ? line : fmt::format("{}: {}\r\n", name, line);
    };
    return fmt::format("From: {}\r\n{}{}{}Subject: {}\r\nDate: {}\r\nMessage-ID: {}\r\n"
                       "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n{}",
                       one_line(letter.from), header("To", letter.to), header("Cc", letter.cc),
                       header("Reply-To", letter.reply_to), encoded_header(one_line(letter.subject)), date,
                       one_line(letter.message_id), body_of(letter));
}

std::optional<contract::Problem> submit(const Settings& settings, const Letter& letter) {
    const std::string text = to_text(letter, date_now());
    Sending sending{text};
    CURL* curl = http::fresh_handle();
    http::List recipients;
    for (const auto* addresses : {&letter.to, &letter.cc, &letter.bcc})
        for (const std::string& address : *addresses) http::append(recipients, address.c_str());
    const auto millis = [](Duration span) {
        return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(span).count());
    };
    curl_easy_setopt(curl, CURLOPT_URL, settings.smtp_url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     settings.security == Security::none ? CURLUSESSL_NONE : CURLUSESSL_ALL);
    if (!settings.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings.ca_file.c_str());
    curl_blob certificates{const_cast<char*>(settings.ca_pem.data()), settings.ca_pem.size(),
                           CURL_BLOB_COPY};
    if (!settings.ca_pem.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &certificates);
    if (!settings.smtp_user.empty()) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, settings.smtp_user.c_str());
        curl_easy_setopt(curl, CURLOPT_PASSWORD, settings.smtp_password.c_str());
    }
    // A connection for each mail: one that timed out or broke in the middle is in nobody's way.
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, letter.from.c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, &sending);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_reply);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &sending);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, millis(settings.limits.connect));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, millis(settings.limits.total));
    const CURLcode code = curl_easy_perform(curl);
    long reply = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
    if (code == CURLE_OK) return std::nullopt;
    return problem_of(code, reply, sending);
}

} // namespace baton::workers::mail
