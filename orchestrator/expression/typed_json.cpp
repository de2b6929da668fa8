// Typed JSON in both directions, and one line of `baton eval --jsonl`.
#include "orchestrator/expression/typed_json.hpp"

#include "base/base64.hpp"
#include "orchestrator/expression/parser.hpp"
#include "orchestrator/expression/program.hpp"
#include "orchestrator/expression/time_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/system/errc.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>

namespace baton::orchestrator::expression {

namespace {

// Typed values nest two JSON levels for each of their own.
constexpr std::size_t json_depth_max = 512;
constexpr int value_depth_max = 200;

Failure failure(std::string detail) {
    return {boost::system::errc::make_error_code(boost::system::errc::invalid_argument),
            std::move(detail)};
}

std::string_view view(const boost::json::string& text) {
    return {text.data(), text.size()};
}

template <typename Number>
bool read_number(std::string_view text, Number& number) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ptr != text.data() + text.size() || text.empty()) return false;
    if constexpr (std::is_floating_point_v<Number>)
        return read.ec == std::errc{} || read.ec == std::errc::result_out_of_range;
    else
        return read.ec == std::errc{};
}

// Numbers come as text, because JSON readers lose large ones; plain numbers are accepted as well.
template <typename Number>
bool number_of(const boost::json::value& json, Number& number) {
    if (const auto* text = json.if_string()) return read_number(view(*text), number);
    boost::system::error_code failed;
    if (!json.is_number()) return false;
    number = json.to_number<Number>(failed);
    return !failed;
}

Outcome<Value> read(const boost::json::value& json, int depth);

Outcome<Value> read_list(const boost::json::value& json, int depth) {
    const auto* array = json.if_array();
    if (array == nullptr) return failure("'list' needs an array");
    std::vector<Value> items;
    for (const auto& item : *array) {
        BATON_ASSIGN(Value value, read(item, depth + 1));
        items.push_back(std::move(value));
    }
    return Value::list(std::move(items));
}

Outcome<Value> read_map(const boost::json::value& json, int depth) {
    const auto* array = json.if_array();
    if (array == nullptr) return failure("'map' needs an array of [key, value] pairs");
    std::vector<MapEntry> entries;
    for (const auto& item : *array) {
        const auto* pair = item.if_array();
        if (pair == nullptr || pair->size() != 2)
            return failure("'map' needs an array of [key, value] pairs");
        BATON_ASSIGN(Value key, read((*pair)[0], depth + 1));
        const Kind kind = key.kind();
        if (kind != Kind::boolean && kind != Kind::integer && kind != Kind::unsigned_integer &&
            kind != Kind::text)
            return failure(fmt::format("a {} cannot be the key of a map", plain_name(kind)));
        BATON_ASSIGN(Value value, read((*pair)[1], depth + 1));
        entries.push_back({std::move(key), std::move(value)});
    }
    return Value::map(std::move(entries));
}

Outcome<Value> read_text_form(std::string_view form, std::string_view text) {
    if (form == "string") return Value::text(text);
    if (form == "bytes_base64") {
        auto data = from_base64(text);
        if (!data) return failure("'bytes_base64' is no base64");
        return Value::bytes(std::move(*data));
    }
    if (form == "timestamp") {
        const auto timestamp = timestamp_from_text(text);
        if (!timestamp) return failure("'timestamp' is no RFC 3339 time");
        return Value::timestamp(*timestamp);
    }
    if (form == "duration") {
        const auto span = span_from_text(text);
        if (!span) return failure("'duration' is no duration such as \"1.5s\"");
        return Value::duration(*span);
    }
    if (text == type_name(Kind::timestamp) || text == "timestamp")
        return Value::type(Kind::timestamp);
    if (text == type_name(Kind::duration) || text == "duration") return Value::type(Kind::duration);
    const auto kind = type_of_name(text);
    if (!kind) return failure(fmt::format("'{}' is no type", text));
    return Value::type(*kind);
}

Outcome<Value> read_number_form(std::string_view form, const boost::json::value& json) {
    std::int64_t integer = 0;
    std::uint64_t unsigned_integer = 0;
    double real = 0;
    if (form == "int" && number_of(json, integer)) return Value::integer(integer);
    if (form == "uint" && number_of(json, unsigned_integer))
        return Value::unsigned_integer(unsigned_integer);
    if (form == "double" && number_of(json, real)) return Value::real(real);
    return failure(fmt::format("'{}' is no number of its type", form));
}

Outcome<Value> read(const boost::json::value& json, int depth) {
    if (depth > value_depth_max) return failure("the value is nested too deeply");
    const auto* object = json.if_object();
    if (object == nullptr || object->size() != 1)
        return failure("a typed value is an object with one field, such as {\"int\": \"7\"}");
    const std::string_view form{object->begin()->key()};
    const boost::json::value& content = object->begin()->value();
    if (form == "int" || form == "uint" || form == "double") return read_number_form(form, content);
    if (form == "list") return read_list(content, depth);
    if (form == "map") return read_map(content, depth);
    if (form == "null") return Value{};
    if (form == "bool") {
        if (!content.is_bool()) return failure("'bool' needs true or false");
        return Value::boolean(content.get_bool());
    }
    const bool is_text = form == "string" || form == "bytes_base64" || form == "timestamp" ||
                         form == "duration" || form == "type";
    if (!is_text) return failure(fmt::format("'{}' is no type of value", form));
    if (!content.is_string()) return failure(fmt::format("'{}' needs a text", form));
    return read_text_form(form, view(content.get_string()));
}

