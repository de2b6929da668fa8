// Names to indices.
#include "orchestrator/definition/names.hpp"

#include "orchestrator/definition/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace baton::orchestrator::definition {

namespace {

using core::no_step;
using core::StepIndex;

class Connector {
public:
    Connector(Draft& draft, Complaints& complaints) : draft_(draft), complaints_(complaints) {}

    void run() {
        collect_names();
        check_items();
        for (StepIndex i = 0; i < draft_.steps.size(); ++i) {
            resolve_after(i);
            resolve_goes(i);
        }
        draft_.workflow.steps.clear();
        for (DraftStep& draft : draft_.steps)
            draft_.workflow.steps.push_back(std::move(draft.step));
        core::link(draft_.workflow);
    }

private:
    void collect_names() {
        for (StepIndex i = 0; i < draft_.steps.size(); ++i) {
            DraftStep& draft = draft_.steps[i];
            const std::string& id = draft.step.id;
            paths_.push_back(draft.parent == no_step ? id : paths_[draft.parent] + "." + id);
            if (id.empty()) continue;
            const auto [known, is_new] = by_id_.emplace(id, i);
            by_path_.emplace(paths_.back(), i);
            if (is_new) continue;
            draft.is_duplicate = true;
            complaints_.add(About::order_of_steps, draft.id_at, id.size() + 2,
                            fmt::format("the id '{}' is taken by the step in line {}", id,
                                        draft_.steps[known->second].table->at.line),
                            "ids are unique in the file, also in blocks");
        }
    }

    // Inside, the name of an item must not hide a step.
    void check_items() {
        for (const DraftStep& draft : draft_.steps) {
            const auto step = by_id_.find(draft.item);
            if (draft.repeats != Repeats::for_each || step == by_id_.end()) continue;
            complaints_.add(About::order_of_steps, draft.item_at, draft.item.size() + 2,
                            fmt::format("'{}' is the step in line {}, and cannot be the name of an item as well", draft.item,
                                        draft_.steps[step->second].table->at.line));
        }
    }

    bool is_in_sight(StepIndex target, StepIndex from) const {
        const StepIndex parent = draft_.steps[target].parent;
        return parent == no_step || is_around(draft_, parent, from);
    }

    void complain(const NameUse& use, std::string message, std::string hint = {}) {
        complaints_.inside(About::order_of_steps, *use.at, 0, use.name.size(), std::move(message),
                           std::move(hint));
    }

    void complain_unknown(const NameUse& use, StepIndex from) {
        if (complaints_.is_full()) return complain(use, "no such step");
        std::vector<std::string> candidates;
        for (StepIndex i = 0; i < draft_.steps.size(); ++i) {
            if (i == from || draft_.steps[i].step.id.empty()) continue;
            if (border_between(draft_, i, from) != no_step || draft_.steps[i].phase != draft_.steps[from].phase) continue;
            candidates.push_back(is_in_sight(i, from) ? draft_.steps[i].step.id : paths_[i]);
        }
        complain(use, fmt::format("no step '{}'", use.name), did_you_mean(use.name, candidates));
    }

    // The step a name in `after` means; no_step after a complaint.
    StepIndex find(const NameUse& use, StepIndex from) {
        if (const auto path = by_path_.find(use.name);
            path != by_path_.end() && use.name.find('.') != std::string::npos)
            return path->second;
        const auto found = by_id_.find(use.name);
        if (found == by_id_.end()) {
            complain_unknown(use, from);
            return no_step;
        }
        if (is_in_sight(found->second, from) || border_between(draft_, found->second, from) != no_step)
            return found->second;
        complain(use, fmt::format("'{}' is inside '{}'", use.name, block_of(found->second)),
                 fmt::format("write \"{}\"", paths_[found->second]));
        return no_step;
    }

    const std::string& block_of(StepIndex index) const {
        return paths_[draft_.steps[index].parent];
    }

    void resolve_after(StepIndex index) {
        DraftStep& draft = draft_.steps[index];
        if (!draft.after) return;
        std::vector<StepIndex> resolved;
        for (const NameUse& use : *draft.after) {
            const StepIndex target = find(use, index);
            if (target == no_step) {
                draft.place_is_unknown = true;
            } else if (target == index) {
                complain(use, fmt::format("'{}' waits for itself", use.name));
                draft.place_is_unknown = true;
            } else if (is_around(draft_, target, index)) {
                complain(use, fmt::format("'{}' is the block this step is in", use.name),
                         "a step begins when its block begins");
                draft.place_is_unknown = true;
            } else if (crosses_phase(use, target, index) || crosses_border(use, target, index)) {
                draft.place_is_unknown = true;
            } else if (std::find(resolved.begin(), resolved.end(), target) != resolved.end()) {
                complain(use, fmt::format("'{}' is named twice", use.name));
            } else {
                resolved.push_back(target);
            }
        }
        draft.step.after = std::move(resolved);
    }

