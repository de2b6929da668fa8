#include "web/api.hpp"

#include "base/base64.hpp"
#include "web/broker_api.hpp"
#include "web/replies.hpp"
#include "web/routes.hpp"
#include "web/run_api.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

struct Credentials {
    std::string user;
    std::string password;
};

// Of HTTP's basic scheme.
std::optional<Credentials> credentials_of(const Request& request) {
    constexpr std::string_view scheme = "Basic ";
    if (!request.authorization.starts_with(scheme)) return std::nullopt;
    const auto decoded = from_base64(std::string_view(request.authorization).substr(scheme.size()));
    if (!decoded) return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

class Api {
public:
    explicit Api(ApiParts parts) : parts_(std::make_shared<const ApiParts>(std::move(parts))) {
        add_run_routes(routes_, parts_);
        add_task_routes(routes_, parts_);
        add_broker_routes(routes_, std::shared_ptr<const BrokerPort>(parts_, &parts_->broker));
    }

    awaitable<Response> answer(Request request) {
        if (request.path == "/api/health") {
            if (request.method == "GET") co_return health();
            co_return problem(405, "method_not_allowed", request.method + " is not possible here");
        }
        const auto match = routes_.find(request.method, request.path);
        if (match.handler == nullptr && match.path_exists)
            co_return problem(405, "method_not_allowed", request.method + " is not possible here");
        if (match.handler == nullptr) co_return problem(404, "not_found", "nothing lives at " + request.path);
        const auto credentials = credentials_of(request);
        auto login = credentials ? parts_->authenticate(credentials->user, credentials->password,
                                                        request.remote_is_loopback)
                                 : std::nullopt;
        if (!login) {
            auto refusal = problem(401, "unauthorized", "user or password is wrong");
            refusal.headers["WWW-Authenticate"] = "Basic realm=\"Baton\"";
            co_return refusal;
        }
        request.login = std::move(*login);
        co_return co_await (*match.handler)(std::move(request), match.parameters);
    }

private:
    Response health() const {
        const std::string trouble = parts_->trouble ? parts_->trouble() : std::string{};
        json::object body;
        body["status"] = trouble.empty() ? "ok" : "failing";
        if (!trouble.empty()) body["reason"] = trouble;
        return reply(trouble.empty() ? 200 : 503, body);
    }

    std::shared_ptr<const ApiParts> parts_;
    Routes routes_;
};

} // namespace

Handler make_api(ApiParts parts) {
    auto api = std::make_shared<Api>(std::move(parts));
    return [api](Request request) { return api->answer(std::move(request)); };
}

} // namespace baton::web
