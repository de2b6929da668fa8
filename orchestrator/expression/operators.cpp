// Arithmetic with overflow checks, comparison, membership, fields and elements.
#include "orchestrator/expression/operators.hpp"

#include "base/suggest.hpp"
#include "orchestrator/expression/time_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace baton::orchestrator::expression {

namespace {

bool is_number(Kind kind) {
    return kind == Kind::integer || kind == Kind::unsigned_integer || kind == Kind::real;
}

bool has_order(Kind kind) {
    return kind == Kind::boolean || kind == Kind::text || kind == Kind::bytes ||
           kind == Kind::timestamp || kind == Kind::duration;
}

std::optional<Kind> sum_kind(Kind a, Kind b) {
    if (a == b && (is_number(a) || a == Kind::text || a == Kind::bytes || a == Kind::list ||
                   a == Kind::duration))
        return a;
    if (a == Kind::timestamp && b == Kind::duration) return Kind::timestamp;
    if (a == Kind::duration && b == Kind::timestamp) return Kind::timestamp;
    return std::nullopt;
}

std::optional<Kind> difference_kind(Kind a, Kind b) {
    if (a == b && (is_number(a) || a == Kind::duration)) return a;
    if (a == Kind::timestamp && b == Kind::timestamp) return Kind::duration;
    if (a == Kind::timestamp && b == Kind::duration) return Kind::timestamp;
    return std::nullopt;
}

bool overflow(Work& work, std::string_view kind) {
    return work.fail(ErrorKind::arithmetic, fmt::format("{} overflow", kind));
}

template <typename Integer>
bool calculate(Work& work, Operator op, Integer a, Integer b, Integer& result) {
    constexpr bool is_signed = std::numeric_limits<Integer>::is_signed;
    constexpr std::string_view kind = is_signed ? "integer" : "unsigned integer";
    bool overflowed = false;
    if (op == Operator::add) {
        overflowed = __builtin_add_overflow(a, b, &result);
    } else if (op == Operator::subtract) {
        overflowed = __builtin_sub_overflow(a, b, &result);
    } else if (op == Operator::multiply) {
        overflowed = __builtin_mul_overflow(a, b, &result);
    } else {
        if (b == 0)
            return work.fail(ErrorKind::arithmetic,
                             op == Operator::divide ? "division by zero" : "modulus by zero");
        if constexpr (is_signed) overflowed = a == std::numeric_limits<Integer>::min() && b == -1;
        if (!overflowed) result = op == Operator::divide ? a / b : a % b;
    }
    return overflowed ? overflow(work, kind) : true;
}

double calculate(Operator op, double a, double b) {
    if (op == Operator::add) return a + b;
    if (op == Operator::subtract) return a - b;
    return op == Operator::multiply ? a * b : a / b;
}

bool calculate_time(Work& work, Operator op, const Value& a, const Value& b, Value& result) {
    if (a.kind() == Kind::duration && b.kind() == Kind::duration) {
        Span span;
        if (!calculate(work, op, a.as_duration().nanos, b.as_duration().nanos, span.nanos))
            return overflow(work, "duration");
        result = Value::duration(span);
        return true;
    }
    if (a.kind() == Kind::timestamp && b.kind() == Kind::timestamp) {
        const auto span = difference(a.as_timestamp(), b.as_timestamp());
        if (!span) return overflow(work, "duration");
        result = Value::duration(*span);
        return true;
    }
    const Value& moment = a.kind() == Kind::timestamp ? a : b;
    Span span = a.kind() == Kind::timestamp ? b.as_duration() : a.as_duration();
    if (op == Operator::subtract &&
        __builtin_sub_overflow(std::int64_t{0}, span.nanos, &span.nanos))
        return overflow(work, "duration");
    const auto moved = moved_by(moment.as_timestamp(), span);
    if (!moved) return overflow(work, "timestamp");
    result = Value::timestamp(*moved);
    return true;
}

bool concatenate(Work& work, const Value& a, const Value& b, Value& result) {
    if (a.kind() == Kind::list) {
        const List& left = a.as_list();
        const List& right = b.as_list();
        if (!work.visit(left.size() + right.size())) return false;
        std::vector<Value> items;
        if (!work.make(left.weight(work.bytes_left())) ||
            !work.make(right.weight(work.bytes_left())))
            return false;
        items.reserve(left.size() + right.size());
        for (std::size_t i = 0; i < left.size(); ++i)
            items.push_back(left.at(i));
        for (std::size_t i = 0; i < right.size(); ++i)
            items.push_back(right.at(i));
        result = Value::list(std::move(items));
        return true;
    }
    const bool is_text = a.kind() == Kind::text;
    const std::string_view left = is_text ? a.as_text() : a.as_bytes();
    const std::string_view right = is_text ? b.as_text() : b.as_bytes();
    if (!work.make(value_weight + left.size() + right.size())) return false;
    std::string joined;
    joined.reserve(left.size() + right.size());
    joined.append(left).append(right);
    result = is_text ? Value::text(std::move(joined)) : Value::bytes(std::move(joined));
    return true;
}

bool arithmetic(Work& work, Operator op, const Value& a, const Value& b, Value& result) {
    if (a.kind() == b.kind() && a.kind() == Kind::integer) {
        std::int64_t number = 0;
        if (!calculate(work, op, a.as_integer(), b.as_integer(), number)) return false;
        result = Value::integer(number);
        return true;
    }
    if (!result_kind(op, a.kind(), b.kind()))
        return work.fail(ErrorKind::no_overload, no_overload(op, a.kind(), b.kind()));
    if (a.kind() == Kind::real) {
        result = Value::real(calculate(op, a.as_real(), b.as_real()));
        return true;
    }
    if (a.kind() == Kind::unsigned_integer) {
        std::uint64_t number = 0;
        if (!calculate(work, op, a.as_unsigned_integer(), b.as_unsigned_integer(), number))
            return false;
        result = Value::unsigned_integer(number);
        return true;
    }
    if (a.kind() == Kind::timestamp || a.kind() == Kind::duration)
        return calculate_time(work, op, a, b, result);
    return concatenate(work, a, b, result);
}

bool compare(Work& work, Operator op, const Value& a, const Value& b, Value& result) {
    if (!result_kind(op, a.kind(), b.kind()))
        return work.fail(ErrorKind::no_overload, no_overload(op, a.kind(), b.kind()));
    if (a.kind() == Kind::text && !work.visit_text(a.as_text())) return false;
    const auto order = order_of(a, b);
    // NaN: every comparison is false.
    if (!order) {
        result = Value::boolean(false);
    } else if (op == Operator::less) {
        result = Value::boolean(*order < 0);
    } else if (op == Operator::less_equal) {
        result = Value::boolean(*order <= 0);
    } else if (op == Operator::greater) {
        result = Value::boolean(*order > 0);
    } else {
        result = Value::boolean(*order >= 0);
    }
    return true;
}

bool contained(Work& work, const Value& a, const Value& b, Value& result) {
    if (b.kind() == Kind::map) {
        result = Value::boolean(b.as_map().find(a).has_value());
        return true;
    }
    if (b.kind() != Kind::list)
        return work.fail(ErrorKind::no_overload, no_overload(Operator::in, a.kind(), b.kind()));
    const List& list = b.as_list();
    bool found = false;
    for (std::size_t i = 0; i < list.size() && !found; ++i)
        if (!work.compare(a, list.at(i), found)) return false;
    result = Value::boolean(found);
    return true;
}

// A whole number that can be an index; a double only if it is one exactly.
std::optional<std::int64_t> index_of(const Value& at) {
    if (at.kind() == Kind::integer) return at.as_integer();
    if (at.kind() == Kind::unsigned_integer) {
        const std::uint64_t number = at.as_unsigned_integer();
        // Past the end of any list anyway.
        return number > std::numeric_limits<std::uint32_t>::max()
                   ? -1
                   : static_cast<std::int64_t>(number);
    }
    if (at.kind() != Kind::real) return std::nullopt;
    const double number = at.as_real();
    if (!(std::fabs(number) < 4294967296.0) || number != std::trunc(number)) return std::nullopt;
    return static_cast<std::int64_t>(number);
}

} // namespace

