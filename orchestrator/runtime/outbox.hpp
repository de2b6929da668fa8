// Which transitions still have effects that the broker has not confirmed, and so how far the outbox
// cursor of each partition may move. Belongs to the engine's thread.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace baton::orchestrator::runtime {

class Outbox {
public:
    // A transition of `part` was committed; `commands` of its effects were handed out, which hold
    // `bytes` until all of them are confirmed.
    void add(Partition part, std::uint64_t pseq, std::uint32_t commands, std::size_t bytes = 0,
             Time at = {});
    // One command of that transition, handed out since the last reset(), is with the broker.
    void confirm(Partition part, std::uint64_t pseq);
    // Everything up to here is confirmed.
    std::uint64_t cursor(Partition part) const;
    // After a take-over: nothing is known above `published` yet.
    void reset(Partition part, std::uint64_t published);
    std::size_t outstanding() const;
    std::size_t bytes() const { return bytes_; }
    // When the oldest of what is not confirmed was handed out; nothing: all is confirmed.
    std::optional<Time> oldest() const;

private:
    struct Open {
        std::uint32_t commands = 0; // not confirmed
        std::size_t bytes = 0;
        Time at{};
    };
    struct Part {
        std::map<std::uint64_t, Open> open;          // by pseq
        std::uint64_t last = 0;                      // highest pseq added
    };
    void drop_bytes(const Part& part);

    std::map<Partition, Part> parts_;
    std::size_t bytes_ = 0;
};

} // namespace baton::orchestrator::runtime
