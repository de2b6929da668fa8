// The retained messages of one virtual host: key → message, in the order of keys, within limits.
// Where they lie durably is the business of Sessions; `tag` is the delivery by which they came from
// there.
#pragma once

#include "base/clock.hpp"
#include "broker/core/message.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::broker::mqtt {

class Retained {
public:
    Retained(std::size_t messages_max, std::uint64_t bytes_max)
        : messages_max_(messages_max), bytes_max_(bytes_max) {}

    // A message came that wants to be retained. Returns the tags of those that are not kept any
    // more, its own among them when it removes (it is empty) or finds no room.
    std::vector<std::uint64_t> take(core::MessageRef message, std::uint64_t tag, Time now);
    // Everything is gone; somebody deleted the queue.
    void clear();

    struct Found {
        std::vector<core::MessageRef> messages;
        std::string last_key;
        bool is_all = false;
    };
    // Those that meet `filter` (of MQTT, without "$share") behind `after` (empty: from the first),
    // at most `most`; looks at a bounded number of them, so that the answer may be empty and not
    // all. What has expired is passed by.
    Found find(std::string_view filter, std::string_view after, std::size_t most, Time now) const;

    std::size_t size() const { return kept_.size(); }
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t refused() const { return refused_; }

private:
    struct Kept {
        core::MessageRef message;
        std::uint64_t tag = 0;
        Time until = Time::max();
    };

    const std::size_t messages_max_;
    const std::uint64_t bytes_max_;
    std::map<std::string, Kept, std::less<>> kept_;
    std::uint64_t bytes_ = 0;
    std::uint64_t refused_ = 0;
};

} // namespace baton::broker::mqtt
