// The workflows a process knows, by name and version. A run keeps the version it started with, so
// all versions stay; the newest is what a new run takes. Not thread safe: one thread owns a Catalog
// and hands out std::shared_ptr<const Workflow>, which any thread may read.
#pragma once

#include "orchestrator/core/workflow.hpp"
#include "orchestrator/definition/loader.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

class Catalog {
public:
    using Entry = std::shared_ptr<const core::Workflow>;

    // Keeps `workflow` under its name and version; the same version again replaces it.
    void put(Entry workflow);

    // The highest version; null if the name is unknown.
    Entry newest(std::string_view name) const;
    Entry find(std::string_view name, std::uint32_t version) const;
    Entry find_by_id(std::uint64_t definition_id) const;

    // Every name, sorted.
    std::vector<std::string> names() const;

private:
    std::map<std::string, std::map<std::uint32_t, Entry>, std::less<>> by_name_;
    std::map<std::uint64_t, Entry> by_id_;
};

// One file of a folder.
struct WorkflowFile {
    std::filesystem::path path;
    std::string source;
    Loaded loaded;
};

// The workflow files of `folder` in the order of their names: *.toml without *.test.toml, not in
// folders below. Files that cannot be read come back with a diagnostic, as do two files with one
// name for their workflows. Reads the disk.
std::vector<WorkflowFile> load_folder(const std::filesystem::path& folder);

// A workflow with the schemas that it names in it, as [schemas]: what a server is given.
struct BundledSource {
    std::string source;
    std::vector<std::filesystem::path> schemas; // the files they came from
};
// `file` is where the source lies. Reads the disk.
BundledSource bundled(std::string source, const std::filesystem::path& file);

// One file. A failure to read it is a diagnostic.
WorkflowFile load_file(const std::filesystem::path& path);

} // namespace baton::orchestrator::definition
