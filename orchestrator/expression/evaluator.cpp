// The meaning of every kind of node.
#include "orchestrator/expression/evaluator.hpp"

#include "orchestrator/expression/functions.hpp"
#include "orchestrator/expression/operators.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::orchestrator::expression {

namespace {

// Most calls have few arguments; they stay on the stack.
constexpr std::size_t inline_arguments = 3;

std::string no_overload_of_call(const Node& node, std::span<const Value> arguments) {
    std::string kinds;
    for (const Value& argument : arguments) {
        if (!kinds.empty()) kinds += ", ";
        kinds += plain_name(argument.kind());
    }
    return fmt::format("no such overload: {}({})", node.name, kinds);
}

} // namespace

Evaluator::Evaluator(const ProgramBody& program, const Lookup& lookup, const Limits& limits)
    : program_(program),
      lookup_(lookup),
      work_(limits),
      roots_(program.roots.size()),
      variables_(program.variable_count) {}

bool Evaluator::run(Value& result) {
    return evaluate(*program_.tree, result);
}

bool Evaluator::evaluate(const Node& node, Value& result) {
    if (!work_.visit()) return fail_at(node);
    switch (node.kind) {
    case NodeKind::literal:
        result = node.value;
        return true;
    case NodeKind::variable:
        result = variables_[node.slot];
        return true;
    case NodeKind::root:
        return root(node, result);
    case NodeKind::select:
        return select(node, result);
    case NodeKind::has:
        return has(node, result);
    case NodeKind::index:
        return index(node, result);
    case NodeKind::list:
        return list(node, result);
    case NodeKind::map:
        return map(node, result);
    case NodeKind::negate: return minus(node, result);
    case NodeKind::invert:
        return invert(node, result);
    case NodeKind::both:
        return logic(node, false, result);
    case NodeKind::either:
        return logic(node, true, result);
    case NodeKind::conditional:
        return conditional(node, result);
    case NodeKind::binary:
        return binary(node, result);
    case NodeKind::call:
        return call(node, result);
    case NodeKind::fallback:
        return fallback(node, result);
    case NodeKind::all:
        return quantifier(node, false, result);
    case NodeKind::exists:
        return quantifier(node, true, result);
    case NodeKind::exists_one:
        return exists_one(node, result);
    case NodeKind::transform:
    case NodeKind::filter:
    case NodeKind::choose:
        return collect(node, result);
    }
    return false;
}

// Puts the place of `node` on the error just recorded.
bool Evaluator::fail_at(const Node& node) {
    work_.error().offset = node.place.offset;
    work_.error().length = node.place.length;
    return false;
}

bool Evaluator::root(const Node& node, Value& result) {
    std::optional<Value>& known = roots_[node.slot];
    if (!known) known = lookup_ ? lookup_(node.name) : std::nullopt;
    if (known) {
        result = *known;
        return true;
    }
    if (node.value.kind() == Kind::type) {
        result = node.value;
        return true;
    }
    if (work_.forgiving > 0)
        work_.fail(ErrorKind::missing, {});
    else
        work_.fail(ErrorKind::missing, fmt::format("undeclared reference to '{}'", node.name));
    return fail_at(node);
}

bool Evaluator::select(const Node& node, Value& result) {
    Value target;
    if (!evaluate(node.child(0), target)) return false;
    return field(work_, target, node.value.as_text(), result) || fail_at(node);
}

// A field of something that is missing itself is missing too; CEL would make it an error.
bool Evaluator::has(const Node& node, Value& result) {
    Value target;
    Value key = node.value;
    ++work_.forgiving;
    bool found = evaluate(node.child(0), target);
    if (found && node.children.size() > 1) found = evaluate(node.child(1), key);
    Value ignored;
    if (found && node.children.size() > 1)
        found = element(work_, target, key, ignored) || fail_at(node);
    else if (found)
        found = field(work_, target, key.as_text(), ignored) || fail_at(node);
    --work_.forgiving;
    if (!found && work_.error().kind != ErrorKind::missing) return false;
    result = Value::boolean(found);
    return true;
}

bool Evaluator::index(const Node& node, Value& result) {
    Value target;
    Value at;
    if (!evaluate(node.child(0), target) || !evaluate(node.child(1), at)) return false;
    return element(work_, target, at, result) || fail_at(node);
}

