// Runs in memory, the least recently used leave first. Belongs to the engine's thread.
#pragma once

#include "orchestrator/core/advance.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::orchestrator::runtime {

// A run and what the batch at hand has done to it.
struct CachedRun {
    core::Run run;
    std::shared_ptr<const core::Workflow> workflow;
    Partition part = 0;
    std::optional<Time> alarm; // as it stands in the store
    // The store's document of the run, and its history since, which says the rest.
    std::size_t document_bytes = 0;
    std::size_t history_bytes = 0;

    // of the batch
    std::optional<NewRun> created;
    std::vector<core::Fact> facts;
    std::vector<core::DeadTask> dead;
    std::vector<std::string> revived;
    std::vector<std::string> dropped;
    std::map<std::string, Closing> closings; // of these two, by step
    bool is_touched = false; // is in the batch's list
    bool rang = false;       // its alarm rang in this batch
    std::size_t memory = 0;  // as counted by the cache

    core::RunName name() const { return {run.id, workflow->name, workflow->version}; }
};

class RunCache {
public:
    RunCache(std::size_t runs_max, std::size_t memory_max)
        : runs_max_(runs_max), memory_max_(memory_max) {}

    // Makes it the most recently used; null when it is not here. Stays valid until it is erased or
    // trim() is called.
    CachedRun* find(const std::string& run_id);
    CachedRun& insert(CachedRun run);
    void erase(const std::string& run_id);
    void erase_partition(Partition part);
    // The run may have another size now.
    void weigh(CachedRun& cached);
    // Forgets the least recently used above the limits; `reserved` of the memory is taken by others.
    // Between batches only.
    void trim(std::size_t reserved = 0);
    void clear();
    template <typename Do>
    void each(Do&& act) {
        for (CachedRun& cached : order_) act(cached);
    }
    std::size_t size() const { return by_id_.size(); }
    std::size_t memory() const { return memory_; }

private:
    std::size_t runs_max_;
    std::size_t memory_max_;
    std::size_t memory_ = 0; // of all runs
    std::list<CachedRun> order_; // most recently used first
    std::unordered_map<std::string_view, std::list<CachedRun>::iterator> by_id_; // keys in order_
};

} // namespace baton::orchestrator::runtime
