// JSON Schemas in texts of their own: what is taken from them, and that the rest counts as well.
#include "orchestrator/core/input.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/definition/schema_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {
namespace {

using core::Schema;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Schema good_schema(std::string_view text) {
    std::string problem;
    Schema schema = read_schema(text, problem);
    EXPECT_EQ(problem, "");
    return schema;
}

std::string problem_of(std::string_view text) {
    std::string problem;
    (void)read_schema(text, problem);
    return problem;
}

// What a run would be told.
std::vector<std::string> complaints(const Schema& schema, std::string_view value) {
    core::SchemaField field;
    field.name = "value";
    field.schema = schema;
    const auto input = core::Document::parse("{\"value\":" + std::string(value) + "}").value();
    return core::check_input(std::span(&field, 1), input).complaints;
}

constexpr std::string_view members = R"({
  "type": "array", "minItems": 1, "uniqueItems": true,
  "items": {
    "type": "object", "required": ["email"], "additionalProperties": false,
    "properties": {
      "email": {"type": "string", "format": "email"},
      "code":  {"type": "string", "pattern": "^[A-Z]{2}$"},
      "nick":  {"type": "string", "maxLength": 3},
      "role":  {"enum": ["developer", "manager"], "default": "developer"},
      "boss":  {"type": ["string", "null"]},
      "age":   {"type": "integer", "minimum": 18}
    }
  }
})";

TEST(SchemaReader, TypesAndFieldsAreKnown) {
    const Schema schema = good_schema(members);

    EXPECT_EQ(schema.type, Schema::Type::array);
    ASSERT_TRUE(schema.items);
    ASSERT_EQ(schema.items->fields.size(), 6u);
    EXPECT_EQ(schema.items->fields[0].name, "email");
    EXPECT_TRUE(schema.items->fields[0].required);
    EXPECT_EQ(schema.items->fields[0].schema.format, "email");
    EXPECT_TRUE(schema.items->fields[4].schema.nullable);
    EXPECT_EQ(schema.items->fields[4].schema.type, Schema::Type::string);
    EXPECT_FALSE(schema.items->other_fields);
}

TEST(SchemaReader, WhatIsWrongIsSaidOnceAndInOurWordsWhereThereAreSome) {
    const Schema schema = good_schema(members);

    EXPECT_THAT(complaints(schema, R"([{"email":"ada@x.org"}])"), IsEmpty());
    EXPECT_THAT(complaints(schema, "7"), ElementsAre("input.value: array expected, got integer"));
    EXPECT_THAT(complaints(schema, "[]"), ElementsAre("input.value: at least 1 items"));
    EXPECT_THAT(complaints(schema, R"([{"email":"ada@x.org","code":"a"}])"),
                ElementsAre("input.value[0].code: 'a' does not match ^[A-Z]{2}$"));
    EXPECT_THAT(complaints(schema, R"([{"email":"ada@x.org","age":17}])"),
                ElementsAre("input.value[0].age: at least 18"));
    EXPECT_THAT(complaints(schema, R"([{"email":"ada@x.org","boss":null}])"), IsEmpty());
    EXPECT_THAT(complaints(schema, R"([{}])"), ElementsAre("input.value[0].email: required"));
}

TEST(SchemaReader, WhatHasNoWordsOfOursCountsAsWell) {
    const Schema schema = good_schema(members);

    const auto twice = complaints(schema, R"([{"email":"ada@x.org"},{"email":"ada@x.org"}])");
    ASSERT_EQ(twice.size(), 1u);
    EXPECT_THAT(twice.front(), HasSubstr("input.value: at "));
    EXPECT_EQ(complaints(schema, R"([{"email":"ada@x.org","nick":"Adal"}])").size(), 1u);
    EXPECT_THAT(complaints(schema, R"([{"email":"ada@x.org","nick":"äöü"}])"), IsEmpty())
        << "lengths count characters";
}

TEST(SchemaReader, DefaultsAreFilledIn) {
    core::SchemaField field;
    field.name = "value";
    field.schema = good_schema(members);
    const auto input = core::Document::parse(R"({"value":[{"email":"ada@x.org"}]})").value();

    const auto checked = core::check_input(std::span(&field, 1), input);

    EXPECT_THAT(checked.complaints, IsEmpty());
    EXPECT_EQ(checked.input.text(), R"({"value":[{"email":"ada@x.org","role":"developer"}]})");
}

