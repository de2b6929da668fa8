// Streams: appending, reading from any place, forgetting the oldest. A message is delivered only
// when it is durable, so that nobody remembers an offset that a crash gives to another message.
#include "broker/core/protocol.hpp"

#include "base/assert.hpp"
#include "broker/core/edit.hpp"
#include "broker/core/stream.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::broker::core {

namespace {

std::string what_stream(const Queue& queue) {
    return fmt::format("queue '{}' in vhost '{}'", queue.name(), queue.identity().vhost->name());
}

// As RabbitMQ's texts show a field that it did not understand.
std::string not_understood(const amqp::FieldValue& value) {
    if (const auto* text = value.get<std::string>())
        return fmt::format("{{longstr,<<\"{}\">>}}", *text);
    return fmt::format("{{{},{}}}", amqp::type_name(value), amqp::to_text(value));
}

} // namespace

// --- Appending -----------------------------------------------------------------------------------

// Where at least one of the queues is a stream: it stores what is not persistent, too.
void Protocol::store_with_streams(const MessageRef& message, std::span<Queue* const> queues,
                                  bool again) {
    MessageStored stored;
    bool has_first = false;
    const auto add = [&](const Place& place) {
        if (has_first)
            stored.others.push_back(place);
        else
            stored.first = place;
        has_first = true;
    };
    for (Queue* queue : queues) {
        if (queue->stream) {
            add({queue->id(), queue->take_position(), queue->stream->take_time(now_)});
            continue;
        }
        Entry entry = entry_for(message, *queue, again);
        if (message->is_persistent() && queue->is_recorded()) {
            const Place place{queue->id(), entry.position, entry.expires_at, 0, again};
            add(place);
            message->notes.durable.add(place);
        }
        enter(*queue, std::move(entry));
    }
    stored.message = message;
    PagedEntry entry;
    entry.body_bytes = static_cast<std::uint32_t>(message->body_size());
    entry.sharers = static_cast<std::uint32_t>(1 + stored.others.size());
    entry.record = last_stored_ = note(std::move(stored));
    if (!message->notes.durable.empty()) state_.living(*message, entry.record);
    for (Queue* queue : queues) {
        if (!queue->stream) continue;
        entry.position = queue->next_position() - 1;
        entry.expires_at = queue->stream->take_time(now_);
        append(*queue, entry, message);
    }
    turn_->must_be_durable = turn_->is_urgent = true;
}

void Protocol::append(Queue& queue, const PagedEntry& entry, const MessageRef& message) {
    Stream& stream = *queue.stream;
    // So that a slow stream loses what is too old, too.
    std::optional<Duration> open_for;
    if (const auto age = queue.settings().age_seconds_max)
        open_for = std::chrono::seconds(*age) / 8;
    StreamSegment& segment = stream.open_segment(now_, open_for, queue.settings().segment_bytes,
                                                 [this] { return state_.take_block_id(); });
    segment.add(entry);
    if (segment.block.size() == 1)
        state_.block_added(segment.block, {queue.id(), 0});
    else
        state_.block_grew(entry.journal_bytes());
    queue.stream_grew(entry.body_bytes);
    ++queue.counters.published;
    segment.in_memory.resize(segment.block.size());
    keep_in_memory(queue, segment, segment.block.size() - 1, message, false);

    if (stream.unsynced.empty() || stream.unsynced.back().first != turn_number_)
        stream.unsynced.emplace_back(turn_number_, entry.position);
    stream.has_grown = true;
    mark_due(queue);
}

// --- What is in memory -----------------------------------------------------------------------------

void Protocol::keep_in_memory(Queue& queue, StreamSegment& segment, std::size_t index,
                              const MessageRef& message, bool has_offset) {
    StreamSegment::InMemory& place = segment.in_memory[index];
    if (place.message) drop_from_memory(segment, place);
    state_.entered(*message);
    segment.bytes_in_memory += message->memory_size();
    stream_cache_.grow(message->memory_size());
    place = {message, has_offset};
    if (!segment.line) segment.line = stream_cache_.add({queue.id(), segment.block.id()});
}

