// The client against a real broker: a RabbitMQ started for this program, or the broker at the URL
// in BATON_TEST_AMQP_URL. Every test has its own event loop and its own queues.
#include "amqp/client/connection.hpp"
#include "amqp/client/errors.hpp"
#include "amqp/client/publisher.hpp"
#include "amqp/client/reconnect.hpp"
#include "amqp/client/rpc.hpp"
#include "base/random.hpp"
#include "net/within.hpp"
#include "tests/amqp/client/own_broker.hpp"
#include "tests/amqp/client/rabbitmq_node.hpp"
#include "tests/amqp/client/relay.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace baton::amqp::client {
namespace {

namespace asio = net::asio;
using net::Awaitable;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

std::string broker_url;

Endpoint broker() {
    auto endpoint = parse_url(broker_url);
    EXPECT_TRUE(endpoint) << endpoint.error().detail;
    return *endpoint;
}

// The broker, seen through a relay.
Endpoint through(const tests::Relay& relay) {
    Endpoint endpoint = broker();
    endpoint.hosts = {{"127.0.0.1", relay.port()}};
    return endpoint;
}

std::string unique_name(std::string_view what) {
    return std::string(what) + "-" + random_name(12);
}

Publication publication(std::string routing_key, std::string body) {
    Publication message;
    message.routing_key = std::move(routing_key);
    message.body = SharedBytes::copy_of(body);
    message.properties.delivery_mode = persistent_delivery;
    return message;
}

// Runs a coroutine to its end; a test that hangs fails after a minute.
void run(asio::io_context& context, Awaitable<void> story) {
    bool has_ended = false;
    asio::co_spawn(context, std::move(story), [&](std::exception_ptr error) {
        has_ended = true;
        context.stop();
        if (error) std::rethrow_exception(error);
    });
    context.run_for(1min);
    EXPECT_TRUE(has_ended) << "the story did not come to its end";
}

using Story = std::function<Awaitable<void>(Connection&)>;

Awaitable<void> tell(Connection& connection, Story story) {
    co_await story(connection);
    connection.close();
}

// Connects to `endpoint`, lets `story` happen, closes; gives the reason of the end.
Awaitable<void> with_connection(Endpoint endpoint, Story story, Failure* reason = nullptr) {
    Connection connection(co_await asio::this_coro::executor, std::move(endpoint));
    const auto opened = co_await connection.open();
    EXPECT_TRUE(opened) << opened.error().detail;
    if (!opened) co_return;
    Failure ended = co_await (connection.run() && tell(connection, std::move(story)));
    if (reason != nullptr) *reason = std::move(ended);
}

void run_with_connection(Story story) {
    asio::io_context context(1);
    Failure reason;
    run(context, with_connection(broker(), std::move(story), &reason));
    EXPECT_EQ(reason.code, Errc::closed_by_us) << reason.detail;
}

// A fresh channel; tests go on with null checks by gtest's crash otherwise.
Awaitable<std::shared_ptr<Channel>> channel_of(Connection& connection) {
    auto channel = co_await connection.open_channel();
    EXPECT_TRUE(channel) << channel.error().detail;
    co_return *channel;
}

Awaitable<std::string> temporary_queue(Channel& channel, FieldTable arguments = {}) {
    QueueDeclare declare;
    declare.queue = unique_name("temporary");
    declare.exclusive = true;
    declare.arguments = std::move(arguments);
    const auto declared = co_await channel.call(declare);
    EXPECT_TRUE(declared) << declared.error().detail;
    co_return declare.queue;
}

// Waits until `condition` holds, giving way to the event loop in between.
Awaitable<void> until(std::function<bool()> condition) {
    while (!condition())
        co_await net::sleep_for(2ms);
}

// --- channels and messages --------------------------------------------------------------------

Awaitable<void> publish_and_get(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    const auto publisher = co_await Publisher::open(channel);
    EXPECT_TRUE(publisher);

    Publication message = publication(queue, "hello");
    message.properties.content_type = "text/plain";
    message.properties.headers = FieldTable{{"number", 7}, {"deep", FieldTable{{"flag", true}}}};
    const auto taken = co_await (*publisher)->publish_confirmed(message);
    EXPECT_TRUE(taken) << taken.error().detail;

    const auto got = co_await channel->get(queue, false);
    EXPECT_TRUE(got && *got);
    EXPECT_EQ((*got)->body.text(), "hello");
    EXPECT_EQ((*got)->properties, message.properties);
    EXPECT_EQ((*got)->routing_key, queue);
    EXPECT_FALSE((*got)->redelivered);
    EXPECT_TRUE(channel->ack((*got)->delivery_tag));

    const auto nothing = co_await channel->get(queue, false);
    EXPECT_TRUE(nothing && !*nothing);
}

TEST(Client, PublishesWithConfirmAndGetsTheMessageBackAsItWas) {
    run_with_connection(publish_and_get);
}

Awaitable<void> bodies_of_all_sizes(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    const auto publisher = co_await Publisher::open(channel);
    const std::size_t piece = connection.frame_max() - 8;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, piece - 1, piece, piece + 1,
                                   3 * piece, std::size_t{2'000'000}}) {
        const std::string body(size, 'b');
        const auto taken = co_await (*publisher)->publish_confirmed(publication(queue, body));
        EXPECT_TRUE(taken) << taken.error().detail;
        const auto got = co_await channel->get(queue, true);
        EXPECT_TRUE(got && *got && (*got)->body.text() == body) << size;
    }
}

