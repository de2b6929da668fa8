// Events on their way from another thread to the core's. What their views point to is copied, so
// that the thread can read on; what is large is shared. Filled on one thread, applied and cleared
// on the other, never touched by two at a time.
#pragma once

#include "broker/core/broker.hpp"
#include "broker/core/event.hpp"

#include <functional>
#include <memory>
#include <memory_resource>
#include <variant>
#include <vector>

namespace baton::broker::runtime {

class EventBatch {
public:
    EventBatch() = default;
    EventBatch(const EventBatch&) = delete;
    EventBatch& operator=(const EventBatch&) = delete;

    void add(const core::PublishReceived& event);
    void add(const core::AckReceived& event) { entries_.emplace_back(event); }
    void add(const core::NackReceived& event) { entries_.emplace_back(event); }
    void add(const core::Written& event) { entries_.emplace_back(event); }
    // `bytes`: what the event holds beyond its own size, more or less.
    void add(core::Event event, std::uint64_t bytes) {
        entries_.emplace_back(std::make_unique<core::Event>(std::move(event)));
        content_bytes_ += sizeof(core::Event) + bytes;
    }

    // Something that is to be done on the core's thread between these events; `bytes` likewise.
    using Call = std::function<void(core::Broker& broker, Time now, core::Turn& turn)>;
    void add(Call call, std::uint64_t bytes) {
        entries_.emplace_back(std::make_unique<Call>(std::move(call)));
        content_bytes_ += sizeof(Call) + bytes;
    }

    bool empty() const { return entries_.empty(); }
    // What it costs in memory, more or less.
    std::uint64_t bytes() const {
        return sizeof(EventBatch) + first_memory_bytes + content_bytes_ +
               entries_.size() * sizeof(Entry);
    }

    // In the order they came. Once.
    void apply_to(core::Broker& broker, Time now, core::Turn& turn);
    void clear();

private:
    struct Publish {
        core::PublishReceived event;
        std::shared_ptr<const void> body_owner;
    };
    // The events that come per message stand here flat; the others are rare and large.
    using Entry = std::variant<Publish, core::AckReceived, core::NackReceived, core::Written,
                               std::unique_ptr<core::Event>, std::unique_ptr<Call>>;

    static constexpr std::size_t first_memory_bytes = 1024;

    std::vector<Entry> entries_;
    std::pmr::monotonic_buffer_resource memory_{first_memory_bytes};
    std::uint64_t content_bytes_ = 0;
};

} // namespace baton::broker::runtime
