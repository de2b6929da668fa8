// What the operators do with values, and for which kinds they exist. Private to this room.
#pragma once

#include "orchestrator/expression/node.hpp"
#include "orchestrator/expression/work.hpp"

#include <optional>
#include <string>

namespace baton::orchestrator::expression {

// The kind of `a op b`; nothing when there is no such operation. == and != exist for all kinds.
std::optional<Kind> result_kind(Operator op, Kind a, Kind b);

// Whether a == b can ever be true.
bool can_be_equal(Kind a, Kind b);

// "no such overload: int + string; convert with string(..)"
std::string no_overload(Operator op, Kind a, Kind b);

// "an int", "a string", "null".
std::string with_article(Kind kind);

bool apply(Work& work, Operator op, const Value& a, const Value& b, Value& result);

bool negate(Work& work, const Value& operand, Value& result);

// list[index] and map[key].
bool element(Work& work, const Value& target, const Value& at, Value& result);

// a.field; fails as missing when there is none.
bool field(Work& work, const Value& target, std::string_view name, Value& result);

// "; did you mean 'email'?" among the keys of a map, "" when there are too many to look at.
std::string near_key(const Map& map, std::string_view name);

} // namespace baton::orchestrator::expression
