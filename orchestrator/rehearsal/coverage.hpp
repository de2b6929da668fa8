// Which ways of a workflow its tests went: every step, both answers of each `when`, every case of a
// switch, every rule of a catch, every undo.
#pragma once

#include "orchestrator/core/judge.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/rehearsal/rehearsal.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::rehearsal {

// Of one workflow, which outlives it; one thread.
class Coverage {
public:
    explicit Coverage(const core::Workflow& workflow);
    ~Coverage();
    Coverage(const Coverage&) = delete;
    Coverage& operator=(const Coverage&) = delete;

    // Evaluates, and remembers which way it went.
    const core::Judge& judge() const;
    void add(const Played& played);

    struct Branch {
        std::uint32_t line = 0; // of the step, in the workflow's file
        std::string what;       // "invite: catch already_in_team"
        bool is_taken = false;
    };
    std::vector<Branch> branches() const;

private:
    class Recorder;

    void add_ways(const core::Step& step, std::vector<Branch>& out) const;
    bool was(std::string_view what, std::string_view step) const;

    const core::Workflow& workflow_;
    std::unique_ptr<Recorder> recorder_;
    std::set<std::string, std::less<>>
        seen_; // "runs mailbox", "catch 0 invite", "undo mailbox", "timeout a"
};

} // namespace baton::orchestrator::rehearsal
