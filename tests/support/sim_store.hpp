// The store in memory: a database that several SimStores share, as several processes share a real
// one. Keeps the law of run_store.hpp by the letter, and fails when it is told to. One thread.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace baton::test {

namespace runtime = orchestrator::runtime;

struct SimDatabase {
    struct Key {
        std::string run_id;
        std::string input_sha256;
        std::optional<Time> expires_at;
    };
    std::map<std::string, runtime::StoredRun> runs;
    std::vector<runtime::HistoryRow> history; // in the order of commits
    std::map<runtime::Partition, runtime::OwnedPartition> owners;
    std::map<std::string, runtime::Alarm> alarms;
    std::map<std::pair<std::string, std::string>, Key> start_keys;
    std::vector<runtime::DeadLetter> dead_letters;
    std::vector<runtime::DeadJob> dead_jobs;
    std::vector<runtime::StoredPause> pauses;
    std::map<std::string, std::string> slot_keys; // by run
    std::map<std::pair<std::string, std::string>, std::uint64_t> runs_of_tags; // by name and value
    std::map<std::pair<std::string, std::string>, runtime::StoredShape> event_shapes; // by type and paths
    std::map<std::pair<std::string, std::string>, runtime::EventWait> event_waits;    // by key and run
    std::map<std::pair<std::string, std::string>, runtime::KeptEvent> events;         // by key and id
    std::map<std::string, std::vector<runtime::LimitShare>> limit_shares;
    std::map<std::string, Time> next_turns; // by limit
    std::vector<runtime::StoredDefinition> definitions;
    std::map<std::string, std::string> definition_hashes; // name + version → sha256
    std::string secret;
    std::uint64_t commits = 0;
    std::map<runtime::Partition, std::string> owner_names;
    // Of nodes that were announced: what they said, and whose session holds their lock.
    struct Node {
        runtime::Announcement said;
        Time until{};
        const void* session = nullptr;
    };
    std::map<std::string, Node> nodes;
    const Clock* clock = nullptr; // for leases

    // What the checkers of the simulation must find, when switched off.
    bool fence_is_on = true;
    bool history_is_read_back = true;
};

class SimStore final : public runtime::RunStore {
public:
    enum class Fault { none, before, after };

    explicit SimStore(SimDatabase& database) : database_(database) {}

    // Asked before every commit: what shall go wrong with it. `after` writes and says that it
    // failed.
    std::function<Fault()> on_commit;
    // A batch for which it says true is refused: by default because no repetition heals it.
    runtime::StoreErrc refusal = runtime::StoreErrc::unfit;
    std::function<bool(const runtime::Batch&)> refuses;
    // Runs whose row cannot be read.
    std::set<std::string> damaged;
    // Hears what every load gives.
    std::function<void(const std::vector<runtime::StoredRun>&)> on_load;
    // While set, nothing works.
    bool is_away = false;

