// From delivery to ack. Everything but the handlers themselves happens on the thread that runs the
// connection.
#include "workers/worker.hpp"

#include "amqp/client/publisher.hpp"
#include "amqp/client/reconnect.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "contract/topology.hpp"
#include "workers/announcement.hpp"
#include "workers/declare.hpp"
#include "workers/pool.hpp"
#include "workers/turnstile.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>

#include <unistd.h>

namespace baton::workers {

namespace asio = boost::asio;
namespace client = amqp::client;
namespace json = boost::json;
using net::Awaitable;

namespace {

// A report that the broker does not take is tried again after this.
constexpr Duration report_pause = std::chrono::milliseconds(200);
// The server looks for its queues every five seconds.
constexpr auto time_for_the_server = std::chrono::seconds(8);
// More than any prefetch; an entry is the size of a report.
constexpr std::size_t remembered_max = 1024;
// Lines for runs' logs that wait for a connection; of more the oldest go.
constexpr std::size_t unsaid_max = 1000;
// Heartbeats are sent this many times within the interval the task asks for.
constexpr int heartbeats_per_interval = 3;
constexpr Duration heartbeat_interval_min = std::chrono::milliseconds(50);
// A target that asks to come back later and does not say when; and at most, whatever it or another
// worker says, since nobody could hurry it.
constexpr Duration hold_unsaid = std::chrono::seconds(10);
constexpr Duration hold_max = std::chrono::hours(1);
// How often who waits for the end of a hold looks whether he is still wanted.
constexpr Duration hold_look = std::chrono::milliseconds(200);

std::string describe_self(std::string_view name) {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    return fmt::format("{}@{}:{}", name, host, ::getpid());
}

// A coroutine that ends with an exception is a fault of ours; it must not pass silently.
void end_of_coroutine(std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
}

} // namespace

class Worker::Service {
public:
    Service(WorkerOptions options, std::vector<Handler> handlers)
        : options_(std::move(options)),
          handlers_(std::move(handlers)),
          self_(describe_self(options_.name)),
          places_(io_.get_executor(), options_.threads),
          session_changed_(io_.get_executor()),
          drained_(io_.get_executor()),
          announcing_ends_(io_.get_executor()),
          pool_(options_.name, options_.threads) {
        for (Handler& handler : handlers_)
            if (handler.target.empty()) handler.target = handler.task;
    }

    Outcome<void> run(std::stop_token stop);

private:
    // What belongs to one connection.
    struct Session {
        std::shared_ptr<client::Channel> channel;       // consumes and acks
        std::shared_ptr<client::Publisher> publisher;   // on a channel of its own
        client::Connection* connection = nullptr;
        std::shared_ptr<client::Channel> announces;     // made when needed
        bool may_announce = true;
        std::vector<std::string> consumer_tags;
    };
    // A task between delivery and ack.
    struct Assignment {
        explicit Assignment(const asio::any_io_executor& executor) : done(executor) {}
        const Handler* handler = nullptr;
        Task task;
        std::string target;                             // whom it asks; see Handler
        std::stop_source cancel;
        // Later nobody waits for this attempt; set before the handler begins.
        std::chrono::steady_clock::time_point ends_at = std::chrono::steady_clock::time_point::max();
        std::string progress = "{}";                    // last heartbeat
        std::optional<Answer> answer;
        net::Wakeup done;
    };
    using AssignmentPtr = std::shared_ptr<Assignment>;

    Awaitable<Outcome<void>> prepare(client::Connection& connection);
    Awaitable<Outcome<void>> listen_for_control(client::Connection& connection);
    Awaitable<void> announce(std::shared_ptr<Session> session);
    Awaitable<void> keep_announcing();
    void say_goodbye();
    void take_cancel(const client::Delivery& delivery);
    void take_hold(const client::Delivery& delivery);
    // Nobody begins a task of the target until then. Other processes hear of it by the server, which
    // gets the problem as report.
    void hold(const std::string& target, const contract::Problem& problem);
    Duration held_for(const std::string& target) const;
    Duration held_for(const Assignment& assignment) const;
    bool must_wait(const Assignment& assignment, const client::Channel& channel) const;
    Awaitable<void> wait_while_held(const Assignment& assignment, const client::Channel& channel);
    void begin_stop();
    Awaitable<void> finish();

