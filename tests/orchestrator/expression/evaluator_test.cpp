// What expressions mean beyond the conformance cases: missing values, bindings, limits.
#include "tests/orchestrator/expression/support.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace baton::orchestrator::expression {
namespace {

using testing_support::result_of;

constexpr const char* run = R"({
    "input": {"email": "ada@x.org", "count": 3, "tags": ["a", "b"], "price": 1.5, "none": null},
    "mailbox": {"id": 7, "address": "ada@x.org", "big": 9007199254740993},
    "skipped": null
})";

TEST(Evaluator, ReadsBindings) {
    EXPECT_EQ(result_of("input.email.split('@')[0]", run), "ada");
    EXPECT_EQ(result_of("input['email']", run), "ada@x.org");
    EXPECT_EQ(result_of("input.tags[1]", run), "b");
    EXPECT_EQ(result_of("input.count + 1", run), "4");
    EXPECT_EQ(result_of("mailbox.big", run), "9007199254740993");
    EXPECT_EQ(result_of("input", R"({"input": {"a": [1, 2.5, {"b": null}]}})"),
              R"({"a":[1,2.5,{"b":null}]})");
}

TEST(Evaluator, NamesWhatIsMissingAndWhatIsNear) {
    EXPECT_EQ(result_of("nothing", run), "error: undeclared reference to 'nothing'");
    EXPECT_EQ(result_of("input.emial", run), "error: no such key: 'emial'; did you mean 'email'?");
    EXPECT_EQ(result_of("input.tags[2]", run), "error: index 2 is outside a list of 2");
    EXPECT_EQ(result_of("input.tags[-1]", run), "error: index -1 is outside a list of 2");
    EXPECT_EQ(result_of("skipped.id", run), "error: null has no field 'id'");
    EXPECT_EQ(result_of("input.email.id", run), "error: a string has no field 'id'");
}

TEST(Evaluator, PointsAtTheOperationThatFailed) {
    const auto program = compile("input.count + 1 / (1 - 1)");
    const auto failed = evaluate(*program, boost::json::parse(run).get_object());

    ASSERT_TRUE(failed.has_error());
    EXPECT_EQ(failed.error().kind, ErrorKind::arithmetic);
    EXPECT_EQ(failed.error().message, "division by zero");
    EXPECT_EQ(failed.error().offset, 16U);
    EXPECT_EQ(failed.error().length, 1U);
}

TEST(Default, StandsInForWhatIsMissingOrNull) {
    EXPECT_EQ(result_of("default(input.role, 'developer')", run), "developer");
    EXPECT_EQ(result_of("default(input.none, 'developer')", run), "developer");
    EXPECT_EQ(result_of("default(skipped.deep.deeper, 1)", run), "1");
    EXPECT_EQ(result_of("default(unknown, 1)", run), "1");
    EXPECT_EQ(result_of("default(unknown.field, 1)", run), "1");
    EXPECT_EQ(result_of("default(input.tags[5], 'none')", run), "none");
    EXPECT_EQ(result_of("default(input.email, 'none')", run), "ada@x.org");
    EXPECT_EQ(result_of("skipped.approved.default(false) || true", run), "true");
    EXPECT_EQ(result_of("default(min([]), 0)", run), "0");
    EXPECT_EQ(result_of("default(default(skipped.a, skipped.b), 3)", run), "3");
}

TEST(Default, DoesNotHideMistakes) {
    EXPECT_EQ(result_of("default(input.email.id, 1)", run), "error: a string has no field 'id'");
    EXPECT_EQ(result_of("default(input.count / 0, 1)", run), "error: division by zero");
    EXPECT_EQ(result_of("default(input.email + 1, 1)", run),
              "error: no such overload: string + int; convert with string(..)");
}

