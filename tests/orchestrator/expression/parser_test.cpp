// Grammar and mistakes in it: what is said, and where it points.
#include "tests/orchestrator/expression/support.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::expression {
namespace {

using testing_support::mistakes_in;
using testing_support::result_of;

TEST(Parser, OperatorsBindAsInC) {
    EXPECT_EQ(result_of("1 + 2 * 3"), "7");
    EXPECT_EQ(result_of("(1 + 2) * 3"), "9");
    EXPECT_EQ(result_of("10 - 3 - 2"), "5");
    EXPECT_EQ(result_of("100 / 10 / 5"), "2");
    EXPECT_EQ(result_of("1 + 1 == 2 && 3 > 2 || false"), "true");
    EXPECT_EQ(result_of("false && false || true"), "true");
    EXPECT_EQ(result_of("true || false && false"), "true");
    EXPECT_EQ(result_of("false ? 1 : true ? 2 : 3"), "2");
    EXPECT_EQ(result_of("-2 * -3"), "6");
    EXPECT_EQ(result_of("!false && true"), "true");
    EXPECT_EQ(result_of("1 in [1] == true"), "true");
}

TEST(Parser, CommentsAndSpaceAreSkipped) {
    EXPECT_EQ(result_of("1 // one\n + // plus\n 2"), "3");
    EXPECT_EQ(result_of("\t1\r\n+\f1"), "2");
}

TEST(Parser, ListsAndMapsMayEndWithAComma) {
    EXPECT_EQ(result_of("[1, 2,]"), "[1,2]");
    EXPECT_EQ(result_of("{'a': 1,}"), "{\"a\":1}");
}

TEST(Parser, WordsOfOtherLanguagesMayBeNames) {
    EXPECT_EQ(result_of("import + package", R"({"import": 1, "package": 2})"), "3");
    EXPECT_EQ(result_of("not", R"({"not": 5})"), "5");
}

TEST(Parser, QuotedFieldNamesMayHoldHyphens) {
    EXPECT_EQ(result_of("h.`content-type`", R"({"h": {"content-type": "text"}})"), "text");
}

TEST(Parser, ALeadingPointReachesPastTheVariableOfAMacro) {
    EXPECT_EQ(result_of("[1, 2].map(x, x + .x)", R"({"x": 10})"), "[11,12]");
}

TEST(Parser, VariablesOfMacrosHideOuterNamesAndEndWithTheMacro) {
    EXPECT_EQ(result_of("[1].map(x, [2].map(x, x)[0] + x)[0] + x", R"({"x": 100})"), "103");
}

TEST(ParserMistakes, PointAtTheWordThatIsWrong) {
    EXPECT_EQ(mistakes_in(""), "0+0 the expression is empty");
    EXPECT_EQ(mistakes_in("1 +"), "3+0 the expression ends too early: expected a value");
    EXPECT_EQ(mistakes_in("1 + * 2"), "4+1 unexpected '*', expected a value");
    EXPECT_EQ(mistakes_in("a b"), "2+1 unexpected 'b', expected the end of the expression");
    EXPECT_EQ(mistakes_in("f(1"),
              "3+0 the expression ends too early: expected ',' or ')' behind the argument");
    EXPECT_EQ(mistakes_in("[1 2]"), "3+1 unexpected '2', expected ',' or ']' in the list");
    EXPECT_EQ(mistakes_in("{'a' 1}"), "5+1 unexpected '1', expected ':' behind the key of the map");
    EXPECT_EQ(mistakes_in("a ? b"),
              "5+0 the expression ends too early: expected ':' of the condition");
    EXPECT_EQ(mistakes_in("a."),
              "2+0 the expression ends too early: expected the name of a field or method");
}

TEST(ParserMistakes, GuessWhatWasMeant) {
    EXPECT_EQ(mistakes_in("a = 1"), "2+1 unexpected '='; did you mean '=='?");
    EXPECT_EQ(mistakes_in("a & b"), "2+1 unexpected '&'; did you mean '&&'?");
    EXPECT_EQ(mistakes_in("a | b"), "2+1 unexpected '|'; did you mean '||'?");
    EXPECT_EQ(mistakes_in("a and b"), "2+3 unexpected 'and'; did you mean '&&'?");
    EXPECT_EQ(mistakes_in("a or b"), "2+2 unexpected 'or'; did you mean '||'?");
    EXPECT_EQ(mistakes_in("not a"), "0+3 unexpected 'not'; did you mean '!'?");
    EXPECT_EQ(mistakes_in("a == \u201cx\u201d"),
              "5+3 unexpected '\u201c'; strings are written with ' or \"");
    EXPECT_EQ(mistakes_in("${a}"), "0+1 unexpected '$'; expressions here stand without ${..}");
    EXPECT_EQ(mistakes_in("a.?b"), "2+1 there is no '.?'; write default(a.b, value) or has(a.b)");
}

TEST(ParserMistakes, InLiteralsPointIntoTheLiteral) {
    EXPECT_EQ(mistakes_in("'abc"), "0+4 the string has no end");
    EXPECT_EQ(mistakes_in("x + 'a\nb'"),
              "4+2 the string has no end on this line; use ''' for several lines");
    EXPECT_EQ(mistakes_in(R"('ab\qc')"), "3+2 no such escape; a backslash is written \\\\");
    EXPECT_EQ(mistakes_in(R"('\ud800')"), "1+6 the escape is no character of Unicode");
    EXPECT_EQ(mistakes_in(R"('\x4')"), "1+3 the escape needs 2 hexadecimal digits");
    EXPECT_EQ(mistakes_in(R"(b'\u00e9')"), "2+2 \\u is for text, not for bytes; use \\x");
    EXPECT_EQ(mistakes_in("12abc"), "0+5 '12abc' is no number");
    EXPECT_EQ(mistakes_in("0x"), "0+2 digits are missing behind '0x'");
    EXPECT_EQ(mistakes_in("9223372036854775808"),
              "0+19 the number is too large for 64 bits; append u to make it a uint");
    EXPECT_EQ(mistakes_in("18446744073709551616u"), "0+21 the number is too large for 64 bits");
    EXPECT_EQ(mistakes_in("1e999"), "0+5 the number is too large for a double");
    EXPECT_EQ(mistakes_in("'\xff'"), "1+1 the expression is not valid UTF-8");
}

TEST(ParserMistakes, OffsetsCountBytes) {
    EXPECT_EQ(mistakes_in("'\u00fc\u00fc' = 1"), "7+1 unexpected '='; did you mean '=='?");
}

TEST(ParserMistakes, OfMacrosSayHowTheyAreWritten) {
    EXPECT_EQ(mistakes_in("a.map(x)"), "6+1 map() begins with the name of a variable: map(x, ..)");
    EXPECT_EQ(mistakes_in("a.all(1, true)"),
              "6+1 all() begins with the name of a variable: all(x, ..)");
    EXPECT_EQ(mistakes_in("a.all(x, true, 1)"), "2+3 all() is written all(x, condition)");
    EXPECT_EQ(mistakes_in("a.map(x, 1, 2, 3)"),
              "2+3 map() is written map(x, result) or map(x, condition, result)");
    EXPECT_EQ(mistakes_in("a.all(true, 1)"), "6+4 'true' cannot be a variable");
    EXPECT_EQ(mistakes_in("has(a)"), "0+3 has() needs a field, such as has(order.customer)");
    EXPECT_EQ(mistakes_in("default(a)"),
              "0+7 default() needs two arguments: a value that may be missing and what to take "
              "instead");
}

TEST(ParserLimits, NestingIsRefusedInsteadOfOverflowingTheStack) {
    for (const std::string open :
         {"(", "[", "{1:", "-", "!", "f(", "a[", "true ? 1 : ", "[1].map(x, "}) {
        std::string source;
        for (int i = 0; i < 20'000 / static_cast<int>(open.size()); ++i)
            source += open;

        const std::string mistakes = mistakes_in(source);

        EXPECT_NE(mistakes.find("nested more than 96 levels deep"), std::string::npos)
            << open << ": " << mistakes;
    }
}

TEST(ParserLimits, LongRowsOfOperatorsAreRefusedButLogicMayBeLong) {
    std::string sum = "1";
    std::string either = "false";
    for (int i = 0; i < 1'000; ++i) {
        sum += "+1";
        either += "||false";
    }

    EXPECT_NE(mistakes_in(sum).find("too many operators in a row"), std::string::npos);
    EXPECT_EQ(result_of(either), "false");
}

TEST(ParserLimits, WhatTheyAllowCanBeEvaluated) {
    std::string nested = "1";
    for (int i = 0; i < 90; ++i) nested = "[" + nested + "]";
    std::string macros = "1";
    for (int i = 0; i < 90; ++i) macros = "[0].map(x, " + macros + ")";
    std::string sum = "1";
    for (int i = 0; i < 280; ++i) sum += "+1";

    EXPECT_EQ(result_of(nested).size(), 181U);
    EXPECT_EQ(result_of(macros).size(), 181U);
    EXPECT_EQ(result_of(sum), "281");
}

TEST(ParserLimits, LongSourcesAreRefused) {
    const std::string source = "'" + std::string(100'000, 'a') + "'";

    EXPECT_EQ(mistakes_in(source), "65536+0 the expression is longer than 65536 bytes");
}

} // namespace
} // namespace baton::orchestrator::expression
