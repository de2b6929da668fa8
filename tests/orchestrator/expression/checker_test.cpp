// What is known before an expression runs: unknown functions, types that cannot fit, references.
#include "tests/orchestrator/expression/support.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::expression {
namespace {

using testing_support::mistakes_in;

TEST(Checker, NamesUnknownFunctionsAndWhatIsNearThem) {
    EXPECT_EQ(mistakes_in("input.email.spilt('@')[0]"),
              "12+5 no method 'spilt'; did you mean 'split'?");
    EXPECT_EQ(mistakes_in("defualt(a.b, 1)"), "0+7 no function 'defualt'; did you mean 'default'?");
    EXPECT_EQ(mistakes_in("a.toUpperCase()"), "2+11 no method 'toUpperCase'");
    EXPECT_EQ(mistakes_in("a.startswith('x')"),
              "2+10 no method 'startswith'; did you mean 'startsWith'?");
    EXPECT_EQ(mistakes_in("a.int()"), "2+3 no method 'int'; it is written int(..)");
    EXPECT_EQ(mistakes_in("filter(a, x)"),
              "0+6 no function 'filter'; it is written list.filter(x, ..)");
}

TEST(Checker, TellsAllMistakesInTheOrderOfTheSource) {
    EXPECT_EQ(mistakes_in("a.spilt(',') == b.lowre() && 1 + 'x' > 2"),
              "2+5 no method 'spilt'; did you mean 'split'?\n"
              "18+5 no method 'lowre'; did you mean 'lower'?\n"
              "31+1 no such overload: int + string; convert with string(..)");
}

TEST(Checker, RefusesOperationsThatCannotWork) {
    EXPECT_EQ(mistakes_in("1 + 1.5"),
              "2+1 no such overload: int + double; convert with double(..)");
    EXPECT_EQ(mistakes_in("'a' && true"), "0+3 && needs bool, this is a string");
    EXPECT_EQ(mistakes_in("x && 1"), "5+1 && needs bool, this is an int");
    EXPECT_EQ(mistakes_in("!1"), "0+1 no such overload: !int");
    EXPECT_EQ(mistakes_in("-'a'"), "0+1 no such overload: -string");
    EXPECT_EQ(mistakes_in("'a' == 1"), "4+2 a string never equals an int");
    EXPECT_EQ(mistakes_in("'a' < 1"), "4+1 no such overload: string < int");
    EXPECT_EQ(mistakes_in("'a' in 'abc'"),
              "4+2 no such overload: string in string; use contains(..)");
    EXPECT_EQ(mistakes_in("x + true"), "2+1 no such overload: there is no + with a bool");
    EXPECT_EQ(mistakes_in("1 ? 2 : 3"), "0+1 the condition of ?: needs bool, this is an int");
    EXPECT_EQ(mistakes_in("'abc'.size"),
              "6+4 a string has no field 'size'; did you mean 'size()'?");
    EXPECT_EQ(mistakes_in("[1]['a']"), "4+3 the index of a list is an int, not a string");
    EXPECT_EQ(mistakes_in("{[1]: 2}"), "1+3 a list cannot be the key of a map");
    EXPECT_EQ(mistakes_in("'abc'.all(x, true)"),
              "6+3 all() goes over a list or a map, this is a string");
    EXPECT_EQ(mistakes_in("[1].filter(x, 'yes')"), "14+5 filter() needs bool, this is a string");
}

TEST(Checker, LooksAtArgumentsOfFunctions) {
    EXPECT_EQ(mistakes_in("a.split()"), "2+5 split() takes 1 to 2 arguments, here are 0");
    EXPECT_EQ(mistakes_in("size(a, b)"), "0+4 size() takes 1 argument, here are 2");
    EXPECT_EQ(mistakes_in("merge()"), "0+5 merge() takes at least 1 arguments, here are 0");
    EXPECT_EQ(mistakes_in("a.split(1)"), "8+1 split() takes string here, not int");
    EXPECT_EQ(mistakes_in("(1 + 2).lower()"), "8+5 lower() takes string here, not int");
    EXPECT_EQ(mistakes_in("keys([1])"), "5+3 keys() takes map here, not list");
}

TEST(Checker, LooksAtPatternsAndTimesThatStandInTheSource) {
    EXPECT_EQ(mistakes_in("a.matches('(')"), "10+3 the regular expression is wrong: missing ): (");
    EXPECT_EQ(mistakes_in("a > timestamp('tomorrow')"),
              "14+10 no time of the form 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00");
    EXPECT_EQ(mistakes_in("a > duration('5 minutes')"),
              "13+11 no duration of the form 1h30m; units are d h m s ms us ns");
}

TEST(Checker, IsSilentWhereAnythingMayHappen) {
    for (const char* source : {"a + b", "a && b", "a.b.c == 1", "dyn('x') && true", "a in b",
                               "1 == null", "1 == 1.0", "1 < 2u", "a ? 1 : 'x'", "-a", "a[b]",
                               "a.map(x, x + 1)", "timestamp(a) + duration(b) > c"})
        EXPECT_EQ(mistakes_in(source), "") << source;
}

TEST(Checker, LeavesEverythingToEvaluationWhenToldTo) {
    CompileOptions dynamic;
    dynamic.check = false;

    for (const char* source : {"1 + 'a'", "nothing(1)", "'a' && true", "a.matches('(')"})
        EXPECT_EQ(mistakes_in(source, dynamic), "") << source;
}

TEST(Checker, UsesKindsThatTheCallerKnows) {
    CompileOptions options;
    options.kind_of_path = [](std::span<const std::string_view> path) -> std::optional<Kind> {
        if (path.size() == 2 && path[0] == "input" && path[1] == "count") return Kind::integer;
        if (path.size() == 1 && path[0] == "input") return Kind::map;
        return std::nullopt;
    };

    EXPECT_EQ(mistakes_in("input.count + 'a'", options),
              "12+1 no such overload: int + string; convert with string(..)");
    EXPECT_EQ(mistakes_in("input['count'].lower()", options),
              "15+5 lower() takes string here, not int");
    EXPECT_EQ(mistakes_in("input.count.x", options), "12+1 an int has no field 'x'");
    EXPECT_EQ(mistakes_in("input + 1", options), "6+1 no such overload: map + int");
    EXPECT_EQ(mistakes_in("input.other + 'a'", options), "");
}

std::optional<Kind> kind_of(std::string_view source) {
    return compile(source)->static_kind();
}

TEST(Checker, KnowsTheKindOfResultsThatAreCertain) {
    EXPECT_EQ(kind_of("a == b"), Kind::boolean);
    EXPECT_EQ(kind_of("a && b"), Kind::boolean);
    EXPECT_EQ(kind_of("1 + 2"), Kind::integer);
    EXPECT_EQ(kind_of("a + 'x'"), Kind::text);
    EXPECT_EQ(kind_of("a.split(',')"), Kind::list);
    EXPECT_EQ(kind_of("a.filter(x, x)"), Kind::list);
    EXPECT_EQ(kind_of("{'a': 1}"), Kind::map);
    EXPECT_EQ(kind_of("timestamp('2026-01-01T00:00:00Z')"), Kind::timestamp);
    EXPECT_EQ(kind_of("a ? 1 : 2"), Kind::integer);
    EXPECT_EQ(kind_of("a ? 1 : 'x'"), std::nullopt);
    EXPECT_EQ(kind_of("a.b"), std::nullopt);
}

// "root.path@offset", with ? for guarded ones.
std::string references_in(std::string_view source) {
    const auto program = compile(source);
    if (!program) return program.error().all.front().message;
    std::string text;
    for (const Reference& reference : program->references()) {
        if (!text.empty()) text += ' ';
        text += reference.root;
        for (const auto& part : reference.path)
            text += "." + part.name + ":" + std::to_string(part.offset);
        text += "@" + std::to_string(reference.offset);
        if (reference.guarded) text += "?";
    }
    return text;
}

TEST(References, AreRootNamesWithWhatIsSelected) {
    EXPECT_EQ(references_in("mailbox.address"), "mailbox.address:8@0");
    EXPECT_EQ(references_in("mailbox['address']"), "mailbox.address:8@0");
    EXPECT_EQ(references_in("a.b[0].c + d"), "a.b:2@0 d@11");
    EXPECT_EQ(references_in("a[b.c].d"), "a@0 b.c:4@2");
    EXPECT_EQ(references_in("input.email.split('@')[0]"), "input.email:6@0");
    EXPECT_EQ(references_in("{'k': a}.k + [b][0]"), "a@6 b@14");
}

TEST(References, DoNotNameVariablesOfMacros) {
    EXPECT_EQ(references_in("team.members.filter(m, m.role == wanted)"),
              "team.members:5@0 wanted@33");
    EXPECT_EQ(references_in("a.map(x, b.map(x, x + y))"), "a@0 b@9 y@22");
}

TEST(References, TellWhereAMissingValueIsExpected) {
    EXPECT_EQ(references_in("default(asked.approved, other.x)"),
              "asked.approved:14@8? other.x:30@24");
    EXPECT_EQ(references_in("asked.approved.default(false)"), "asked.approved:6@0?");
    EXPECT_EQ(references_in("has(ack.by) && ack.by == 'x'"), "ack.by:8@4? ack.by:19@15");
}

TEST(References, OfTypesAreMarked) {
    const auto program = compile("type(x) == int");

    ASSERT_EQ(program->references().size(), 2U);
    EXPECT_FALSE(program->references()[0].is_type_name);
    EXPECT_TRUE(program->references()[1].is_type_name);
}

TEST(FunctionNames, AreSortedAndHoldMacrosToo) {
    const auto names = function_names();

    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    for (const std::string_view name : {"default", "has", "map", "split", "uuid5"})
        EXPECT_TRUE(std::binary_search(names.begin(), names.end(), name)) << name;
}

} // namespace
} // namespace baton::orchestrator::expression
