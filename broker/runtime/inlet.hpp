// Where the events of one I/O thread enter the core, batch by batch. When the core lives on the same
// thread, they go straight in, without a copy. From another thread they go through a mailbox, and
// no more than a window of them is on the way: a core that is busy is not buried.
//
// Belongs to its thread; only what is marked so is called from the core's.
#pragma once

#include "broker/runtime/core_loop.hpp"
#include "broker/runtime/event_batch.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace baton::broker::runtime {

class Inlet {
public:
    // For the core's own thread. `core` must outlive it.
    explicit Inlet(CoreLoop& core) : core_(core) {}
    // For another thread. The window is in bytes; `resume` is called on the core's thread when
    // there is room again after is_full() was true.
    Inlet(CoreLoop& core, std::uint64_t window, std::function<void()> resume);
    Inlet(const Inlet&) = delete;
    Inlet& operator=(const Inlet&) = delete;

    // A batch: begin, any number of events, end. Batches do not nest.
    void begin() {
        if (!batch_) core_.begin();
    }
    void publish(const core::PublishReceived& event) {
        if (batch_)
            batch_->add(event);
        else
            core_.broker().publish(event, core_.now(), core_.turn());
    }
    void ack(const core::AckReceived& event) {
        if (batch_)
            batch_->add(event);
        else
            core_.broker().ack(event, core_.now(), core_.turn());
    }
    void nack(const core::NackReceived& event) {
        if (batch_)
            batch_->add(event);
        else
            core_.broker().nack(event, core_.now(), core_.turn());
    }
    void written(const core::Written& event) {
        if (batch_)
            batch_->add(event);
        else
            core_.broker().written(event);
    }
    // `bytes`: what the event holds beyond its own size, more or less.
    void apply(core::Event event, std::uint64_t bytes = 0) {
        if (batch_)
            batch_->add(std::move(event), bytes);
        else
            core_.broker().apply(std::move(event), core_.now(), core_.turn());
    }
    // `call` is called on the core's thread, in its place among the events. `bytes` likewise.
    void call(EventBatch::Call call, std::uint64_t bytes = 0) {
        if (batch_)
            batch_->add(std::move(call), bytes);
        else
            call(core_.broker(), core_.now(), core_.turn());
    }
    void end() {
        if (batch_)
            hand_in();
        else
            core_.end();
    }

    // So much is on the way that nothing should be added.
    bool is_full();

    // On the core's thread: a batch was applied.
    void give_back(std::unique_ptr<EventBatch> batch);

private:
    void hand_in();

    CoreLoop& core_;
    const std::uint64_t window_ = 0;
    const std::function<void()> resume_;
    std::unique_ptr<EventBatch> batch_; // null: the core is here
    Mailbox<std::unique_ptr<EventBatch>> returned_;
    std::vector<std::unique_ptr<EventBatch>> spare_;
    std::atomic<std::uint64_t> on_the_way_{0}; // bytes
    std::atomic<bool> waits_{false};           // for resume_
};

} // namespace baton::broker::runtime
