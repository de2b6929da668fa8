// One connection to the broker and everything the orchestrator does with it: declaring,
// dispatching, taking reports, measuring queues, calling workers, asking other orchestrators and
// answering them. It listens to the partitions that the engine decides, as they come and go. Everything but the functions
// marked "any thread" belongs to the executor.
//
// Order of things on each new connection: declare, then consume, then publish; and before any of it
// the store's secret must be known, since tokens are made with it.
//
// A broker says nothing when a queue loses its messages. With `finds_losses` they are looked for, with what
// AMQP has: a queue that is not there; one whose watch is gone (contract/topology.hpp), which was deleted and
// declared again; one that had tasks and no consumer and then was empty, still without a consumer and
// for `unseen_patience`, which was purged. A purge beside a consumer cannot be told from work.
#pragma once

#include "amqp/client/endpoint.hpp"
#include "amqp/client/reconnect.hpp"
#include "amqp/client/rpc.hpp"
#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"
#include "orchestrator/messaging/dispatcher.hpp"
#include "orchestrator/messaging/requests.hpp"
#include "orchestrator/messaging/results.hpp"
#include "orchestrator/messaging/secrets.hpp"
#include "orchestrator/messaging/roster.hpp"
#include "orchestrator/runtime/engine.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace baton::orchestrator::messaging {

// A line that a worker says of its run. `done` is to be called, on any thread, when it is kept or will not be. Empty:
// nobody keeps any.
using KeepLine = std::function<void(runtime::RunLogLine line, std::function<void()> done)>;

struct MessagingOptions {
    amqp::client::Endpoint endpoint;
    std::uint16_t partition_count = 1; // of the whole house
    bool is_shared = false;            // there may be other orchestrators
    std::uint16_t prefetch = 2'000;    // of all partitions, if they are equally busy
    std::size_t publish_window = 4'000; // messages on their way to the broker
    Duration queue_check_interval = std::chrono::seconds(5); // whether the task queues are there
    bool finds_losses = true;
    Duration unseen_patience = std::chrono::seconds(30);
    OnRequest on_request{};
    SecretSource secrets{};
    KeepLine keep_line{};
    Dispatcher::Tracing trace{};
    NoticeOptions notices{};
};

// A question to a worker without a workflow.
struct Call {
    std::string task;
    std::string with; // JSON
    Duration limit{};
    trace::Given trace{}; // that who asks is in
    // (completed, body as JSON) or why there is no answer. Called on the executor.
    std::function<void(Outcome<std::pair<bool, std::string>>)> reply;
};

// A dead letter without a run, to be published once more.
struct Again {
    runtime::DeadLetter letter;
    std::function<void(Outcome<void>)> settled;
};

// What a task's queue was like when it was looked at last.
struct QueueState {
    std::string task;
    std::uint64_t waiting = 0;
    std::uint64_t consumers = 0;
    // Since when tasks wait and nobody takes them; nothing: somebody does, or none waits.
    std::optional<Time> deserted_since;
    std::string trouble; // why there is no such queue; empty: there is
    // Since when it is empty without ever a consumer having been seen; nothing: it is not.
    std::optional<Time> unseen_since;
    // Who takes tasks one by one and says nothing for long is taken for a purge; less and less often.
    std::uint32_t unseen_times = 0;
};

// One queue of tasks, as it is at this moment.
struct QueueLook {
    bool exists = false;
    std::uint64_t waiting = 0;
    std::uint64_t consumers = 0;
};

class Messaging {
public:
    Messaging(net::asio::any_io_executor executor, MessagingOptions options, const Clock& clock,
              runtime::Engine& engine);

