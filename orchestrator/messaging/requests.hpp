// What programs ask of the server over AMQP: messages on the exchange baton.rpc, whose key names what is
// wanted and whose user_id, vouched for by the broker, says who wants it. What it means and who may ask it
// is somebody else's to know; here it is taken in, answered to its reply_to, and acknowledged behind the
// first answer, so that a request whose answer may be lost comes again.
//
// Thread: the executor.
#pragma once

#include "amqp/client/connection.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "orchestrator/messaging/request.hpp"

#include <memory>
#include <string>

namespace baton::orchestrator::messaging {

class Requests {
public:
    Requests(net::asio::any_io_executor executor, OnRequest on_request);

    // On a channel of its own, declared before. Without somebody to ask it does nothing.
    net::Awaitable<Outcome<void>> consume(amqp::client::Connection& connection);
    net::Awaitable<void> stop();
    void lost();

private:
    // Where the answer belongs.
    struct Asked {
        std::uint64_t life = 0;
        std::uint64_t delivery_tag = 0;
        std::string reply_to;
        std::string correlation_id;
    };
    void take(const amqp::client::Delivery& delivery);
    void answer(const Asked& asked, const Answer& one);

    net::asio::any_io_executor executor_;
    OnRequest on_request_;
    std::shared_ptr<amqp::client::Channel> channel_;
    std::string consumer_tag_;
    std::uint64_t life_ = 0; // counts channels: a delivery's tag means nothing on another one
};

} // namespace baton::orchestrator::messaging
