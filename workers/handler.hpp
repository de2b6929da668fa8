// What a task handler is: a plain function from parameters to a result or a problem. Handlers run on
// the worker's pool threads and may block; several run at once, so what they share must be safe.
#pragma once

#include "contract/task_message.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::workers {

// The result that is reported as completed, or the problem that is reported as failed.
using Answer = boost::system::result<boost::json::value, contract::Problem>;

struct Task {
    contract::TaskRequest request;
    boost::json::object with;                 // the parameters
    // The broker gave it to somebody before, who may have begun.
    bool is_redelivered = false;
    // Reports progress while the handler works; any thread. Empty parameters are fine.
    std::function<void(const boost::json::value& progress)> heartbeat;
    // A line in the run's log, of level debug, info, warning or error; any thread, while the handler
    // works. Lines come in their order and before the result. Of a call without a run nobody hears.
    std::function<void(std::string_view level, std::string text)> log;
    // True once somebody cancelled the task, the time of the attempt is over or the worker is
    // stopping: a long handler looks at it between two steps and gives up with any problem.
    std::function<bool()> is_cancelled;

    // Texts that are equal in all attempts at the same work, most specific first: the idempotency
    // key, then run, step and item (which also survive an operator's rerun under a new key). May be
    // empty: a plain RPC call has no identity but its own.
    std::vector<std::string> identities() const;
    // An attempt before this one may have got somewhere, also one of the same number whose worker was
    // killed.
    bool may_have_begun_before() const { return request.attempt > 1 || is_redelivered; }
};

struct Handler {
    std::string task;                         // "mail.create"
    std::function<Answer(const Task& task)> perform;
    // Two tasks with the same text never run at once in this process; empty text: no such limit.
    // May be left empty.
    std::function<std::string(const boost::json::object& with)> key = {};
    // Handlers with the same text wait together when one of them hears not_now(): "redmine". Empty:
    // the task type stands for itself.
    std::string target = {};
    // Where the parameters say whom the task asks: tasks with the same text wait together, in this
    // process alone. May be left empty.
    std::function<std::string(const boost::json::object& with)> target_of = {};
    // Types of problems that hold this task type alone, and nobody else of its target: a right that only this
    // call needs. May be left empty.
    std::vector<std::string> own_troubles = {};
    // JSON Schemas (draft 7) of parameters and result, for people and for `baton check`; the handler itself
    // decides. Empty: not said. See schemas.hpp.
    boost::json::object parameters = {};
    boost::json::object result = {};
};

// Of an object that has these names and no others.
boost::json::object schema_of(std::span<const std::string_view> names);

// The same handler, which refuses parameters outside `names` as invalid_input: what nobody reads was
// meant to do something.
Handler only_with(std::vector<std::string_view> names, Handler handler);

// --- problems ---------------------------------------------------------------------------------------

// Will not get better by itself: the same parameters fail again.
contract::Problem permanent(std::string type, std::string detail, int status = 0);
// May work later.
contract::Problem temporary(std::string type, std::string detail,
                            std::optional<Duration> retry_after = std::nullopt);
// The target does not take it for the moment and says so before it does anything (429, greylisting,
// maintenance): no attempt. The worker holds all tasks of the handler's target until then; the server
// tells the other processes. Without `retry_after` for some seconds. A call without a run gets it as answer.
contract::Problem not_now(std::string type, std::string detail,
                          std::optional<Duration> retry_after = std::nullopt);
// Our key, password, permission or address of the target is wrong: the worker's fault, never the
// task's. As not_now(); logged as an error too, since only an operator can help.
contract::Problem configuration(std::string type, std::string detail);

// --- parameters -------------------------------------------------------------------------------------

// Reads parameters and gathers every complaint, so that a caller learns all of them at once.
class Parameters {
public:
    explicit Parameters(const boost::json::object& with) : with_(with) {}

    std::string required_text(std::string_view name);
    std::string text(std::string_view name, std::string_view otherwise = {});   // numbers as text too
    bool flag(std::string_view name, bool otherwise);
    std::int64_t number(std::string_view name, std::int64_t otherwise);
    // An empty object if it is not there.
    boost::json::object object(std::string_view name);
    // A list of texts, or one text.
    std::vector<std::string> texts(std::string_view name);
    bool has(std::string_view name) const;      // there, and not null
    void complain(std::string complaint);
    // Complains about every parameter outside `names`, with what was probably meant.
    void only(std::span<const std::string_view> names);

    bool is_bad() const { return !complaints_.empty(); }
    // Of type invalid_input; call it if is_bad().
    contract::Problem problem() const;

private:
    const boost::json::object& with_;
    std::string complaints_;
};

} // namespace baton::workers
