// Lists and maps, and size() of everything that has one.
#include "orchestrator/expression/functions.hpp"
#include "orchestrator/expression/lexer.hpp"
#include "orchestrator/expression/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

namespace baton::orchestrator::expression {

namespace {

using Arguments = std::span<const Value>;

bool size_of(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    std::size_t size = 0;
    if (value.kind() == Kind::list) size = value.as_list().size();
    if (value.kind() == Kind::map) size = value.as_map().size();
    if (value.kind() == Kind::bytes) size = value.as_bytes().size();
    if (value.kind() == Kind::text) {
        const std::string_view text = value.as_text();
        if (!work.visit_text(text)) return false;
        for (std::size_t at = 0; at < text.size(); ++size)
            take_code_point(text, at);
    }
    result = Value::integer(static_cast<std::int64_t>(size));
    return true;
}

// Copies of the items, paid for as steps; whoever makes a list of them pays for its bytes.
bool take_items(Work& work, const List& list, std::vector<Value>& items) {
    if (!work.visit(list.size())) return false;
    items.reserve(items.size() + list.size());
    for (std::size_t i = 0; i < list.size(); ++i)
        items.push_back(list.at(i));
    return true;
}

bool keys(Work& work, Arguments arguments, Value& result) {
    const Map& map = arguments[0].as_map();
    if (!work.visit(map.size())) return false;
    std::vector<Value> items;
    items.reserve(map.size());
    for (std::size_t i = 0; i < map.size(); ++i)
        items.push_back(map.key_at(i));
    return work.give(result, std::move(items));
}

bool values(Work& work, Arguments arguments, Value& result) {
    const Map& map = arguments[0].as_map();
    if (!work.visit(map.size())) return false;
    std::vector<Value> items;
    items.reserve(map.size());
    for (std::size_t i = 0; i < map.size(); ++i)
        items.push_back(map.value_at(i));
    return work.give(result, std::move(items));
}

bool entries(Work& work, Arguments arguments, Value& result) {
    const Map& map = arguments[0].as_map();
    if (!work.visit(map.size() * 2)) return false;
    std::vector<Value> items;
    for (std::size_t i = 0; i < map.size(); ++i) {
        std::vector<MapEntry> entry{{Value::text("key"), map.key_at(i)},
                                    {Value::text("value"), map.value_at(i)}};
        Value item;
        if (!work.give(item, std::move(entry))) return false;
        items.push_back(std::move(item));
    }
    return work.give(result, std::move(items));
}

// Later maps win; null counts as an empty map, so that a skipped step can be merged.
bool merge(Work& work, Arguments arguments, Value& result) {
    std::vector<MapEntry> merged;
    for (const Value& argument : arguments) {
        if (argument.is_null()) continue;
        const Map& map = argument.as_map();
        if (!work.visit(map.size() + 1)) return false;
        for (std::size_t i = 0; i < map.size(); ++i)
            merged.push_back({map.key_at(i), map.value_at(i)});
    }
    return work.give(result, std::move(merged));
}

bool flatten_into(Work& work, const List& list, std::int64_t levels, std::vector<Value>& out) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (!work.visit()) return false;
        Value item = list.at(i);
        if (item.kind() == Kind::list && levels > 0) {
            if (!flatten_into(work, item.as_list(), levels - 1, out)) return false;
        } else {
            if (!work.make_item(item)) return false;
            out.push_back(std::move(item));
        }
    }
    return true;
}

bool flatten(Work& work, Arguments arguments, Value& result) {
    // Deeper than any document; keeps the recursion bounded.
    constexpr std::int64_t levels_max = 64;
    const std::int64_t levels = arguments.size() > 1 ? arguments[1].as_integer() : 1;
    if (levels < 0 || levels > levels_max)
        return work.fail(ErrorKind::argument,
                         fmt::format("flatten() takes 0 to {} levels", levels_max));
    std::vector<Value> items;
    if (!flatten_into(work, arguments[0].as_list(), levels, items)) return false;
    result = Value::list(std::move(items));
    return true;
}

