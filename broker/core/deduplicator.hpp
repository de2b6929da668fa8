// Remembers the ids of messages that were seen lately, so that the same one is taken once. Asked for
// by the arguments x-message-deduplication=true, x-cache-size (ids, default 1000), x-cache-ttl
// (milliseconds, default: until pushed out) and x-deduplication-header (which header holds the id,
// default x-deduplication-header) of a queue or an exchange.
#pragma once

#include "amqp/field_table.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "broker/core/ring.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace baton::broker::core {

class Deduplicator {
public:
    // Null when the arguments do not ask for it.
    static std::unique_ptr<Deduplicator> from(const amqp::FieldTable& arguments);

    // Was a message with this id seen before? Remembers it. `headers` are the contents of the
    // encoded table; a message without an id was never seen.
    bool has_seen(ByteView headers, Time now);

private:
    struct Seen {
        std::string id;
        Time until;
    };
    void forget_oldest();

    std::string header_;
    std::size_t size_max_ = 0;
    Duration ttl_ = Duration::max();
    std::unordered_map<std::string, Time> until_; // by id
    Ring<Seen> in_order_;
};

} // namespace baton::broker::core
