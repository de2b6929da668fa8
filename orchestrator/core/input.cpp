// Checking input against its schema.
#include "orchestrator/core/input.hpp"

#include "orchestrator/expression/value.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <utility>

namespace baton::orchestrator::core {
namespace {

namespace json = boost::json;
using expression::Value;

std::string_view word_of_value(const json::value& value) {
    switch (value.kind()) {
    case json::kind::null:
        return "null";
    case json::kind::bool_:
        return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
        return "integer";
    case json::kind::double_:
        return "number";
    case json::kind::string:
        return "string";
    case json::kind::array:
        return "array";
    case json::kind::object:
        return "object";
    }
    return "unknown";
}

bool has_type(const json::value& value, Schema::Type type) {
    switch (type) {
    case Schema::Type::any:
        return true;
    case Schema::Type::string:
        return value.is_string();
    case Schema::Type::integer:
        return value.is_int64() || value.is_uint64();
    case Schema::Type::number:
        return value.is_number();
    case Schema::Type::boolean:
        return value.is_bool();
    case Schema::Type::array:
        return value.is_array();
    case Schema::Type::object:
        return value.is_object();
    }
    return true;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// '9' stands for a digit, everything else for itself.
bool looks_like(std::string_view text, std::string_view form) {
    if (text.size() < form.size()) return false;
    for (std::size_t i = 0; i < form.size(); ++i)
        if (form[i] == '9' ? !is_digit(text[i]) : text[i] != form[i]) return false;
    return true;
}

// Good enough to catch slips; whether the address exists only a mail server knows.
bool is_email(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos || at == 0 || at + 1 == text.size() || text.size() > 254)
        return false;
    const auto domain = text.substr(at + 1);
    const bool plain = std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == ',';
    });
    return plain && text.find('@') == at && domain.front() != '.' && domain.back() != '.' &&
           domain.find("..") == std::string_view::npos;
}

int number_at(std::string_view text, std::size_t at) {
    return (text[at] - '0') * 10 + text[at + 1] - '0';
}

bool is_date(std::string_view text) {
    if (!looks_like(text, "9999-99-99")) return false;
    const std::chrono::year_month_day date{
        std::chrono::year{number_at(text, 0) * 100 + number_at(text, 2)},
        std::chrono::month{static_cast<unsigned>(number_at(text, 5))},
        std::chrono::day{static_cast<unsigned>(number_at(text, 8))}};
    return date.ok();
}

bool is_date_time(std::string_view text) {
    if (!is_date(text) || !looks_like(text, std::string{"9999-99-99"} + text[10] + "99:99:99"))
        return false;
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return false;
    // 60 is a leap second.
    if (number_at(text, 11) > 23 || number_at(text, 14) > 59 || number_at(text, 17) > 60) return false;
    std::string_view rest = text.substr(19);
    if (!rest.empty() && rest[0] == '.') {
        rest.remove_prefix(1);
        if (rest.empty() || !is_digit(rest[0])) return false;
        while (!rest.empty() && is_digit(rest[0]))
            rest.remove_prefix(1);
    }
    if (rest == "Z" || rest == "z") return true;
    return rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') &&
           looks_like(rest.substr(1), "99:99") && number_at(rest, 1) <= 23 && number_at(rest, 4) <= 59;
}

bool is_uri(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    return std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
           std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
            return false;
    }
    return true;
}

bool has_format(std::string_view text, std::string_view format) {
    if (format == "email") return is_email(text);
    if (format == "date-time") return is_date_time(text);
    if (format == "date") return text.size() == 10 && is_date(text);
    if (format == "uri") return is_uri(text);
    if (format == "uuid") return is_uuid(text);
    return true;
}

std::string shortened_value(std::string_view text) {
    return text.size() <= 60 ? std::string{text} : std::string{text.substr(0, 57)} + "...";
}

void check_size(const Schema& schema, std::size_t size, std::string_view unit,
                const std::string& where, std::vector<std::string>& complaints) {
    if (schema.size_min && size < *schema.size_min)
        complaints.push_back(fmt::format("{}: at least {} {}", where, *schema.size_min, unit));
    if (schema.size_max && size > *schema.size_max)
        complaints.push_back(fmt::format("{}: at most {} {}", where, *schema.size_max, unit));
}

// The fields of an object that may be changed, since defaults are filled in.
void check_fields(std::span<const SchemaField> fields, bool other_fields, json::object& object,
                  const std::string& where, std::vector<std::string>& complaints);