    Awaitable<void> handle(const Handler* handler, std::shared_ptr<client::Channel> channel,
                           client::Delivery delivery);
    Awaitable<void> go_through(AssignmentPtr assignment, std::shared_ptr<client::Channel> channel,
                               std::uint64_t delivery_tag);
    Outcome<AssignmentPtr> accept(const Handler* handler, const client::Delivery& delivery);
    // The report, or nothing if the task is given back.
    Awaitable<std::optional<contract::Report>> perform(AssignmentPtr assignment,
                                                       std::shared_ptr<client::Channel> channel,
                                                       std::uint64_t delivery_tag, bool& is_acked);
    Awaitable<Answer> perform_on_pool(AssignmentPtr assignment);
    Awaitable<bool> report(contract::TaskRequest request, contract::Report content);
    void send_heartbeat(const Assignment& assignment);
    void send_passing(const contract::TaskRequest& request, contract::Report content);
    void say(const contract::TaskRequest& request, contract::LogLine line);
    void say_what_waits();
    void leave_key(const std::string& key);
    void remember(const std::string& token, const contract::Report& content);

    WorkerOptions options_;
    std::vector<Handler> handlers_;
    std::string self_;
    asio::io_context io_{1};
    std::unique_ptr<client::Reconnect> link_;
    std::shared_ptr<Session> session_;                  // null while there is no connection
    Turnstile places_;
    std::map<std::string, std::unique_ptr<Turnstile>> keys_;
    std::map<std::string, std::vector<std::weak_ptr<Assignment>>> by_token_;
    std::map<std::string, std::chrono::steady_clock::time_point> held_until_; // by target
    // What was found out but perhaps not acked: a task that comes again over a new connection is
    // answered from here instead of being performed again.
    std::map<std::string, contract::Report> remembered_;
    std::deque<std::string> remembered_order_;
    std::deque<client::Publication> unsaid_; // lines of logs, in their order
    net::Broadcast session_changed_;
    net::Wakeup drained_;
    net::Wakeup announcing_ends_;
    std::size_t in_flight_ = 0;
    bool is_stopping_ = false;
    bool gives_up_ = false;                             // the grace is over
    std::chrono::steady_clock::time_point left_to_server_until_{}; // a deleted queue
    // Last, so that its threads are joined while all they post to is alive.
    Pool pool_;
};

Worker::Worker(WorkerOptions options, std::vector<Handler> handlers)
    : service_(std::make_unique<Service>(std::move(options), std::move(handlers))) {}
Worker::~Worker() = default;

Outcome<void> Worker::run(std::stop_token stop) { return service_->run(std::move(stop)); }

// --- beginning and end --------------------------------------------------------------------------

Outcome<void> Worker::Service::run(std::stop_token stop) {
    BATON_ASSIGN(client::Endpoint endpoint, client::parse_url(options_.broker_url));
    if (endpoint.connection_name.empty()) endpoint.connection_name = self_;
    client::ReconnectOptions link_options;
    link_options.endpoint = std::move(endpoint);
    link_options.on_connected = [this](client::Connection& connection) { return prepare(connection); };
    link_options.on_lost = [this](const Failure&) {
        session_.reset();
        session_changed_.wake_all();
    };
    link_ = std::make_unique<client::Reconnect>(io_.get_executor(), std::move(link_options));
    asio::co_spawn(io_, link_->run(), end_of_coroutine);
    asio::co_spawn(io_, keep_announcing(), end_of_coroutine);
    const std::stop_callback on_stop(stop, [this] { asio::post(io_, [this] { begin_stop(); }); });
    io_.run();
    return {};
}

Awaitable<Outcome<void>> Worker::Service::prepare(client::Connection& connection) {
    while (std::chrono::steady_clock::now() < left_to_server_until_ && !is_stopping_) {
        net::Wakeup pause(io_.get_executor());
        co_await pause.wait_for(std::chrono::milliseconds(500));
    }
    for (const Handler& handler : handlers_) {
        std::string key = contract::task_key(handler.task, options_.queue);
        const auto declared = co_await declare_task(connection, std::move(key));
        if (!declared) co_return declared.error();
    }
    const auto control = co_await listen_for_control(connection);
    if (!control)
        log::warning("worker", "does not hear cancels and holds", {{"reason", control.error().detail}});
    auto session = std::make_shared<Session>();
    auto reports = co_await connection.open_channel();
    if (!reports) co_return reports.error();
    auto publisher = co_await client::Publisher::open(*reports);
    if (!publisher) co_return publisher.error();
    session->publisher = *publisher;
    auto tasks = co_await connection.open_channel();
    if (!tasks) co_return tasks.error();
    session->channel = *tasks;
    amqp::BasicQos qos;
    qos.prefetch_count = options_.prefetch;
    const auto limited = co_await session->channel->call(qos);
    if (!limited) co_return limited.error();
    // A worker with half of its channels would hang: it begins anew with both.
    const auto begin_anew = [&connection](const Failure& reason) {
        connection.close(amqp::ReplyCode::success, "a channel ended: " + reason.detail);
    };
    session->channel->on_closed(begin_anew);
    session->publisher->channel().on_closed(begin_anew);
    session_ = session;
    say_what_waits(); // before the results that wait, too
    session_changed_.wake_all();
    for (const Handler& handler : handlers_) {
        if (is_stopping_) break;
        amqp::BasicConsume consume;
        consume.queue = contract::task_queue(contract::task_key(handler.task, options_.queue));
        // Weak, since the channel owns this function.
        auto on_delivery = [this, one = &handler,
                            weak = std::weak_ptr(session->channel)](client::Delivery delivery) {
            ++in_flight_;
            asio::co_spawn(io_, handle(one, weak.lock(), std::move(delivery)), end_of_coroutine);
        };
        // A queue that somebody deleted is declared again by connecting again; not at once, since the
        // server tells by the missing queue that tasks were lost with it.
        auto on_cancelled = [this, &connection](const std::string&) {
            left_to_server_until_ = std::chrono::steady_clock::now() + time_for_the_server;
            connection.close(amqp::ReplyCode::success, "a task queue is gone");
        };
        auto tag = co_await session->channel->consume(std::move(consume), std::move(on_delivery),
                                                      std::move(on_cancelled));
        if (!tag) co_return tag.error();
        session->consumer_tags.push_back(*tag);
    }
    log::info("worker", "ready", {{"name", options_.name}, {"tasks", handlers_.size()}});
    session->connection = &connection;
    co_await announce(session);
    co_return Outcome<void>();
}

// Who may not, or finds no such exchange yet, works all the same: the broker closes the channel.
Awaitable<void> Worker::Service::announce(std::shared_ptr<Session> session) {
    if (!session || session != session_ || !session->may_announce) co_return;
    if (!session->announces || !session->announces->is_open()) {
        auto opened = co_await session->connection->open_channel();
        if (!opened || session != session_) co_return;
        session->announces = std::move(*opened);
        session->announces->on_closed([weak = std::weak_ptr(session)](const Failure& reason) {
            const auto one = weak.lock();
            if (one && reason.code == amqp::ReplyCode::access_refused) one->may_announce = false;
        });
    }
    for (const Handler& handler : handlers_) {
        const contract::Announcement about = announcement_of(handler, self_, options_.queue,
                                                             static_cast<std::uint32_t>(options_.threads));
        client::Publication publication;
        publication.exchange = contract::announce_exchange;
        publication.routing_key = handler.task;
        publication.properties = contract::properties_of(about);
        publication.body = SharedBytes::copy_of(contract::to_json(about));
        if (!session->announces->publish(publication)) co_return;
    }
}

// Servers come and go, and so they forget.
Awaitable<void> Worker::Service::keep_announcing() {
    while (!is_stopping_) {
        static_cast<void>(co_await announcing_ends_.wait_for(contract::announcement_interval));
        if (!is_stopping_) co_await announce(session_);
    }
}

void Worker::Service::say_goodbye() {
    announcing_ends_.set();
    if (!session_ || !session_->announces || !session_->announces->is_open() || handlers_.empty()) return;
    client::Publication publication;
    publication.exchange = contract::announce_exchange;
    publication.routing_key = handlers_.front().task;
    publication.properties.type = std::string(contract::worker_gone_type);
    publication.properties.content_type = "application/json";
    publication.body = SharedBytes::copy_of(contract::farewell(self_));
    static_cast<void>(session_->announces->publish(publication));
}

Awaitable<Outcome<void>> Worker::Service::listen_for_control(client::Connection& connection) {
    auto channel = co_await connection.open_channel();
    if (!channel) co_return channel.error();
    // Asked first, since a user that may only use it may not declare it.
    amqp::ExchangeDeclare exchange;
    exchange.exchange = contract::control_exchange;
    exchange.type = "topic";
    exchange.durable = true;
    exchange.passive = true;
    const auto there = co_await (*channel)->call(exchange);
    if (!there) {
        channel = co_await connection.open_channel();
        if (!channel) co_return channel.error();
        exchange.passive = false;
        const auto declared = co_await (*channel)->call(std::move(exchange));
        if (!declared) co_return declared.error();
    }
    amqp::QueueDeclare own;
    own.exclusive = true;
    own.auto_delete = true;
    const auto queue = co_await (*channel)->call(std::move(own));
    if (!queue) co_return queue.error();
    for (const Handler& handler : handlers_)
        for (std::string key : {contract::cancel_key(handler.task), contract::hold_key(handler.task)}) {
            amqp::QueueBind bind;
            bind.queue = queue->queue;
            bind.exchange = contract::control_exchange;
            bind.routing_key = std::move(key);
            const auto bound = co_await (*channel)->call(std::move(bind));
            if (!bound) co_return bound.error();
        }
    amqp::BasicConsume consume;
    consume.queue = queue->queue;
    consume.no_ack = true;
    auto on_delivery = [this](client::Delivery delivery) {
        delivery.routing_key.starts_with("hold.") ? take_hold(delivery) : take_cancel(delivery);
    };
    const auto tag = co_await (*channel)->consume(std::move(consume), std::move(on_delivery));
    if (!tag) co_return tag.error();
    co_return Outcome<void>();
}

// --- targets that let nobody in for a while -----------------------------------------------------

namespace {

bool is_own_trouble(const Handler& handler, const contract::Problem& problem) {
    const auto& types = handler.own_troubles;
    return std::find(types.begin(), types.end(), problem.type) != types.end();
}

// Beside the names of targets: what holds one task type alone.
std::string alone(const Handler& handler) { return handler.task + " alone"; }

} // namespace

void Worker::Service::take_hold(const client::Delivery& delivery) {
    const contract::Problem problem = contract::problem_from_json(delivery.body.text());
    for (const Handler& handler : handlers_)
        if (delivery.routing_key == contract::hold_key(handler.task) && !handler.target_of)
            hold(is_own_trouble(handler, problem) ? alone(handler) : handler.target, problem);
}

void Worker::Service::hold(const std::string& target, const contract::Problem& problem) {
    const Duration pause = std::clamp(problem.retry_after.value_or(hold_unsaid), Duration{}, hold_max);
    auto& until = held_until_[target];
    const auto later = std::chrono::steady_clock::now() + pause;
    if (later <= until) return;
    // One line a hold, not one a task.
    if (until < std::chrono::steady_clock::now())
        log::warning("worker", "the target lets nobody in; its tasks wait",
                     {{"target", target}, {"seconds", std::chrono::duration_cast<std::chrono::seconds>(pause).count()},
                      {"type", problem.type}, {"detail", problem.detail}});
    until = later;
}

Duration Worker::Service::held_for(const std::string& target) const {
    const auto found = held_until_.find(target);
    if (found == held_until_.end()) return Duration{};
    const auto left = found->second - std::chrono::steady_clock::now();
    return std::max(Duration{}, std::chrono::ceil<Duration>(left));
}

Duration Worker::Service::held_for(const Assignment& assignment) const {
    return std::max(held_for(assignment.target), held_for(alone(*assignment.handler)));
}

// Until the target may be asked again, or nobody wants it any more.
Awaitable<void> Worker::Service::wait_while_held(const Assignment& assignment,
                                                 const client::Channel& channel) {
    while (must_wait(assignment, channel))
        if (!co_await net::sleep_for(std::min(held_for(assignment), hold_look))) co_return;
}

bool Worker::Service::must_wait(const Assignment& assignment, const client::Channel& channel) const {
    return !is_stopping_ && channel.is_open() && !assignment.cancel.stop_requested() &&
           held_for(assignment) > Duration{};
}

void Worker::Service::take_cancel(const client::Delivery& delivery) {
    const auto found = by_token_.find(delivery.properties.correlation_id.value_or(""));
    if (found == by_token_.end()) return;
    for (const auto& weak : found->second)
        if (const auto assignment = weak.lock()) assignment->cancel.request_stop();
}

void Worker::Service::begin_stop() {
    if (is_stopping_) return;
    is_stopping_ = true;
    log::info("worker", "stopping", {{"name", options_.name}, {"in_flight", in_flight_}});
    asio::co_spawn(io_, finish(), end_of_coroutine);
}

Awaitable<void> Worker::Service::finish() {
    if (const auto session = session_)
        for (const std::string& tag : session->consumer_tags)
            static_cast<void>(co_await session->channel->cancel(tag));
    if (in_flight_ > 0) static_cast<void>(co_await drained_.wait_for(options_.stop_grace));
    gives_up_ = true;
    for (const auto& [token, assignments] : by_token_)
        for (const auto& weak : assignments)
            if (const auto assignment = weak.lock()) assignment->cancel.request_stop();
    session_changed_.wake_all();
    say_goodbye();
    link_->stop();
}

// --- one task -----------------------------------------------------------------------------------

Awaitable<void> Worker::Service::handle(const Handler* handler,
                                        std::shared_ptr<client::Channel> channel,
                                        client::Delivery delivery) {
    const std::uint64_t tag = delivery.delivery_tag;
    auto accepted = accept(handler, delivery);
    if (accepted) {
        co_await go_through(*accepted, channel, tag);
    } else if (const auto& reply_to = delivery.properties.reply_to; reply_to && !reply_to->empty()) {
        contract::TaskRequest request;
        request.task = handler->task;
        request.reply_to = *reply_to;
        request.token = delivery.properties.correlation_id.value_or("");
        contract::Failed failed{
            permanent(std::string(contract::bad_task_type), accepted.error().detail)};
        if (co_await report(std::move(request), std::move(failed)))
            static_cast<void>(channel->ack(tag));
    } else {
        log::warning("worker", "rejects a task that it cannot read",
                     {{"task", handler->task}, {"reason", accepted.error().detail}});
        static_cast<void>(channel->reject(tag, false));
    }
    if (--in_flight_ == 0 && is_stopping_) drained_.set();
}

Outcome<Worker::Service::AssignmentPtr> Worker::Service::accept(const Handler* handler,
                                                                const client::Delivery& delivery) {
    auto assignment = std::make_shared<Assignment>(io_.get_executor());
    assignment->handler = handler;
    Task& task = assignment->task;
    BATON_ASSIGN(task.request,
                 contract::decode_task(handler->task, delivery.properties, delivery.body.text()));
    auto with = read_json(task.request.with, json_of_our_own);
    if (!with || !with->is_object())
        return Failure{make_error_code(boost::system::errc::bad_message),
                       "the parameters must be a JSON object"};
    task.with = std::move(with->get_object());
    task.is_redelivered = delivery.redelivered;
    assignment->target = handler->target;
    if (handler->target_of) assignment->target += ' ' + handler->target_of(task.with);
    task.is_cancelled = [token = assignment->cancel.get_token(), weak = std::weak_ptr(assignment)] {
        const auto one = weak.lock();
        return token.stop_requested() || !one || std::chrono::steady_clock::now() >= one->ends_at;
    };
    task.heartbeat = [this, weak = std::weak_ptr(assignment)](const json::value& progress) {
        std::string text = write_json(progress);
        asio::post(io_, [weak, text = std::move(text)] {
            if (const auto one = weak.lock()) one->progress = text;
        });
    };
    task.log = [this, weak = std::weak_ptr(assignment)](std::string_view level, std::string text) {
        contract::LogLine line{std::string(level), as_utf8(text)};
        asio::post(io_, [this, weak, line = std::move(line)]() mutable {
            if (const auto one = weak.lock()) say(one->task.request, std::move(line));
        });
    };
    return assignment;
}

Awaitable<void> Worker::Service::go_through(AssignmentPtr assignment,
                                            std::shared_ptr<client::Channel> channel,
                                            std::uint64_t delivery_tag) {
    const contract::TaskRequest& request = assignment->task.request;
    by_token_[request.token].push_back(assignment);
    std::string key;
    if (assignment->handler->key) key = assignment->handler->key(assignment->task.with);
    // At least two copies of one attempt never run at once.
    if (key.empty() && !request.token.empty()) key = "token " + request.token;
    if (!key.empty()) {
        auto& turnstile = keys_[key];
        if (!turnstile) turnstile = std::make_unique<Turnstile>(io_.get_executor(), 1);
        co_await turnstile->enter();
    }
    // A caller without a run wants its answer, also if that is no.
    const bool waits = !request.run.empty();
    for (;;) {
        if (waits) co_await wait_while_held(*assignment, *channel);
        co_await places_.enter();
        if (!waits || !must_wait(*assignment, *channel)) break;
        places_.leave(); // found out while this one waited for its place
    }
    bool is_acked = false;
    std::optional<contract::Report> content;
    if (const auto known = remembered_.find(request.token); known != remembered_.end())
        content = known->second;
    else
        content = co_await perform(assignment, channel, delivery_tag, is_acked);
    if (content) remember(request.token, *content);
    places_.leave();
    if (!key.empty()) leave_key(key);
    // This task is among them and alive, so the list is there.
    auto& same_token = by_token_[request.token];
    std::erase_if(same_token, [&](const auto& weak) { return weak.lock() == assignment; });
    if (same_token.empty()) by_token_.erase(request.token);
    if (!content) {
        static_cast<void>(channel->nack(delivery_tag, false, true));
        co_return;
    }
    const bool is_reported = co_await report(request, std::move(*content));
    if (is_reported && !is_acked) is_acked = channel->ack(delivery_tag).has_value();
    if (is_acked) remembered_.erase(request.token);
}

void Worker::Service::remember(const std::string& token, const contract::Report& content) {
    if (token.empty() || !remembered_.emplace(token, content).second) return;
    remembered_order_.push_back(token);
    if (remembered_order_.size() <= remembered_max) return;
    remembered_.erase(remembered_order_.front());
    remembered_order_.pop_front();
}

void Worker::Service::leave_key(const std::string& key) {
    const auto found = keys_.find(key);
    found->second->leave();
    if (found->second->is_idle(1)) keys_.erase(found);
}

Awaitable<std::optional<contract::Report>>
Worker::Service::perform(AssignmentPtr assignment, std::shared_ptr<client::Channel> channel,
                         std::uint64_t delivery_tag, bool& is_acked) {
    const contract::TaskRequest& request = assignment->task.request;
    if (is_stopping_) co_return std::nullopt;
    // The broker gives it again to somebody, perhaps to us: performing it here would be a second time.
    if (!channel->is_open()) co_return std::nullopt;
    if (assignment->cancel.stop_requested()) co_return contract::Cancelled{};
    if (request.deadline && *request.deadline < SystemClock{}.now())
        co_return contract::Failed{temporary(std::string(contract::expired_type),
                                             "the task's deadline had passed before it began")};
    if (request.heartbeat) {
        if (!co_await report(request, contract::Started{self_})) co_return std::nullopt;
        is_acked = channel->ack(delivery_tag).has_value();
        if (!is_acked) co_return std::nullopt;
    } else if (!request.run.empty()) {
        // The clock of the attempt begins here; not confirmed, because one that is lost only lets it
        // begin later. A caller without a run expects one answer and gets no other.
        send_passing(request, contract::Started{self_});
    }
    if (request.timeout) assignment->ends_at = std::chrono::steady_clock::now() + *request.timeout;
    Answer answer = co_await perform_on_pool(assignment);
    if (answer) {
        log::debug("worker", "done", {{"task", request.task}, {"run", request.run}});
        co_return contract::Completed{write_json(*answer)};
    }
    if (assignment->cancel.stop_requested() && !gives_up_) co_return contract::Cancelled{};
    const contract::Problem& problem = answer.error();
    if (!problem.is_attempt)
        hold(is_own_trouble(*assignment->handler, problem) ? alone(*assignment->handler) : assignment->target, problem);
    log::info("worker", "failed",
              {{"task", request.task}, {"run", request.run}, {"attempt", request.attempt},
               {"type", problem.type}, {"detail", problem.detail}});
    co_return contract::Failed{problem};
}

namespace {

// Exceptions of handlers and their libraries end here.
Answer perform_guarded(const Handler& handler, const Task& task) {
    try {
        return handler.perform(task);
    } catch (const std::exception& problem) {
        return temporary("baton.handler_failed", problem.what());
    } catch (...) {
        return temporary("baton.handler_failed", "the handler threw something that is no exception");
    }
}

} // namespace

Awaitable<Answer> Worker::Service::perform_on_pool(AssignmentPtr assignment) {
    const std::size_t thread = pool_.start([this, assignment] {
        Answer answer = perform_guarded(*assignment->handler, assignment->task);
        asio::post(io_, [assignment, answer = std::move(answer)]() mutable {
            assignment->answer = std::move(answer);
            assignment->done.set();
        });
    });
    const std::optional<Duration> heartbeat = assignment->task.request.heartbeat;
    if (!heartbeat) co_await assignment->done.wait();
    while (!assignment->answer) {
        const Duration pause = heartbeat ? *heartbeat / heartbeats_per_interval : heartbeat_interval_min;
        static_cast<void>(
            co_await assignment->done.wait_for(std::max(pause, heartbeat_interval_min)));
        if (!assignment->answer) send_heartbeat(*assignment);
    }
    pool_.done(thread);
    co_return std::move(*assignment->answer);
}

// --- reports ------------------------------------------------------------------------------------

void Worker::Service::send_heartbeat(const Assignment& assignment) {
    send_passing(assignment.task.request, contract::Heartbeat{assignment.progress});
}

// Behind what was said before and before the result, on one channel; nobody waits for it.
void Worker::Service::say(const contract::TaskRequest& request, contract::LogLine line) {
    if (request.run.empty() || request.reply_to.empty()) return;
    contract::Message message = encode(contract::TaskReport{request.token, std::move(line)});
    client::Publication publication;
    publication.routing_key = request.reply_to;
    publication.properties = std::move(message.properties);
    publication.body = SharedBytes::copy_of(message.body);
    unsaid_.push_back(std::move(publication));
    if (unsaid_.size() > unsaid_max) unsaid_.pop_front();
    say_what_waits();
}

void Worker::Service::say_what_waits() {
    while (session_ && !unsaid_.empty()) {
        if (!session_->publisher->publish(unsaid_.front())) return;
        unsaid_.pop_front();
    }
}

// Worth nothing tomorrow: neither stored nor sent again.
void Worker::Service::send_passing(const contract::TaskRequest& request, contract::Report content) {
    if (!session_ || request.reply_to.empty()) return;
    contract::Message message = encode(contract::TaskReport{request.token, std::move(content)});
    message.properties.delivery_mode = 1;
    client::Publication publication;
    publication.routing_key = request.reply_to;
    publication.properties = std::move(message.properties);
    publication.body = SharedBytes::copy_of(message.body);
    static_cast<void>(session_->publisher->publish(publication));
}

// Until the broker has it for good; false if that will not happen any more.
Awaitable<bool> Worker::Service::report(contract::TaskRequest request, contract::Report content) {
    if (request.reply_to.empty()) co_return true;
    contract::Message message =
        encode(contract::TaskReport{std::move(request.token), std::move(content)});
    client::Publication publication;
    publication.routing_key = request.reply_to;
    publication.properties = std::move(message.properties);
    publication.body = SharedBytes::copy_of(message.body);
    while (!gives_up_) {
        const std::shared_ptr<Session> session = session_;
        if (!session) {
            static_cast<void>(co_await session_changed_.wait());
            continue;
        }
        const auto published = co_await session->publisher->publish_confirmed(publication);
        if (published) co_return true;
        if (published.error().code == amqp::Errc::short_string_too_long ||
            published.error().code == amqp::Errc::value_too_large) {
            log::warning("worker", "cannot report", {{"task", request.task},
                                                     {"reason", published.error().detail}});
            co_return true;
        }
        // Lost with its connection, or refused for the moment: once more.
        static_cast<void>(co_await net::sleep_for(report_pause));
    }
    co_return false;
}

} // namespace baton::workers
