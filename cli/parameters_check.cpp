// Calls are found in the file's tables: a step's own and its undo, however deep it stands.
#include "cli/parameters_check.hpp"

#include "orchestrator/definition/toml_document.hpp"
#include "workers/parameters_check.hpp"
#include "workers/schemas.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

namespace baton::cli {

namespace definition = orchestrator::definition;

namespace {

class Search {
public:
    Search(std::string_view file, const OfferedTasks& offered) : file_(file), offered_(offered) {}

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
        std::vector<workers::Given> given;
        if (with != nullptr)
            for (const definition::TomlEntry& entry : with->entries) given.push_back({entry.key, definition::to_json(entry.value)});
        for (const auto& complaint : complaints_about(task.text, given)) {
            definition::Diagnostic one;
            one.file = file_;
            one.severity = definition::Severity::warning;
            one.message = complaint.message;
            one.hint = complaint.hint;
            place(one, complaint.parameter, task, with);
            warnings.push_back(std::move(one));
        }
    }

    // Where workers differ, whoever takes it best may get it.
    std::vector<workers::Complaint> complaints_about(const std::string& task, const std::vector<workers::Given>& given) const {
        std::optional<std::vector<workers::Complaint>> fewest;
        const auto [from, to] = offered_.equal_range(task);
        for (auto one = from; one != to; ++one) {
            auto said = workers::complaints_about(task, one->second, given);
            if (!fewest || said.size() < fewest->size()) fewest = std::move(said);
        }
        if (fewest) return std::move(*fewest);
        const workers::TaskSchema* own = workers::task_schema(task);
        return own ? workers::complaints_about(task, own->parameters, given) : std::vector<workers::Complaint>{};
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
    const OfferedTasks& offered_;
};

} // namespace

OfferedTasks offered_tasks(const boost::json::value& answer) {
    OfferedTasks all;
    const auto* list = answer.if_array();
    if (!list) return all;
    for (const auto& one : *list) {
        const auto* offer = one.if_object();
        const auto* task = offer ? offer->if_contains("task") : nullptr;
        const auto* parameters = offer ? offer->if_contains("parameters") : nullptr;
        if (task && task->is_string() && parameters && parameters->is_object())
            all.emplace(std::string(task->get_string()), parameters->get_object());
    }
    return all;
}

std::vector<definition::Diagnostic> parameter_warnings(std::string_view source, std::string_view file, const OfferedTasks& offered) {
    const auto document = definition::parse_toml(source, file);
    if (!document.diagnostics.empty()) return {};
    Search search(file, offered);
    search.steps_in(document.root);
    std::sort(search.warnings.begin(), search.warnings.end(), [](const auto& one, const auto& other) {
        return std::tie(one.line, one.column, one.message) < std::tie(other.line, other.column, other.message);
    });
    return std::move(search.warnings);
}

} // namespace baton::cli
