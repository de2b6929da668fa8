// The orchestrator's connection.
#include "orchestrator/messaging/messaging.hpp"

#include "amqp/client/errors.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "contract/announcement.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "orchestrator/messaging/declare.hpp"
#include "orchestrator/messaging/message_json.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace baton::orchestrator::messaging {
namespace {

// What older servers declared, and nobody read.
constexpr const char* former_announce_queue = "baton.announce";
// Announcements that wait for us. The oldest go first: they are said again.
constexpr std::int64_t announcements_max = 10'000;

// Orchestrators that share a store watch the queues together: whoever sees one lost tells the others.
constexpr int common_watch = 0;

// While there is one, the broker owes an answer: since the last question.
class Owing {
public:
    Owing(Gauge& since, const Clock& clock) : since_(since), clock_(clock) { ask(); }
    Owing(const Owing&) = delete;
    Owing& operator=(const Owing&) = delete;
    ~Owing() { since_.set(0); }
    void ask() { since_.set(millis_of(clock_.now())); }

private:
    Gauge& since_;
    const Clock& clock_;
};

} // namespace

Messaging::Messaging(net::asio::any_io_executor executor, MessagingOptions options,
                     const Clock& clock, runtime::Engine& engine)
    : executor_(executor),
      options_(std::move(options)),
      clock_(clock),
      engine_(engine),
      inbox_([this] { net::asio::post(executor_, [this] { take_incoming(); }); }),
      secrets_(options_.secrets),
      dispatcher_(executor, clock, engine, secrets_, options_.trace, options_.notices),
      results_(executor, engine, options_.partition_count, secrets_,
               {.unrouted =
                    [this](const std::string& route) {
                        declared_.erase(route);
                        routes_changed_.set();
                    },
                .pass_on =
                    [this](runtime::Partition part, amqp::client::Publication message, Results::Settled settled) {
                        net::asio::co_spawn(executor_, counted(pass_on(part, std::move(message), std::move(settled))), net::stop_program);
                    },
                .log = [this](runtime::RunLogLine line, runtime::DeliveryHandle handle) { keep_line(std::move(line), handle); },
                .request = [this](const amqp::client::Delivery& one,
                                  runtime::DeliveryHandle handle) { serve(one, handle); }}),
      requests_(executor, clock, engine, options_.on_request),
      reconnect_(executor,
                 {.endpoint = options_.endpoint,
                  .on_connected = [this](amqp::client::Connection& one) { return prepare(one); },
                  .on_lost = [this](const Failure&) { lost(); }}),
      partitions_changed_(executor),
      secret_known_(executor),
      routes_changed_(executor),
      queue_check_wanted_(executor),
      lost_are_stored_(executor),
      answered_(executor) {}

void Messaging::keep_line(runtime::RunLogLine line, runtime::DeliveryHandle handle) {
    const auto settle = [this, handle] { net::asio::post(executor_, [this, handle] { results_.settle({handle}); }); };
    if (!options_.keep_line) return settle();
    line.at = clock_.now();
    options_.keep_line(std::move(line), settle);
}

net::Awaitable<void> Messaging::run() {
    using namespace net::asio::experimental::awaitable_operators;
    co_await (reconnect_.run() && dispatcher_.run() && watch_routes() && watch_queues() && watch_questions() &&
              watch_partitions());
}

void Messaging::stop() {
    is_stopping_ = true;
    dispatcher_.stop();
    routes_changed_.set();
    partitions_changed_.set();
    queue_check_wanted_.set();
    lost_are_stored_.set();
    answered_.set();
    inbox_.close(); // nobody else may call to an executor that is left soon
    secret_known_.wake_all();
    answer_awaited();
    reconnect_.stop();
}

net::Awaitable<void> Messaging::drain(Duration limit) {
    const auto is_silent = std::make_shared<bool>(false);
    net::asio::co_spawn(executor_, counted(cancel_consumers(is_silent)), net::stop_program);
    const Time end = clock_.now() + limit;
    // Confirms arrive by themselves; looking every few milliseconds is enough for an ending.
    while (connected_.value() && !(*is_silent && dispatcher_.is_idle()) && clock_.now() < end)
        co_await net::sleep_for(std::chrono::milliseconds(5));
}

