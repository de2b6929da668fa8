// What one batch of events produced. The owner of the core gives an empty turn to Broker::apply()
// any number of times and then once to Broker::finish(); after that the turn is complete and is
// handed out. A turn is reused by the core thread: clear() keeps the memory.
//
// How to hand a turn out (nothing else keeps the promises of the wire):
//   1. `commands` go to the outboxes at once, in order.
//   2. When `records` is not empty, the records go to the journal under the number of the turn.
//   3. `commands_when_durable` and `answers` wait until all records of this turn and of every
//      earlier turn are durable. Waiting turns are a first-in-first-out list *on the core's
//      thread*: the journal says "durable up to turn n", the core's thread hands out what waited
//      for turns up to n, in order, and then calls Broker::durable_up_to(n). A turn without records
//      and without earlier turns waiting is durable at once.
//   4. `forget_below`, when set, may be carried out (segments whose records all have smaller numbers
//      deleted) once this turn's records are durable.
//   5. `pages_out`, `loads` and `pages_gone` are carried out in this order, behind the records.
//
// A turn with records but with nothing that waits needs no sync of its own; writing it soon is
// enough, and the next sync takes it along.
#pragma once

#include "broker/core/command.hpp"
#include "broker/core/record.hpp"

#include <optional>
#include <vector>

namespace baton::broker::core {

// The messages of a block that no record of the journal says: they are to be written to the pages,
// which are forgotten with the process, so that loading the block gives them back.
struct PageOut {
    BlockId block;
    std::vector<MessageRef> messages;
};

// Messages are wanted back in memory; the answer is the event Loaded. Asked for after the records
// were handed to the journal and the page to the pages, in this turn or an earlier one.
struct Load {
    BlockId block;
    std::vector<RecordNumber> records;
    bool with_page = false;
};

// Publishers must wait from now on, or need not any more; for people.
struct Shortage {
    const char* reason = nullptr; // a literal, "low on memory" or the like; null: it is over
    std::uint64_t memory = 0;     // bytes that count towards the watermark
    std::uint64_t watermark = 0;
};

// A durable queue lost messages that waited in it: somebody deleted or purged it.
struct EmptiedQueue {
    std::string vhost;
    std::string queue;
};

struct Turn {
    TurnNumber number = 0;          // set by finish()
    RecordNumber first_record = 0;  // number of records[0]; the others follow; 0 without records
    std::vector<Record> records;
    std::vector<Command> commands;
    std::vector<Command> commands_when_durable;
    std::vector<Answer> answers;
    std::optional<RecordNumber> forget_below;
    std::vector<PageOut> pages_out;
    std::vector<Load> loads;
    std::vector<BlockId> pages_gone; // their pages are not needed any more
    std::optional<Shortage> shortage;
    std::vector<EmptiedQueue> emptied;
    // Nothing may wait for these records yet, but something will: they are to be synced all the
    // same, and the core wants to hear of it.
    bool must_be_durable = false;
    // Somebody waits for the journal who is held up by it. Otherwise it may wait for others a little: the
    // server's own publisher has what it publishes in its store, and only clears that up by the confirm.
    bool is_urgent = false;
    // Of what is recorded here, the messages that went to consumers of the server's own user alone. Those
    // acknowledge what their store has for good; so when all of them are acknowledged, nobody needs to wait for
    // the journal any more who waits for nothing else.
    std::vector<RecordNumber> entrusted;
    bool own_waits = false; // a confirm for the server's own user is among what waits
    // Those of this and earlier turns that such a consumer has acknowledged.
    std::vector<RecordNumber> settled;

    bool waits_for_journal() const {
        return must_be_durable || !commands_when_durable.empty() || !answers.empty();
    }

    void clear() {
        number = 0;
        first_record = 0;
        records.clear();
        commands.clear();
        commands_when_durable.clear();
        answers.clear();
        forget_below.reset();
        pages_out.clear();
        loads.clear();
        pages_gone.clear();
        shortage.reset();
        emptied.clear();
        must_be_durable = false;
        is_urgent = false;
        entrusted.clear();
        own_waits = false;
        settled.clear();
    }
};

} // namespace baton::broker::core
