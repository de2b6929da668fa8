#include "base/metrics.hpp"

#include "base/thread.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace baton {
namespace {

struct Counted {
    MetricList all;
    Counter batches{all, "batches_total", "Batches"};
    Gauge open{all, "open", "Open ones"};
    Gauge own; // in no list
    Histogram seconds{all, "seconds", "Durations", durations};
    Family<Counter> closed{all, "closed_total", "Closed ones", {"workflow", "status"}};
};

std::map<std::string, std::uint64_t> values(const Family<Counter>& family) {
    std::map<std::string, std::uint64_t> all;
    family.for_each([&](const auto& series) { all[series.first + "/" + series.second] = series.metric.value(); });
    return all;
}

TEST(Metrics, AListKnowsWhatIsDeclaredWithIt) {
    const Counted counted;

    std::vector<std::string> names;
    for (const auto& entry : counted.all.entries()) names.emplace_back(entry.name);

    EXPECT_EQ(names, (std::vector<std::string>{"batches_total", "open", "seconds", "closed_total"}));
}

TEST(Metrics, AValueOnABoundBelongsBelowIt) {
    Counted counted;
    for (const std::int64_t micros : {-5L, 1'000L, 1'001L, 4'000'000'000L}) counted.seconds.note(micros);

    const auto counts = counted.seconds.counts();

    EXPECT_EQ(counts.front(), 2U);
    EXPECT_EQ(counts[1], 1U);
    EXPECT_EQ(counts.back(), 1U) << "above an hour";
    EXPECT_EQ(counted.seconds.sum(), 4'000'002'001U);
}

TEST(Metrics, NamesFromOutsideAreBoundedByTheFirstLabel) {
    Counted counted;
    const auto fill = [&] {
        for (std::size_t number = 0; number < Family<Counter>::values_max + 20; ++number)
            counted.closed.of("w" + std::to_string(number), "completed").add();
    };
    fill();
    fill();
    counted.closed.of("w0", "failed").add();
    counted.closed.of("one more", "failed").add();

    const auto all = values(counted.closed);

    EXPECT_EQ(all.size(), Family<Counter>::values_max + 3);
    EXPECT_EQ(all.at("w0/completed"), 2U);
    EXPECT_EQ(all.at("w0/failed"), 1U);
    EXPECT_EQ(all.at("_other/completed"), 40U);
    EXPECT_EQ(all.at("_other/failed"), 1U);
}

TEST(Metrics, AFamilyIsReadWhileItGrows) {
    Counted counted;
    Thread writer("writer", [&] {
        for (int number = 0; number < 20'000; ++number) counted.closed.of("w" + std::to_string(number % 400)).add();
    });
    std::uint64_t before = 0;
    for (int look = 0; look < 50; ++look) {
        std::uint64_t sum = 0;
        for (const auto& [name, value] : values(counted.closed)) sum += value;
        EXPECT_GE(sum, before);
        before = sum;
    }
    writer.join();
    std::uint64_t sum = 0;
    for (const auto& [name, value] : values(counted.closed)) sum += value;
    EXPECT_EQ(sum, 20'000U);
}

} // namespace
} // namespace baton
