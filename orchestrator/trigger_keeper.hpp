// Starts runs by the clock: a thread with a store of its own beside the engine, which it asks to
// start them. When and whether is schedule::take_turn()'s to say; what is remembered of a trigger
// is a row of the store.
//
// A turn: read the row, start what is due, store the row. Of several servers on one store the owner
// of the trigger's partition takes it; should two do so all the same, or one die in between, the
// run is named by its nominal time, so the second start finds the first, and the row is changed
// only by who has read its last version.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/run_store.hpp"
#include "orchestrator/runtime/schedule_ask.hpp"
#include "orchestrator/schedule/schedule.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::orchestrator {

class TriggerKeeper {
public:
    struct Stores {
        std::unique_ptr<runtime::RunStore> store;
        std::unique_ptr<runtime::RunQueries> queries;
    };
    using Open = std::function<Outcome<Stores>()>;
    using Live = std::vector<std::shared_ptr<const core::Workflow>>;

    // `clock` must outlive it. `node`: this server among those that own partitions.
    TriggerKeeper(std::string node, const Clock& clock);
    ~TriggerKeeper();
    TriggerKeeper(const TriggerKeeper&) = delete;

    // From now on it works. `engine` must outlive the keeper, or its stop(). `open` is called on
    // the keeper's thread, until it succeeds.
    void start(runtime::Engine& engine, Open open);
    // Ends behind what it asked the engine for. May be called twice.
    void stop();

    // Any thread, also before start(): which workflows are live from now on.
    void live(Live workflows);
    // Any thread; the reply comes on the keeper's.
    void ask(runtime::ScheduleAsk ask, runtime::Reply<std::string> reply);

private:
    using Key = std::pair<std::string, std::string>; // workflow, trigger
    struct Item {
        std::optional<std::pair<Live, Time>> live{};
        runtime::ScheduleAsk ask{};
        runtime::Reply<std::string> reply{};
    };
    struct Opened {
        runtime::RunStore* store = nullptr;
        runtime::RunQueries* queries = nullptr;
    };
    struct Known {
        std::shared_ptr<const core::Workflow> workflow;
        const core::Trigger* trigger = nullptr; // of it
        schedule::Rule rule;
        Time look_at{}; // nothing is due before
    };
    struct Remembered {
        std::uint64_t version = 0; // of the row; 0: there is none
        schedule::Memory memory{};
    };
    using Answers = Mailbox<Outcome<runtime::Started>>;
    // A turn under way.
    struct Turning {
        Key key;
        Known* known = nullptr;
        Remembered row;
        schedule::Turn turn{};
        std::vector<std::shared_ptr<Answers>> answers{}; // of its starts, in order
    };

    void run();
    bool open();
    void say_trouble(const Failure& failure);
    void hear(Item item);
    void learn(Live workflows, Time at);
    Duration pause() const;
    Outcome<void> look();
    Outcome<std::vector<Turning>> find_due(Time now);
    Outcome<void> read_rows();
    Outcome<void> mark_gone(Time now);
    Outcome<void> find_owners();
    bool is_mine(const Key& key) const;
    Outcome<bool> is_open(const std::string& run_id);
    Outcome<void> begin(Turning& turning);
    bool finish(Turning& turning);
    Outcome<void> store(std::vector<Turning>& done);
    std::shared_ptr<Answers> ask_for(const Known& known, const schedule::Fire& fire);
    std::optional<Outcome<runtime::Started>> await(Answers& answers) const;

    Outcome<std::string> answer(const runtime::ScheduleAsk& ask);
    Outcome<Known*> find(const std::string& schedule);
    // Until nobody else has changed the row meanwhile.
    Outcome<void> change(Known& known, const std::function<Outcome<void>(schedule::Memory&)>& by);
    Outcome<std::string> list(const runtime::ScheduleAsk& ask);
    Outcome<std::string> run_now(Known& known, const runtime::ScheduleAsk& ask);
    Outcome<std::string> backfill(Known& known, const runtime::ScheduleAsk& ask);

    std::string node_;
    const Clock& clock_;
    Open open_;
    runtime::Engine* engine_ = nullptr;
    Stores stores_;
    bool is_shared_ = false;
    std::optional<std::map<Key, Known>> known_; // nothing: nobody has said yet what is live
    std::map<Key, Remembered> rows_;
    bool are_rows_stale_ = true;
    Time rows_read_at_{};
    std::map<Key, Time> absent_;      // rows that nothing live belongs to, and since when
    std::vector<std::string> owners_; // by partition
    Mailbox<Item> items_;
    bool is_in_trouble_ = false;
    bool is_running_ = false; // for stop()
    Mailbox<Opened> opened_;  // for who stops a call under way
    Mailbox<int> ended_;
    Thread thread_;
};

} // namespace baton::orchestrator
