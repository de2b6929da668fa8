#include "orchestrator/retention_keeper.hpp"

#include "base/log.hpp"
#include "orchestrator/definition/loader.hpp"

#include <algorithm>
#include <chrono>

namespace baton::orchestrator {

namespace {

// Of one removal, however fast or slow the store is: below the least, its fixed cost would be all of it.
constexpr std::size_t batch_min = 10;
constexpr std::size_t batch_max = 500;

} // namespace

RetentionKeeper::RetentionKeeper(Options options, Open open, const Clock& clock)
    : options_(options), open_(std::move(open)), clock_(clock), batch_(batch_min), thread_("retention", [this] { run(); }) {}

RetentionKeeper::~RetentionKeeper() { stop(); }

void RetentionKeeper::stop() {
    stop_.close();
    for (runtime::RunStore* store : opened_.take_now()) store->interrupt(Duration::zero());
    thread_.join();
}

void RetentionKeeper::run() {
    do {
        if (!store_) {
            auto store = open_();
            if (store) {
                store_ = std::move(*store);
                opened_.put(store_.get());
            }
            if (!store) log::warning("retention", "no old runs are removed: the store cannot be opened", {{"reason", store.error().detail}});
        }
        if (store_) sweep();
    } while (wait(options_.pause));
}

bool RetentionKeeper::wait(Duration pause) {
    stop_.take(pause);
    return !stop_.is_closed();
}

void RetentionKeeper::sweep() {
    const auto definitions = store_->newest_definitions();
    if (!definitions)
        return log::warning("retention", "no old runs are removed: the workflows cannot be read", {{"reason", definitions.error().detail}});
    for (const runtime::StoredDefinition& definition : *definitions) {
        const auto kept = kept_for(definition);
        if (kept && !remove(definition.name, clock_.now() - *kept)) return;
    }
}

std::optional<Duration> RetentionKeeper::kept_for(const runtime::StoredDefinition& definition) {
    auto known = read_.find(definition.definition_id);
    if (known == read_.end()) {
        // A source that this version cannot read keeps its runs until somebody looks.
        const auto loaded = definition::load(definition.source, definition.file_name);
        if (!loaded) return std::nullopt;
        known = read_.emplace(definition.definition_id, loaded.workflow->retention).first;
    }
    return known->second ? known->second : options_.otherwise;
}

bool RetentionKeeper::remove(const std::string& workflow, Time ended_before) {
    using std::chrono::steady_clock;
    std::size_t all = 0;
    bool goes_on = !stop_.is_closed();
    while (goes_on) {
        const auto begin = steady_clock::now();
        const auto removed = store_->remove_runs(workflow, ended_before, batch_);
        if (!removed) {
            log::warning("retention", "old runs were not removed, it is tried again", {{"workflow", workflow}, {"reason", removed.error().detail}});
            return false;
        }
        const auto took = std::chrono::duration_cast<Duration>(steady_clock::now() - begin);
        all += *removed;
        if (*removed == 0) break; // fewer than asked for have the most history that goes at once
        if (took < options_.removal_time / 2) batch_ = std::min(batch_max, batch_ * 2);
        if (took > options_.removal_time * 2) batch_ = std::max(batch_min, batch_ / 2);
        goes_on = wait(std::max(options_.removal_time, 3 * took));
    }
    if (all > 0) log::info("retention", "old runs were removed", {{"workflow", workflow}, {"runs", all}});
    return goes_on;
}

} // namespace baton::orchestrator
