// Says all that is defined again, a bounded number of records at a time, while clients go on changing
// it: what a step says is what holds at that moment, and changes have records of their own behind it.
//
// Replaying the records of all steps with those of the changes between them gives the state at the
// end, whatever was forgotten before the first. So each kind waits until everything it names was said:
// hosts and users, then exchanges, then queues, then bindings. A binding made while queues are still
// being said may stand in front of its queue, where replay ignores it; it is said again at the end.
#pragma once

#include "broker/core/state.hpp"

#include <string>
#include <utility>
#include <vector>

namespace baton::broker::core {

class DefinitionWalk {
public:
    explicit DefinitionWalk(const State& state);

    // Appends the next records, about `most` of them. False: that was all.
    bool next(const State& state, std::size_t most, std::vector<Record>& records);

private:
    enum class Stage { hosts_and_users, exchanges, queues, bindings, done };

    void list_exchanges(const State& state);
    void say_exchanges(const State& state, std::size_t enough, std::vector<Record>& records);
    void say_queues(const State& state, std::size_t enough, std::vector<Record>& records);
    void say_bindings(const State& state, std::size_t enough, std::vector<Record>& records);
    void go_to(Stage stage);

    Stage stage_ = Stage::hosts_and_users;
    std::size_t at_ = 0;                                         // in the list of the stage
    BindingOrder said_ = 0;                                      // of the bindings of exchange at_
    std::vector<std::pair<std::string, std::string>> exchanges_; // virtual host and name
    std::vector<QueueId> queues_;
};

} // namespace baton::broker::core
