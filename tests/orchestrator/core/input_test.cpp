// Input against its schema: all complaints at once, defaults filled in.
#include "orchestrator/core/input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Document input_json(const std::string& text) {
    return Document::parse(text).value();
}

SchemaField field(const std::string& name, Schema::Type type, bool required = false) {
    SchemaField made;
    made.name = name;
    made.schema.type = type;
    made.required = required;
    return made;
}

TEST(Input, FillsInDefaultsAndKeepsTheRest) {
    SchemaField groups = field("groups", Schema::Type::array);
    groups.fallback = input_json(R"(["everyone"])");

    const auto checked = check_input(std::vector{field("email", Schema::Type::string), groups},
                                     input_json(R"({"email":"a"})"));

    EXPECT_THAT(checked.complaints, IsEmpty());
    EXPECT_EQ(checked.input.text(), R"({"email":"a","groups":["everyone"]})");
}

TEST(Input, SaysEverythingThatIsWrongAtOnce) {
    SchemaField level = field("level", Schema::Type::string);
    level.schema.allowed = {input_json("\"low\""), input_json("\"high\"")};
    SchemaField count = field("count", Schema::Type::integer);
    count.schema.minimum = expression::Value::integer(1);

    const auto checked =
        check_input(std::vector{field("email", Schema::Type::string, true), level, count},
                    input_json(R"({"level":"middle","count":0,"colour":"red"})"));

    EXPECT_THAT(checked.complaints,
                ElementsAre("input.email: required",
                            "input.level: one of \"low\", \"high\" expected",
                            "input.count: at least 1", "input.colour: not known to this workflow"));
}

