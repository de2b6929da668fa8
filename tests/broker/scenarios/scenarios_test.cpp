// Runs every story beside this file and compares what the broker did with what the story says.
// BATON_UPDATE_SCENARIOS=1 writes what it did into the files instead; a changed expectation is
// committed only by somebody who can say why it is right.
#include "story.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace baton::broker::core {
namespace {

std::filesystem::path folder() {
    return std::filesystem::path(BATON_SOURCE_DIR) / "tests/broker/scenarios";
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

// A story again, with what came out now in the place of what was expected.
std::string replayed(const std::vector<std::string>& lines, Story& story) {
    std::string text;
    bool expecting = false;
    for (std::size_t at = 0; at < lines.size(); ++at) {
        const std::string& line = lines[at];
        if (expecting) {
            if (!line.empty()) continue;
            expecting = false;
            text += "\n";
        } else if (line == "----") {
            text += line + "\n";
            for (const std::string& out : story.finish()) text += out + "\n";
            expecting = true;
        } else {
            text += line + "\n";
            if (!line.empty() && !line.starts_with('#')) story.tell(line);
        }
    }
    return text;
}

class Scenario : public testing::TestWithParam<std::string> {};

TEST_P(Scenario, HappensAsTold) {
    const auto path = folder() / (GetParam() + ".txt");
    const std::vector<std::string> lines = lines_of(path);
    Story story;

    const std::string now = replayed(lines, story);

    std::string told;
    for (const std::string& line : lines) told += line + "\n";
    if (std::getenv("BATON_UPDATE_SCENARIOS") != nullptr)
        std::ofstream(path) << now;
    else
        EXPECT_EQ(told, now);
    EXPECT_EQ(story.durable_state(story.broker()), story.durable_state(*story.recovered()))
        << "replaying the records gives another state";
}

std::vector<std::string> stories() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
        if (entry.path().extension() == ".txt" && entry.path().stem() != "CMakeLists")
            names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

INSTANTIATE_TEST_SUITE_P(Stories, Scenario, testing::ValuesIn(stories()),
                         [](const auto& info) { return info.param; });

} // namespace
} // namespace baton::broker::core
