// Questions by number; answers and returns find them by correlation id.
#include "amqp/client/rpc.hpp"

#include "amqp/client/errors.hpp"
#include "net/within.hpp"

#include <fmt/format.h>

#include <utility>

namespace baton::amqp::client {

net::Awaitable<Outcome<std::shared_ptr<RpcCaller>>> RpcCaller::open(Connection& connection) {
    const auto executor = connection.executor();
    auto channel = co_await connection.open_channel();
    if (!channel) co_return channel.error();
    const QueueDeclare declare{.exclusive = true, .auto_delete = true};
    const auto declared = co_await (*channel)->call(declare);
    if (!declared) co_return declared.error();
    std::shared_ptr<RpcCaller> caller(new RpcCaller(*channel, executor));
    caller->reply_queue_ = declared->queue;
    RpcCaller* const self = caller.get();
    (*channel)->on_returned([self](const Returned& returned) { self->take_return(returned); });
    (*channel)->on_closed([self](const Failure& reason) { self->take_end(reason); });
    const BasicConsume consume{.queue = declared->queue, .no_ack = true, .exclusive = true};
    const auto consuming = co_await (*channel)->consume(
        consume, [self](const Delivery& delivery) { self->take_answer(delivery); });
    if (!consuming) co_return consuming.error();
    co_return caller;
}

RpcCaller::RpcCaller(std::shared_ptr<Channel> channel, net::asio::any_io_executor executor)
    : channel_(std::move(channel)), executor_(std::move(executor)) {}

RpcCaller::~RpcCaller() {
    channel_->forget_callbacks();
}

net::Awaitable<Outcome<Delivery>> RpcCaller::call(Publication request, Duration limit) {
    const auto keep_alive = shared_from_this();
    const std::string id = std::to_string(++asked_);
    request.mandatory = true;
    request.properties.reply_to = reply_queue_;
    request.properties.correlation_id = id;
    if (const Status published = channel_->publish(request); !published) {
        if (channel_->close_reason()) co_return *channel_->close_reason();
        co_return Failure{published.error(), published.error().message()};
    }
    const auto question = std::make_shared<Question>(executor_);
    questions_.emplace(id, question);
    const auto outcome = co_await question->answered.wait_for(limit);
    questions_.erase(id);
    if (question->answer) co_return std::move(*question->answer);
    if (question->failure) co_return *question->failure;
    if (outcome == net::Wakeup::Outcome::cancelled)
        co_return Failure{Errc::cancelled, "the wait for the answer was cancelled"};
    co_return Failure{net::timed_out(), fmt::format("no answer from '{}' in {} ms",
                                                    request.routing_key, limit.count() / 1000)};
}

void RpcCaller::take_answer(const Delivery& delivery) {
    if (!delivery.properties.correlation_id) return;
    // Late answers find no question any more.
    const auto found = questions_.find(*delivery.properties.correlation_id);
    if (found == questions_.end()) return;
    found->second->answer = delivery;
    found->second->answered.set();
}

void RpcCaller::take_return(const Returned& returned) {
    if (!returned.properties.correlation_id) return;
    const auto found = questions_.find(*returned.properties.correlation_id);
    if (found == questions_.end()) return;
    found->second->failure = Failure{
        Errc::returned, fmt::format("{} (exchange '{}', routing key '{}')", returned.reply_text,
                                    returned.exchange, returned.routing_key)};
    found->second->answered.set();
}

void RpcCaller::take_end(const Failure& reason) {
    for (const auto& [id, question] : questions_) {
        question->failure = reason;
        question->answered.set();
    }
}

} // namespace baton::amqp::client