    // Any thread: what the engine says, and calls.
    void set_secret(std::string secret) { inbox_.put({std::move(secret)}); }
    void tell(runtime::Told told) { inbox_.put({std::move(told)}); }
    // Which workflows are live from now on.
    void live(LiveWorkflows workflows) { inbox_.put({Live{std::move(workflows)}}); }
    void declare(std::vector<std::string> routes) { inbox_.put({Routes{std::move(routes)}}); }
    // Calls `done` when all have their queue: with false at once while there is no connection.
    void await_queues(std::vector<std::string> routes, std::function<void(bool)> done) {
        inbox_.put({Awaited{std::move(routes), std::move(done)}});
    }
    // The queue lost what waited in it, and may be there again. Only those of tasks matter.
    void queue_emptied(std::string queue) { inbox_.put({Emptied{std::move(queue)}}); }
    // Only reports of these are taken from now on; `done` is called when no others come any more.
    void listen(std::vector<runtime::Partition> parts, std::function<void()> done) {
        inbox_.put({Listen{{parts.begin(), parts.end()}, std::move(done)}});
    }
    // As EngineSinks::forward.
    void forward(runtime::Partition part, runtime::Request request, std::weak_ptr<const int> asker,
                 runtime::Reply<runtime::Answer> reply) {
        inbox_.put({Forward{part, std::move(request), std::move(asker), std::move(reply)}});
    }
    void republish(Again again) { inbox_.put({std::move(again)}); }
    void call(Call call) { inbox_.put({std::move(call)}); }
    bool is_connected() const { return connected_.value() != 0; }
    // Since when the broker has owed an answer, in milliseconds since 1970; 0: it does not. A connection that
    // is cut looks like one until its heartbeats are missed.
    std::int64_t silent_since() const { return silent_since_.value(); }
    // The queues of tasks, as they were when they were looked at last. `reply` is called on the executor.
    void ask_queues(std::function<void(std::vector<QueueState>)> reply) { inbox_.put({std::move(reply)}); }

    // Who announced himself and is believed to be there. `reply` is called on the executor.
    void ask_workers(std::function<void(std::vector<KnownWorker>)> reply) { inbox_.put({WorkersAsked{std::move(reply)}}); }

    // Asks the broker now. `reply` is called on the executor.
    void look(std::string route, std::function<void(Outcome<QueueLook>)> reply) {
        inbox_.put({Look{std::move(route), std::move(reply)}});
    }

    // Until stop_*; to be spawned once.
    net::Awaitable<void> run();
    // Takes no more reports; gives the broker `limit` to confirm what is on its way.
    net::Awaitable<void> drain(Duration limit);
    // Ends the connection and run().
    void stop();

private:
    struct Live {
        LiveWorkflows workflows;
    };
    struct Routes {
        std::vector<std::string> all;
    };
    struct Awaited {
        std::vector<std::string> routes;
        std::function<void(bool)> done;
    };
    using QueuesAsked = std::function<void(std::vector<QueueState>)>;
    struct LostAreStored {
        std::shared_ptr<bool> is_stored;
    };
    struct Look {
        std::string route;
        std::function<void(Outcome<QueueLook>)> reply;
    };
    struct Emptied {
        std::string queue;
    };
    struct WorkersAsked {
        std::function<void(std::vector<KnownWorker>)> reply;
    };
    struct Listen {
        std::set<runtime::Partition> parts;
        std::function<void()> done;
    };
    struct Forward {
        runtime::Partition part = 0;
        runtime::Request request;
        std::weak_ptr<const int> asker;
        runtime::Reply<runtime::Answer> reply;
    };
    // To a request of another orchestrator.
    struct Answered {
        std::string reply_to;
        std::string correlation_id;
        std::string body;
        std::optional<runtime::DeliveryHandle> delivery;
    };
    using Incoming = std::variant<Emptied, Look, LostAreStored, QueuesAsked, WorkersAsked, std::string, runtime::Told, Routes, Awaited, Again, Call,
                                  Listen, Forward, Answered, Live>;

    void take_incoming();
    void take(std::string& secret);
    void take(Live& live);
    void take(runtime::Told& told);
    void take(Routes& routes);
    void take(Awaited& awaited);
    void answer_awaited();
    void take(QueuesAsked& reply);
    void note_purge(QueueState& state, std::uint64_t waiting, std::uint64_t consumers);
    void find_purged();
    void take(WorkersAsked& asked);
    void note_queue(const std::string& route, std::uint64_t waiting, std::uint64_t consumers);
    void take(Again& again);
    void take_notice(Again& again);
    void take(LostAreStored& lost);
    void take(Emptied& emptied);
    void take(Look& look);
    void take(Call& call);
    void take(Listen& listen);
    void take(Forward& forward);
    void take(Answered& answered);
    void keep_line(runtime::RunLogLine line, runtime::DeliveryHandle handle);
    net::Awaitable<bool> follow_ownership();
    net::Awaitable<void> watch_partitions();
    net::Awaitable<void> pass_on(runtime::Partition part, amqp::client::Publication message, Results::Settled settled);
    void tell_listening();
    std::uint16_t prefetch_of_one() const;
    amqp::client::Publication publication_of(runtime::Partition part, const runtime::Request& request) const;
    net::Awaitable<void> ask_owner(Forward forward);
    net::Awaitable<Outcome<runtime::Answer>> ask_once(runtime::Partition part, runtime::Request request, Duration limit);
    void serve(const amqp::client::Delivery& delivery, runtime::DeliveryHandle handle);
    void serve_lost_queue(runtime::Request request, runtime::Reply<runtime::Answer> reply);
    net::Awaitable<void> forget_later(runtime::Engine::WatchId watch);
    runtime::Unsent unsent() const;
    net::Awaitable<bool> tell_others(amqp::client::Connection& connection, std::set<std::string> routes, bool is_emptied);
    bool was_just(const std::map<std::string, Time>& seen, const std::string& route) const;