// Of its own: a broker behind a cut network answers never, and a drain has an end.
net::Awaitable<void> Messaging::cancel_consumers(std::shared_ptr<bool> is_silent) {
    co_await requests_.stop();
    co_await results_.stop();
    *is_silent = true;
}

void Messaging::take_incoming() {
    for (Incoming& incoming : inbox_.take_now())
        std::visit([this](auto& one) { take(one); }, incoming);
}

void Messaging::take(std::string& secret) {
    has_secret_ = true;
    secret_ = secret;
    dispatcher_.set_secret(secret);
    dispatcher_.set_partition_count(options_.partition_count);
    results_.set_secret(std::move(secret));
    secret_known_.wake_all();
}

void Messaging::take(Live& live) {
    results_.live(live.workflows);
    requests_.live(std::move(live.workflows));
}

void Messaging::take(runtime::Told& told) {
    results_.settle(told.settled);
    if (results_.give_back(told.returned)) partitions_changed_.set();
    results_.keep(std::move(told.stranded));
    results_.refuse(told.refused);
    for (const runtime::HeldTask& held : told.held) dispatcher_.announce(held);
    if (!told.dropped.empty()) {
        dispatcher_.forget(told.dropped);
        std::erase_if(held_, [&told](const runtime::OutgoingCommand& one) {
            return std::find(told.dropped.begin(), told.dropped.end(), one.place.part) != told.dropped.end();
        });
    }
    // While a queue is being declared, everything waits behind it: order is kept.
    if (held_.empty() && !is_restoring_ && (declared_ == routes_ || !connection_)) {
        dispatcher_.add(std::move(told.commands));
        return;
    }
    held_.insert(held_.end(), std::make_move_iterator(told.commands.begin()),
                 std::make_move_iterator(told.commands.end()));
    routes_changed_.set();
}

void Messaging::take(Routes& routes) {
    routes_.insert(routes.all.begin(), routes.all.end());
    routes_changed_.set();
}

void Messaging::take(Awaited& awaited) {
    awaited_.push_back(std::move(awaited));
    answer_awaited();
    routes_changed_.set();
}

// Those that need wait no longer: their queues are there, or will not be soon.
void Messaging::answer_awaited() {
    const auto is_answered = [this](const Awaited& one) {
        const auto is_declared = [this](const std::string& route) { return declared_.contains(route); };
        const auto is_refused = [this](const std::string& route) {
            const auto state = queues_.find(route);
            return state != queues_.end() && !state->second.trouble.empty();
        };
        const bool is_here = connected_.value() != 0 && !is_stopping_;
        if (is_here && !std::all_of(one.routes.begin(), one.routes.end(), is_declared)) return false;
        one.done(is_here && std::none_of(one.routes.begin(), one.routes.end(), is_refused));
        return true;
    };
    std::erase_if(awaited_, is_answered);
}

void Messaging::take(QueuesAsked& reply) {
    std::vector<QueueState> all;
    for (const auto& [route, state] : queues_) {
        all.push_back(state);
        all.back().task = route;
    }
    reply(std::move(all));
}

void Messaging::note_queue(const std::string& route, std::uint64_t waiting, std::uint64_t consumers) {
    QueueState& state = queues_[route];
    note_purge(state, waiting, consumers);
    state.waiting = waiting;
    state.consumers = consumers;
    if (waiting == 0 || consumers > 0)
        state.deserted_since.reset();
    else if (!state.deserted_since)
        state.deserted_since = clock_.now();
}

// Tasks that were there, nobody to take them, and then none there.
void Messaging::note_purge(QueueState& state, std::uint64_t waiting, std::uint64_t consumers) {
    if (waiting > 0 || consumers > 0)
        state.unseen_since.reset();
    else if (state.waiting > 0 && state.consumers == 0 && !state.unseen_since)
        state.unseen_since = clock_.now();
}