void Protocol::drop_from_memory(StreamSegment& segment, StreamSegment::InMemory& place) {
    if (!place.message) return;
    state_.left(*place.message);
    segment.bytes_in_memory -= place.message->memory_size();
    stream_cache_.shrink(place.message->memory_size());
    place.message = {};
}

void Protocol::drop_from_memory(StreamSegment& segment) {
    for (StreamSegment::InMemory& place : segment.in_memory) drop_from_memory(segment, place);
    std::vector<StreamSegment::InMemory>().swap(segment.in_memory);
    if (segment.line) stream_cache_.remove(*segment.line);
    segment.line.reset();
}

void Protocol::trim_stream_cache() {
    while (stream_cache_.bytes() > options_.stream_cache_bytes && !stream_cache_.empty()) {
        const StreamCache::Line line = stream_cache_.oldest();
        Stream& stream = *state_.queue(line.stream)->stream;
        StreamSegment& segment = *stream.find(line.block);
        // What is appended must find its neighbours in memory.
        if (stream.is_open(segment)) stream.close_segment();
        drop_from_memory(segment);
    }
}

void Protocol::load(Queue& queue, StreamSegment& segment, std::size_t from, std::size_t count) {
    if (segment.block.loading) return;
    if (queue.stream->is_open(segment)) queue.stream->close_segment();
    segment.block.loading = true;
    segment.loading_from = from;
    Load wanted{segment.block.id(), {}, false};
    const std::vector<PagedEntry> entries = segment.block.entries();
    const std::size_t end = std::min(from + count, entries.size());
    for (std::size_t index = from; index < end; ++index)
        wanted.records.push_back(entries[index].record);
    turn_->loads.push_back(std::move(wanted));
}

void Protocol::loaded_for_stream(Queue& queue, const Loaded& event) {
    Stream& stream = *queue.stream;
    StreamSegment* segment = stream.find(event.block);
    if (segment == nullptr) return;
    segment->block.loading = false;
    if (wants_to_retain() && segment->block.oldest_record() <= sealed_.front().last &&
        event.recorded.size() == segment->block.size())
        say_again(queue, *segment, event);
    segment->in_memory.resize(segment->block.size());
    for (std::size_t at = 0; at < event.recorded.size(); ++at) {
        BATON_ASSERT(event.recorded[at], "what a stream holds is kept");
        const std::size_t index = segment->loading_from + at;
        if (!segment->has(index))
            keep_in_memory(queue, *segment, index, event.recorded[at], false);
    }
    resume_waiting(queue);
}

void Protocol::resume_waiting(Queue& queue) {
    for (Consumer* consumer : std::exchange(queue.stream->waiting, {})) {
        consumer->waits_in_stream = false;
        queue.ready_consumers.add(*consumer);
        mark_due(queue);
    }
}

// The records of the segment move to the journal's end.
void Protocol::say_again(Queue& queue, StreamSegment& segment, const Loaded& event) {
    PagedBlock fresh(segment.block.id());
    auto recorded = event.recorded.begin();
    for (PagedEntry entry : segment.block.entries()) {
        entry.record = note(
            MessageStored{*recorded++, {queue.id(), entry.position, entry.expires_at}, {}});
        entry.sharers = 1;
        fresh.add(entry);
    }
    fresh.close();
    state_.block_gone(segment.block);
    segment.block = std::move(fresh);
    state_.block_added(segment.block, {queue.id(), 0});
}

// --- Reading ---------------------------------------------------------------------------------------

std::optional<Position> Protocol::place_in_stream(const Queue& queue,
                                                  const amqp::FieldTable& arguments) const {
    const Stream& stream = *queue.stream;
    const Position end = queue.next_position();
    const Position first = stream.segments().empty() ? end : stream.segments().front().first();
    const amqp::FieldValue* wanted = arguments.find("x-stream-offset");
    if (wanted == nullptr) return end;
    if (const auto offset = wanted->integer())
        return *offset < 0 ? first : static_cast<Position>(*offset) + 1;
    if (const auto* time = wanted->get<amqp::Timestamp>()) {
        // Beyond that no clock goes, and the microseconds would overflow.
        constexpr std::uint64_t seconds_max = 1ULL << 40;
        const auto seconds = static_cast<std::int64_t>(std::min(time->seconds, seconds_max));
        return stream.since(time_from_micros(seconds * 1'000'000)).value_or(end);
    }
    const auto* text = wanted->get<std::string>();
    if (text == nullptr) return std::nullopt;
    if (*text == "first") return first;
    if (*text == "last") return stream.segments().empty() ? end : end - 1;
    if (*text == "next") return end;
    const auto seconds = age_seconds(*text);
    if (!seconds) return std::nullopt;
    return stream.since(now_ - std::chrono::seconds(*seconds)).value_or(end);
}

