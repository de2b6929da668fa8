// Ask and wait for the answer: requests go out mandatory with reply_to and correlation_id, answers
// come back through an exclusive queue of our own. Thread: the connection's executor.
#pragma once

#include "amqp/client/channel.hpp"
#include "amqp/client/connection.hpp"
#include "amqp/client/message.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace baton::amqp::client {

class RpcCaller : public std::enable_shared_from_this<RpcCaller> {
public:
    // Opens a channel, declares the reply queue and consumes from it.
    static net::Awaitable<Outcome<std::shared_ptr<RpcCaller>>> open(Connection& connection);
    ~RpcCaller();

    // Sets mandatory, reply_to and correlation_id of the request. Errors: returned (nobody
    // listens), timed_out, or why the channel ended.
    net::Awaitable<Outcome<Delivery>> call(Publication request, Duration limit);

    const std::string& reply_queue() const { return reply_queue_; }
    Channel& channel() { return *channel_; }

private:
    struct Question {
        explicit Question(const net::asio::any_io_executor& executor) : answered(executor) {}
        net::Wakeup answered;
        std::optional<Delivery> answer;
        std::optional<Failure> failure;
    };

    RpcCaller(std::shared_ptr<Channel> channel, net::asio::any_io_executor executor);
    void take_answer(const Delivery& delivery);
    void take_return(const Returned& returned);
    void take_end(const Failure& reason);

    std::shared_ptr<Channel> channel_;
    net::asio::any_io_executor executor_;
    std::string reply_queue_;
    std::uint64_t asked_ = 0;
    std::map<std::string, std::shared_ptr<Question>, std::less<>> questions_;
};

} // namespace baton::amqp::client