void Messaging::find_purged() {
    constexpr std::uint32_t doublings_max = 7; // an hour
    for (auto& [route, state] : queues_) {
        const auto patience = options_.unseen_patience * (1 << std::min(state.unseen_times, doublings_max));
        if (!options_.finds_losses || !state.unseen_since || clock_.now() - *state.unseen_since < patience) continue;
        state.unseen_since.reset();
        ++state.unseen_times;
        emptied_.insert(route);
    }
}

// A run that is to tell of a failure, and could not begin; its key makes it one, however often it is asked for.
void Messaging::take_notice(Again& again) {
    auto request = notice_in(again.letter);
    if (!request) return again.settled(request.error());
    engine_.start_run(std::move(*request), [settled = std::move(again.settled)](const Outcome<runtime::Started>& started) {
        started ? settled(Outcome<void>{boost::system::in_place_value}) : settled(started.error());
    });
}

void Messaging::take(Again& again) {
    if (again.letter.reason == notice_reason) return take_notice(again);
    auto publication = publication_from(again.letter.message);
    if (!publication)
        return again.settled(Failure{make_error_code(runtime::EngineErrc::refused),
                                     fmt::format("what is kept of dead letter {} is no message; drop it",
                                                 again.letter.id)});
    // Who redrives after a crash sends it a second time: the receiver can tell by the id.
    if (!publication->properties.message_id)
        publication->properties.message_id = fmt::format("baton-dead-{}", again.letter.id);
    // And when it dies again, it is known to have been sent again.
    if (!publication->properties.headers) publication->properties.headers.emplace();
    publication->properties.headers->set(again_header, static_cast<std::int64_t>(again.letter.id));
    publication->properties.delivery_mode = std::uint8_t{2}; // it was on disk until now
    publication->mandatory = true; // no queue takes it: then it stays a dead letter
    dispatcher_.add_plain(std::move(*publication), std::move(again.settled));
}

void Messaging::take(Call& call) {
    net::asio::co_spawn(executor_, counted(ask(std::move(call))), net::stop_program);
}

// run() ends after them: they end with the connection, soon after stop().
net::Awaitable<void> Messaging::watch_questions() {
    while (!is_stopping_ || questions_ != 0) co_await answered_.wait();
}

net::Awaitable<void> Messaging::counted(net::Awaitable<void> question) {
    ++questions_;
    co_await std::move(question);
    --questions_;
    answered_.set();
}

net::Awaitable<void> Messaging::answer_look(Look look) {
    look.reply(co_await look_at(std::move(look.route)));
}

net::Awaitable<Outcome<void>> Messaging::prepare(amqp::client::Connection& connection) {
    while (!has_secret_ && !is_stopping_)
        if (!co_await secret_known_.wait()) break;
    if (!has_secret_) co_return Failure{make_error_code(amqp::client::Errc::cancelled), "stopping"};
    // A broker may come back without what it had.
    const auto missing = co_await missing_queues(connection, routes_);
    if (!missing) co_return missing.error();
    if (!missing->empty() && !co_await give_again(connection, *missing, {}))
        co_return Failure{make_error_code(amqp::client::Errc::cancelled), "stopping, or the connection ended"};
    const auto declared = co_await declare_common(connection);
    if (!declared) co_return declared.error();
    auto caller = co_await amqp::client::RpcCaller::open(connection);
    if (!caller) co_return caller.error();
    caller_ = std::move(*caller);
    auto channel = co_await connection.open_channel();
    if (!channel) co_return channel.error();
    auto publisher =
        co_await amqp::client::Publisher::open(std::move(*channel), options_.publish_window);
    if (!publisher) co_return publisher.error();
    const auto consuming = co_await results_.consume_common(connection, options_.prefetch);
    if (!consuming) co_return consuming.error();
    if (const auto serving = co_await requests_.consume(connection); !serving) co_return serving.error();
    if (const auto listening = co_await listen_to_workers(connection); !listening) {
        if (!connection.is_open()) co_return listening.error();
        log::warning("messaging", "does not hear what workers announce", {{"reason", listening.error().detail}});
    }
    // Routes may have come while we were waiting; nothing is published before all have their queue.
    connection_ = &connection;
    const std::set<std::string> watched = declared_;
    co_await put_watches(watched);
    if (!co_await declare_new())
        co_return Failure{make_error_code(amqp::client::Errc::connection_lost),
                          "the connection ended while queues were declared"};
    if (!co_await follow_ownership())
        co_return Failure{make_error_code(amqp::client::Errc::connection_lost),
                          "the connection ended while the partitions' queues were opened"};
    dispatcher_.use(std::move(*publisher));
    connected_.set(1);
    engine_.hear_workers(true);
    log::info("messaging", "connected", {{"broker", amqp::client::to_text(options_.endpoint)}});
    routes_changed_.set();
    partitions_changed_.set();
    co_return Outcome<void>{boost::system::in_place_value};
}

