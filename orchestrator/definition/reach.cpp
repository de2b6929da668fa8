// What expressions may read.
#include "orchestrator/definition/reach.hpp"

#include "orchestrator/definition/absence.hpp"
#include "orchestrator/definition/key_table.hpp"
#include "orchestrator/definition/values.hpp"
#include "orchestrator/definition/words.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace baton::orchestrator::definition {

namespace {

using core::no_step;
using core::StepIndex;

class ReachCheck {
public:
    ReachCheck(const Draft& draft, const Flow& flow, Complaints& complaints)
        : draft_(draft), workflow_(draft.workflow), flow_(flow), complaints_(complaints), absence_(draft.workflow) {
        for (const Use& use : draft.uses)
            if (use.reference.guarded) asked_.insert({use.step, use.reference.root});
        for (const Use& use : draft.uses)
            if (use.reference.guarded && use.reference.root == "input" &&
                !use.reference.path.empty())
                guarded_.insert({use.step, use.reference.path.front().name});
    }

    void check(const Use& use) {
        const std::string& root = use.reference.root;
        if (is_own_name(use)) return;
        // In a run key there is nothing but the input yet.
        if (use.scope == Scope::run_key && root != "input") {
            complain(use, "only input can be read here, because there is no run yet");
        } else if (root == "input") {
            check_input(use);
        } else if (root == "vars") {
            check_vars(use);
        } else if (root == "run") {
            check_run(use);
        } else if (contains(root_names(), root)) {
            check_place(use);
        } else {
            check_step(use);
        }
    }

private:
    void complain(const Use& use, std::string message, std::string hint = {}) {
        complaints_.inside(About::data, *use.text, use.reference.offset, use.reference.length,
                           std::move(message), std::move(hint));
    }

    bool is_own_name(const Use& use) const {
        for (StepIndex at = use.step; at != no_step; at = workflow_.steps[at].parent) {
            const auto& names = draft_.steps[at].own_names;
            if (std::find(names.begin(), names.end(), use.reference.root) != names.end())
                return true;
        }
        return false;
    }

    void check_input(const Use& use) {
        if (!draft_.input_is_known || use.reference.path.empty()) return;
        const std::string& name = use.reference.path.front().name;
        std::vector<std::string> names;
        for (const core::SchemaField& field : workflow_.input) {
            if (field.name == name) return check_presence(use, field);
            names.push_back(field.name);
        }
        complain(use, fmt::format("the workflow has no input '{}'", name), hint_for(name, names));
    }

    // An input that nobody has to give makes the expression fail when it is not given.
    void check_presence(const Use& use, const core::SchemaField& field) {
        if (field.required || field.fallback || use.reference.guarded) return;
        if (guarded_.contains({use.step, field.name})) return;
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                fmt::format("input '{}' may not be given", field.name),
                                fmt::format("write default(input.{}, ..), or give it a default in "
                                            "[input]",
                                            field.name));
    }

    void check_vars(const Use& use) {
        if (!draft_.vars_are_known || use.reference.path.empty()) return;
        const std::string& name = use.reference.path.front().name;
        std::vector<std::string> names;
        if (const auto* vars = workflow_.vars.json().if_object()) {
            if (vars->contains(name)) return;
            for (const auto& var : *vars)
                names.emplace_back(var.key());
        }
        complain(use, fmt::format("[vars] has no '{}'", name), hint_for(name, names));
    }

    void check_run(const Use& use) {
        if (use.reference.path.empty()) return;
        const std::string& name = use.reference.path.front().name;
        if (contains(run_fields(), name)) return;
        complain(use, fmt::format("a run has no '{}'", name), did_you_mean(name, run_fields()));
    }

    std::string hint_for(const std::string& name, const std::vector<std::string>& names) const {
        return complaints_.is_full() ? std::string{} : did_you_mean(name, names);
    }

    // Roots that exist only in certain places.
    void check_place(const Use& use) {
        const std::string& root = use.reference.root;
        if (root == "result") {
            if (use.scope != Scope::step_output)
                complain(use, "result can only be read in the output of its step");
        } else if (root == "error") {
            if (use.scope != Scope::catch_output)
                complain(use, "error can only be read in the output of a catch rule");
        } else if (root == "secret" && use.scope != Scope::with && use.scope != Scope::compensate) {
            complain(use, "secret can only be read inside with");
        } else {
            complain(use, not_available(root));
        }
    }

    void check_step(const Use& use) {
        const auto found = workflow_.by_id.find(use.reference.root);
        if (found == workflow_.by_id.end()) return complain_unknown(use);
        const StepIndex target = found->second;
        if (use.step != no_step && target == use.step) return check_own_result(use);
        if (is_around(target, use.step)) {
            complain(use, fmt::format("'{}' is the block this step is in", use.reference.root),
                     "its steps are read by their own names");
            return;
        }
        if (is_child_in_output(use, target)) return;
        if (!is_in_sight(target, use.step)) {
            complain(use,
                     fmt::format("'{}' is inside '{}'", use.reference.root,
                                 workflow_.steps[workflow_.steps[target].parent].path),
                     fmt::format("write {}", workflow_.steps[target].path));
            return;
        }
        check_path(use, target, 0);
    }

