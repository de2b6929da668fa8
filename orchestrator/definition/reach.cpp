// What expressions may read.
#include "orchestrator/definition/reach.hpp"

#include "orchestrator/definition/absence.hpp"
#include "orchestrator/definition/key_table.hpp"
#include "orchestrator/definition/values.hpp"
#include "orchestrator/definition/words.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

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
            if (use.reference.root == "index") counting_.insert(use.text);
        for (const Use& use : draft.uses)
            if (use.reference.guarded && use.reference.root == "input" &&
                !use.reference.path.empty())
                guarded_.insert({use.step, use.reference.path.front().name});
    }

    void check(const Use& use) {
        const std::string& root = use.reference.root;
        if (is_item(use)) return;
        if (!kind_of_trigger(use.scope).empty()) return check_trigger(use);
        // In a run key there is nothing but the input yet.
        if (use.scope == Scope::run_key && root != "input") {
            complain(use, "only input can be read here, because there is no run yet");
        } else if (root == "input") {
            check_input(use);
        } else if (root == "vars") {
            check_vars(use);
        } else if (root == "run") {
            check_run(use);
        } else if (root == "errors") {
            check_errors(use);
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

    // Visits every for_each in whose instances the expression stands, from inside; false stops.
    template <typename Visit>
    void for_each_around(const Use& use, Visit visit) const {
        StepIndex at = instance_around(draft_, use.step, use.scope);
        for (; at != no_step; at = instance_around(draft_, draft_.steps[at].parent, Scope::step))
            if (draft_.steps[at].repeats == Repeats::for_each && !visit(draft_.steps[at], at)) return;
    }

    bool is_item(const Use& use) const {
        bool found = false;
        for_each_around(use, [&](const DraftStep& around, StepIndex) {
            found = found || around.item == use.reference.root;
            return !found;
        });
        return found;
    }

    // Empty: the expression is of a step, or of the workflow.
    static std::string_view kind_of_trigger(Scope scope) {
        if (scope == Scope::cron) return "cron";
        if (scope == Scope::webhook) return "webhook";
        if (scope == Scope::rpc) return "rpc";
        return scope == Scope::event ? "event" : "";
    }

    // Before there is a run: what started it, and constants.
    void check_trigger(const Use& use) {
        const std::string& root = use.reference.root;
        if (root == "vars") return check_vars(use);
        if (root != "event")
            return complain(use, fmt::format("'{}' cannot be read in [[on]], because there is no run yet", root),
                            root == "run" && use.scope == Scope::cron ? "write event.scheduled_at" : "event and vars can");
        if (use.reference.path.empty()) return;
        const std::string& name = use.reference.path.front().name;
        const std::string_view kind = kind_of_trigger(use.scope);
        const auto fields = fields_of_trigger_event(kind);
        if (!contains(fields, name))
            return complain(use,
                            fmt::format("the event of a trigger by {} has no '{}'", kind, name),
                            did_you_mean(name, fields));
        if (use.scope == Scope::webhook) check_header(use);
    }

    // Senders write them as they like; here they are all in small letters.
    void check_header(const Use& use) {
        const auto& path = use.reference.path;
        if (path.front().name != "headers" || path.size() < 2) return;
        std::string small = path[1].name;
        std::transform(small.begin(), small.end(), small.begin(),
                       [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
        if (small != path[1].name)
            complain(use, fmt::format("headers are named in small letters, and none is called '{}'", path[1].name),
                     fmt::format("write event.headers['{}']", small));
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
        if (contains(ending_run_fields(), name)) return check_end(use, name);
        complain(use, fmt::format("a run has no '{}'", name), did_you_mean(name, run_fields()));
    }

    // `run.status` and `run.error`, which a run has when it ends.
    void check_end(const Use& use, const std::string& name) {
        const core::Phase phase = use.step == no_step ? core::Phase::main : draft_.steps[use.step].phase;
        if (phase == core::Phase::main)
            return complain(use, fmt::format("run.{} can only be read in [[on_error]] and [[finally]]", name));
        if (name != "error" || phase == core::Phase::on_error || use.reference.guarded || asked_.contains({use.step, "run"}))
            return;
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                "the run may have no error: [[finally]] runs whatever its end",
                                "write default(run.error, ..), or ask with has(run.error)");
    }

    // `errors.STEP`
    void check_errors(const Use& use) {
        const auto& path = use.reference.path;
        if (path.empty())
            return complain(use, "errors are read by the names of their steps", "write errors.STEP.type, say");
        const auto found = workflow_.by_id.find(path.front().name);
        if (found == workflow_.by_id.end()) {
            std::vector<std::string> names;
            for (StepIndex i = 0; i < workflow_.steps.size() && !complaints_.is_full(); ++i)
                if (border_between(draft_, i, use.step == no_step ? i : use.step) == no_step)
                    names.push_back(workflow_.steps[i].id);
            return complain(use, fmt::format("no step '{}'", path.front().name), hint_for(path.front().name, names));
        }
        const StepIndex target = found->second;
        if (path.size() > 1 && !contains(error_fields(), path[1].name))
            return complain(use, fmt::format("an error has no '{}'", path[1].name),
                            did_you_mean(path[1].name, error_fields()));
        const StepIndex border = use.step == no_step ? instance_around(draft_, draft_.steps[target].parent, Scope::step)
                                                     : border_between(draft_, target, use.step);
        if (border != no_step)
            return complain(use, fmt::format("'{}' is inside '{}', which is repeated", workflow_.steps[target].path,
                                             workflow_.steps[border].path));
        if (use.step == no_step) return;
        if (use.step == target || is_around(draft_, target, use.step))
            return complain(use, fmt::format("'{}' is not finished before this step", workflow_.steps[target].path));
        if (complain_unfinished(use, target) || use.reference.guarded || asked_.contains({use.step, "errors"})) return;
        if (absence_.follows_a_failure(use.step, target)) return;
        const std::string name = fmt::format("errors.{}", path.front().name);
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                fmt::format("'{}' may have no error", workflow_.steps[target].path),
                                fmt::format("write default({}, ..), or ask with has({})", name, name));
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
        } else if (root == "secret") {
            check_secret(use);
        } else if (root == "index") {
            if (instance_around(draft_, use.step, use.scope) == no_step) check_index(use);
        } else if (root == "item") {
            check_item(use);
        } else {
            complain(use, fmt::format("{} can only be read in [[on]]", root), "what a run is given of it is its input");
        }
    }

    // A secret goes to a worker and nowhere else: it is filled in when the task is on its way, so nothing can be
    // computed of it, and no result, key or input of a run may hold it.
    void check_secret(const Use& use) {
        if (use.scope != Scope::with && use.scope != Scope::compensate)
            return complain(use, "secret can only be read inside with");
        const auto& reference = use.reference;
        const core::Step& step = workflow_.steps[use.step];
        const auto* task = std::get_if<core::TaskKind>(&step.kind);
        const bool is_of_run = use.scope == Scope::with ? task != nullptr && task->call.is_workflow
                                                        : step.compensate && step.compensate->call.is_workflow;
        if (is_of_run)
            return complain(use, "a secret cannot be the input of a run, which is kept",
                            "let the task in that workflow read it");
        if (reference.path.size() != 1)
            return complain(use, "a secret is read by its name: secret.hr_token");
        const std::string_view text = use.text->text;
        const std::size_t end = reference.path.back().offset + reference.path.back().length;
        const bool is_alone = reference.offset >= 2 && text.substr(reference.offset - 2, 2) == "${" &&
                              end < text.size() && text[end] == '}';
        if (!is_alone)
            complain(use, "nothing can be computed of a secret",
                     fmt::format("write ${{secret.{}}} where the worker needs it", reference.path.front().name));
    }

    bool is_of_whole(const Use& use) const {
        return use.step != no_step && use.scope == Scope::whole && draft_.steps[use.step].repeats != Repeats::no;
    }

    // `index` where there is no instance around.
    void check_index(const Use& use) {
        if (is_of_whole(use))
            complain(use, fmt::format("index is only known to the instances of '{}', not to the step as a whole",
                                      workflow_.steps[use.step].path));
        else
            complain(use, "index can only be read inside a step that is repeated");
    }

    // `item` where nothing is called so.
    void check_item(const Use& use) {
        std::string name;
        for_each_around(use, [&](const DraftStep& around, StepIndex) {
            name = around.item;
            return false;
        });
        if (!name.empty()) return complain(use, fmt::format("the item is called '{}' here", name));
        if (is_of_whole(use) && draft_.steps[use.step].item == "item") return complain_item_of_whole(use);
        complain(use, "item can only be read inside a for_each");
    }

    void complain_item_of_whole(const Use& use) {
        const std::string& name = use.reference.root;
        complain(use,
                 fmt::format("'{}' is only known to the instances of '{}', not to the step as a whole", name,
                             workflow_.steps[use.step].path),
                 fmt::format("to leave items out filter the list: .filter({}, ..)", name));
    }

    void check_step(const Use& use) {
        const auto found = workflow_.by_id.find(use.reference.root);
        if (found == workflow_.by_id.end()) return complain_unknown(use);
        const StepIndex target = found->second;
        if (is_loop_so_far(use, target)) return check_loop_so_far(use, target);
        if (use.step != no_step && target == use.step) return check_own_result(use);
        if (is_around(draft_, target, use.step)) {
            complain(use, fmt::format("'{}' is the block this step is in", use.reference.root),
                     "its steps are read by their own names");
            return;
        }
        if (is_child_in_output(use, target)) return check_field_in_output(use, target);
        if (is_of_iteration(use, target)) return check_path(use, target, 0);
        if (!is_in_sight(target, use.step)) {
            const StepIndex border = border_between(draft_, target, use.step);
            if (border != no_step) return complain_inside_repeated(use, target, border);
            complain(use,
                     fmt::format("'{}' is inside '{}'", use.reference.root,
                                 workflow_.steps[workflow_.steps[target].parent].path),
                     fmt::format("write {}", workflow_.steps[target].path));
            return;
        }
        check_path(use, target, 0);
    }

    // One instance of several is meant, and nobody can know which.
    void complain_inside_repeated(const Use& use, StepIndex target, StepIndex border) {
        const std::string& around = workflow_.steps[border].path;
        complain(use, fmt::format("'{}' is inside '{}', which is repeated", workflow_.steps[target].path, around),
                 fmt::format("outside it gives {}", list_of_fields(border)));
    }

    // "people.total, people.succeeded, .."
    std::string list_of_fields(StepIndex repeated) const {
        std::string text;
        const auto fields = fields_of(draft_.steps[repeated].repeats);
        for (std::size_t i = 0; i < fields.size(); ++i)
            text += fmt::format("{}{}.{}", i == 0 ? "" : i + 1 == fields.size() ? " and " : ", ",
                                workflow_.steps[repeated].path, fields[i]);
        return text;
    }

    // `target` is what the reference means so far, up to `depth` parts of its path; `of_instance`: as
    // an instance, and not as a whole.
    void check_path(const Use& use, StepIndex target, std::size_t depth, bool of_instance = false) {
        const core::Step& step = workflow_.steps[target];
        const auto& path = use.reference.path;
        if (depth == path.size()) return check_finished(use, target, of_instance);
        if (draft_.steps[target].repeats != Repeats::no && !of_instance)
            return check_field(use, target, depth);
        if (!step.output && !is_field_of_kind(use, target, depth)) return;
        warn_of_unknown_field(use, step, depth);
        if (step.children.empty() || step.output) return check_finished(use, target, of_instance);
        std::vector<std::string> names;
        for (const StepIndex child : step.children) {
            if (workflow_.steps[child].id == path[depth].name)
                return check_path(use, child, depth + 1);
            names.push_back(workflow_.steps[child].id);
        }
        complain(use, fmt::format("'{}' has no step '{}'", step.path, path[depth].name),
                 hint_for(path[depth].name, names));
    }

    // A worker may give more than it says, but who reads what it does not say has probably misspelt it.
    void warn_of_unknown_field(const Use& use, const core::Step& step, std::size_t depth) {
        const ResultFields* known = known_fields(draft_, step);
        const auto& part = use.reference.path[depth];
        if (known == nullptr || known->contains(part.name)) return;
        std::vector<std::string> names;
        for (const auto& [name, kind] : *known)
            names.push_back(name);
        std::string hint = hint_for(part.name, names);
        if (hint.empty()) hint = fmt::format("it gives {}", fmt::join(names, ", "));
        const auto& task = std::get<core::TaskKind>(step.kind).call.task;
        complaints_.warn_inside(About::data, *use.text, part.offset, part.length,
                                fmt::format("{} says of no '{}' that it gives it", task, part.name), std::move(hint));
    }

    // What a signal, an approval, a first_of gives. False after a complaint.
    bool is_field_of_kind(const Use& use, StepIndex target, std::size_t depth) {
        const std::string& word = draft_.steps[target].word;
        const std::string& name = use.reference.path[depth].name;
        const auto known = fields_of_kind(word);
        std::vector<std::string> fields(known.begin(), known.end());
        if (const auto* first = std::get_if<core::FirstOfKind>(&workflow_.steps[target].kind)) {
            fields.emplace_back("first");
            for (const auto& way : first->ways)
                fields.push_back(way.name);
        }
        if (fields.empty() || std::find(fields.begin(), fields.end(), name) != fields.end()) return true;
        std::string hint = hint_for(name, fields);
        if (hint.empty()) hint = fmt::format("it gives {}", fmt::join(fields, ", "));
        complain(use, fmt::format("'{}' has no '{}'", workflow_.steps[target].path, name), std::move(hint));
        return false;
    }

    // What a repeated step gives to the steps after it.
    void check_field(const Use& use, StepIndex target, std::size_t depth) {
        if (!is_field(use, target, depth)) return;
        const bool of_instance = use.reference.path[depth].name == "last";
        check_path(use, target, of_instance ? depth + 1 : use.reference.path.size(), of_instance);
    }

    // False after a complaint.
    bool is_field(const Use& use, StepIndex target, std::size_t depth) {
        const core::Step& step = workflow_.steps[target];
        const std::string& name = use.reference.path[depth].name;
        const auto fields = fields_of(draft_.steps[target].repeats);
        if (contains(fields, name)) return true;
        const bool is_step = std::any_of(step.children.begin(), step.children.end(),
                                         [&](StepIndex child) { return workflow_.steps[child].id == name; });
        std::string hint = is_step ? std::string{} : did_you_mean(name, fields);
        if (hint.empty() && is_step && contains(fields, "last"))
            hint = fmt::format("write {}.last.{}", step.path, name);
        if (hint.empty()) hint = fmt::format("it gives {}", list_of_fields(target));
        complain(use, fmt::format("'{}' is repeated and has no '{}'", step.path, name), std::move(hint));
        return false;
    }

    // A block's own output reads a repeated step in it: only what it can give is looked at.
    void check_field_in_output(const Use& use, StepIndex target) {
        if (draft_.steps[target].repeats != Repeats::no && !use.reference.path.empty()) is_field(use, target, 0);
    }

    void check_finished(const Use& use, StepIndex target, bool of_instance) {
        // [output] is filled in when everything is finished
        if (use.step == no_step && workflow_.steps[target].phase != core::Phase::main)
            return complain(use, fmt::format("'{}' runs when the output is made already", workflow_.steps[target].path));
        if (use.step == no_step || is_around(draft_, use.step, target)) return check_result(use, target, of_instance);
        if (!complain_unfinished(use, target)) check_result(use, target, of_instance);
    }

    // Also true where nothing can be said.
    bool complain_unfinished(const Use& use, StepIndex target) {
        if (!flow_.is_known(use.step) || draft_.steps[target].place_is_unknown) return true;
        if (workflow_.steps[target].phase < workflow_.steps[use.step].phase) return false;
        for (StepIndex at = target; at != no_step; at = workflow_.steps[at].parent)
            if (flow_.is_finished_before(at, use.step)) return false;
        const std::string& path = workflow_.steps[target].path;
        std::string hint;
        const StepIndex border = border_between(draft_, use.step, target);
        if (workflow_.steps[target].phase != workflow_.steps[use.step].phase)
            hint = fmt::format("it is a [[{}]] step", core::word_of(workflow_.steps[target].phase));
        else if (flow_.is_finished_before(use.step, target))
            hint = "it begins after this step";
        else if (border != no_step)
            hint = fmt::format("name it in the after of '{}'", workflow_.steps[border].path);
        else if (const auto& after = draft_.steps[use.step].after; after && !after->empty())
            hint = fmt::format("add \"{}\" to after", path);
        else
            hint = fmt::format("add after = [\"{}\"]", path);
        complain(use, fmt::format("'{}' is not finished before this step", path), std::move(hint));
        return true;
    }

    // Finished is not yet done: what was skipped, say, has no result.
    void check_result(const Use& use, StepIndex target, bool of_instance) {
        warn_of_absence(use, workflow_.steps[target].path, absence_.why(target, use.step, of_instance));
    }

    void warn_of_absence(const Use& use, const std::string& path, const std::string& reason) {
        if (use.reference.guarded || asked_.contains({use.step, use.reference.root}) || reason.empty()) return;
        complaints_.warn_inside(About::data, *use.text, use.reference.offset, use.reference.length,
                                fmt::format("'{}' may have no result: {}", path, reason),
                                fmt::format("write default({}, ..), or ask with has({})", path, path));
    }

    // Inside a loop its name is what its last finished iteration gave.
    bool is_loop_so_far(const Use& use, StepIndex target) const {
        if (draft_.steps[target].repeats != Repeats::loop || use.scope == Scope::compensate) return false;
        return (use.step == target && use.scope != Scope::whole) || is_around(draft_, target, use.step);
    }

    void check_loop_so_far(const Use& use, StepIndex target) {
        const core::Step& step = workflow_.steps[target];
        const auto& path = use.reference.path;
        if (!step.children.empty() && !step.output && !path.empty()) {
            std::vector<std::string> names;
            for (const StepIndex child : step.children)
                names.push_back(workflow_.steps[child].id);
            if (std::find(names.begin(), names.end(), path.front().name) == names.end())
                return complain(use, fmt::format("'{}' has no step '{}'", step.path, path.front().name),
                                contains(fields_of(Repeats::loop), path.front().name)
                                    ? fmt::format("inside it '{}' is what the last iteration gave", step.id)
                                    : hint_for(path.front().name, names));
        }
        const bool has_ended = use.step == target && use.scope == Scope::loop_until;
        if (has_ended) return warn_of_absence(use, step.path, absence_.of_iteration(target));
        // Who counts the iterations knows which is the first.
        if (!counting_.contains(use.text)) warn_of_absence(use, step.path, "the first iteration has none before it");
    }

    // `until` reads the steps of the iteration that has just ended; `while` comes before the next one.
    bool is_of_iteration(const Use& use, StepIndex target) const {
        return use.scope == Scope::loop_until && workflow_.steps[target].parent == use.step;
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

    bool is_in_sight(StepIndex target, StepIndex from) const {
        const StepIndex parent = workflow_.steps[target].parent;
        return parent == no_step || is_around(draft_, parent, from);
    }

    void complain_unknown(const Use& use) {
        const std::string& root = use.reference.root;
        if (is_of_whole(use) && draft_.steps[use.step].item == root) return complain_item_of_whole(use);
        for (StepIndex i = 0; i < workflow_.steps.size(); ++i)
            if (draft_.steps[i].repeats == Repeats::for_each && draft_.steps[i].item == root)
                return complain(use, fmt::format("'{}' is an item of '{}', and only known inside it", root,
                                                 workflow_.steps[i].path));
        std::vector<std::string> names;
        for (StepIndex i = 0; i < workflow_.steps.size() && !complaints_.is_full(); ++i)
            if ((is_in_sight(i, use.step) || is_of_iteration(use, i)) && !workflow_.steps[i].id.empty())
                names.push_back(workflow_.steps[i].id);
        names.insert(names.end(), {"input", "vars", "run"});
        for_each_around(use, [&](const DraftStep& around, StepIndex) {
            names.push_back(around.item);
            return true;
        });
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
    // Texts that read `index`.
    std::set<const TomlNode*> counting_;
    Absence absence_;
};

} // namespace

void check_reach(const Draft& draft, const Flow& flow, Complaints& complaints) {
    ReachCheck check(draft, flow, complaints);
    for (const Use& use : draft.uses)
        check.check(use);
}

} // namespace baton::orchestrator::definition
