// The schema for editors and the key table know the same words; tests/system/workflow_tests_test.py
// looks at what it accepts.
#include "orchestrator/definition/json_schema.hpp"
#include "orchestrator/definition/key_table.hpp"

#include <boost/json/array.hpp>
#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::definition {
namespace {

namespace json = boost::json;

void expect_same_keys(const json::object& table, const KeyTable& keys) {
    const json::object& properties = table.at("properties").get_object();
    EXPECT_EQ(properties.size(), keys.available.size());
    for (const std::string_view key : keys.available)
        EXPECT_TRUE(properties.contains(key)) << key;
    EXPECT_EQ(table.at("additionalProperties"), json::value(false));
}

TEST(JsonSchema, EveryTableHasTheKeysOfTheKeyTable) {
    const json::object schema = json_schema();
    const json::object& tables = schema.at("definitions").get_object();
    const auto table = [&](std::string_view name) -> const json::object& {
        return tables.at(name).get_object();
    };
    expect_same_keys(schema, workflow_keys);
    expect_same_keys(table("step"), step_keys);
    expect_same_keys(table("input_field"), input_field_keys);
    expect_same_keys(table("defaults"), defaults_keys);
    expect_same_keys(table("retry"), retry_keys);
    expect_same_keys(table("retry_rule"), retry_rule_keys);
    expect_same_keys(table("event"), event_keys);
    expect_same_keys(table("timeout"), timeout_keys);
    expect_same_keys(table("switch_case"), switch_case_keys);
    expect_same_keys(table("catch_rule"), catch_keys);
    expect_same_keys(table("compensate"), compensate_keys);
    expect_same_keys(table("idempotency"), idempotency_keys);
    expect_same_keys(table("concurrency"), concurrency_keys);
    expect_same_keys(table("limit"), limit_keys);
    expect_same_keys(table("end"), end_keys);
    expect_same_keys(table("fail"), fail_keys);
    expect_same_keys(table("approval"), approval_keys);
    expect_same_keys(table("emit"), emit_keys);
    expect_same_keys(table("trigger"), trigger_keys);
    expect_same_keys(table("catch_up"), catch_up_keys);
    expect_same_keys(table("auth"), auth_keys);
    expect_same_keys(table("secret"), secret_keys);
    expect_same_keys(table("way"), way_keys);
    EXPECT_EQ(table("step").at("oneOf").get_array().size(), kind_keys.available.size());
}

// What is said of a key must be said of one that is there.
void expect_references(const json::value& value, const json::object& definitions) {
    if (const auto* list = value.if_array())
        for (const json::value& one : *list)
            expect_references(one, definitions);
    if (!value.is_object()) return;
    for (const auto& member : value.get_object()) {
        constexpr std::string_view place = "#/definitions/";
        if (member.key() == "$ref")
            EXPECT_TRUE(definitions.contains(
                std::string_view(member.value().get_string()).substr(place.size())))
                << member.value();
        expect_references(member.value(), definitions);
    }
}

TEST(JsonSchema, EveryReferenceLeadsSomewhere) {
    const json::object schema = json_schema();
    expect_references(schema, schema.at("definitions").get_object());
}

} // namespace
} // namespace baton::orchestrator::definition
