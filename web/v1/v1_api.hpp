// The routes of /baton/v1, Baton's own dialect beside RabbitMQ's /api: errors as RFC 9457, lists
// with cursors, one query language, ETags. docs/api.md tells what each does. What both dialects do
// in the same way they share: those routes here have the function of the /api route.
#pragma once

#include "web/api.hpp"
#include "web/health_api.hpp"
#include "web/http/routes.hpp"

#include <memory>

namespace baton::web {

// Behind all routes of /api.
void add_v1_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                   const std::shared_ptr<HealthApi>& health);

void add_v1_run_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                       const std::shared_ptr<HealthApi>& health);
void add_v1_workflow_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_dead_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_schedule_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_task_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_operation_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_view_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_admin_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_approval_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_event_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_v1_overview_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts,
                            const std::shared_ptr<HealthApi>& health);

} // namespace baton::web