    net::Awaitable<Outcome<void>> prepare(amqp::client::Connection& connection);
    net::Awaitable<Outcome<void>> declare_common(amqp::client::Connection& connection);
    net::Awaitable<bool> declare_new();
    net::Awaitable<Outcome<void>> listen_to_workers(amqp::client::Connection& connection);
    void take_announcement(const amqp::client::Delivery& delivery);
    void forget_absent_workers();
    net::Awaitable<void> watch_routes();
    net::Awaitable<void> watch_queues();
    net::Awaitable<Outcome<std::set<std::string>>> missing_queues(amqp::client::Connection& connection,
                                                                  std::set<std::string> routes);
    net::Awaitable<Outcome<bool>> is_there(std::shared_ptr<amqp::client::Channel> channel, std::string exchange);
    net::Awaitable<void> put_watches(std::set<std::string> routes);
    net::Awaitable<bool> restore_queues();
    net::Awaitable<bool> give_again(amqp::client::Connection& connection, std::set<std::string> routes,
                                    std::set<std::string> emptied);
    net::Awaitable<void> watch_questions();
    net::Awaitable<void> ask(Call call);
    net::Awaitable<void> answer_look(Look look);
    // run() ends behind it.
    net::Awaitable<void> counted(net::Awaitable<void> question);
    net::Awaitable<Outcome<QueueLook>> look_at(std::string route);
    net::Awaitable<void> cancel_consumers(std::shared_ptr<bool> is_silent);
    void lost();

    net::asio::any_io_executor executor_;
    MessagingOptions options_;
    const Clock& clock_;
    runtime::Engine& engine_;
    Mailbox<Incoming> inbox_;
    Secrets secrets_;
    Dispatcher dispatcher_;
    Results results_;
    Requests requests_;
    amqp::client::Reconnect reconnect_;
    amqp::client::Connection* connection_ = nullptr; // while it lives and is being used
    std::uint64_t losses_ = 0;                       // of connections
    bool has_secret_ = false;
    std::string secret_;
    std::set<runtime::Partition> wanted_;               // to listen to
    std::vector<std::function<void()>> not_heard_;      // to be called when we listen to no others
    net::Wakeup partitions_changed_;
    std::shared_ptr<amqp::client::Channel> report_channel_; // declares their queues
    std::set<runtime::Partition> has_queue_;            // others', that were declared on this connection
    // Routes, when their queue was seen missing: by this orchestrator, and by others who told it.
    std::map<std::string, Time> lost_here_;
    std::map<std::string, Time> lost_there_;
    net::Broadcast secret_known_;
    std::set<std::string> routes_;               // that need a queue
    std::map<std::string, QueueState> queues_;   // by route
    Roster roster_;
    bool roster_is_full_ = false;                // said once
    std::set<std::string> declared_;             // on this connection
    std::vector<Awaited> awaited_;
    std::vector<runtime::OutgoingCommand> held_; // until their queues are declared
    net::Wakeup routes_changed_;
    net::Wakeup queue_check_wanted_;
    net::Wakeup lost_are_stored_;
    bool may_watch_ = true; // until the broker refuses it
    std::set<std::string> emptied_; // routes whose queue lost its messages, perhaps back by now
    bool is_restoring_ = false; // queues are missing, and nothing is published meanwhile
    std::shared_ptr<amqp::client::Channel> declare_channel_;
    std::shared_ptr<amqp::client::RpcCaller> caller_;
    Gauge connected_;
    Gauge silent_since_;
    std::size_t questions_ = 0; // to workers and the broker, under way
    net::Wakeup answered_;
    bool is_stopping_ = false;
};

} // namespace baton::orchestrator::messaging
