#include "orchestrator/graph/graph.hpp"

#include "base/duration_text.hpp"
#include "base/overloaded.hpp"
#include "base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace baton::orchestrator::graph {

namespace {

using core::Step;
using core::StepIndex;
using core::Workflow;

std::string detail_of(const core::StepKind& kind) {
    return std::visit(
        [](const auto& one) -> std::string {
            using Kind = std::decay_t<decltype(one)>;
            if constexpr (std::is_same_v<Kind, core::TaskKind>) return core::route_of(one.call);
            if constexpr (std::is_same_v<Kind, core::WaitKind>) return to_text(one.duration);
            if constexpr (std::is_same_v<Kind, core::FailKind>) return one.type;
            if constexpr (std::is_same_v<Kind, core::ApprovalKind>)
                return one.quorum > 1 ? fmt::format("{} must agree", one.quorum) : std::string{};
            return {};
        },
        kind);
}

std::string text_of(const expression::Program& program) {
    constexpr std::size_t shown_max = 60;
    std::string text(program.source());
    std::replace(text.begin(), text.end(), '\n', ' ');
    return shortened(text, shown_max);
}

std::string note_of(const core::Repetition& repetition) {
    return std::visit(
        Overloaded{
            [](const core::ForEach& each) { return "for each " + text_of(each.items); },
            [](const core::Loop& loop) {
                return (loop.test == core::Loop::Test::before ? "while " : "until ") +
                       text_of(loop.condition);
            },
        },
        repetition);
}

std::string_view word_of(core::Join join) {
    switch (join) {
    case core::Join::all:
        return "all";
    case core::Join::any:
        return "any";
    case core::Join::done:
        return "done";
    case core::Join::count:
        return "count";
    }
    return "";
}

std::vector<std::string> notes_of(const Step& step) {
    std::vector<std::string> notes;
    if (step.when) notes.push_back("when " + text_of(*step.when));
    if (step.repetition) notes.push_back(note_of(*step.repetition));
    if (step.join == core::Join::count)
        notes.push_back(fmt::format("after {} of {}", step.join_count, step.predecessors.size()));
    else if (step.join != core::Join::all)
        notes.push_back(fmt::format("join {}", word_of(step.join)));
    for (const core::CatchRule& rule : step.catches)
        if (rule.then != core::CatchRule::Then::go) notes.push_back("catch " + rule.error.text);
    if (step.verify) notes.push_back("verify " + core::route_of(step.verify->call));
    if (step.compensate) notes.push_back("undo " + core::route_of(step.compensate->call));
    return notes;
}

class Maker {
public:
    explicit Maker(const Workflow& workflow) : workflow_(workflow) { graph_.title = workflow.name; }

    Graph make() {
        for (StepIndex step = 0; step < workflow_.steps.size(); ++step)
            add(step);
        for (StepIndex step = 0; step < workflow_.steps.size(); ++step)
            connect(step);
        connect_phases();
        return std::move(graph_);
    }

private:
    // Steps of a phase stand in a box of their own.
    std::size_t phase_box(core::Phase phase) {
        const char* word = phase == core::Phase::on_error ? "on_error" : "finally";
        const auto found = std::ranges::find_if(graph_.top, [&](std::size_t at) {
            return graph_.nodes[at].kind == "phase" && graph_.nodes[at].path == word;
        });
        if (found != graph_.top.end()) return *found;
        graph_.nodes.push_back({word, word, "phase", "", {}, 0, no_node, {}});
        graph_.top.push_back(graph_.nodes.size() - 1);
        return graph_.nodes.size() - 1;
    }

    void add(StepIndex index) {
        const Step& step = workflow_.steps[index];
        std::size_t parent = no_node;
        if (step.parent != core::no_step)
            parent = node_of_[step.parent];
        else if (step.phase != core::Phase::main)
            parent = phase_box(step.phase);
        graph_.nodes.push_back({step.path,
                                step.id,
                                std::string(core::word_of(step.kind)),
                                detail_of(step.kind),
                                notes_of(step),
                                step.line,
                                parent,
                                {}});
        const std::size_t node = graph_.nodes.size() - 1;
        node_of_.push_back(node);
        (parent == no_node ? graph_.top : graph_.nodes[parent].children).push_back(node);
    }

    void connect(StepIndex index) {
        const Step& step = workflow_.steps[index];
        for (const StepIndex before : step.predecessors)
            edge(before, index, Edge::Kind::follows, {});
        if (const auto* choice = std::get_if<core::SwitchKind>(&step.kind))
            for (const core::SwitchCase& one : choice->cases)
                for (const StepIndex target : one.go)
                    edge(index, target, Edge::Kind::sent, one.when ? text_of(*one.when) : "else");
        for (const core::CatchRule& rule : step.catches)
            for (const StepIndex target : rule.go)
                edge(index, target, Edge::Kind::sent, "catch " + rule.error.text);
        if (step.on_timeout.then == core::OnTimeout::Then::go)
            edge(index, step.on_timeout.go, Edge::Kind::sent, "time-out");
    }

    // From the last of one phase to the next.
    void connect_phases() {
        std::vector<std::size_t> last;
        for (const std::size_t at : graph_.top)
            if (graph_.nodes[at].kind != "phase" &&
                std::ranges::none_of(graph_.edges,
                                     [at](const Edge& edge) { return edge.from == at; }))
                last.push_back(at);
        for (const std::string_view word : {"on_error", "finally"})
            for (const std::size_t at : graph_.top) {
                if (graph_.nodes[at].kind != "phase" || graph_.nodes[at].path != word) continue;
                for (const std::size_t before : last)
                    graph_.edges.push_back({before, at, Edge::Kind::ends, {}});
                last = {at};
            }
    }

    void edge(StepIndex from, StepIndex to, Edge::Kind kind, std::string label) {
        graph_.edges.push_back({node_of_[from], node_of_[to], kind, std::move(label)});
    }

    const Workflow& workflow_;
    Graph graph_;
    std::vector<std::size_t> node_of_; // by step
};

} // namespace

Graph graph_of(const Workflow& workflow) {
    return Maker(workflow).make();
}

} // namespace baton::orchestrator::graph
