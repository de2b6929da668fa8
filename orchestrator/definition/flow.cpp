// Cycles, steps that never run, and what is finished when a step begins.
#include "orchestrator/definition/flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace baton::orchestrator::definition {

namespace {

using core::no_step;
using core::StepIndex;

// Beginnings and ends of steps as one graph: node 2i is where step i begins, 2i+1 where it ends. A
// block begins before its children and ends after them, so steps may also wait across blocks.
std::vector<std::vector<std::uint32_t>> followers_of(const core::Workflow& workflow) {
    std::vector<std::vector<std::uint32_t>> followers(workflow.steps.size() * 2);
    for (StepIndex i = 0; i < workflow.steps.size(); ++i) {
        const core::Step& step = workflow.steps[i];
        followers[2 * i].push_back(2 * i + 1);
        for (const StepIndex p : step.predecessors)
            followers[2 * p + 1].push_back(2 * i);
        for (const StepIndex s : step.senders)
            followers[2 * s + 1].push_back(2 * i);
        if (step.parent == no_step) continue;
        followers[2 * step.parent].push_back(2 * i);
        followers[2 * i + 1].push_back(2 * step.parent + 1);
    }
    return followers;
}

// Tarjan's strongly connected components, without recursion. Components of one node are left out.
class Components {
public:
    explicit Components(const std::vector<std::vector<std::uint32_t>>& followers)
        : followers_(followers),
          number_(followers.size(), 0),
          low_(followers.size(), 0),
          on_stack_(followers.size(), false) {
        for (std::uint32_t node = 0; node < followers.size(); ++node)
            if (number_[node] == 0) walk(node);
    }

    std::vector<std::vector<std::uint32_t>> found;

private:
    struct Frame {
        std::uint32_t node;
        std::size_t next = 0;
    };

    void enter(std::uint32_t node) {
        number_[node] = low_[node] = ++counter_;
        stack_.push_back(node);
        on_stack_[node] = true;
        frames_.push_back({node});
    }

    void walk(std::uint32_t root) {
        enter(root);
        while (!frames_.empty()) {
            Frame& frame = frames_.back();
            const std::uint32_t node = frame.node;
            if (frame.next < followers_[node].size()) {
                const std::uint32_t follower = followers_[node][frame.next++];
                if (number_[follower] == 0)
                    enter(follower);
                else if (on_stack_[follower])
                    low_[node] = std::min(low_[node], number_[follower]);
                continue;
            }
            frames_.pop_back();
            if (!frames_.empty()) {
                const std::uint32_t above = frames_.back().node;
                low_[above] = std::min(low_[above], low_[node]);
            }
            if (low_[node] == number_[node]) leave(node);
        }
    }

    void leave(std::uint32_t root) {
        std::vector<std::uint32_t> component;
        std::uint32_t node = root;
        do {
            node = stack_.back();
            stack_.pop_back();
            on_stack_[node] = false;
            component.push_back(node);
        } while (node != root);
        if (component.size() > 1) found.push_back(std::move(component));
    }

    const std::vector<std::vector<std::uint32_t>>& followers_;
    std::vector<std::uint32_t> number_, low_;
    std::vector<bool> on_stack_;
    std::vector<std::uint32_t> stack_;
    std::vector<Frame> frames_;
    std::uint32_t counter_ = 0;
};

// The shortest way from `from` back to it inside the members.
std::vector<std::uint32_t> way_around(std::uint32_t from,
                                      const std::vector<std::vector<std::uint32_t>>& followers,
                                      const std::set<std::uint32_t>& members) {
    std::vector<std::uint32_t> came_from(followers.size(), UINT32_MAX);
    std::vector<std::uint32_t> queue{from};
    for (std::size_t at = 0; at < queue.size(); ++at) {
        const std::uint32_t node = queue[at];
        for (const std::uint32_t follower : followers[node]) {
            if (follower == from) {
                std::vector<std::uint32_t> way;
                for (std::uint32_t back = node; back != from; back = came_from[back])
                    way.push_back(back);
                way.push_back(from);
                std::reverse(way.begin(), way.end());
                return way;
            }
            if (!members.contains(follower) || came_from[follower] != UINT32_MAX) continue;
            came_from[follower] = node;
            queue.push_back(follower);
        }
    }
    return {from};
}

// Whether nothing that waits for `index` in this way can begin after it has run.
bool lets_nothing_follow(const core::Workflow& workflow, StepIndex index, core::Join join) {
    const core::Step& step = workflow.steps[index];
    if (std::holds_alternative<core::EndKind>(step.kind)) return true;
    if (!std::holds_alternative<core::FailKind>(step.kind)) return false;
    return join != core::Join::done || workflow.on_failure != core::OnFailure::go_on;
}

} // namespace

Flow::Flow(Draft& draft, Complaints& complaints)
    : draft_(draft),
      workflow_(draft.workflow),
      before_(draft.steps.size(), Bits(draft.steps.size() / 64 + 1, 0)),
      visits_(draft.steps.size(), Visit::none),
      unknown_(draft.steps.size(), false) {
    find_cycles(complaints);
    for (StepIndex i = 0; i < workflow_.steps.size(); ++i)
        gather_before(i);
    find_never_running(complaints);
}

