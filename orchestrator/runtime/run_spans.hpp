// Spans of runs and of attempts at their tasks and undos, made of the facts of what was committed:
//
//   run NAME            child of who started it
//     step PATH         one per attempt, child of the run; an undo is "undo PATH"
//       publish …       the message of the attempt, by messaging
//
// A span is told when what it is of has ended. After a restart the same run makes spans with the
// same ids, so nothing of them is stored; what a killed process had not told is lost. Belongs to
// the engine's thread.
#pragma once

#include "orchestrator/runtime/run_cache.hpp"
#include "orchestrator/runtime/span.hpp"

#include <cstddef>
#include <unordered_map>

namespace baton::orchestrator::runtime {

class RunSpans {
public:
    RunSpans(trace::Policy policy, SpanSink sink) : policy_(policy), sink_(std::move(sink)) {}

    bool is_on() const { return sink_ != nullptr; }
    // Of the facts that were just committed.
    void tell(const CachedRun& cached, Time now);

private:
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
};

} // namespace baton::orchestrator::runtime
