// Every file in broken/ and in tests/check has a mistake, and beside it lies what the checker prints. After a wanted
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

// What came with single parts of the language, and what people do wrong key by key.
std::vector<std::filesystem::path> broken_files() {
    std::vector<std::filesystem::path> files;
    for (const char* folder : {"tests/orchestrator/definition/broken", "tests/check"})
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(BATON_SOURCE_DIR) / folder))
            if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Accepted, with a warning.
bool is_doubt(const std::filesystem::path& file) {
    return file.stem().string().starts_with("doubt_");
}

TEST(BrokenFiles, EachPrintsWhatLiesBesideIt) {
    for (const std::filesystem::path& file : broken_files()) {
        SCOPED_TRACE(file);
        const std::string source = read(file);
        const std::filesystem::path expected = std::filesystem::path(file).replace_extension(".txt");

        const Loaded loaded = load(source, "bad.toml");
        const std::string printed = render(loaded.diagnostics, source);

        if (std::getenv("BATON_UPDATE_EXPECTED") != nullptr) std::ofstream(expected) << printed;
        EXPECT_EQ(static_cast<bool>(loaded), is_doubt(file));
        EXPECT_EQ(printed, read(expected));
    }
}

TEST(BrokenFiles, EachMistakeGivesOneComplaint) {
    const std::vector<std::filesystem::path> files = broken_files();
    EXPECT_GT(files.size(), 600);
    for (const std::filesystem::path& file : files) {
        SCOPED_TRACE(file);
        const Loaded loaded = load(read(file), "bad.toml");

        if (file.stem().string().starts_with("several_"))
            EXPECT_GT(loaded.diagnostics.size(), 1);
        else
            EXPECT_EQ(loaded.diagnostics.size(), 1);
    }
}

} // namespace
} // namespace baton::orchestrator::definition
