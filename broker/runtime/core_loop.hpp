// Runs the broker's core: gives it batches of events, hands out what each turn produced, and keeps
// what has to wait until the journal has synced. It makes no thread: with one I/O thread it lives
// there, and a connection calls it directly, once per read, without a hand-over; with more of them
// it has a thread to itself, and batches come by mailbox. Where commands and records go, and who
// wakes it, is plugged in from outside. Connections reach it through an Inlet.
//
// Everything is called on the loop's thread except post() and hand_in().
#pragma once

#include "base/mailbox.hpp"
#include "broker/core/broker.hpp"
#include "broker/runtime/event_batch.hpp"

#include <deque>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>

namespace baton::broker::runtime {

// What a turn asks the journal to keep; see core/turn.hpp.
struct JournalWork {
    core::TurnNumber turn = 0;
    core::RecordNumber first_record = 0;
    std::vector<core::Record> records;
    bool needs_sync = false;
    bool is_urgent = true; // somebody is held up until it, and all before it, is written; else it may be kept
    std::optional<core::RecordNumber> forget_below;
    std::vector<core::PageOut> pages_out;
    std::vector<core::Load> loads;
    std::vector<core::BlockId> pages_gone;
};

struct CoreSinks {
    // Commands to be carried out now, in order; called at most once per turn and once per report of
    // the journal. May consume them. Must not call back into the loop.
    std::function<void(std::span<core::Command>)> commands;
    std::function<void(JournalWork)> journal;
    // The loop wants tick() at this time; nothing: not at all. Called when it changed.
    std::function<void(std::optional<Time>)> alarm;
    // Any thread: the loop wants run_posted() soon.
    std::function<void()> wake;
    // Publishers have to wait, or no longer; empty: nobody wants to know.
    std::function<void(const core::Shortage&)> shortage = {};
    // Durable queues that were deleted or purged and lost messages by it; empty: nobody wants to know.
    std::function<void(std::span<const core::EmptiedQueue>)> emptied = {};
    // The users, their passwords or tags, or other definitions, may be others now than before the last call.
    std::function<void(std::uint64_t version)> defined = {};
    // Before each turn: what the core counts towards the watermark; gives what others do.
    std::function<std::uint64_t(std::uint64_t)> outside_memory = {};
};

class Inlet;

class CoreLoop {
public:
    CoreLoop(core::Options options, const Clock& clock, CoreSinks sinks);

    // --- Recovery, before anything else ---
    void replay(core::Record&& record, core::RecordNumber number) {
        broker_.replay(std::move(record), number);
    }
    void finish_recovery(core::RecordNumber last_number);

    // --- Work ---

    // One batch: `decide(broker, now, turn)` applies events, then the turn is finished and handed
    // out. Not from inside a sink.
    template <typename Decide>
    void batch(Decide&& decide) {
        begin();
        decide(broker_, now_, turn_);
        end();
    }
    void apply(core::Event event);
    // The same in two parts, for a reader that applies events one by one.
    void begin();
    core::Broker& broker() { return broker_; }
    Time now() const { return now_; }
    core::Turn& turn() { return turn_; }
    void end();

    void tick();
    void durable_up_to(core::TurnNumber turn);
    // Is nothing waiting for the journal?
    bool is_settled() const { return waiting_.empty() && entrusted_.empty() && own_.empty(); }

    using AnswerReceiver = std::function<void(const core::Answer&)>;
    // The answer comes when what it says is durable.
    void administer(core::AdministrationRequest wish, AnswerReceiver receiver);

    // --- From any thread ---

    // `work` is called on the loop's thread, between turns. Never called when the loop ended
    // before.
    void post(std::function<void(CoreLoop&)> work);
    // The batch gets back to `home` when it was applied. All that are there share a turn.
    void hand_in(Inlet& home, std::unique_ptr<EventBatch> batch);
    // What sinks.wake asks for: what was handed in and posted.
    void run_posted();
    // From now on posted work is thrown away uncalled.
    void close() { posted_.close(); }

private:
    struct Waiting {
        core::TurnNumber turn = 0;
        // The youngest turn at or before this one whose records somebody waits for.
        core::TurnNumber needs = 0;
        std::vector<core::Command> commands;
        std::vector<core::Answer> answers;
        std::vector<core::RecordNumber> entrusted; // Turn::entrusted
        std::size_t unsettled = 0;                 // of them
    };

    struct HandedIn {
        Inlet* home = nullptr;
        std::unique_ptr<EventBatch> batch;
    };

    void apply_handed_in();
    void hand_out();
    void hand_out_commands(std::vector<core::Command>& commands);
    void answer(const std::vector<core::Answer>& answers);
    void set_alarm();
    void note_settled();
    void hand_out_settled();
    void end_waiting(std::deque<Waiting>& list);

    core::Broker broker_;
    const Clock& clock_;
    CoreSinks sinks_;
    core::Turn turn_;
    Time now_{};
    bool in_turn_ = false;
    // In the order of their turns. Three lists, since the second and the third need not wait for the first and not
    // for each other: who is held up by the journal; who waits for messages that the server's own user takes, too;
    // and that user itself.
    std::deque<Waiting> waiting_;
    std::deque<Waiting> entrusted_;
    std::deque<Waiting> own_;
    std::size_t handed_out_ = 0; // the first of entrusted_, whose commands went out before the journal was done
    std::unordered_map<core::RecordNumber, core::TurnNumber> entrusted_records_; // unsettled, of entrusted_
    core::TurnNumber last_synced_ = 0; // the youngest turn the journal was asked to sync
    core::TurnNumber last_turn_ = 0;
    std::optional<Time> alarm_;
    std::uint64_t told_version_ = 0; // of the definitions
    std::map<core::RequestId, AnswerReceiver> receivers_;
    std::uint64_t last_request_ = 0;
    Mailbox<std::function<void(CoreLoop&)>> posted_;
    Mailbox<HandedIn> handed_in_;
};

} // namespace baton::broker::runtime