bool Evaluator::list(const Node& node, Value& result) {
    std::vector<Value> items(node.children.size());
    for (std::size_t i = 0; i < items.size(); ++i)
        if (!evaluate(node.child(i), items[i])) return false;
    return work_.give(result, std::move(items)) || fail_at(node);
}

bool Evaluator::map(const Node& node, Value& result) {
    std::vector<MapEntry> entries(node.children.size() / 2);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Node& key = node.child(2 * i);
        if (!evaluate(key, entries[i].key)) return false;
        const Kind kind = entries[i].key.kind();
        if (kind != Kind::text && kind != Kind::boolean && kind != Kind::integer &&
            kind != Kind::unsigned_integer) {
            work_.fail(ErrorKind::argument,
                       fmt::format("{} cannot be the key of a map", with_article(kind)));
            work_.error().offset = key.extent.offset;
            work_.error().length = key.extent.length;
            return false;
        }
        if (!evaluate(node.child(2 * i + 1), entries[i].value)) return false;
    }
    const std::size_t count = entries.size();
    if (!work_.give(result, std::move(entries))) return fail_at(node);
    if (result.as_map().size() == count) return true;
    work_.fail(ErrorKind::argument, "the map has the same key twice");
    return fail_at(node);
}

bool Evaluator::minus(const Node& node, Value& result) {
    Value operand;
    if (!evaluate(node.child(0), operand)) return false;
    return negate(work_, operand, result) || fail_at(node);
}

bool Evaluator::invert(const Node& node, Value& result) {
    if (!evaluate(node.child(0), result)) return false;
    if (result.kind() == Kind::boolean) {
        result = Value::boolean(!result.as_boolean());
        return true;
    }
    work_.fail(ErrorKind::no_overload,
               fmt::format("no such overload: !{}", plain_name(result.kind())));
    return fail_at(node);
}

// && with decisive = false, || with decisive = true. A decisive operand decides wherever it stands,
// even beside errors; only without one does the first error come through.
bool Evaluator::logic(const Node& node, bool decisive, Value& result) {
    std::optional<EvaluationError> first_error;
    for (const auto& child : node.children) {
        bool failed = !evaluate(*child, result);
        if (!failed && result.kind() == Kind::boolean) {
            if (result.as_boolean() == decisive) return true;
            continue;
        }
        if (!failed) {
            work_.fail(ErrorKind::no_overload,
                       fmt::format("no such overload: {} needs bool, this is {}",
                                   decisive ? "||" : "&&", with_article(result.kind())));
            work_.error().offset = child->extent.offset;
            work_.error().length = child->extent.length;
        }
        if (work_.error().kind == ErrorKind::limit) return false;
        if (!first_error) first_error = std::move(work_.error());
    }
    if (first_error) {
        work_.error() = std::move(*first_error);
        return false;
    }
    result = Value::boolean(!decisive);
    return true;
}

bool Evaluator::condition(const Node& node, std::string_view where, bool& holds) {
    Value value;
    if (!evaluate(node, value)) return false;
    if (value.kind() == Kind::boolean) {
        holds = value.as_boolean();
        return true;
    }
    work_.fail(ErrorKind::no_overload,
               fmt::format("no such overload: the condition of {} is a bool, not {}", where,
                           with_article(value.kind())));
    work_.error().offset = node.extent.offset;
    work_.error().length = node.extent.length;
    return false;
}

bool Evaluator::conditional(const Node& node, Value& result) {
    bool holds = false;
    if (!condition(node.child(0), "?:", holds)) return false;
    return evaluate(node.child(holds ? 1 : 2), result);
}

bool Evaluator::binary(const Node& node, Value& result) {
    Value left;
    if (!evaluate(node.child(0), left)) return false;
    // Comparing with a literal is what most conditions do: no copy of it is made.
    if (node.child(1).kind == NodeKind::literal)
        return apply(work_, node.op, left, node.child(1).value, result) || fail_at(node);
    Value right;
    if (!evaluate(node.child(1), right)) return false;
    return apply(work_, node.op, left, right, result) || fail_at(node);
}

