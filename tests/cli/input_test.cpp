#include "cli/follow.hpp"
#include "cli/input.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::cli {

using ::testing::HasSubstr;

TEST(Input, SetsAreTextUnlessAskedForJson) {
    const auto input = run_input(R"({"a":1,"b":{"c":2}})", {"a=007", "b.d:=[1,2]", "e=x=y"});

    ASSERT_TRUE(input);
    EXPECT_EQ(boost::json::serialize(*input), R"({"a":"007","b":{"c":2,"d":[1,2]},"e":"x=y"})");
}

TEST(Input, TellsWhatIsWrongWithASet) {
    EXPECT_THAT(run_input("", {"novalue"}).error().detail, HasSubstr("name=text"));
    EXPECT_THAT(run_input("", {"a:={"}).error().detail, HasSubstr("must be JSON"));
    EXPECT_THAT(run_input("[1]", {}).error().detail, HasSubstr("JSON object"));
}

TEST(Input, AFileThatCannotBeReadIsNamedWithTheReason) {
    EXPECT_EQ(run_input("@/nowhere.json", {}).error().detail, "cannot read '/nowhere.json': No such file or directory");
    EXPECT_EQ(read_inputs("/").error().detail, "cannot read '/': Is a directory");
}

TEST(Csv, ReadsQuotesCommasAndLineEndsInsideFields) {
    const auto inputs = parse_csv("email,name,groups:=\r\na@x,\"Ada \"\"A\"\", L\",[\"x\"]\nb@x,\"two\nlines\",[]\n", "p.csv");

    ASSERT_TRUE(inputs);
    ASSERT_EQ(inputs->size(), 2U);
    EXPECT_EQ(inputs->at(0).at("name").as_string(), "Ada \"A\", L");
    EXPECT_EQ(boost::json::serialize(inputs->at(0).at("groups")), "[\"x\"]");
    EXPECT_EQ(inputs->at(1).at("name").as_string(), "two\nlines");
}

TEST(Csv, NamesTheLineOfARecordThatDoesNotFit) {
    EXPECT_THAT(parse_csv("a,b\n1,2\n3\n", "p.csv").error().detail, HasSubstr("p.csv:3: 1 fields, but the first line names 2"));
}

TEST(JsonLines, NamesTheLineThatIsNoObject) {
    EXPECT_THAT(parse_json_lines("{}\n\n[1]\n", "p.jsonl").error().detail, HasSubstr("p.jsonl:3:"));
}

TEST(Narrator, TellsAStepInOneLine) {
    Narrator narrator;
    narrator.tell(boost::json::parse(
        R"({"seq":1,"at":"2026-01-01T00:00:00.000000Z","facts":[{"fact":"run_started"},{"fact":"task_dispatched","step":"mailbox","attempt":1}]})"));
    EXPECT_THAT(narrator.tell(boost::json::parse(
                    R"({"seq":2,"at":"2026-01-01T00:00:01.500000Z","facts":[{"fact":"task_completed","step":"mailbox","attempt":1}]})")),
                HasSubstr("mailbox              done in 1.50 s"));
    EXPECT_THAT(narrator.tell(boost::json::parse(
                    R"({"seq":3,"at":"2026-01-01T00:00:02.000000Z","facts":[{"fact":"task_failed","step":"invite","attempt":2,"retry_at":"2026-01-01T00:00:06.000000Z","error":{"type":"unavailable","detail":"503"}}]})")),
                HasSubstr("attempt 2 failed: unavailable: 503; again in 4.00 s"));
}

TEST(Limits, AreANumberWithAUnitOrSeconds) {
    using std::chrono::milliseconds;
    EXPECT_EQ(parse_limit("5s"), milliseconds(5000));
    EXPECT_EQ(parse_limit("500ms"), milliseconds(500));
    EXPECT_EQ(parse_limit("30"), milliseconds(30'000));
    EXPECT_EQ(parse_limit("x"), std::nullopt);
    EXPECT_EQ(parse_limit("-5"), std::nullopt);
    EXPECT_EQ(parse_limit("2h"), std::nullopt);
}

} // namespace baton::cli