bool Flow::is_finished_before(StepIndex earlier, StepIndex step) const {
    return (before_[step][earlier / 64] >> (earlier % 64) & 1) != 0;
}

void Flow::find_cycles(Complaints& complaints) {
    const auto followers = followers_of(workflow_);
    for (const std::vector<std::uint32_t>& component : Components(followers).found) {
        const std::set<std::uint32_t> members(component.begin(), component.end());
        for (const std::uint32_t node : members)
            draft_.steps[node / 2].place_is_unknown = true;
        std::vector<StepIndex> steps;
        for (const std::uint32_t node : way_around(*members.begin(), followers, members))
            if (steps.empty() || steps.back() != node / 2) steps.push_back(node / 2);
        if (steps.size() > 1 && steps.front() == steps.back()) steps.pop_back();
        complain_about_cycle(steps, complaints);
    }
}

// Said at the first name in the file that closes the cycle.
void Flow::complain_about_cycle(const std::vector<StepIndex>& members, Complaints& complaints) {
    std::string names;
    for (const StepIndex step : members)
        names += workflow_.steps[step].path + " → ";
    const std::string message = fmt::format("these steps wait for each other: {}{}", names,
                                            workflow_.steps[members.front()].path);
    const auto is_member = [&](const NameUse& use) {
        return std::any_of(members.begin(), members.end(), [&](StepIndex member) {
            return workflow_.steps[member].id == use.name ||
                   workflow_.steps[member].path == use.name;
        });
    };
    std::vector<const NameUse*> uses;
    for (const StepIndex step : members) {
        const DraftStep& draft = draft_.steps[step];
        for (const GoUse& use : draft.goes)
            uses.push_back(&use.name);
        if (draft.after)
            for (const NameUse& use : *draft.after)
                uses.push_back(&use);
    }
    std::erase_if(uses, [&](const NameUse* use) { return !is_member(*use); });
    const auto first =
        std::min_element(uses.begin(), uses.end(),
                         [](const NameUse* a, const NameUse* b) { return a->at->at < b->at->at; });
    if (first == uses.end())
        complaints.add(About::order_of_steps, draft_.steps[members.front()].id_at, 1, message);
    else
        complaints.inside(About::order_of_steps, *(*first)->at, 0, (*first)->name.size(), message);
}

void Flow::inherit(StepIndex step, StepIndex from) {
    for (std::size_t i = 0; i < before_[step].size(); ++i)
        before_[step][i] |= before_[from][i];
    if (unknown_[from]) unknown_[step] = true;
}

void Flow::add_before(StepIndex step, StepIndex earlier) {
    before_[step][earlier / 64] |= std::uint64_t{1} << (earlier % 64);
    inherit(step, earlier);
}

// At most as deep as there are steps.
void Flow::gather_before(StepIndex step) {
    if (visits_[step] != Visit::none) return;
    visits_[step] = Visit::open;
    const core::Step& self = workflow_.steps[step];
    unknown_[step] = draft_.steps[step].place_is_unknown || draft_.steps[step].is_duplicate;
    const auto take = [&](StepIndex earlier) {
        gather_before(earlier);
        // Only in a cycle, which was complained about.
        if (visits_[earlier] == Visit::open) return;
        add_before(step, earlier);
    };
    if (self.parent != no_step) {
        gather_before(self.parent);
        inherit(step, self.parent);
    }
    for (const StepIndex earlier : self.predecessors)
        take(earlier);
    for (const StepIndex earlier : self.senders)
        take(earlier);
    visits_[step] = Visit::closed;
}

void Flow::find_never_running(Complaints& complaints) {
    for (StepIndex i = 0; i < workflow_.steps.size(); ++i) {
        const core::Step& step = workflow_.steps[i];
        if (step.only_by_go || step.predecessors.empty() || unknown_[i]) continue;
        const auto stops = [&](StepIndex p) {
            // Passed over by its own `when`, it lets its followers go on.
            return !workflow_.steps[p].when && lets_nothing_follow(workflow_, p, step.join);
        };
        const auto surely_stops = [&](StepIndex p) {
            return stops(p) && !workflow_.steps[p].only_by_go;
        };
        const auto& all = step.predecessors;
        const auto sure = std::find_if(all.begin(), all.end(), surely_stops);
        const bool never = std::all_of(all.begin(), all.end(), stops) ||
                           (step.join == core::Join::all && sure != all.end());
        if (!never) continue;
        const StepIndex cause = sure != all.end() ? *sure : all.front();
        const bool may_be_skipped = workflow_.steps[cause].only_by_go;
        const std::string& name = workflow_.steps[cause].path;
        complaints.add(About::order_of_steps, draft_.steps[i].id_at, step.id.size() + 2,
                       fmt::format("'{}' never runs, because nothing follows '{}'", step.id, name),
                       may_be_skipped ? fmt::format("if '{}' is skipped, so is what only waits for "
                                                    "it; name an earlier step in after",
                                                    name)
                                      : "");
    }
}

} // namespace baton::orchestrator::definition