// On a queue of its own: every server hears every worker.
net::Awaitable<Outcome<void>> Messaging::listen_to_workers(amqp::client::Connection& connection) {
    auto channel = co_await connection.open_channel();
    if (!channel) co_return channel.error();
    amqp::QueueDeclare queue;
    queue.exclusive = true;
    queue.auto_delete = true;
    queue.arguments = amqp::FieldTable{{"x-max-length", announcements_max}};
    const auto declared = co_await (*channel)->call(std::move(queue));
    if (!declared) co_return declared.error();
    amqp::QueueBind binding;
    binding.queue = declared->queue;
    binding.exchange = std::string(contract::announce_exchange);
    binding.routing_key = "#";
    const auto bound = co_await (*channel)->call(std::move(binding));
    if (!bound) co_return bound.error();
    amqp::BasicConsume consume;
    consume.queue = declared->queue;
    consume.no_ack = true;
    const auto consuming = co_await (*channel)->consume(
        std::move(consume), [this](amqp::client::Delivery delivery) { take_announcement(delivery); });
    if (!consuming) co_return consuming.error();
    auto clearing = co_await connection.open_channel();
    if (!clearing) co_return clearing.error();
    amqp::QueueDelete former;
    former.queue = former_announce_queue;
    former.if_unused = true;
    (void)co_await (*clearing)->call(std::move(former)); // somebody may use it, or we may not delete: fine
    if ((*clearing)->is_open()) (void)co_await (*clearing)->close();
    co_return Outcome<void>{boost::system::in_place_value};
}

// Whoever may write to the exchange says what he likes; it changes no run.
void Messaging::take_announcement(const amqp::client::Delivery& delivery) {
    const std::string_view body = delivery.body.text();
    if (delivery.properties.type == contract::worker_gone_type) {
        if (const auto worker = contract::decode_farewell(body)) roster_.leave(*worker);
        return;
    }
    auto about = contract::decode_announcement(delivery.routing_key, body);
    if (!about) {
        log::debug("messaging", "an announcement makes no sense",
                   {{"task", readable(delivery.routing_key)}, {"reason", about.error().detail}});
        return;
    }
    forget_absent_workers();
    const bool is_full = !roster_.take(std::move(*about), clock_.now());
    if (is_full && !roster_is_full_)
        log::warning("messaging", "more workers or tasks announce themselves than are kept; the list of workers is not complete");
    roster_is_full_ = is_full;
}

void Messaging::forget_absent_workers() {
    roster_.expire(clock_.now(), [this](const std::string& route) {
        const auto state = queues_.find(route);
        return state != queues_.end() && connected_.value() != 0 && state->second.consumers == 0;
    });
}

void Messaging::take(WorkersAsked& asked) {
    forget_absent_workers();
    asked.reply(roster_.list());
}

