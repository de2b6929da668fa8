#include "broker/runtime/inlet.hpp"

#include <iterator>
#include <utility>

namespace baton::broker::runtime {
namespace {

// More are only needed when many small ones are on the way, and those cost little to make.
constexpr std::size_t spare_batches_max = 16;

} // namespace

Inlet::Inlet(CoreLoop& core, std::uint64_t window, std::function<void()> resume)
    : core_(core),
      window_(window),
      resume_(std::move(resume)),
      batch_(std::make_unique<EventBatch>()) {}

void Inlet::hand_in() {
    if (batch_->empty()) return;
    // Before the core can subtract it.
    on_the_way_.fetch_add(batch_->bytes());
    core_.hand_in(*this, std::move(batch_));
    if (spare_.empty()) {
        spare_ = returned_.take_now();
        if (spare_.size() > spare_batches_max) spare_.resize(spare_batches_max);
    }
    if (spare_.empty()) {
        batch_ = std::make_unique<EventBatch>();
    } else {
        batch_ = std::move(spare_.back());
        spare_.pop_back();
    }
}

// Either this sees what give_back() took away, or give_back() sees that somebody waits.
bool Inlet::is_full() {
    if (on_the_way_.load(std::memory_order_relaxed) < window_ || !batch_) return false;
    // It stays set when there is room after all: others may wait, and a call too many harms nobody.
    waits_.store(true);
    return on_the_way_.load() >= window_;
}

void Inlet::give_back(std::unique_ptr<EventBatch> batch) {
    const std::uint64_t bytes = batch->bytes();
    batch->clear();
    returned_.put(std::move(batch));
    const std::uint64_t left = on_the_way_.fetch_sub(bytes) - bytes;
    if (left <= window_ / 2 && waits_.exchange(false)) resume_();
}

} // namespace baton::broker::runtime
