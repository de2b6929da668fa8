// The top level of a file.
#include "orchestrator/definition/workflow_reader.hpp"

#include "orchestrator/definition/call_reader.hpp"
#include "orchestrator/definition/expression_reader.hpp"
#include "orchestrator/definition/input_reader.hpp"
#include "orchestrator/definition/step_reader.hpp"
#include "orchestrator/definition/trigger_reader.hpp"
#include "orchestrator/definition/values.hpp"
#include "orchestrator/definition/words.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace baton::orchestrator::definition {

namespace {

// More are refused where a run starts.
constexpr std::size_t labels_max = 16;

class WorkflowReader {
public:
    WorkflowReader(const TomlNode& root, Complaints& complaints, const TaskResults* results, const SchemaTexts::Find& schema)
        : root_(root),
          complaints_(complaints),
          values_(complaints),
          expressions_(draft_, complaints) {
        draft_.results = results;
        draft_.schemas.find = schema;
    }

    Draft read() {
        if (root_.entries.empty()) {
            complaints_.add(About::keys, {}, 1, "the file says nothing",
                            "a workflow begins with workflow = \"name\" and has [[step]]s");
            return std::move(draft_);
        }
        const bool has_wrong_keys = values_.check_keys(root_, workflow_keys);
        read_name(has_wrong_keys);
        for (const TomlEntry& entry : root_.entries)
            read_setting(entry);
        defaults_.priority = draft_.workflow.priority;
        // In this order whatever the order of the file: expressions are checked against the input,
        // and calls begin with the defaults.
        if (const TomlNode* schemas = root_.find("schemas")) read_schemas(*schemas);
        for (const TomlEntry& entry : root_.entries)
            read_data(entry);
        for (const auto& [name, limit] : draft_.workflow.limits) defaults_.limits.insert(name);
        read_steps(has_wrong_keys);
        for (const TomlEntry& entry : root_.entries)
            read_expressions(entry);
        return std::move(draft_);
    }

private:
    void read_name(bool has_wrong_keys) {
        for (const TomlEntry& entry : root_.entries) {
            if (entry.key != "workflow") continue;
            const auto name = values_.text(entry);
            if (!name) return;
            if (const std::string complaint = complaint_about_name(*name); !complaint.empty())
                complaints_.at_value(entry.value, complaint);
            draft_.workflow.name = *name;
            return;
        }
        if (!has_wrong_keys)
            complaints_.add(About::keys, {}, 1, "the workflow has no name",
                            "begin with workflow = \"name\"");
    }

    void read_setting(const TomlEntry& entry) {
        core::Workflow& workflow = draft_.workflow;
        const std::string& key = entry.key;
        if (key == "description") workflow.description = values_.text(entry).value_or("");
        if (key == "timeout") {
            workflow.timeout = values_.duration(entry);
            if (workflow.timeout && workflow.timeout->count() == 0)
                complaints_.at_value(entry.value, "timeout must be longer than 0");
        }
        if (key == "retention") {
            workflow.retention = values_.duration(entry);
            if (workflow.retention && *workflow.retention < std::chrono::minutes(1))
                complaints_.at_value(entry.value, "retention must be a minute at least", "a run that has just ended is still read");
        }
        if (key == "priority")
            workflow.priority = static_cast<std::uint8_t>(values_.integer(entry, 0, 9).value_or(4));
        if (key == "on_failure") read_on_failure(entry);
        if (key == "on_cancel") {
            const auto word = values_.word(entry, {"stop", "compensate"});
            if (word && *word == "compensate") workflow.on_cancel = core::OnCancel::compensate;
        }
    }

    void read_on_failure(const TomlEntry& entry) {
        const auto word = values_.word(entry, {"fail", "continue", "compensate", "pause"});
        if (!word) return;
        if (*word == "continue") draft_.workflow.on_failure = core::OnFailure::go_on;
        if (*word == "compensate") draft_.workflow.on_failure = core::OnFailure::compensate;
        if (*word == "pause") draft_.workflow.on_failure = core::OnFailure::pause;
    }

    void read_schemas(const TomlNode& node) {
        draft_.schemas.has_own = true;
        if (!node.is_table())
            return complaints_.at_value(node, "schemas must be a table: the name of each, and its text in JSON");
        for (const TomlEntry& entry : node.entries) {
            const auto text = values_.text(entry);
            if (!text) continue;
            draft_.schemas.own.emplace(entry.key, *text);
        }
    }