// Equal values have equal hashes: 1, 1u and 1.0 are one number.
std::size_t hash_of(const Value& value) {
    const auto mixed = [](std::size_t a, std::size_t b) { return (a ^ b) * 0x9e3779b97f4a7c15ULL; };
    switch (value.kind()) {
    case Kind::null:
        return 1;
    case Kind::boolean:
        return value.as_boolean() ? 2 : 3;
    // Doubles above 2^53 may equal several integers only after rounding, which == does not do, so
    // rounding here costs nothing but a collision.
    case Kind::integer:
        return std::hash<double>{}(static_cast<double>(value.as_integer()));
    case Kind::unsigned_integer:
        return std::hash<double>{}(static_cast<double>(value.as_unsigned_integer()));
    case Kind::real:
        return std::hash<double>{}(value.as_real());
    case Kind::text:
        return std::hash<std::string_view>{}(value.as_text());
    case Kind::bytes:
        return mixed(4, std::hash<std::string_view>{}(value.as_bytes()));
    case Kind::timestamp:
        return mixed(5, static_cast<std::size_t>(value.as_timestamp().seconds) +
                            static_cast<std::size_t>(value.as_timestamp().nanos));
    case Kind::duration:
        return mixed(6, static_cast<std::size_t>(value.as_duration().nanos));
    case Kind::type:
        return mixed(7, static_cast<std::size_t>(value.as_type()));
    case Kind::list: {
        std::size_t hash = 8;
        for (std::size_t i = 0; i < value.as_list().size(); ++i)
            hash = mixed(hash, hash_of(value.as_list().at(i)));
        return hash;
    }
    case Kind::map: {
        // A sum, as the order of keys does not matter.
        std::size_t hash = 9;
        const Map& map = value.as_map();
        for (std::size_t i = 0; i < map.size(); ++i)
            hash += mixed(hash_of(map.key_at(i)), hash_of(map.value_at(i)));
        return hash;
    }
    }
    return 0;
}

bool distinct(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    std::vector<Value> items;
    std::unordered_multimap<std::size_t, std::size_t> seen; // only asked, never iterated
    for (std::size_t i = 0; i < list.size(); ++i) {
        Value item = list.at(i);
        if (!work.visit(weight_of(item, work.bytes_left()) / value_weight)) return false;
        const std::size_t hash = hash_of(item);
        bool known = false;
        const auto [first, last] = seen.equal_range(hash);
        for (auto candidate = first; candidate != last && !known; ++candidate)
            if (!work.compare(items[candidate->second], item, known)) return false;
        if (known) continue;
        seen.emplace(hash, items.size());
        items.push_back(std::move(item));
    }
    return work.give(result, std::move(items));
}

// Whether all items have an order among each other.
bool check_ordered(Work& work, std::string_view function, std::span<const Value> items) {
    for (const Value& item : items) {
        if (order_of(items.front(), item) && order_of(item, item)) continue;
        return work.fail(ErrorKind::no_overload,
                         fmt::format("no such overload: {}() of {} and {}", function,
                                     plain_name(items.front().kind()), plain_name(item.kind())));
    }
    return true;
}

bool sort(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    std::vector<Value> items;
    if (!take_items(work, list, items) || !check_ordered(work, "sort", items)) return false;
    std::uint64_t steps = 0;
    for (const Value& item : items)
        steps += weight_of(item, work.bytes_left()) / value_weight;
    if (!work.visit(steps * static_cast<std::uint64_t>(std::bit_width(items.size())))) return false;
    std::vector<std::uint32_t> positions(items.size());
    for (std::size_t i = 0; i < positions.size(); ++i)
        positions[i] = static_cast<std::uint32_t>(i);
    // Equal items (1 and 1.0) stay in their order.
    std::sort(positions.begin(), positions.end(), [&](std::uint32_t a, std::uint32_t b) {
        const int order = order_of(items[a], items[b]).value_or(0);
        return order != 0 ? order < 0 : a < b;
    });
    std::vector<Value> sorted;
    sorted.reserve(items.size());
    for (const std::uint32_t position : positions)
        sorted.push_back(items[position]);
    return work.give(result, std::move(sorted));
}

Value as_double(const Value& number) {
    if (number.kind() == Kind::integer)
        return Value::real(static_cast<double>(number.as_integer()));
    if (number.kind() == Kind::unsigned_integer)
        return Value::real(static_cast<double>(number.as_unsigned_integer()));
    return number;
}

// Unlike +, sum takes mixed numbers: the items come from JSON, where 2 and 2.0 are the same.
bool sum(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    Value total = Value::integer(0);
    if (!work.visit(list.size() + 1)) return false;
    for (std::size_t i = 0; i < list.size(); ++i) {
        Value item = list.at(i);
        if (!item.is_number() && item.kind() != Kind::duration)
            return work.fail(ErrorKind::no_overload,
                             fmt::format("sum() takes numbers or durations, item {} is {}", i,
                                         with_article(item.kind())));
        if (i == 0) {
            total = std::move(item);
            continue;
        }
        if (item.is_number() && total.is_number() && item.kind() != total.kind()) {
            item = as_double(item);
            total = as_double(total);
        }
        const Value before = total;
        if (!apply(work, Operator::add, before, item, total)) return false;
    }
    result = std::move(total);
    return true;
}

template <bool Greatest>
bool extreme(Work& work, Arguments arguments, Value& result) {
    constexpr std::string_view name = Greatest ? "max" : "min";
    std::vector<Value> items{arguments.begin(), arguments.end()};
    if (arguments.size() == 1 && arguments[0].kind() == Kind::list) {
        items.clear();
        if (!take_items(work, arguments[0].as_list(), items)) return false;
    }
    if (items.empty())
        return work.fail(ErrorKind::missing, fmt::format("{}() of an empty list", name));
    if (!check_ordered(work, name, items)) return false;
    std::size_t best = 0;
    for (std::size_t i = 1; i < items.size(); ++i) {
        const int order = order_of(items[i], items[best]).value_or(0);
        if (Greatest ? order > 0 : order < 0) best = i;
    }
    result = items[best];
    return true;
}

