// What programs ask of the server over AMQP: messages on the exchange baton.rpc, whose key names what is
// wanted and whose user_id, vouched for by the broker, says who wants it. What it means and who may ask it
// is somebody else's to know; here it is taken in, answered to its reply_to, and acknowledged behind the
// first answer, so that a request whose answer may be lost comes again.
//
// Names that are not the server's own are those of workflows: such a request begins a run, is acknowledged when
// that is stored, and is answered by the run; here only by why it does not begin.
//
// Thread: the executor.
#pragma once

#include "amqp/client/connection.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "orchestrator/messaging/request.hpp"
#include "orchestrator/messaging/starts.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace baton::orchestrator::messaging {

class Requests {
public:
    Requests(net::asio::any_io_executor executor, const Clock& clock, runtime::Engine& engine, OnRequest on_request);

    // Which workflows may be called from now on.
    void live(LiveWorkflows workflows) { live_ = std::move(workflows); }

    // On a channel of its own, declared before.
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
        bool is_redelivered = false;
    };
    void take(const amqp::client::Delivery& delivery);
    void call(const amqp::client::Delivery& delivery, const Asked& asked);
    void called(const Asked& asked, const runtime::Started& started);
    void failed(const Asked& asked, const std::string& name, const Failure& failure);
    void refuse_repeated(const Asked& asked, const std::string& run);
    void refuse(const Asked& asked, const core::Problem& problem);
    void tell(const Asked& asked, const core::Problem& problem);
    void return_later(const Asked& asked);
    void answer(const Asked& asked, const Answer& one);

    net::asio::any_io_executor executor_;
    const Clock& clock_;
    runtime::Engine& engine_;
    std::optional<LiveWorkflows> live_; // absent: not known yet
    OnRequest on_request_;
    std::shared_ptr<amqp::client::Channel> channel_;
    std::string consumer_tag_;
    std::map<std::uint64_t, net::asio::steady_timer> returns_; // by tag, of this channel
    std::uint64_t life_ = 0; // counts channels: a delivery's tag means nothing on another one
};

} // namespace baton::orchestrator::messaging
