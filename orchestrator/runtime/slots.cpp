#include "orchestrator/runtime/slots.hpp"

namespace baton::orchestrator::runtime {

// FNV-1a: the same on every machine and for ever, since runs stay where it put them.
Partition slot_partition(const SlotKey& key, std::uint16_t partition_count) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto add = [&hash](std::string_view text) {
        for (const char c : text)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    };
    add(key.workflow);
    add(std::string_view("\0", 1));
    add(key.key);
    return static_cast<Partition>(hash % partition_count);
}

void Slots::clear() {
    places_.clear();
    keys_.clear();
}

void Slots::hold(const SlotKey& key, const std::string& run_id) {
    Place& place = places_[key];
    place.waiting.erase(run_id);
    place.holders.insert(run_id);
    keys_[run_id] = key;
}

void Slots::wait(const SlotKey& key, const std::string& run_id) {
    places_[key].waiting.insert(run_id);
    keys_[run_id] = key;
}

void Slots::leave(const std::string& run_id) {
    const auto found = keys_.find(run_id);
    if (found == keys_.end()) return;
    const auto place = places_.find(found->second);
    place->second.holders.erase(run_id);
    place->second.waiting.erase(run_id);
    if (place->second.holders.empty() && place->second.waiting.empty()) places_.erase(place);
    keys_.erase(found);
}

bool Slots::is_full(const SlotKey& key, std::uint32_t limit) const {
    const auto place = places_.find(key);
    return place != places_.end() && place->second.holders.size() >= limit;
}

bool Slots::holds(const std::string& run_id) const {
    const auto found = keys_.find(run_id);
    return found != keys_.end() && places_.find(found->second)->second.holders.contains(run_id);
}

std::vector<std::string> Slots::holders(const SlotKey& key) const {
    const auto place = places_.find(key);
    if (place == places_.end()) return {};
    return {place->second.holders.begin(), place->second.holders.end()};
}

std::vector<std::string> Slots::waiting(const SlotKey& key) const {
    const auto place = places_.find(key);
    if (place == places_.end()) return {};
    return {place->second.waiting.begin(), place->second.waiting.end()};
}

std::optional<SlotKey> Slots::key_of(const std::string& run_id) const {
    const auto found = keys_.find(run_id);
    return found == keys_.end() ? std::nullopt : std::optional{found->second};
}

std::vector<SlotKey> Slots::awaited(std::string_view workflow) const {
    std::vector<SlotKey> keys;
    for (const auto& [key, place] : places_)
        if (!place.waiting.empty() && (workflow.empty() || key.workflow == workflow))
            keys.push_back(key);
    return keys;
}

} // namespace baton::orchestrator::runtime
