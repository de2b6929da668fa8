// [input] to schemas.
#include "orchestrator/definition/input_reader.hpp"

#include "orchestrator/core/input.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <span>
#include <utility>

namespace baton::orchestrator::definition {

namespace {

using core::Schema;
using core::SchemaField;

// What a run would be told if it were started with this value; also about what lies inside it.
std::vector<std::string> complaints_about(const Schema& schema, const core::Document& value,
                                          std::string_view name) {
    constexpr std::string_view prefix = "input.value";
    SchemaField field;
    field.name = "value";
    field.schema = schema;
    const auto input = core::Document::of(boost::json::object{{"value", value.json()}});
    std::vector<std::string> complaints = core::check_input(std::span(&field, 1), input).complaints;
    for (std::string& complaint : complaints)
        if (complaint.starts_with(prefix)) complaint.replace(0, prefix.size(), name);
    return complaints;
}

constexpr std::string_view field_example = "{ type = \"string\", required = true }";

// The text of a schema; nothing after a complaint.
std::optional<std::string> schema_text(const TomlNode& name, ValueReader& values, SchemaTexts& schemas) {
    if (!is_schema_name(name.text)) {
        values.complaints().at_value(name, fmt::format("\"{}\" names no schema", name.text),
                                     "a file beside the workflow or below, such as \"schemas/members.json\"");
        return std::nullopt;
    }
    auto text = schemas.text(name.text);
    if (!text)
        values.complaints().at_value(name, fmt::format("there is no schema \"{}\"", name.text),
                                     schemas.has_own ? "[schemas] has none of this name"
                                                     : "no file of this name lies beside the workflow");
    return text;
}

class InputReader {
public:
    InputReader(ValueReader& values, SchemaTexts& schemas) : values_(values), schemas_(schemas) {}

    std::vector<SchemaField> top(const TomlNode& table) {
        std::vector<SchemaField> all = fields(table);
        // Those that are not at the top were refused by then.
        for (std::size_t i = 0; i < all.size(); ++i)
            if (const TomlNode* node = table.entries[i].value.find("index"); node != nullptr)
                check_index(table.entries[i], *node, all[i]);
        return all;
    }

private:
    std::vector<SchemaField> fields(const TomlNode& table) {
        std::vector<SchemaField> all;
        ++depth_;
        for (const TomlEntry& entry : table.entries) {
            SchemaField field;
            field.name = entry.key;
            const std::size_t before = values_.complaints().count();
            read_field(entry, field);
            if (values_.complaints().count() == before) check_default(entry, field);
            all.push_back(std::move(field));
        }
        --depth_;
        return all;
    }

    void check_index(const TomlEntry& entry, const TomlNode& node, const SchemaField& field) {
        if (!field.index) return;
        const auto type = field.schema.type;
        if (type == Schema::Type::any || type == Schema::Type::array || type == Schema::Type::object)
            values_.complaints().at_value(node, "runs are found by a string, an integer, a number or a boolean only");
        if (!core::is_tag_name(entry.key))
            values_.complaints().at_value(node, fmt::format("runs cannot be found by '{}'", entry.key),
                                          "a name of letters, digits, _, . and -, at most 64");
    }

    void read_field(const TomlEntry& entry, SchemaField& field) {
        if (entry.value.is_text()) {
            field.schema.type = type(entry).value_or(Schema::Type::any);
            return;
        }
        const TomlNode* table = values_.table(entry, field_example);
        if (table == nullptr) return;
        values_.check_keys(*table, input_field_keys);
        field.schema = schema(*table);
        const TomlEntry* fallback = nullptr;
        for (const TomlEntry& part : table->entries) {
            if (part.key == "required") field.required = values_.boolean(part).value_or(false);
            if (part.key == "default") fallback = &part;
            if (part.key == "index") read_index(part, field);
        }
        if (fallback == nullptr) return;
        field.fallback = core::Document::of(to_json(fallback->value));
        if (field.required)
            values_.complaints().at_key(*fallback, fmt::format("'{}' is required, so its default "
                                                               "would never be used",
                                                               entry.key));
    }

    void read_index(const TomlEntry& part, SchemaField& field) {
        field.index = values_.boolean(part).value_or(false);
        if (field.index && depth_ > 1)
            values_.complaints().at_key(part, "index has a meaning only for the inputs themselves, not for what is inside them");
    }