TEST(Input, LooksForPatternsAnywhereInATextUnlessTheySayWhere) {
    const auto complaints = [](const std::string& pattern, const std::string& text) {
        SchemaField code = field("code", Schema::Type::string);
        std::string problem;
        code.schema.pattern = expression::Pattern::compile(pattern, problem);
        EXPECT_EQ(problem, "");
        return check_input(std::vector{code}, input_json("{\"code\":\"" + text + "\"}")).complaints;
    };
    EXPECT_THAT(complaints("^[A-Z]{2}[0-9]+$", "AB12"), IsEmpty());
    EXPECT_THAT(complaints("^[A-Z]{2}[0-9]+$", "xAB12"), ElementsAre("input.code: 'xAB12' does not match ^[A-Z]{2}[0-9]+$"));
    EXPECT_THAT(complaints("[0-9]", "a1b"), IsEmpty());
    EXPECT_THAT(complaints("(a+)+$", std::string(50'000, 'a') + "b"), testing::SizeIs(1)); // linear, or it never ends
    std::string problem;
    expression::Pattern::compile("(", problem);
    EXPECT_NE(problem, "");
}

TEST(Input, LooksIntoListsAndObjects) {
    SchemaField people = field("people", Schema::Type::array);
    Schema person;
    person.type = Schema::Type::object;
    person.fields = {field("name", Schema::Type::string, true),
                     field("age", Schema::Type::integer)};
    person.fields[1].fallback = input_json("18");
    people.schema.items = std::make_shared<Schema>(person);

    const auto bad = check_input(std::vector{people}, input_json(R"({"people":[{"name":1},{}]})"));
    const auto good = check_input(std::vector{people}, input_json(R"({"people":[{"name":"a"}]})"));

    EXPECT_THAT(bad.complaints, ElementsAre("input.people[0].name: string expected, got integer",
                                            "input.people[1].name: required"));
    EXPECT_EQ(good.input.text(), R"({"people":[{"name":"a","age":18}]})");
}

TEST(Input, KnowsItsFormats) {
    const auto complaints = [](const std::string& format, const std::string& value) {
        Schema schema;
        schema.type = Schema::Type::string;
        schema.format = format;
        std::vector<std::string> found;
        check_value(schema, boost::json::value(value), "x", found);
        return found.size();
    };
    for (const char* good : {"ada@x.org", "a.b+c@sub.example.com", "o'neil@x.ie"})
        EXPECT_EQ(complaints("email", good), 0u) << good;
    for (const char* bad : {"", "ada", "@x.org", "ada@", "a b@x.org", "a@b@c", "a@.org", "a@x..y"})
        EXPECT_EQ(complaints("email", bad), 1u) << bad;
    for (const char* good : {"2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123+01:00"})
        EXPECT_EQ(complaints("date-time", good), 0u) << good;
    for (const char* bad : {"2026-01-31", "2026-13-31T12:00:00Z", "2026-01-31T12:00:00", "x"})
        EXPECT_EQ(complaints("date-time", bad), 1u) << bad;
    EXPECT_EQ(complaints("date", "2026-01-31"), 0u);
    EXPECT_EQ(complaints("date", "31.1.2026"), 1u);
    EXPECT_EQ(complaints("date", "2024-02-29"), 0u);
    for (const char* bad : {"2026-02-30", "2026-02-29", "2026-04-31", "2026-00-10", "2026-01-00"})
        EXPECT_EQ(complaints("date", bad), 1u) << bad;
    for (const char* bad : {"2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z",
                            "2026-01-31T12:00:61Z", "2026-01-31T12:00:00+24:00"})
        EXPECT_EQ(complaints("date-time", bad), 1u) << bad;
    EXPECT_EQ(complaints("uri", "https://x.org/a"), 0u);
    EXPECT_EQ(complaints("uri", "x.org"), 1u);
    EXPECT_EQ(complaints("uuid", "0198c0de-0000-7000-8000-000000000001"), 0u);
    EXPECT_EQ(complaints("uuid", "0198c0de"), 1u);
}

TEST(Input, ANumberIsADoubleHoweverItIsWritten) {
    SchemaField rate = field("rate", Schema::Type::number);
    rate.fallback = input_json("5");
    SchemaField rates = field("rates", Schema::Type::array);
    Schema each;
    each.type = Schema::Type::number;
    rates.schema.items = std::make_shared<Schema>(each);
    const auto checked = check_input(std::vector{field("total", Schema::Type::number), rate, rates, field("count", Schema::Type::integer)},
                                     input_json(R"({"total":1000,"rates":[1,2.5],"count":1000})"));

    EXPECT_THAT(checked.complaints, IsEmpty());
    EXPECT_EQ(checked.input.text(), R"({"total":1000.0,"rates":[1.0,2.5],"count":1000,"rate":5.0})");
}

TEST(Input, WholeNumbersAreComparedExactlyAndNeverRounded) {
    const auto complaints = [](Schema::Type type, const std::string& value, auto change) {
        SchemaField one = field("n", type);
        change(one.schema);
        return check_input(std::vector{one}, input_json("{\"n\":" + value + "}")).complaints;
    };
    const auto at_most = [](std::int64_t bound) {
        return [bound](Schema& schema) { schema.maximum = expression::Value::integer(bound); };
    };
    const auto nothing = [](Schema&) {};
    EXPECT_THAT(complaints(Schema::Type::integer, "9007199254740992", at_most(9007199254740992)), IsEmpty());
    EXPECT_THAT(complaints(Schema::Type::integer, "9007199254740993", at_most(9007199254740992)),
                ElementsAre("input.n: at most 9007199254740992"));
    EXPECT_THAT(complaints(Schema::Type::number, "9007199254740993", nothing),
                ElementsAre("input.n: 9007199254740993 has more digits than a number keeps; let the workflow take an "
                            "integer or a string"));
    EXPECT_THAT(complaints(Schema::Type::integer, "18446744073709551615", nothing), IsEmpty());
    EXPECT_THAT(complaints(Schema::Type::number, "2", [](Schema& schema) { schema.allowed = {input_json("1"), input_json("2")}; }), IsEmpty());
    EXPECT_FALSE(Document::parse(R"({"n":18446744073709551616})"));
}

TEST(Input, NoInputIsAnEmptyObject) {
    EXPECT_EQ(check_input({}, {}).input.text(), "{}");
    EXPECT_THAT(check_input({}, input_json("[]")).complaints, ElementsAre("input: an object expected"));
}

} // namespace
} // namespace baton::orchestrator::core
