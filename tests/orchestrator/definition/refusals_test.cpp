// Files that nobody would write by hand: large, deep, binary. Each gets a refusal, quickly.
#include "orchestrator/definition/loader.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::definition {
namespace {

std::string first_message(const Loaded& loaded) {
    return loaded.diagnostics.empty() ? "" : loaded.diagnostics.front().message;
}

std::string repeated(const std::string& text, std::size_t times) {
    std::string all;
    all.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i)
        all += text;
    return all;
}

TEST(Refusals, AFileOfTenMegabytesIsTooLarge) {
    const std::string source = "workflow = \"x\"\n" + repeated("# padding\n", 1'000'000);

    const Loaded loaded = load(source, "large.toml");

    EXPECT_FALSE(loaded);
    EXPECT_EQ(first_message(loaded),
              "the file has 10000015 bytes; a workflow file has at most 1048576");
}

TEST(Refusals, DeepListsDoNotReachTheStack) {
    const Loaded loaded = load("workflow = " + repeated("[", 500'000), "deep.toml");

    EXPECT_EQ(first_message(loaded), "more than 32 lists and tables inside one another");
}

TEST(Refusals, LongDottedNamesDoNotReachTheStack) {
    for (const char* end : {" = 1\n", "]\n"}) {
        const Loaded loaded =
            load((end[0] == ']' ? "[" : "") + repeated("a.", 300'000) + "a" + end, "dots.toml");

        EXPECT_EQ(first_message(loaded), "a name with more than 16 dots");
    }
}

TEST(Refusals, OfVeryManyMistakesTheFirstAreShownAndTheRestAreCounted) {
    const Loaded loaded = load(
        "workflow = \"x\"\n" +
            [] {
                std::string keys;
                for (int i = 0; i < 5'000; ++i)
                    keys += "wrong" + std::to_string(i) + " = 1\n";
                return keys;
            }(),
        "many.toml");

    ASSERT_EQ(loaded.diagnostics.size(), 101);
    EXPECT_EQ(loaded.diagnostics.back().message, "and 4900 mistakes more");
}

TEST(Refusals, MoreStepsThanAWorkflowMayHave) {
    std::string source = "workflow = \"x\"\n";
    for (int i = 0; i < 3'000; ++i)
        source += "[[step]]\nid=\"s" + std::to_string(i) + "\"\ntask=\"t\"\n";

    const Loaded loaded = load(source, "many.toml");

    ASSERT_EQ(loaded.diagnostics.size(), 1);
    EXPECT_EQ(first_message(loaded), "more than 1000 steps in one workflow");
}

TEST(Refusals, AThousandStepsThatAllWaitForEachOtherAreOneCycle) {
    std::string source = "workflow = \"x\"\n";
    for (int i = 0; i < 1000; ++i)
        source += "[[step]]\nid=\"s" + std::to_string(i) + "\"\ntask=\"t\"\nafter=[\"s" +
                  std::to_string((i + 1) % 1000) + "\"]\n";

    const Loaded loaded = load(source, "cycle.toml");

    EXPECT_EQ(loaded.diagnostics.size(), 1);
}

TEST(Refusals, ManyMistakesInOneLongLineTakeNoTime) {
    std::string source =
        "workflow = \"x\"\n[vars]\na = \"${\"\n[[step]]\nid=\"a\"\ntask=\"t\"\nafter=[";
    for (int i = 0; i < 20'000; ++i)
        source += "'" + std::to_string(i) + "',";
    source += "]\n";

    const Loaded loaded = load(source, "line.toml");

    EXPECT_FALSE(loaded);
    EXPECT_EQ(loaded.diagnostics.size(), 101);
}

TEST(Refusals, EveryBeginningOfAGoodFileIsRefusedOrLoads) {
    const std::string source =
        "workflow = \"x\"\n[input]\nemail = { type = \"string\" }\n[[step]]\n"
        "id = \"a\"\ntask = \"t.a\"\nwith = { a = \"${input.email}\" }\n";

    for (std::size_t size = 0; size < source.size(); ++size) {
        const Loaded loaded = load(std::string_view(source).substr(0, size), "cut.toml");
        EXPECT_TRUE(loaded || !loaded.diagnostics.empty()) << size;
    }
}

TEST(Refusals, HostileTextCannotCommandATerminal) {
    const std::string source = "\"\\u001b[2J\" = \"\x7f\"\n";

    const std::string printed = render(load(source, "a\x1b.toml").diagnostics, source);

    EXPECT_EQ(printed.find('\x1b'), std::string::npos);
}

} // namespace
} // namespace baton::orchestrator::definition
