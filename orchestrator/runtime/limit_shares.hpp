// How servers that share a store share a named limit: of each partition the store keeps how many
// tasks of its runs may be out (`granted`), and these numbers together never exceed the limit. Who
// owns a partition moves its number; so it goes to the next owner with the runs whose tasks are
// out. Pure: the store reads the rows of a limit under a lock, calls share_out() and writes what it
// says.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/runtime/partition.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

// What the store keeps of one limit and one partition.
struct LimitShare {
    Partition part = 0;
    std::uint64_t epoch = 0;   // of the owner that wrote it; a larger one is never overwritten
    std::string node;          // that owner
    std::uint32_t granted = 0; // at no moment are more out
    std::uint32_t wanted = 0;  // tasks that wait for more; in one row of a node only
    Time served_at{};          // when the node was given one last
    friend bool operator==(const LimitShare&, const LimitShare&) = default;
};

struct LimitAsk {
    struct Part {
        Partition part = 0;
        std::uint64_t epoch = 0;
        std::uint32_t used = 0; // out, or about to be
    };
    std::string limit;
    std::optional<std::uint32_t> max_concurrent;
    std::optional<Duration> interval; // of the rate
    std::vector<Part> parts;          // all that the node owns
    std::uint32_t wanted = 0;         // tasks that wait
};

struct LimitAnswer {
    std::string limit;
    std::map<Partition, std::uint32_t> granted; // of what was asked with and is still the node's
    std::uint32_t fair = UINT32_MAX;            // in all, while others wait, too
    std::uint32_t unmet = 0;                    // of what was wanted
    std::uint32_t turns = 0;                    // of the rate, for now
    std::optional<Duration> next_turn{};        // until the next one, where more could be used
};

struct SharedOut {
    LimitAnswer answer;
    std::vector<LimitShare> written; // rows that are not as they were
    Time next_turn{};
};

// How much of a rate that is faster than the servers ask is caught up with.
inline constexpr Duration shared_burst = std::chrono::milliseconds(10);
// So long a turn is left to a node that has waited longer.
inline constexpr Duration turn_left = std::chrono::milliseconds(50);

// `rows`: all of the limit; `next_turn`: of the rate; `now`: by the store's clock.
SharedOut share_out(const LimitAsk& ask, const std::string& node,
                    const std::vector<LimitShare>& rows, Time next_turn, Time now);

} // namespace baton::orchestrator::runtime
