// A mistake in a workflow file as a person sees it: where it is, what is wrong, what was probably
// meant. Plain values, safe to copy between threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

// A place in a source text. Lines and columns count from 1; columns count code points.
struct Position {
    std::uint32_t line = 1;
    std::uint32_t column = 1;

    friend auto operator<=>(const Position&, const Position&) = default;
};

enum class Severity : std::uint8_t {
    error,   // the file is refused
    warning, // the file is accepted, and probably does not do what was meant
};

struct Diagnostic {
    std::string file;
    std::uint32_t line = 1;   // from 1
    std::uint32_t column = 1; // from 1, in code points
    std::uint32_t length =
        1; // code points the mistake covers, for editors; printing shows the start
    Severity severity = Severity::error;
    std::string message; // "no step 'acount'"
    std::string hint;    // "did you mean 'account'?", possibly empty
};

// Every diagnostic as three lines: place and message, the line of the source, a caret.
//   bad.toml:13:11: error: no step 'acount'; did you mean 'account'?
//      13 | after = ["acount"]
//         |           ^
// `source` is the text the diagnostics are about. With `colour`, ANSI sequences mark what matters.
// Control characters of the source are shown as '?', so a hostile file cannot command a terminal.
std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view source,
                   bool colour = false);

} // namespace baton::orchestrator::definition