TEST(Client, CarriesBodiesOfEverySizeAroundTheFrameLimit) {
    run_with_connection(bodies_of_all_sizes);
}

Awaitable<void> publish_thousands(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    const auto opened = co_await Publisher::open(channel, 500);
    const auto publisher = *opened;
    std::map<std::uint64_t, Settled> settled;
    std::size_t most_at_once = 0;
    publisher->on_settled([&](const Settled& one) {
        EXPECT_TRUE(settled.emplace(one.token, one).second) << "settled twice";
    });

    for (std::uint64_t number = 0; number < 5000; ++number) {
        EXPECT_TRUE(co_await publisher->room());
        Publication message =
            publication(number % 10 == 3 ? "nobody-wants-this" : queue, std::to_string(number));
        message.mandatory = true;
        message.properties.message_id = std::to_string(number);
        const auto sequence = publisher->publish(message, 1000 + number);
        EXPECT_EQ(sequence.value(), number + 1);
        most_at_once = std::max(most_at_once, publisher->unsettled());
    }
    EXPECT_TRUE(co_await publisher->all_settled());

    EXPECT_EQ(settled.size(), 5000u);
    EXPECT_LE(most_at_once, 500u);
    for (const auto& [token, one] : settled) {
        const bool unroutable = (token - 1000) % 10 == 3;
        EXPECT_EQ(one.how, unroutable ? Settlement::returned : Settlement::confirmed) << token;
        if (unroutable) EXPECT_EQ(one.code, ReplyCode::no_route);
    }
}

TEST(Client, ThousandsInAWindowAreEachSettledOnceAndReturnsFindTheirMessage) {
    run_with_connection(publish_thousands);
}

Awaitable<void> nacked_messages(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(
        *channel, FieldTable{{"x-max-length", 2}, {"x-overflow", "reject-publish"}});
    const auto publisher = co_await Publisher::open(channel);
    int confirmed = 0;
    int nacked = 0;
    for (int number = 0; number < 6; ++number) {
        const auto taken = co_await (*publisher)->publish_confirmed(publication(queue, "x"));
        if (taken)
            ++confirmed;
        else if (taken.error().code == Errc::nacked)
            ++nacked;
    }
    EXPECT_GE(confirmed, 2);
    EXPECT_GE(nacked, 1);
    EXPECT_EQ(confirmed + nacked, 6);
}

TEST(Client, ARefusedMessageIsNacked) {
    run_with_connection(nacked_messages);
}

