// What an orchestrator has to do with others on the same store: it listens to the partitions it
// owns, asks the owners of others, and answers them. A part of Messaging, in a file of its own.
//
//   request   message of type baton.request in the partition's report queue, with a MAC of its body
//   answer    to the reply_to of the request, by its correlation_id
#include "amqp/client/errors.hpp"
#include "amqp/client/publisher.hpp"
#include "base/log.hpp"
#include "contract/topology.hpp"
#include "orchestrator/messaging/declare.hpp"
#include "orchestrator/messaging/message_json.hpp"
#include "orchestrator/messaging/messaging.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::messaging {
namespace {

using runtime::EngineErrc;

// A little less than whoever asked over HTTP waits.
constexpr Duration change_limit = std::chrono::seconds(28);
// A wait is asked anew after this: whoever owned the run may not do so any more.
constexpr Duration wait_limit = std::chrono::seconds(5);
// A start is asked for anew after this: the request may have been lost with a broker or an owner.
constexpr Duration start_limit = std::chrono::seconds(5);
// So long partitions may be on their way from one owner to the next before a person hears of it.
constexpr Duration moving_patience = std::chrono::seconds(5);
constexpr Duration look_pause = std::chrono::milliseconds(200);
// Two that see the same queue missing see it within one interval of looking, or one look behind it.
constexpr Duration seen_together = std::chrono::seconds(3);

} // namespace

// ---- Listening ----

void Messaging::take(Listen& listen) {
    wanted_ = std::move(listen.parts);
    if (listen.done) not_heard_.push_back(std::move(listen.done));
    tell_listening();
    partitions_changed_.set();
}

void Messaging::tell_listening() {
    const std::set<runtime::Partition> heard = results_.partitions();
    if (!std::includes(wanted_.begin(), wanted_.end(), heard.begin(), heard.end())) return;
    for (const auto& done : std::exchange(not_heard_, {}))
        done();
}

std::uint16_t Messaging::prefetch_of_one() const {
    constexpr unsigned least = 64;
    const unsigned share = 4u * options_.prefetch / options_.partition_count;
    return static_cast<std::uint16_t>(
        std::min<unsigned>(options_.prefetch, std::max(least, share)));
}

net::Awaitable<void> Messaging::watch_partitions() {
    while (!is_stopping_) {
        co_await partitions_changed_.wait();
        // prepare() does it for a new connection.
        while (!is_stopping_ && connected_.value() && !co_await follow_ownership())
            co_await net::sleep_for(look_pause);
    }
}

// One step after the other, each by what is wanted at that moment. False: the connection ended, or
// the broker refused something.
net::Awaitable<bool> Messaging::follow_ownership() {
    const std::uint64_t losses = losses_;
    while (connection_ && losses_ == losses) {
        const std::set<runtime::Partition> heard = results_.partitions();
        std::vector<runtime::Partition> left = results_.partitions_given_back(), missing;
        std::set_difference(heard.begin(), heard.end(), wanted_.begin(), wanted_.end(),
                            std::back_inserter(left));
        std::set_difference(wanted_.begin(), wanted_.end(), heard.begin(), heard.end(),
                            std::back_inserter(missing));
        if (!left.empty()) {
            co_await results_.leave(left.front());
            tell_listening();
            continue;
        }
        tell_listening();
        if (missing.empty()) co_return true;
        const auto declared = co_await declare_all(*connection_, report_channel_,
                                                   contract::report_declarations(missing.front()));
        if (losses_ != losses || !connection_) break;
        auto listening = declared;
        if (declared)
            listening = co_await results_.consume(*connection_, missing.front(), prefetch_of_one());
        if (listening) continue;
        if (losses_ == losses) co_await results_.leave(missing.front());
        log::warning("messaging", "the reports of a partition cannot be listened to; trying again",
                     {{"partition", missing.front()}, {"reason", listening.error().detail}});
        co_return false;
    }
    co_return false;
}

// Its owner may not have declared the queue yet.
net::Awaitable<void> Messaging::pass_on(runtime::Partition part, amqp::client::Publication message,
                                        Results::Settled settled) {
    if (connection_ && !has_queue_.contains(part)) {
        const std::uint64_t losses = losses_;
        std::shared_ptr<amqp::client::Channel> channel;
        const auto declared =
            co_await declare_all(*connection_, channel, contract::report_declarations(part));
        if (declared && losses_ == losses) has_queue_.insert(part);
        if (channel && channel->is_open()) (void)co_await channel->close();
    }
    dispatcher_.add_plain(std::move(message), std::move(settled));
}