TEST(SchemaReader, ReferencesAreFollowedAlsoInACircle) {
    const Schema schema =
        good_schema(R"({"$ref": "#/definitions/node", "definitions": {"node": {"type": "object",
        "properties": {"next": {"$ref": "#/definitions/node"}, "n": {"type": "integer"}}, "required": ["n"]}}})");

    EXPECT_EQ(schema.type, Schema::Type::object);
    EXPECT_THAT(complaints(schema, R"({"n":1,"next":{"n":2}})"), IsEmpty());
    EXPECT_THAT(complaints(schema, R"({"n":1,"next":{}})"),
                ElementsAre("input.value.next.n: required"));
}

TEST(SchemaReader, ChoicesAreTheDocuments) {
    const Schema schema =
        good_schema(R"({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]})");

    EXPECT_EQ(schema.type, Schema::Type::any);
    EXPECT_THAT(complaints(schema, "\"a\""), IsEmpty());
    EXPECT_THAT(complaints(schema, "3"), IsEmpty());
    EXPECT_EQ(complaints(schema, "2").size(), 1u);
}

TEST(SchemaReader, WhatIsNoSchemaIsSaid) {
    EXPECT_THAT(problem_of("{"), HasSubstr("it is no JSON"));
    EXPECT_EQ(problem_of("true"), "a JSON Schema is an object");
    EXPECT_EQ(problem_of(R"({"$ref": "#/nowhere"})"), "\"$ref\": \"#/nowhere\" leads nowhere");
    EXPECT_THAT(problem_of(R"({"$ref": "other.json"})"), HasSubstr("leads nowhere"));
    EXPECT_THAT(problem_of(R"({"anyOf": [{"pattern": "a"}]})"),
                HasSubstr("may stand in properties and items"));
    EXPECT_THAT(problem_of(R"({"type": "string", "pattern": "("})"), HasSubstr("\"pattern\": "));
}

TEST(SchemaReader, AFormIsItsProperties) {
    std::string problem;
    const auto fields = read_schema_fields(
        R"({"type": "object", "required": ["why"], "definitions": {"days": {"type": "integer", "multipleOf": 5}},
        "properties": {"days": {"$ref": "#/definitions/days"}, "why": {"type": "string"}}})",
        problem);

    EXPECT_EQ(problem, "");
    ASSERT_EQ(fields.size(), 2u);
    EXPECT_TRUE(fields[1].required);
    EXPECT_EQ(core::check_input(fields, core::Document::parse(R"({"days":7,"why":"x"})").value())
                  .complaints.size(),
              1u);
    EXPECT_THAT(core::check_input(fields, core::Document::parse(R"({"days":10,"why":"x"})").value())
                    .complaints,
                IsEmpty());

    problem.clear();
    (void)read_schema_fields(R"({"type": "object", "properties": {}, "minProperties": 1})",
                             problem);
    EXPECT_EQ(problem, "a form is its properties, and \"minProperties\" says more");
}

TEST(SchemaReader, NamesLeadNowhereElse) {
    EXPECT_TRUE(is_schema_name("schemas/members.json"));
    for (const char* name : {"", ".json/..", "/etc/x.json", "../x.json", "a/../../x.json",
                             "members", "a b.json", "a\".json"})
        EXPECT_FALSE(is_schema_name(name)) << name;
}

TEST(SchemaReader, ExpressionsOverItsFieldsAreChecked) {
    const std::string source = "workflow = \"x\"\n[input]\nmembers = { schema = \"m.json\", "
                               "required = true }\n[[step]]\nid = \"a\"\n"
                               "for_each = \"input.members\"\ntask = \"t\"\nwith = { n = "
                               "\"${item.age + 'x'}\" }\n[schemas]\n\"m.json\" = '''" +
                               std::string(members) + "'''\n";
    const Loaded loaded = load(source, "x.toml");

    ASSERT_EQ(loaded.diagnostics.size(), 1u);
    EXPECT_EQ(loaded.diagnostics.front().line, 8u);
}

} // namespace
} // namespace baton::orchestrator::definition
