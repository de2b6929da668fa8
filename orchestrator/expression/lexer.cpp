// Numbers, names, string literals with all their prefixes and escapes, and symbols.
#include "orchestrator/expression/lexer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace baton::orchestrator::expression {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool continues_name(char c) {
    return begins_name(c) || is_digit(c);
}

// Characters of other keyboards and editors that look like ours.
std::string_view advice_for(std::string_view rest) {
    for (const std::string_view quote :
         {"\u2018", "\u2019", "\u201c", "\u201d", "\u00ab", "\u00bb"})
        if (rest.starts_with(quote)) return "; strings are written with ' or \"";
    if (rest.starts_with("\u2013") || rest.starts_with("\u2212")) return "; minus is written -";
    if (rest.starts_with("\u2260")) return "; did you mean '!='?";
    if (rest.starts_with("\u2264")) return "; did you mean '<='?";
    if (rest.starts_with("\u2265")) return "; did you mean '>='?";
    if (rest.starts_with("&")) return "; did you mean '&&'?";
    if (rest.starts_with("|")) return "; did you mean '||'?";
    if (rest.starts_with("=")) return "; did you mean '=='?";
    if (rest.starts_with("$")) return "; expressions here stand without ${..}";
    return "";
}

} // namespace

void append_utf8(std::string& out, std::uint32_t code_point) {
    const auto push = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code_point < 0x80) {
        push(code_point);
    } else if (code_point < 0x800) {
        push(0xc0 | code_point >> 6);
        push(0x80 | (code_point & 0x3f));
    } else if (code_point < 0x10000) {
        push(0xe0 | code_point >> 12);
        push(0x80 | (code_point >> 6 & 0x3f));
        push(0x80 | (code_point & 0x3f));
    } else {
        push(0xf0 | code_point >> 18);
        push(0x80 | (code_point >> 12 & 0x3f));
        push(0x80 | (code_point >> 6 & 0x3f));
        push(0x80 | (code_point & 0x3f));
    }
}

std::uint32_t take_code_point(std::string_view text, std::size_t& at) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint32_t first = byte(at);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (length == 1 || first < 0xc2 || first > 0xf4 || at + length > text.size()) {
        ++at;
        return first;
    }
    std::uint32_t code_point = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) {
            ++at;
            return first;
        }
        code_point = code_point << 6 | (byte(at + i) & 0x3fU);
    }
    at += length;
    return code_point;
}

char Lexer::peek(std::size_t ahead) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
}

void Lexer::skip_space() {
    while (at_ < source_.size()) {
        const char c = source_[at_];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            ++at_;
        } else if (c == '/' && peek(1) == '/') {
            while (at_ < source_.size() && source_[at_] != '\n')
                ++at_;
        } else {
            return;
        }
    }
}

Token Lexer::token(TokenKind kind, std::size_t begin, std::string text) const {
    Token made;
    made.kind = kind;
    made.place = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at_ - begin)};
    made.text = std::move(text);
    return made;
}

Token Lexer::error(std::size_t begin, std::string message) const {
    return token(TokenKind::error, begin, std::move(message));
}

Token Lexer::next() {
    skip_space();
    if (at_ >= source_.size()) return token(TokenKind::end, at_);
    const char c = source_[at_];
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (begins_name(c)) return name_or_prefix();
    if (c == '\'' || c == '"') return string(at_, false, false);
    if (c == '`') return quoted_name();
    return symbol();
}

// Whether a u follows the number; steps over it.
bool Lexer::skip_unsigned_mark() {
    if (peek() != 'u' && peek() != 'U') return false;
    ++at_;
    return true;
}

// "12abc" is one mistake, not a number and a name.
Token Lexer::refuse_letters(Token number) {
    if (!continues_name(peek())) return number;
    const std::size_t begin = number.place.offset;
    while (continues_name(peek()))
        ++at_;
    return error(begin, fmt::format("'{}' is no number", source_.substr(begin, at_ - begin)));
}

Token Lexer::number() {
    const std::size_t begin = at_;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) return hexadecimal(begin);
    while (is_digit(peek()))
        ++at_;
    const bool point = peek() == '.' && is_digit(peek(1));
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    const bool exponent = (peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign));
    if (point || exponent) return real(begin);
    std::uint64_t value = 0;
    const auto read = std::from_chars(source_.data() + begin, source_.data() + at_, value);
    const bool is_unsigned = skip_unsigned_mark();
    if (read.ec != std::errc{}) return error(begin, "the number is too large for 64 bits");
    Token made = token(is_unsigned ? TokenKind::unsigned_integer : TokenKind::integer, begin);
    made.number = value;
    return refuse_letters(std::move(made));
}

Token Lexer::hexadecimal(std::size_t begin) {
    at_ += 2;
    const std::size_t digits = at_;
    while (is_hex_digit(peek()))
        ++at_;
    if (at_ == digits) return error(begin, "digits are missing behind '0x'");
    std::uint64_t value = 0;
    const auto read = std::from_chars(source_.data() + digits, source_.data() + at_, value, 16);
    const bool is_unsigned = skip_unsigned_mark();
    if (read.ec != std::errc{}) return error(begin, "the number is too large for 64 bits");
    Token made = token(is_unsigned ? TokenKind::unsigned_integer : TokenKind::integer, begin);
    made.number = value;
    return refuse_letters(std::move(made));
}

