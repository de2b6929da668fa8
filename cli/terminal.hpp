// How `baton` writes for people: colours only on a terminal, columns that line up, a progress bar.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

enum class Colour { none, bold, dim, red, green, yellow, blue };

// True if `file` is a terminal and NO_COLOR is not set.
bool has_colours(std::FILE* file);
// `text` in a colour if `file` shows colours, else as it is.
std::string paint(Colour colour, std::string_view text, std::FILE* file = stdout);

// Green for good ends, red for bad ones, yellow for what still moves.
Colour colour_of_status(std::string_view status);

// Rows of equal length; the first is the heading. Columns are padded to their longest cell.
void print_table(const std::vector<std::vector<std::string>>& rows);

// One line at the bottom of a terminal that shows how far long work is; silent elsewhere.
class ProgressBar {
public:
    ProgressBar(std::string title, std::size_t total);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    void show(std::size_t done, std::string_view note);

private:
    std::string title_;
    std::size_t total_;
    bool visible_;
};

} // namespace baton::cli