Awaitable<void> unroutable_message(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const auto publisher = co_await Publisher::open(channel);
    Publication message = publication("nobody-wants-this", "x");
    message.mandatory = true;
    const auto taken = co_await (*publisher)->publish_confirmed(message);
    EXPECT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Errc::returned);
    EXPECT_NE(taken.error().detail.find("nobody-wants-this"), std::string::npos);
    // Without mandatory the broker takes it and forgets it.
    EXPECT_TRUE(co_await (*publisher)->publish_confirmed(publication("nobody-wants-this", "x")));
}

TEST(Client, AnUnroutableMandatoryMessageIsReturned) {
    run_with_connection(unroutable_message);
}

// --- consumers --------------------------------------------------------------------------------

Awaitable<void> consume_in_batches(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    const auto publisher = co_await Publisher::open(channel);
    for (int number = 0; number < 1000; ++number)
        EXPECT_TRUE((*publisher)->publish(publication(queue, std::to_string(number))));
    EXPECT_TRUE(co_await (*publisher)->all_settled());

    EXPECT_TRUE(co_await channel->call(BasicQos{.prefetch_count = 100}));
    std::vector<std::string> bodies;
    Channel* const raw = channel.get();
    const BasicConsume consume{.queue = queue};
    const auto tag = co_await channel->consume(consume, [&bodies, raw](const Delivery& delivery) {
        bodies.emplace_back(delivery.body.text());
        if (bodies.size() % 50 == 0) EXPECT_TRUE(raw->ack(delivery.delivery_tag, true));
    });
    EXPECT_TRUE(tag);
    co_await until([&bodies] { return bodies.size() == 1000; });
    EXPECT_TRUE(co_await channel->cancel(*tag));

    for (std::size_t number = 0; number < bodies.size(); ++number)
        EXPECT_EQ(bodies[number], std::to_string(number));
    const auto declared =
        co_await channel->call(QueueDeclare{.queue = queue, .passive = true, .exclusive = true});
    EXPECT_TRUE(declared);
    EXPECT_EQ(declared->message_count, 0u);
    EXPECT_EQ(declared->consumer_count, 0u);
}

TEST(Client, ConsumesInOrderAndAcknowledgesInBatches) {
    run_with_connection(consume_in_batches);
}

Awaitable<void> requeued_message(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    EXPECT_TRUE(channel->publish(publication(queue, "again")));
    std::vector<bool> redelivered;
    Channel* const raw = channel.get();
    const BasicConsume consume{.queue = queue};
    EXPECT_TRUE(co_await channel->consume(consume, [&](const Delivery& delivery) {
        redelivered.push_back(delivery.redelivered);
        if (redelivered.size() == 1)
            EXPECT_TRUE(raw->nack(delivery.delivery_tag, false, true));
        else
            EXPECT_TRUE(raw->reject(delivery.delivery_tag, false));
    }));
    co_await until([&redelivered] { return redelivered.size() == 2; });
    EXPECT_EQ(redelivered, (std::vector<bool>{false, true}));
}

TEST(Client, ANackedDeliveryComesAgainMarkedAsRedelivered) {
    run_with_connection(requeued_message);
}

Awaitable<void> queue_deleted_under_consumer(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    std::string cancelled;
    const BasicConsume consume{.queue = queue};
    const auto tag = co_await channel->consume(
        consume, [](const Delivery&) {},
        [&cancelled](const std::string& which) { cancelled = which; });
    EXPECT_TRUE(tag);
    EXPECT_TRUE(co_await channel->call(QueueDelete{.queue = queue}));
    co_await until([&cancelled] { return !cancelled.empty(); });
    EXPECT_EQ(cancelled, *tag);
    EXPECT_TRUE(channel->is_open());
}

TEST(Client, HearsWhenTheQueueOfAConsumerIsDeleted) {
    run_with_connection(queue_deleted_under_consumer);
}

// --- errors of the broker ---------------------------------------------------------------------

