#include "bench/core/driven_run.hpp"

#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/definition/loader.hpp"
#include "web/run_view.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

namespace baton::bench {

namespace core = orchestrator::core;

namespace {

// Of this thread alone: what else the machine does does not count.
double thread_micros() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

core::Document document(const std::string& text) {
    auto parsed = core::Document::parse(text);
    if (!parsed) std::abort();
    return std::move(*parsed);
}

} // namespace

DrivenRun::DrivenRun(const std::string& workflow) {
    const auto loaded = orchestrator::definition::load(workflow, "bench.toml");
    if (!loaded) {
        fmt::print(stderr, "{}\n", orchestrator::definition::render(loaded.diagnostics, workflow));
        std::exit(1);
    }
    workflow_ = loaded.workflow;
    run_ = core::new_run(*workflow_, "01890000-0000-7000-8000-000000000000");
    take(core::RunStarted{document("{}")});
}

Cost DrivenRun::take(const core::Event& event) {
    now_ += std::chrono::milliseconds(1);
    state_.clear();
    std::string events;
    const double begun = thread_micros();
    const core::Transition made = core::advance(*workflow_, run_, event, now_);
    core::append_state_json(state_, *workflow_, run_);
    core::append_json(events, made.facts);
    (void)core::next_deadline(*workflow_, run_);
    const double took = thread_micros() - begun;
    ++run_.version;
    for (const core::Fact& fact : made.facts)
        if (fact.kind == core::FactKind::task_dispatched) tasks_.push_back({fact.step, fact.undo, fact.attempt});
    const Cost cost{took, state_.size() + events.size()};
    history_.push_back({run_.id, run_.version, 0, run_.version, now_, std::move(events)});
    return cost;
}

Cost DrivenRun::complete_next() {
    const core::AttemptRef task = tasks_.front();
    tasks_.pop_front();
    return take(core::TaskCompleted{task, document(R"({"ok":true,"ref":"a result of some length"})")});
}

bool DrivenRun::is_over() const {
    return core::is_closed(run_.status);
}

double DrivenRun::view_micros() const {
    const double begun = thread_micros();
    const std::string text = boost::json::serialize(web::steps_json(history_, state_));
    const double took = thread_micros() - begun;
    return text.empty() ? 0 : took;
}

std::string parallel_tasks(std::size_t count) {
    std::string text = "workflow = \"parallel\"\n[[step]]\nid = \"all\"\n";
    for (std::size_t i = 0; i < count; ++i)
        text += fmt::format("[[step.parallel]]\nid = \"t{}\"\ntask = \"bench.task\"\nwith = {{ number = {} }}\n", i, i);
    return text;
}

std::string chained_tasks(std::size_t count) {
    std::string text = "workflow = \"chained\"\n";
    for (std::size_t i = 0; i < count; ++i)
        text += fmt::format("[[step]]\nid = \"t{}\"\ntask = \"bench.task\"\nwith = {{ number = {} }}\n", i, i);
    return text;
}

std::vector<std::size_t> sizes_from(int argc, char** argv) {
    if (argc < 2) return {10, 100, 999};
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i) sizes.push_back(std::strtoul(argv[i], nullptr, 10));
    return sizes;
}

} // namespace baton::bench
