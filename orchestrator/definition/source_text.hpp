// A text with its lines: finds lines by number, and turns byte offsets into positions and back.
// Does not own the text.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

// Bytes of the code point that begins at `at`, 1 for bytes that are no UTF-8. `at` must be inside.
std::size_t code_point_size(std::string_view text, std::size_t at);
std::size_t code_point_count(std::string_view text);

class SourceText {
public:
    explicit SourceText(std::string_view text);

    std::string_view text() const { return text_; }

    // Without its line end; empty when there is no such line.
    std::string_view line(std::uint32_t number) const;

    Position position_of(std::size_t offset) const;

    // The end of the line for columns behind it, the end of the text for lines behind it.
    std::size_t offset_of(Position position) const;

    // The place of byte `decoded_offset` of a TOML string's value. `start` is where the string
    // begins in the source, that is its opening quote. The source is scanned again, so escapes,
    // line ends and line continuations do not shift the place.
    Position inside_string(Position start, std::size_t decoded_offset) const;

private:
    std::string_view text_;
    std::vector<std::size_t> line_starts_;
};

} // namespace baton::orchestrator::definition
