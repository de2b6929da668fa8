// Known workflows, and folders of them.
#include "orchestrator/definition/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace baton::orchestrator::definition {
namespace {

using testing::ElementsAre;

std::string minimal(std::string_view name) {
    return "workflow = \"" + std::string(name) + "\"\n[[step]]\nid = \"a\"\ntask = \"t.a\"\n";
}

Catalog::Entry workflow(std::string_view name, std::uint32_t version, std::uint64_t id = 0) {
    return load(minimal(name), "x.toml", {.definition_id = id, .version = version, .schema = {}})
        .workflow;
}

class Folder : public testing::Test {
protected:
    Folder() {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        path = std::filesystem::temp_directory_path() /
               ("baton-catalog-" + std::to_string(::getpid()) + "-" + test->name());
        std::filesystem::create_directory(path);
    }
    ~Folder() override { std::filesystem::remove_all(path); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
    }

    std::filesystem::path path;
};

constexpr const char* with_schema = "workflow = \"one\"\n[input]\nm = { schema = "
                                    "\"schemas/m.json\" }\n[[step]]\nid = \"a\"\ntask = \"t.a\"";

TEST_F(Folder, ASchemaBesideAWorkflowGoesWithIt) {
    std::filesystem::create_directory(path / "schemas");
    write("schemas/m.json", "{\"type\": \"array\", \"title\": \"it's ''' here\"}\r\n");
    write("one.toml", with_schema);

    const auto files = load_folder(path);

    ASSERT_EQ(files.size(), 1u);
    ASSERT_TRUE(files[0].loaded) << render(files[0].loaded.diagnostics, files[0].source);
    EXPECT_EQ(files[0].loaded.workflow->input[0].schema.type, core::Schema::Type::array);
    EXPECT_EQ(files[0].loaded.workflow->input[0].schema.description, "it's ''' here");
    // What a server is given says it all.
    const Loaded alone = load(files[0].source, "one.toml");
    ASSERT_TRUE(alone);
    EXPECT_EQ(alone.workflow->input[0].schema.description, "it's ''' here");
    EXPECT_EQ(bundled(files[0].source, path / "one.toml").source, files[0].source);
}

TEST_F(Folder, ASchemaThatIsNotThereIsAMistake) {
    write("one.toml", with_schema);

    const auto files = load_folder(path);

    ASSERT_EQ(files[0].loaded.diagnostics.size(), 1u);
    EXPECT_EQ(files[0].loaded.diagnostics[0].message, "there is no schema \"schemas/m.json\"");
    EXPECT_EQ(files[0].source, with_schema);
}

TEST(Catalog, ANewRunTakesTheNewestVersion) {
    Catalog catalog;
    catalog.put(workflow("one", 1));
    catalog.put(workflow("one", 10));
    catalog.put(workflow("one", 9));

    EXPECT_EQ(catalog.newest("one")->version, 10);
    EXPECT_EQ(catalog.find("one", 9)->version, 9);
    EXPECT_EQ(catalog.find("one", 2), nullptr);
    EXPECT_EQ(catalog.newest("two"), nullptr);
}

TEST(Catalog, ARunFindsItsDefinitionByTheIdItStored) {
    Catalog catalog;
    catalog.put(workflow("one", 1, 41));
    catalog.put(workflow("two", 1, 42));

    EXPECT_EQ(catalog.find_by_id(42)->name, "two");
    EXPECT_EQ(catalog.find_by_id(43), nullptr);
    EXPECT_THAT(catalog.names(), ElementsAre("one", "two"));
}

TEST_F(Folder, LoadsWorkflowFilesButNotTheirTests) {
    write("b.toml", minimal("b"));
    write("a.toml", minimal("a"));
    write("a.test.toml", "[[test]]\nname = \"x\"\n");
    write("notes.txt", "no workflow");
    std::filesystem::create_directory(path / "schemas");

    const auto files = load_folder(path);

    ASSERT_EQ(files.size(), 2);
    EXPECT_EQ(files[0].loaded.workflow->name, "a");
    EXPECT_EQ(files[1].loaded.workflow->name, "b");
}

TEST_F(Folder, OneBrokenFileLeavesTheOthersAlone) {
    write("a.toml", "workflow = 1\n");
    write("b.toml", minimal("b"));

    const auto files = load_folder(path);

    ASSERT_EQ(files.size(), 2);
    EXPECT_FALSE(files[0].loaded);
    EXPECT_FALSE(files[0].loaded.diagnostics.empty());
    EXPECT_TRUE(files[1].loaded);
}

TEST_F(Folder, TwoFilesCannotHaveOneName) {
    write("a.toml", minimal("same"));
    write("b.toml", minimal("same"));

    const auto files = load_folder(path);

    EXPECT_TRUE(files[0].loaded);
    ASSERT_FALSE(files[1].loaded);
    EXPECT_THAT(files[1].loaded.diagnostics.front().message,
                testing::HasSubstr("the name 'same' is taken by"));
}

TEST_F(Folder, AMissingFolderOrFileIsSaid) {
    const auto files = load_folder(path / "nowhere");
    ASSERT_EQ(files.size(), 1);
    EXPECT_FALSE(files[0].loaded.diagnostics.empty());

    EXPECT_EQ(load_file(path / "none.toml").loaded.diagnostics.front().message,
              "there is no such file");
    EXPECT_EQ(load_file(path).loaded.diagnostics.front().message, "this is no file");
}

} // namespace
} // namespace baton::orchestrator::definition
