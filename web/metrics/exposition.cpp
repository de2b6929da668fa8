#include "web/metrics/exposition.hpp"

#include "base/overloaded.hpp"
#include "base/utf8.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>

#include <variant>
#include <vector>

namespace baton::web {

namespace {

std::string_view metric_word(MetricKind kind) {
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

std::string in_units(std::uint64_t value, double unit) {
    return unit == 1 ? std::to_string(value) : fmt::format("{}", static_cast<double>(value) * unit);
}

} // namespace

void Exposition::family(std::string_view name, MetricKind kind, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, metric_word(kind));
}

void Exposition::sample(Labels labels, double value) { write("", std::span(labels), fmt::format("{}", value)); }

void Exposition::histogram(std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> counts,
                           std::uint64_t sum, double unit, std::span<const Label> labels) {
    std::vector<Label> with_bound(labels.begin(), labels.end());
    std::string bound;
    with_bound.emplace_back("le", bound);
    std::uint64_t below = 0;
    for (std::size_t at = 0; at < counts.size(); ++at) {
        below += counts[at];
        bound = at < bounds.size() ? in_units(bounds[at], unit) : "+Inf";
        with_bound.back().second = bound;
        write("_bucket", with_bound, std::to_string(below));
    }
    write("_sum", labels, in_units(sum, unit));
    write("_count", labels, std::to_string(below));
}

void Exposition::list(const MetricList& metrics) {
    const auto write_family = [this](const auto& family) {
        family.for_each([&](const auto& series) {
            std::vector<Label> labels{{family.labels().front(), series.first}};
            if (family.labels().size() > 1) labels.emplace_back(family.labels()[1], series.second);
            write_metric(series.metric, labels);
        });
    };
    for (const MetricList::Entry& one : metrics.entries())
        std::visit(Overloaded{
                       [&](const Counter* metric) {
                           family(one.name, MetricKind::counter, one.help);
                           write_metric(*metric, {});
                       },
                       [&](const Gauge* metric) {
                           family(one.name, MetricKind::gauge, one.help);
                           write_metric(*metric, {});
                       },
                       [&](const Histogram* metric) {
                           family(one.name, MetricKind::histogram, one.help);
                           write_metric(*metric, {});
                       },
                       [&](const Family<Counter>* metric) {
                           family(one.name, MetricKind::counter, one.help);
                           write_family(*metric);
                       },
                       [&](const Family<Histogram>* metric) {
                           family(one.name, MetricKind::histogram, one.help);
                           write_family(*metric);
                       },
                   },
                   one.metric);
}

void Exposition::write_metric(const Counter& counter, std::span<const Label> labels) { sample(labels, counter.value()); }

void Exposition::write_metric(const Gauge& gauge, std::span<const Label> labels) { sample(labels, gauge.value()); }

void Exposition::write_metric(const Histogram& metric, std::span<const Label> labels) {
    histogram(metric.shape().bounds, metric.counts(), metric.sum(), metric.shape().unit, labels);
}

void Exposition::write(std::string_view suffix, std::span<const Label> labels, std::string_view value) {
    text_ += name_;
    text_ += suffix;
    char before = '{';
    for (const auto& [name, content] : labels) {
        text_ += fmt::format("{}{}=\"{}\"", before, name, escaped(content));
        before = ',';
    }
    if (!labels.empty()) text_ += '}';
    text_ += fmt::format(" {}\n", value);
}

} // namespace baton::web
