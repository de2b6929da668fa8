// Values as JSON and as plain text.
#include "base/base64.hpp"
#include "orchestrator/expression/value.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace baton::orchestrator::expression {

namespace {

// JSON without spaces. Unlike boost::json::serialize it writes 1.5 as people do, not as 1.5E0.
void append_value_json(std::string& out, const Value& value) {
    switch (value.kind()) {
    case Kind::null:
        out += "null";
        return;
    case Kind::integer:
    case Kind::unsigned_integer:
    case Kind::boolean:
        out += to_plain_text(value);
        return;
    case Kind::real:
        if (std::isfinite(value.as_real())) {
            out += to_text(value.as_real());
            return;
        }
        break;
    case Kind::list: {
        out += '[';
        for (std::size_t i = 0; i < value.as_list().size(); ++i) {
            if (i > 0) out += ',';
            append_value_json(out, value.as_list().at(i));
        }
        out += ']';
        return;
    }
    case Kind::map: {
        const Map& map = value.as_map();
        out += '{';
        for (std::size_t i = 0; i < map.size(); ++i) {
            if (i > 0) out += ',';
            out += boost::json::serialize(boost::json::string_view{to_plain_text(map.key_at(i))});
            out += ':';
            append_value_json(out, map.value_at(i));
        }
        out += '}';
        return;
    }
    case Kind::text:
    case Kind::bytes:
    case Kind::timestamp:
    case Kind::duration:
    case Kind::type:
        break;
    }
    out += boost::json::serialize(boost::json::string_view{to_plain_text(value)});
}

boost::json::value json_of_list(const List& list) {
    if (const auto* json = list.json()) return *json;
    boost::json::array array;
    array.reserve(list.size());
    for (std::size_t i = 0; i < list.size(); ++i)
        array.push_back(to_json(list.at(i)));
    return array;
}

boost::json::value json_of_map(const Map& map) {
    if (const auto* json = map.json()) return *json;
    boost::json::object object;
    object.reserve(map.size());
    for (std::size_t i = 0; i < map.size(); ++i)
        object.insert_or_assign(to_plain_text(map.key_at(i)), to_json(map.value_at(i)));
    return object;
}

} // namespace

boost::json::value to_json(const Value& value) {
    switch (value.kind()) {
    case Kind::null:
        return nullptr;
    case Kind::boolean:
        return value.as_boolean();
    case Kind::integer:
        return value.as_integer();
    case Kind::unsigned_integer:
        return value.as_unsigned_integer();
    case Kind::real:
        if (!std::isfinite(value.as_real())) break;
        return value.as_real();
    case Kind::list:
        return json_of_list(value.as_list());
    case Kind::map:
        return json_of_map(value.as_map());
    case Kind::text:
    case Kind::bytes:
    case Kind::timestamp:
    case Kind::duration:
    case Kind::type:
        break;
    }
    return boost::json::string{to_plain_text(value)};
}

std::string to_plain_text(const Value& value) {
    switch (value.kind()) {
    case Kind::null:
        return {};
    case Kind::boolean:
        return value.as_boolean() ? "true" : "false";
    case Kind::integer:
        return fmt::format("{}", value.as_integer());
    case Kind::unsigned_integer:
        return fmt::format("{}", value.as_unsigned_integer());
    case Kind::real:
        return to_text(value.as_real());
    case Kind::text:
        return std::string{value.as_text()};
    case Kind::bytes:
        return base64_of(value.as_bytes());
    case Kind::timestamp:
        return to_text(value.as_timestamp());
    case Kind::duration:
        return to_text(value.as_duration());
    case Kind::type:
        return std::string{type_name(value.as_type())};
    case Kind::list:
    case Kind::map:
        break;
    }
    std::string text;
    append_value_json(text, value);
    return text;
}

std::string to_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    // Between these bounds people write digits, outside powers of ten; the bounds are JavaScript's.
    const double magnitude = std::fabs(value);
    const bool plain = magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
    char digits[64];
    const auto end =
        std::to_chars(std::begin(digits), std::end(digits), value,
                      plain ? std::chars_format::fixed : std::chars_format::scientific);
    return {std::begin(digits), end.ptr};
}

} // namespace baton::orchestrator::expression
