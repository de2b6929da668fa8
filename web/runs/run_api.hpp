// The routes of the orchestrator: workflows and runs here and in run_api.cpp, dead letters in dead_api.cpp,
// calls of single tasks in task_api.cpp, the servers that share the store in node_api.cpp, the doctor in doctor_api.cpp,
// pauses in pause_api.cpp, bulk jobs in job_api.cpp, schedules in schedule_api.cpp. Who may use which is in the routes:
// viewers look, operators change runs, deployers deploy (login.hpp).
#pragma once

#include "base/claim.hpp"
#include "web/api.hpp"
#include "web/http/await_reply.hpp"
#include "web/http/routes.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <utility>

namespace baton::web {

void add_run_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_dead_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_doctor_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_pause_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_job_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_schedule_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_task_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);
void add_node_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts);

// --- For all of them ---------------------------------------------------------------------------------------

// Longer than any healthy commit; a store that is away keeps requests waiting until then.
inline constexpr std::chrono::seconds request_limit{30};
inline constexpr std::size_t list_limit_max = 1000;

// A whole id. Anything else is not given to the store, which may refuse it instead of finding nothing.
bool is_run_id(std::string_view text);
Response no_answer();
// Of a change that cannot be withdrawn: it may have been made, and may still be.
Response no_answer_to_change();
Response problem_of(const Failure& failure);
// Of a change that the engine did not answer in time: 503 if it was withdrawn by the claim and does not
// happen any more, 202 if it was decided and happens as soon as store and broker take it.
Response undecided(Claim& claim, std::string_view what_then);

// Bulk jobs as requests ask for them and as answers tell of them; the failure says what a request lacks.
Outcome<orchestrator::runtime::RunJob> run_job_of(const boost::json::object& body, std::string actor);
boost::json::object run_job_json(const orchestrator::runtime::RunJob& job);
Outcome<orchestrator::runtime::DeadJob> dead_job_of(const boost::json::object& body, std::string actor);

// Asks the engine for a change: `ask` hands callback and claim on, `tell` makes the answer of what was done.
template <typename Answer, typename Ask, typename Tell>
boost::asio::awaitable<Response> change(Ask ask, Tell tell, std::string what_then) {
    const auto claim = std::make_shared<Claim>();
    const auto start = [&ask, claim](auto callback) { ask(callback, claim); };
    const auto done = co_await await_reply<Outcome<Answer>>(request_limit, start);
    if (!done) co_return undecided(*claim, what_then);
    if (!*done) co_return problem_of(done->error());
    co_return tell(*done);
}

// What became of a run, for whoever changed it.
Response changed(const orchestrator::runtime::RunChanged& run);

template <typename Ask>
boost::asio::awaitable<Response> change_run(Ask ask) {
    const auto tell = [](const Outcome<orchestrator::runtime::RunChanged>& done) { return changed(*done); };
    return change<orchestrator::runtime::RunChanged>(std::move(ask), tell, "it is done when the database is back");
}

} // namespace baton::web