    Outcome<std::vector<runtime::OwnedPartition>>
    take_over(std::span<const runtime::Partition> parts, const std::string& node) override;
    bool is_shared() const override { return true; }
    Outcome<runtime::Neighbourhood> announce(const runtime::Announcement& said) override;
    Outcome<void> withdraw(const std::string& node) override;
    Outcome<std::vector<runtime::OwnedPartition>>
    take_over_from(std::span<const runtime::SeenPartition> seen, const std::string& node) override;
    Outcome<void> release(std::span<const runtime::OwnedPartition> parts) override;
    Outcome<void> make_partitions(std::uint32_t count) override;
    // The session ends, as when the process dies.
    void end_session();
    Outcome<std::vector<runtime::Alarm>> alarms(runtime::Partition part) override;
    Outcome<std::vector<runtime::HistoryRow>>
    history_above(runtime::Partition part, std::uint64_t after, std::size_t count,
                  const runtime::ReadLimits& limits) override;
    using RunStore::history_above;
    Outcome<std::vector<runtime::HistoryRow>> history_since(std::span<const runtime::HistoryAsk> asks) override;
    Outcome<std::vector<runtime::StoredRun>> load(std::span<const std::string> run_ids,
                                                   const runtime::ReadLimits& limits) override;
    using RunStore::load;
    Outcome<std::vector<std::string>> open_runs(runtime::Partition part,
                                                const std::string& after_run_id,
                                                std::size_t limit) override;
    Outcome<std::vector<runtime::StoredSlot>> slots(runtime::Partition part) override;
    Outcome<bool> has_start_key(const std::string& workflow, const std::string& key, Time now) override;
    Outcome<std::uint64_t> runs_of_tag(const runtime::RunTag& tag, std::uint64_t at_most) override;
    Outcome<void> add_event_shapes(std::span<const runtime::StoredShape> shapes) override;
    Outcome<std::vector<runtime::StoredShape>> event_shapes(const std::string& type) override;
    Outcome<void> add_event_waits(std::span<const runtime::EventWait> waits) override;
    Outcome<void> remove_event_waits(std::span<const runtime::EventWait> waits) override;
    Outcome<std::vector<runtime::EventWait>> event_waits(const std::string& key, const std::string& after_run_id,
                                                         std::size_t limit) override;
    Outcome<void> keep_events(std::span<const runtime::KeptEvent> events) override;
    Outcome<std::vector<runtime::KeptEvent>> kept_events(std::span<const std::string> keys, Time now) override;
    Outcome<std::vector<runtime::EventOffer>> event_offers(runtime::Partition part, Time now) override;
    Outcome<void> forget_events(Time now) override;
    Outcome<std::vector<runtime::StoredPause>> pauses() override;
    Outcome<void> save_pause(const runtime::StoredPause& pause) override;
    Outcome<void> remove_pause(runtime::PauseKind kind, const std::string& name) override;
    Outcome<std::vector<runtime::LimitAnswer>> share_limits(const std::string& node,
                                                            std::span<const runtime::LimitAsk> asks, bool adopts) override;
    Outcome<std::uint32_t> partition_count() override;
    Outcome<runtime::Committed> commit(const runtime::Batch& batch) override;
    Outcome<runtime::StoredDefinition>
    save_definition(const std::string& name, const std::string& source,
                    const std::string& file_name, const std::string& sha256, Time now,
                    std::optional<std::uint64_t> only_over = {}) override;
    Outcome<bool> retire_definition(const std::string& name) override;
    Outcome<bool> is_retired(const std::string& name, const std::string& sha256) override;
    Outcome<std::vector<runtime::StoredDefinition>> needed_definitions() override;
    Outcome<std::optional<runtime::StoredDefinition>>
    definition(std::uint64_t definition_id) override;
    Outcome<std::optional<runtime::DeadLetter>> dead_letter(std::uint64_t id) override;
    Outcome<std::vector<std::uint64_t>> dead_letter_ids(const runtime::DeadLetterFilter& filter) override;
    Outcome<runtime::DeadJob> add_dead_job(const runtime::DeadJob& job) override;
    Outcome<void> save_dead_job(const runtime::DeadJob& job) override;
    Outcome<std::vector<runtime::DeadJob>> running_dead_jobs() override;
    Outcome<runtime::DiedAgain> died_again(std::uint64_t job_id, std::uint64_t after_id) override;
    Outcome<std::string> secret(const std::string& candidate) override;

private:
    Failure away() const;
    void write(const runtime::RunChange& change, runtime::Committed& committed);
    void add_letter(runtime::DeadLetter letter);
    static void close(runtime::DeadLetter& letter, runtime::DeadLetterState state, const runtime::Closing& closing);
    bool has_other_run(const runtime::RunChange& change, runtime::Committed& committed);
    void set_alarm(const std::string& run_id, std::optional<Time> due);

    SimDatabase& database_;
};

} // namespace baton::test