Awaitable<void> missing_queue(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    std::optional<Failure> heard;
    channel->on_closed([&heard](const Failure& reason) { heard = reason; });

    const QueueDeclare declare{.queue = "no-such-queue", .passive = true};
    const auto declared = co_await channel->call(declare);

    EXPECT_FALSE(declared);
    EXPECT_EQ(declared.error().code, ReplyCode::not_found);
    EXPECT_EQ(declared.error().detail, "NOT_FOUND - no queue 'no-such-queue' in vhost '/'");
    EXPECT_FALSE(channel->is_open());
    EXPECT_TRUE(heard && heard->code == ReplyCode::not_found);
    EXPECT_EQ(channel->ack(1).error(), Errc::channel_closed);
    const auto later = co_await channel->call(declare);
    EXPECT_EQ(later.error().code, ReplyCode::not_found);

    // The connection lives, and the number is free again.
    const auto next = co_await channel_of(connection);
    EXPECT_EQ(next->number(), channel->number());
    EXPECT_TRUE(co_await next->call(QueueDeclare{.exclusive = true}));
}

TEST(Client, AChannelClosedByTheBrokerTellsWhyAndTheConnectionGoesOn) {
    run_with_connection(missing_queue);
}

Awaitable<void> calls_under_way(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    // Three at once: the second one closes the channel, the third one hears why.
    auto [first, second, third] =
        co_await (channel->call(QueueDeclare{.exclusive = true}) &&
                  channel->call(QueueDeclare{.queue = "no-such-queue", .passive = true}) &&
                  channel->call(QueueDeclare{.exclusive = true}));
    EXPECT_TRUE(first);
    EXPECT_EQ(second.error().code, ReplyCode::not_found);
    EXPECT_EQ(third.error().code, ReplyCode::not_found);
}

TEST(Client, CallsUnderWayAreAnsweredInOrderAndAllHearOfTheEnd) {
    run_with_connection(calls_under_way);
}

Awaitable<void> close_channels(Connection& connection) {
    for (int round = 0; round < 200; ++round) {
        const auto channel = co_await channel_of(connection);
        EXPECT_EQ(channel->number(), 1);
        EXPECT_TRUE(co_await channel->close());
        EXPECT_FALSE(channel->is_open());
        EXPECT_TRUE(co_await channel->close());
    }
}

TEST(Client, ClosesChannelsAndUsesTheirNumbersAgain) {
    run_with_connection(close_channels);
}

Awaitable<void> open_fails(Endpoint endpoint, ErrorCode expected) {
    Connection connection(co_await asio::this_coro::executor, std::move(endpoint));
    const auto opened = co_await connection.open();
    EXPECT_FALSE(opened);
    if (!opened) EXPECT_EQ(opened.error().code, expected) << opened.error().detail;
}

TEST(Client, AWrongPasswordIsAccessRefused) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    endpoint.password.text = "wrong";
    run(context, open_fails(endpoint, ReplyCode::access_refused));
}

TEST(Client, AnUnknownVirtualHostIsNotAllowed) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    endpoint.virtual_host = "nowhere";
    run(context, open_fails(endpoint, ReplyCode::not_allowed));
}

TEST(Client, HostsAreTriedInTurn) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    // Port 1 refuses on any machine we test on.
    endpoint.hosts.insert(endpoint.hosts.begin(), {"127.0.0.1", 1});
    run(context, with_connection(endpoint, [&endpoint](Connection& connection) {
            EXPECT_EQ(connection.host(), endpoint.hosts[1]);
            return publish_and_get(connection);
        }));
}

TEST(Client, NobodyThereIsUnreachable) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    endpoint.hosts = {{"127.0.0.1", 1}};
    run(context, open_fails(endpoint, Errc::unreachable));
}

// --- remote calls -----------------------------------------------------------------------------

