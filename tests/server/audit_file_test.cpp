#include "server/audit_file.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mount.h>
#include <sys/resource.h>

namespace baton::server {
namespace {

struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "baton-audit-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string text_of(const std::string& name) const {
        std::ifstream in(path / name);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
    std::filesystem::path path;
};

TEST(AuditFile, KeepsSoManyFilesOfSoManyBytesAndLosesTheOldestOnly) {
    const Folder folder;
    AuditFile file((folder.path / "audit.jsonl").string(), 8, 2);

    for (const char* line : {"one\n", "two\n", "three\n", "four\n", "five\n", "longer than all\n", "last\n"})
        file.append(line);

    EXPECT_EQ(folder.text_of("audit.jsonl"), "last\n");
    EXPECT_EQ(folder.text_of("audit.jsonl.1"), "longer than all\n");
    EXPECT_EQ(folder.text_of("audit.jsonl.2"), "five\n");
    EXPECT_FALSE(std::filesystem::exists(folder.path / "audit.jsonl.3"));
}

TEST(AuditFile, WhoeverPutsAnotherOneThereHasTheLinesInIt) {
    const Folder folder;
    AuditFile file((folder.path / "audit.jsonl").string(), 1000, 2);
    file.append("one\n");
    file.append("two\n");
    std::filesystem::rename(folder.path / "audit.jsonl", folder.path / "mine");
    std::ofstream(folder.path / "audit.jsonl") << "yours\n";

    file.append("three\n");
    std::filesystem::remove(folder.path / "audit.jsonl");
    file.append("four\n");

    EXPECT_EQ(folder.text_of("mine"), "one\ntwo\n");
    EXPECT_EQ(folder.text_of("audit.jsonl"), "four\n");
}

TEST(AuditFile, WhoeverMovesItAwayGetsANewOne) {
    const Folder folder;
    AuditFile file((folder.path / "audit.jsonl").string(), 1000, 2);
    file.append("one\n");
    std::filesystem::rename(folder.path / "audit.jsonl", folder.path / "mine");

    file.append("two\n");

    EXPECT_EQ(folder.text_of("mine"), "one\n");
    EXPECT_EQ(folder.text_of("audit.jsonl"), "two\n");
}

// Writes end in the middle of a line while it lives, as on a disk that becomes full.
struct FilesOfAtMost {
    explicit FilesOfAtMost(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before);
        handler = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit now{bytes, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~FilesOfAtMost() {
        ::setrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, handler);
    }
    rlimit before{};
    sighandler_t handler = nullptr;
};

TEST(AuditFile, ALineThatFoundNoRoomLeavesNothingBehind) {
    const Folder folder;
    AuditFile file((folder.path / "audit.jsonl").string(), 1000, 2);
    file.append("one\n");
    {
        const FilesOfAtMost full(7);
        file.append("too long now\n");
        EXPECT_EQ(folder.text_of("audit.jsonl"), "one\n");
    }

    file.append("two\n");

    EXPECT_EQ(folder.text_of("audit.jsonl"), "one\ntwo\n");
}

TEST(AuditFile, AHalfLineOfAProcessThatWasKilledIsNotJoinedToTheNext) {
    const Folder folder;
    std::ofstream(folder.path / "audit.jsonl") << "one\n{\"ha";
    AuditFile file((folder.path / "audit.jsonl").string(), 1000, 2);

    file.append("two\n");

    EXPECT_EQ(folder.text_of("audit.jsonl"), "one\n{\"ha\ntwo\n");
}

TEST(AuditFile, AFullDiskCostsTheLinesThatFoundItFull) {
    const Folder folder;
    if (::mount("none", folder.path.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "mount(2) is root's";
    {
        AuditFile file((folder.path / "audit.jsonl").string(), 1 << 20, 2);
        const std::string line(10'000, 'x');
        for (int number = 0; number < 20; ++number) file.append(line + "\n");
        std::string kept;
        while (kept.size() + line.size() < 64 << 10) kept += line + "\n";
        EXPECT_EQ(folder.text_of("audit.jsonl"), kept);
        std::filesystem::resize_file(folder.path / "audit.jsonl", line.size() + 1);

        file.append("two\n");

        EXPECT_EQ(folder.text_of("audit.jsonl"), line + "\ntwo\n");
    }
    ::umount(folder.path.c_str());
}

TEST(AuditFile, IsReadBackPieceByPieceOverAllItsFilesEachLineOnce) {
    const Folder folder;
    const std::string path = (folder.path / "audit.jsonl").string();
    EXPECT_TRUE(read_audit_back(path, 7, "")->lines.empty()) << "nobody has done anything yet";
    AuditFile file(path, 400'000, 7);
    constexpr int count = 9'000;
    for (int i = 0; i < count; ++i)
        file.append(std::to_string(i) + std::string(90, 'x') + "\n");
    ASSERT_TRUE(std::filesystem::exists(folder.path / "audit.jsonl.2"));

    int expected = count;
    std::string from;
    int pieces = 0;
    do {
        const auto piece = read_audit_back(path, 7, from);
        ASSERT_TRUE(piece);
        for (const std::string& line : piece->lines)
            ASSERT_EQ(std::stoi(line), --expected);
        from = piece->next;
        ++pieces;
    } while (!from.empty());
    EXPECT_EQ(expected, 0);
    EXPECT_GT(pieces, 3);
    for (const char* wrong : {"x", "1", "-", "9-", "0-x", "0--1"})
        EXPECT_FALSE(read_audit_back(path, 7, wrong)) << wrong;
}

} // namespace
} // namespace baton::server