// range(end), range(begin, end), range(begin, end, step); the end is not part of it.
bool range(Work& work, Arguments arguments, Value& result) {
    const std::int64_t begin = arguments.size() > 1 ? arguments[0].as_integer() : 0;
    const std::int64_t end = arguments[arguments.size() > 1 ? 1 : 0].as_integer();
    const std::int64_t step = arguments.size() > 2 ? arguments[2].as_integer() : 1;
    if (step == 0) return work.fail(ErrorKind::argument, "the step of range() is 0");
    const auto wide = static_cast<__int128>(end) - begin;
    const __int128 count = step > 0 ? (wide + step - 1) / step : (wide + step + 1) / step;
    std::vector<Value> items;
    if (count <= 0) {
        result = Value::list(std::move(items));
        return true;
    }
    const auto size = static_cast<std::uint64_t>(
        std::min(count, static_cast<__int128>(weight_max / value_weight)));
    if (!work.visit(size) || !work.make(size * value_weight)) return false;
    items.reserve(size);
    for (std::uint64_t i = 0; i < size; ++i)
        items.push_back(Value::integer(begin + static_cast<std::int64_t>(i) * step));
    result = Value::list(std::move(items));
    return true;
}

template <bool Last>
bool end_item(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    if (list.empty())
        return work.fail(ErrorKind::missing,
                         fmt::format("{}() of an empty list", Last ? "last" : "first"));
    result = list.at(Last ? list.size() - 1 : 0);
    return true;
}

bool reverse(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::list) {
        std::vector<Value> items;
        if (!take_items(work, arguments[0].as_list(), items)) return false;
        std::reverse(items.begin(), items.end());
        return work.give(result, std::move(items));
    }
    const std::string_view text = arguments[0].as_text();
    if (!work.visit_text(text)) return false;
    std::string reversed;
    reversed.resize(text.size());
    std::size_t to = text.size();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        take_code_point(text, at);
        to -= at - begin;
        text.copy(reversed.data() + to, at - begin, begin);
    }
    return work.give(result, std::move(reversed));
}

// Positions past the end mean the end, so that pages need no arithmetic.
bool slice(Work& work, Arguments arguments, Value& result) {
    const List& list = arguments[0].as_list();
    const auto size = static_cast<std::int64_t>(list.size());
    const std::int64_t begin = arguments[1].as_integer();
    const std::int64_t end =
        arguments.size() > 2 ? std::min(arguments[2].as_integer(), size) : size;
    if (begin < 0 || end < 0)
        return work.fail(ErrorKind::argument, "positions of slice() are not negative");
    std::vector<Value> items;
    if (begin < end && !work.visit(static_cast<std::uint64_t>(end - begin))) return false;
    for (std::int64_t i = begin; i < end; ++i)
        items.push_back(list.at(static_cast<std::size_t>(i)));
    return work.give(result, std::move(items));
}

constexpr Kinds sized = kinds(Kind::text, Kind::bytes, Kind::list, Kind::map);
constexpr Kinds lists = kinds(Kind::list);
constexpr Kinds maps = kinds(Kind::map);
constexpr Kinds maps_or_null = kinds(Kind::map, Kind::null);
constexpr Kinds whole_number = kinds(Kind::integer);

constexpr Function list_table[] = {
    {"size", size_of, 1, 1, {sized}, Kind::integer},
    {"keys", keys, 1, 1, {maps}, Kind::list},
    {"values", values, 1, 1, {maps}, Kind::list},
    {"entries", entries, 1, 1, {maps}, Kind::list},
    {"merge",
     merge,
     1,
     any_number,
     {maps_or_null, maps_or_null, maps_or_null, maps_or_null},
     Kind::map},
    {"flatten", flatten, 1, 2, {lists, whole_number}, Kind::list},
    {"distinct", distinct, 1, 1, {lists}, Kind::list},
    {"sort", sort, 1, 1, {lists}, Kind::list},
    {"sum", sum, 1, 1, {lists}, std::nullopt},
    {"min", extreme<false>, 1, any_number, {any_kind, any_kind, any_kind, any_kind}, std::nullopt},
    {"max", extreme<true>, 1, any_number, {any_kind, any_kind, any_kind, any_kind}, std::nullopt},
    {"range", range, 1, 3, {whole_number, whole_number, whole_number}, Kind::list, true},
    {"first", end_item<false>, 1, 1, {lists}, std::nullopt},
    {"last", end_item<true>, 1, 1, {lists}, std::nullopt},
    {"reverse", reverse, 1, 1, {kinds(Kind::text, Kind::list)}, std::nullopt},
    {"slice", slice, 2, 3, {lists, whole_number, whole_number}, Kind::list},
};

} // namespace

std::span<const Function> list_functions() {
    return list_table;
}

} // namespace baton::orchestrator::expression
