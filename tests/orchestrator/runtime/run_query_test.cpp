// What people may type to find runs, and what they are told when it makes no sense; and what runs can be found by.
#include "orchestrator/runtime/run_query.hpp"

#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/run_tags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using core::RunStatus;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr Time now = time_from_micros(1'767'225'600'000'000); // 2026-01-01

RunSearch good(std::string_view text) {
    auto search = parse_run_query(text, now);
    EXPECT_TRUE(search) << text << ": " << (search ? "" : search.error().detail);
    return search ? *search : RunSearch{};
}

std::string complaint(std::string_view text) {
    const auto search = parse_run_query(text, now);
    return search ? "none" : search.error().detail;
}

TEST(RunQuery, EveryFieldSaysWhatItNames) {
    const RunSearch search = good("workflow:provision-user status:failed since:2d until=2025-12-31T06:00:00Z ended_since:1h30m "
                                  "ended_until:2026-01-01 label.team=ops input.user:ada error:mail.smtp key:order-1 run:0193A5");

    EXPECT_THAT(search.workflows, ElementsAre(TextMatch{"provision-user", false}));
    EXPECT_THAT(search.statuses, ElementsAre(RunStatus::failed));
    EXPECT_EQ(search.since, now - 48h);
    EXPECT_EQ(search.until, now - 18h);
    EXPECT_EQ(search.ended_since, now - 90min);
    EXPECT_EQ(search.ended_until, now);
    EXPECT_THAT(search.tags, ElementsAre(TagMatch{"label.team", {{"ops", false}}}, TagMatch{"input.user", {{"ada", false}}}));
    EXPECT_THAT(search.errors, ElementsAre(TextMatch{"mail.smtp", false}));
    EXPECT_THAT(search.keys, ElementsAre(TextMatch{"order-1", false}));
    EXPECT_THAT(search.id_prefixes, ElementsAre("0193A5"));
}

TEST(RunQuery, ARootIsAnIdOrItsBeginning) {
    const std::string whole = "0193a5c2-7d41-7000-8000-000000000000";
    EXPECT_THAT(good("root:" + whole).tags, ElementsAre(TagMatch{"root", {{whole, false}}}));
    EXPECT_THAT(good("root:0193a5 root:0193a6").tags, ElementsAre(TagMatch{"root", {{"0193a5", true}, {"0193a6", true}}}));
    EXPECT_THAT(complaint("root:0193a"), StartsWith("column 6: '0193a' is too short"));
    EXPECT_THAT(complaint("root:nobody*"), StartsWith("column 6: 'nobody*' is no id of a run"));
}

TEST(RunQuery, NothingAsksForEverything) {
    EXPECT_EQ(good(""), RunSearch{});
    EXPECT_EQ(good(" \t\n"), RunSearch{});
}

TEST(RunQuery, TheSameFieldAgainIsAnotherValue) {
    const RunSearch search = good("status:failed status:paused status:failed label.a=1 label.a=2 label.b=3");

    EXPECT_THAT(search.statuses, ElementsAre(RunStatus::failed, RunStatus::paused));
    EXPECT_THAT(search.tags, ElementsAre(TagMatch{"label.a", {{"1", false}, {"2", false}}}, TagMatch{"label.b", {{"3", false}}}));
}

TEST(RunQuery, SeveralRunsAreNamedWithCommasOrAgain) {
    EXPECT_THAT(good("run:0193a5,0193a6 run:0193a7").id_prefixes, ElementsAre("0193a5", "0193a6", "0193a7"));
    EXPECT_THAT(good("run:\"0193a5,0193a6\"").id_prefixes, ElementsAre("0193a5", "0193a6"));
    EXPECT_THAT(complaint("run:0193a5,nobody"), StartsWith("column 12: 'nobody' is no id of a run"));
    EXPECT_THAT(complaint("run:\"0193a5,nobody\""), StartsWith("column 13: 'nobody'"));
    EXPECT_THAT(complaint("run:0193a5,"), StartsWith("column 12: '' is too short"));
    std::string whole = "run:";
    for (int i = 0; i < 100; ++i) whole += fmt::format("{}0193a{:03}-9734-7063-bbf2-0afcab9053ea", i == 0 ? "" : ",", i);
    EXPECT_EQ(fmt::format("run:{}", fmt::join(good(whole).id_prefixes, ",")), whole); // as many as a page of runs shows
    EXPECT_THAT(complaint(whole + ",0193b000"), HasSubstr("may name 100 runs"));
}

TEST(RunQuery, OpenAndClosedAreManyStatuses) {
    EXPECT_THAT(good("status:open").statuses,
                ElementsAre(RunStatus::queued, RunStatus::running, RunStatus::paused, RunStatus::compensating));
    EXPECT_THAT(good("status:closed").statuses, SizeIs(5));
}

TEST(RunQuery, AStarAtTheEndIsWhateverFollows) {
    EXPECT_THAT(good("workflow:prov*").workflows, ElementsAre(TextMatch{"prov", true}));
    EXPECT_THAT(good("label.team=*").tags, ElementsAre(TagMatch{"label.team", {{"", true}}}));
    EXPECT_THAT(good("error:mail.*").errors, ElementsAre(TextMatch{"mail.", true}, TextMatch{"mail", false}));
    EXPECT_THAT(good("error:mail*").errors, ElementsAre(TextMatch{"mail", true}));
}