// A number is a double whatever it was written as, so that expressions find the same for 5 and 5.0.
void make_double(json::value& value, const std::string& where, std::vector<std::string>& complaints) {
    if (!value.is_int64() && !value.is_uint64()) return;
    const Value whole = Value::from_json(value);
    const double real = value.is_int64() ? static_cast<double>(value.get_int64())
                                         : static_cast<double>(value.get_uint64());
    if (!(Value::real(real) == whole))
        complaints.push_back(fmt::format("{}: {} has more digits than a number keeps; let the workflow "
                                         "take an integer or a string",
                                         where, expression::to_plain_text(whole)));
    value = real;
}

// Like check_value, and fills in defaults of nested objects.
void check_and_fill(const Schema& schema, json::value& value, const std::string& where,
                    std::vector<std::string>& complaints) {
    const std::size_t before = complaints.size();
    check_value(schema, value, where, complaints);
    if (schema.type == Schema::Type::number) make_double(value, where, complaints);
    if (value.is_object() && !schema.fields.empty())
        check_fields(schema.fields, schema.other_fields, value.get_object(), where, complaints);
    if (value.is_array() && schema.items) {
        std::size_t index = 0;
        for (json::value& item : value.get_array())
            check_and_fill(*schema.items, item, fmt::format("{}[{}]", where, index++), complaints);
    }
    // What is wrong by the words of ours is said in them, and once.
    if (!schema.document || complaints.size() > before) return;
    if (const auto mismatch = schema.document->mismatch(value)) complaints.push_back(fmt::format("{}: {}", where, *mismatch));
}

void check_fields(std::span<const SchemaField> fields, bool other_fields, json::object& object,
                  const std::string& where, std::vector<std::string>& complaints) {
    for (const SchemaField& field : fields) {
        const std::string path = where + "." + field.name;
        json::value* value = object.if_contains(field.name);
        if (value) {
            check_and_fill(field.schema, *value, path, complaints);
        } else if (field.fallback) {
            json::value fallback = field.fallback->json();
            check_and_fill(field.schema, fallback, path, complaints);
            object[field.name] = std::move(fallback);
        } else if (field.required) {
            complaints.push_back(path + ": required");
        }
    }
    if (other_fields) return;
    for (const auto& member : object) {
        const std::string_view name{member.key().data(), member.key().size()};
        if (std::none_of(fields.begin(), fields.end(),
                         [&](const SchemaField& field) { return field.name == name; }))
            complaints.push_back(
                fmt::format("{}.{}: not known to this workflow", where, shortened_value(name)));
    }
}

} // namespace

void check_value(const Schema& schema, const json::value& value, const std::string& where,
                 std::vector<std::string>& complaints) {
    if (value.is_null() && schema.nullable) return;
    if (!has_type(value, schema.type)) {
        complaints.push_back(fmt::format("{}: {} expected, got {}", where,
                                         word_of(schema.type), word_of_value(value)));
        return;
    }
    if (!schema.allowed.empty() &&
        std::none_of(schema.allowed.begin(), schema.allowed.end(),
                     [&](const Document& one) {
                         return Value::borrowing_json(one.json()) == Value::borrowing_json(value);
                     })) {
        std::string choices;
        for (const Document& one : schema.allowed)
            choices += (choices.empty() ? "" : ", ") + std::string{one.text()};
        complaints.push_back(fmt::format("{}: one of {} expected", where, choices));
    }
    if (value.is_string()) {
        const std::string_view text{value.get_string().data(), value.get_string().size()};
        check_size(schema, text.size(), "characters", where, complaints);
        if (!has_format(text, schema.format))
            complaints.push_back(
                fmt::format("{}: '{}' is no {}", where, shortened_value(text), schema.format));
        if (!schema.pattern.is_in(text))
            complaints.push_back(
                fmt::format("{}: '{}' does not match {}", where, shortened_value(text), schema.pattern.text()));
    }
    if (value.is_array()) check_size(schema, value.get_array().size(), "items", where, complaints);
    if (value.is_number()) {
        // By value: as doubles, large whole numbers would round to the bound.
        const Value number = Value::borrowing_json(value);
        if (schema.minimum && expression::order_of(number, *schema.minimum) == -1)
            complaints.push_back(
                fmt::format("{}: at least {}", where, expression::to_plain_text(*schema.minimum)));
        if (schema.maximum && expression::order_of(number, *schema.maximum) == 1)
            complaints.push_back(
                fmt::format("{}: at most {}", where, expression::to_plain_text(*schema.maximum)));
    }
}

CheckedInput check_input(std::span<const SchemaField> fields, const Document& input) {
    CheckedInput checked;
    if (!input.is_null() && !input.json().is_object()) {
        checked.complaints.push_back("input: an object expected");
        return checked;
    }
    json::object object = input.is_null() ? json::object{} : input.json().get_object();
    check_fields(fields, false, object, "input", checked.complaints);
    if (checked.complaints.empty()) checked.input = Document::of(std::move(object));
    return checked;
}

} // namespace baton::orchestrator::core
