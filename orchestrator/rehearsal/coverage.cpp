#include "orchestrator/rehearsal/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::rehearsal {

using core::Document;
using core::Evaluated;
using core::Reading;
using expression::Program;
using expression::Template;

// One thread, and const only because judges are.
class Coverage::Recorder : public core::Judge {
public:
    Evaluated<Document> fill(const Template& source, const Reading& reading,
                             std::string_view what) const override {
        return core::evaluating_judge().fill(source, reading, what);
    }
    Evaluated<Document> fill_table(const Template& source, const Reading& reading,
                                   std::string_view what) const override {
        return core::evaluating_judge().fill_table(source, reading, what);
    }
    Evaluated<Document> list(const Program& program, const Reading& reading,
                             std::string_view what) const override {
        return core::evaluating_judge().list(program, reading, what);
    }
    Evaluated<std::string> text(const Program& program, const Reading& reading,
                                std::string_view what) const override {
        return core::evaluating_judge().text(program, reading, what);
    }
    Evaluated<std::uint32_t> count(const Program& program, const Reading& reading, std::string_view what,
                                   std::uint32_t most) const override {
        return core::evaluating_judge().count(program, reading, what, most);
    }
    Evaluated<bool> holds(const Program& program, const Reading& reading,
                          std::string_view what) const override {
        auto answer = core::evaluating_judge().holds(program, reading, what);
        if (answer) (*answer ? held_ : denied_).insert(&program);
        return answer;
    }
    Evaluated<Time> moment(const Program& program, const Reading& reading,
                           std::string_view what) const override {
        return core::evaluating_judge().moment(program, reading, what);
    }

    bool held(const Program& program) const { return held_.contains(&program); }
    bool denied(const Program& program) const { return denied_.contains(&program); }

private:
    mutable std::set<const Program*> held_;
    mutable std::set<const Program*> denied_;
};

Coverage::Coverage(const core::Workflow& workflow)
    : workflow_(workflow), recorder_(std::make_unique<Recorder>()) {}
Coverage::~Coverage() = default;

const core::Judge& Coverage::judge() const {
    return *recorder_;
}

void Coverage::add(const Played& played) {
    for (const core::StepStory& step : played.steps) {
        const std::string path = without_numbers(step.step);
        if (step.undo) {
            seen_.insert("undo " + path);
            continue;
        }
        if (step.status != "waiting" && step.status != "skipped" && step.status != "blocked")
            seen_.insert("runs " + path);
        const auto found = workflow_.by_path.find(path);
        if (!step.caught || found == workflow_.by_path.end()) continue;
        const auto& rules = workflow_.steps[found->second].catches;
        const auto rule = std::ranges::find_if(
            rules, [type = error_type_of(step.error)](const core::CatchRule& one) {
                return one.error.matches(type);
            });
        seen_.insert(rule == rules.end() ? "timeout " + path
                                         : fmt::format("catch {} {}", rule - rules.begin(), path));
    }
}

bool Coverage::was(std::string_view what, std::string_view step) const {
    return seen_.contains(fmt::format("{} {}", what, step));
}

void Coverage::add_ways(const core::Step& step, std::vector<Branch>& out) const {
    const auto add = [&](std::string text, bool is_taken) {
        out.push_back({step.line, step.path + ": " + std::move(text), is_taken});
    };
    add("runs", was("runs", step.path));
    if (step.when) add("when is false", recorder_->denied(*step.when));
    if (const auto* choice = std::get_if<core::SwitchKind>(&step.kind)) {
        bool was_none = was("runs", step.path);
        for (std::size_t at = 0; at < choice->cases.size(); ++at) {
            const auto& when = choice->cases[at].when;
            if (when) add(fmt::format("case {}", at + 1), recorder_->held(*when));
            if (when)
                was_none = was_none && recorder_->denied(*when);
            else
                add("no case", was_none);
        }
    }
    for (std::size_t at = 0; at < step.catches.size(); ++at)
        add("catch " + step.catches[at].error.text, was(fmt::format("catch {}", at), step.path));
    if (step.on_timeout.then != core::OnTimeout::Then::fail)
        add("on_timeout", was("timeout", step.path));
    if (step.compensate) add("is undone", was("undo", step.path));
}

std::vector<Coverage::Branch> Coverage::branches() const {
    std::vector<Branch> out;
    for (const core::Step& step : workflow_.steps)
        add_ways(step, out);
    return out;
}

} // namespace baton::orchestrator::rehearsal
