// Headers in encoded words (RFC 2047), names of files (RFC 2231), bodies in base64.
#include "workers/mail/letter.hpp"

#include "base/base64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace baton::workers::mail {

namespace {

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 2047, in words of at most 75 characters, cut between characters: what is beyond ASCII, what would be
// taken for such a word, and what is too long for one line.
std::string encoded_header(std::string_view text) {
    constexpr std::size_t line_bytes_max = 200;
    if (is_ascii(text) && text.size() <= line_bytes_max && text.find("=?") == std::string_view::npos) return std::string(text);
    std::string out;
    while (!text.empty()) {
        std::size_t size = std::min<std::size_t>(text.size(), 42);
        while (size < text.size() && size > 1 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
        out += (out.empty() ? "" : "\r\n ") + fmt::format("=?UTF-8?B?{}?=", base64_of(text.substr(0, size)));
        text.remove_prefix(size);
    }
    return out;
}

// A display name: bare, in quotes or in encoded words, whichever it needs.
std::string phrase(std::string_view name) {
    if (!is_ascii(name)) return encoded_header(name);
    const bool is_bare = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || std::string_view(" !#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (name.find("=?") != std::string_view::npos) return encoded_header(name);
    if (is_bare) return std::string(name);
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string mailbox_of(const Person& person) {
    const std::string address = one_line(person.address);
    return person.name.empty() ? address : fmt::format("{} <{}>", phrase(one_line(person.name)), address);
}

std::string header(std::string_view name, const std::vector<Person>& people) {
    std::string line;
    for (const Person& person : people) line += (line.empty() ? "" : ",\r\n ") + mailbox_of(person);
    return line.empty() ? line : fmt::format("{}: {}\r\n", name, line);
}

std::string wrapped_base64(std::string_view text) {
    const std::string all = base64_of(text);
    std::string out;
    for (std::size_t i = 0; i < all.size(); i += 76) out += all.substr(i, 76) + "\r\n";
    return out;
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

// From Content-Type on. Everything is base64, so no line of it can be a boundary. Of alternatives the
// last is what a mail program likes best: the invitation, with its buttons.
std::string body_of(const Letter& letter) {
    std::vector<std::string> ways;
    if (!letter.text.empty() || (letter.html.empty() && letter.calendar.empty()))
        ways.push_back(part("text/plain; charset=utf-8", letter.text));
    if (!letter.html.empty()) ways.push_back(part("text/html; charset=utf-8", letter.html));
    if (!letter.calendar.empty())
        ways.push_back(part(fmt::format("text/calendar; charset=utf-8; method={}", letter.calendar_method), letter.calendar));
    std::string body = ways.size() == 1 ? std::move(ways.front()) : several("alternative", "=_baton_alternative", ways);
    if (letter.attachments.empty()) return body;
    std::vector<std::string> parts{std::move(body)};
    for (const Attachment& one : letter.attachments)
        parts.push_back(fmt::format("Content-Disposition: attachment; filename*=UTF-8''{}\r\n{}", encoded_name(one.name),
                                    part(one.type, one.content)));
    return several("mixed", "=_baton_mixed", parts);
}

} // namespace

std::string one_line(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    return out;
}

std::string to_text(const Letter& letter, const std::string& date) {
    return fmt::format("{}{}{}{}Subject: {}\r\nDate: {}\r\nMessage-ID: {}\r\n"
                       "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n{}",
                       header("From", {letter.from}), header("To", letter.to), header("Cc", letter.cc),
                       header("Reply-To", letter.reply_to), encoded_header(one_line(letter.subject)), date,
                       one_line(letter.message_id), body_of(letter));
}

} // namespace baton::workers::mail
