// Values: JSON in and out, equality and order, maps; typed JSON.
#include "orchestrator/expression/typed_json.hpp"
#include "orchestrator/expression/value.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace baton::orchestrator::expression {
namespace {

TEST(Value, KeepsJsonNumbersExactly) {
    const auto json =
        boost::json::parse("[9223372036854775807, 18446744073709551615, -1, 0.1, 1.0]");
    const Value value = Value::from_json(json);

    EXPECT_EQ(value.as_list().at(0).as_integer(), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(value.as_list().at(1).as_unsigned_integer(),
              std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(value.as_list().at(2).as_integer(), -1);
    EXPECT_EQ(value.as_list().at(3).as_real(), 0.1);
    EXPECT_EQ(to_json(value), json);
}

TEST(Value, FromJsonOwnsWhatItHolds) {
    Value value;
    {
        const auto json =
            boost::json::parse(R"({"a": ["text that is too long for the small buffer"]})");
        value = Value::from_json(json);
    }

    EXPECT_EQ(value.as_map().find("a")->as_list().at(0).as_text(),
              "text that is too long for the small buffer");
}

TEST(Value, BecomesJsonOfTheNearestType) {
    const Value value =
        Value::map({{Value::integer(1), Value::bytes("\xff")},
                    {Value::boolean(true), Value::timestamp({0, 1'000'000})},
                    {Value::text("d"), Value::duration({-1'500'000'000})},
                    {Value::text("t"), Value::type(Kind::list)},
                    {Value::text("n"), Value::real(std::numeric_limits<double>::quiet_NaN())}});

    EXPECT_EQ(boost::json::serialize(to_json(value)),
              R"({"1":"/w==","true":"1970-01-01T00:00:00.001Z","d":"-1.5s","t":"list","n":"NaN"})");
}

TEST(Value, DoublesAreWrittenAsPeopleWriteThem) {
    EXPECT_EQ(to_text(1.0), "1");
    EXPECT_EQ(to_text(0.1), "0.1");
    EXPECT_EQ(to_text(-0.0), "-0");
    EXPECT_EQ(to_text(123456789.0), "123456789");
    EXPECT_EQ(to_text(1e300), "1e+300");
    EXPECT_EQ(to_text(1e-7), "1e-07");
    EXPECT_EQ(to_text(-std::numeric_limits<double>::infinity()), "-Infinity");
}

TEST(Value, LargeMapsAreFoundByKeyAndKeepTheirOrder) {
    std::vector<MapEntry> entries;
    for (int i = 99; i >= 0; --i) {
        entries.push_back({Value::text("key" + std::to_string(i)), Value::integer(i)});
        entries.push_back({Value::integer(i), Value::integer(-i)});
    }
    entries.push_back({Value::text("key50"), Value::text("again")});
    const Value value = Value::map(std::move(entries));
    const Map& map = value.as_map();

    EXPECT_EQ(map.size(), 200U);
    EXPECT_EQ(map.find("key7")->as_integer(), 7);
    EXPECT_EQ(map.find(Value::real(7.0))->as_integer(), -7);
    EXPECT_EQ(map.find(Value::unsigned_integer(8))->as_integer(), -8);
    EXPECT_FALSE(map.find(Value::boolean(true)));
    EXPECT_FALSE(map.find("key100"));
    EXPECT_EQ(map.find("key50")->as_text(), "again");
    EXPECT_EQ(map.key_at(0).as_text(), "key99");
    EXPECT_EQ(map.key_at(98).as_text(), "key50");
}

TEST(TypedJson, ReadsBackWhatItWrites) {
    const Value value = Value::list(
        {Value{}, Value::boolean(true), Value::integer(std::numeric_limits<std::int64_t>::min()),
         Value::unsigned_integer(std::numeric_limits<std::uint64_t>::max()), Value::real(-0.5),
         Value::text("\u00fc\n"), Value::bytes(std::string{"\0\xff", 2}),
         Value::timestamp({1'700'000'000, 500'000'000}), Value::duration({-1}),
         Value::type(Kind::timestamp), Value::type(Kind::null),
         Value::map({{Value::integer(1), Value::list(std::vector<Value>{})}})});

    const auto read =
        from_typed_json(boost::json::parse(boost::json::serialize(to_typed_json(value))));

    ASSERT_TRUE(read.has_value()) << read.error().detail;
    EXPECT_EQ(*read, value);
    EXPECT_EQ(to_typed_json(*read), to_typed_json(value));
}

TEST(TypedJson, SaysWhatIsWrongWithTheForm) {
    const auto mistake = [](std::string_view json) {
        return from_typed_json(boost::json::parse(json)).error().detail;
    };

    EXPECT_EQ(mistake("1"), "a typed value is an object with one field, such as {\"int\": \"7\"}");
    EXPECT_EQ(mistake(R"({"int": "x"})"), "'int' is no number of its type");
    EXPECT_EQ(mistake(R"({"integer": "1"})"), "'integer' is no type of value");
    EXPECT_EQ(mistake(R"({"bytes_base64": "!"})"), "'bytes_base64' is no base64");
    EXPECT_EQ(mistake(R"({"map": [[{"int": "1"}]]})"),
              "'map' needs an array of [key, value] pairs");
    EXPECT_EQ(mistake(R"({"map": [[{"list": []}, {"int": "1"}]]})"),
              "a list cannot be the key of a map");
    EXPECT_EQ(mistake(R"({"string": 1})"), "'string' needs a text");
    EXPECT_EQ(mistake(R"({"type": "x"})"), "'x' is no type");
}

TEST(EvalLine, AnswersEveryLine) {
    EXPECT_EQ(eval_line(R"({"expr": "x + 1", "bindings": {"x": {"int": "2"}}})"),
              R"({"value":{"int":"3"}})");
    EXPECT_EQ(eval_line(R"({"expr": "1 +"})"),
              R"j({"error":"the expression ends too early: expected a value (at 3)"})j");
    EXPECT_EQ(eval_line(R"({"expr": "1 / 0"})"), R"j({"error":"division by zero (at 2)"})j");
    EXPECT_EQ(eval_line(R"({"expr": "f(1) || true", "dynamic": true})"),
              R"({"value":{"bool":true}})");
    EXPECT_EQ(
        eval_line(R"({"expr": "[1, 1.5, 'a', b'a', {true: null}]"})"),
        R"({"value":{"list":[{"int":"1"},{"double":"1.5"},{"string":"a"},{"bytes_base64":"YQ=="},{"map":[[{"bool":true},{"null":true}]]}]}})");
    for (const char* line :
         {"", "{", "[]", "{}", R"({"expr": 1})", R"({"expr": "1", "dynamic": 1})",
          R"({"expr": "1", "bindings": []})", R"({"expr": "1", "bindings": {"a": 1}})"})
        EXPECT_EQ(eval_line(line).substr(0, 10), R"({"error":")") << line;
    EXPECT_EQ(eval_line(std::string(100'000, '[')).substr(0, 10), R"({"error":")");
}

} // namespace
} // namespace baton::orchestrator::expression
