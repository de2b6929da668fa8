// Printing of diagnostics, in the format of compilers.
#include "orchestrator/definition/diagnostic.hpp"

#include "orchestrator/definition/source_text.hpp"

#include <fmt/format.h>

namespace baton::orchestrator::definition {

namespace {

// A line longer than this is shown as a window around the mistake: a minified file must not fill
// the screen.
constexpr std::size_t line_shown_max = 200;
constexpr std::size_t shown_before_max = 80;

struct Paint {
    std::string_view place, severity, gutter, caret, end;
};

constexpr Paint no_paint{};

Paint paint_for(Severity severity) {
    switch (severity) {
    case Severity::error:
        return {"\x1b[1m", "\x1b[1;31m", "\x1b[2m", "\x1b[1;32m", "\x1b[0m"};
    case Severity::warning:
        return {"\x1b[1m", "\x1b[1;35m", "\x1b[2m", "\x1b[1;32m", "\x1b[0m"};
    }
    return no_paint;
}

std::string_view word_for(Severity severity) {
    switch (severity) {
    case Severity::error:
        return "error";
    case Severity::warning:
        return "warning";
    }
    return "error";
}

// The part of a line that is printed, and the text that puts the caret under its column.
struct ShownLine {
    std::string text;
    std::string padding;
};

ShownLine show_line(std::string_view line, std::uint32_t column) {
    ShownLine shown;
    const std::size_t caret = column - 1;
    const std::size_t code_points = code_point_count(line);
    const bool is_cut = code_points > line_shown_max;
    const std::size_t first = is_cut && caret > shown_before_max ? caret - shown_before_max : 0;
    if (first > 0) {
        shown.text += "...";
        shown.padding += "   ";
    }
    std::size_t number = 0;
    for (std::size_t at = 0; at < line.size(); ++number) {
        const std::size_t size = code_point_size(line, at);
        const std::string_view character = line.substr(at, size);
        at += size;
        if (number < first) continue;
        if (number >= first + line_shown_max) {
            shown.text += "...";
            break;
        }
        const auto byte = static_cast<unsigned char>(character.front());
        const bool is_control = size == 1 && (byte < 0x20 || byte >= 0x7f) && byte != '\t';
        // U+0080 to U+009F are control characters too: some terminals obey them.
        const bool is_c1 =
            size == 2 && byte == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
        if (is_control || is_c1)
            shown.text += '?';
        else
            shown.text += character;
        if (number < caret) shown.padding += byte == '\t' ? '\t' : ' ';
    }
    // A mistake may lie behind the end of its line: an unfinished string, an empty file.
    for (; number < caret && shown.padding.size() < line_shown_max; ++number)
        shown.padding += ' ';
    return shown;
}

std::string without_control_characters(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        clean += byte < 0x20 || byte == 0x7f ? '?' : character;
    }
    return clean;
}

} // namespace

std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view source,
                   bool colour) {
    // load() does not count an editor's byte order mark either.
    if (source.starts_with("\xef\xbb\xbf")) source.remove_prefix(3);
    const SourceText text(source);
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics) {
        const Paint paint = colour ? paint_for(diagnostic.severity) : no_paint;
        std::string message = without_control_characters(diagnostic.message);
        if (!diagnostic.hint.empty()) message += "; " + without_control_characters(diagnostic.hint);
        const ShownLine line = show_line(text.line(diagnostic.line), diagnostic.column);
        fmt::format_to(std::back_inserter(out), "{}{}:{}:{}:{} {}{}:{} {}\n", paint.place,
                       without_control_characters(diagnostic.file), diagnostic.line,
                       diagnostic.column, paint.end, paint.severity, word_for(diagnostic.severity),
                       paint.end, message);
        fmt::format_to(std::back_inserter(out), "{}{:5} |{} {}\n", paint.gutter, diagnostic.line,
                       paint.end, line.text);
        fmt::format_to(std::back_inserter(out), "{}      |{} {}{}^{}\n", paint.gutter, paint.end,
                       line.padding, paint.caret, paint.end);
    }
    return out;
}

} // namespace baton::orchestrator::definition
