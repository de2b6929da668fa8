#include "web/exposition.hpp"

#include "base/utf8.hpp"
#include "web/replies.hpp"

#include <fmt/format.h>

namespace baton::web {

namespace {

std::string_view word_of(MetricKind kind) {
    switch (kind) {
    case MetricKind::counter: return "counter";
    case MetricKind::gauge: return "gauge";
    case MetricKind::histogram: return "histogram";
    }
    return "untyped";
}

// A label's value between quotes. Names of queues may hold anything.
std::string escaped(std::string_view raw) {
    std::string out;
    for (const char c : as_utf8(raw)) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
    return out;
}

} // namespace

void Exposition::family(std::string_view name, MetricKind kind, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, word_of(kind));
}

void Exposition::sample(Labels labels, double value) { write("", labels, fmt::format("{}", value)); }

void Exposition::histogram(std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> counts,
                           std::uint64_t sum) {
    std::uint64_t below = 0;
    for (std::size_t at = 0; at < counts.size(); ++at) {
        below += counts[at];
        const std::string bound = at < bounds.size() ? std::to_string(bounds[at]) : "+Inf";
        write("_bucket", {{"le", bound}}, std::to_string(below));
    }
    write("_sum", {}, std::to_string(sum));
    write("_count", {}, std::to_string(below));
}

void Exposition::write(std::string_view suffix, Labels labels, std::string_view value) {
    text_ += name_;
    text_ += suffix;
    char before = '{';
    for (const auto& [name, content] : labels) {
        text_ += fmt::format("{}{}=\"{}\"", before, name, escaped(content));
        before = ',';
    }
    if (labels.size() != 0) text_ += '}';
    text_ += fmt::format(" {}\n", value);
}

} // namespace baton::web
