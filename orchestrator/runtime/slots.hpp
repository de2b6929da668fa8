// Which runs of a concurrency key go on, and which wait for one of them to end. In memory, and
// pure: it follows from the open runs of a partition, and is made anew from them. All runs of a key
// are in one partition (slot_partition), so whoever owns it decides alone.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::runtime {

// The tag under which a run's key is kept.
inline constexpr std::string_view slot_tag = "slot";

struct SlotKey {
    std::string workflow;
    std::string key;
    friend auto operator<=>(const SlotKey&, const SlotKey&) = default;
};

Partition slot_partition(const SlotKey& key, std::uint16_t partition_count);

class Slots {
public:
    void clear();
    // The run goes on: it takes a slot, whatever the limit says.
    void hold(const SlotKey& key, const std::string& run_id);
    void wait(const SlotKey& key, const std::string& run_id);
    // It is over, or never was.
    void leave(const std::string& run_id);

    bool is_full(const SlotKey& key, std::uint32_t limit) const;
    bool holds(const std::string& run_id) const;
    // Those that go on, or wait, the oldest first.
    std::vector<std::string> holders(const SlotKey& key) const;
    std::vector<std::string> waiting(const SlotKey& key) const;
    std::optional<SlotKey> key_of(const std::string& run_id) const;
    // Of keys for which some wait; of one workflow, or all with an empty name.
    std::vector<SlotKey> awaited(std::string_view workflow) const;

private:
    // Ids are in the order of time.
    struct Place {
        std::set<std::string> holders;
        std::set<std::string> waiting;
    };
    std::map<SlotKey, Place> places_;
    std::map<std::string, SlotKey> keys_; // by run
};

} // namespace baton::orchestrator::runtime