    void check_default(const TomlEntry& entry, const SchemaField& field) {
        if (!field.fallback) return;
        const TomlNode* node = entry.value.find("default");
        for (const std::string& complaint :
             complaints_about(field.schema, *field.fallback, "the default"))
            values_.complaints().at_value(*node, complaint);
    }

    // A schema in a text of its own says it all.
    Schema schema_of_file(const TomlNode& table, const TomlEntry& named) {
        for (const TomlEntry& part : table.entries)
            if (!contains(beside_schema, part.key) && contains(input_field_keys.available, part.key))
                values_.complaints().at_key(part, fmt::format("{} has no meaning beside schema, which says it all", part.key));
        if (!values_.text(named)) return {};
        const auto text = schema_text(named.value, values_, schemas_);
        if (!text) return {};
        std::string problem;
        Schema schema = read_schema(*text, problem);
        if (!problem.empty()) {
            values_.complaints().at_value(named.value, fmt::format("{}: {}", named.value.text, problem));
            return {};
        }
        for (const TomlEntry& part : table.entries)
            if (part.key == "description") schema.description = values_.text(part).value_or("");
        return schema;
    }

    Schema schema(const TomlNode& table) {
        for (const TomlEntry& part : table.entries)
            if (part.key == "schema") return schema_of_file(table, part);
        Schema schema;
        const bool outer_type_is_broken = std::exchange(type_is_broken_, false);
        for (const TomlEntry& part : table.entries)
            if (part.key == "type") schema.type = type(part).value_or(Schema::Type::any);
        for (const TomlEntry& part : table.entries)
            read_part(part, schema);
        if (schema.minimum && schema.maximum &&
            expression::order_of(*schema.minimum, *schema.maximum) == 1)
            min_above_max(table);
        if (schema.size_min && schema.size_max && *schema.size_min > *schema.size_max)
            min_above_max(table);
        type_is_broken_ = outer_type_is_broken;
        return schema;
    }

    void min_above_max(const TomlNode& table) {
        values_.complaints().at_value(*table.find("min"), "min is larger than max");
    }

    void read_part(const TomlEntry& part, Schema& schema) {
        const std::string& key = part.key;
        if (key == "format" && needs(part, schema, Schema::Type::string, "string"))
            schema.format =
                values_.word(part, {"email", "date-time", "date", "uri", "uuid"}).value_or("");
        if (key == "pattern" && needs(part, schema, Schema::Type::string, "string")) read_pattern(part, schema);
        if (key == "nullable") schema.nullable = values_.boolean(part).value_or(false);
        if (key == "description") schema.description = values_.text(part).value_or("");
        if (key == "enum") read_enum(part, schema);
        if (key == "items" && needs(part, schema, Schema::Type::array, "array"))
            read_items(part, schema);
        if (key == "properties" && needs(part, schema, Schema::Type::object, "object")) {
            if (const TomlNode* table = values_.table(part, "{ name = \"string\" }"))
                schema.fields = fields(*table);
        }
        if (key == "other_properties" && needs(part, schema, Schema::Type::object, "object"))
            schema.other_fields = values_.boolean(part).value_or(true);
        if (key == "min" || key == "max") read_bound(part, schema);
    }

    bool needs(const TomlEntry& part, const Schema& schema, Schema::Type type,
               std::string_view word) {
        if (schema.type == type) return true;
        // A wrong type was complained about already; only a missing or other one is news.
        if (!type_is_broken_)
            values_.complaints().at_key(part,
                                        fmt::format("{} needs type = \"{}\"", part.key, word));
        return false;
    }

    void read_pattern(const TomlEntry& part, Schema& schema) {
        const auto text = values_.text(part);
        if (!text) return;
        std::string problem;
        schema.pattern = expression::Pattern::compile(*text, problem);
        if (!problem.empty())
            values_.complaints().at_value(part.value, problem, "in '..' a backslash is written once: '^[A-Z]{2}\\d+$'");
    }

    void read_enum(const TomlEntry& part, Schema& schema) {
        if (!part.value.is_list()) return values_.wrong_type(part, "a list of the allowed values");
        if (part.value.items.empty())
            return values_.complaints().at_value(part.value, "enum names no value, so none would be allowed");
        Schema without_enum = schema;
        without_enum.allowed.clear();
        for (const TomlNode& item : part.value.items) {
            schema.allowed.push_back(core::Document::of(to_json(item)));
            for (const std::string& complaint :
                 complaints_about(without_enum, schema.allowed.back(), "this value"))
                values_.complaints().at_value(item, complaint);
        }
    }

