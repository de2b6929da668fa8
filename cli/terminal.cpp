#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace baton::cli {
namespace {

// Code points, which is what lines up on a terminal for all but a few wide scripts.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

} // namespace

bool has_colours(std::FILE* file) {
    return std::getenv("NO_COLOR") == nullptr && isatty(fileno(file)) == 1;
}

std::string paint(Colour colour, std::string_view text, std::FILE* file) {
    if (colour == Colour::none || !has_colours(file)) return std::string(text);
    const auto code = [colour] {
        switch (colour) {
        case Colour::none: return 0;
        case Colour::bold: return 1;
        case Colour::dim: return 2;
        case Colour::red: return 31;
        case Colour::green: return 32;
        case Colour::yellow: return 33;
        case Colour::blue: return 34;
        }
        return 0;
    }();
    return fmt::format("\033[{}m{}\033[0m", code, text);
}

Colour colour_of_status(std::string_view status) {
    if (status == "completed") return Colour::green;
    if (status == "failed" || status == "timed_out" || status == "dead") return Colour::red;
    if (status == "compensated" || status == "cancelled") return Colour::blue;
    return Colour::yellow;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    for (std::size_t line = 0; line < rows.size(); ++line) {
        std::string text;
        for (std::size_t i = 0; i < rows[line].size(); ++i) {
            text += rows[line][i];
            if (i + 1 < rows[line].size()) text.append(widths[i] - width_of(rows[line][i]) + 2, ' ');
        }
        fmt::print("{}\n", line == 0 ? paint(Colour::bold, text) : text);
    }
}

ProgressBar::ProgressBar(std::string title, std::size_t total)
    : title_(std::move(title)), total_(total), visible_(isatty(fileno(stderr)) == 1) {}

ProgressBar::~ProgressBar() {
    if (visible_) fmt::print(stderr, "\r\033[K");
}

void ProgressBar::show(std::size_t done, std::string_view note) {
    if (!visible_) return;
    constexpr std::size_t width = 30;
    const std::size_t filled = total_ == 0 ? width : done * width / total_;
    std::string bar;
    for (std::size_t i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
    fmt::print(stderr, "\r\033[K{} {} {}/{} {}", title_, bar, done, total_, note);
    std::fflush(stderr);
}

} // namespace baton::cli
