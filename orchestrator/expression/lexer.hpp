// The words of an expression, one at a time. Private to this room.
#pragma once

#include "orchestrator/expression/node.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::expression {

enum class TokenKind : std::uint8_t {
    end,
    error, // text is the message
    name,
    quoted_name, // `a-b`, only behind a point
    integer,     // number is the magnitude
    unsigned_integer,
    real,
    text,
    bytes,
    symbol, // text is the symbol
};

struct Token {
    TokenKind kind = TokenKind::end;
    Place place;
    std::string text;
    std::uint64_t number = 0;
    double real = 0;

    bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
};

class Lexer {
public:
    // `source` must outlive the lexer; reading begins at `offset`.
    explicit Lexer(std::string_view source, std::uint32_t offset = 0)
        : source_(source), at_(offset) {}

    // After an error token reading goes on behind the mistake.
    Token next();

private:
    char peek(std::size_t ahead = 0) const;
    void skip_space();
    Token token(TokenKind kind, std::size_t begin, std::string text = {}) const;
    Token error(std::size_t begin, std::string message) const;
    Token number();
    Token hexadecimal(std::size_t begin);
    Token real(std::size_t begin);
    bool skip_unsigned_mark();
    Token refuse_letters(Token token);
    Token quoted_name();
    Token name_or_prefix();
    Token string(std::size_t begin, bool raw, bool bytes);
    bool escape(std::string& out, bool bytes, std::string& problem);
    bool code_escape(std::string& out, int base, int digits, bool bytes, std::string& problem);
    Token symbol();

    std::string_view source_;
    std::size_t at_ = 0;
};

void append_utf8(std::string& out, std::uint32_t code_point);

// The code point at `at`, which is moved behind it; bytes that are no UTF-8 count one by one.
std::uint32_t take_code_point(std::string_view text, std::size_t& at);

} // namespace baton::orchestrator::expression