TEST(RunQuery, InQuotesEverythingIsMeantLetterByLetter) {
    EXPECT_THAT(good(R"(input.name="Ada \"the\" Lovelace*" status:failed)").tags,
                ElementsAre(TagMatch{"input.name", {{"Ada \"the\" Lovelace*", false}}}));
    EXPECT_THAT(good(R"(key:"a\\b")").keys, ElementsAre(TextMatch{"a\\b", false}));
    EXPECT_THAT(good(R"(label.note="")").tags, ElementsAre(TagMatch{"label.note", {{"", false}}}));
    EXPECT_THAT(good("input.url=https://x?a=b:c").tags, ElementsAre(TagMatch{"input.url", {{"https://x?a=b:c", false}}}));
}

TEST(RunQuery, AMistakeIsNamedWithItsColumn) {
    EXPECT_THAT(complaint("sttaus:failed"), StartsWith("column 1: there is no field 'sttaus'; did you mean 'status'?"));
    EXPECT_THAT(complaint("status:failed  status:faild"), StartsWith("column 23: no run is 'faild'; did you mean 'failed'?"));
    EXPECT_THAT(complaint("label.ö=ü"), StartsWith("column 1: 'label.ö' needs a name of letters"));
    EXPECT_THAT(complaint("input.name=ü since:soon"), StartsWith("column 20: 'soon' is no time"));
    EXPECT_THAT(complaint("since:2d since:3d"), StartsWith("column 10: 'since' is there twice"));
    EXPECT_THAT(complaint("failed"), StartsWith("column 1: 'failed' is no condition; write FIELD:VALUE"));
    EXPECT_THAT(complaint("status"), HasSubstr("status:…"));
    EXPECT_THAT(complaint(":x"), StartsWith("column 1: here is no field"));
    EXPECT_THAT(complaint("workflow: x"), StartsWith("column 10: here a value is missing"));
    EXPECT_THAT(complaint("workflow:\"x"), StartsWith("column 10: this quote is not closed"));
    EXPECT_THAT(complaint("workflow:\"x\"y"), StartsWith("column 13: a blank must come after"));
    EXPECT_THAT(complaint("workflow:x\"y"), StartsWith("column 11: a quote inside a value"));
    EXPECT_THAT(complaint("workflow:a*b"), StartsWith("column 11: * stands only at the end"));
    EXPECT_THAT(complaint("label=x"), StartsWith("column 1: 'label' needs a name: label.NAME=x"));
    EXPECT_THAT(complaint("run:0193a"), StartsWith("column 5: '0193a' is too short"));
    EXPECT_THAT(complaint("run:nobody"), StartsWith("column 5: 'nobody' is no id of a run"));
    EXPECT_THAT(complaint(std::string_view("key:a\0b", 7)), StartsWith("column 6: a zero byte"));
    EXPECT_THAT(complaint("key:" + std::string(5000, 'x')), HasSubstr("may have 4096 bytes"));
    std::string many;
    for (int i = 0; i < 33; ++i) many += "key:x ";
    EXPECT_THAT(complaint(many), HasSubstr("may have 32 conditions"));
}

// ---- what a run can be found by

core::Workflow workflow_of(const std::string& source) {
    const auto loaded = definition::load(source, "w.toml");
    EXPECT_TRUE(loaded) << (loaded ? "" : definition::render(loaded.diagnostics, source));
    return loaded ? *loaded.workflow : core::Workflow{};
}

const std::string labelled = R"(
workflow = "w"
labels = { team = "ops", for = "${input.user}!" }
[input]
user = { type = "string", required = true, index = true }
size = { type = "integer", default = 3, index = true }
fast = { type = "boolean", index = true }
secret = { type = "string", default = "x" }
[[step]]
id = "a"
set = { n = 1 }
)";

Outcome<std::vector<RunTag>> tags(const std::string& input, const Labels& labels = {}) {
    const core::Workflow workflow = workflow_of(labelled);
    core::Run run = core::new_run(workflow, "0193a5c2-7d41-7000-8000-000000000001");
    run.input = *core::Document::parse(input);
    return tags_of(workflow, run, labels);
}

TEST(RunTags, AreIndexedInputsAndLabels) {
    const auto found = tags(R"({"user":"ada","size":3,"secret":"y"})", {{"ticket", "17"}, {"team", "mine"}});

    ASSERT_TRUE(found);
    EXPECT_THAT(*found, ElementsAre(RunTag{"input.user", "ada"}, RunTag{"input.size", "3"}, RunTag{"label.for", "ada!"},
                                    RunTag{"label.team", "mine"}, RunTag{"label.ticket", "17"}));
}

TEST(RunTags, OfALongValueTheBeginningCounts) {
    const auto found = tags(R"({"user":")" + std::string(255, 'a') + R"(ü"})");

    ASSERT_TRUE(found);
    EXPECT_EQ(found->front().value, std::string(255, 'a'));
}

TEST(RunTags, LabelsThatCannotBeAreRefused) {
    EXPECT_THAT(complaint_about_labels({{"a b", "x"}}), HasSubstr("'a b' cannot name a label"));
    EXPECT_THAT(complaint_about_labels({{"a", std::string(257, 'x')}}), HasSubstr("a label may have 256"));
    EXPECT_THAT(complaint_about_labels({{"a", std::string("x\0", 2)}}), HasSubstr("zero byte"));
    Labels many;
    for (int i = 0; i < 17; ++i) many.emplace("l" + std::to_string(i), "x");
    EXPECT_THAT(complaint_about_labels(many), HasSubstr("a run may have 16 labels"));
    EXPECT_EQ(complaint_about_labels({{"team.eu-1", ""}}), "");
}

} // namespace
} // namespace baton::orchestrator::runtime
