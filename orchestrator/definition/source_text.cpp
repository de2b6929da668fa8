// Lines, columns and the insides of TOML strings.
#include "orchestrator/definition/source_text.hpp"

#include "base/utf8.hpp"

#include <algorithm>

namespace baton::orchestrator::definition {

namespace {

std::size_t utf8_size(std::uint32_t code_point) {
    if (code_point < 0x80) return 1;
    if (code_point < 0x800) return 2;
    return code_point < 0x10000 ? 3 : 4;
}

// Walks the raw text of one TOML string and counts the bytes its value has had so far.
class StringWalk {
public:
    StringWalk(std::string_view text, std::size_t start) : text_(text), at_(start) {
        const char quote = at_ < text_.size() ? text_[at_] : '\0';
        is_basic_ = quote == '"';
        is_string_ = quote == '"' || quote == '\'';
        if (!is_string_) return;
        is_multi_line_ = text_.substr(at_, 3) == std::string(3, quote);
        at_ += is_multi_line_ ? 3 : 1;
        // A line end right behind the opening quotes does not belong to the value.
        if (is_multi_line_) at_ += line_end_size();
    }

    // Where byte `decoded` of the value stands in the source.
    std::size_t find(std::size_t decoded) {
        if (!is_string_) return at_;
        std::size_t produced = 0;
        while (at_ < text_.size()) {
            const std::size_t begin = at_;
            const std::size_t made = step();
            if (made > 0 && produced + made > decoded) {
                // Inside a plain character's bytes, or at the start of an escape.
                return begin;
            }
            if (at_ == begin) break;
            produced += made;
        }
        return std::min(at_, text_.size());
    }

private:
    std::size_t line_end_size() const {
        if (text_.substr(at_, 1) == "\n") return 1;
        return text_.substr(at_, 2) == "\r\n" ? 2 : 0;
    }

    // Passes one character, escape or continuation; gives the bytes it adds to the value. Does not
    // move at the end of a single-line string; a multi-line one needs no end here because nobody
    // asks for a place behind the value's last byte plus one.
    std::size_t step() {
        if (const std::size_t size = line_end_size()) {
            if (!is_multi_line_) return 0;
            at_ += size;
            return 1;
        }
        if (is_basic_ && text_[at_] == '\\') return step_escape();
        if (!is_multi_line_ && text_[at_] == (is_basic_ ? '"' : '\'')) return 0;
        const std::size_t size = code_point_size(text_, at_);
        at_ += size;
        return size;
    }

    std::size_t step_escape() {
        ++at_;
        if (at_ >= text_.size()) return 0;
        const char kind = text_[at_];
        if (kind == 'u' || kind == 'U') {
            ++at_;
            std::uint32_t code_point = 0;
            for (int digits = kind == 'u' ? 4 : 8; digits > 0 && at_ < text_.size();
                 --digits, ++at_)
                code_point = code_point * 16 + hex_digit(text_[at_]);
            return utf8_size(code_point);
        }
        if (is_multi_line_ && (kind == ' ' || kind == '\t' || line_end_size() > 0)) {
            while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' ||
                                          text_[at_] == '\r' || text_[at_] == '\n'))
                ++at_;
            return 0;
        }
        ++at_;
        return 1;
    }

    static std::uint32_t hex_digit(char digit) {
        if (digit >= '0' && digit <= '9') return static_cast<std::uint32_t>(digit - '0');
        if (digit >= 'a' && digit <= 'f') return static_cast<std::uint32_t>(digit - 'a' + 10);
        if (digit >= 'A' && digit <= 'F') return static_cast<std::uint32_t>(digit - 'A' + 10);
        return 0;
    }

    std::string_view text_;
    std::size_t at_;
    bool is_basic_ = false;
    bool is_string_ = false;
    bool is_multi_line_ = false;
};

} // namespace

std::size_t code_point_size(std::string_view text, std::size_t at) {
    return at < text.size() ? std::max<std::size_t>(1, utf8_length(text.substr(at))) : 1;
}

std::size_t code_point_count(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); at += code_point_size(text, at))
        ++count;
    return count;
}

SourceText::SourceText(std::string_view text) : text_(text) {
    line_starts_.push_back(0);
    for (std::size_t at = text_.find('\n'); at != std::string_view::npos;
         at = text_.find('\n', at + 1))
        line_starts_.push_back(at + 1);
}

std::string_view SourceText::line(std::uint32_t number) const {
    if (number == 0 || number > line_starts_.size()) return {};
    const std::size_t begin = line_starts_[number - 1];
    const std::size_t end = number < line_starts_.size() ? line_starts_[number] - 1 : text_.size();
    std::string_view line = text_.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

Position SourceText::position_of(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
    const auto line = static_cast<std::size_t>(after - line_starts_.begin());
    const std::size_t begin = line_starts_[line - 1];
    const std::size_t column = code_point_count(text_.substr(begin, offset - begin)) + 1;
    return {static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(column)};
}

std::size_t SourceText::offset_of(Position position) const {
    if (position.line == 0) return 0;
    if (position.line > line_starts_.size()) return text_.size();
    const std::size_t end =
        position.line < line_starts_.size() ? line_starts_[position.line] - 1 : text_.size();
    std::size_t at = line_starts_[position.line - 1];
    for (std::uint32_t column = 1; column < position.column && at < end; ++column)
        at += code_point_size(text_, at);
    return at;
}

Position SourceText::inside_string(Position start, std::size_t decoded_offset) const {
    return position_of(StringWalk(text_, offset_of(start)).find(decoded_offset));
}

} // namespace baton::orchestrator::definition
