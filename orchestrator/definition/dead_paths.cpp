// Conditions are tried with every input they can meet.
#include "orchestrator/definition/dead_paths.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::orchestrator::definition {

namespace {

namespace json = boost::json;
using core::no_step;
using core::StepIndex;
using expression::Program;

// More combinations of inputs than these are not tried.
constexpr std::size_t combinations_max = 256;

// The inputs some conditions read, with the values each may have.
class Inputs {
public:
    explicit Inputs(const std::vector<core::SchemaField>& fields) : fields_(&fields) {}

    // False if the condition reads anything whose values cannot be counted.
    bool add(const Program& program) {
        for (const expression::Reference& one : program.references()) {
            if (one.root != "input" || one.path.size() != 1) return false;
            const auto field =
                std::ranges::find(*fields_, one.path.front().name, &core::SchemaField::name);
            if (field == fields_->end() || field->schema.nullable) return false;
            if (!field->required && !field->fallback) return false;
            json::array values;
            if (field->schema.type == core::Schema::Type::boolean) values = {false, true};
            for (const core::Document& one_of : field->schema.allowed)
                values.push_back(one_of.json());
            if (values.empty()) return false;
            values_[field->name] = std::move(values);
        }
        std::size_t combinations = 1;
        for (const auto& [name, values] : values_)
            combinations = std::min(combinations * values.size(), combinations_max + 1);
        return combinations <= combinations_max;
    }

    bool reads_any() const { return !values_.empty(); }

    std::vector<json::object> combinations() const {
        std::vector<json::object> all{json::object{}};
        for (const auto& [name, values] : values_) {
            std::vector<json::object> longer;
            for (const json::object& so_far : all)
                for (const json::value& value : values) {
                    longer.push_back(so_far);
                    longer.back()[name] = value;
                }
            all = std::move(longer);
        }
        return all;
    }

private:
    const std::vector<core::SchemaField>* fields_;
    std::map<std::string, json::array> values_;
};

std::optional<bool> holds(const Program& program, const json::object& input) {
    const json::object bindings{{"input", input}};
    const auto value = expression::evaluate(program, bindings);
    if (!value || value->kind() != expression::Kind::boolean) return std::nullopt;
    return value->as_boolean();
}

class Search {
public:
    Search(const Draft& draft, Complaints& complaints)
        : draft_(draft),
          workflow_(draft.workflow),
          complaints_(complaints),
          never_(workflow_.steps.size(), false),
          unsent_(workflow_.steps.size(), false) {}

    void run() {
        for (StepIndex i = 0; i < workflow_.steps.size() && !complaints_.is_full(); ++i) {
            look_at_when(i);
            look_at_cases(i);
            look_at_rules(i);
            look_at_undo(i);
            look_at_verify(i);
        }
    }

private:
    void look_at_when(StepIndex index) {
        const core::Step& step = workflow_.steps[index];
        const TomlNode* text = draft_.steps[index].table->find("when");
        if (!step.when || text == nullptr || never_[index]) return;
        Inputs inputs(workflow_.input);
        if (!inputs.add(*step.when)) return;
        for (const json::object& input : inputs.combinations())
            if (holds(*step.when, input) != std::optional(false)) return;
        warn(*text,
             fmt::format("'{}' never runs: its when is false {}", step.path, whenever(inputs)),
             index);
    }

    static std::string_view whenever(const Inputs& inputs) {
        return inputs.reads_any() ? "with every input" : "whatever happens";
    }

    void look_at_cases(StepIndex index) {
        const auto* choice = std::get_if<core::SwitchKind>(&workflow_.steps[index].kind);
        const TomlNode* list = draft_.steps[index].table->find("switch");
        if (choice == nullptr || list == nullptr || never_[index]) return;
        Inputs inputs(workflow_.input);
        std::vector<std::size_t> counted; // cases that are decided by what can be counted
        for (std::size_t at = 0; at < choice->cases.size(); ++at) {
            Inputs with_this = inputs;
            if (!choice->cases[at].when || !with_this.add(*choice->cases[at].when)) continue;
            inputs = std::move(with_this);
            counted.push_back(at);
        }
        std::map<std::size_t, bool> is_taken, may_hold;
        for (const json::object& input : inputs.combinations()) {
            bool is_decided = false;
            for (const std::size_t at : counted) {
                const auto answer = holds(*choice->cases[at].when, input);
                if (answer == std::optional(false)) continue;
                may_hold[at] = true;
                if (!is_decided) is_taken[at] = true;
                // An error decides as well: the step fails.
                is_decided = true;
            }
        }
        for (const std::size_t at : counted) {
            if (is_taken[at] || at >= list->items.size()) continue;
            const TomlNode* text = list->items[at].find("when");
            if (text == nullptr) continue;
            untaken_.insert({index, at});
            warn(*text,
                 may_hold[at] ? "this case is never taken: whenever it holds, one before it does"
                              : fmt::format("this case is never taken: its when is false {}",
                                            whenever(inputs)),
                 no_step);
        }
    }

    // Says the cause, and what does not run because of it. `cause` itself is no consequence.
    void warn(const TomlNode& text, std::string message, StepIndex cause) {
        const std::vector<bool> before = never_;
        if (cause != no_step) never_[cause] = true;
        spread();
        std::vector<std::string> names;
        for (StepIndex i = 0; i < workflow_.steps.size(); ++i)
            if (never_[i] && !before[i] && i != cause && !is_inside_of_new(i, before))
                names.push_back("'" + workflow_.steps[i].path + "'");
        std::string hint;
        for (std::size_t i = 0; i < names.size(); ++i)
            hint += fmt::format("{}{}",
                                i == 0                  ? ""
                                : i + 1 == names.size() ? " and "
                                                        : ", ",
                                names[i]);
        if (!hint.empty())
            hint = fmt::format("so {} never {}", hint, names.size() == 1 ? "runs" : "run");
        complaints_.warn_inside(About::order_of_steps, text, 0, text.text.size(),
                                std::move(message), std::move(hint));
    }