    void read_data(const TomlEntry& entry) {
        if (entry.key == "input") {
            if (values_.table(entry, "{ email = \"string\" }") != nullptr)
                draft_.workflow.input = read_input(entry.value, values_, draft_.schemas);
            draft_.input_is_known = entry.value.is_table();
        }
        if (entry.key == "limits") read_limits(entry);
        if (entry.key == "vars") {
            draft_.vars_are_known = values_.table(entry, "{ page_size = 200 }") != nullptr;
            if (draft_.vars_are_known) {
                check_constant(entry.value);
                draft_.workflow.vars = core::Document::of(to_json(entry.value));
            }
        }
        if (entry.key == "defaults" && values_.table(entry, "{ timeout = \"30s\" }") != nullptr)
            defaults_ = CallReader(values_, expressions_).defaults(entry.value, draft_.workflow.priority);
    }

    void read_limits(const TomlEntry& entry) {
        if (values_.table(entry, "{ redmine = { rate = \"20/s\", max_concurrent = 10 } }") == nullptr) return;
        for (const TomlEntry& one : entry.value.entries) {
            core::Limit limit;
            const TomlNode* table = values_.table(one, "{ rate = \"20/s\", max_concurrent = 10 }");
            if (table != nullptr && values_.check_keys(*table, limit_keys)) table = nullptr;
            if (!core::is_tag_name(one.key))
                complaints_.at_key(one, fmt::format("'{}' cannot name a limit", one.key), "letters, digits, _, . and -, at most 64");
            for (const TomlEntry& part : table != nullptr ? table->entries : std::vector<TomlEntry>{}) {
                if (part.key == "rate") limit.interval = read_rate(part);
                if (part.key == "max_concurrent")
                    limit.max_concurrent = static_cast<std::uint32_t>(values_.integer(part, 1, 1'000'000).value_or(1));
            }
            if (table != nullptr && table->entries.empty())
                complaints_.at_value(one.value, "the limit says nothing", "rate = \"20/s\", max_concurrent = 10, or both");
            draft_.workflow.limits.emplace(one.key, limit); // also a wrong one: steps that name it are right
        }
    }

    // "20/s", "30/m", "100/h": the time between two.
    std::optional<Duration> read_rate(const TomlEntry& entry) {
        const auto text = values_.text(entry);
        if (!text) return std::nullopt;
        std::uint32_t count = 0;
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
        const std::string_view unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
        const Duration time = unit == "/s"   ? Duration(std::chrono::seconds(1))
                              : unit == "/m" ? Duration(std::chrono::minutes(1))
                              : unit == "/h" ? Duration(std::chrono::hours(1))
                                             : Duration::zero();
        constexpr std::uint32_t most = 10'000;
        if (error == std::errc{} && time > Duration::zero() && count > 0 && time / count >= std::chrono::seconds(1) / most)
            return time / count;
        complaints_.at_value(entry.value, fmt::format("\"{}\" is no rate", *text),
                             fmt::format("a whole number from 1 with /s, /m or /h, at most {}/s: \"20/s\"", most));
        return std::nullopt;
    }

    void check_constant(const TomlNode& node) {
        if (const std::size_t dollar = node.text.find("${");
            node.is_text() && dollar != std::string::npos &&
            (dollar == 0 || node.text[dollar - 1] != '$'))
            complaints_.inside(About::keys, node, dollar, 2,
                               "[vars] are constants; ${} has no meaning in them",
                               "a step of kind set computes values");
        for (const TomlNode& item : node.items)
            check_constant(item);
        for (const TomlEntry& entry : node.entries)
            check_constant(entry.value);
    }

    void read_steps(bool has_wrong_keys) {
        for (const TomlEntry& entry : root_.entries) {
            if (entry.key != "step") continue;
            if (entry.value.is_table()) {
                complaints_.at_value(entry.value, "step must be a list of tables",
                                     "write [[step]] with two brackets");
                return;
            }
            const TomlNode* list = values_.tables(entry, "[[step]]");
            if (list == nullptr) return;
            if (list->items.empty()) complaints_.at_value(entry.value, "the workflow has no steps");
            StepReader(draft_, values_, expressions_, defaults_).read_all(*list, core::no_step);
            return read_closing_steps();
        }
        read_closing_steps();
        if (!has_wrong_keys)
            complaints_.add(About::keys, root_.entries.front().at, 1, "the workflow has no steps",
                            "each step begins with [[step]]");
    }

    // [[on_error]] and [[finally]], in the order of their turns.
    void read_closing_steps() {
        for (const core::Phase phase : {core::Phase::on_error, core::Phase::at_end})
            for (const TomlEntry& entry : root_.entries) {
                if (entry.key != core::word_of(phase)) continue;
                const std::string brackets = fmt::format("[[{}]]", entry.key);
                const TomlNode* list = nullptr;
                if (entry.value.is_table())
                    complaints_.at_value(entry.value, fmt::format("{} must be a list of tables", entry.key),
                                         fmt::format("write {} with two brackets", brackets));
                else
                    list = values_.tables(entry, brackets);
                if (list == nullptr) continue;
                if (list->items.empty()) complaints_.at_value(entry.value, fmt::format("{} has no steps", entry.key));
                StepReader(draft_, values_, expressions_, defaults_).read_all(*list, core::no_step, phase);
            }
    }

