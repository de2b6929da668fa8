#include "broker/journal/journal.hpp"
#include "broker/journal/posix_file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace baton::test {
namespace {

using namespace broker::journal;

class RealFolder : public testing::Test {
protected:
    RealFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "baton-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~RealFolder() override { std::filesystem::remove_all(path); }

    std::string path;
};

TEST_F(RealFolder, AJournalOnARealDiskComesBack) {
    const std::string large(100'000, 'b');
    const auto open = [&](std::vector<std::size_t>& sizes) {
        auto directory = open_posix_directory(path + "/deep/journal");
        EXPECT_TRUE(directory);
        RecoveryReport report;
        auto journal = Journal::open(
            **directory, {},
            [&](const RecordView& record) -> Outcome<void> {
                sizes.push_back(record.payload.size());
                return {};
            },
            report);
        EXPECT_TRUE(journal) << journal.error().detail;
        for (int count = 0; count < 30; ++count) {
            EXPECT_TRUE((*journal)->append({.type = 1,
                                            .group_goes_on = false,
                                            .head = as_bytes(std::string_view("head")),
                                            .body = as_bytes(large)}));
            EXPECT_TRUE((*journal)->append({.type = 1,
                                            .group_goes_on = false,
                                            .head = as_bytes(std::string_view("small")),
                                            .body = {}}));
            if (count % 7 == 0) {
                EXPECT_TRUE((*journal)->commit());
            }
        }
        EXPECT_TRUE((*journal)->commit());
    };
    std::vector<std::size_t> none;
    std::vector<std::size_t> sizes;

    open(none);
    open(sizes);

    EXPECT_TRUE(none.empty());
    ASSERT_EQ(sizes.size(), 60u);
    EXPECT_EQ(sizes[0], large.size() + 4);
    EXPECT_EQ(sizes[1], 5u);
}

TEST_F(RealFolder, OnlyOneServerAtATimeMayHaveAFolder) {
    {
        auto first = DataFolderLock::take(path);
        ASSERT_TRUE(first);

        auto second = DataFolderLock::take(path);

        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Errc::locked);
        EXPECT_NE(second.error().detail.find("in use by another server (process"),
                  std::string::npos);
    }
    EXPECT_TRUE(DataFolderLock::take(path));
}

TEST_F(RealFolder, AFolderThatCannotBeMadeIsNamed) {
    std::ofstream(path + "/file") << "x";

    auto failed = open_posix_directory(path + "/file/journal");

    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().detail.find(path + "/file/journal"), std::string::npos);
}

} // namespace
} // namespace baton::test
