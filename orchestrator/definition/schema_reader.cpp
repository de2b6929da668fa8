#include "orchestrator/definition/schema_reader.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace baton::orchestrator::definition {

namespace {

namespace json = boost::json;
using core::Schema;
using core::SchemaField;

// A schema that refers to itself ends here; its document goes on.
constexpr int depth_max = 32;
constexpr std::size_t property_bytes_max = 200;

constexpr std::array<std::string_view, 5> known_formats{"email", "date-time", "date", "uri",
                                                        "uuid"};
// Beside these a form is more than its fields.
constexpr std::array<std::string_view, 12> of_forms{
    "type",    "properties",  "required",    "additionalProperties",
    "title",   "description", "definitions", "$defs",
    "$schema", "$id",         "$comment",    "examples"};

std::string schema_text_of(const json::object& schema, std::string_view name) {
    const auto* value = schema.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

Schema::Type type_of(std::string_view word) {
    if (word == "string") return Schema::Type::string;
    if (word == "integer") return Schema::Type::integer;
    if (word == "number") return Schema::Type::number;
    if (word == "boolean") return Schema::Type::boolean;
    if (word == "array") return Schema::Type::array;
    return word == "object" ? Schema::Type::object : Schema::Type::any;
}

class DocumentReader {
public:
    DocumentReader(const json::value& root, std::string& problem)
        : root_(root), problem_(problem) {}

    Schema read(const json::value& value, int depth) {
        Schema schema;
        const auto* object = value.if_object();
        if (object == nullptr || depth > depth_max) return schema;
        if (const auto* ref = object->if_contains("$ref"); ref != nullptr && ref->is_string())
            return follow(ref->get_string(), depth);
        read_type(*object, schema);
        schema.description = schema_text_of(*object, "description");
        if (schema.description.empty()) schema.description = schema_text_of(*object, "title");
        if (const auto* allowed = object->if_contains("enum");
            allowed != nullptr && allowed->is_array())
            for (const json::value& one : allowed->get_array())
                schema.allowed.push_back(core::Document::of(one));
        if (const auto* only = object->if_contains("const"))
            schema.allowed = {core::Document::of(*only)};
        read_bounds(*object, schema);
        read_text(*object, schema);
        if (const auto* items = object->if_contains("items");
            items != nullptr && items->is_object())
            schema.items = std::make_shared<const Schema>(read(*items, depth + 1));
        read_fields(*object, schema, depth);
        return schema;
    }

private:
    Schema follow(std::string_view ref, int depth) {
        boost::system::error_code error;
        const json::value* there =
            ref.starts_with('#') ? root_.find_pointer(ref.substr(1), error) : nullptr;
        if (there == nullptr) {
            complain(fmt::format("\"$ref\": \"{}\" leads nowhere", ref));
            return {};
        }
        return read(*there, depth + 1);
    }

    void read_type(const json::object& object, Schema& schema) {
        const auto* type = object.if_contains("type");
        if (type == nullptr) return;
        if (type->is_string()) schema.type = type_of(type->get_string());
        if (!type->is_array()) return;
        std::vector<std::string_view> others;
        for (const json::value& one : type->get_array()) {
            if (!one.is_string()) continue;
            const std::string_view word(one.get_string());
            if (word == "null")
                schema.nullable = true;
            else
                others.push_back(word);
        }
        if (others.size() == 1) schema.type = type_of(others.front());
    }

    // Lengths of texts are the document's: it counts characters.
    void read_bounds(const json::object& object, Schema& schema) {
        const auto number = [&](std::string_view name) -> const json::value* {
            const auto* value = object.if_contains(name);
            return value != nullptr && value->is_number() ? value : nullptr;
        };
        if (const auto* value = number("minimum"))
            schema.minimum = expression::Value::from_json(*value);
        if (const auto* value = number("maximum"))
            schema.maximum = expression::Value::from_json(*value);
        if (schema.type != Schema::Type::array) return;
        const auto size = [&](std::string_view name) -> std::optional<std::uint64_t> {
            const auto* value = number(name);
            if (value == nullptr || !value->is_int64() || value->get_int64() < 0)
                return std::nullopt;
            return static_cast<std::uint64_t>(value->get_int64());
        };
        schema.size_min = size("minItems");
        schema.size_max = size("maxItems");
    }

    void read_text(const json::object& object, Schema& schema) {
        const std::string format = schema_text_of(object, "format");
        if (std::find(known_formats.begin(), known_formats.end(), format) != known_formats.end())
            schema.format = format;
        const std::string pattern = schema_text_of(object, "pattern");
        if (pattern.empty()) return;
        std::string wrong;
        schema.pattern = expression::Pattern::compile(pattern, wrong);
        if (!wrong.empty()) complain(fmt::format("\"pattern\": {}", wrong));
    }

    void read_fields(const json::object& object, Schema& schema, int depth) {
        if (const auto* more = object.if_contains("additionalProperties"))
            schema.other_fields =
                !(more->is_bool() && !more->get_bool()) || object.contains("patternProperties");
        const auto* properties = object.if_contains("properties");
        if (properties == nullptr || !properties->is_object()) return;
        const auto* required = object.if_contains("required");
        for (const auto& property : properties->get_object()) {
            SchemaField field;
            field.name = property.key();
            field.schema = read(property.value(), depth + 1);
            field.required = required != nullptr && required->is_array() &&
                             std::any_of(required->get_array().begin(), required->get_array().end(),
                                         [&](const json::value& one) {
                                             return one == json::value(property.key());
                                         });
            const auto* about = property.value().if_object();
            if (const auto* fallback = about != nullptr ? about->if_contains("default") : nullptr;
                fallback && !field.required)
                field.fallback = core::Document::of(*fallback);
            schema.fields.push_back(std::move(field));
        }
    }

    void complain(std::string text) {
        if (problem_.empty()) problem_ = std::move(text);
    }

    const json::value& root_;
    std::string& problem_;
};

// Regular expressions that the fields look after themselves, whose way through a text is linear.
void drop_patterns(json::value& value, int depth) {
    auto* object = value.if_object();
    if (object == nullptr || depth > depth_max || object->contains("$ref")) return;
    if (const auto* pattern = object->if_contains("pattern");
        pattern != nullptr && pattern->is_string())
        object->erase("pattern");
    if (auto* items = object->if_contains("items")) drop_patterns(*items, depth + 1);
    auto* properties = object->if_contains("properties");
    if (properties == nullptr || !properties->is_object()) return;
    for (auto& property : properties->get_object())
        drop_patterns(property.value(), depth + 1);
}

std::optional<JsonSchema> rest_of(json::value document, std::string& problem) {
    drop_patterns(document, 0);
    auto made = JsonSchema::read(document);
    if (made) return std::move(*made);
    if (problem.empty()) {
        problem = made.error().detail;
        if (problem.starts_with("'pattern'"))
            problem = "a \"pattern\" may stand in properties and items, and not behind $ref, anyOf "
                      "and their like";
    }
    return std::nullopt;
}

std::optional<json::value> parse(std::string_view text, std::string& problem) {
    boost::system::error_code error;
    json::value document = json::parse(text, error);
    if (error) problem = fmt::format("it is no JSON: {}", error.message());
    if (!error && !document.is_object()) problem = "a JSON Schema is an object";
    if (!problem.empty()) return std::nullopt;
    return document;
}

} // namespace

std::optional<std::string> SchemaTexts::text(const std::string& name) {
    if (const auto found = own.find(name); found != own.end()) return found->second;
    if (has_own || !find) return std::nullopt;
    if (const auto known = used.find(name); known != used.end()) return known->second;
    auto found = find(name);
    if (found) used.emplace(name, *found);
    return found;
}

bool is_schema_name(std::string_view name) {
    const auto is_plain = [](char c) {
        return c != '\\' && static_cast<unsigned char>(c) > ' ' && c != '"' && c != '\'';
    };
    return name.ends_with(".json") && name.size() <= property_bytes_max && name.front() != '/' &&
           name.find("..") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), is_plain);
}

