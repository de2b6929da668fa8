// What KeptWork leaves out of the journal, and above all what it does not.
#include "broker/runtime/kept_work.hpp"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

namespace core = broker::core;
using broker::runtime::JournalWork;
using broker::runtime::KeptWork;

const core::QueueId tasks{7};
const core::QueueId reports{8};

core::Record stored(core::QueueId queue, core::Position position,
                    std::vector<core::Place> others = {}) {
    core::MessageStored record;
    record.first = {queue, position};
    record.others = std::move(others);
    return record;
}
core::Record removed(core::QueueId queue, core::Position first, core::Position last) {
    return core::MessagesRemoved{queue, {{first, last}}};
}
bool is_empty(const core::Record& record) {
    const auto* one = std::get_if<core::MessagesRemoved>(&record);
    return one != nullptr && one->ranges.empty();
}

class Kept : public testing::Test {
protected:
    void add(std::vector<core::Record> records, bool needs_sync = true, bool is_urgent = false) {
        JournalWork work;
        work.turn = ++turn;
        work.first_record = records.empty() ? 0 : next;
        next += records.size();
        work.records = std::move(records);
        work.needs_sync = needs_sync;
        work.is_urgent = is_urgent;
        kept.add(std::move(work));
    }
    // A letter for each record: S, R, other; "." for one that says nothing.
    std::string written() {
        const auto work = kept.take();
        std::string letters;
        if (!work) return "nothing";
        for (const core::Record& record : work->records)
            letters += is_empty(record)                                        ? '.'
                       : std::holds_alternative<core::MessageStored>(record)   ? 'S'
                       : std::holds_alternative<core::MessagesRemoved>(record) ? 'R'
                                                                               : '?';
        return letters;
    }

    KeptWork kept;
    core::TurnNumber turn = 0;
    core::RecordNumber next = 100;
};

TEST_F(Kept, SeveralTurnsBecomeOnePieceOfWork) {
    EXPECT_EQ(written(), "nothing");
    add({}, false);
    add({stored(tasks, 1)}, false);
    add({stored(tasks, 2), removed(reports, 5, 5)}, true);
    add({}, false, true);
    EXPECT_EQ(kept.records(), 3u);

    const auto work = kept.take();
    ASSERT_TRUE(work);
    EXPECT_EQ(work->turn, 4u);
    EXPECT_EQ(work->first_record, 100u);
    EXPECT_EQ(work->records.size(), 3u);
    EXPECT_TRUE(work->needs_sync);
    EXPECT_TRUE(work->is_urgent);
    EXPECT_EQ(kept.records(), 0u);
    EXPECT_EQ(written(), "nothing");
}

TEST_F(Kept, AMessageThatCameAndWentIsNotWritten) {
    add({stored(tasks, 1)});
    add({stored(reports, 1)});
    add({removed(reports, 1, 1), stored(tasks, 2)});
    add({removed(tasks, 1, 1)}, false);
    EXPECT_EQ(written(), "...S.");
}

TEST_F(Kept, SeveralAtOnceGoBySeveralRanges) {
    add({stored(tasks, 1), stored(tasks, 2), stored(tasks, 4)});
    add({core::MessagesRemoved{tasks, {{1, 2}, {4, 4}}}}, false);
    EXPECT_EQ(written(), "....");
}

TEST_F(Kept, WhatIsOnTheDiskAlreadyIsForgottenThere) {
    add({stored(tasks, 1)});
    EXPECT_EQ(written(), "S");
    add({stored(tasks, 2)});
    add({removed(tasks, 1, 2)}, false);
    EXPECT_EQ(written(), "SR") << "the range stays whole, and so does what it is about";
}

TEST_F(Kept, WhatAnUrgentTurnStoresIsWritten) {
    add({stored(tasks, 1)}, true, true);
    add({removed(tasks, 1, 1)}, false);
    EXPECT_EQ(written(), "SR");
    add({stored(tasks, 2)});
    add({removed(tasks, 2, 2), stored(tasks, 3)}, true, true);
    EXPECT_EQ(written(), "..S");
}

TEST_F(Kept, AMessageOfSeveralQueuesStays) {
    add({stored(tasks, 1, {{reports, 1}})});
    add({removed(tasks, 1, 1)}, false);
    add({removed(reports, 1, 1)}, false);
    EXPECT_EQ(written(), "SRR");
}

TEST_F(Kept, WhatIsSaidTwiceStays) {
    add({stored(tasks, 1)});
    add({stored(tasks, 1)});
    add({removed(tasks, 1, 1)}, false);
    EXPECT_EQ(written(), "SSR");
}

TEST_F(Kept, WhatCameBackStays) {
    add({stored(tasks, 1)});
    add({core::MessageReturned{tasks, 1, 1}}, false);
    add({removed(tasks, 1, 1)}, false);
    EXPECT_EQ(written(), "S?R");
}

TEST_F(Kept, WhatIsReadBackStays) {
    add({stored(tasks, 1)});
    JournalWork work;
    work.turn = ++turn;
    work.loads.push_back({core::BlockId{1}, {100}, false});
    kept.add(std::move(work));
    add({removed(tasks, 1, 1)}, false);
    EXPECT_EQ(written(), "SR");
}

} // namespace
} // namespace baton::test
