// A heap of (Time, Key) with replace and cancel, used by both cores. Not thread safe: it belongs to
// whoever owns the core.
#pragma once

#include "base/clock.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace baton {

template <typename Key>
class Deadlines {
public:
    // Sets or moves the deadline of `key`.
    void set(const Key& key, Time due) {
        cancel(key);
        by_time_.emplace(due, key);
        by_key_.emplace(key, due);
    }

    void cancel(const Key& key) {
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return;
        by_time_.erase({found->second, key});
        by_key_.erase(found);
    }

    std::optional<Time> next() const {
        if (by_time_.empty()) return std::nullopt;
        return by_time_.begin()->first;
    }

    // Removes and returns the keys that are due, earliest first, at most `limit`.
    std::vector<Key> take_due(Time now, std::size_t limit = SIZE_MAX) {
        std::vector<Key> due;
        while (!by_time_.empty() && by_time_.begin()->first <= now && due.size() < limit) {
            due.push_back(by_time_.begin()->second);
            by_key_.erase(due.back());
            by_time_.erase(by_time_.begin());
        }
        return due;
    }

    std::optional<Time> of(const Key& key) const {
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return std::nullopt;
        return found->second;
    }

    std::size_t size() const { return by_key_.size(); }
    void clear() {
        by_time_.clear();
        by_key_.clear();
    }

private:
    std::set<std::pair<Time, Key>> by_time_;
    std::map<Key, Time> by_key_;
};

} // namespace baton
