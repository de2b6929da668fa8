// Declarations, one after the other.
#include "orchestrator/messaging/declare.hpp"

#include "base/log.hpp"

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Channel;

net::Awaitable<Outcome<void>> declare(std::shared_ptr<Channel> channel,
                                      contract::Declaration declaration) {
    if (const auto* exchange = std::get_if<contract::Exchange>(&declaration)) {
        amqp::ExchangeDeclare method;
        method.exchange = exchange->name;
        method.type = exchange->kind;
        method.durable = true;
        method.auto_delete = exchange->auto_delete;
        method.arguments = exchange->arguments;
        const auto done = co_await channel->call(std::move(method));
        if (!done) co_return done.error();
    } else if (const auto* queue = std::get_if<contract::Queue>(&declaration)) {
        amqp::QueueDeclare method;
        method.queue = queue->name;
        method.durable = true;
        method.arguments = queue->arguments;
        const auto done = co_await channel->call(std::move(method));
        if (!done) co_return done.error();
    } else {
        const auto& binding = std::get<contract::Binding>(declaration);
        amqp::QueueBind method;
        method.queue = binding.queue;
        method.exchange = binding.exchange;
        method.routing_key = binding.routing_key;
        const auto done = co_await channel->call(std::move(method));
        if (!done) co_return done.error();
    }
    co_return Outcome<void>{boost::system::in_place_value};
}

} // namespace

net::Awaitable<Outcome<void>> declare_all(amqp::client::Connection& connection,
                                          std::shared_ptr<Channel>& channel,
                                          std::vector<contract::Declaration> declarations) {
    for (const contract::Declaration& declaration : declarations) {
        if (!channel || !channel->is_open()) {
            auto opened = co_await connection.open_channel();
            if (!opened) co_return opened.error();
            channel = std::move(*opened);
        }
        const auto done = co_await declare(channel, declaration);
        if (done) continue;
        if (done.error().code != amqp::ReplyCode::precondition_failed) co_return done.error();
        log::warning("messaging", "something exists with other arguments, using it as it is",
                     {{"reason", done.error().detail}});
    }
    co_return Outcome<void>{boost::system::in_place_value};
}

} // namespace baton::orchestrator::messaging
