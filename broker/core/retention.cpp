// Keeps the journal short: when too many sealed segments are kept, what still lives in the oldest is
// said again, a bounded number per turn, until the segment holds nothing that matters. The list of
// living messages is ordered by their records, so the oldest are found without a search.
#include "broker/core/protocol.hpp"

namespace baton::broker::core {

void Protocol::on(const SegmentSealed& event) { sealed_.push_back(event); }

void Protocol::say_again(Message& message) {
    state_.living(message, note(State::stored(message)));
}

void Protocol::retain() {
    if (sealed_.empty()) return;
    const RecordNumber last = sealed_.front().last;
    if (sealed_.size() <= options_.sealed_segments_max) {
        // A full disk cannot wait for that; but what would have to be copied would fill it further.
        const Message* living = state_.oldest_living();
        const bool is_dead = living == nullptr || living->notes.record > last;
        if (!is_dead || !alarms_[static_cast<std::size_t>(Alarm::disk)]) return;
    }
    if (definitions_said_at_ <= last) {
        std::vector<Record> definitions = state_.definitions();
        const RecordNumber first = last_record_ + 1;
        for (Record& record : definitions) note(std::move(record));
        definitions_said_at_ = first;
    }
    for (std::uint32_t count = 0; count < options_.repeats_per_turn_max; ++count) {
        Message* oldest = state_.oldest_living();
        if (oldest == nullptr || oldest->notes.record > last) {
            turn_->forget_below = last + 1;
            sealed_.pop_front();
            return;
        }
        say_again(*oldest);
    }
}

} // namespace baton::broker::core