bool Protocol::check_consume_stream(Channel& channel, const amqp::BasicConsume& method,
                                    const Queue& queue) {
    const std::string what = what_stream(queue);
    const auto refuse_method = [&](std::string text) {
        refuse(channel, Code::precondition_failed, method.id, std::move(text));
        return false;
    };
    const auto refuse_at_all = [&](std::string text) {
        refuse_connection(*channel.connection, Code::not_implemented, method.id, std::move(text));
        return false;
    };
    if (method.arguments.contains("x-priority"))
        return refuse_method(fmt::format(
            "invalid arg 'x-priority' for {} of queue type rabbit_stream_queue", what));
    if (!place_in_stream(queue, method.arguments))
        return refuse_method(fmt::format("invalid arg 'x-stream-offset' for {}: "
                                         "{{invalid_stream_offset_arg,{}}}",
                                         what, not_understood(*method.arguments.find("x-stream-offset"))));
    if (channel.prefetch == 0)
        return refuse_method(fmt::format("consumer prefetch count is not set for '{}'", what));
    if (method.no_ack)
        return refuse_at_all(fmt::format(
            "automatic acknowledgement not supported by stream queues {}", what));
    if (channel.global_prefetch != 0)
        return refuse_at_all(fmt::format("{} does not support global qos", what));
    return true;
}

void Protocol::consume_stream(Channel& channel, const amqp::BasicConsume& method, Queue& queue) {
    if (!check_consume_stream(channel, method, queue)) return;
    const Position place = *place_in_stream(queue, method.arguments);
    Consumer& consumer = add_consumer(channel, method, &queue);
    consumer.exclusive = false; // as with RabbitMQ, everybody may read
    consumer.next_position = place;
    queue.consumers.push_back(&consumer);
    queue.had_consumer = true;
    wake(consumer);
}

void Protocol::serve_stream(Queue& queue) {
    Stream& stream = *queue.stream;
    while (!stream.unsynced.empty() && stream.unsynced.front().first <= durable_up_to_)
        stream.unsynced.pop_front();
    if (std::exchange(stream.has_grown, false))
        for (Consumer* consumer : std::exchange(stream.at_end, {})) {
            consumer->waits_in_stream = false;
            queue.ready_consumers.add(*consumer);
        }
    while (Consumer* consumer = queue.ready_consumers.first()) {
        queue.ready_consumers.remove(*consumer);
        read_on(*consumer, queue);
    }
    forget_oldest(queue);
    arm(queue);
}

// Delivers to one consumer what it can take, until it has to wait for something.
void Protocol::read_on(Consumer& consumer, Queue& queue) {
    Stream& stream = *queue.stream;
    Connection& connection = *consumer.channel->connection;
    const auto wait_in = [&](std::vector<Consumer*>& where) {
        consumer.waits_in_stream = true;
        where.push_back(&consumer);
    };
    for (;;) {
        if (!can_take(consumer)) {
            if (connection.outbox_bytes > options_.outbox_bytes_max)
                connection.consumers_wait_for_outbox = true;
            return;
        }
        StreamSegment* segment = stream.at(consumer.next_position);
        if (segment == nullptr) return wait_in(stream.at_end);
        // The limits may have gone over its place.
        consumer.next_position = std::max(consumer.next_position, segment->first());
        std::size_t index = consumer.next_position - segment->first();
        if (segment->line) stream_cache_.use(*segment->line);
        if (!segment->has(index)) {
            load(queue, *segment, index, wanted_by(consumer));
            return wait_in(stream.waiting);
        }
        for (; segment->has(index) && can_take(consumer); ++index)
            deliver_at(consumer, queue, *segment, index);
        read_ahead(consumer, queue, *segment, index);
    }
}

