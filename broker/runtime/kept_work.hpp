// Work for the journal that nobody is held up by, kept back for a moment and then written as one
// piece, which is there whole after a crash or not at all. So a message that came and went in that
// moment (a task, its report) needs no place on the disk: it would be read only to be forgotten
// again. Its records become empty ones, since all records are numbered. Pure; on the core's thread.
#pragma once

#include "broker/runtime/core_loop.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

namespace baton::broker::runtime {

class KeptWork {
public:
    void add(JournalWork work);
    // All of it; nothing is kept afterwards.
    std::optional<JournalWork> take();
    std::size_t records() const { return all_ ? all_->records.size() : 0; }

private:
    using Place = std::pair<core::QueueId, core::Position>;

    void note(std::size_t record, bool may_vanish);
    void forget(core::MessagesRemoved& removed);

    std::optional<JournalWork> all_;
    std::map<Place, std::size_t>
        stored_; // where the record is of a message that is in one queue only
};

} // namespace baton::broker::runtime
