// What people look for among runs, as values: the store answers a RunSearch page by page. A page is
// bounded in time whatever is asked, since a store looks at a bounded number of runs for it; what it did
// not come to look at is behind the page's `next`. Runs come newest start first, with a condition on
// their end newest end first. A run that starts, or ends, meanwhile comes before the first page and
// moves none of the later ones.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/status.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::runtime {

// A run can be found by its tags: "label.NAME" and "input.NAME", and "root", the run that it goes back to if it is
// a step of another one. They are kept with the run's first
// transition and never change.
struct RunTag {
    std::string name;
    std::string value;
    friend bool operator==(const RunTag&, const RunTag&) = default;
};

// Of a longer value only the beginning is kept, and compared.
inline constexpr std::size_t tag_value_bytes_max = 256;
inline constexpr std::string_view label_prefix = "label.";
inline constexpr std::string_view input_prefix = "input.";
inline constexpr std::string_view root_tag = "root";

struct TextMatch {
    std::string text;
    bool is_prefix = false; // whatever begins with it
    friend bool operator==(const TextMatch&, const TextMatch&) = default;
};

// The run's tag of this name is one of these.
struct TagMatch {
    std::string name;
    std::vector<TextMatch> any_of;
    friend bool operator==(const TagMatch&, const TagMatch&) = default;
};

// All of these hold; what is empty says nothing. Several values of one kind: one of them holds.
struct RunSearch {
    std::vector<std::string> id_prefixes;
    std::vector<TextMatch> workflows;
    std::vector<core::RunStatus> statuses;
    std::vector<TagMatch> tags;
    std::vector<TextMatch> errors; // the type of the error the run ended with
    std::vector<TextMatch> keys;   // what its start was made harmless to repeat with
    std::optional<Time> since, until;             // it started at this time or later, and before this one
    std::optional<Time> ended_since, ended_until; // the same of its end
    friend bool operator==(const RunSearch&, const RunSearch&) = default;
};

// How many runs fit, by status. No status is counted further than this.
inline constexpr std::uint64_t counted_runs_max = 10'000;
struct RunTotals {
    std::map<core::RunStatus, std::uint64_t> by_status;
    bool is_exact = true; // else there are at least so many
};

} // namespace baton::orchestrator::runtime
