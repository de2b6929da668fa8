// Reports, dead letters and unrouted messages → events. A delivery is acked only when the engine
// has said that what it brought is durable; acks go out together, up to the first one that is not
// settled yet.
//
// Thread: the executor.
#pragma once

#include "amqp/client/connection.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace baton::orchestrator::messaging {

class Results {
public:
    // `on_unrouted` hears of tasks whose type had no queue.
    Results(net::asio::any_io_executor executor, runtime::Engine& engine,
            std::function<void(const std::string& route)> on_unrouted);

    void set_secret(std::string secret) { secret_ = std::move(secret); }

    // Begins to consume on a channel of its own. The secret must be known.
    net::Awaitable<Outcome<void>> consume(amqp::client::Connection& connection,
                                          std::vector<runtime::Partition> partitions,
                                          std::uint16_t prefetch);
    // No more deliveries; those it has stay acknowledgeable.
    net::Awaitable<void> stop();
    // The connection is gone: the broker will bring everything unsettled again.
    void lost();

    void settle(const std::vector<runtime::DeliveryHandle>& handles);
    // Reports that no run can take become dead letters, and are settled as those are durable.
    void keep(std::vector<runtime::Stranded> stranded);
    // Of runs that cannot begin: their parents hear so, and what asked for them is settled behind
    // that.
    void refuse(const std::vector<runtime::Stranded>& refused);

private:
    runtime::DeliveryHandle handle_of(std::uint64_t delivery_tag) const;
    void settle_now(std::uint64_t delivery_tag);
    void ack_settled();
    void take_report(const amqp::client::Delivery& delivery);
    void take_run_request(const amqp::client::Delivery& delivery, const std::string& body);
    void take_dead(const amqp::client::Delivery& delivery);
    void take_unrouted(const amqp::client::Delivery& delivery);
    void answer_caller(const amqp::client::Delivery& delivery);
    void keep_plain(const amqp::client::Delivery& delivery, const std::string& reason);
    void add(runtime::Report report);
    void flush();

    net::asio::any_io_executor executor_;
    runtime::Engine& engine_;
    std::function<void(const std::string&)> on_unrouted_;
    std::string secret_;
    std::shared_ptr<amqp::client::Channel> channel_;
    std::vector<std::string> consumer_tags_;
    std::uint64_t life_ = 0;          // counts channels: handles of an old one mean nothing
    std::uint64_t acked_ = 0;         // every tag up to here is acked
    std::set<std::uint64_t> settled_; // tags above acked_
    std::vector<runtime::Report> gathered_;
    bool flush_is_posted_ = false;
};

} // namespace baton::orchestrator::messaging
