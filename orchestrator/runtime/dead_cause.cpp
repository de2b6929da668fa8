// Folds word by word. What a word is decides how the example of a house reads, not more: two causes that
// differ in nothing but a number are one.
#include "orchestrator/runtime/dead_cause.hpp"

#include "base/utf8.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <algorithm>
#include <array>

namespace baton::orchestrator::runtime {
namespace {

constexpr std::size_t detail_bytes_max = 1000; // what is behind them tells no causes apart
constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view quoted_text = "'\xE2\x80\xA6'";

struct Quotes {
    std::string_view open;
    std::string_view close;
};
constexpr std::array<Quotes, 6> quotes{{{"'", "'"}, {"\"", "\""}, {"`", "`"},
                                        {"\xE2\x80\x98", "\xE2\x80\x99"}, {"\xE2\x80\x9C", "\xE2\x80\x9D"},
                                        {"\xC2\xAB", "\xC2\xBB"}}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_space(char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
}
bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '.' || c == '@' || c == '+' || c == '#' || static_cast<unsigned char>(c) >= 0x80;
}

std::string clean(std::string_view text) {
    std::string out;
    while (!text.empty() && out.size() < detail_bytes_max) {
        const std::size_t length = utf8_length(text);
        out += length > 0 ? text.substr(0, length) : replacement;
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

// How long the quoted text is that `text` begins with; 0: none. An apostrophe inside a word is no quote.
std::size_t quoted_length(std::string_view text, char before) {
    for (const Quotes& one : quotes) {
        if (!text.starts_with(one.open)) continue;
        if (one.open.size() == 1 && is_word(before)) continue;
        for (std::size_t from = one.open.size();;) {
            const std::size_t end = text.find(one.close, from);
            if (end == std::string_view::npos) break;
            from = end + one.close.size();
            if (one.close.size() > 1 || from == text.size() || !is_word(text[from])) return from;
        }
    }
    return 0;
}

// Digits hold together what stands between them: 1,234.5 and 12:30:45.
std::size_t word_length(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size()) {
        const char c = text[length];
        const bool joins = (c == ',' || c == ':') && length > 0 && is_digit(text[length - 1]) &&
                           length + 1 < text.size() && is_digit(text[length + 1]);
        if (!is_word(c) && !joins) break;
        if (length > 0 && std::any_of(quotes.begin(), quotes.end(), [&](const Quotes& one) {
                return one.open.size() > 1 && text.substr(length).starts_with(one.open);
            }))
            break;
        ++length;
    }
    while (length > 1 && text[length - 1] == '.') --length; // ends the sentence
    return length;
}

bool is_identity(std::string_view word) {
    if (word.find('#') != std::string_view::npos) return true; // was one already
    if (std::any_of(word.begin(), word.end(), is_digit)) return true;
    const std::size_t at = word.find('@');
    if (at != std::string_view::npos && at > 0 && at + 1 < word.size()) return true;
    constexpr std::size_t hexadecimal_min = 12;
    return word.size() >= hexadecimal_min && word.find_first_not_of("abcdefABCDEF-") == std::string_view::npos;
}

} // namespace

std::string folded(std::string_view detail) {
    const std::string whole = clean(detail);
    std::string_view text = whole;
    std::string out;
    char before = ' ';
    while (!text.empty()) {
        std::size_t length = 1;
        if (is_space(text[0])) {
            if (!out.empty() && out.back() != ' ') out += ' ';
        } else if (const std::size_t quoted = quoted_length(text, before); quoted > 0) {
            length = quoted;
            out += quoted_text;
        } else if (const std::size_t word = word_length(text); word > 0) {
            length = word;
            out += is_identity(text.substr(0, word)) ? std::string_view("#") : text.substr(0, word);
        } else {
            out += text[0];
        }
        before = text[length - 1];
        text.remove_prefix(length);
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

std::string detail_of(const DeadLetter& letter) {
    const auto error = core::Document::parse_stored(letter.error);
    const auto* object = error ? error->json().if_object() : nullptr;
    if (object == nullptr) return {};
    for (const std::string_view name : {"detail", "title"})
        if (const auto* value = object->if_contains(name); value != nullptr && value->is_string() && !value->get_string().empty())
            return {value->get_string().data(), value->get_string().size()};
    return {};
}

std::string cause_of(const DeadLetter& letter) {
    std::string all;
    for (const std::string& part : {letter.task, letter.error_type, letter.reason, folded(detail_of(letter))})
        all += std::to_string(part.size()) + ':' + part;
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr std::size_t bytes = 8;
    std::string key;
    for (const char c : core::sha256(all).substr(0, bytes)) {
        key += digits[static_cast<unsigned char>(c) >> 4];
        key += digits[static_cast<unsigned char>(c) & 15];
    }
    return key;
}

} // namespace baton::orchestrator::runtime
