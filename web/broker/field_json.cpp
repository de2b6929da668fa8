#include "web/broker/field_json.hpp"

#include "base/base64.hpp"
#include "base/overloaded.hpp"
#include "base/utf8.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <cmath>

namespace baton::web {

namespace json = boost::json;

namespace {

// JSON has no infinities.
json::value number(double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); }

Failure refused(const std::string& place, std::string_view why) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), fmt::format("{}: {}", place, why)};
}

Outcome<amqp::FieldValue> to_value(const json::value& value, const std::string& place) {
    switch (value.kind()) {
    case json::kind::null: return amqp::FieldValue(amqp::Void{});
    case json::kind::bool_: return amqp::FieldValue(value.as_bool());
    case json::kind::int64: return amqp::FieldValue(value.as_int64());
    case json::kind::uint64: return refused(place, "the number is larger than 64 bits with a sign can hold");
    case json::kind::double_: return amqp::FieldValue(value.as_double());
    case json::kind::string: return amqp::FieldValue(std::string(value.as_string()));
    case json::kind::array: {
        amqp::FieldArray array;
        for (const auto& item : value.as_array()) {
            BATON_ASSIGN(auto converted, to_value(item, fmt::format("{}[{}]", place, array.items.size())));
            array.items.push_back(std::move(converted));
        }
        return amqp::FieldValue(std::move(array));
    }
    case json::kind::object: {
        BATON_ASSIGN(auto table, to_table(value.as_object(), place));
        return amqp::FieldValue(std::move(table));
    }
    }
    return refused(place, "this is no value");
}

} // namespace

json::value to_json(const amqp::FieldValue& value) {
    return std::visit(
        Overloaded{[](const amqp::Void&) { return json::value(nullptr); },
                   [](bool flag) { return json::value(flag); },
                   [](float real) { return number(double{real}); },
                   [](double real) { return number(real); },
                   [](const amqp::Decimal& decimal) {
                       return number(decimal.value / std::pow(10.0, decimal.scale));
                   },
                   [](const std::string& text) { return json::value(as_utf8(text)); },
                   [](const amqp::ByteArray& bytes) { return json::value(base64_of(bytes.bytes)); },
                   [](const amqp::Timestamp& time) { return json::value(time.seconds); },
                   [](const amqp::FieldArray& array) {
                       json::array list;
                       for (const auto& item : array.items) list.push_back(to_json(item));
                       return json::value(std::move(list));
                   },
                   [](const amqp::FieldTable& table) { return json::value(to_json(table)); },
                   [](auto integer) { return json::value(std::int64_t{integer}); }},
        value.value);
}

json::object to_json(const amqp::FieldTable& table) {
    json::object object;
    for (const auto& [name, value] : table.entries) object[as_utf8(name)] = to_json(value);
    return object;
}

Outcome<amqp::FieldTable> to_table(const json::object& object, const std::string& place) {
    amqp::FieldTable table;
    for (const auto& entry : object) {
        const std::string name(entry.key());
        if (name.size() > 255) return refused(place, "a key is longer than 255 bytes");
        BATON_ASSIGN(auto value, to_value(entry.value(), fmt::format("{}.{}", place, name)));
        table.entries.emplace_back(name, std::move(value));
    }
    return table;
}

std::optional<json::object> as_object(const json::value& value) {
    if (const auto* object = value.if_object()) return *object;
    const auto* list = value.if_array();
    if (list == nullptr) return std::nullopt;
    json::object object;
    for (const auto& item : *list) {
        const auto* pair = item.if_array();
        if (pair == nullptr || pair->size() != 2 || !pair->front().is_string()) return std::nullopt;
        object[pair->front().as_string()] = pair->back();
    }
    return object;
}

} // namespace baton::web
