// Which transitions still have effects that the broker has not confirmed, and so how far the outbox
// cursor of each partition may move. Belongs to the engine's thread.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <map>

namespace baton::orchestrator::runtime {

class Outbox {
public:
    // A transition of `part` was committed; `commands` of its effects were handed out.
    void add(Partition part, std::uint64_t pseq, std::uint32_t commands);
    // One command of that transition is with the broker. Unknown places are fine: a confirm of an
    // earlier life.
    void confirm(Partition part, std::uint64_t pseq);
    // Everything up to here is confirmed.
    std::uint64_t cursor(Partition part) const;
    // After a take-over: nothing is known above `published` yet.
    void reset(Partition part, std::uint64_t published);
    void forget(Partition part) { parts_.erase(part); }
    std::size_t outstanding() const;

private:
    struct Part {
        std::map<std::uint64_t, std::uint32_t> open; // pseq → commands not confirmed
        std::uint64_t last = 0;                      // highest pseq added
    };
    std::map<Partition, Part> parts_;
};

} // namespace baton::orchestrator::runtime
