#include "bench/core/driven_run.hpp"

#include "orchestrator/core/clocks.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/run_json.hpp"
#include "orchestrator/definition/loader.hpp"
#include "web/runs/run_view.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

namespace baton::bench {

namespace core = orchestrator::core;

namespace {

// As in orchestrator/runtime/engine_body.hpp, which nobody outside may include.
constexpr std::size_t history_bytes_min = 8 * 1024;

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
    std::string document;
    std::string events;
    const double begun = thread_micros();
    const core::Transition made = core::advance(*workflow_, run_, event, now_);
    core::append_json(events, made.facts);
    history_bytes_ += events.size();
    if (history_bytes_ > history_bytes_min + document_bytes_) {
        core::append_state_json(document, *workflow_, run_, run_.version + 1);
        document_bytes_ = document.size();
        history_bytes_ = 0;
    }
    (void)core::next_deadline(run_);
    const double took = thread_micros() - begun;
    ++run_.version;
    for (const core::Fact& fact : made.facts)
        if (const auto* dispatched = std::get_if<core::fact::TaskDispatched>(&fact.body))
            tasks_.push_back(dispatched->ref);
    const Cost cost{took, document.size() + events.size()};
    history_.push_back({run_.id, run_.version, 0, run_.version, now_, std::move(events)});
    return cost;
}

Cost DrivenRun::complete_next() {
    const core::AttemptRef task = tasks_.front();
    tasks_.pop_front();
    return take(
        core::TaskCompleted{task, document(R"({"ok":true,"ref":"a result of some length"})")});
}

bool DrivenRun::is_over() const {
    return core::is_closed(run_.status);
}

double DrivenRun::view_micros() const {
    orchestrator::runtime::RunDetails details;
    details.run.run_id = run_.id;
    details.run.status = run_.status;
    details.run.input = "{}";
    const double begun = thread_micros();
    web::RunTeller teller;
    teller.add(history_);
    const std::string text = boost::json::serialize(teller.tell(details, {}));
    const double took = thread_micros() - begun;
    return text.empty() ? 0 : took;
}

std::string parallel_tasks(std::size_t count) {
    std::string text = "workflow = \"parallel\"\n[[step]]\nid = \"all\"\n";
    for (std::size_t i = 0; i < count; ++i)
        text += fmt::format(
            "[[step.parallel]]\nid = \"t{}\"\ntask = \"bench.task\"\nwith = {{ number = {} }}\n", i,
            i);
    return text;
}

std::string chained_tasks(std::size_t count) {
    std::string text = "workflow = \"chained\"\n";
    for (std::size_t i = 0; i < count; ++i)
        text += fmt::format(
            "[[step]]\nid = \"t{}\"\ntask = \"bench.task\"\nwith = {{ number = {} }}\n", i, i);
    return text;
}

std::vector<std::size_t> sizes_from(int argc, char** argv) {
    if (argc < 2) return {10, 100, 999};
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i)
        sizes.push_back(std::strtoul(argv[i], nullptr, 10));
    return sizes;
}

} // namespace baton::bench
