#include "server/audit_file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

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

} // namespace
} // namespace baton::server