std::optional<Kind> result_kind(Operator op, Kind a, Kind b) {
    switch (op) {
    case Operator::add:
        return sum_kind(a, b);
    case Operator::subtract:
        return difference_kind(a, b);
    case Operator::multiply:
    case Operator::divide:
        return a == b && is_number(a) ? std::optional{a} : std::nullopt;
    case Operator::remainder:
        return a == b && is_number(a) && a != Kind::real ? std::optional{a} : std::nullopt;
    case Operator::equal:
    case Operator::not_equal:
        return Kind::boolean;
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal:
        if ((is_number(a) && is_number(b)) || (a == b && has_order(a))) return Kind::boolean;
        return std::nullopt;
    case Operator::in:
        return b == Kind::list || b == Kind::map ? std::optional{Kind::boolean} : std::nullopt;
    }
    return std::nullopt;
}

bool can_be_equal(Kind a, Kind b) {
    return a == b || a == Kind::null || b == Kind::null || (is_number(a) && is_number(b));
}

std::string no_overload(Operator op, Kind a, Kind b) {
    std::string_view advice;
    const bool is_calculation = op != Operator::in;
    if (is_calculation && is_number(a) && is_number(b) && a != b)
        advice = a == Kind::real || b == Kind::real ? "; convert with double(..)"
                                                    : "; convert with int(..)";
    else if (op == Operator::add && (a == Kind::text || b == Kind::text))
        advice = "; convert with string(..)";
    else if (op == Operator::in && b == Kind::text)
        advice = "; use contains(..)";
    else if (op == Operator::add && a == Kind::map && b == Kind::map)
        advice = "; use merge(..)";
    return fmt::format("no such overload: {} {} {}{}", plain_name(a), symbol_of(op), plain_name(b),
                       advice);
}

