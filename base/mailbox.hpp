// A mailbox: many threads put, one thread takes everything that is there. While the taker works, the
// next batch gathers, so batching emerges without a timer. The only mutex in the house.
#pragma once

#include "base/clock.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace baton {

template <typename Item>
class Mailbox {
public:
    // `on_first` is called, on the thread that puts, whenever an empty mailbox gets its first item:
    // an owner that lives on an event loop posts its own wake-up there. May be empty.
    explicit Mailbox(std::function<void()> on_first = {}) : on_first_(std::move(on_first)) {}

    // Any thread. Items put after close() are dropped.
    void put(Item item) {
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return;
            first = items_.empty();
            items_.push_back(std::move(item));
        }
        if (first) wake();
    }

    void put_all(std::vector<Item> items) {
        if (items.empty()) return;
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return;
            first = items_.empty();
            if (first)
                items_.swap(items);
            else
                for (Item& item : items) items_.push_back(std::move(item));
        }
        if (first) wake();
    }

    // The owner: whatever is there, possibly nothing.
    std::vector<Item> take_now() {
        const std::lock_guard lock(mutex_);
        return std::exchange(items_, {});
    }

    // The owner: waits until something is there, the mailbox is closed, or `limit` has passed.
    std::vector<Item> take(std::optional<Duration> limit = std::nullopt) {
        std::unique_lock lock(mutex_);
        const auto ready = [this] { return closed_ || !items_.empty(); };
        if (limit)
            filled_.wait_for(lock, *limit, ready);
        else
            filled_.wait(lock, ready);
        return std::exchange(items_, {});
    }

    // What is inside stays takeable; nothing new gets in.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        filled_.notify_all();
    }

    bool is_closed() const {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

private:
    void wake() {
        filled_.notify_one();
        if (on_first_) on_first_();
    }

    mutable std::mutex mutex_;
    std::condition_variable filled_;
    std::vector<Item> items_;
    std::function<void()> on_first_;
    bool closed_ = false;
};

} // namespace baton
