// The largest files there may be are checked while one waits. The optimised build takes about 0.05
// s of a core for each of these; the bound is for the slowest build, and catches what takes time
// with the square of the steps.
#include "orchestrator/definition/loader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <string>

namespace baton::orchestrator::definition {
namespace {

constexpr int step_count = 1000;
constexpr double seconds_max = 6;

// Each reads others and may be passed over.
std::string long_row(std::string_view input) {
    std::string text =
        "workflow = 'big'\n[input]\nkind = { type = 'string', enum = ['a', 'b', 'c'], required = "
        "true }\n"
        "loud = { type = 'boolean', default = false }\n[[step]]\nid = 's0'\ntask = 't'\n";
    for (int i = 1; i < step_count; ++i)
        text += fmt::format("[[step]]\nid = 's{}'\ntask = 't.x{}'\nwith = {{ a = "
                            "'${{default(s{}.id, 0)}}', b = '${{default(s{}.name, 1)}} of "
                            "${{{}}}' }}\nwhen = \"{} == 'a' || input.loud\"\ncompensate = {{ task "
                            "= 'undo', with = {{ id = '${{s{}.id}}' }} }}\n",
                            i, i % 50, i - 1, i / 2, input, input, i);
    return text;
}

std::string wide() {
    std::string text = "workflow = 'wide'\n[[step]]\nid = 'a'\ntask = 't'\n";
    std::string after;
    for (int i = 0; i < step_count - 2; ++i) {
        text += fmt::format(
            "[[step]]\nid = 's{}'\nafter = ['a']\ntask = 't'\nwith = {{ x = '${{a.id}}' }}\n", i);
        after += fmt::format("{}'s{}'", i == 0 ? "" : ", ", i);
    }
    return text + fmt::format("[[step]]\nid = 'z'\nafter = [{}]\ntask = 't'\n", after);
}

double seconds_of(const std::string& source, bool is_right) {
    const std::clock_t begun = std::clock();
    const Loaded loaded = load(source, "big.toml");
    EXPECT_EQ(static_cast<bool>(loaded), is_right)
        << render(loaded.diagnostics, source).substr(0, 1000);
    return static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
}

TEST(ThousandSteps, AreCheckedWhileOneWaits) {
    EXPECT_LT(seconds_of(long_row("input.kind"), true), seconds_max);
    EXPECT_LT(seconds_of(long_row("input.knid"), false), seconds_max) << "a mistake in every step";
    EXPECT_LT(seconds_of(wide(), true), seconds_max);
}

TEST(ThousandSteps, OfWhichNoneEverRuns) {
    std::string source = long_row("input.kind");
    for (std::size_t at = 0; (at = source.find("== 'a' || input.loud", at)) != std::string::npos;)
        source.replace(at, 20, "== 'x' && input.loud");
    EXPECT_LT(seconds_of(source, true), seconds_max);
}

} // namespace
} // namespace baton::orchestrator::definition