std::string with_article(Kind kind) {
    if (kind == Kind::null) return "null";
    return fmt::format("{} {}", kind == Kind::integer ? "an" : "a", plain_name(kind));
}

bool apply(Work& work, Operator op, const Value& a, const Value& b, Value& result) {
    switch (op) {
    case Operator::add:
    case Operator::subtract:
    case Operator::multiply:
    case Operator::divide:
    case Operator::remainder:
        return arithmetic(work, op, a, b, result);
    case Operator::equal:
    case Operator::not_equal: {
        bool equal_values = false;
        if (!work.compare(a, b, equal_values)) return false;
        result = Value::boolean(equal_values == (op == Operator::equal));
        return true;
    }
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal:
        return compare(work, op, a, b, result);
    case Operator::in:
        return contained(work, a, b, result);
    }
    return false;
}

bool negate(Work& work, const Value& operand, Value& result) {
    std::int64_t number = 0;
    if (operand.kind() == Kind::integer) {
        if (__builtin_sub_overflow(std::int64_t{0}, operand.as_integer(), &number))
            return overflow(work, "integer");
        result = Value::integer(number);
        return true;
    }
    if (operand.kind() == Kind::real) {
        result = Value::real(-operand.as_real());
        return true;
    }
    if (operand.kind() == Kind::duration) {
        if (__builtin_sub_overflow(std::int64_t{0}, operand.as_duration().nanos, &number))
            return overflow(work, "duration");
        result = Value::duration({number});
        return true;
    }
    return work.fail(ErrorKind::no_overload,
                     fmt::format("no such overload: -{}", plain_name(operand.kind())));
}

bool element(Work& work, const Value& target, const Value& at, Value& result) {
    if (target.kind() == Kind::map) {
        if (at.kind() == Kind::text) return field(work, target, at.as_text(), result);
        auto found = target.as_map().find(at);
        if (!found)
            return work.fail(
                ErrorKind::missing,
                fmt::format("no such key: {}", at.kind() == Kind::list || at.kind() == Kind::map
                                                   ? std::string{plain_name(at.kind())}
                                                   : to_plain_text(at)));
        result = std::move(*found);
        return true;
    }
    if (target.is_null()) return work.fail(ErrorKind::missing, "null has no elements");
    if (target.kind() != Kind::list)
        return work.fail(ErrorKind::no_overload,
                         fmt::format("no such overload: {}[{}]", plain_name(target.kind()),
                                     plain_name(at.kind())));
    const auto index = index_of(at);
    if (!index)
        return work.fail(
            ErrorKind::argument,
            fmt::format("the index of a list is a whole number, not {}",
                        at.kind() == Kind::real ? to_text(at.as_real()) : with_article(at.kind())));
    const List& list = target.as_list();
    if (*index < 0 || static_cast<std::uint64_t>(*index) >= list.size())
        return work.fail(ErrorKind::missing, fmt::format("index {} is outside a list of {}",
                                                         to_plain_text(at), list.size()));
    result = list.at(static_cast<std::size_t>(*index));
    return true;
}

bool field(Work& work, const Value& target, std::string_view name, Value& result) {
    if (target.kind() == Kind::map) {
        auto found = target.as_map().find(name);
        if (found) {
            result = std::move(*found);
            return true;
        }
        if (work.forgiving > 0) return work.fail(ErrorKind::missing, {});
        // Searching for a similar name is work as well.
        if (!work.visit(target.as_map().size() * 64)) return false;
        return work.fail(ErrorKind::missing,
                         fmt::format("no such key: '{}'{}", name, near_key(target.as_map(), name)));
    }
    if (target.is_null()) {
        if (work.forgiving > 0) return work.fail(ErrorKind::missing, {});
        return work.fail(ErrorKind::missing, fmt::format("null has no field '{}'", name));
    }
    return work.fail(ErrorKind::no_overload,
                     fmt::format("{} has no field '{}'", with_article(target.kind()), name));
}

std::string near_key(const Map& map, std::string_view name) {
    // A large map is data, not a structure: its keys are no spelling alternatives.
    constexpr std::size_t compared_keys_max = 64;
    if (map.size() > compared_keys_max) return {};
    std::vector<Value> keys;
    std::vector<std::string_view> names;
    keys.reserve(map.size());
    for (std::size_t i = 0; i < map.size(); ++i) {
        keys.push_back(map.key_at(i));
        if (keys.back().kind() == Kind::text) names.push_back(keys.back().as_text());
    }
    return did_you_mean(name, names);
}

} // namespace baton::orchestrator::expression