    // The steps of a block are not named beside it.
    bool is_inside_of_new(StepIndex index, const std::vector<bool>& before) const {
        const StepIndex parent = workflow_.steps[index].parent;
        return parent != no_step && never_[parent] && !before[parent];
    }

    void spread() {
        for (bool is_new = true; is_new;) {
            is_new = false;
            for (StepIndex i = 0; i < workflow_.steps.size(); ++i) {
                if (never_[i] || !is_out_of_reach(i)) continue;
                never_[i] = is_new = true;
            }
        }
    }

    bool is_out_of_reach(StepIndex index) {
        const core::Step& step = workflow_.steps[index];
        if (step.parent != no_step && never_[step.parent]) return true;
        if (step.only_by_go)
            unsent_[index] = std::ranges::none_of(
                step.senders, [&](StepIndex sender) { return may_send(sender, index); });
        else
            // A step that its own `when` passed over lets its followers go on; a dead path does
            // not.
            unsent_[index] =
                !step.predecessors.empty() &&
                std::ranges::all_of(step.predecessors, [&](StepIndex one) { return unsent_[one]; });
        return unsent_[index];
    }

    bool may_send(StepIndex sender, StepIndex target) const {
        if (never_[sender]) return false;
        const core::Step& step = workflow_.steps[sender];
        const auto* choice = std::get_if<core::SwitchKind>(&step.kind);
        if (choice == nullptr) return true;
        for (std::size_t at = 0; at < choice->cases.size(); ++at)
            if (!untaken_.contains({sender, at}) &&
                std::ranges::find(choice->cases[at].go, target) != choice->cases[at].go.end())
                return true;
        return false;
    }

    // The first rule that fits decides, so one behind a wider one never does.
    void look_at_rules(StepIndex index) {
        const auto& rules = workflow_.steps[index].catches;
        const TomlNode* list = draft_.steps[index].table->find("catch");
        for (std::size_t at = 1; list != nullptr && at < std::min(rules.size(), list->items.size());
             ++at) {
            const auto wider =
                std::find_if(rules.begin(), rules.begin() + static_cast<std::ptrdiff_t>(at),
                             [&](const core::CatchRule& one) {
                                 return takes_all_of(one.error, rules[at].error);
                             });
            const TomlNode* text = list->items[at].find("error");
            if (wider == rules.begin() + static_cast<std::ptrdiff_t>(at) || text == nullptr)
                continue;
            complaints_.warn_inside(
                About::order_of_steps, *text, 0, text->text.size(),
                fmt::format("this rule is never used: \"{}\" before it takes all that it fits",
                            wider->error.text),
                "the first rule that fits decides");
        }
    }

    static bool takes_all_of(const core::ErrorPattern& wide, const core::ErrorPattern& narrow) {
        if (wide.text == "*" || wide.text == narrow.text) return true;
        const bool is_prefix = narrow.text.ends_with(".*");
        return is_prefix ? wide.text.ends_with(".*") &&
                               wide.matches(narrow.text.substr(0, narrow.text.size() - 2))
                         : wide.matches(narrow.text);
    }

    static bool is_task(const core::Step& step) {
        const auto* task = std::get_if<core::TaskKind>(&step.kind);
        return task != nullptr && !task->call.is_workflow;
    }

    // An attempt whose time is up may have done its work and never have said so.
    void look_at_undo(StepIndex index) {
        const core::Step& step = workflow_.steps[index];
        const TomlNode& table = *draft_.steps[index].table;
        const TomlNode* undo = table.find("compensate");
        if (!step.compensate || step.verify || undo == nullptr || !is_task(step) ||
            undo->find("on") != nullptr)
            return;
        const TomlNode* timeout = table.find("timeout");
        const bool is_bounded =
            timeout != nullptr &&
            (!timeout->is_table() || timeout->find("start_to_close") != nullptr ||
             timeout->find("heartbeat") != nullptr ||
             timeout->find("schedule_to_close") != nullptr);
        if (!is_bounded && table.find("on_timeout") == nullptr) return;
        complaints_.warn_at_value(*undo,
                                  fmt::format("'{}' may have taken effect when its time is up and "
                                              "nobody heard of it, and is not undone then",
                                              step.path),
                                  "add on = \"attempted\", or on = \"completed\" if that is meant");
    }

    // The broker gives the task of a worker that died to another one, which nobody hears of.
    void look_at_verify(StepIndex index) {
        const core::Step& step = workflow_.steps[index];
        const TomlNode* verify = draft_.steps[index].table->find("verify");
        const auto* task = std::get_if<core::TaskKind>(&step.kind);
        if (!step.verify || verify == nullptr || task == nullptr || task->call.timeouts.heartbeat)
            return;
        complaints_.warn_at_value(
            *verify,
            fmt::format("when a worker of '{}' dies, another one gets its task, and nobody looks "
                        "before",
                        step.path),
            "with timeout = { heartbeat = \"30s\" } the silence is noticed, and looked at");
    }

    const Draft& draft_;
    const core::Workflow& workflow_;
    Complaints& complaints_;
    std::vector<bool> never_;                             // it does not run, whatever happens
    std::vector<bool> unsent_;                            // and counts as a dead path
    std::set<std::pair<StepIndex, std::size_t>> untaken_; // cases
};

} // namespace

void warn_of_dead_paths(const Draft& draft, Complaints& complaints) {
    if (complaints.has_errors()) return;
    Search(draft, complaints).run();
}

} // namespace baton::orchestrator::definition
