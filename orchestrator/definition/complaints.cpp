// Collecting and ordering of diagnostics.
#include "orchestrator/definition/complaints.hpp"
#include "base/suggest.hpp"


#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace baton::orchestrator::definition {

namespace {

// More than a person reads; a file of garbage must not make megabytes of diagnostics.
constexpr std::size_t diagnostics_max = 100;
// Three times that is kept, because the order of printing is not the order of finding.
constexpr std::size_t kept_max = 3 * diagnostics_max;

} // namespace

void Complaints::add(About about, Position at, std::size_t length, std::string message,
                     std::string hint) {
    ++errors_;
    if (is_full()) {
        ++uncounted_;
        return;
    }
    Diagnostic diagnostic;
    diagnostic.file = file_;
    diagnostic.line = at.line;
    diagnostic.column = at.column;
    diagnostic.length = static_cast<std::uint32_t>(std::max<std::size_t>(1, length));
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    found_.push_back({about, found_.size(), std::move(diagnostic)});
}

void Complaints::at_key(const TomlEntry& entry, std::string message, std::string hint) {
    add(About::keys, entry.at, code_point_count(entry.key), std::move(message), std::move(hint));
}

void Complaints::at_value(const TomlNode& value, std::string message, std::string hint) {
    add(About::keys, value.at, 1, std::move(message), std::move(hint));
}

void Complaints::inside(About about, const TomlNode& text, std::size_t offset, std::size_t length,
                        std::string message, std::string hint) {
    // Finding the place costs time with the length of the line.
    if (is_full()) return add(about, text.at, 1, std::move(message));
    const Position at = text_.inside_string(text.at, offset);
    const std::size_t begin = std::min(offset, text.text.size());
    add(about, at, code_point_count(std::string_view(text.text).substr(begin, length)),
        std::move(message), std::move(hint));
}

void Complaints::warn_at_value(const TomlNode& value, std::string message, std::string hint) {
    if (is_full()) return;
    at_value(value, std::move(message), std::move(hint));
    turn_last_into_warning();
}

void Complaints::warn_inside(About about, const TomlNode& text, std::size_t offset,
                             std::size_t length, std::string message, std::string hint) {
    if (is_full()) return;
    inside(about, text, offset, length, std::move(message), std::move(hint));
    turn_last_into_warning();
}

void Complaints::turn_last_into_warning() {
    found_.back().diagnostic.severity = Severity::warning;
    --errors_;
}

bool Complaints::is_full() const {
    return found_.size() >= kept_max;
}

std::vector<Diagnostic> Complaints::take() {
    // Who has mistakes to mend wants to hear of nothing else; guesses can wait.
    if (has_errors())
        std::erase_if(found_, [](const Found& found) {
            return found.diagnostic.severity == Severity::warning;
        });
    const auto key = [](const Found& found) {
        const Diagnostic& diagnostic = found.diagnostic;
        return std::tuple(found.about, diagnostic.line, diagnostic.column, found.number);
    };
    std::sort(found_.begin(), found_.end(),
              [&](const Found& a, const Found& b) { return key(a) < key(b); });
    const std::size_t total = count();
    if (found_.size() > diagnostics_max) found_.resize(diagnostics_max);
    std::vector<Diagnostic> all;
    all.reserve(found_.size());
    for (Found& found : found_)
        all.push_back(std::move(found.diagnostic));
    if (total > diagnostics_max) {
        Diagnostic rest = all.back();
        rest.message = fmt::format("and {} mistakes more", total - diagnostics_max);
        rest.hint.clear();
        all.push_back(std::move(rest));
    }
    found_.clear();
    return all;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
    if (const auto nearest = suggest(name, candidates)) {
        if (*nearest == name) return {};
        return fmt::format("did you mean '{}'?", *nearest);
    }
    // People also leave a word out: `attempts` for `max_attempts`.
    const auto has_word = [name](std::string_view candidate) {
        return name.size() >= 4 && (candidate.ends_with("_" + std::string(name)) ||
                                    candidate.starts_with(std::string(name) + "_"));
    };
    const auto found = std::find_if(candidates.begin(), candidates.end(), has_word);
    return found == candidates.end() ? std::string{} : fmt::format("did you mean '{}'?", *found);
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
    const std::vector<std::string_view> views(candidates.begin(), candidates.end());
    return did_you_mean(name, std::span<const std::string_view>(views));
}

} // namespace baton::orchestrator::definition