net::Awaitable<Outcome<void>> Messaging::declare_common(amqp::client::Connection& connection) {
    std::vector<contract::Declaration> all = contract::common_declarations();
    const auto append = [&all](std::vector<contract::Declaration> more) {
        all.insert(all.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
    };
    const std::set<std::string> routes = routes_;
    for (const std::string& route : routes)
        append(contract::task_declarations(route));
    declare_channel_.reset();
    const auto done = co_await declare_all(connection, declare_channel_, std::move(all));
    if (done) declared_ = routes;
    co_return done;
}

// Declares routes that came later; gives what was held back for them to the dispatcher.
net::Awaitable<bool> Messaging::declare_new() {
    while (connection_ && declared_ != routes_) {
        const std::set<std::string> routes = routes_;
        for (const std::string& route : routes) {
            if (declared_.contains(route)) continue;
            if (!connection_) co_return false;
            const auto done = co_await declare_all(*connection_, declare_channel_,
                                                   contract::task_declarations(route));
            if (!done) {
                log::warning("messaging", "a queue cannot be declared",
                             {{"task", route}, {"reason", done.error().detail}});
                if (!connection_ || !connection_->is_open()) co_return false;
                queues_[route].trouble = done.error().detail;
            } else {
                queues_[route].trouble.clear();
                const std::set<std::string> one{route};
                co_await put_watches(one);
                if (!connection_) co_return false;
            }
            declared_.insert(route); // also after a failure: its tasks show up as unrouted
        }
    }
    co_return connection_ != nullptr;
}

net::Awaitable<void> Messaging::watch_routes() {
    while (!is_stopping_) {
        co_await routes_changed_.wait();
        if (!connected_.value() || is_restoring_) continue; // prepare() or restore_queues() does it
        co_await declare_new();
        answer_awaited();
        dispatcher_.add(std::exchange(held_, {}));
    }
}

// Nobody tells a publisher that a queue was deleted, and a message that waited in it is not returned.
net::Awaitable<void> Messaging::watch_queues() {
    while (!is_stopping_) {
        co_await queue_check_wanted_.wait_for(options_.queue_check_interval);
        forget_absent_workers();
        if (!is_stopping_ && connected_.value()) co_await restore_queues();
    }
}

net::Awaitable<Outcome<std::set<std::string>>>
Messaging::missing_queues(amqp::client::Connection& connection, std::set<std::string> routes) {
    std::set<std::string> missing;
    std::shared_ptr<amqp::client::Channel> channel;
    const std::uint64_t losses = losses_; // with another number `connection` is gone
    Owing owing{silent_since_, clock_};
    if (routes.empty()) { // still asked, so that a silent broker is noticed
        auto opened = co_await connection.open_channel();
        if (!opened) co_return opened.error();
        (void)co_await (*opened)->close();
        co_return missing;
    }
    bool watches = options_.finds_losses && may_watch_;
    if (watches) {
        auto opened = co_await connection.open_channel();
        if (!opened) co_return opened.error();
        channel = std::move(*opened);
        // Without it no watch was ever made here, and none is missing.
        owing.ask();
        const auto has_ground = co_await is_there(channel, contract::watch_ground(common_watch));
        if (losses_ != losses) co_return Failure{make_error_code(amqp::client::Errc::connection_lost), "the connection ended"};
        watches = has_ground && *has_ground;
    }
    for (const std::string& route : routes) {
        // A refusal closes the channel. The connection is gone when a call on it fails otherwise.
        if (!channel || !channel->is_open()) {
            auto opened = co_await connection.open_channel();
            if (!opened) co_return opened.error();
            channel = std::move(*opened);
        }
        amqp::QueueDeclare question;
        question.queue = contract::task_queue(route);
        question.passive = true;
        owing.ask();
        const auto answer = co_await channel->call(std::move(question));
        if (answer) {
            note_queue(route, answer->message_count, answer->consumer_count);
            if (!watches) continue;
            owing.ask();
            const auto has_watch = co_await is_there(channel, contract::watch_exchange(common_watch, route));
            if (losses_ != losses) co_return Failure{make_error_code(amqp::client::Errc::connection_lost), "the connection ended"};
            if (has_watch && !*has_watch) missing.insert(route);
            continue;
        }
        if (losses_ != losses) co_return answer.error();
        if (answer.error().code == amqp::ReplyCode::not_found)
            missing.insert(route);
        else if (answer.error().code != amqp::ReplyCode::access_refused &&
                 answer.error().code != amqp::ReplyCode::resource_locked)
            co_return answer.error();
    }
    if (channel) (void)co_await channel->close();
    co_return missing;
}

// A failure: the broker does not say.
net::Awaitable<Outcome<bool>> Messaging::is_there(std::shared_ptr<amqp::client::Channel> channel, std::string exchange) {
    amqp::ExchangeDeclare question;
    question.exchange = std::move(exchange);
    question.passive = true;
    const auto answer = co_await channel->call(std::move(question));
    if (answer) co_return true;
    if (answer.error().code == amqp::ReplyCode::not_found) co_return false;
    co_return answer.error();
}

// What cannot be watched works all the same.
net::Awaitable<void> Messaging::put_watches(std::set<std::string> routes) {
    for (const std::string& route : routes) {
        if (!connection_ || !options_.finds_losses || !may_watch_) co_return;
        const auto done = co_await declare_all(*connection_, declare_channel_,
                                               contract::watch_declarations(common_watch, route));
        if (done || !connection_) continue;
        if (done.error().code == amqp::ReplyCode::access_refused) may_watch_ = false;
        log::warning("messaging", "a queue cannot be watched: when somebody deletes it and another declares it again, its tasks stay lost",
                     {{"task", route}, {"reason", done.error().detail}});
    }
}

net::Awaitable<bool> Messaging::restore_queues() {
    if (!connection_) co_return false;
    auto missing = co_await missing_queues(*connection_, declared_);
    if (!missing || !connection_) co_return false;
    find_purged();
    std::set<std::string> emptied;
    for (const std::string& route : std::exchange(emptied_, {}))
        if (declared_.contains(route)) emptied.insert(route);
    missing->insert(emptied.begin(), emptied.end());
    if (missing->empty()) co_return false;
    for (const std::string& route : *missing)
        log::warning("messaging", "the queue of a task was deleted or purged; its tasks are sent again", {{"task", route}});
    is_restoring_ = true;
    const std::uint64_t losses = losses_;
    const bool is_stored = co_await give_again(*connection_, *missing, std::move(emptied));
    is_restoring_ = false;
    bool is_declared = false;
    if (is_stored && losses_ == losses && connection_) { // else the next connection sees it
        for (const std::string& route : *missing)
            declared_.erase(route);
        is_declared = co_await declare_new();
    }
    routes_changed_.set(); // what was held back meanwhile
    co_return is_declared;
}

// What is still to be published, also what waits for its queue.
runtime::Unsent Messaging::unsent() const {
    runtime::Unsent all = dispatcher_.waiting();
    for (const runtime::OutgoingCommand& one : held_)
        if (const auto* task = std::get_if<core::DispatchTask>(&one.command))
            all[task->run_id].push_back(task->ref);
    return all;
}

// First the runs, here and at the other orchestrators, then the queue: whoever dies in between leaves a queue
// that is still missing, and the next life does it again. False: this program stops, or the others could not be told.
net::Awaitable<bool> Messaging::give_again(amqp::client::Connection& connection, std::set<std::string> routes,
                                           std::set<std::string> emptied) {
    const std::uint64_t losses = losses_; // with another number `connection` is gone
    // Several orchestrators see the same queue missing; one of them has told us already.
    std::erase_if(routes, [&](const std::string& route) { return !emptied.contains(route) && was_just(lost_there_, route); });
    for (const std::string& route : routes)
        lost_here_[route] = clock_.now();
    if (routes.empty()) co_return !is_stopping_;
    const auto is_stored = std::make_shared<bool>(false);
    engine_.queue_lost({routes.begin(), routes.end()}, unsent(),
                       [this, is_stored] { inbox_.put({LostAreStored{is_stored}}); });
    while (!*is_stored && !is_stopping_)
        co_await lost_are_stored_.wait_for(std::chrono::milliseconds(200));
    if (!*is_stored || !options_.is_shared) co_return *is_stored;
    std::erase_if(routes, [&](const std::string& route) { return emptied.contains(route); });
    // What was purged at a broker that does not tell, every orchestrator finds out by itself.
    if (options_.finds_losses) emptied.clear();
    for (const bool is_emptied : {true, false})
        if (losses_ != losses || !co_await tell_others(connection, is_emptied ? emptied : routes, is_emptied)) co_return false;
    co_return true;
}

void Messaging::take(LostAreStored& lost) {
    *lost.is_stored = true;
    lost_are_stored_.set();
}

void Messaging::take(Emptied& emptied) {
    const std::string prefix = contract::task_queue({});
    if (!emptied.queue.starts_with(prefix)) return;
    emptied_.insert(emptied.queue.substr(prefix.size()));
    queue_check_wanted_.set();
}

void Messaging::take(Look& look) {
    net::asio::co_spawn(executor_, counted(answer_look(std::move(look))), net::stop_program);
}

net::Awaitable<Outcome<QueueLook>> Messaging::look_at(std::string route) {
    if (!contract::is_task_name(route)) co_return QueueLook{};
    const Failure away{make_error_code(amqp::client::Errc::connection_lost), "the broker cannot be reached just now"};
    if (!connection_) co_return away;
    auto channel = co_await connection_->open_channel();
    if (!channel) co_return channel.error();
    amqp::QueueDeclare question;
    question.queue = contract::task_queue(route);
    question.passive = true;
    const auto answer = co_await (*channel)->call(std::move(question));
    if (answer) {
        (void)co_await (*channel)->close();
        co_return QueueLook{true, answer->message_count, answer->consumer_count};
    }
    if (answer.error().code == amqp::ReplyCode::not_found) co_return QueueLook{};
    co_return answer.error();
}

net::Awaitable<void> Messaging::ask(Call call) {
    if (!contract::is_task_name(call.task)) {
        call.reply(Failure{make_error_code(boost::system::errc::invalid_argument),
                           fmt::format("'{}' is no name of a task type, for example \"mail.send\"", as_utf8(call.task))});
        co_return;
    }
    const auto caller = caller_;
    if (!caller) {
        call.reply(Failure{make_error_code(amqp::client::Errc::connection_lost),
                           "the broker cannot be reached just now"});
        co_return;
    }
    contract::TaskRequest request;
    request.task = call.task;
    request.with = call.with;
    request.starts_within = call.limit;
    request.traceparent = call.trace.parent;
    request.tracestate = call.trace.state;
    contract::Message message = contract::encode(request);
    amqp::client::Publication publication;
    publication.exchange = contract::task_exchange;
    publication.routing_key = contract::task_key(call.task);
    publication.properties = std::move(message.properties);
    publication.properties.delivery_mode = std::uint8_t{1}; // who asks, waits; nothing to keep
    if (!publication.properties.headers) publication.properties.headers.emplace();
    publication.properties.headers->set("baton-call", true);
    publication.body = SharedBytes::copy_of(message.body);

    const auto answer = co_await caller->call(std::move(publication), call.limit);
    if (!answer) {
        Failure failure = answer.error();
        if (failure.code == amqp::client::Errc::returned)
            failure.detail = fmt::format("no worker has offered '{}' yet", call.task);
        else if (failure.code == boost::system::errc::timed_out)
            failure.detail = fmt::format("no worker answered '{}' within {} ms", call.task,
                                         call.limit.count() / 1000);
        call.reply(std::move(failure));
        co_return;
    }
    const contract::TaskReport report =
        contract::decode_report(answer->properties, readable(answer->body.text()));
    if (const auto* completed = std::get_if<contract::Completed>(&report.report))
        call.reply(std::pair{true, completed->result});
    else if (const auto* failed = std::get_if<contract::Failed>(&report.report))
        call.reply(std::pair{false, contract::to_json(failed->problem)});
    else
        call.reply(std::pair{false, std::string{"{\"type\":\"baton.bad_report\"}"}});
}

void Messaging::lost() {
    ++losses_;
    silent_since_.set(0);
    connected_.set(0);
    engine_.hear_workers(false);
    connection_ = nullptr;
    // Without a connection nothing waits for a queue: the next one declares before it publishes.
    dispatcher_.add(std::exchange(held_, {}));
    dispatcher_.use(nullptr);
    results_.lost();
    has_queue_.clear();
    requests_.lost();
    report_channel_.reset();
    tell_listening();
    caller_.reset();
    declare_channel_.reset();
    declared_.clear();
    for (auto& [route, state] : queues_)
        state.trouble.clear(); // the next connection declares them anew
    answer_awaited();
}

} // namespace baton::orchestrator::messaging
