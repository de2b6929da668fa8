// How a long backlog leaves memory and comes back. What leaves becomes a block: persistent messages
// are in the journal already, the others go to a page. What is wanted next is asked for before it is
// needed, and while it is on its way the queue has messages but no front.
#include "broker/core/protocol.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace baton::broker::core {

// --- Out -----------------------------------------------------------------------------------------

void Protocol::list_if_pageable(Queue& queue) {
    if (queue.is_pageable || queue.stays_in_memory()) return;
    if (queue.resident() < options_.window_entries + options_.block_entries &&
        queue.ready_bytes() < 3 * options_.block_bytes)
        return;
    queue.is_pageable = true;
    pageable_.push_back(&queue);
}

void Protocol::page_out() {
    paging_goes_on_ = false;
    const std::uint64_t stored = state_.stored_bytes();
    if (stored <= options_.page_above) return;
    const bool all = stored > options_.page_all_above;
    for (std::uint32_t left = options_.blocks_per_turn_max; left != 0 && !pageable_.empty();) {
        Queue& queue = *pageable_.back();
        const auto may = [&](const Entry& entry) {
            return all || (entry.message->notes.record != 0 && queue.is_recorded());
        };
        Queue::BlockPlace place;
        std::vector<Entry> entries = queue.take_for_block(state_.page_sizes(), place, may);
        if (entries.empty()) {
            queue.is_pageable = false;
            pageable_.pop_back();
            continue;
        }
        add_block(queue, place, entries);
        --left;
    }
    // The rest comes with the next turn, which is due at once: publishers may wait for it.
    paging_goes_on_ = !pageable_.empty();
}

void Protocol::add_block(Queue& queue, Queue::BlockPlace place, std::vector<Entry>& entries) {
    PagedBlock block(state_.take_block_id());
    PageOut page{block.id(), {}};
    for (Entry& entry : entries) {
        Message& message = *entry.message;
        PagedEntry paged;
        paged.position = entry.position;
        paged.expires_at = entry.expires_at;
        paged.delivery_count = entry.delivery_count;
        paged.body_bytes = static_cast<std::uint32_t>(message.body_size());
        paged.redelivered = entry.redelivered;
        const auto sharers = static_cast<std::uint32_t>(message.notes.durable.size());
        const RecordNumber record = message.notes.record;
        state_.left(message);
        if (record != 0 && message.notes.durable.remove(queue.id(), entry.position)) {
            paged.record = record;
            paged.sharers = sharers;
            if (message.notes.durable.empty()) state_.dead(message);
        } else {
            page.messages.push_back(std::move(entry.message));
        }
        block.add(paged);
    }
    state_.block_added(block, {queue.id(), place.level});
    queue.add_block(place, std::move(block));
    if (!page.messages.empty()) turn_->pages_out.push_back(std::move(page));
}

// --- Back ----------------------------------------------------------------------------------------

void Protocol::load(PagedBlock& block) {
    if (block.loading) return;
    block.loading = true;
    Load wanted{block.id(), {}, block.has_page()};
    for (const PagedEntry& entry : block.entries())
        if (entry.record != 0) wanted.records.push_back(entry.record);
    turn_->loads.push_back(std::move(wanted));
}

// Somebody waits for the front, or time does.
bool Protocol::wants_front(const Queue& queue) const {
    return !queue.consumers.empty() || queue.stays_in_memory() || queue.is_over_limit() ||
           queue.next_block_expires() ||
           std::any_of(waiting_gets_.begin(), waiting_gets_.end(),
                       [&](const WaitingGet& get) { return get.queue == &queue; });
}

void Protocol::read_ahead(Queue& queue) {
    if (queue.paged() == 0 || !wants_front(queue)) return;
    while (PagedBlock* block = queue.block_to_load(state_.page_sizes())) load(*block);
}

void Protocol::on(const Loaded& event) {
    if (stopping_) return;
    const State::BlockPlace* place = state_.block_place(event.block);
    Queue* queue = place != nullptr ? state_.queue(place->queue) : nullptr;
    if (queue == nullptr) return;
    if (queue->stream) return loaded_for_stream(*queue, event);
    const std::size_t level = place->level;
    PagedBlock* block = queue->find_block(level, event.block);
    if (block == nullptr) return;
    block->loading = false;
    if (queue->is_wanted(level, *block, state_.page_sizes()) && wants_front(*queue)) {
        unpage(*queue, level, *block, event);
        mark_due(*queue);
        serve(*queue);
        answer_waiting_gets(*queue);
    } else if (wants_to_retain() && block->oldest_record() <= sealed_.front().last) {
        say_again(*queue, level, *block, event);
    }
}

void Protocol::unpage(Queue& queue, std::size_t level, const PagedBlock& block,
                      const Loaded& event) {
    std::vector<Entry> entries;
    entries.reserve(block.size());
    auto recorded = event.recorded.begin();
    auto paged = event.paged.begin();
    for (const PagedEntry& from : block.entries()) {
        Entry entry{from.record != 0 ? *recorded++ : *paged++, from.position, from.expires_at,
                    from.delivery_count, queue.is_redelivered(from)};
        BATON_ASSERT(entry.message, "what a block needs is kept");
        Message& message = *entry.message;
        state_.entered(message);
        if (from.record != 0) {
            message.notes.durable.add({queue.id(), entry.position, entry.expires_at,
                                       entry.delivery_count, entry.redelivered});
            state_.living(message, from.record);
        }
        if (queue.deduplicator) is_repeated(queue, message);
        entries.push_back(std::move(entry));
    }
    if (block.has_page()) turn_->pages_gone.push_back(block.id());
    state_.block_gone(block);
    queue.unpage(level, std::move(entries));
}

// The records of the block move to the journal's end; the block stays where it is.
void Protocol::say_again(Queue& queue, std::size_t level, PagedBlock& block,
                         const Loaded& event) {
    PagedBlock fresh(block.id());
    auto recorded = event.recorded.begin();
    for (PagedEntry entry : block.entries()) {
        if (entry.record != 0) {
            entry.redelivered = queue.is_redelivered(entry);
            entry.record = note(MessageStored{*recorded++,
                                              {queue.id(), entry.position, entry.expires_at,
                                               entry.delivery_count, entry.redelivered},
                                              {}});
            entry.sharers = 1;
        }
        fresh.add(entry);
    }
    fresh.close();
    state_.block_gone(block);
    block = std::move(fresh);
    state_.block_added(block, {queue.id(), level});
}

// --- Gone ----------------------------------------------------------------------------------------

void Protocol::forget_blocks(Queue& queue) {
    const bool wants_record = queue.is_recorded() && !queue.deleted;
    for (const PagedBlock& block : queue.drop_blocks()) {
        if (block.has_page()) turn_->pages_gone.push_back(block.id());
        state_.block_gone(block);
        if (!wants_record) continue;
        std::vector<PositionRange> ranges;
        for (const PagedEntry& entry : block.entries()) {
            if (entry.record == 0) continue;
            if (!ranges.empty() && ranges.back().last + 1 == entry.position)
                ranges.back().last = entry.position;
            else
                ranges.push_back({entry.position, entry.position});
        }
        if (!ranges.empty()) note(MessagesRemoved{queue.id(), std::move(ranges)});
    }
    if (!queue.is_pageable) return;
    queue.is_pageable = false;
    std::erase(pageable_, &queue);
}

} // namespace baton::broker::core
