// What task types there are, who serves them, and how much waits. What the broker says of a queue
// is known for a moment, so that a page that many look at asks once. On the web's thread.
#pragma once

#include "web/api.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::web {

class TaskLooks {
public:
    explicit TaskLooks(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    // Nothing: the orchestrator does not answer.
    boost::asio::awaitable<std::optional<std::vector<WorkerLook>>> workers() const;
    // Task types that live workflows name, and those that workers announce; by name.
    boost::asio::awaitable<Outcome<std::vector<std::string>>>
    names(const std::vector<WorkerLook>& workers);
    // In the order asked; nothing: the broker did not answer in time, or is away.
    boost::asio::awaitable<std::vector<std::optional<TaskLook>>>
    look_at(std::vector<std::string> tasks);

private:
    struct Known {
        TaskLook look;
        std::chrono::steady_clock::time_point until;
    };
    std::shared_ptr<const ApiParts> parts_;
    std::map<std::string, Known> known_;
    std::map<std::uint64_t, std::vector<std::string>> tasks_of_; // by definition
};

} // namespace baton::web
