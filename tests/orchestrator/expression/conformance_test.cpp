// The conformance cases of CEL, line by line, through the same function as `baton eval --jsonl`.
#include "orchestrator/expression/typed_json.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <string>

namespace baton::orchestrator::expression {
namespace {

// The cases docs/expressions.md lists as not passed: "file/section/name". None today.
const std::set<std::string> documented_misses{};

bool same(const Value& a, const Value& b);

bool same_maps(const Map& a, const Map& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto other = b.find(a.key_at(i));
        if (!other || !same(a.value_at(i), *other)) return false;
    }
    return true;
}

// Stricter than ==: the types agree too, NaN is itself, and -0.0 is not 0.0.
bool same(const Value& a, const Value& b) {
    if (a.kind() != b.kind()) return false;
    if (a.kind() == Kind::real) {
        if (std::isnan(a.as_real())) return std::isnan(b.as_real());
        return a.as_real() == b.as_real() && std::signbit(a.as_real()) == std::signbit(b.as_real());
    }
    if (a.kind() == Kind::map) return same_maps(a.as_map(), b.as_map());
    if (a.kind() != Kind::list) return a == b;
    if (a.as_list().size() != b.as_list().size()) return false;
    for (std::size_t i = 0; i < a.as_list().size(); ++i)
        if (!same(a.as_list().at(i), b.as_list().at(i))) return false;
    return true;
}

bool passes(const boost::json::object& wanted, const std::string& answer) {
    const boost::json::value parsed = boost::json::parse(answer);
    const boost::json::object& got = parsed.get_object();
    if (wanted.contains("error")) return got.contains("error");
    if (!got.contains("value")) return false;
    const auto a = from_typed_json(got.at("value"));
    const auto b = from_typed_json(wanted.at("value"));
    return a.has_value() && b.has_value() && same(*a, *b);
}

class Conformance : public testing::TestWithParam<const char*> {};

TEST_P(Conformance, EveryCaseGivesTheSpecifiedResult) {
    const std::string file = GetParam();
    std::ifstream lines{std::string{BATON_SOURCE_DIR} + "/tests/orchestrator/expression/cel/" +
                        file + ".jsonl"};
    int passed = 0;
    int total = 0;
    for (std::string line; std::getline(lines, line);) {
        const boost::json::value wanted = boost::json::parse(line);
        const boost::json::object& fields = wanted.get_object();
        const std::string name = file + "/" + std::string{fields.at("section").get_string()} + "/" +
                                 std::string{fields.at("name").get_string()};
        const std::string answer = eval_line(line);
        const bool good = passes(fields, answer);
        ++total;
        if (good) ++passed;
        EXPECT_EQ(good, !documented_misses.contains(name)) << name << ": " << line << "\n"
                                                           << answer;
    }

    EXPECT_GT(total, 0);
    std::printf("%s: %d of %d\n", file.c_str(), passed, total);
    RecordProperty("passed", passed);
    RecordProperty("total", total);
}

INSTANTIATE_TEST_SUITE_P(Cel, Conformance,
                         testing::Values("basic", "fp_math", "integer_math", "lists", "logic",
                                         "macros", "parse", "plumbing", "string"),
                         [](const auto& file) { return std::string{file.param}; });

} // namespace
} // namespace baton::orchestrator::expression
