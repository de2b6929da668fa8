// What is accepted and probably not meant.
#include "orchestrator/definition/loader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace baton::orchestrator::definition {
namespace {

std::string warnings_of(std::string_view step) {
    const std::string source =
        "workflow = \"x\"\n[input]\nname = \"string\"\n\n[[step]]\nid = \"a\"\n"
        "task = \"t.a\"\n" +
        std::string(step);
    const Loaded loaded = load(source, "x.toml");
    EXPECT_TRUE(loaded);
    return render(loaded.diagnostics, source);
}

TEST(Warnings, AReferenceWithoutBracesIsPlainText) {
    EXPECT_EQ(warnings_of("with = { to = \"input.name\" }\n"),
              "x.toml:8:15: warning: \"input.name\" is plain text; did you mean "
              "\"${input.name}\"?\n"
              "    8 | with = { to = \"input.name\" }\n"
              "      |               ^\n");
    EXPECT_EQ(warnings_of("with = { to = \"input.other\" }\n"), "");
}

TEST(Warnings, AnInputThatNobodyMustGiveMayBeMissing) {
    EXPECT_EQ(warnings_of("with = { to = \"${input.name}\" }\n"),
              "x.toml:8:18: warning: input 'name' may not be given; write default(input.name, ..), "
              "or give it a default in [input]\n"
              "    8 | with = { to = \"${input.name}\" }\n"
              "      |                  ^\n");
}

TEST(Warnings, WhoAsksWhetherItIsThereGetsNone) {
    EXPECT_EQ(warnings_of("with = { to = \"${default(input.name, 'x')}\" }\n"), "");
    EXPECT_EQ(warnings_of("when = \"has(input.name) && input.name != ''\"\n"), "");
}

// What is read by `reader`, of steps written before it; the warning without its place.
std::string absence(std::string_view steps, std::string_view reader, std::string_view top = "") {
    const std::string source = "workflow = \"x\"\n" + std::string(top) + "[input]\nvip = { type = \"boolean\", default = false }\n" +
                               std::string(steps) + std::string(reader);
    const Loaded loaded = load(source, "x.toml");
    EXPECT_TRUE(loaded) << render(loaded.diagnostics, source);
    std::string all;
    for (const Diagnostic& one : loaded.diagnostics) all += one.message + (one.hint.empty() ? "" : "; ") + one.hint + "\n";
    return all;
}

constexpr std::string_view reads_a = "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { id = \"${a.id}\" }\n";
constexpr std::string_view asks_for_a = "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { id = \"${default(a.id, 0)}\" }\n";

std::string without_result(std::string_view reason) {
    return "'a' may have no result: " + std::string(reason) + "; write default(a, ..), or ask with has(a)\n";
}

TEST(Warnings, AStepWithAConditionMayHaveNoResult) {
    const std::string_view a = "[[step]]\nid = \"a\"\ntask = \"t.a\"\nwhen = \"input.vip\"\n";
    EXPECT_EQ(absence(a, reads_a), without_result("its `when` may be false"));
    EXPECT_EQ(absence(a, asks_for_a), "");
    EXPECT_EQ(absence(a, std::string(reads_a) + "when = \"input.vip\"\n"), "") << "the same condition";
    EXPECT_EQ(absence(a, std::string(reads_a) + "when = \"has(a.id)\"\n"), "") << "it asks first";
    EXPECT_EQ(absence(a, "[output]\nid = \"${a.id}\"\n"), without_result("its `when` may be false"));
    EXPECT_EQ(absence("[[step]]\nid = \"a\"\ntask = \"t.a\"\n", reads_a), "");
}

TEST(Warnings, AStepThatAGoLeadsToMayHaveNoResult) {
    const std::string steps = "[[step]]\nid = \"route\"\nswitch = [ { when = \"input.vip\", go = \"a\" }, { go = \"b\" } ]\n"
                              "[[step]]\nid = \"a\"\ntask = \"t.a\"\n[[step]]\nid = \"b\"\ntask = \"t.b\"\n";
    EXPECT_EQ(absence(steps, reads_a), without_result("it runs only if a go leads to it"));
    EXPECT_EQ(absence(steps, std::string(reads_a) + "after = [\"a\"]\n"), "") << "it is skipped as well";
    EXPECT_EQ(absence(steps, "[[step]]\nid = \"m\"\nafter = [\"a\"]\nswitch = [ { go = \"r\" } ]\n" + std::string(reads_a)), "")
        << "nobody sends it then";
}

TEST(Warnings, AStepThatIsCaughtWithoutAnOutputMayHaveNoResult) {
    const std::string a = "[[step]]\nid = \"a\"\ntask = \"t.a\"\ncatch = [ { error = \"gone\", ";
    EXPECT_EQ(absence(a + "continue = true } ]\n", reads_a), without_result("its failure may be caught without an output"));
    EXPECT_EQ(absence(a + "output = { id = 0 } } ]\n", reads_a), "");
    EXPECT_EQ(absence("[[step]]\nid = \"a\"\ntask = \"t.a\"\non_timeout = \"continue\"\n", reads_a),
              without_result("its failure may be caught without an output"));
}

TEST(Warnings, AStepThatFailsInARunThatGoesOnHasNoResult) {
    const std::string_view a = "[[step]]\nid = \"a\"\ntask = \"t.a\"\n";
    const std::string_view top = "on_failure = \"continue\"\n";
    EXPECT_EQ(absence(a, reads_a, top), "") << "it is blocked";
    EXPECT_EQ(absence(a, std::string(reads_a) + "join = \"done\"\n", top), without_result("it may fail, and the run goes on"));
    EXPECT_EQ(absence(a, "[output]\nid = \"${a.id}\"\n", top), without_result("it may fail, and the run goes on"));
}

TEST(Warnings, WhoeverWaitsForABlockIsBlockedByWhatFailsInIt) {
    const auto warnings = [](std::string_view of_block, std::string_view of_reader) {
        return absence("[[step]]\nid = \"box\"\n" + std::string(of_block) + "[[step.parallel]]\nid = \"a\"\ntask = \"t.a\"\n",
                       "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { id = \"${box.a.id}\" }\n" + std::string(of_reader),
                       "on_failure = \"continue\"\n");
    };
    const std::string warning = "'box.a' may have no result: it may fail, and the run goes on; write default(box.a, ..), or ask with has(box.a)\n";
    EXPECT_EQ(warnings("", ""), "");
    EXPECT_EQ(warnings("", "join = \"done\"\n"), warning);
    EXPECT_EQ(warnings("catch = [ { error = \"*\", output = {} } ]\n", ""), warning);
}

TEST(Warnings, WhatIsInABlockThatMayBeSkippedMayHaveNoResult) {
    const std::string_view block = "[[step]]\nid = \"box\"\nwhen = \"input.vip\"\n[[step.do]]\nid = \"a\"\ntask = \"t.a\"\n"
                                   "[[step.do]]\nid = \"inner\"\ntask = \"t.i\"\nwith = { id = \"${a.id}\" }\n";
    EXPECT_EQ(absence(block, ""), "") << "who is inside runs with it";
    EXPECT_EQ(absence(block, "[[step]]\nid = \"r\"\ntask = \"t.r\"\nwith = { id = \"${box.a.id}\" }\n"),
              "'box.a' may have no result: its `when` may be false; write default(box.a, ..), or ask with has(box.a)\n");
}

TEST(Warnings, AnUndoOfWhatMayNotHaveHappenedHasNoResultToRead) {
    const auto warnings = [](std::string_view undo) {
        return absence("[[step]]\nid = \"a\"\ntask = \"t.a\"\ncompensate = { task = \"t.undo\", " + std::string(undo) + " }\n", "");
    };
    const std::string warning = "'a' may have no result: its undo also runs when nobody knows whether an attempt took effect "
                                "(on = \"attempted\"), and fails then; write default(a, ..), or ask with has(a) in when\n";
    EXPECT_EQ(warnings("on = \"attempted\", when = \"a.created\""), warning);
    EXPECT_EQ(warnings("on = \"attempted\", with = { id = \"${a.id}\" }"), warning);
    EXPECT_EQ(warnings("on = \"attempted\", when = \"default(a.created, true)\""), "");
    EXPECT_EQ(warnings("on = \"attempted\", when = \"has(a.id)\", with = { id = \"${a.id}\" }"), "") << "it asks first";
    EXPECT_EQ(warnings("on = \"completed\", when = \"a.created\""), "");
    EXPECT_EQ(warnings("when = \"a.created\""), "");
}

TEST(Warnings, ANumberIsADouble) {
    const auto warning = [](std::string_view expression) {
        const std::string source = "workflow = \"x\"\n[input]\nn = { type = \"number\", required = true }\n[[step]]\nid = \"a\"\n"
                                   "task = \"t.a\"\nwith = { x = \"${" + std::string(expression) + "}\" }\n";
        const Loaded loaded = load(source, "x.toml");
        EXPECT_TRUE(loaded);
        return render(loaded.diagnostics, source);
    };
    EXPECT_NE(warning("input.n * 2").find("warning: "), std::string::npos) << warning("input.n * 2");
    EXPECT_NE(warning("input.n * 2").find("write 2.0 for 2"), std::string::npos);
    EXPECT_EQ(warning("input.n * 2.0"), "");
    EXPECT_EQ(warning("input.n > 100"), "");
}

TEST(Warnings, AStepThatDidNotFailHasNoError) {
    EXPECT_EQ(warnings_of("[[step]]\nid = \"b\"\ntask = \"t.b\"\nwith = { why = \"${errors.a.type}\" }\n"),
              "x.toml:11:19: warning: 'a' may have no error; write default(errors.a, ..), or ask with has(errors.a)\n"
              "   11 | with = { why = \"${errors.a.type}\" }\n"
              "      |                   ^\n");
    EXPECT_EQ(warnings_of("[[step]]\nid = \"b\"\ntask = \"t.b\"\nwith = { why = \"${default(errors.a.type, '')}\" }\n"), "");
}

TEST(Warnings, AStepThatOnlyAFailureSendsHasItsError) {
    EXPECT_EQ(warnings_of("catch = [ { error = \"*\", go = \"b\" } ]\n"
                          "[[step]]\nid = \"b\"\n"
                          "[[step.do]]\nid = \"c\"\ntask = \"t.c\"\nwith = { why = \"${errors.a.type}\" }\n"
                          "[[step.do]]\nid = \"d\"\ntask = \"t.d\"\nwith = { why = \"${errors.a.detail}\" }\n"),
              "");
}

TEST(Warnings, AtItsEndARunMayHaveNoErrorAndItsStepsNoResult) {
    EXPECT_EQ(warnings_of("[[finally]]\nid = \"b\"\ntask = \"t.b\"\nwith = { why = \"${run.error.type}\" }\n"),
              "x.toml:11:19: warning: the run may have no error: [[finally]] runs whatever its end; write "
              "default(run.error, ..), or ask with has(run.error)\n"
              "   11 | with = { why = \"${run.error.type}\" }\n"
              "      |                   ^\n");
    EXPECT_EQ(warnings_of("[[finally]]\nid = \"b\"\ntask = \"t.b\"\nwith = { at = \"${a.id}\" }\n"),
              "x.toml:11:18: warning: 'a' may have no result: the run may have ended before it; write default(a, ..), or "
              "ask with has(a)\n"
              "   11 | with = { at = \"${a.id}\" }\n"
              "      |                  ^\n");
    EXPECT_EQ(warnings_of("[[on_error]]\nid = \"b\"\ntask = \"t.b\"\nwith = { why = \"${run.error.type}\" }\n"), "");
}

} // namespace
} // namespace baton::orchestrator::definition
