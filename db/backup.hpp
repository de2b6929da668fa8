// What a backup needs of the store: a copy of the runs of a SQLite file as they are at one moment,
// also while a server writes into it; where the outbox stands; and how a restored store is told to
// publish again what the messages of the backup may lack. Everything here opens connections of its own
// and belongs to any one thread. docs/decisions/0027 says why a backup is made in this order.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace baton::db {

// By partition: the effects of transitions up to here are with the broker (OwnedPartition::published).
using OutboxCursors = std::map<orchestrator::runtime::Partition, std::uint64_t>;
// What had reached the broker at a moment.
struct OutboxMark {
    OutboxCursors cursors;
    Time at; // what was redriven before this is with the broker, too
};

// The file of a SQLite URL; nothing for PostgreSQL.
Outcome<std::optional<std::string>> sqlite_file_of(const std::string& url);

Outcome<OutboxMark> outbox_mark(const std::string& url, Time now);

// Copies the runs of the SQLite file `source` to `target`, a new file without a log beside it. The copy goes
// on from `mark`: what it sent after that it sends again. Without a mark it does so from the oldest
// transition of a run that is not closed, for a broker whose messages are not part of the backup. Fails with
// operation_canceled soon after `is_given_up` says so.
Outcome<void> copy_runs(const std::string& source, const std::string& target,
                        const std::optional<OutboxMark>& mark, const std::function<bool()>& is_given_up);

// Reads all of a copy. The failure says what is wrong with it.
Outcome<void> check_runs(const std::string& path);

// For a store that the operator restored: it goes on from `mark`. Refuses a store that is older, since
// what it does not know of could not go on.
Outcome<void> take_back(const std::string& url, const OutboxMark& mark);

} // namespace baton::db
