// Declarations as AMQP methods.
#include "workers/declare.hpp"

#include "base/log.hpp"
#include "base/overloaded.hpp"

#include <fmt/format.h>

namespace baton::workers {

namespace client = amqp::client;

namespace {

net::Awaitable<Outcome<void>> declare_one(client::Channel& channel, contract::Declaration one) {
    if (const auto* exchange = std::get_if<contract::Exchange>(&one)) {
        amqp::ExchangeDeclare request;
        request.exchange = exchange->name;
        request.type = exchange->kind;
        request.durable = true;
        request.arguments = exchange->arguments;
        auto reply = co_await channel.call(std::move(request));
        if (!reply) co_return reply.error();
    } else if (const auto* queue = std::get_if<contract::Queue>(&one)) {
        amqp::QueueDeclare request;
        request.queue = queue->name;
        request.durable = true;
        request.arguments = queue->arguments;
        auto reply = co_await channel.call(std::move(request));
        if (!reply) co_return reply.error();
    } else if (const auto* binding = std::get_if<contract::Binding>(&one)) {
        amqp::QueueBind request;
        request.queue = binding->queue;
        request.exchange = binding->exchange;
        request.routing_key = binding->routing_key;
        auto reply = co_await channel.call(std::move(request));
        if (!reply) co_return reply.error();
    }
    co_return Outcome<void>();
}

} // namespace

net::Awaitable<Outcome<void>> declare_task(client::Connection& connection, std::string key) {
    const auto declarations = contract::task_declarations(key);
    auto opened = co_await connection.open_channel();
    if (!opened) co_return opened.error();
    std::shared_ptr<client::Channel> channel = *opened;
    for (const contract::Declaration& one : declarations) {
        const auto declared = co_await declare_one(*channel, one);
        if (declared) continue;
        const Failure& refused = declared.error();
        if (refused.code != amqp::ReplyCode::precondition_failed &&
            refused.code != amqp::ReplyCode::access_refused)
            co_return refused;
        // A user that may not declare what all share leaves that to the server.
        if (refused.code == amqp::ReplyCode::precondition_failed)
            log::warning("worker", "takes what somebody else declared, as it is",
                         {{"queue", contract::task_queue(key)}, {"reason", refused.detail}});
        else
            log::debug("worker", "may not declare this; takes what is there",
                       {{"queue", contract::task_queue(key)}, {"reason", refused.detail}});
        // The refusal closed the channel; what comes after may still be needed, a binding above all.
        auto next = co_await connection.open_channel();
        if (!next) co_return next.error();
        channel = *next;
    }
    amqp::QueueDeclare passive;
    passive.queue = contract::task_queue(key);
    passive.passive = true;
    const auto there = co_await channel->call(std::move(passive));
    if (!there) co_return there.error();
    static_cast<void>(co_await channel->close());
    co_return Outcome<void>();
}

} // namespace baton::workers