    void read_expressions(const TomlEntry& entry) {
        if (entry.key == "output")
            draft_.workflow.output =
                expressions_.values(entry.value, core::no_step, Scope::run_output);
        if (entry.key == "idempotency") read_idempotency(entry);
        if (entry.key == "concurrency") read_concurrency(entry);
        if (entry.key == "labels") read_labels(entry);
        if (entry.key == "on") read_on(entry);
    }

    void read_on(const TomlEntry& entry) {
        if (entry.value.is_table())
            return complaints_.at_value(entry.value, "on must be a list of tables", "write [[on]] with two brackets");
        if (const TomlNode* list = values_.tables(entry, "[[on]]")) read_triggers(*list, draft_, values_, expressions_);
    }

    void read_labels(const TomlEntry& entry) {
        if (values_.table(entry, "{ team = \"platform\" }") == nullptr) return;
        if (entry.value.entries.size() > labels_max)
            complaints_.at_key(entry.value.entries[labels_max], fmt::format("a run may have {} labels, here are {}", labels_max,
                                                                            entry.value.entries.size()));
        for (const TomlEntry& label : entry.value.entries) {
            if (!values_.text(label)) continue;
            if (!core::is_tag_name(label.key))
                complaints_.at_key(label, fmt::format("'{}' cannot name a label", label.key),
                                   "letters, digits, _, . and -, at most 64");
            if (auto value = expressions_.values(label.value, core::no_step, Scope::run_key))
                draft_.workflow.labels.emplace(label.key, std::move(*value));
        }
    }

    void read_idempotency(const TomlEntry& entry) {
        const TomlNode* table = values_.table(entry, "{ key = \"input.email\" }");
        if (table == nullptr) return;
        const bool has_wrong_keys = values_.check_keys(*table, idempotency_keys);
        std::optional<expression::Program> key;
        std::optional<Duration> window;
        core::Idempotency::OnDuplicate on_duplicate =
            core::Idempotency::OnDuplicate::return_existing;
        for (const TomlEntry& part : table->entries) {
            if (part.key == "key") key = expressions_.program(part, core::no_step, Scope::run_key);
            if (part.key == "window") window = values_.duration(part);
            if (part.key != "on_duplicate") continue;
            const auto word = values_.word(part, {"return", "refuse", "restart_failed"});
            if (word && *word == "refuse") on_duplicate = core::Idempotency::OnDuplicate::refuse;
            if (word && *word == "restart_failed")
                on_duplicate = core::Idempotency::OnDuplicate::restart_failed;
        }
        if (table->find("key") == nullptr && !has_wrong_keys)
            complaints_.at_value(*table, "idempotency has no key",
                                 "an expression that is the same for the same run, such as "
                                 "key = \"input.email\"");
        if (key)
            draft_.workflow.idempotency = core::Idempotency{std::move(*key), window, on_duplicate};
    }

    void read_concurrency(const TomlEntry& entry) {
        const TomlNode* table = values_.table(entry, "{ key = \"input.email\", limit = 1 }");
        if (table == nullptr) return;
        const bool has_wrong_keys = values_.check_keys(*table, concurrency_keys);
        std::optional<expression::Program> key;
        std::uint32_t limit = 1;
        auto on_limit = core::Concurrency::OnLimit::queue;
        for (const TomlEntry& part : table->entries) {
            if (part.key == "key") key = expressions_.program(part, core::no_step, Scope::run_key);
            if (part.key == "limit")
                limit = static_cast<std::uint32_t>(values_.integer(part, 1, 1'000'000).value_or(1));
            if (part.key != "on_limit") continue;
            const auto word = values_.word(part, {"queue", "skip", "refuse", "replace"});
            if (word && *word == "skip") on_limit = core::Concurrency::OnLimit::skip;
            if (word && *word == "refuse") on_limit = core::Concurrency::OnLimit::refuse;
            if (word && *word == "replace") on_limit = core::Concurrency::OnLimit::replace;
        }
        if (table->find("key") == nullptr && !has_wrong_keys)
            complaints_.at_value(*table, "concurrency has no key",
                                 "an expression over the input, such as key = \"input.email\"; key = \"'all'\" counts all "
                                 "runs of the workflow together");
        if (key) draft_.workflow.concurrency.emplace(core::Concurrency{std::move(*key), limit, on_limit});
    }

    const TomlNode& root_;
    Complaints& complaints_;
    Draft draft_;
    ValueReader values_;
    ExpressionReader expressions_;
    CallDefaults defaults_;
};

} // namespace

Draft read_workflow(const TomlNode& root, Complaints& complaints, const TaskResults* results,
                    const SchemaTexts::Find& schema) {
    return WorkflowReader(root, complaints, results, schema).read();
}

} // namespace baton::orchestrator::definition