Token Lexer::real(std::size_t begin) {
    if (peek() == '.') {
        ++at_;
        while (is_digit(peek()))
            ++at_;
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign))) {
        at_ += 1 + sign;
        while (is_digit(peek()))
            ++at_;
    }
    double value = 0;
    // from_chars cannot tell too small from too large, strtod can.
    const auto read = std::from_chars(source_.data() + begin, source_.data() + at_, value);
    if (read.ec == std::errc::result_out_of_range)
        value = std::strtod(std::string{source_.substr(begin, at_ - begin)}.c_str(), nullptr);
    if (std::isinf(value)) return error(begin, "the number is too large for a double");
    Token made = token(TokenKind::real, begin);
    made.real = value;
    return refuse_letters(std::move(made));
}

Token Lexer::quoted_name() {
    const std::size_t begin = at_++;
    while (at_ < source_.size() && source_[at_] != '`' && source_[at_] != '\n')
        ++at_;
    if (peek() != '`') return error(begin, "the closing ` is missing");
    ++at_;
    const std::string_view name = source_.substr(begin + 1, at_ - begin - 2);
    if (name.empty()) return error(begin, "a name is missing between ` and `");
    return token(TokenKind::quoted_name, begin, std::string{name});
}

Token Lexer::name_or_prefix() {
    const std::size_t begin = at_;
    bool raw = false;
    bool bytes = false;
    std::size_t ahead = 0;
    for (; ahead < 2; ++ahead) {
        const char c = peek(ahead);
        if ((c == 'r' || c == 'R') && !raw)
            raw = true;
        else if ((c == 'b' || c == 'B') && !bytes)
            bytes = true;
        else
            break;
    }
    if (ahead > 0 && (peek(ahead) == '\'' || peek(ahead) == '"')) {
        at_ += ahead;
        return string(begin, raw, bytes);
    }
    while (continues_name(peek()))
        ++at_;
    return token(TokenKind::name, begin, std::string{source_.substr(begin, at_ - begin)});
}

Token Lexer::string(std::size_t begin, bool raw, bool bytes) {
    const char quote = peek();
    const bool triple = peek(1) == quote && peek(2) == quote;
    const std::string end(triple ? 3 : 1, quote);
    at_ += end.size();
    std::string value;
    std::optional<Token> mistake;
    while (true) {
        if (at_ >= source_.size()) return error(begin, "the string has no end");
        if (source_.substr(at_).starts_with(end)) break;
        const char c = source_[at_];
        if (!triple && (c == '\n' || c == '\r'))
            return error(begin, "the string has no end on this line; use ''' for several lines");
        if (c != '\\' || raw) {
            value.push_back(c);
            ++at_;
            continue;
        }
        const std::size_t escape_begin = at_;
        std::string problem;
        // The rest of the string is read all the same, so that what follows makes sense.
        if (!escape(value, bytes, problem) && !mistake) mistake = error(escape_begin, problem);
    }
    at_ += end.size();
    if (mistake) return *mistake;
    return token(bytes ? TokenKind::bytes : TokenKind::text, begin, std::move(value));
}

bool Lexer::escape(std::string& out, bool bytes, std::string& problem) {
    const char c = peek(1);
    at_ += at_ + 1 < source_.size() ? 2 : 1;
    switch (c) {
    case 'a':
        out.push_back('\a');
        return true;
    case 'b':
        out.push_back('\b');
        return true;
    case 'f':
        out.push_back('\f');
        return true;
    case 'n':
        out.push_back('\n');
        return true;
    case 'r':
        out.push_back('\r');
        return true;
    case 't':
        out.push_back('\t');
        return true;
    case 'v':
        out.push_back('\v');
        return true;
    case '\\':
    case '\'':
    case '"':
    case '`':
    case '?':
        out.push_back(c);
        return true;
    case 'x':
    case 'X':
        return code_escape(out, 16, 2, bytes, problem);
    case 'u':
    case 'U':
        if (bytes) {
            problem = fmt::format("\\{} is for text, not for bytes; use \\x", c);
            return false;
        }
        return code_escape(out, 16, c == 'u' ? 4 : 8, false, problem);
    default:
        break;
    }
    if (c >= '0' && c <= '3') {
        --at_;
        return code_escape(out, 8, 3, bytes, problem);
    }
    problem = "no such escape; a backslash is written \\\\";
    return false;
}

// Exactly `digits` digits: a byte in bytes, a character in text.
bool Lexer::code_escape(std::string& out, int base, int digits, bool bytes, std::string& problem) {
    std::uint32_t value = 0;
    for (int i = 0; i < digits; ++i) {
        const char c = peek();
        const bool fits = base == 16 ? is_hex_digit(c) : c >= '0' && c <= '7';
        if (!fits) {
            problem = fmt::format("the escape needs {} {} digits", digits,
                                  base == 16 ? "hexadecimal" : "octal");
            return false;
        }
        const int digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
        ++at_;
    }
    if (bytes) {
        out.push_back(static_cast<char>(value));
        return true;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
        problem = "the escape is no character of Unicode";
        return false;
    }
    append_utf8(out, value);
    return true;
}

Token Lexer::symbol() {
    const std::size_t begin = at_;
    const std::string_view rest = source_.substr(at_);
    for (const std::string_view two : {"&&", "||", "==", "!=", "<=", ">="})
        if (rest.starts_with(two)) {
            at_ += 2;
            return token(TokenKind::symbol, begin, std::string{two});
        }
    if (std::string_view{"()[]{}.,:?+-*/%!<>"}.find(rest.front()) != std::string_view::npos) {
        ++at_;
        return token(TokenKind::symbol, begin, std::string{rest.front()});
    }
    take_code_point(source_, at_);
    return error(begin, fmt::format("unexpected '{}'{}", source_.substr(begin, at_ - begin),
                                    advice_for(rest)));
}

} // namespace baton::orchestrator::expression