// ---- Asking ----

amqp::client::Publication Messaging::publication_of(runtime::Partition part,
                                                    const runtime::Request& request) const {
    const std::string body = runtime::to_json(request);
    amqp::client::Publication made;
    made.routing_key = contract::report_queue(part);
    made.properties.content_type = "application/json";
    made.properties.type = std::string(request_type);
    made.properties.delivery_mode = std::uint8_t{2};
    made.properties.headers.emplace();
    made.properties.headers->set(request_mac_header, mac_of(body, secret_));
    made.body = SharedBytes::copy_of(body);
    made.mandatory = true;
    return made;
}

void Messaging::take(Forward& forward) {
    net::asio::co_spawn(executor_, counted(ask_owner(std::move(forward))), net::stop_program);
}

// A wait is asked for until nobody waits any more. What was not done can be asked again for a
// while: partitions may be moving. Of what may have been done only a start is asked again, since
// its run has its id already.
net::Awaitable<void> Messaging::ask_owner(Forward forward) {
    using Kind = runtime::Request::Kind;
    const bool waits = forward.request.kind == Kind::watch;
    const bool is_start = forward.request.kind == Kind::start;
    const Time begun = clock_.now();
    while (true) {
        auto told = co_await ask_once(forward.part, forward.request,
                                      waits      ? wait_limit
                                      : is_start ? start_limit
                                                 : change_limit);
        const bool is_ours = !told && told.error().code.category() == runtime::engine_category();
        const bool is_undone = is_ours && (told.error().code == EngineErrc::moving ||
                                           told.error().code == EngineErrc::stopping);
        const bool is_unknown =
            is_ours ? told.error().code == EngineErrc::unanswered : !told.has_value();
        const Duration since = clock_.now() - begun;
        const bool is_asked_again =
            waits       ? (is_undone || is_unknown) && !forward.asker.expired()
            : is_undone ? since < moving_patience
                        : is_start && is_unknown && since + start_limit < change_limit;
        if (!is_asked_again || is_stopping_) {
            if (waits && !told && forward.asker.expired()) co_return;
            co_return forward.reply(std::move(told));
        }
        co_await net::sleep_for(look_pause);
    }
}

// Failures of one's own: moving, nothing was done; unanswered, nobody knows.
net::Awaitable<Outcome<runtime::Answer>>
Messaging::ask_once(runtime::Partition part, runtime::Request request, Duration limit) {
    const auto caller = caller_;
    if (!caller)
        co_return Failure{make_error_code(EngineErrc::moving),
                          "another server owns this run and cannot be asked: the broker is out of "
                          "reach; nothing was "
                          "done, try again"};
    amqp::client::Publication question = publication_of(part, request);
    if (request.kind == runtime::Request::Kind::watch)
        question.properties.expiration = std::to_string(limit.count() / 1000);
    const auto answer = co_await caller->call(std::move(question), limit);
    if (answer) co_return runtime::answer_from_json(answer->body.text());
    if (answer.error().code == amqp::client::Errc::returned)
        co_return Failure{
            make_error_code(EngineErrc::moving),
            fmt::format("no server has owned partition {} yet; nothing was done, try again", part)};
    if (request.kind == runtime::Request::Kind::start)
        co_return Failure{
            make_error_code(EngineErrc::unanswered),
            fmt::format(
                "the server that owns this did not answer; it may have started run {}, and may "
                "still: look for it, or try again with the same key",
                request.run_id)};
    co_return Failure{
        make_error_code(EngineErrc::unanswered),
        "the server that owns this did not answer; it may have been done, and may still be"};
}

// ---- Answering ----