Schema read_schema(std::string_view text, std::string& problem) {
    const auto document = parse(text, problem);
    if (!document) return {};
    Schema schema = DocumentReader(*document, problem).read(*document, 0);
    schema.document = rest_of(*document, problem);
    return schema;
}

std::vector<SchemaField> read_schema_fields(std::string_view text, std::string& problem) {
    const auto document = parse(text, problem);
    if (!document) return {};
    const json::object& object = document->get_object();
    for (const auto& [name, value] : object)
        if (std::find(of_forms.begin(), of_forms.end(), std::string_view(name)) == of_forms.end()) {
            problem = fmt::format("a form is its properties, and \"{}\" says more",
                                  std::string_view(name));
            return {};
        }
    const auto* properties = object.if_contains("properties");
    if (schema_text_of(object, "type") != "object" || properties == nullptr ||
        !properties->is_object()) {
        problem = "a form is of type object and has properties";
        return {};
    }
    std::vector<SchemaField> fields = DocumentReader(*document, problem).read(*document, 0).fields;
    for (SchemaField& field : fields) {
        json::value alone = properties->get_object().at(field.name);
        if (!alone.is_object()) continue;
        for (const char* shared : {"definitions", "$defs"})
            if (const auto* definitions = object.if_contains(shared))
                alone.get_object()[shared] = *definitions;
        field.schema.document = rest_of(std::move(alone), problem);
    }
    return fields;
}

} // namespace baton::orchestrator::definition