Awaitable<void> ask_and_answer(Connection& connection) {
    const auto channel = co_await channel_of(connection);
    const std::string queue = co_await temporary_queue(*channel);
    Channel* const raw = channel.get();
    const BasicConsume consume{.queue = queue, .no_ack = true};
    EXPECT_TRUE(co_await channel->consume(consume, [raw](const Delivery& request) {
        if (request.body.text() == "silence") return;
        Publication answer =
            publication(*request.properties.reply_to, "re: " + std::string(request.body.text()));
        answer.properties.correlation_id = request.properties.correlation_id;
        EXPECT_TRUE(raw->publish(answer));
    }));
    const auto opened = co_await RpcCaller::open(connection);
    EXPECT_TRUE(opened) << opened.error().detail;
    const auto caller = *opened;

    const auto answer = co_await caller->call(publication(queue, "question"), 10s);
    EXPECT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->body.text(), "re: question");
    const auto silence = co_await caller->call(publication(queue, "silence"), 50ms);
    EXPECT_EQ(silence.error().code, net::timed_out());
    const auto nobody = co_await caller->call(publication("nobody-wants-this", "?"), 10s);
    EXPECT_EQ(nobody.error().code, Errc::returned);
}

TEST(Rpc, GetsAnswersTimeoutsAndReturns) {
    run_with_connection(ask_and_answer);
}

// --- broken wires -----------------------------------------------------------------------------

Awaitable<void> publish_into_a_frozen_wire(Connection& connection, tests::Relay& relay,
                                           std::vector<Settled>& settled) {
    const auto channel = co_await channel_of(connection);
    const auto publisher = co_await Publisher::open(channel);
    (*publisher)->on_settled([&settled](const Settled& one) { settled.push_back(one); });
    relay.freeze();
    for (std::uint64_t token = 0; token < 10; ++token)
        EXPECT_TRUE((*publisher)->publish(publication("q", "x"), token));
    const auto waited = co_await net::within(20ms, channel->call(QueueDeclare{}));
    EXPECT_FALSE(waited);
    relay.cut();
    const auto room = co_await (*publisher)->all_settled();
    EXPECT_TRUE(room);
    EXPECT_FALSE((*publisher)->publish(publication("q", "x")));
    EXPECT_FALSE(co_await (*publisher)->publish_confirmed(publication("q", "x")));
    EXPECT_FALSE(co_await (*publisher)->room());
}

TEST(Wire, WhatWasNotConfirmedWhenItBreaksIsLost) {
    asio::io_context context(1);
    tests::Relay relay(context, broker().hosts[0].port);
    std::vector<Settled> settled;
    Failure reason;
    run(context, with_connection(
                     through(relay),
                     [&](Connection& connection) {
                         return publish_into_a_frozen_wire(connection, relay, settled);
                     },
                     &reason));
    EXPECT_EQ(reason.code, Errc::connection_lost) << reason.detail;
    ASSERT_EQ(settled.size(), 10u);
    for (std::uint64_t token = 0; token < 10; ++token) {
        EXPECT_EQ(settled[token].token, token);
        EXPECT_EQ(settled[token].how, Settlement::lost);
        EXPECT_EQ(settled[token].code, Errc::connection_lost);
    }
}

Awaitable<void> mute_until_closed(Connection& connection, tests::Relay& relay) {
    relay.mute_broker();
    co_await until([&connection] { return !connection.is_open(); });
}

TEST(Wire, ASilentBrokerIsGivenUpAfterTwoHeartbeats) {
    asio::io_context context(1);
    tests::Relay relay(context, broker().hosts[0].port);
    Endpoint endpoint = through(relay);
    endpoint.heartbeat_seconds = 1;
    Failure reason;
    run(context,
        with_connection(
            endpoint,
            [&relay](Connection& connection) { return mute_until_closed(connection, relay); },
            &reason));
    EXPECT_EQ(reason.code, Errc::heartbeat_missed) << reason.detail;
}

Awaitable<void> be_idle(Connection& connection) {
    EXPECT_EQ(connection.heartbeat_seconds(), 1);
    co_await net::sleep_for(3500ms);
    EXPECT_TRUE(connection.is_open());
}

TEST(Wire, AnIdleConnectionLivesByItsHeartbeats) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    endpoint.heartbeat_seconds = 1;
    Failure reason;
    run(context, with_connection(endpoint, be_idle, &reason));
    EXPECT_EQ(reason.code, Errc::closed_by_us) << reason.detail;
}

// --- reconnecting -----------------------------------------------------------------------------

