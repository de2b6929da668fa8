#include "web/v1/input_form.hpp"

#include "orchestrator/core/run.hpp"
#include "orchestrator/expression/value.hpp"

#include <boost/json/array.hpp>

#include <span>
#include <string_view>
#include <utility>
#include <variant>

namespace baton::web {

namespace json = boost::json;
using orchestrator::core::Schema;
using orchestrator::core::SchemaField;
namespace core = orchestrator::core;

namespace {

json::object schema_of(const Schema& schema);

void put_fields(json::object& out, std::span<const SchemaField> fields) {
    json::object properties;
    json::array required;
    for (const SchemaField& field : fields) {
        json::object one = schema_of(field.schema);
        if (field.fallback) one["default"] = field.fallback->json();
        properties[field.name] = std::move(one);
        if (field.required) required.emplace_back(field.name);
    }
    out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
}

json::object schema_of(const Schema& schema) {
    json::object out;
    if (const auto word = word_of(schema.type); schema.type != Schema::Type::any)
        out["type"] = schema.nullable ? json::value(json::array{json::value(word), "null"})
                                      : json::value(word);
    if (!schema.description.empty()) out["description"] = schema.description;
    if (!schema.format.empty()) out["format"] = schema.format;
    if (!schema.allowed.empty()) {
        json::array allowed;
        for (const auto& one : schema.allowed)
            allowed.push_back(one.json());
        out["enum"] = std::move(allowed);
    }
    if (schema.minimum) out["minimum"] = orchestrator::expression::to_json(*schema.minimum);
    if (schema.maximum) out["maximum"] = orchestrator::expression::to_json(*schema.maximum);
    const bool is_list = schema.type == Schema::Type::array;
    if (schema.size_min) out[is_list ? "minItems" : "minLength"] = *schema.size_min;
    if (schema.size_max) out[is_list ? "maxItems" : "maxLength"] = *schema.size_max;
    if (schema.items) out["items"] = schema_of(*schema.items);
    if (schema.type == Schema::Type::object && !schema.fields.empty())
        put_fields(out, schema.fields);
    if (schema.type == Schema::Type::object && !schema.other_fields)
        out["additionalProperties"] = false;
    return out;
}

json::object form_of(std::span<const SchemaField> fields) {
    json::object out{{"type", "object"}};
    put_fields(out, fields);
    out["additionalProperties"] = false;
    return out;
}

const core::ApprovalKind* approval_kind_of(const core::StepKind& kind) {
    if (const auto* approval = std::get_if<core::ApprovalKind>(&kind)) return approval;
    const auto* several = std::get_if<core::FirstOfKind>(&kind);
    if (several == nullptr) return nullptr;
    for (const auto& way : several->ways)
        if (const auto* approval = std::get_if<core::ApprovalKind>(&way.wait)) return approval;
    return nullptr;
}

} // namespace

json::object input_schema(const core::Workflow& workflow) {
    return form_of(workflow.input);
}

json::value approval_form(const core::Workflow& workflow, std::string_view step) {
    const auto index = core::find_step(workflow, step);
    const auto* approval = index ? approval_kind_of(workflow.steps[*index].kind) : nullptr;
    if (approval == nullptr || approval->form.empty()) return nullptr;
    return form_of(approval->form);
}

} // namespace baton::web