    // `target` is what the reference means so far, up to `depth` parts of its path.
    void check_path(const Use& use, StepIndex target, std::size_t depth) {
        const core::Step& step = workflow_.steps[target];
        const auto& path = use.reference.path;
        // A block that is repeated has a result of its own shape, not of its steps.
        const bool is_repeated = !draft_.steps[target].own_names.empty();
        const bool shows_children =
            !step.children.empty() && !step.output && !is_repeated && depth < path.size();
        if (!shows_children) return check_finished(use, target);
        std::vector<std::string> names;
        for (const StepIndex child : step.children) {
            if (workflow_.steps[child].id == path[depth].name)
                return check_path(use, child, depth + 1);
            names.push_back(workflow_.steps[child].id);
        }
        complain(use, fmt::format("'{}' has no step '{}'", step.path, path[depth].name),
                 hint_for(path[depth].name, names));
    }

    void check_finished(const Use& use, StepIndex target) {
        // [output] is filled in when everything is finished
        if (use.step == no_step) return check_result(use, target);
        if (!flow_.is_known(use.step) || draft_.steps[target].place_is_unknown) return;
        for (StepIndex at = target; at != no_step; at = workflow_.steps[at].parent)
            if (flow_.is_finished_before(at, use.step)) return check_result(use, target);
        const std::string& path = workflow_.steps[target].path;
        std::string hint;
        if (flow_.is_finished_before(use.step, target))
            hint = "it begins after this step";
        else if (const auto& after = draft_.steps[use.step].after; after && !after->empty())
            hint = fmt::format("add \"{}\" to after", path);
        else
            hint = fmt::format("add after = [\"{}\"]", path);
        complain(use, fmt::format("'{}' is not finished before this step", path), std::move(hint));
    }

    // Finished is not yet done: what was skipped, say, has no result.
    void check_result(const Use& use, StepIndex target) {
        if (use.reference.guarded || asked_.contains({use.step, use.reference.root})) return;
        const std::string reason = absence_.why(target, use.step);
        if (reason.empty()) return;
        const std::string& path = workflow_.steps[target].path;
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                fmt::format("'{}' may have no result: {}", path, reason),
                                fmt::format("write default({}, ..), or ask with has({})", path, path));
    }

    void check_own_result(const Use& use) {
        if (use.scope == Scope::compensate) return check_undo(use);
        complain(use, fmt::format("'{}' has no result yet", use.reference.root),
                 use.scope == Scope::step_output ? "its output reads it as result"
                                                 : "a step cannot read itself");
    }

    // An undo after an attempt of which nobody knows whether it took effect has no result to read.
    void check_undo(const Use& use) {
        const auto& undo = workflow_.steps[use.step].compensate;
        if (!undo || undo->on != core::Compensation::On::attempted) return;
        if (use.reference.guarded || asked_.contains({use.step, use.reference.root})) return;
        const std::string& path = workflow_.steps[use.step].path;
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                fmt::format("'{}' may have no result: its undo also runs when nobody knows whether an "
                                            "attempt took effect (on = \"attempted\"), and fails then",
                                            path),
                                fmt::format("write default({}, ..), or ask with has({}) in when", path, path));
    }

    // The output of a block reads the block's steps by their own names.
    bool is_child_in_output(const Use& use, StepIndex target) const {
        return use.scope == Scope::step_output && workflow_.steps[target].parent == use.step;
    }

    bool is_around(StepIndex block, StepIndex step) const {
        if (step == no_step) return false;
        for (StepIndex at = workflow_.steps[step].parent; at != no_step;
             at = workflow_.steps[at].parent)
            if (at == block) return true;
        return false;
    }

    bool is_in_sight(StepIndex target, StepIndex from) const {
        const StepIndex parent = workflow_.steps[target].parent;
        return parent == no_step || is_around(parent, from);
    }

    void complain_unknown(const Use& use) {
        const std::string& root = use.reference.root;
        std::vector<std::string> names;
        for (StepIndex i = 0; i < workflow_.steps.size() && !complaints_.is_full(); ++i)
            if (is_in_sight(i, use.step) && !workflow_.steps[i].id.empty())
                names.push_back(workflow_.steps[i].id);
        names.insert(names.end(), {"input", "vars", "run"});
        std::string hint = hint_for(root, names);
        // Someone who leaves out `input.` means the input.
        for (const core::SchemaField& field : workflow_.input)
            if (hint.empty() && field.name == root) hint = fmt::format("write input.{}", root);
        complain(use, fmt::format("no step '{}'", root), std::move(hint));
    }

    const Draft& draft_;
    const core::Workflow& workflow_;
    const Flow& flow_;
    Complaints& complaints_;
    // Inputs a step asks for with has() or default() somewhere: it knows that they may be missing.
    std::set<std::pair<StepIndex, std::string>> guarded_;
    // The same for results of steps.
    std::set<std::pair<StepIndex, std::string>> asked_;
    Absence absence_;
};

} // namespace

void check_reach(const Draft& draft, const Flow& flow, Complaints& complaints) {
    ReachCheck check(draft, flow, complaints);
    for (const Use& use : draft.uses)
        check.check(use);
}

} // namespace baton::orchestrator::definition