// A service as users write it: declares and consumes whenever a connection is there.
struct Service {
    Service(asio::io_context& context, Endpoint endpoint)
        : link(context.get_executor(),
               {.endpoint = std::move(endpoint),
                .on_connected = [this](Connection& connection) { return prepare(connection); },
                .on_lost = [this](const Failure&) { publisher.reset(); },
                .pause_min = 5ms,
                .pause_max = 50ms}) {}

    Awaitable<Outcome<void>> prepare(Connection& connection) {
        ++prepared;
        auto channel = co_await connection.open_channel();
        if (!channel) co_return channel.error();
        QueueDeclare declare;
        declare.queue = queue;
        declare.auto_delete = false;
        declare.arguments = {{"x-expires", 60000}};
        const auto declared = co_await (*channel)->call(declare);
        if (!declared) co_return declared.error();
        auto opened = co_await Publisher::open(*channel);
        if (!opened) co_return opened.error();
        publisher = *opened;
        Channel* const raw = channel->get();
        const BasicConsume consume{.queue = queue};
        const auto tag = co_await (*channel)->consume(consume, [this, raw](const Delivery& one) {
            received.emplace(one.body.text());
            EXPECT_TRUE(raw->ack(one.delivery_tag));
        });
        if (!tag) co_return tag.error();
        co_return Outcome<void>();
    }

    std::string queue = unique_name("reconnect");
    int prepared = 0;
    std::shared_ptr<Publisher> publisher;
    std::set<std::string> received;
    Reconnect link;
};

Awaitable<void> cut_and_go_on(Service& service, tests::Relay& relay) {
    for (int round = 0; round < 5; ++round) {
        co_await until([&service] { return service.link.connection() != nullptr; });
        const std::string body = "message " + std::to_string(round);
        const auto taken =
            co_await service.publisher->publish_confirmed(publication(service.queue, body));
        EXPECT_TRUE(taken) << taken.error().detail;
        co_await until([&] { return service.received.contains(body); });
        relay.cut();
        co_await until([&service] { return service.link.connection() == nullptr; });
    }
    EXPECT_EQ(service.received.size(), 5u);
    EXPECT_GE(service.prepared, 5);
    service.link.stop();
}

Awaitable<void> run_service(Service& service, tests::Relay& relay) {
    co_await (service.link.run() && cut_and_go_on(service, relay));
}

TEST(Reconnect, ComesBackAfterEveryCutAndDeclaresAnew) {
    asio::io_context context(1);
    tests::Relay relay(context, broker().hosts[0].port);
    Service service(context, through(relay));
    run(context, run_service(service, relay));
    EXPECT_GE(relay.connections(), 5);
}

Awaitable<void> stop_soon(Service& service) {
    co_await net::sleep_for(30ms);
    service.link.stop();
    service.link.stop();
}

Awaitable<void> run_without_broker(Service& service) {
    co_await (service.link.run() && stop_soon(service));
}

TEST(Reconnect, StopsAlsoWhenNoBrokerAnswers) {
    asio::io_context context(1);
    Endpoint endpoint = broker();
    endpoint.hosts = {{"127.0.0.1", 1}};
    Service service(context, endpoint);
    run(context, run_without_broker(service));
    EXPECT_EQ(service.prepared, 0);
}

} // namespace
} // namespace baton::amqp::client

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    using namespace baton::tests;
    std::unique_ptr<RabbitMqNode> rabbitmq;
    std::unique_ptr<OwnBroker> own;
    std::string& url = baton::amqp::client::broker_url;
    if (const char* given = std::getenv("BATON_TEST_AMQP_URL")) {
        url = given;
    } else if (const char* program = std::getenv("BATON_TEST_BROKER")) {
        own = OwnBroker::start(program);
        if (own == nullptr) return 1;
        url = own->url();
    } else if (RabbitMqNode::is_installed()) {
        rabbitmq = RabbitMqNode::start();
        if (rabbitmq == nullptr) return 1;
        url = rabbitmq->url();
    } else {
        std::puts("SKIPPED: rabbitmq-server is not installed and no other broker is given");
        return 0;
    }
    return RUN_ALL_TESTS();
}
