// Commands → messages, confirmed. Commands are published in the order they come, pipelined; what
// the broker did not confirm is published again, after a nack a little later, after a lost
// connection as soon as there is a new one. Every confirm goes back to the engine, whose outbox
// cursor it moves.
//
// Thread: the executor.
#pragma once

#include "amqp/client/publisher.hpp"
#include "base/clock.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"
#include "orchestrator/messaging/notice.hpp"
#include "orchestrator/messaging/secrets.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace baton::orchestrator::messaging {

class Dispatcher {
public:
    struct Tracing {
        trace::Policy policy;
        runtime::SpanSink sink; // empty: nobody records any
    };
    Dispatcher(net::asio::any_io_executor executor, const Clock& clock, runtime::Engine& engine, Secrets& secrets,
               Tracing tracing, NoticeOptions notices);

    void set_secret(std::string secret) { secret_ = std::move(secret); }
    void set_partition_count(std::uint16_t count) { partition_count_ = count; }
    void add(std::vector<runtime::OutgoingCommand> commands);
    // A dead letter without a run, as it was; tells when the broker has it, or will not take it.
    void add_plain(amqp::client::Publication publication, std::function<void(Outcome<void>)> settled);
    // Tasks that are still to be published.
    runtime::Unsent waiting() const;
    // Not published any more: these partitions are decided elsewhere, and their next owner publishes what they have.
    void forget(const std::vector<runtime::Partition>& parts);
    // May be null: there is no connection now.
    void use(std::shared_ptr<amqp::client::Publisher> publisher);

    // Publishes until stop(). Spawned once by the owner.
    net::Awaitable<void> run();
    void stop();

    // Tells the workers of a task type to wait; a message that a broker that is away does not get.
    void announce(const runtime::HeldTask& held);

    // Nothing waits and everything is confirmed.
    bool is_idle() const { return waiting_.empty() && flying_.empty() && refused_.empty() && noticing_ == 0; }

private:
    struct Outgoing {
        runtime::OutgoingCommand command;
        std::optional<amqp::client::Publication> plain;
        std::function<void(Outcome<void>)> plain_settled;
        Time published_at{}; // the last time
    };

    void publish_next(amqp::client::Publisher& publisher);
    void settled(const amqp::client::Settled& settled);
    void report_missing(const core::DispatchTask& task, const std::string& name) const;
    void cannot_be_sent(const Outgoing& outgoing, const std::string& why);
    void refuse_plain(const Outgoing& outgoing, const std::string& why);
    void confirm(const Outgoing& outgoing);
    void tell_span(const Outgoing& outgoing) const;
    bool start_notice(const Outgoing& outgoing);
    void end_notice(const runtime::OutboxPlace& place, runtime::StartRequest request, const Outcome<runtime::Started>& started);
    void noticed(const runtime::OutboxPlace& place);
    void retry_notices();
    void flush_soon();
    void flush_confirms();
    std::optional<amqp::client::Publication> publication_of(const core::Command& command,
                                                            runtime::Partition part) const;

    net::asio::any_io_executor executor_;
    const Clock& clock_;
    runtime::Engine& engine_;
    Secrets& secrets_;
    Tracing tracing_;
    NoticeOptions notices_;
    std::string secret_;
    std::uint16_t partition_count_ = 1; // of the whole house
    std::shared_ptr<amqp::client::Publisher> publisher_;
    std::deque<Outgoing> waiting_;
    std::unordered_map<std::uint64_t, Outgoing> flying_; // by the token given to the publisher
    std::deque<Outgoing> refused_;                       // nacked: later again
    std::uint64_t sent_ = 0;
    std::size_t noticing_ = 0; // runs that tell people, asked for and not stored yet
    std::deque<std::pair<runtime::OutboxPlace, runtime::StartRequest>> unnoticed_; // to be asked for again
    net::asio::steady_timer notice_pause_;
    std::vector<runtime::OutboxPlace> confirmed_;
    bool flush_is_posted_ = false;
    net::Wakeup wakeup_;
    bool is_stopping_ = false;
};

} // namespace baton::orchestrator::messaging