// As much as it takes at once, and again as much while it acknowledges.
std::size_t Protocol::wanted_by(const Consumer& consumer) const {
    constexpr std::size_t least = 64;
    return std::max<std::size_t>(least, std::size_t{consumer.prefetch} * 2);
}

void Protocol::deliver_at(Consumer& consumer, Queue& queue, StreamSegment& segment,
                          std::size_t index) {
    Channel& channel = *consumer.channel;
    StreamSegment::InMemory& kept = segment.in_memory[index];
    const Position position = segment.first() + index;
    if (!kept.has_offset)
        keep_in_memory(queue, segment, index, with_stream_offset(*kept.message, position - 1),
                       true);
    Deliver command;
    command.consumer = consumer.number;
    command.message = kept.message;
    // The channel does not hold the message: it is delivered once, whatever becomes of it.
    queue.unacked += 1;
    consumer.unacked += 1;
    command.delivery_tag = channel.next_delivery_tag++;
    channel.unacked.add(Entry{}, queue, &consumer, command.delivery_tag);
    consumer.next_position = position + 1;
    for (MessageCounters* counters : {&queue.counters, &channel.counters, &left_by(queue)})
        ++counters->delivered;
    charge(*channel.connection, delivery_charge(*command.message));
    const auto& unsynced = queue.stream->unsynced;
    for (auto turn = unsynced.rbegin(); turn != unsynced.rend(); ++turn) {
        if (turn->second > position) continue;
        channel.replies_wait_for = std::max(channel.replies_wait_for, turn->first);
        break;
    }
    say(channel, std::move(command));
}

// While a consumer takes what is there, what it will want soon is fetched, also over the end of the
// segment.
void Protocol::read_ahead(Consumer& consumer, Queue& queue, StreamSegment& segment,
                          std::size_t index) {
    const std::size_t wanted = wanted_by(consumer);
    const std::size_t soon = index + wanted / 2;
    if (soon < segment.block.size()) {
        if (segment.has(soon)) return;
        while (segment.has(index)) ++index;
        return load(queue, segment, index, wanted);
    }
    StreamSegment* next = queue.stream->after(segment);
    if (next != nullptr && !next->has(0)) load(queue, *next, 0, wanted);
}

// --- Limits ----------------------------------------------------------------------------------------

// Whole segments leave; the newest stays.
void Protocol::forget_oldest(Queue& queue) {
    Stream& stream = *queue.stream;
    const QueueSettings& settings = queue.settings();
    const auto is_over = [&](const StreamSegment& oldest) {
        return (settings.bytes_max && queue.ready_bytes() > *settings.bytes_max) ||
               (settings.age_seconds_max &&
                oldest.newest + std::chrono::seconds(*settings.age_seconds_max) < now_);
    };
    PositionRange gone;
    while (stream.segments().size() > 1 && is_over(stream.front())) {
        if (gone.first == 0) gone.first = stream.front().first();
        gone.last = stream.front().last();
        forget_front(queue);
    }
    if (gone.first != 0) note(MessagesRemoved{queue.id(), {gone}});
}

void Protocol::forget_front(Queue& queue) {
    StreamSegment& oldest = queue.stream->front();
    drop_from_memory(oldest);
    if (oldest.block.loading) resume_waiting(queue); // nothing will come
    state_.block_gone(oldest.block);
    queue.stream_shrank(oldest.block.size(), oldest.block.body_bytes());
    queue.stream->pop_front();
}

void Protocol::forget_stream(Queue& queue) {
    while (!queue.stream->segments().empty()) forget_front(queue);
}

Time Protocol::next_age_limit(const Queue& queue) {
    const auto age = queue.settings().age_seconds_max;
    const auto& segments = queue.stream->segments();
    if (!age || segments.size() < 2) return Time::max();
    // A little later, so that it is over then.
    return segments.front().newest + std::chrono::seconds(*age) + Duration(1);
}

std::string Protocol::not_for_streams(std::string_view method, const Queue& queue) {
    return fmt::format("{} not supported by stream queues {}", method, what_stream(queue));
}

} // namespace baton::broker::core
