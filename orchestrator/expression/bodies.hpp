// What own lists and maps consist of, and how much they weigh. Private to this room.
#pragma once

#include "orchestrator/expression/value.hpp"

#include <cstdint>
#include <limits>
#include <vector>

namespace baton::orchestrator::expression {

// Memory of a value if nothing were shared: value_weight for itself, plus its text, plus its parts.
constexpr std::uint64_t value_weight = 32;
constexpr std::uint64_t weight_max = std::numeric_limits<std::uint64_t>::max() / 4;

struct ListBody {
    std::vector<Value> items;
    std::uint64_t weight = 0; // of all items
};

struct MapBody {
    std::vector<MapEntry> entries;
    std::vector<std::uint32_t> by_key; // positions in the order of keys; empty for small maps
    std::uint64_t weight = 0;          // of all entries
};

// Stops counting soon after `stop`: a large JSON document must not cost more than the limit allows.
std::uint64_t weight_of(const Value& value, std::uint64_t stop);

// As ==, but counts values and pieces of text looked at; with no steps left the answer is false.
bool equal(const Value& a, const Value& b, std::uint64_t& steps_left);

// Looking at so many bytes of text counts as one step.
constexpr std::uint64_t bytes_per_step = 64;

} // namespace baton::orchestrator::expression