void Messaging::serve(const amqp::client::Delivery& delivery, runtime::DeliveryHandle handle) {
    const std::string body{delivery.body.text()};
    const auto& headers = delivery.properties.headers;
    const std::string mac{headers ? headers->text(request_mac_header).value_or("") : ""};
    if (!is_mac_of(mac, body, secret_)) {
        log::warning("messaging", "a request that none of us made, dropped",
                     {{"bytes", body.size()}});
        return results_.settle({handle});
    }
    auto request = runtime::request_from_json(body);
    const bool waits = request && request->kind == runtime::Request::Kind::watch;
    Answered to{delivery.properties.reply_to.value_or(""),
                delivery.properties.correlation_id.value_or(""),
                {},
                handle};
    if (waits) {
        // It may take long, and is asked again when it gets lost.
        to.delivery.reset();
        results_.settle({handle});
    }
    auto reply = [this, to](const Outcome<runtime::Answer>& answer) {
        Answered answered = to;
        answered.body = runtime::to_json(answer);
        inbox_.put({std::move(answered)});
    };
    if (!request) return reply(request.error());
    if (request->kind == runtime::Request::Kind::queue_lost)
        return serve_lost_queue(std::move(*request), std::move(reply));
    if (!waits) return engine_.ask(std::move(*request), std::move(reply));
    net::asio::co_spawn(executor_, counted(forget_later(engine_.watch_for(*request, std::move(reply)))),
                        net::stop_program);
}

net::Awaitable<void> Messaging::forget_later(runtime::Engine::WatchId watch) {
    const Time end = clock_.now() + wait_limit;
    while (!is_stopping_ && clock_.now() < end)
        co_await net::sleep_for(look_pause);
    engine_.forget(std::move(watch));
}

void Messaging::take(Answered& answered) {
    if (answered.delivery) results_.settle({*answered.delivery});
    if (!caller_ || answered.reply_to.empty()) return;
    amqp::client::Publication answer;
    answer.routing_key = answered.reply_to;
    answer.properties.correlation_id = answered.correlation_id;
    answer.properties.content_type = "application/json";
    answer.body = SharedBytes::copy_of(answered.body);
    (void)caller_->channel().publish(answer);
}

// ---- Lost queues ----

bool Messaging::was_just(const std::map<std::string, Time>& seen, const std::string& route) const {
    const auto found = seen.find(route);
    return found != seen.end() && clock_.now() - found->second < seen_together;
}

// Every queue is seen missing by one; what waited in it were tasks of all. True: the broker has it
// for all of them.
net::Awaitable<bool> Messaging::tell_others(amqp::client::Connection& connection,
                                            std::set<std::string> routes, bool is_emptied) {
    if (routes.empty()) co_return true;
    const std::uint64_t losses = losses_; // with another number `connection` is gone
    auto opened = co_await connection.open_channel();
    if (!opened) co_return false;
    std::shared_ptr<amqp::client::Channel> declaring;
    const auto publisher = co_await amqp::client::Publisher::open(std::move(*opened));
    if (!publisher) co_return false;
    for (runtime::Partition part = 0; part < options_.partition_count; ++part) {
        if (wanted_.contains(part)) continue;
        if (losses_ != losses) co_return false;
        // Its owner may not be back yet at a broker that lost everything.
        if (!co_await declare_all(connection, declaring, contract::report_declarations(part)))
            co_return false;
        runtime::Request request;
        request.kind = runtime::Request::Kind::queue_lost;
        request.id = part;
        request.routes = {routes.begin(), routes.end()};
        if (is_emptied) request.reason = "emptied";
        if (!co_await (*publisher)->publish_confirmed(publication_of(part, request)))
            co_return false;
    }
    if (declaring) (void)co_await declaring->close();
    if ((*publisher)->channel().is_open()) (void)co_await (*publisher)->channel().close();
    co_return losses_ == losses;
}

void Messaging::serve_lost_queue(runtime::Request request, runtime::Reply<runtime::Answer> reply) {
    const bool is_emptied = request.reason == "emptied";
    // What this one saw itself it has done for all of its partitions.
    std::erase_if(request.routes, [&](const std::string& route) {
        return !is_emptied && was_just(lost_here_, route);
    });
    if (request.routes.empty()) return reply(runtime::Answer{});
    for (const std::string& route : request.routes)
        lost_there_[route] = clock_.now();
    engine_.queue_lost(
        std::move(request.routes), unsent(), [reply] { reply(runtime::Answer{}); },
        static_cast<runtime::Partition>(request.id));
}

} // namespace baton::orchestrator::messaging