bool Evaluator::call(const Node& node, Value& result) {
    if (node.function == nullptr) {
        work_.fail(ErrorKind::no_overload, fmt::format("unbound function '{}'", node.name));
        return fail_at(node);
    }
    const std::size_t count = node.children.size();
    std::array<Value, inline_arguments> near;
    std::vector<Value> far(count > near.size() ? count : 0);
    const std::span<Value> arguments = far.empty() ? std::span{near}.first(count) : std::span{far};
    for (std::size_t i = 0; i < count; ++i)
        if (!evaluate(node.child(i), arguments[i])) return false;
    const Function& function = *node.function;
    bool fits = count >= function.arguments_min &&
                (count <= function.arguments_max || function.arguments_max == any_number);
    for (std::size_t i = 0; fits && i < count; ++i)
        fits = contains(parameter_kinds(function, i), arguments[i].kind());
    if (!fits) {
        work_.fail(ErrorKind::no_overload, no_overload_of_call(node, arguments));
        return fail_at(node);
    }
    if (node.expression)
        return matches_pattern(work_, *node.expression, arguments[0], result) || fail_at(node);
    return function.body(work_, arguments, result) || fail_at(node);
}

bool Evaluator::fallback(const Node& node, Value& result) {
    ++work_.forgiving;
    const bool found = evaluate(node.child(0), result);
    --work_.forgiving;
    if (found && !result.is_null()) return true;
    if (!found && work_.error().kind != ErrorKind::missing) return false;
    return evaluate(node.child(1), result);
}

bool Evaluator::elements(const Node& node, Value& target, std::size_t& count) {
    if (!evaluate(node.child(0), target)) return false;
    if (target.kind() == Kind::list) {
        count = target.as_list().size();
        return true;
    }
    if (target.kind() == Kind::map) {
        count = target.as_map().size();
        return true;
    }
    work_.fail(target.is_null() ? ErrorKind::missing : ErrorKind::no_overload,
               fmt::format("{}() goes over a list or a map, this is {}", node.name,
                           with_article(target.kind())));
    return fail_at(node);
}

Value Evaluator::element_at(const Value& target, std::size_t position) {
    return target.kind() == Kind::list ? target.as_list().at(position)
                                       : target.as_map().key_at(position);
}

// all with decisive = false, exists with decisive = true; errors count as in && and ||.
bool Evaluator::quantifier(const Node& node, bool decisive, Value& result) {
    Value target;
    std::size_t count = 0;
    if (!elements(node, target, count)) return false;
    std::optional<EvaluationError> first_error;
    for (std::size_t i = 0; i < count; ++i) {
        variables_[node.slot] = element_at(target, i);
        bool holds = false;
        if (condition(node.child(1), node.name, holds)) {
            if (holds != decisive) continue;
            result = Value::boolean(decisive);
            return true;
        }
        if (work_.error().kind == ErrorKind::limit) return false;
        if (!first_error) first_error = std::move(work_.error());
    }
    if (first_error) {
        work_.error() = std::move(*first_error);
        return false;
    }
    result = Value::boolean(!decisive);
    return true;
}

bool Evaluator::exists_one(const Node& node, Value& result) {
    Value target;
    std::size_t count = 0;
    if (!elements(node, target, count)) return false;
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
        variables_[node.slot] = element_at(target, i);
        bool holds = false;
        if (!condition(node.child(1), node.name, holds)) return false;
        if (holds) ++found;
    }
    result = Value::boolean(found == 1);
    return true;
}

// map and filter.
bool Evaluator::collect(const Node& node, Value& result) {
    Value target;
    std::size_t count = 0;
    if (!elements(node, target, count)) return false;
    std::vector<Value> items;
    for (std::size_t i = 0; i < count; ++i) {
        variables_[node.slot] = element_at(target, i);
        bool taken = true;
        if (node.kind != NodeKind::transform && !condition(node.child(1), node.name, taken))
            return false;
        if (!taken) continue;
        Value item = variables_[node.slot];
        if (node.kind != NodeKind::filter && !evaluate(*node.children.back(), item)) return false;
        if (!work_.make_item(item)) return fail_at(node);
        items.push_back(std::move(item));
    }
    result = Value::list(std::move(items));
    return true;
}

} // namespace baton::orchestrator::expression
