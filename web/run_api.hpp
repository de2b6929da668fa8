// The routes of the orchestrator: workflows and runs here and in run_api.cpp, dead letters and calls of
// single tasks in task_api.cpp. Who may use which is in the routes:
// viewers look, operators change runs, deployers deploy (login.hpp).
#pragma once

#include "web/api.hpp"
#include "web/routes.hpp"

#include <memory>

namespace baton::web {

void add_run_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_task_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);

// --- For both ---------------------------------------------------------------------------------------

// Longer than any healthy commit; a store that is away keeps requests waiting until then.
inline constexpr std::chrono::seconds request_limit{30};
inline constexpr std::size_t list_limit_max = 1000;

Response no_answer();
Response problem_of(const Failure& failure);

} // namespace baton::web