    // [[step]], [[on_error]] and [[finally]] have their turns one after the other.
    bool crosses_phase(const NameUse& use, StepIndex target, StepIndex index) {
        const core::Phase there = draft_.steps[target].phase;
        const core::Phase here = draft_.steps[index].phase;
        if (there == here) return false;
        complain(use, fmt::format("'{}' is a [[{}]] step, and this is a [[{}]] step", use.name, core::word_of(there),
                                  core::word_of(here)),
                 there < here ? "it is closed before this one begins" : "it begins when all [[step]]s are closed");
        return true;
    }

    // Which of its instances would be waited for? And which of them should wait?
    bool crosses_border(const NameUse& use, StepIndex target, StepIndex index) {
        if (const StepIndex around = border_between(draft_, target, index); around != no_step) {
            complain(use, fmt::format("'{}' is inside '{}', which is repeated", use.name, paths_[around]),
                     fmt::format("write \"{}\" to wait for all of it", paths_[around]));
            return true;
        }
        const StepIndex around = border_between(draft_, index, target);
        if (around == no_step) return false;
        complain(use, fmt::format("'{}' is outside '{}', which is repeated", use.name, paths_[around]),
                 fmt::format("name it in the after of '{}'", paths_[around]));
        return true;
    }

    // The step a go means: a sibling. no_step after a complaint.
    StepIndex find_sibling(const NameUse& use, StepIndex from) {
        StepIndex target = no_step;
        if (const auto id = by_id_.find(use.name); id != by_id_.end()) target = id->second;
        if (const auto path = by_path_.find(use.name); path != by_path_.end())
            target = path->second;
        if (target == no_step) {
            complain_unknown(use, from);
            return no_step;
        }
        if (target == from) {
            complain(use, fmt::format("'{}' leads to itself", use.name));
            return no_step;
        }
        if (crosses_phase(use, target, from)) return no_step;
        if (draft_.steps[target].parent == draft_.steps[from].parent) return target;
        if (draft_.steps[target].parent == no_step)
            complain(use, fmt::format("'{}' is outside the block '{}'; go stays in its block",
                                      use.name, block_of(from)));
        else
            complain(use, fmt::format("'{}' is inside the block '{}'; go cannot lead into it",
                                      use.name, block_of(target)));
        return no_step;
    }

    // catch and on_timeout are of each instance, and the other steps are there once.
    bool leaves_instance(const GoUse& use, StepIndex index) {
        const DraftStep& draft = draft_.steps[index];
        if (draft.repeats == Repeats::no || use.from == GoFrom::switch_case) return false;
        const bool is_catch = use.from == GoFrom::catch_rule;
        complain(use.name,
                 fmt::format("{} of '{}' is of each {}, which cannot go elsewhere", is_catch ? "catch" : "on_timeout",
                             draft.step.id, draft.repeats == Repeats::for_each ? "item" : "iteration"),
                 is_catch ? "use output or continue, or catch in a do block around it"
                          : "write \"continue\", or give a do block around it the timeout");
        return true;
    }

    void resolve_goes(StepIndex index) {
        DraftStep& draft = draft_.steps[index];
        for (const GoUse& use : draft.goes) {
            const StepIndex target = leaves_instance(use, index) ? no_step : find_sibling(use.name, index);
            if (target == no_step) {
                if (use.from == GoFrom::on_timeout)
                    draft.step.on_timeout.then = core::OnTimeout::Then::fail;
                continue;
            }
            switch (use.from) {
            case GoFrom::switch_case:
                if (auto* kind = std::get_if<core::SwitchKind>(&draft.step.kind))
                    kind->cases[use.index].go.push_back(target);
                break;
            case GoFrom::catch_rule:
                draft.step.catches[use.index].go.push_back(target);
                break;
            case GoFrom::on_timeout:
                draft.step.on_timeout.go = target;
                break;
            }
        }
    }

    Draft& draft_;
    Complaints& complaints_;
    std::vector<std::string> paths_;
    std::map<std::string, StepIndex, std::less<>> by_id_;
    std::map<std::string, StepIndex, std::less<>> by_path_;
};

} // namespace

void connect_steps(Draft& draft, Complaints& complaints) {
    Connector(draft, complaints).run();
}

} // namespace baton::orchestrator::definition
