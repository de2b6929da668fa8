// What threads count and any other may read: counters, gauges, histograms, and families of them by label.
// A metric is declared in one place, beside what it counts; whoever prints a list finds the rest there:
//
//   struct EngineMetrics {
//       MetricList all;
//       Counter batches{all, "baton_commits_total", "Batches committed"};
//   };
//
// Counters and gauges without a list are for their owner alone. A list lives beside its metrics and is
// complete before another thread reads it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton {

class Counter;
class Gauge;
class Histogram;
template <typename Metric>
class Family;

class MetricList {
public:
    using Metric = std::variant<const Counter*, const Gauge*, const Histogram*, const Family<Counter>*,
                                const Family<Histogram>*>;
    struct Entry {
        std::string_view name;
        std::string_view help;
        Metric metric;
    };
    MetricList() = default;
    MetricList(const MetricList&) = delete;
    MetricList& operator=(const MetricList&) = delete;

    void add(std::string_view name, std::string_view help, Metric metric) { entries_.push_back({name, help, metric}); }
    const std::vector<Entry>& entries() const { return entries_; }

private:
    std::vector<Entry> entries_;
};

class Counter {
public:
    Counter() = default;
    Counter(MetricList& list, std::string_view name, std::string_view help) { list.add(name, help, this); }
    void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
public:
    Gauge() = default;
    Gauge(MetricList& list, std::string_view name, std::string_view help) { list.add(name, help, this); }
    void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> value_{0};
};

// How often which values came. They are whole numbers of `unit`: durations are microseconds and printed as
// seconds, with 1e-6.
class Histogram {
public:
    struct Shape {
        std::span<const std::uint64_t> bounds; // static; ascending
        double unit = 1;
    };
    explicit Histogram(Shape shape)
        : shape_(shape), counts_(std::make_unique<std::atomic<std::uint64_t>[]>(shape.bounds.size() + 1)) {}
    Histogram(MetricList& list, std::string_view name, std::string_view help, Shape shape) : Histogram(shape) {
        list.add(name, help, this);
    }
    void note(std::int64_t value) {
        const auto sample = static_cast<std::uint64_t>(value < 0 ? 0 : value);
        std::size_t at = 0;
        while (at < shape_.bounds.size() && sample > shape_.bounds[at]) ++at;
        counts_[at].fetch_add(1, std::memory_order_relaxed);
        sum_.fetch_add(sample, std::memory_order_relaxed);
    }
    const Shape& shape() const { return shape_; }
    // One more than there are bounds: what is above them all.
    std::vector<std::uint64_t> counts() const {
        std::vector<std::uint64_t> counts(shape_.bounds.size() + 1);
        for (std::size_t at = 0; at < counts.size(); ++at) counts[at] = counts_[at].load(std::memory_order_relaxed);
        return counts;
    }
    std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    Shape shape_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
    std::atomic<std::uint64_t> sum_{0};
};

// From a millisecond to an hour.
inline constexpr std::uint64_t duration_bounds[] = {1'000,      5'000,       25'000,      100'000,       500'000,      2'500'000,
                                                    10'000'000, 60'000'000, 300'000'000, 1'800'000'000, 3'600'000'000};
inline constexpr Histogram::Shape durations{duration_bounds, 1e-6};
inline constexpr std::uint64_t size_bounds[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000};
inline constexpr Histogram::Shape sizes{size_bounds, 1};

// Metrics of one name, told apart by one or two labels. One thread asks for them, any may read. A value of the
// first label behind the first 500 is `_other`: names come from outside, and each costs memory for ever.
template <typename Metric>
class Family {
public:
    static constexpr std::size_t values_max = 500;
    struct Series {
        std::string first;
        std::string second;
        Metric metric;
        const Series* next = nullptr;
    };

    template <typename... Shape>
    Family(MetricList& list, std::string_view name, std::string_view help, std::vector<std::string_view> labels, Shape... shape)
        : labels_(std::move(labels)), make_([shape...](std::string first, std::string second) {
              return std::unique_ptr<Series>(new Series{std::move(first), std::move(second), Metric(shape...)});
          }) {
        list.add(name, help, this);
    }

    Metric& of(std::string_view first, std::string_view second = {}) {
        if (!known_.contains(first)) {
            if (known_.size() < values_max)
                known_.emplace(first);
            else
                first = "_other";
        }
        std::string key(first);
        key += '\0';
        key += second;
        auto& series = series_[std::move(key)];
        if (!series) {
            series = make_(std::string(first), std::string(second));
            // Whoever reads goes on from the newest to the older ones, which never change again.
            series->next = newest_.load(std::memory_order_relaxed);
            newest_.store(series.get(), std::memory_order_release);
        }
        return series->metric;
    }

    const std::vector<std::string_view>& labels() const { return labels_; }
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const Series* one = newest_.load(std::memory_order_acquire); one != nullptr; one = one->next) visit(*one);
    }

private:
    const std::vector<std::string_view> labels_;
    const std::function<std::unique_ptr<Series>(std::string, std::string)> make_;
    std::set<std::string, std::less<>> known_;
    std::map<std::string, std::unique_ptr<Series>> series_;
    std::atomic<const Series*> newest_{nullptr};
};

} // namespace baton
