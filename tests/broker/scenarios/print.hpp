// Turns as text, one line per record and command: what scenario files show and what property tests
// compare.
#pragma once

#include "broker/core/turn.hpp"

#include <map>
#include <string>
#include <vector>

namespace baton::broker::core {

class Printer {
public:
    // Queues are shown by name once a record or a teller named them.
    void name_queue(QueueId id, std::string name) { queues_[id] = std::move(name); }

    std::string print(const Record& record);
    std::string print(const Command& command);
    // Everything, in the order it is handed out.
    std::vector<std::string> print(const Turn& turn);

private:
    std::string queue(QueueId id) const;
    std::string place(const Place& place) const;

    std::map<QueueId, std::string> queues_;
    std::map<std::pair<ConnectionId, ConsumerNumber>, std::string> consumers_;
};

} // namespace baton::broker::core
