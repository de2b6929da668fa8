// Which partition belongs to which node, and what this node is to do about it. Pure functions and
// one small memory; ownership.hpp acts on what they say.
//
//   Every living node that does not drain has a weight for every partition (rendezvous hashing).
//   The heaviest pair is settled first, then the next one, and so on; a node that has its share
//   gets no more.
//
// So all have the same, give or take, and a node that comes or goes moves little more than its own
// share. Nodes of different versions must agree: the weights and the order never change.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::runtime {

// By partition, from 0; all empty without nodes. The order of `nodes` does not matter.
std::vector<std::string> spread(std::size_t partition_count, const std::vector<std::string>& nodes);

// What a node is told about itself.
struct Assignment {
    std::vector<Partition> ours; // that are to be this node's
    std::vector<SeenPartition>
        takeable; // of these, those that nobody living holds, or that this node does
    std::vector<SeenPartition> seen; // all, also those that nobody holds
};

// Of several living nodes with a broker inside only the first may own partitions: tasks of runs go to the
// broker of whoever decides them, and its workers are nobody else's. Null: no node has one.
const NodeRow* keeper_of_the_broker(std::span<const NodeRow> living);
// Another node keeps the broker, though this one has one, too.
bool is_second(std::span<const NodeRow> living, std::string_view node);
// Who of the living may own partitions.
std::vector<std::string> serving(std::span<const NodeRow> living);

// Remembers what it saw of the others: a node is dead when the session that this one saw it hold is
// gone, or that it held since the database was started, or when its lease has ended. After a restart of the
// database nobody has a session, and the lease is waited for. A server from before nodes were announced takes
// everything whenever it likes; one that does so under this one's eyes lives, and is left alone for
// a while: the fence is for safety, this for progress.
class Neighbours {
public:
    // How long to wait for a living node to give back what is not its own any more.
    static constexpr Duration patience = std::chrono::seconds(10);

    explicit Neighbours(std::string self) : self_(std::move(self)) {}

    Assignment look(const Neighbourhood& around, Time now);
    // Dead by the look before; their rows may be taken away, so that everybody sees it.
    const std::vector<std::string>& dead() const { return dead_; }
    // Another node with a broker inside came before this one, which has one, too, and gets nothing.
    bool is_second() const { return is_second_; }
    // The session of this node was lost, and with it what it saw.
    void forget() { seen_.clear(); }

private:
    struct Waiting {
        std::uint64_t epoch = 0;
        Time since;
    };
    std::set<std::string> living(const Neighbourhood& around);
    void watch_for_strangers(const Neighbourhood& around, Time now);
    bool is_living_stranger(const std::string& node, Time now) const;

    std::string self_;
    bool is_second_ = false;
    std::set<std::string> seen_; // held a session when they were looked at
    std::vector<std::string> dead_;
    std::map<Partition, Waiting> waiting_;
    std::set<std::string> met_; // who was ever announced
    std::map<Partition, std::uint64_t> epochs_;
    std::map<std::string, Time> strangers_; // when they took something last
};

} // namespace baton::orchestrator::runtime
