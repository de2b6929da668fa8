// Every file in broken/ has a mistake, and beside it lies what the checker prints. After a wanted
// change run with BATON_UPDATE_EXPECTED=1, look at the difference and be able to say why it is
// right.
#include "orchestrator/definition/loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace baton::orchestrator::definition {
namespace {

const std::filesystem::path folder =
    std::filesystem::path(BATON_SOURCE_DIR) / "tests/orchestrator/definition/broken";

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> broken_files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

TEST(BrokenFiles, EachPrintsWhatLiesBesideIt) {
    for (const std::string& name : broken_files()) {
        SCOPED_TRACE(name);
        const std::string source = read(folder / (name + ".toml"));
        const std::filesystem::path expected = folder / (name + ".txt");

        const Loaded loaded = load(source, "bad.toml");
        const std::string printed = render(loaded.diagnostics, source);

        if (std::getenv("BATON_UPDATE_EXPECTED") != nullptr) std::ofstream(expected) << printed;
        EXPECT_FALSE(loaded);
        EXPECT_EQ(printed, read(expected));
    }
}

TEST(BrokenFiles, EachMistakeGivesOneComplaint) {
    const std::vector<std::string> names = broken_files();
    EXPECT_GT(names.size(), 150);
    for (const std::string& name : names) {
        SCOPED_TRACE(name);
        const Loaded loaded = load(read(folder / (name + ".toml")), "bad.toml");

        if (name.starts_with("several_"))
            EXPECT_GT(loaded.diagnostics.size(), 1);
        else
            EXPECT_EQ(loaded.diagnostics.size(), 1);
    }
}

} // namespace
} // namespace baton::orchestrator::definition
