// Files that people name, on the real file system.
#include "base/named_file.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>

namespace baton {
namespace {

namespace fs = std::filesystem;

class NamedFile : public testing::Test {
protected:
    void SetUp() override {
        std::string made = (fs::temp_directory_path() / "baton-named-file-XXXXXX").string();
        ASSERT_NE(::mkdtemp(made.data()), nullptr);
        folder_ = made;
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }

private:
    fs::path folder_;
};

TEST_F(NamedFile, IsReplacedAsAWholeAndItsOwnersAlone) {
    ASSERT_TRUE(replace_file(path("a"), "first"));
    ASSERT_TRUE(replace_file(path("a"), std::string(100'000, 'x')));
    EXPECT_EQ(read_named_file(path("a")).value(), std::string(100'000, 'x'));
    struct stat found{};
    ASSERT_EQ(::stat(path("a").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    EXPECT_FALSE(fs::exists(path("a.half")));
}

TEST_F(NamedFile, StaysAsItWasWhereTheNewOneHasNoRoom) {
    ASSERT_TRUE(replace_file(path("a"), "first"));
    // A file may not grow beyond this: what a full disk does.
    struct rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit little{4096, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
    const auto done = replace_file(path("a"), std::string(100'000, 'x'));
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old_handler);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().detail, "File too large");
    EXPECT_EQ(read_named_file(path("a")).value(), "first");
}

TEST_F(NamedFile, SaysWhyItCannotBeReplaced) {
    EXPECT_EQ(replace_file(path("none/a"), "x").error().detail, "No such file or directory");
    fs::create_directory(path("folder"));
    EXPECT_EQ(replace_file(path("folder"), "x").error().detail, "Is a directory");
}

} // namespace
} // namespace baton
