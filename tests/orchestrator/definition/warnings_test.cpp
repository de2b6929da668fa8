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

} // namespace
} // namespace baton::orchestrator::definition
