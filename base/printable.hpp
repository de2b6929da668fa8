// Text from outside, made harmless for a line of the log or a terminal: a worker's or a client's text
// can neither begin a line of its own, nor move the cursor, nor turn the reading direction.
#pragma once

#include <string>
#include <string_view>

namespace baton {

// Line ends of the text: `escaped` for one line, `kept` for reports of several lines.
enum class LineEnds { escaped, kept };

// Control characters (C0, DEL, C1), line and paragraph separators, marks that turn the direction of
// writing, and bytes that are no UTF-8 become \n, \t, \x1b, \u202e; everything else stays.
std::string printable(std::string_view text, LineEnds line_ends = LineEnds::escaped);

// The same for JSON, which stays JSON with the same meaning: what would harm becomes \\u009b inside its texts,
// and its own line ends stay.
std::string printable_json(std::string_view json);

// Would printable() change it?
bool is_printable(std::string_view text);

} // namespace baton
