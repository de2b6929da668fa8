#include "web/v1/why_look.hpp"

#include "web/broker/broker_port.hpp"
#include "web/runs/run_view.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <optional>
#include <utility>

namespace baton::web {

namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

// As contract/topology.hpp calls the queues of tasks; the broker's embedded users work in "/".
constexpr std::string_view queue_prefix = "baton.task.";

json::value moment_or_null(const std::optional<Time>& time) {
    return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value reason_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

} // namespace

awaitable<std::vector<runtime::Why>> WhyLook::look(const ToldRun& told, std::string incident) {
    const runtime::WhySight sight = co_await sight_of(told);
    const runtime::WhyRun run{told.details.run, told.steps, told.pause,
                              told.awaits,      incident,   told.workflow.get()};
    co_return runtime::why(run, sight);
}

awaitable<runtime::WhySight> WhyLook::sight_of(const ToldRun& told) {
    runtime::WhySight sight;
    const runtime::StoredRun& run = told.details.run;
    if (orchestrator::core::is_closed(run.status)) co_return sight;
    sight.workflow_pause = parts_->engine->pauses().of_workflow(run.workflow);
    for (const HealthPart& part : co_await health_->parts()) {
        if (part.state != HealthPart::State::failing) continue;
        sight.is_store_away = sight.is_store_away || part.name == "store";
        sight.is_broker_away = sight.is_broker_away || part.name == "broker";
        sight.is_outbox_behind = sight.is_outbox_behind || part.name == "outbox";
    }
    if (parts_->broker.exists() && parts_->broker.figures) {
        const NodeFigures figures = parts_->broker.figures();
        sight.is_broker_blocked =
            (figures.memory_high != 0 && figures.memory > figures.memory_high) ||
            figures.disk_free < figures.disk_free_limit;
    }
    co_await see_queues(runtime::routes_out(told.steps), sight);
    sight.owner_trouble = co_await owner_trouble(run.part);
    co_return sight;
}

awaitable<void> WhyLook::see_queues(std::vector<std::string> routes, runtime::WhySight& sight) {
    const auto held = parts_->engine->held_tasks().list(SystemClock().now());
    const auto looks = co_await looks_.look_at(routes);
    for (std::size_t i = 0; i < routes.size(); ++i) {
        runtime::TaskSight& task = sight.tasks[routes[i]];
        task.pause = parts_->engine->pauses().of_task(routes[i], routes[i]);
        for (const runtime::HeldTask& one : held)
            if (one.task == routes[i]) task.held = one;
        if (!looks[i]) continue;
        task.queue =
            runtime::QueueSight{looks[i]->has_queue, looks[i]->waiting, looks[i]->consumers, {}, 0};
    }
    if (parts_->broker.exists()) co_await see_consumers(sight);
}

// How much each consumer may hold, and the queue has out. Only a broker of our own says so.
awaitable<void> WhyLook::see_consumers(runtime::WhySight& sight) {
    for (auto& [route, task] : sight.tasks) {
        if (!task.queue || task.queue->consumers == 0) continue;
        broker::core::OverviewWish wish = no_lists();
        wish.queues = wish.consumers = true;
        wish.vhost = "/";
        wish.name = std::string(queue_prefix) + route;
        const auto seen = co_await web::look(parts_->broker, wish);
        if (!seen || seen->queues.empty()) continue;
        runtime::QueueSight& queue = *task.queue;
        queue.ready = seen->queues.front().ready;
        queue.unacked = seen->queues.front().unacked;
        queue.consumers = seen->queues.front().consumers;
        std::optional<std::uint64_t> capacity = 0;
        std::uint64_t count = 0;
        for (const auto& consumer : seen->consumers) {
            if (consumer.queue != *wish.name || consumer.vhost != "/") continue;
            ++count;
            if (consumer.prefetch == 0 || consumer.no_ack) capacity.reset();
            if (capacity) *capacity += consumer.prefetch;
        }
        if (count == queue.consumers) queue.capacity = capacity;
    }
}

awaitable<std::string> WhyLook::owner_trouble(runtime::Partition part) {
    if (parts_->node.empty()) co_return std::string{};
    const auto around = co_await parts_->reader->ask(
        [](runtime::RunQueries& queries) { return queries.neighbourhood(); });
    if (!around) co_return std::string{};
    std::string owner;
    for (const auto& one : around->partitions)
        if (one.part == part) owner = one.node;
    if (owner.empty())
        co_return "no server decides about it just now; one of those that are there takes it "
                  "within seconds";
    for (const runtime::NodeRow& node : around->nodes) {
        if (node.node != owner) continue;
        if (node.lease_left > Duration::zero()) co_return std::string{};
        co_return fmt::format(
            "server {} decides about it and {}; another takes its runs over within seconds", owner,
            node.has_session ? "hangs" : "is gone");
    }
    co_return fmt::format(
        "server {} decided about it and is not there any more; another takes its runs over "
        "within seconds",
        owner);
}

json::object why_json(const runtime::Why& why) {
    json::object out;
    out["code"] = runtime::word_of(why.code);
    out["sentence"] = why.sentence;
    out["step"] = reason_or_null(why.step);
    out["undo"] = why.undo;
    out["task"] = reason_or_null(why.task);
    out["since"] = moment_or_null(why.since);
    out["until"] = moment_or_null(why.until);
    out["act"] = nullptr;
    if (why.act)
        out["act"] = json::object{{"label", why.act->label},
                                  {"method", why.act->method},
                                  {"path", why.act->path},
                                  {"body", from_text(why.act->body)}};
    return out;
}

} // namespace baton::web
