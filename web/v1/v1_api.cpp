#include "web/v1/v1_api.hpp"

#include "web/v1/openapi.hpp"

namespace baton::web {

namespace {

boost::asio::awaitable<Response> description() {
    Response response;
    response.body = openapi_yaml();
    response.content_type = "application/yaml";
    co_return response;
}

} // namespace

void add_v1_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                   const std::shared_ptr<HealthApi>& health) {
    routes.add("GET", "/baton/v1/openapi.yaml", Level::open,
               [](Request, Parameters) { return description(); });
    add_v1_overview_routes(routes, parts, health);
    add_v1_run_routes(routes, parts, health);
    add_v1_workflow_routes(routes, parts);
    add_v1_dead_routes(routes, parts);
    add_v1_schedule_routes(routes, parts);
    add_v1_task_routes(routes, parts);
    add_v1_operation_routes(routes, parts);
    add_v1_view_routes(routes, parts);
    add_v1_admin_routes(routes, parts);
    add_v1_approval_routes(routes, parts);
    add_v1_event_routes(routes, parts);
}

} // namespace baton::web
