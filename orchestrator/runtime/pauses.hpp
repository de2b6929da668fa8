// What people let pause: task types, of which nothing is handed out, and workflows, of whose runs
// nothing is, and whose new runs wait. The store keeps them (StoredPause); this is what the engine
// and its askers know of them. Any thread.
#pragma once

#include "orchestrator/core/gate.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace baton::orchestrator::runtime {

class Pauses {
public:
    void set(std::vector<StoredPause> pauses);
    void put(StoredPause pause);
    void remove(PauseKind kind, const std::string& name);
    // Those in force.
    std::vector<StoredPause> list() const;
    std::vector<StoredPause> all() const;
    std::optional<StoredPause> find(PauseKind kind, const std::string& name) const;
    // In force; of a task, by its type or by its route.
    std::optional<StoredPause> of_task(const std::string& task, std::string_view route) const;
    std::optional<StoredPause> of_workflow(const std::string& workflow) const;

private:
    mutable std::mutex mutex_;
    std::vector<StoredPause> pauses_; // few
};

// "mail.create is paused by ada since 2026-…: the server moves".
std::string sentence_of(const StoredPause& pause);

// What is let pause, as the core asks it of one workflow's runs.
class PauseGate final : public core::Gate {
public:
    PauseGate(const Pauses& pauses, const std::string& workflow)
        : pauses_(pauses), workflow_(workflow) {}
    std::string why_held(const core::TaskCall& call, std::string_view route) const override;

private:
    const Pauses& pauses_;
    const std::string& workflow_;
};

} // namespace baton::orchestrator::runtime
