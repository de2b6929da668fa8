// int, uint, double, string, bytes, bool, type, dyn, and numbers: abs, ceil, floor, round.
#include "orchestrator/expression/functions.hpp"
#include "base/utf8.hpp"
#include "orchestrator/expression/lexer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace baton::orchestrator::expression {

namespace {

using Arguments = std::span<const Value>;

constexpr double two_to_63 = 9223372036854775808.0;

// Long texts are shortened: the message must stay readable.
std::string quoted(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 40;
    if (text.size() <= shown_bytes_max) return fmt::format("'{}'", text);
    std::size_t end = 0;
    while (end < shown_bytes_max)
        take_code_point(text, end);
    return fmt::format("'{}..'", text.substr(0, end));
}

template <typename Number>
bool number_from_text(std::string_view text, Number& number) {
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return !text.empty() && read.ec == std::errc{} && read.ptr == end;
}

bool refuse(Work& work, const Value& value, std::string_view kind) {
    if (value.kind() == Kind::text)
        return work.fail(ErrorKind::argument,
                         fmt::format("{} is no {}", quoted(value.as_text()), kind));
    return work.fail(ErrorKind::arithmetic,
                     fmt::format("{} is out of the range of {}", to_plain_text(value), kind));
}

bool to_int(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    std::int64_t number = 0;
    if (value.kind() == Kind::integer) {
        number = value.as_integer();
    } else if (value.kind() == Kind::unsigned_integer) {
        if (value.as_unsigned_integer() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
            return refuse(work, value, "int");
        number = static_cast<std::int64_t>(value.as_unsigned_integer());
    } else if (value.kind() == Kind::real) {
        // Both ends are excluded, as CEL does: there a double is already rounded.
        const double real = value.as_real();
        if (!(real > -two_to_63 && real < two_to_63)) return refuse(work, value, "int");
        number = static_cast<std::int64_t>(real);
    } else if (value.kind() == Kind::timestamp) {
        number = value.as_timestamp().seconds;
    } else if (!number_from_text(value.as_text(), number)) {
        return refuse(work, value, "int");
    }
    result = Value::integer(number);
    return true;
}

bool to_uint(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    std::uint64_t number = 0;
    if (value.kind() == Kind::unsigned_integer) {
        number = value.as_unsigned_integer();
    } else if (value.kind() == Kind::integer) {
        if (value.as_integer() < 0) return refuse(work, value, "uint");
        number = static_cast<std::uint64_t>(value.as_integer());
    } else if (value.kind() == Kind::real) {
        const double real = value.as_real();
        if (!(real >= 0 && real < 2 * two_to_63)) return refuse(work, value, "uint");
        number = static_cast<std::uint64_t>(real);
    } else if (!number_from_text(value.as_text(), number)) {
        return refuse(work, value, "uint");
    }
    result = Value::unsigned_integer(number);
    return true;
}

bool to_double(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    double number = 0;
    if (value.kind() == Kind::real)
        number = value.as_real();
    else if (value.kind() == Kind::integer)
        number = static_cast<double>(value.as_integer());
    else if (value.kind() == Kind::unsigned_integer)
        number = static_cast<double>(value.as_unsigned_integer());
    else if (!number_from_text(value.as_text(), number))
        return refuse(work, value, "double");
    result = Value::real(number);
    return true;
}

bool to_string(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    if (value.kind() == Kind::text) {
        result = value;
        return true;
    }
    if (value.kind() != Kind::bytes) return work.give(result, to_plain_text(value));
    if (!work.visit_text(value.as_bytes())) return false;
    if (first_invalid_utf8(value.as_bytes()))
        return work.fail(ErrorKind::argument, "the bytes are no UTF-8; base64(..) makes them text");
    return work.give(result, std::string{value.as_bytes()});
}

bool to_bytes(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::text)
        return work.give_bytes(result, std::string{arguments[0].as_text()});
    result = arguments[0];
    return true;
}

bool to_bool(Work& work, Arguments arguments, Value& result) {
    if (arguments[0].kind() == Kind::boolean) {
        result = arguments[0];
        return true;
    }
    const std::string_view text = arguments[0].as_text();
    for (const std::string_view yes : {"true", "True", "TRUE", "t", "1"})
        if (text == yes) {
            result = Value::boolean(true);
            return true;
        }
    for (const std::string_view no : {"false", "False", "FALSE", "f", "0"})
        if (text == no) {
            result = Value::boolean(false);
            return true;
        }
    return refuse(work, arguments[0], "bool");
}

bool type_of(Work&, Arguments arguments, Value& result) {
    result = Value::type(arguments[0].kind());
    return true;
}

bool dyn(Work&, Arguments arguments, Value& result) {
    result = arguments[0];
    return true;
}

bool json(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    // Serialising walks all of the value, so it is paid for before.
    if (!work.make(weight_of(value, work.bytes_left()))) return false;
    std::vector<Value> only{value};
    std::string text = to_plain_text(Value::list(std::move(only)));
    // The text of a list of one, without its brackets.
    return work.give(result, text.substr(1, text.size() - 2));
}

bool abs(Work& work, Arguments arguments, Value& result) {
    const Value& value = arguments[0];
    result = value;
    if (value.kind() == Kind::real) result = Value::real(std::fabs(value.as_real()));
    if (value.kind() != Kind::integer || value.as_integer() >= 0) return true;
    if (value.as_integer() == std::numeric_limits<std::int64_t>::min())
        return work.fail(ErrorKind::arithmetic, "integer overflow");
    result = Value::integer(-value.as_integer());
    return true;
}

template <double (*Round)(double)>
bool rounded(Work&, Arguments arguments, Value& result) {
    result = arguments[0];
    if (result.kind() == Kind::real) result = Value::real(Round(result.as_real()));
    return true;
}

double ceiling(double value) {
    return std::ceil(value);
}
double floored(double value) {
    return std::floor(value);
}
double nearest(double value) {
    return std::round(value);
}

constexpr Kinds numbers = kinds(Kind::integer, Kind::unsigned_integer, Kind::real);
constexpr Kinds texts = kinds(Kind::text);
constexpr Kinds times = kinds(Kind::timestamp, Kind::duration);

constexpr Function conversion_table[] = {
    {"int", to_int, 1, 1, {numbers | texts | kinds(Kind::timestamp)}, Kind::integer, true},
    {"uint", to_uint, 1, 1, {numbers | texts}, Kind::unsigned_integer, true},
    {"double", to_double, 1, 1, {numbers | texts}, Kind::real, true},
    {"string",
     to_string,
     1,
     1,
     {numbers | texts | times | kinds(Kind::boolean, Kind::bytes, Kind::type)},
     Kind::text,
     true},
    {"bytes", to_bytes, 1, 1, {kinds(Kind::text, Kind::bytes)}, Kind::bytes, true},
    {"bool", to_bool, 1, 1, {kinds(Kind::text, Kind::boolean)}, Kind::boolean, true},
    {"type", type_of, 1, 1, {any_kind}, Kind::type, true},
    {"dyn", dyn, 1, 1, {any_kind}, std::nullopt, true},
    {"json", json, 1, 1, {any_kind}, Kind::text},
    {"abs", abs, 1, 1, {numbers}, std::nullopt},
    {"ceil", rounded<ceiling>, 1, 1, {numbers}, std::nullopt},
    {"floor", rounded<floored>, 1, 1, {numbers}, std::nullopt},
    {"round", rounded<nearest>, 1, 1, {numbers}, std::nullopt},
};

} // namespace

std::span<const Function> conversion_functions() {
    return conversion_table;
}

} // namespace baton::orchestrator::expression
