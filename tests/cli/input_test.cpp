#include "cli/follow.hpp"
#include "cli/input.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

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
    for (const char* wrong : {"x", "[1]", "\xFF"})
        EXPECT_THAT(run_input(wrong, {}, "--with").error().detail, AllOf(HasSubstr("--with"), Not(HasSubstr("--input"))));
    EXPECT_EQ(run_input("@/nowhere.json", {}).error().detail, "cannot read '/nowhere.json': No such file or directory");
    EXPECT_EQ(read_inputs("/").error().detail, "cannot read '/': Is a directory");
}

TEST(Csv, ReadsQuotesCommasAndLineEndsInsideFields) {
    const auto inputs = parse_csv("email,name,groups:=\r\na@x,\"Ada \"\"A\"\", L\",[\"x\"]\nb@x,\"two\nlines\",[]\n", "p.csv");

    ASSERT_TRUE(inputs);
    ASSERT_EQ(inputs->size(), 2U);
    EXPECT_EQ(inputs->at(0).input.at("name").as_string(), "Ada \"A\", L");
    EXPECT_EQ(boost::json::serialize(inputs->at(0).input.at("groups")), "[\"x\"]");
    EXPECT_EQ(inputs->at(1).input.at("name").as_string(), "two\nlines");
}

TEST(Csv, NamesTheLineOfARecordThatDoesNotFit) {
    EXPECT_THAT(parse_csv("a,b\n1,2\n3\n", "p.csv").error().detail, HasSubstr("p.csv:3: 1 fields, but the first line names 2"));
}

TEST(Csv, NamesEveryKindOfBrokenFileWithItsLine) {
    const auto complaint = [](std::string_view text) {
        const auto read = parse_csv(text, "p.csv");
        return read ? std::string("accepted") : read.error().detail;
    };
    EXPECT_THAT(complaint("a,b\n1,2\n3,\"x\n5,6\n"), HasSubstr("p.csv:3: a quote opens here and never closes"));
    EXPECT_THAT(complaint("a,b\n\"1\"x,2\n"), HasSubstr("p.csv:2: field 1: text stands behind the closing quote"));
    EXPECT_THAT(complaint("a,b\n1,M\xFCller\n"), HasSubstr("p.csv:2: byte 0xFC at position 4 is not UTF-8"));
    EXPECT_THAT(complaint("\xFF\xFE" "a"), HasSubstr("is UTF-16"));
    EXPECT_THAT(complaint("a,b,a\n1,2,3\n"), HasSubstr("columns 1 and 3 are both named 'a'"));
    EXPECT_THAT(complaint("a,a:=\n1,2\n"), HasSubstr("both named 'a'"));
    EXPECT_THAT(complaint("a,a.b\n1,2\n"), HasSubstr("inside column 'a'"));
    EXPECT_THAT(complaint("a,\n1,2\n"), HasSubstr("p.csv:2: column 2 has no name"));
    EXPECT_THAT(complaint("a,b\n1,\"x\ny\nz\"\n3\n"), HasSubstr("p.csv:5: 1 fields"));
    EXPECT_THAT(complaint(""), HasSubstr("must name the columns"));
}

TEST(Csv, ReadsWhatSpreadsheetsWrite) {
    const auto shown = [](std::string_view text) {
        std::string out;
        const auto read = parse_csv(text, "p.csv");
        if (!read) return read.error().detail;
        for (const auto& one : *read) out += std::to_string(one.line) + boost::json::serialize(one.input);
        return out;
    };
    const std::string both = R"(2{"a":"1","b":"x"}3{"a":"2","b":"y"})";
    EXPECT_EQ(shown("a,b\r1,x\r2,y\r"), both);
    EXPECT_EQ(shown("a;b\r\n1;x\r\n2;y"), both);
    EXPECT_EQ(shown("a\tb\n1\tx\n2\ty\n"), both);
    EXPECT_EQ(shown("\xEF\xBB\xBF" "a,b,\n1,x,\n2,y,\n,,\n"), both);
    EXPECT_EQ(shown("a\n5\" pipe\n"), R"(2{"a":"5\" pipe"})");
    EXPECT_EQ(shown("a,n:=\n\n1,\n"), R"(3{"a":"1"})");
}

TEST(Csv, AKeyBelongsToTheInputAndNotToItsPlace) {
    const boost::json::object ada{{"a", "1"}};
    EXPECT_EQ(line_key("p.csv", ada, 0), line_key("p.csv", ada, 0));
    EXPECT_NE(line_key("p.csv", ada, 0), line_key("p.csv", ada, 1));
    EXPECT_NE(line_key("p.csv", ada, 0), line_key("q.csv", ada, 0));
    EXPECT_NE(line_key("p.csv", ada, 0), line_key("p.csv", {{"a", "2"}}, 0));
}

TEST(Input, AFileWithoutAnEndIsRefused) {
    EXPECT_THAT(run_input("@/dev/zero", {}).error().detail, HasSubstr("no regular file"));
    const std::string fifo = testing::TempDir() + "baton-fifo-" + std::to_string(getpid());
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THAT(read_inputs(fifo).error().detail, HasSubstr("no regular file"));
    unlink(fifo.c_str());
}

TEST(JsonLines, SkipsAByteOrderMarkAndNamesBytesThatAreNotText) {
    EXPECT_EQ(parse_json_lines("\xEF\xBB\xBF{}\r\n{}\n", "p.jsonl")->size(), 2U);
    EXPECT_THAT(parse_json_lines("{}\n{\"a\":\"\xE4\"}\n", "p.jsonl").error().detail, HasSubstr("p.jsonl:2: byte 0xE4"));
    EXPECT_TRUE(run_input("\xEF\xBB\xBF{\"a\":1}", {}));
}

TEST(JsonLines, NamesTheLineThatIsNoJson) {
    const auto inputs = parse_json_lines("{\"name\":\"x\"}\n{\"name\":3}\nbad\n", "q.jsonl");
    ASSERT_FALSE(inputs);
    EXPECT_TRUE(inputs.error().detail.starts_with("q.jsonl:3: not JSON that can be used: column ")) << inputs.error().detail;
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
