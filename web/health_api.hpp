// Is the server well, and which version is it? Anybody may ask how it is, so the reasons name no
// address.
#pragma once

#include "web/api.hpp"
#include "web/http/routes.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace baton::web {

class HealthApi {
public:
    explicit HealthApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    // {"status": "ok"|"degraded"|"failing", reason?, degraded?, failing?, parts}
    boost::asio::awaitable<boost::json::object> look();
    boost::asio::awaitable<std::vector<HealthPart>> parts();

private:
    boost::asio::awaitable<std::vector<HealthPart>> server_parts();
    boost::asio::awaitable<std::string> store_trouble();

    std::shared_ptr<const ApiParts> parts_;
    std::chrono::steady_clock::time_point store_known_until_{};
    std::string store_trouble_; // the last verdict
    std::string store_failure_; // why, as it stands in the log
};

void add_health_routes(Routes& routes, const std::shared_ptr<HealthApi>& health,
                       const std::shared_ptr<const ApiParts>& parts);

} // namespace baton::web
