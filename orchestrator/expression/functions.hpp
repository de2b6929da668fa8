// The functions of the language: one table with name, parameters, result and body. The checker
// reads it before an expression runs, the evaluator while it runs, docs/expressions.md repeats it
// for people. Private to this room.
#pragma once

#include "orchestrator/expression/node.hpp"
#include "orchestrator/expression/work.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace baton::orchestrator::expression {

// A set of kinds, one bit each.
using Kinds = std::uint16_t;

template <typename... K>
constexpr Kinds kinds(K... kind) {
    return static_cast<Kinds>(((1U << static_cast<unsigned>(kind)) | ... | 0U));
}

constexpr Kinds any_kind = 0x0fff;

constexpr bool contains(Kinds set, Kind kind) {
    return (set >> static_cast<unsigned>(kind) & 1U) != 0;
}

// Gets as many arguments as the function allows, each of an allowed kind. False after work.fail().
using FunctionBody = bool (*)(Work& work, std::span<const Value> arguments, Value& result);

struct Function {
    std::string_view name;
    FunctionBody body;
    std::uint8_t arguments_min;
    std::uint8_t arguments_max; // any_number: the last kind repeats
    std::array<Kinds, 4> parameters;
    std::optional<Kind> result; // when it is always the same
    bool global_only = false;   // f(x) but not x.f()
};

constexpr std::uint8_t any_number = 255;

inline Kinds parameter_kinds(const Function& function, std::size_t index) {
    return function.parameters[index < 4 ? index : 3];
}

const Function* find_function(std::string_view name);

// The parts of the table.
std::span<const Function> conversion_functions(); // functions_conversion.cpp
std::span<const Function> text_functions();       // functions_text.cpp
std::span<const Function> list_functions();       // functions_list.cpp
std::span<const Function> time_functions();       // functions_time.cpp

// Whether matches() accepts the pattern, compiled under the limits of this room; nullptr and a
// message if not.
std::shared_ptr<const re2::RE2> compile_pattern(std::string_view pattern, std::string& problem);

// matches() with a pattern compiled before.
bool matches_pattern(Work& work, const re2::RE2& pattern, const Value& text, Value& result);

} // namespace baton::orchestrator::expression
