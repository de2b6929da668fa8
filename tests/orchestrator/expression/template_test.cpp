// ${..} inside JSON: what is kept, what becomes text, where mistakes are.
#include "orchestrator/expression/template.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace baton::orchestrator::expression {
namespace {

constexpr std::string_view template_run = R"({
    "input": {"first": "Ada", "last": "L", "tags": ["a", "b"], "n": 3, "none": null},
    "mailbox": {"id": 7, "big": 9007199254740993, "rate": 1.5, "on": true}
})";

// The filled-in template as JSON text, or "pointer+offset message".
std::string filled(std::string_view json, const Limits& limits = {}) {
    const auto compiled = Template::compile(boost::json::parse(json));
    if (!compiled) {
        std::string text;
        for (const auto& mistake : compiled.error().all) {
            if (!text.empty()) text += '\n';
            text += mistake.pointer + "+" + std::to_string(mistake.diagnostic.offset) + " " +
                    mistake.diagnostic.message;
        }
        return text;
    }
    const boost::json::value bindings = boost::json::parse(template_run);
    const Lookup lookup = [&](std::string_view name) -> std::optional<Value> {
        const auto* found = bindings.get_object().if_contains(name);
        return found == nullptr ? std::nullopt : std::optional{Value::borrowing_json(*found)};
    };
    const auto result = compiled->evaluate(lookup, limits);
    if (!result)
        return "error " + result.error().pointer + "+" +
               std::to_string(result.error().error.offset) + " " + result.error().error.message;
    return boost::json::serialize(*result);
}

TEST(Template, AWholeExpressionKeepsItsType) {
    EXPECT_EQ(filled(R"("${mailbox.id}")"), "7");
    EXPECT_EQ(filled(R"("${mailbox.big}")"), "9007199254740993");
    EXPECT_EQ(filled(R"("${mailbox.on}")"), "true");
    EXPECT_EQ(filled(R"("${input.tags}")"), R"(["a","b"])");
    EXPECT_EQ(filled(R"("${mailbox}")"),
              R"({"id":7,"big":9007199254740993,"rate":1.5E0,"on":true})");
    EXPECT_EQ(filled(R"("${input.none}")"), "null");
    EXPECT_EQ(filled(R"("${ {'a': [1, {'b': 2}]} }")"), R"({"a":[1,{"b":2}]})");
    EXPECT_EQ(filled(R"("${b'hello'}")"), R"("aGVsbG8=")");
    EXPECT_EQ(filled(R"("${timestamp('2026-01-31T00:00:00Z')}")"), R"("2026-01-31T00:00:00Z")");
    EXPECT_EQ(filled(R"("${duration('90m')}")"), R"("5400s")");
    EXPECT_EQ(filled(R"("${{1: 'one', true: 'yes'}}")"), R"({"1":"one","true":"yes"})");
    EXPECT_EQ(filled(R"("${1.0 / 0.0}")"), R"("Infinity")");
}

