// Reports, dead letters and unrouted messages → events. A delivery is acked only when the engine
// has said that what it brought is durable; acks go out together, up to the first one that is not
// settled yet.
//
// Every partition has a channel of its own, open as long as the partition is decided here: so one
// that waits for its owner's engine holds up no other, and closing it gives back to the broker what
// was not settled. The queues of dead and unrouted messages belong to nobody; what they bring for
// another node's partition goes on to the queue of that partition.
//
// Thread: the executor.
#pragma once

#include "amqp/client/connection.hpp"
#include "base/result.hpp"
#include "contract/task_message.hpp"
#include "net/awaitable.hpp"
#include "orchestrator/messaging/secrets.hpp"
#include "orchestrator/messaging/starts.hpp"
#include "orchestrator/messaging/task_token.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::messaging {

// The `type` of a message in a report queue that is no report: a request of one orchestrator to the
// one that owns the partition. Its header says that it comes from one: a MAC of the body, as tokens
// have.
inline constexpr std::string_view request_type = "baton.request";
inline constexpr std::string_view request_mac_header = "baton-mac";

class Results {
public:
    using Settled = std::function<void(Outcome<void>)>;
    struct Sinks {
        // Hears of tasks whose type had no queue.
        std::function<void(const std::string& route)> unrouted;
        // A message that another node is to have; tells when the broker has it for good.
        std::function<void(runtime::Partition, amqp::client::Publication, Settled settled)> pass_on;
        // A line that a worker says of its run; settle() its handle when it is kept. May be empty.
        std::function<void(runtime::RunLogLine, runtime::DeliveryHandle)> log;
        // A request of another node; settle() its handle when it is answered.
        std::function<void(const amqp::client::Delivery&, runtime::DeliveryHandle)> request;
    };
    Results(net::asio::any_io_executor executor, runtime::Engine& engine,
            std::uint16_t partition_count, const Secrets& secrets, Sinks sinks);

    // Which workflows events may start from now on.
    void live(LiveWorkflows workflows) { live_ = std::move(workflows); }
    void set_secret(std::string secret) { secret_ = std::move(secret); }

    // Begins to consume what is not of one partition, or a partition. The secret must be known.
    net::Awaitable<Outcome<void>> consume_common(amqp::client::Connection& connection,
                                                 std::uint16_t prefetch);
    net::Awaitable<Outcome<void>> consume(amqp::client::Connection& connection,
                                          runtime::Partition part, std::uint16_t prefetch);
    // Those that are consumed.
    std::set<runtime::Partition> partitions() const;
    // No report of this partition any more; the broker has what was not settled again.
    net::Awaitable<void> leave(runtime::Partition part);
    // No more deliveries; those it has stay acknowledgeable.
    net::Awaitable<void> stop();
    // The connection is gone: the broker will bring everything unsettled again.
    void lost();

    void settle(const std::vector<runtime::DeliveryHandle>& handles);
    // Reports of runs that are decided elsewhere. Their partition's channel is to be left, which
    // gives them to whoever listens then: one by one they would come back here at once, again and
    // again. True: there is one.
    bool give_back(const std::vector<runtime::DeliveryHandle>& handles);
    // Partitions whose channel is to be left; some may be listened to anew.
    std::vector<runtime::Partition> partitions_given_back() const;
    // Reports that no run can take become dead letters, and are settled as those are durable.
    void keep(std::vector<runtime::Stranded> stranded);
    // Of runs that cannot begin: their parents hear so, and what asked for them is settled behind
    // that.
    void refuse(const std::vector<runtime::Stranded>& refused);

private:
    // One channel and what it brought.
    struct Source {
        std::uint64_t life = 0; // of the channel; handles of an old one mean nothing
        std::optional<runtime::Partition> part; // none: what is not of one partition
        std::shared_ptr<amqp::client::Channel> channel;
        std::vector<std::string> consumer_tags;
        std::uint64_t acked = 0;            // every tag up to here is acked or given back
        std::set<std::uint64_t> settled;    // tags above
        std::set<std::uint64_t> given_back; // of these, those that must not be acked
        bool is_given_back = false;         // all that it has
    };
    using Take = void (Results::*)(Source&, const amqp::client::Delivery&);

    net::Awaitable<Outcome<Source*>> open(amqp::client::Connection& connection,
                                          std::optional<runtime::Partition> part,
                                          std::uint16_t prefetch);
    net::Awaitable<Outcome<void>> listen(amqp::client::Connection& connection, std::uint64_t life,
                                         std::string queue, Take take);
    Source* source_of(runtime::DeliveryHandle handle);
    static runtime::DeliveryHandle handle_of(const Source& source, std::uint64_t delivery_tag);
    static void settle_now(Source& source, std::uint64_t delivery_tag);
    static void ack_settled(Source& source);
    void take_report(Source& source, const amqp::client::Delivery& delivery);
    void take_line(const Source& source, const TaskToken& token, contract::LogLine line,
                   const amqp::client::Delivery& delivery);
    void take_event(Source& source, const amqp::client::Delivery& delivery);
    struct EventTurn;
    void heard(const std::shared_ptr<EventTurn>& turn, const std::string& workflow,
               const Outcome<runtime::Started>& started);
    void end_turn(EventTurn& turn);
    void give_back_later(runtime::DeliveryHandle handle);
    void take_run_request(Source& source, const amqp::client::Delivery& delivery,
                          const std::string& body);
    void take_dead(Source& source, const amqp::client::Delivery& delivery);
    void take_unrouted(Source& source, const amqp::client::Delivery& delivery);
    void take_passed_on(Source& source, const amqp::client::Delivery& delivery);
    void take_lost(Source& source, const amqp::client::Delivery& delivery,
                   const std::string& reason);
    void answer_caller(Source& source, const amqp::client::Delivery& delivery);
    void keep_plain(const Source& source, const amqp::client::Delivery& delivery,
                    const std::string& reason);
    void add(runtime::Report report);
    void flush();

    net::asio::any_io_executor executor_;
    runtime::Engine& engine_;
    std::uint16_t partition_count_;
    const Secrets& secrets_;
    Sinks sinks_;
    std::string secret_;
    std::optional<LiveWorkflows> live_; // nothing: nobody knows yet what an event starts
    std::map<runtime::DeliveryHandle, net::asio::steady_timer> late_; // to be given back
    std::map<std::uint64_t, std::unique_ptr<Source>> sources_;        // by life
    std::uint64_t lives_ = 0;
    std::vector<runtime::Report> gathered_;
    bool flush_is_posted_ = false;
};

} // namespace baton::orchestrator::messaging
