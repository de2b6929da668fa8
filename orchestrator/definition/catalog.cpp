// Known workflows, and reading them from a folder.
#include "orchestrator/definition/catalog.hpp"

#include "base/assert.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace baton::orchestrator::definition {

namespace {

Diagnostic about_file(const std::filesystem::path& path, std::string message) {
    Diagnostic diagnostic;
    diagnostic.file = path.string();
    diagnostic.message = std::move(message);
    return diagnostic;
}

bool is_workflow_file(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    return name.ends_with(".toml") && !name.ends_with(".test.toml") && !name.starts_with('.');
}

// Reads one byte more than a workflow may have, so that the loader sees what is too large without
// anybody holding all of it.
std::string read_bounded(std::FILE* file) {
    std::string text(source_bytes_max + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
}

// As a literal text of TOML, which has no escapes.
std::string literal(std::string text) {
    std::erase(text, '\r');
    // In JSON the quotation mark stands only inside texts.
    if (text.find("'''") != std::string::npos || text.ends_with('\''))
        for (std::size_t at = text.find('\''); at != std::string::npos; at = text.find('\'', at))
            text.replace(at, 1, "\\u0027");
    return "'''\n" + text + "'''";
}

} // namespace

BundledSource bundled(std::string source, const std::filesystem::path& file) {
    BundledSource made;
    LoadOptions options;
    options.schema = [&](const std::string& name) -> std::optional<std::string> {
        const std::filesystem::path path = file.parent_path() / name;
        std::error_code error;
        if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(std::fopen(path.c_str(), "rb"),
                                                                     &std::fclose);
        if (opened == nullptr) return std::nullopt;
        made.schemas.push_back(path);
        return read_bounded(opened.get());
    };
    Loaded loaded;
    if (source.find(".json") != std::string::npos)
        loaded = load(source, file.string(), options); // may name one
    made.source = std::move(source);
    if (loaded.schemas.empty()) return made;
    made.source += "\n[schemas]\n";
    for (const auto& [name, text] : loaded.schemas)
        made.source += fmt::format("\"{}\" = {}\n", name, literal(text));
    return made;
}

void Catalog::put(Entry workflow) {
    BATON_ASSERT(workflow != nullptr, "only workflows without errors are known");
    if (workflow->definition_id != 0) by_id_[workflow->definition_id] = workflow;
    by_name_[workflow->name][workflow->version] = std::move(workflow);
}

Catalog::Entry Catalog::newest(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second.rbegin()->second;
}

Catalog::Entry Catalog::find(std::string_view name, std::uint32_t version) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    const auto entry = found->second.find(version);
    return entry == found->second.end() ? nullptr : entry->second;
}

Catalog::Entry Catalog::find_by_id(std::uint64_t definition_id) const {
    const auto found = by_id_.find(definition_id);
    return found == by_id_.end() ? nullptr : found->second;
}

std::vector<std::string> Catalog::names() const {
    std::vector<std::string> all;
    for (const auto& [name, versions] : by_name_)
        all.push_back(name);
    return all;
}

WorkflowFile load_file(const std::filesystem::path& path) {
    WorkflowFile result;
    result.path = path;
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
        result.loaded.diagnostics.push_back(about_file(path, std::filesystem::exists(path, error)
                                                                 ? "this is no file"
                                                                 : "there is no such file"));
        return result;
    }
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                               &std::fclose);
    if (file == nullptr) {
        result.loaded.diagnostics.push_back(
            about_file(path, fmt::format("cannot be read: {}", std::strerror(errno))));
        return result;
    }
    result.source = bundled(read_bounded(file.get()), path).source;
    result.loaded = load(result.source, path.string());
    return result;
}

std::vector<WorkflowFile> load_folder(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error))
        if (is_workflow_file(at->path())) paths.push_back(at->path());
    std::sort(paths.begin(), paths.end());

    std::vector<WorkflowFile> files;
    if (error) {
        WorkflowFile unreadable;
        unreadable.path = folder;
        unreadable.loaded.diagnostics.push_back(
            about_file(folder, fmt::format("cannot be read: {}", error.message())));
        files.push_back(std::move(unreadable));
    }
    std::map<std::string, std::filesystem::path> taken;
    for (const std::filesystem::path& path : paths) {
        WorkflowFile file = load_file(path);
        if (file.loaded) {
            const std::string& name = file.loaded.workflow->name;
            const auto [first, is_new] = taken.emplace(name, path);
            if (!is_new) {
                file.loaded.diagnostics.push_back(
                    about_file(path, fmt::format("the name '{}' is taken by {}", name,
                                                 first->second.string())));
                file.loaded.workflow = nullptr;
            }
        }
        files.push_back(std::move(file));
    }
    return files;
}

} // namespace baton::orchestrator::definition