boost::json::value pair(std::string_view form, boost::json::value content) {
    boost::json::object object;
    object[form] = std::move(content);
    return object;
}

std::string failed_line(std::string_view message) {
    return boost::json::serialize(pair("error", boost::json::string{message}));
}

struct Line {
    std::string expression;
    std::vector<std::pair<std::string, Value>> bindings;
    bool dynamic = false;
};

Outcome<Line> read_line(std::string_view text) {
    boost::system::error_code failed;
    boost::json::parse_options options;
    options.max_depth = json_depth_max;
    const boost::json::value json = boost::json::parse(text, failed, {}, options);
    if (failed) return failure(fmt::format("the line is no JSON: {}", failed.message()));
    const auto* object = json.if_object();
    if (object == nullptr) return failure("the line is no JSON object");
    const auto* expression = object->if_contains("expr");
    if (expression == nullptr || !expression->is_string())
        return failure("the line has no text 'expr'");
    Line line;
    line.expression = view(expression->get_string());
    if (const auto* dynamic = object->if_contains("dynamic")) {
        if (!dynamic->is_bool()) return failure("'dynamic' needs true or false");
        line.dynamic = dynamic->get_bool();
    }
    if (const auto* bindings = object->if_contains("bindings")) {
        if (!bindings->is_object()) return failure("'bindings' needs an object");
        for (const auto& field : bindings->get_object()) {
            auto value = from_typed_json(field.value());
            if (!value)
                return failure(fmt::format("binding '{}': {}", std::string_view{field.key()},
                                           value.error().detail));
            line.bindings.emplace_back(std::string_view{field.key()}, std::move(*value));
        }
    }
    return line;
}

} // namespace

namespace {

// As the conformance data writes what JSON numbers cannot say.
boost::json::string double_text(const Value& value) {
    const double number = value.as_real();
    if (std::isinf(number)) return boost::json::string{number > 0 ? "inf" : "-inf"};
    if (std::isnan(number)) return boost::json::string{"nan"};
    return boost::json::string{to_plain_text(value)};
}

} // namespace

boost::json::value to_typed_json(const Value& value) {
    switch (value.kind()) {
    case Kind::null:
        return pair("null", true);
    case Kind::boolean:
        return pair("bool", value.as_boolean());
    case Kind::integer:
        return pair("int", boost::json::string{to_plain_text(value)});
    case Kind::unsigned_integer:
        return pair("uint", boost::json::string{to_plain_text(value)});
    case Kind::real:
        return pair("double", double_text(value));
    case Kind::text:
        return pair("string", boost::json::string{value.as_text()});
    case Kind::bytes:
        return pair("bytes_base64", boost::json::string{to_plain_text(value)});
    case Kind::timestamp:
        return pair("timestamp", boost::json::string{to_plain_text(value)});
    case Kind::duration:
        return pair("duration", boost::json::string{to_plain_text(value)});
    case Kind::type:
        return pair("type", boost::json::string{to_plain_text(value)});
    case Kind::list: {
        boost::json::array array;
        for (std::size_t i = 0; i < value.as_list().size(); ++i)
            array.push_back(to_typed_json(value.as_list().at(i)));
        return pair("list", std::move(array));
    }
    case Kind::map: {
        // By key, so that equal maps have equal texts.
        std::map<std::string, boost::json::value> entries;
        const Map& map = value.as_map();
        for (std::size_t i = 0; i < map.size(); ++i) {
            auto key = to_typed_json(map.key_at(i));
            auto text = boost::json::serialize(key);
            entries.emplace(std::move(text), boost::json::array{std::move(key), to_typed_json(map.value_at(i))});
        }
        boost::json::array array;
        for (auto& [key, entry] : entries) array.push_back(std::move(entry));
        return pair("map", std::move(array));
    }
    }
    return pair("null", true);
}

Outcome<Value> from_typed_json(const boost::json::value& json) {
    return read(json, 0);
}

std::string eval_line(std::string_view json_line) {
    const auto line = read_line(json_line);
    if (!line) return failed_line(line.error().detail);
    CompileOptions options;
    options.check = !line->dynamic;
    const auto program = compile(line->expression, options);
    if (!program) {
        const Diagnostic& first = program.error().all.front();
        return failed_line(fmt::format("{} (at {})", first.message, first.offset));
    }
    const Lookup lookup = [&](std::string_view name) -> std::optional<Value> {
        for (const auto& [bound, value] : line->bindings)
            if (bound == name) return value;
        return std::nullopt;
    };
    const auto value = evaluate(*program, lookup);
    if (!value)
        return failed_line(fmt::format("{} (at {})", value.error().message, value.error().offset));
    return boost::json::serialize(pair("value", to_typed_json(*value)));
}

} // namespace baton::orchestrator::expression