TEST(Has, AsksForAFieldAtAnyDepth) {
    EXPECT_EQ(result_of("has(input.email)", run), "true");
    EXPECT_EQ(result_of("has(input['email'])", run), "true");
    EXPECT_EQ(result_of("has(input.none)", run), "true");
    EXPECT_EQ(result_of("has(input.role)", run), "false");
    EXPECT_EQ(result_of("has(skipped.by)", run), "false");
    EXPECT_EQ(result_of("has(unknown.by)", run), "false");
    EXPECT_EQ(result_of("has(input.deep.deeper.deepest)", run), "false");
    EXPECT_EQ(result_of("has(input.tags[1])", run), "true");
    EXPECT_EQ(result_of("has(input.tags[2])", run), "false");
    EXPECT_EQ(result_of("has(input.email.id)", run), "error: a string has no field 'id'");
}

TEST(Logic, AbsorbsErrorsBesideADecisiveOperand) {
    EXPECT_EQ(result_of("unknown || true", run), "true");
    EXPECT_EQ(result_of("unknown && false", run), "false");
    EXPECT_EQ(result_of("unknown || false", run), "error: undeclared reference to 'unknown'");
    EXPECT_EQ(result_of("1/0 == 0 || unknown || true", run), "true");
    EXPECT_EQ(result_of("1/0 == 0 || unknown", run), "error: division by zero");
    EXPECT_EQ(result_of("true && (false || input.count)", run),
              "error: no such overload: || needs bool, this is an int");
}

TEST(Comparison, OfNumbersCrossesTypesExactly) {
    EXPECT_EQ(result_of("1 == 1.0 && 1u == 1 && 2.0 == 2u"), "true");
    EXPECT_EQ(result_of("9007199254740993 == 9007199254740992.0"), "false");
    EXPECT_EQ(result_of("9007199254740993 > 9007199254740992.0"), "true");
    EXPECT_EQ(result_of("-1 < 0u && 18446744073709551615u > 9223372036854775807"), "true");
    EXPECT_EQ(result_of("18446744073709551615u < 18446744073709551616.0"), "true");
    EXPECT_EQ(result_of("double('NaN') == double('NaN')"), "false");
    EXPECT_EQ(result_of("double('NaN') < 1.0 || double('NaN') >= 1.0"), "false");
    EXPECT_EQ(result_of("{1: 'a'}[1.0] + {1u: 'b'}[1]"), "ab");
    EXPECT_EQ(result_of("1.0 in {1: 'a'} && !(1.5 in {1: 'a'})"), "true");
}

TEST(Comparison, OfDifferentTypesIsFalseAndNoError) {
    EXPECT_EQ(result_of("input.email == input.count", run), "false");
    EXPECT_EQ(result_of("input.none == null", run), "true");
    EXPECT_EQ(result_of("input.tags == ['a', 'b']", run), "true");
    EXPECT_EQ(result_of("[1, {'a': 2.0}] == [1.0, {'a': 2}]"), "true");
    EXPECT_EQ(result_of("{'a': 1, 'b': 2} == {'b': 2, 'a': 1}"), "true");
    EXPECT_EQ(result_of("{'a': 1} == {'a': 1, 'b': 2}"), "false");
}

TEST(Maps, RefuseTheSameKeyTwice) {
    EXPECT_EQ(result_of("{'a': 1, 'a': 2}"), "error: the map has the same key twice");
    EXPECT_EQ(result_of("{1: 1, 1u: 2}"), "error: the map has the same key twice");
    EXPECT_EQ(result_of("{x: 1}", R"({"x": 1.5})"), "error: a double cannot be the key of a map");
}

TEST(Types, CanBeAskedFor) {
    EXPECT_EQ(result_of("type(1) == int && type('') == string && type(null) == null_type"), "true");
    EXPECT_EQ(result_of("type(1) == type(2) && type(1) != type(1u)"), "true");
    EXPECT_EQ(result_of("type(type(1)) == type"), "true");
    EXPECT_EQ(result_of("type(duration('1s')) == google.protobuf.Duration"), "true");
    EXPECT_EQ(result_of("type(1)"), "int");
    EXPECT_EQ(result_of("list", R"({"list": 5})"), "5") << "a bound name wins over the type";
}

