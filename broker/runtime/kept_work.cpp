#include "broker/runtime/kept_work.hpp"

#include "base/overloaded.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

namespace baton::broker::runtime {
namespace {

template <typename List>
void append(List& list, List&& more) {
    list.insert(list.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

} // namespace

void KeptWork::add(JournalWork work) {
    // What is read back is looked for under its number.
    if (!work.loads.empty() || !work.pages_out.empty()) stored_.clear();
    // What is urgent is written at once; and of a flood that nobody waits for little is gone within
    // a moment.
    const bool may_vanish = work.needs_sync && !work.is_urgent;
    std::size_t record = records();
    if (!all_) {
        all_ = std::move(work);
    } else {
        if (all_->records.empty()) all_->first_record = work.first_record;
        all_->turn = work.turn;
        all_->needs_sync = all_->needs_sync || work.needs_sync;
        all_->is_urgent = all_->is_urgent || work.is_urgent;
        if (work.forget_below) all_->forget_below = work.forget_below;
        append(all_->records, std::move(work.records));
        append(all_->pages_out, std::move(work.pages_out));
        append(all_->loads, std::move(work.loads));
        append(all_->pages_gone, std::move(work.pages_gone));
    }
    if (!may_vanish && stored_.empty()) return;
    for (; record < all_->records.size(); ++record)
        note(record, may_vanish);
}

std::optional<JournalWork> KeptWork::take() {
    stored_.clear();
    return std::exchange(all_, {});
}

void KeptWork::note(std::size_t record, bool may_vanish) {
    std::visit(Overloaded{
                   [&](const core::MessageStored& stored) {
                       const Place place{stored.first.queue, stored.first.position};
                       if (!may_vanish && stored.others.empty()) return (void)stored_.erase(place);
                       // Said a second time, or of several queues: such a message is left alone.
                       if (!stored_.emplace(place, record).second || !stored.others.empty())
                           stored_.erase(place);
                       for (const core::Place& other : stored.others)
                           stored_.erase({other.queue, other.position});
                   },
                   [&](core::MessagesRemoved& removed) { forget(removed); },
                   [&](const core::MessageReturned& returned) {
                       stored_.erase({returned.queue, returned.position});
                   },
                   [](const auto&) {},
               },
               all_->records[record]);
}

// Of a range of which one position may be on the disk, everything stays.
void KeptWork::forget(core::MessagesRemoved& removed) {
    std::erase_if(removed.ranges, [&](const core::PositionRange& range) {
        std::vector<std::map<Place, std::size_t>::iterator> found;
        for (core::Position position = range.first; position <= range.last; ++position) {
            const auto stored = stored_.find({removed.queue, position});
            if (stored == stored_.end()) return false;
            found.push_back(stored);
        }
        for (const auto& stored : found) {
            all_->records[stored->second] = core::MessagesRemoved{removed.queue, {}};
            stored_.erase(stored);
        }
        return true;
    });
}

} // namespace baton::broker::runtime
