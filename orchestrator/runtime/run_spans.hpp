// Spans of runs and of attempts at their tasks and undos, made of the facts of what was committed:
//
//   run NAME            child of who started it
//     step PATH         one per attempt, child of the run; an undo is "undo PATH"
//     wait PATH         a step that waits for a time, a signal, an event, people
//       publish …       the message of the attempt, by messaging
//
// A span is told when what it is of has ended. After a restart the same run makes spans with the
// same ids, so nothing of them is stored; what a killed process had not told is lost. When a
// wait began that another process saw begin is in the run's history, which is read for it, once.
// Belongs to the engine's thread.
#pragma once

#include "orchestrator/runtime/run_cache.hpp"
#include "orchestrator/runtime/span.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace baton::orchestrator::runtime {

class RunSpans {
public:
    // All transitions of a run.
    using ReadHistory = std::function<Outcome<std::vector<HistoryRow>>(const std::string& run_id)>;

    RunSpans(trace::Policy policy, SpanSink sink, ReadHistory read)
        : policy_(policy), sink_(std::move(sink)), read_(std::move(read)) {}

    bool is_on() const { return sink_ != nullptr; }
    // Of the facts that were just committed.
    void tell(const CachedRun& cached, Time now);

private:
    struct Wait {
        Time since{};
        std::string what; // "signal", "timer", ...
    };

    void begin_waits(const CachedRun& cached, const std::vector<core::Fact>& facts, Time at);
    void read_waits(const CachedRun& cached);
    void end_wait(const CachedRun& cached, const trace::Context& context, const std::string& step,
                  Time now, const core::Document* error);
    void begin(const CachedRun& cached, const core::AttemptRef& ref, Time now);
    void end(const CachedRun& cached, const trace::Context& context, const core::AttemptRef& ref,
             Time now, const core::Document* error, std::string_view worker);
    Time begun(const CachedRun& cached, const core::AttemptRef& ref, std::uint64_t span, Time now);
    void end_run(const CachedRun& cached, const trace::Context& context,
                 const core::fact::RunBecame& fact, Time now);

    trace::Policy policy_;
    SpanSink sink_;
    // By span: when attempts began that this process saw begin. An instance of a repeated step is
    // gone from the run as soon as it ends.
    std::unordered_map<std::uint64_t, Time> begun_;
    ReadHistory read_;
    std::unordered_map<std::string, Wait> waits_; // by run and step
    std::unordered_set<std::string> known_;       // runs of which no wait is missing there
};

} // namespace baton::orchestrator::runtime
