// Calls are found in the file's tables: a step's own and its undo, however deep it stands.
#include "cli/parameters_check.hpp"

#include "orchestrator/definition/toml_document.hpp"
#include "workers/schemas.hpp"

#include <algorithm>
#include <string>
#include <tuple>

namespace baton::cli {

namespace definition = orchestrator::definition;

namespace {

class Search {
public:
    explicit Search(std::string_view file) : file_(file) {}

    // Values of steps are not searched: parameters and outputs may have members of any name.
    void steps_in(const definition::TomlNode& node) {
        for (const definition::TomlNode& item : node.items) steps_in(item);
        for (const definition::TomlEntry& entry : node.entries)
            if (entry.key != "with" && entry.key != "set" && entry.key != "output" && entry.key != "input" && entry.key != "vars")
                steps_in(entry.value);
        const definition::TomlNode* task = node.find("task");
        if (task != nullptr && task->is_text()) call(*task, node.find("with"));
    }

    std::vector<definition::Diagnostic> warnings;

private:
    void call(const definition::TomlNode& task, const definition::TomlNode* with) {
        // Anything but a table is a mistake that the loader names.
        if (with != nullptr && !with->is_table()) return;
        std::vector<std::string> names;
        if (with != nullptr)
            for (const definition::TomlEntry& entry : with->entries) names.push_back(entry.key);
        for (const auto& complaint : workers::complaints_about(task.text, names)) {
            definition::Diagnostic one;
            one.file = file_;
            one.severity = definition::Severity::warning;
            one.message = complaint.message;
            one.hint = complaint.hint;
            place(one, complaint.parameter, task, with);
            warnings.push_back(std::move(one));
        }
    }

    static void place(definition::Diagnostic& one, const std::string& parameter, const definition::TomlNode& task,
                      const definition::TomlNode* with) {
        definition::Position at = task.at;
        one.length = static_cast<std::uint32_t>(task.text.size() + 2);
        if (with != nullptr)
            for (const definition::TomlEntry& entry : with->entries) {
                if (entry.key != parameter) continue;
                at = entry.at;
                one.length = static_cast<std::uint32_t>(parameter.size());
            }
        one.line = at.line;
        one.column = at.column;
    }

    std::string file_;
};

} // namespace

std::vector<definition::Diagnostic> parameter_warnings(std::string_view source, std::string_view file) {
    const auto document = definition::parse_toml(source, file);
    if (!document.diagnostics.empty()) return {};
    Search search(file);
    search.steps_in(document.root);
    std::sort(search.warnings.begin(), search.warnings.end(), [](const auto& one, const auto& other) {
        return std::tie(one.line, one.column, one.message) < std::tie(other.line, other.column, other.message);
    });
    return std::move(search.warnings);
}

} // namespace baton::cli
