// A change that was made to one input, made to another.
#include "orchestrator/runtime/repair.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::runtime {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

// What the changes make of an input; "-": they do not fit.
std::string made(const char* input, const char* changes) {
    const json::value rule = json::parse(changes);
    const auto checked = check_changes(rule);
    EXPECT_TRUE(checked) << checked.error().detail;
    const auto after = mended(json::parse(input), rule);
    return after ? json::serialize(*after) : "-";
}

TEST(Repair, MakesTheChangeOfTheExample) {
    struct Row {
        const char* input;
        const char* changes;
        const char* after;
    };
    // tests/page/pure.test.ts finds the same changes in examples.
    for (
        const Row& row : {
            Row{R"({"region":"Asia","n":2})",
                R"([{"kind":"set","path":["region"],"before":"Europa","after":"EU"}])",
                R"({"region":"EU","n":2})"},
            Row{R"({"mail":"bob@exmaple.org,eve@exmaple.org"})",
                R"([{"kind":"replace","path":["mail"],"find":"exmaple","put":"example","at":"any"}])",
                R"({"mail":"bob@example.org,eve@example.org"})"},
            Row{R"({"login":"bob"})",
                R"([{"kind":"replace","path":["login"],"find":"","put":"2","at":"end"}])",
                R"({"login":"bob2"})"},
            Row{R"({"key":"7"})",
                R"([{"kind":"replace","path":["key"],"find":"","put":"eu-","at":"start"}])",
                R"({"key":"eu-7"})"},
            Row{R"({"a":2})", R"([{"kind":"set","path":["force"],"after":true}])",
                R"({"a":2,"force":true})"},
            Row{R"({"a":2,"old":5})", R"([{"kind":"remove","path":["old"]}])", R"({"a":2})"},
            Row{R"({"a":2})", R"([{"kind":"remove","path":["old"]}])", R"({"a":2})"},
            Row{R"({"to":[{"city":"Brno"}]})",
                R"([{"kind":"set","path":["to",0,"city"],"after":"Prague"}])",
                R"({"to":[{"city":"Prague"}]})"},
            Row{R"({"to":["a","b"]})", R"([{"kind":"set","path":["to",1],"after":"c"}])",
                R"({"to":["a","c"]})"},
            Row{R"("old")", R"([{"kind":"set","path":[],"after":{"a":1}}])", R"({"a":1})"},
            Row{R"({"s":"aaa"})", R"([{"kind":"replace","path":["s"],"find":"a","put":"aa"}])",
                R"({"s":"aaaaaa"})"},
        })
        EXPECT_EQ(made(row.input, row.changes), row.after) << row.changes;
}

TEST(Repair, WhereAChangeDoesNotFitNothingIsMade) {
    const char* replace =
        R"([{"kind":"set","path":["a"],"after":2},{"kind":"replace","path":["mail"],"find":"exmaple","put":"example"}])";
    EXPECT_EQ(made(R"({"a":1,"mail":"y@right.org"})", replace), "-");
    EXPECT_EQ(made(R"({"a":1})", replace), "-");
    EXPECT_EQ(made(R"({"a":1,"mail":7})", replace), "-");
    EXPECT_EQ(made("null", replace), "-");
    for (const char* changes :
         {R"([{"kind":"set","path":["to",3],"after":1}])", R"([{"kind":"remove","path":["to",0]}])",
          R"([{"kind":"set","path":["to","name"],"after":1}])",
          R"([{"kind":"set","path":["a","b"],"after":1}])",
          R"([{"kind":"set","path":["no","where"],"after":1}])",
          R"([{"kind":"set","path":[0],"after":1}])"})
        EXPECT_EQ(made(R"({"to":[1],"a":1})", changes), "-") << changes;
}

TEST(Repair, WhatIsNoChangeIsNamed) {
    const auto complaint = [](const char* changes) {
        const auto checked = check_changes(json::parse(changes));
        return checked ? std::string("none") : checked.error().detail;
    };
    EXPECT_THAT(complaint("{}"), HasSubstr("a list"));
    EXPECT_THAT(complaint("[]"), HasSubstr("1 to 100"));
    EXPECT_THAT(complaint("[7]"), HasSubstr("edit[0]: a change is an object"));
    EXPECT_THAT(complaint(R"([{"kind":"set","path":["a"],"after":1},{"kind":"st","path":["a"]}])"),
                HasSubstr("edit[1]: 'kind'"));
    EXPECT_THAT(complaint(R"([{"kind":"set","path":"a","after":1}])"), HasSubstr("'path'"));
    EXPECT_THAT(complaint(R"([{"kind":"set","path":["a",-1],"after":1}])"), HasSubstr("'path'"));
    EXPECT_THAT(complaint(R"([{"kind":"set","path":["a"]}])"), HasSubstr("'after'"));
    EXPECT_THAT(complaint(R"([{"kind":"remove","path":[]}])"), HasSubstr("name a member"));
    EXPECT_THAT(complaint(R"([{"kind":"replace","path":["a"],"find":"","put":"x"}])"),
                HasSubstr("start or end"));
    EXPECT_THAT(complaint(R"([{"kind":"remove","path":["a"],"afetr":1}])"),
                HasSubstr("unknown member 'afetr'"));
}

} // namespace
} // namespace baton::orchestrator::runtime