    void read_items(const TomlEntry& part, Schema& schema) {
        Schema items;
        if (part.value.is_text()) {
            items.type = type(part).value_or(Schema::Type::any);
        } else if (const TomlNode* table = values_.table(part, "{ type = \"string\" }")) {
            values_.check_keys(*table, input_field_keys);
            for (const TomlEntry& inner : table->entries)
                if (inner.key == "required" || inner.key == "default" || inner.key == "index")
                    values_.complaints().at_key(
                        inner, fmt::format("{} has no meaning for the items of a list", inner.key));
            items = this->schema(*table);
        }
        schema.items = std::make_shared<const Schema>(std::move(items));
    }

    void read_bound(const TomlEntry& part, Schema& schema) {
        const bool is_min = part.key == "min";
        switch (schema.type) {
        case Schema::Type::integer:
        case Schema::Type::number: {
            constexpr double most = std::numeric_limits<double>::max();
            if (!part.value.is_number()) return values_.wrong_type(part, "a number");
            if (!values_.number(part, -most, most)) return;
            (is_min ? schema.minimum : schema.maximum) =
                part.value.is_integer() ? expression::Value::integer(part.value.integer)
                                        : expression::Value::real(part.value.real);
            return;
        }
        case Schema::Type::string:
        case Schema::Type::array: {
            const auto size = values_.integer(part, 0, std::int64_t{1} << 40);
            if (size)
                (is_min ? schema.size_min : schema.size_max) = static_cast<std::uint64_t>(*size);
            return;
        }
        case Schema::Type::any:
        case Schema::Type::boolean:
        case Schema::Type::object:
            break;
        }
        if (!type_is_broken_)
            values_.complaints().at_key(
                part, fmt::format("{} needs a type of number, integer, string or array", part.key));
    }

    // Whoever comes from another language knows the types by its words.
    static std::string_view ours_for(std::string_view type) {
        constexpr std::array<std::pair<std::string_view, std::string_view>, 14> words{{
            {"int", "integer"}, {"long", "integer"}, {"bool", "boolean"}, {"float", "number"}, {"double", "number"},
            {"decimal", "number"}, {"str", "string"}, {"text", "string"}, {"list", "array"}, {"map", "object"},
            {"dict", "object"}, {"table", "object"}, {"struct", "object"}, {"json", "any"},
        }};
        const auto found = std::ranges::find(words, type, &std::pair<std::string_view, std::string_view>::first);
        return found == words.end() ? std::string_view{} : found->second;
    }

    std::optional<Schema::Type> type(const TomlEntry& entry) {
        if (const auto ours = entry.value.is_text() ? ours_for(entry.value.text) : std::string_view{}; !ours.empty()) {
            values_.complaints().at_value(entry.value, fmt::format("there is no type '{}'", entry.value.text),
                                          fmt::format("write \"{}\"", ours));
            type_is_broken_ = true;
            return std::nullopt;
        }
        const auto word = values_.word(
            entry, {"string", "integer", "number", "boolean", "array", "object", "any"});
        type_is_broken_ = !word;
        if (!word) return std::nullopt;
        if (*word == "string") return Schema::Type::string;
        if (*word == "integer") return Schema::Type::integer;
        if (*word == "number") return Schema::Type::number;
        if (*word == "boolean") return Schema::Type::boolean;
        if (*word == "array") return Schema::Type::array;
        if (*word == "object") return Schema::Type::object;
        return Schema::Type::any;
    }

    static constexpr std::array<std::string_view, 5> beside_schema{"schema", "required", "default", "description", "index"};

    ValueReader& values_;
    SchemaTexts& schemas_;
    bool type_is_broken_ = false; // of the schema being read
    std::size_t depth_ = 0;       // of the fields being read; 1: the inputs themselves
};

} // namespace

std::vector<SchemaField> read_input(const TomlNode& table, ValueReader& values, SchemaTexts& schemas) {
    return InputReader(values, schemas).top(table);
}

std::vector<SchemaField> read_form_file(const TomlNode& name, ValueReader& values, SchemaTexts& schemas) {
    const auto text = schema_text(name, values, schemas);
    if (!text) return {};
    std::string problem;
    std::vector<SchemaField> fields = read_schema_fields(*text, problem);
    if (problem.empty()) return fields;
    values.complaints().at_value(name, fmt::format("{}: {}", name.text, problem));
    return {};
}

} // namespace baton::orchestrator::definition
