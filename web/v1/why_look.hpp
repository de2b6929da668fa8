// Gathers what why() looks at beside the run: queues of its tasks, pauses, the server's own health.
// On the web's thread.
#pragma once

#include "orchestrator/runtime/why.hpp"
#include "web/api.hpp"
#include "web/health_api.hpp"
#include "web/runs/run_look.hpp"
#include "web/v1/task_looks.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <vector>

namespace baton::web {

class WhyLook {
public:
    WhyLook(std::shared_ptr<const ApiParts> parts, std::shared_ptr<HealthApi> health)
        : parts_(parts), health_(std::move(health)), looks_(std::move(parts)) {}

    // Why this run does not go on; at least one reason. `incident`: why it cannot be read, empty: it can.
    boost::asio::awaitable<std::vector<orchestrator::runtime::Why>> look(const ToldRun& told,
                                                                         std::string incident);

private:
    boost::asio::awaitable<orchestrator::runtime::WhySight> sight_of(const ToldRun& told);
    boost::asio::awaitable<void> see_queues(std::vector<std::string> routes,
                                            orchestrator::runtime::WhySight& sight);
    boost::asio::awaitable<void> see_consumers(orchestrator::runtime::WhySight& sight);
    boost::asio::awaitable<std::string> owner_trouble(orchestrator::runtime::Partition part);

    std::shared_ptr<const ApiParts> parts_;
    std::shared_ptr<HealthApi> health_;
    TaskLooks looks_;
};

// {code, sentence, step, undo, task, since, until, act}
boost::json::object why_json(const orchestrator::runtime::Why& why);

} // namespace baton::web
