// [input] from the file to the check at the start of a run.
#include "orchestrator/core/input.hpp"
#include "orchestrator/definition/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace baton::orchestrator::definition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const core::Workflow> workflow_with(std::string_view input) {
    const std::string source = "workflow = \"x\"\n[input]\n" + std::string(input) +
                               "\n[[step]]\nid = \"a\"\ntask = \"t.a\"\n";
    const Loaded loaded = load(source, "input.toml");
    EXPECT_TRUE(loaded) << render(loaded.diagnostics, source);
    return loaded.workflow;
}

core::CheckedInput check(std::string_view input, std::string_view json) {
    const auto workflow = workflow_with(input);
    return core::check_input(workflow->input, *core::Document::parse(std::string(json)));
}

TEST(Input, FillsInDefaults) {
    const core::CheckedInput checked = check(R"(
email  = { type = "string", format = "email", required = true }
groups = { type = "array", items = "string", default = ["everyone"] })",
                                             R"({"email": "ada@example.org"})");

    EXPECT_THAT(checked.complaints, IsEmpty());
    EXPECT_EQ(checked.input.text(), R"({"email":"ada@example.org","groups":["everyone"]})");
}

TEST(Input, NamesEveryFieldThatIsWrong) {
    const core::CheckedInput checked = check(R"(
email = { type = "string", format = "email", required = true }
size  = { type = "integer", min = 1, max = 10 }
kind  = { type = "string", enum = ["small", "large"] }
tags  = { type = "array", items = { type = "string", min = 2 }, max = 2 })",
                                             R"({"size": 11, "kind": "huge", "tags": ["a"]})");

    EXPECT_THAT(checked.complaints,
                testing::UnorderedElementsAre(HasSubstr("email"), HasSubstr("size"),
                                              HasSubstr("kind"), HasSubstr("tags")));
}

TEST(Input, ReadsNestedObjects) {
    const std::string input = R"(
[input.place]
type             = "object"
other_properties = false
properties       = { city = { type = "string", required = true }, zip = "string" })";

    EXPECT_THAT(check(input, R"({"place": {"city": "Bonn"}})").complaints, IsEmpty());
    EXPECT_THAT(check(input, R"({"place": {"zip": "53111"}})").complaints,
                ElementsAre(HasSubstr("city")));
    EXPECT_THAT(check(input, R"({"place": {"city": "Bonn", "street": "x"}})").complaints,
                ElementsAre(HasSubstr("street")));
}

TEST(Input, NullableMayBeNull) {
    const std::string input = R"(manager = { type = "string", nullable = true })";

    EXPECT_THAT(check(input, R"({"manager": null})").complaints, IsEmpty());
    EXPECT_THAT(check(input, R"({"manager": 1})").complaints, ElementsAre(HasSubstr("manager")));
}

TEST(Input, ATypeAloneIsEnough) {
    EXPECT_THAT(check("email = \"string\"", R"({"email": 1})").complaints,
                ElementsAre(HasSubstr("email")));
}

} // namespace
} // namespace baton::orchestrator::definition
