// Calls are found in the file's tables: a step's own and its undo, however deep it stands.
#include "cli/parameters_check.hpp"

#include "orchestrator/definition/toml_document.hpp"
#include "workers/parameters_check.hpp"
#include "workers/schemas.hpp"

#include <algorithm>
#include <optional>
#include <set>
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
            if (entry.key != "with" && entry.key != "set" && entry.key != "output" && entry.key != "input" && entry.key != "vars" && entry.key != "verify" && entry.key != "http")
                steps_in(entry.value);
        if (const definition::TomlNode* http = node.find("http"); http != nullptr && http->is_table()) note("http.call", *http);
        if (const definition::TomlNode* program = node.find("transform"); program != nullptr && program->is_text())
            note("transform.jq", *program);
        if (const definition::TomlNode* verify = node.find("verify")) look(*verify, node.find("with"));
        const definition::TomlNode* task = node.find("task");
        if (task == nullptr || !task->is_text()) return;
        note(*task, node.find("queue"));
        call(*task, node.find("with"));
    }

    std::vector<definition::Diagnostic> warnings;
    std::vector<CallPlace> calls;

private:
    // What says nothing itself is given what its step is given.
    void look(const definition::TomlNode& verify, const definition::TomlNode* with) {
        const definition::TomlNode* task = verify.find("task");
        if (task == nullptr || !task->is_text()) return;
        note(*task, verify.find("queue"));
        const definition::TomlNode* own = verify.find("with");
        call(*task, own != nullptr ? own : with);
    }

    void note(const definition::TomlNode& task, const definition::TomlNode* queue) {
        note(queue != nullptr && queue->is_text() ? task.text + "." + queue->text : task.text, task);
    }

    void note(std::string route, const definition::TomlNode& task) {
        CallPlace one;
        one.route = std::move(route);
        one.at.file = file_;
        one.at.severity = definition::Severity::warning;
        place(one.at, {}, task, nullptr);
        calls.push_back(std::move(one));
    }

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

namespace {

std::optional<orchestrator::expression::Kind> kind_of(const boost::json::value& schema) {
    using orchestrator::expression::Kind;
    const auto* type = schema.is_object() ? schema.get_object().if_contains("type") : nullptr;
    if (type == nullptr || !type->is_string()) return std::nullopt;
    const std::string_view word(type->get_string());
    if (word == "string") return Kind::text;
    if (word == "integer") return Kind::integer;
    if (word == "boolean") return Kind::boolean;
    if (word == "array") return Kind::list;
    if (word == "object") return Kind::map;
    return std::nullopt;
}

// Null unless the schema says which members there are, and leaves it at them.
const boost::json::object* members_of(const boost::json::object& schema) {
    const auto* more = schema.if_contains("additionalProperties");
    if (more != nullptr && (more->is_object() || *more == boost::json::value(true))) return nullptr;
    const auto* properties = schema.if_contains("properties");
    return properties != nullptr && properties->is_object() && !properties->get_object().empty() ? &properties->get_object() : nullptr;
}

// Of workers that differ, what any of them gives, with the kinds they agree on.
void add_fields(definition::ResultFields& fields, const boost::json::object& members) {
    for (const auto& member : members) {
        const auto kind = kind_of(member.value());
        const auto [known, is_new] = fields.emplace(member.key(), kind);
        if (!is_new && known->second != kind) known->second = std::nullopt;
    }
}

} // namespace

definition::TaskResults known_results(const boost::json::value& answer) {
    definition::TaskResults results;
    for (const workers::TaskSchema& own : workers::task_schemas())
        if (const auto* members = members_of(own.result)) add_fields(results[own.task], *members);
    std::set<std::string> said, open;
    for (const auto& one : answer.is_array() ? answer.get_array() : boost::json::array{}) {
        const auto* offer = one.if_object();
        const auto* task = offer ? offer->if_contains("task") : nullptr;
        if (!task || !task->is_string()) continue;
        const std::string name(task->get_string());
        if (said.insert(name).second) results.erase(name);
        const auto* result = offer->if_contains("result");
        const auto* members = result && result->is_object() ? members_of(result->get_object()) : nullptr;
        if (members == nullptr)
            open.insert(name);
        else
            add_fields(results[name], *members);
    }
    for (const std::string& name : open)
        results.erase(name);
    return results;
}

std::vector<CallPlace> calls_in(std::string_view source, std::string_view file) {
    const auto document = definition::parse_toml(source, file);
    if (!document.diagnostics.empty()) return {};
    const OfferedTasks nothing;
    Search search(file, nothing);
    search.steps_in(document.root);
    return std::move(search.calls);
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
