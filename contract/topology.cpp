// The declarations, built from their names.
#include "contract/topology.hpp"

#include <fmt/format.h>

namespace baton::contract {

namespace {

amqp::FieldTable quorum() { return {{"x-queue-type", "quorum"}}; }

Exchange topic(std::string_view name) { return {std::string(name), "topic", {}}; }

// What a task queue stands on: a task without a queue and a task nobody could process must land
// somewhere from the first message on.
std::vector<Declaration> task_ground() {
    std::vector<Declaration> all;
    all.push_back(Exchange{std::string(unrouted_exchange), "fanout", {}});
    all.push_back(topic(dead_exchange));
    all.push_back(Exchange{std::string(task_exchange),
                           "topic",
                           {{"alternate-exchange", unrouted_exchange}}});
    all.push_back(Queue{std::string(unrouted_queue), quorum()});
    all.push_back(Queue{std::string(dead_queue), quorum()});
    all.push_back(Binding{std::string(unrouted_queue), std::string(unrouted_exchange), ""});
    all.push_back(Binding{std::string(dead_queue), std::string(dead_exchange), "#"});
    return all;
}

} // namespace

std::string task_key(std::string_view task, std::string_view queue) {
    return queue.empty() ? std::string(task) : fmt::format("{}.{}", task, queue);
}

std::string cancel_key(std::string_view task) { return fmt::format("cancel.{}", task); }

std::string hold_key(std::string_view task) { return fmt::format("hold.{}", task); }

std::string task_queue(std::string_view key) { return fmt::format("baton.task.{}", key); }

std::string report_queue(int partition) { return fmt::format("baton.report.{}", partition); }

std::string watch_ground(int partition) { return fmt::format("baton.watch.{}", partition); }

std::string watch_exchange(int partition, std::string_view key) { return fmt::format("baton.watch.{}.{}", partition, key); }

std::vector<Declaration> watch_declarations(int partition, std::string_view key) {
    const std::string watch = watch_exchange(partition, key);
    return {Exchange{.name = watch_ground(partition), .kind = "fanout", .arguments = {}, .auto_delete = false},
            Exchange{.name = watch, .kind = "fanout", .arguments = {}, .auto_delete = true},
            Binding{task_queue(key), watch, ""}};
}

std::vector<Declaration> common_declarations() {
    std::vector<Declaration> all = task_ground();
    for (const std::string_view name :
         {control_exchange, rpc_exchange, event_exchange, run_exchange, announce_exchange})
        all.push_back(topic(name));
    for (const auto& [queue, exchange] :
         {std::pair{rpc_queue, rpc_exchange}, std::pair{event_queue, event_exchange}}) {
        all.push_back(Queue{std::string(queue), quorum()});
        all.push_back(Binding{std::string(queue), std::string(exchange), "#"});
    }
    return all;
}

std::vector<Declaration> task_declarations(std::string_view key) {
    std::vector<Declaration> all = task_ground();
    amqp::FieldTable arguments = quorum();
    arguments.set("x-dead-letter-exchange", dead_exchange);
    // At-least-once dead-lettering asks for reject-publish: a full queue refuses instead of dropping.
    arguments.set("x-dead-letter-strategy", "at-least-once");
    arguments.set("x-overflow", "reject-publish");
    arguments.set("x-delivery-limit", delivery_limit);
    arguments.set("x-consumer-timeout", consumer_timeout_ms);
    all.push_back(Queue{task_queue(key), std::move(arguments)});
    all.push_back(Binding{task_queue(key), std::string(task_exchange), std::string(key)});
    return all;
}

std::vector<Declaration> report_declarations(int partition) {
    amqp::FieldTable arguments = quorum();
    arguments.set("x-single-active-consumer", true);
    return {Queue{report_queue(partition), std::move(arguments)}};
}

} // namespace baton::contract
