// See json_schema.hpp.
#include "base/json_schema.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
// Else it ends the process where a reference leads nowhere.
#define VALIJSON_USE_EXCEPTIONS 1

#include <exception>
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace baton {

namespace json = boost::json;

namespace {

Failure no_schema(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

// The first member that must not be there, or nothing. `$ref` within the document is fine.
std::optional<std::string> forbidden(const json::value& part) {
    if (part.is_array())
        for (const json::value& one : part.get_array())
            if (auto found = forbidden(one)) return found;
    if (!part.is_object()) return std::nullopt;
    for (const auto& member : part.get_object()) {
        const std::string_view name = member.key();
        if (name == "pattern" && member.value().is_string()) return "'pattern'";
        if (name == "patternProperties") return "'patternProperties'";
        if (name == "$ref" && member.value().is_string() &&
            !std::string_view(member.value().get_string()).starts_with('#'))
            return "a '$ref' to another document";
        if (auto found = forbidden(member.value())) return found;
    }
    return std::nullopt;
}

} // namespace

struct JsonSchema::Compiled {
    valijson::Schema schema;
};

Outcome<JsonSchema> JsonSchema::read(const json::value& schema) {
    if (!schema.is_object()) return no_schema("a JSON Schema is a table");
    if (const auto found = forbidden(schema)) return no_schema(*found + " is not supported");
    const auto compiled = std::make_shared<Compiled>();
    try {
        valijson::SchemaParser parser;
        const valijson::adapters::BoostJsonAdapter adapter(schema);
        parser.populateSchema(adapter, compiled->schema);
    } catch (const std::exception& problem) {
        return no_schema(problem.what());
    }
    JsonSchema made;
    made.compiled_ = compiled;
    return made;
}

std::optional<std::string> JsonSchema::mismatch(const json::value& value) const {
    valijson::ValidationResults results;
    try {
        valijson::Validator validator;
        const valijson::adapters::BoostJsonAdapter adapter(value);
        if (validator.validate(compiled_->schema, adapter, &results)) return std::nullopt;
    } catch (const std::exception& problem) {
        return std::string(problem.what());
    }
    std::string text;
    valijson::ValidationResults::Error error;
    // The innermost comes first; three tell enough.
    for (int i = 0; i < 3 && results.popError(error); ++i) {
        std::string place;
        for (const std::string& step : error.context)
            place += step;
        text += fmt::format("{}at {}: {}", text.empty() ? "" : "; ", place, error.description);
    }
    return text.empty() ? "the value does not fit the schema" : text;
}

} // namespace baton