TEST(Time, CanBeCalculatedWith) {
    constexpr const char* day = "timestamp('2026-01-31T23:30:00Z')";
    const auto with_day = [&](std::string_view rest) { return result_of(day + std::string{rest}); };

    EXPECT_EQ(with_day(" + duration('1h')"), "2026-02-01T00:30:00Z");
    EXPECT_EQ(with_day(" - duration('31d')"), "2025-12-31T23:30:00Z");
    EXPECT_EQ(with_day(" - timestamp('2026-01-31T22:00:00Z')"), "5400s");
    EXPECT_EQ(with_day(".getFullYear()"), "2026");
    EXPECT_EQ(with_day(".getMonth()"), "0");
    EXPECT_EQ(with_day(".getDate()"), "31");
    EXPECT_EQ(with_day(".getDayOfMonth()"), "30");
    EXPECT_EQ(with_day(".getDayOfWeek()"), "6");
    EXPECT_EQ(with_day(".getDayOfYear()"), "30");
    EXPECT_EQ(with_day(".getHours()"), "23");
    EXPECT_EQ(with_day(".getHours('+02:00')"), "1");
    EXPECT_EQ(with_day(".getDate('+02:00')"), "1");
    EXPECT_EQ(with_day(".getMinutes('-05:45')"), "45");
    EXPECT_EQ(with_day(".getHours('Europe/Berlin')"), "0");
    EXPECT_EQ(with_day(".getDate('Asia/Tokyo')"), "1");
    EXPECT_EQ(with_day(".getMinutes('Asia/Kolkata')"), "0");
    EXPECT_EQ(with_day(".getHours('Europe/Berlinn')"),
              "error: there is no time zone 'Europe/Berlinn'; a zone is 'UTC', an offset as '+02:00', or a "
              "name as 'Europe/Berlin'");
    EXPECT_EQ(with_day(" > timestamp('2026-01-31T23:29:59.999Z')"), "true");
    EXPECT_EQ(result_of("timestamp('2026-01-31T12:00:00.5+01:00')"), "2026-01-31T11:00:00.500Z");
    EXPECT_EQ(result_of("timestamp('9999-12-31T23:59:59Z') + duration('1s')"),
              "error: timestamp overflow");
    EXPECT_EQ(result_of("int(timestamp('1970-01-01T00:01:00Z'))"), "60");
    EXPECT_EQ(result_of("timestamp(60)"), "1970-01-01T00:01:00Z");
    EXPECT_EQ(result_of("duration('1h30m') == duration('90m')"), "true");
    EXPECT_EQ(result_of("string(duration('-1.5s'))"), "-1.5s");
    EXPECT_EQ(result_of("duration('1h30m').getMinutes()"), "90");
    EXPECT_EQ(result_of("duration('1.234s').getMilliseconds()"), "234");
    EXPECT_EQ(result_of("timestamp(x)", R"({"x": "2026-02-30T00:00:00Z"})"),
              "error: no time of the form 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00");
    EXPECT_EQ(result_of("duration('300000d')"),
              "wrong: no duration of the form 1h30m; units are d h m s ms us ns");
}

TEST(Macros, GoOverListsAndKeysOfMaps) {
    EXPECT_EQ(result_of("[1, 2, 3].map(x, x > 1, x * 10)"), "[20,30]");
    EXPECT_EQ(result_of("m.map(k, m[k])", R"({"m": {"a": 1, "b": 2}})"), "[1,2]");
    EXPECT_EQ(result_of("[3, 1].existsOne(x, x == 1)"), "true");
    EXPECT_EQ(result_of("x.map(y, y)", R"({"x": null})"),
              "error: map() goes over a list or a map, this is null");
    EXPECT_EQ(result_of("default(x.map(y, y), [])", R"({"x": null})"), "[]");
}

