// Rendezvous hashing, and who is alive.
#include "orchestrator/runtime/spread.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <tuple>

namespace baton::orchestrator::runtime {
namespace {

// FNV-1a over the name and the number, then mixed, since neighbouring numbers must not win
// together.
std::uint64_t weight(Partition part, std::string_view node) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto add = [&hash](unsigned char byte) {
        hash ^= byte;
        hash *= 0x100000001b3ULL;
    };
    for (const char c : node)
        add(static_cast<unsigned char>(c));
    add(static_cast<unsigned char>(part & 0xff));
    add(static_cast<unsigned char>(part >> 8));
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
    return hash ^ (hash >> 31);
}

} // namespace

std::vector<std::string> spread(std::size_t partition_count,
                                const std::vector<std::string>& nodes) {
    std::vector<std::string> owners(partition_count);
    if (nodes.empty()) return owners;
    std::vector<std::tuple<std::uint64_t, std::string_view, Partition>> pairs;
    for (std::size_t part = 0; part < partition_count; ++part)
        for (const std::string& node : nodes)
            pairs.emplace_back(weight(static_cast<Partition>(part), node), node,
                               static_cast<Partition>(part));
    std::sort(pairs.begin(), pairs.end(), std::greater<>());
    const std::size_t share = (partition_count + nodes.size() - 1) / nodes.size();
    std::map<std::string_view, std::size_t> given;
    for (const auto& [heavy, node, part] : pairs) {
        if (!owners[part].empty() || given[node] == share) continue;
        owners[part] = node;
        ++given[node];
    }
    return owners;
}

const NodeRow* keeper_of_the_broker(std::span<const NodeRow> living) {
    const auto first = std::find_if(living.begin(), living.end(), [](const NodeRow& one) { return one.has_broker; });
    return first == living.end() ? nullptr : &*first;
}

bool is_second(std::span<const NodeRow> living, std::string_view node) {
    const NodeRow* keeper = keeper_of_the_broker(living);
    return std::any_of(living.begin(), living.end(), [&](const NodeRow& one) {
        return one.node == node && one.has_broker && &one != keeper;
    });
}

std::vector<std::string> serving(std::span<const NodeRow> living) {
    const NodeRow* keeper = keeper_of_the_broker(living);
    std::vector<std::string> nodes;
    for (const NodeRow& one : living)
        if (!one.drains && (!one.has_broker || &one == keeper)) nodes.push_back(one.node);
    return nodes;
}

std::set<std::string> Neighbours::living(const Neighbourhood& around) {
    std::set<std::string> alive;
    dead_.clear();
    for (const NodeRow& one : around.nodes) {
        const bool has_died = one.lost_session || (!one.has_session && seen_.contains(one.node));
        if (one.node == self_ || (one.lease_left > Duration::zero() && !has_died))
            alive.insert(one.node);
        else if (!one.has_session)
            dead_.push_back(one.node);
        if (one.has_session) seen_.insert(one.node);
    }
    return alive;
}

void Neighbours::watch_for_strangers(const Neighbourhood& around, Time now) {
    for (const NodeRow& one : around.nodes)
        met_.insert(one.node);
    for (const SeenPartition& one : around.partitions) {
        const auto [known, is_first_look] = epochs_.try_emplace(one.part, one.epoch);
        const bool was_taken = !is_first_look && one.epoch > known->second;
        known->second = one.epoch;
        if (was_taken && !one.node.empty() && one.node != self_ && !met_.contains(one.node))
            strangers_[one.node] = now;
    }
    std::erase_if(strangers_, [now](const auto& one) { return now - one.second >= patience; });
}

bool Neighbours::is_living_stranger(const std::string& node, Time now) const {
    const auto found = strangers_.find(node);
    return found != strangers_.end() && now - found->second < patience;
}

Assignment Neighbours::look(const Neighbourhood& around, Time now) {
    watch_for_strangers(around, now);
    const std::set<std::string> alive = living(around);
    std::vector<NodeRow> rows;
    for (const NodeRow& one : around.nodes)
        if (alive.contains(one.node)) rows.push_back(one);
    std::vector<NodeRow> present = rows; // a lease alone may be that of a dead one, and nobody's mistake
    std::erase_if(present, [&](const NodeRow& one) { return !one.has_session && one.node != self_; });
    is_second_ = runtime::is_second(present, self_);
    const std::vector<std::string> owners = spread(around.partitions.size(), serving(rows));
    Assignment made;
    made.seen = around.partitions;
    for (const SeenPartition& one : around.partitions) {
        if (one.part >= owners.size() || owners[one.part] != self_) {
            waiting_.erase(one.part);
            continue;
        }
        made.ours.push_back(one.part);
        bool is_free = one.node.empty() || one.node == self_ ||
                       (!alive.contains(one.node) && !is_living_stranger(one.node, now));
        if (is_free) {
            waiting_.erase(one.part);
        } else {
            auto& wait = waiting_.try_emplace(one.part, Waiting{one.epoch, now}).first->second;
            if (wait.epoch != one.epoch) wait = {one.epoch, now};
            is_free = now - wait.since >= patience;
        }
        if (is_free) made.takeable.push_back(one);
    }
    return made;
}

} // namespace baton::orchestrator::runtime
