// Writes metrics in Prometheus' text format 0.0.4. Families come one after the other, each with its
// samples; names and help are ours, values of labels may be anything.
#pragma once

#include "base/metrics.hpp"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

enum class MetricKind { counter, gauge, histogram };

class Exposition {
public:
    static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";
    using Label = std::pair<std::string_view, std::string_view>;
    using Labels = std::initializer_list<Label>;

    // What samples belong to from now on.
    void family(std::string_view name, MetricKind kind, std::string_view help);

    template <std::integral Number>
    void sample(Labels labels, Number value) {
        write("", std::span(labels), std::to_string(value));
    }
    template <std::integral Number>
    void sample(std::span<const Label> labels, Number value) {
        write("", labels, std::to_string(value));
    }
    void sample(Labels labels, double value);
    // `counts` has one more than `bounds`: what is above them all. They are added up here. Bounds and sum are
    // multiples of `unit`.
    void histogram(std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> counts, std::uint64_t sum,
                   double unit = 1, std::span<const Label> labels = {});
    // All of them, each a family of its own, under the names it has there.
    void list(const MetricList& metrics);

    std::string take() { return std::move(text_); }

private:
    void write(std::string_view suffix, std::span<const Label> labels, std::string_view value);
    void write_metric(const Counter& counter, std::span<const Label> labels);
    void write_metric(const Gauge& gauge, std::span<const Label> labels);
    void write_metric(const Histogram& histogram, std::span<const Label> labels);

    std::string name_;
    std::string text_;
};

} // namespace baton::web