TEST(Lookup, HappensOncePerNameAndOnlyWhereItIsReached) {
    int lookups = 0;
    const Lookup lookup = [&](std::string_view name) -> std::optional<Value> {
        EXPECT_EQ(name, "a");
        ++lookups;
        return Value::integer(2);
    };
    const auto program = compile("[1, 2, 3].map(x, x + a)[0] == 3 || never.read");

    const auto value = evaluate(*program, lookup);

    EXPECT_TRUE(value->as_boolean());
    EXPECT_EQ(lookups, 1);
}

TEST(Lookup, ResultsKeepSharedJsonAlive) {
    const auto program = compile("a.b");
    std::optional<Value> result;
    {
        auto json = std::make_shared<const boost::json::value>(boost::json::parse(
            R"({"b": ["a long text that is not kept inside the string object"]})"));
        const Lookup lookup = [&](std::string_view) { return Value::sharing_json(json); };
        result = *evaluate(*program, lookup);
    }

    EXPECT_EQ(result->as_list().at(0).as_text(),
              "a long text that is not kept inside the string object");
}

TEST(Limits, StopLongEvaluations) {
    for (const char* source :
         {"range(100000).all(x, range(100000).all(y, x + y >= 0))",
          "range(2000).map(x, range(2000)).size() > 0", "range(10000000000)",
          "range(300000).sort() == range(300000).sort() && range(300000).sort().size() > 0 && "
          "range(300000).reverse().sort().size() > 0",
          "[range(20000)].map(a, a + a + a + a)[0].map(a, [range(100)])"}) {
        const auto program = compile(source);
        ASSERT_TRUE(program.has_value()) << program.error().all.front().message;

        const auto failed = evaluate(*program, Lookup{}, Limits{100'000, 2 * 1024 * 1024});

        ASSERT_TRUE(failed.has_error()) << source;
        EXPECT_EQ(failed.error().kind, ErrorKind::limit) << source << failed.error().message;
    }
}

TEST(Limits, CannotBeAbsorbed) {
    for (const char* source :
         {"true || true", "default(a.b, 1)", "has(a.b)", "[1].exists(x, true)"}) {
        const auto program = compile(source);

        const auto failed = evaluate(*program, Lookup{}, Limits{1, 1'000});

        ASSERT_TRUE(failed.has_error()) << source;
        EXPECT_EQ(failed.error().kind, ErrorKind::limit) << source;
    }
    EXPECT_EQ(result_of("range(10000000).size() > 0 || true"),
              "error: the expression takes too long: it reached its limit of steps");
}

TEST(Limits, CountSharedPartsAsIfTheyWereCopied) {
    std::string doubling = "['0123456789012345678901234567890123456789']";
    for (int i = 0; i < 30; ++i)
        doubling += ".map(x, [x, x])";
    std::string nested = "{'a': 1}";
    for (int i = 0; i < 60; ++i)
        nested = "[" + nested + "].map(x, [x, x])";

    EXPECT_EQ(result_of(doubling),
              "error: the expression makes too much data: it reached its limit of bytes");
    EXPECT_EQ(result_of(nested),
              "error: the expression makes too much data: it reached its limit of bytes");
}

TEST(Limits, LetOrdinaryWorkThrough) {
    boost::json::array people;
    for (int i = 0; i < 10'000; ++i)
        people.push_back(
            boost::json::object{{"name", "person"}, {"id", i}, {"active", i % 2 == 0}});
    const boost::json::object bindings{{"people", std::move(people)}};
    const auto program =
        compile("people.filter(p, p.active && p.id > 10).map(p, {'id': p.id}).size()");

    const auto value = evaluate(*program, bindings);

    ASSERT_TRUE(value.has_value()) << value.error().message;
    EXPECT_EQ(value->as_integer(), 4'994);
}

} // namespace
} // namespace baton::orchestrator::expression