TEST(Template, InsideATextValuesBecomeText) {
    EXPECT_EQ(filled(R"("${input.first} ${input.last}")"), R"("Ada L")");
    EXPECT_EQ(filled(R"("#${mailbox.id}")"), R"("#7")");
    EXPECT_EQ(filled(R"("${mailbox.id} ")"), R"("7 ")");
    EXPECT_EQ(filled(R"("${mailbox.rate}/${mailbox.on}/${input.none}/")"), R"("1.5/true//")");
    EXPECT_EQ(filled(R"("tags: ${input.tags}")"), R"("tags: [\"a\",\"b\"]")");
    EXPECT_EQ(filled(R"("${1}${2}")"), R"("12")");
}

TEST(Template, WalksListsAndObjectsButLeavesKeysAlone) {
    EXPECT_EQ(filled(R"({"a": ["${mailbox.id}", 1, null, {"${b}": "x${input.n}"}], "c": "d"})"),
              R"({"a":[7,1,null,{"${b}":"x3"}],"c":"d"})");
    EXPECT_EQ(filled(R"([])"), "[]");
    EXPECT_EQ(filled(R"({"a": {"b": [true, 1.5]}})"), R"({"a":{"b":[true,1.5E0]}})");
}

TEST(Template, DollarsAloneArePlain) {
    EXPECT_EQ(filled(R"("$${a}")"), R"("${a}")");
    EXPECT_EQ(filled(R"("5$ and $x and $ {y} $$ {z}")"), R"("5$ and $x and $ {y} $$ {z}")");
    EXPECT_EQ(filled(R"("$${a} is ${input.n}")"), R"("${a} is 3")");
    EXPECT_EQ(filled(R"({"a": "$${a}", "b": [1]})"), R"({"a":"${a}","b":[1]})");
    EXPECT_EQ(filled(R"("}{")"), R"("}{")");
}

TEST(Template, BracesInsideExpressionsDoNotEndThem) {
    EXPECT_EQ(filled(R"("${'}'}!")"), R"("}!")");
    EXPECT_EQ(filled(R"("${\"}\"}!")"), R"("}!")");
    EXPECT_EQ(filled(R"("${'\\'}'}!")"), R"("'}!")");
    EXPECT_EQ(filled(R"("${'''a'}b'''}!")"), R"("a'}b!")");
    EXPECT_EQ(filled(R"("${r'\\'}!")"), R"("\\!")");
    EXPECT_EQ(filled(R"("${{'a': {'b': 5}}.a.b}!")"), R"("5!")");
    EXPECT_EQ(filled(R"("${'${x}'}")"), R"("${x}")");
}

TEST(TemplateMistakes, NameTheStringAndThePlaceInIt) {
    EXPECT_EQ(filled(R"({"with": {"items": ["ok", "a ${input.email.spilt('@')[0]}"]}})"),
              "/with/items/1+16 no method 'spilt'; did you mean 'split'?");
    EXPECT_EQ(filled(R"({"a/b": {"c~d": "${}"}})"), "/a~1b/c~0d+2 the expression is empty");
    EXPECT_EQ(filled(R"("ab ${input.x")"), "+3 '${' is not closed; a plain '${' is written '$${'");
    EXPECT_EQ(filled(R"("ab ${'x}")"), "+5 the string has no end");
    EXPECT_EQ(filled(R"("${1 +}")"), "+5 the expression ends too early: expected a value");
    EXPECT_EQ(filled(R"("${a b} ${c d}")"),
              "+4 unexpected 'b', expected the end of the expression\n"
              "+11 unexpected 'd', expected the end of the expression");
    EXPECT_EQ(filled(R"(["${1 + 'a'}", "${foo()}"])"),
              "/0+4 no such overload: int + string; convert with string(..)\n"
              "/1+2 no function 'foo'");
}

TEST(TemplateMistakes, AtEvaluationDoTheSame) {
    EXPECT_EQ(filled(R"({"a": ["x ${input.frist}"]})"),
              "error /a/0+10 no such key: 'frist'; did you mean 'first'?");
}

TEST(Template, ListsItsReferences) {
    const auto compiled = Template::compile(
        boost::json::parse(R"({"a": "${mailbox.id}", "b": ["x ${default(y.z, input.n)}"]})"));

    const auto& references = compiled->references();
    ASSERT_EQ(references.size(), 3U);
    EXPECT_EQ(references[0].pointer, "/a");
    EXPECT_EQ(references[0].reference.root, "mailbox");
    EXPECT_EQ(references[0].reference.offset, 2U);
    EXPECT_EQ(references[0].reference.path.at(0).offset, 10U);
    EXPECT_EQ(references[1].pointer, "/b/0");
    EXPECT_EQ(references[1].reference.root, "y");
    EXPECT_TRUE(references[1].reference.guarded);
    EXPECT_EQ(references[2].reference.root, "input");
    EXPECT_FALSE(references[2].reference.guarded);
}

TEST(Template, KnowsWhetherItIsConstantAndOfWhichKind) {
    const auto kind_of = [](std::string_view json) {
        return Template::compile(boost::json::parse(json))->static_kind();
    };

    EXPECT_TRUE(Template::compile(boost::json::parse(R"({"a": ["b", 1]})"))->is_constant());
    EXPECT_FALSE(Template::compile(boost::json::parse(R"({"a": ["${b}", 1]})"))->is_constant());
    EXPECT_EQ(kind_of(R"("a ${b}")"), Kind::text);
    EXPECT_EQ(kind_of(R"("${b == c}")"), Kind::boolean);
    EXPECT_EQ(kind_of(R"("${b}")"), std::nullopt);
    EXPECT_EQ(kind_of(R"(["${b}"])"), Kind::list);
    EXPECT_EQ(kind_of("1"), Kind::integer);
}

TEST(Template, SharesOneLimitAmongAllItsExpressions) {
    Limits limits;
    limits.nodes_max = 10;
    EXPECT_EQ(filled(R"(["${1}", "${2}"])", limits), "[1,2]");
    EXPECT_EQ(filled(R"(["${1}","${1}","${1}","${1}","${1}","${1}","${1}","${1}","${1}","${1}"])",
                     limits),
              "error /9+2 the expression takes too long: it reached its limit of steps");
    limits.bytes_max = 100;
    EXPECT_EQ(filled(R"(["${input.tags}", "${input.tags}"])", limits),
              "error /1+2 the expression makes too much data: it reached its limit of bytes");
}

TEST(Template, RefusesDocumentsThatNestTooDeeply) {
    boost::json::value json = "leaf";
    for (int i = 0; i < 200; ++i)
        json = boost::json::array{std::move(json)};

    const auto compiled = Template::compile(json);

    ASSERT_TRUE(compiled.has_error());
    EXPECT_EQ(compiled.error().all.front().diagnostic.message,
              "the value is nested more than 100 levels deep");
}

} // namespace
} // namespace baton::orchestrator::expression
