// Laws that hold for every expression and value, tried on many made from seeds.
#include "tests/orchestrator/expression/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace baton::orchestrator::expression {
namespace {

class Maker {
public:
    explicit Maker(std::uint32_t seed) : random_(seed) {}

    std::uint32_t below(std::uint32_t end) { return random_() % end; }

    Value number() {
        static constexpr std::int64_t edges[] = {0,
                                                 1,
                                                 -1,
                                                 (std::int64_t{1} << 53) + 1,
                                                 -(std::int64_t{1} << 53) - 1,
                                                 std::numeric_limits<std::int64_t>::max(),
                                                 std::numeric_limits<std::int64_t>::min()};
        const std::int64_t integer = edges[below(7)];
        switch (below(3)) {
        case 0:
            return Value::integer(integer);
        case 1:
            return Value::unsigned_integer(static_cast<std::uint64_t>(integer));
        default:
            return Value::real(static_cast<double>(integer) / (1 + below(3)));
        }
    }

    Value value(int depth = 3) {
        switch (below(depth > 0 ? 10 : 8)) {
        case 0:
            return {};
        case 1:
            return Value::boolean(below(2) == 0);
        case 2:
            return Value::text(std::string(below(4), static_cast<char>('a' + below(26))));
        case 3:
            return Value::bytes(std::string(below(3), static_cast<char>(below(256))));
        case 4:
            return Value::timestamp(
                {below(1'000'000), static_cast<std::int32_t>(below(1'000'000'000))});
        case 5:
            return Value::duration({static_cast<std::int64_t>(below(1'000'000)) - 500'000});
        case 6:
        case 7:
            return number();
        case 8: {
            std::vector<Value> items(below(4));
            for (Value& item : items)
                item = value(depth - 1);
            return Value::list(std::move(items));
        }
        default: {
            std::vector<MapEntry> entries(below(12));
            for (MapEntry& entry : entries)
                entry = {below(2) == 0 ? Value::integer(below(20))
                                       : Value::text("k" + std::to_string(below(20))),
                         value(depth - 1)};
            return Value::map(std::move(entries));
        }
        }
    }

    // An expression of right grammar; whether it makes sense is another matter.
    std::string expression(int depth) {
        static constexpr const char* leaves[] = {"1",   "0",    "-3",   "2u",    "1.5",
                                                 "'a'", "b'a'", "true", "false", "null",
                                                 "x",   "y.z",  "[]",   "{}"};
        static constexpr const char* operators[] = {
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"};
        if (depth == 0 || below(5) == 0) return leaves[below(14)];
        const auto sub = [&] { return expression(depth - 1); };
        switch (below(12)) {
        case 0:
            return "(" + sub() + " ? " + sub() + " : " + sub() + ")";
        case 1:
            return "[" + sub() + ", " + sub() + "]";
        case 2:
            return "{" + sub() + ": " + sub() + "}";
        case 3:
            return "(" + sub() + ")[" + sub() + "]";
        case 4:
            return "[" + sub() + ", " + sub() + "].map(x, " + sub() + ")";
        case 5:
            return "[" + sub() + "].filter(v, " + sub() + ")";
        case 6:
            return "default(" + sub() + ", " + sub() + ")";
        case 7: {
            const auto names = function_names();
            return std::string{names[below(static_cast<std::uint32_t>(names.size()))]} + "(" +
                   sub() + ", " + sub() + ")";
        }
        case 8: {
            const auto names = function_names();
            return "(" + sub() + ")." +
                   std::string{names[below(static_cast<std::uint32_t>(names.size()))]} + "()";
        }
        case 9:
            return "!(" + sub() + ")";
        default:
            return "(" + sub() + " " + operators[below(14)] + " " + sub() + ")";
        }
    }

private:
    std::mt19937 random_;
};

TEST(Properties, EqualityIsReflexiveAndSymmetricAndAgreesWithOrder) {
    Maker maker{1};
    for (int i = 0; i < 4'000; ++i) {
        const Value a = maker.value();
        const Value b = maker.below(4) == 0 ? a : maker.value();
        ASSERT_TRUE(a == a) << to_plain_text(a);
        ASSERT_EQ(a == b, b == a) << to_plain_text(a) << " " << to_plain_text(b);
        const auto order = order_of(a, b);
        ASSERT_EQ(order.has_value(), order_of(b, a).has_value());
        if (order) {
            ASSERT_EQ(*order, -*order_of(b, a));
            ASSERT_EQ(*order == 0, a == b) << to_plain_text(a) << " " << to_plain_text(b);
        }
    }
}

TEST(Properties, OrderOfNumbersIsTransitive) {
    Maker maker{2};
    for (int i = 0; i < 4'000; ++i) {
        const Value a = maker.number();
        const Value b = maker.number();
        const Value c = maker.number();
        if (*order_of(a, b) <= 0 && *order_of(b, c) <= 0)
            ASSERT_LE(*order_of(a, c), 0)
                << to_plain_text(a) << " " << to_plain_text(b) << " " << to_plain_text(c);
    }
}

TEST(Properties, TypedJsonReadsBackTheSameValue) {
    Maker maker{3};
    for (int i = 0; i < 2'000; ++i) {
        const Value value = maker.value();
        const auto read = from_typed_json(to_typed_json(value));
        ASSERT_TRUE(read.has_value()) << read.error().detail;
        ASSERT_EQ(*read, value);
        ASSERT_EQ(to_typed_json(*read), to_typed_json(value));
    }
}

TEST(Properties, SortSortsAndDistinctKeepsEachOnce) {
    Maker maker{4};
    const auto sort = compile("x.sort()");
    const auto distinct = compile("x.distinct()");
    for (int i = 0; i < 300; ++i) {
        std::vector<Value> numbers(maker.below(30));
        for (Value& number : numbers)
            number = maker.number();
        const Lookup lookup = [&](std::string_view) { return Value::list(numbers); };

        const auto sorted = evaluate(*sort, lookup);
        const auto once = evaluate(*distinct, lookup);

        for (std::size_t at = 1; at < numbers.size(); ++at)
            ASSERT_LE(*order_of(sorted->as_list().at(at - 1), sorted->as_list().at(at)), 0);
        for (const Value& number : numbers) {
            int found = 0;
            for (std::size_t at = 0; at < once->as_list().size(); ++at)
                if (once->as_list().at(at) == number) ++found;
            ASSERT_EQ(found, 1) << to_plain_text(number);
        }
    }
}

TEST(Properties, CheckingNeverRefusesWhatWouldHaveGivenAValueOfThatKind) {
    const boost::json::value bindings = boost::json::parse(R"({"x": 3, "y": {"z": "text"}})");
    constexpr Limits limits{20'000, 256 * 1024}; // what runs into them is not compared
    CompileOptions dynamic;
    dynamic.check = false;
    Maker maker{5};
    int evaluated = 0;
    for (int i = 0; i < 2'000; ++i) {
        const std::string source = maker.expression(4);
        const auto checked = compile(source);
        const auto unchecked = compile(source, dynamic);
        // The grammar of macros and default is checked in both.
        if (!unchecked) continue;
        const auto value = evaluate(*unchecked, bindings.get_object(), limits);
        if (!checked || !value) continue;
        ++evaluated;
        const auto again = evaluate(*checked, bindings.get_object(), limits);
        ASSERT_TRUE(again.has_value()) << source;
        ASSERT_EQ(to_typed_json(*again), to_typed_json(*value)) << source;
        if (checked->static_kind()) ASSERT_EQ(*checked->static_kind(), value->kind()) << source;
    }
    EXPECT_GT(evaluated, 100);
}

TEST(Properties, PlacesOfMistakesLieInsideTheSource) {
    Maker maker{6};
    for (int i = 0; i < 2'000; ++i) {
        std::string source = maker.expression(4);
        for (std::uint32_t change = maker.below(3); change > 0 && !source.empty(); --change)
            source[maker.below(static_cast<std::uint32_t>(source.size()))] =
                static_cast<char>(' ' + maker.below(95));
        const auto program = compile(source);
        if (program) {
            for (const Reference& reference : program->references())
                ASSERT_EQ(source.substr(reference.offset, reference.length), reference.root);
            continue;
        }
        ASSERT_FALSE(program.error().all.empty());
        for (const Diagnostic& diagnostic : program.error().all) {
            ASSERT_FALSE(diagnostic.message.empty());
            ASSERT_LE(diagnostic.offset + diagnostic.length, source.size()) << source;
        }
    }
}

} // namespace
} // namespace baton::orchestrator::expression
