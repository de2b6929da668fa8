// Keeps the journal short: when it is much larger than what lives in it, what still lives in the
// oldest segment is said again, a bounded number per turn, until the segment holds nothing that
// matters. Living messages and blocks are found by their records, without a search.
#include "broker/core/protocol.hpp"

namespace baton::broker::core {

namespace {

// About what a definition costs in the journal.
constexpr std::uint64_t definition_bytes = 256;

} // namespace

void Protocol::on(const SegmentSealed& event) {
    sealed_.push_back(event);
    sealed_bytes_ += event.bytes;
}

void Protocol::say_again(Message& message) {
    state_.living(message, note(State::stored(message)));
}

// A full disk cannot wait until there are too many segments; but what would have to be copied would
// fill it further.
bool Protocol::wants_to_retain() {
    if (sealed_.empty()) return false;
    const std::uint64_t lives = state_.durable_bytes() + definitions_bytes_;
    if (sealed_bytes_ > 2 * lives && (sealed_.size() > options_.sealed_segments_max ||
                                      sealed_bytes_ - 2 * lives > options_.journal_spare_bytes))
        return true;
    const RecordNumber last = sealed_.front().last;
    return alarms_[static_cast<std::size_t>(Alarm::disk)] &&
           state_.any_living_up_to(last) == nullptr && !state_.any_block_up_to(last);
}

// False: there are more. What is begun is brought to its end, for the next segment if not for this.
bool Protocol::say_definitions() {
    if (!definitions_) {
        definitions_.emplace(state_);
        definitions_began_at_ = last_record_ + 1;
        definitions_said_ = 0;
    }
    std::vector<Record> records;
    const bool has_more = definitions_->next(state_, options_.repeats_per_turn_max, records);
    definitions_said_ += records.size();
    for (Record& record : records) note(std::move(record));
    if (has_more) return false;
    definitions_.reset();
    definitions_said_at_ = definitions_began_at_;
    // Otherwise definitions larger than a segment would be said again for ever.
    definitions_bytes_ = definitions_said_ * definition_bytes;
    return true;
}

void Protocol::retain() {
    retention_goes_on_ = false;
    if (!wants_to_retain()) return;
    const RecordNumber last = sealed_.front().last;
    if (definitions_said_at_ <= last && !say_definitions()) {
        retention_goes_on_ = true;
        return;
    }
    for (std::uint32_t count = 0; count < options_.repeats_per_turn_max; ++count) {
        if (Message* oldest = state_.any_living_up_to(last)) {
            say_again(*oldest);
            continue;
        }
        if (const auto id = state_.any_block_up_to(last)) {
            // It goes on when the block has come.
            const State::BlockPlace& place = *state_.block_place(*id);
            Queue& queue = *state_.queue(place.queue);
            if (queue.stream)
                load(queue, *queue.stream->find(*id), 0, SIZE_MAX);
            else if (PagedBlock* block = queue.find_block(place.level, *id))
                load(*block);
            return;
        }
        turn_->forget_below = last + 1;
        sealed_bytes_ -= sealed_.front().bytes;
        sealed_.pop_front();
        break;
    }
    retention_goes_on_ = wants_to_retain();
}

} // namespace baton::broker::core
