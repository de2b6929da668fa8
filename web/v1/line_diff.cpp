#include "web/v1/line_diff.hpp"

#include <algorithm>
#include <cstddef>

namespace baton::web {

namespace {

using Lines = std::vector<std::string_view>;

// Beyond so many changed lines nobody reads a difference, and looking for it would cost their
// square.
constexpr std::ptrdiff_t changes_max = 1000;

Lines lines_of(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

DiffLine gone(const Lines& here, std::ptrdiff_t at) {
    return {'-', static_cast<std::uint32_t>(at + 1), 0, here[static_cast<std::size_t>(at)]};
}
DiffLine come(const Lines& there, std::ptrdiff_t at) {
    return {'+', 0, static_cast<std::uint32_t>(at + 1), there[static_cast<std::size_t>(at)]};
}

// How far one comes on each diagonal with so many changes: one row for each number of changes.
class Search {
public:
    Search(const Lines& here, const Lines& there)
        : here_(here), there_(there), n_(std::ssize(here)), m_(std::ssize(there)) {}

    // False: there are too many changes.
    bool go() {
        for (std::ptrdiff_t d = 0; d <= std::min(n_ + m_, changes_max); ++d) {
            rows_.emplace_back(static_cast<std::size_t>(2 * d + 1));
            for (std::ptrdiff_t k = -d; k <= d; k += 2) {
                std::ptrdiff_t x = d == 0 ? 0 : start(d, k);
                while (x < n_ && x - k < m_ &&
                       here_[static_cast<std::size_t>(x)] ==
                           there_[static_cast<std::size_t>(x - k)])
                    ++x;
                at(d, k) = x;
                if (x >= n_ && x - k >= m_) return true;
            }
        }
        return false;
    }

    std::vector<DiffLine> way() {
        std::vector<DiffLine> back;
        std::ptrdiff_t x = n_, y = m_;
        for (std::ptrdiff_t d = std::ssize(rows_) - 1; d >= 0; --d) {
            const std::ptrdiff_t k = x - y;
            const bool is_down = d > 0 && comes_down(d, k);
            const std::ptrdiff_t from = d == 0 ? 0 : at(d - 1, is_down ? k + 1 : k - 1);
            const std::ptrdiff_t first = d == 0 ? 0 : is_down ? from : from + 1;
            for (; x > first; --x, --y)
                back.push_back({' ', static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y),
                                here_[static_cast<std::size_t>(x - 1)]});
            if (d == 0) break;
            back.push_back(is_down ? come(there_, --y) : gone(here_, --x));
        }
        std::ranges::reverse(back);
        return back;
    }

private:
    std::ptrdiff_t& at(std::ptrdiff_t d, std::ptrdiff_t k) {
        return rows_[static_cast<std::size_t>(d)][static_cast<std::size_t>(k + d)];
    }
    // The last change before is a line that comes.
    bool comes_down(std::ptrdiff_t d, std::ptrdiff_t k) {
        return k == -d || (k != d && at(d - 1, k - 1) < at(d - 1, k + 1));
    }
    std::ptrdiff_t start(std::ptrdiff_t d, std::ptrdiff_t k) {
        return comes_down(d, k) ? at(d - 1, k + 1) : at(d - 1, k - 1) + 1;
    }

    const Lines& here_;
    const Lines& there_;
    std::ptrdiff_t n_, m_;
    std::vector<std::vector<std::ptrdiff_t>> rows_;
};

} // namespace

std::vector<DiffLine> diff_of(std::string_view here, std::string_view there) {
    const Lines left = lines_of(here), right = lines_of(there);
    Search search(left, right);
    if (search.go()) return search.way();
    std::vector<DiffLine> all;
    for (std::ptrdiff_t i = 0; i < std::ssize(left); ++i)
        all.push_back(gone(left, i));
    for (std::ptrdiff_t i = 0; i < std::ssize(right); ++i)
        all.push_back(come(right, i));
    return all;
}

} // namespace baton::web
