// What a look at one thing that a worker needs has found: `baton worker NAME --check` prints them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace baton::workers {

struct Finding {
    std::string what;          // "Redmine's administrator"
    bool is_well = true;
    std::string detail;        // what is there, or what is missing
    std::string advice = {};   // what to do about it; empty if all is well
};

using Findings = std::vector<Finding>;

inline Finding well(std::string what, std::string detail) { return {std::move(what), true, std::move(detail), {}}; }
inline Finding missing(std::string what, std::string detail, std::string advice) {
    return {std::move(what), false, std::move(detail), std::move(advice)};
}

} // namespace baton::workers
