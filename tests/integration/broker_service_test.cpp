// The broker over real sockets and real files, with pika as the client where one is needed.
#include "base/random.hpp"
#include "base/thread.hpp"
#include "broker/broker_service.hpp"
#include "tests/integration/raw_client.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace baton::test {
namespace {

using broker::BrokerService;

// With the core on the only I/O thread, and beside several.
class Serving : public testing::TestWithParam<unsigned> {
protected:
    Serving() {
        options.io_threads = GetParam();
        std::string pattern = (std::filesystem::temp_directory_path() / "baton-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        options.listen = {"127.0.0.1:0"};
        options.data_folder = folder;
        options.net.close_limit = std::chrono::seconds(1);
    }
    ~Serving() override {
        broker.reset();
        std::filesystem::remove_all(folder);
    }

    void start() {
        broker.reset();
        auto started = BrokerService::start(options);
        ASSERT_TRUE(started) << started.error().detail;
        broker = std::move(*started);
    }
    // One story of pika_stories.py; its complaints go to standard error.
    bool pika(const std::string& story) {
        const std::string command = "/usr/bin/python3 " BATON_SOURCE_DIR
                                    "/tests/integration/pika_stories.py " +
                                    story + " " + std::to_string(broker->port());
        return std::system(command.c_str()) == 0;
    }
    void expect_alive() {
        RawClient client(broker->port());
        client.log_in();
        client.open_channel(1);
    }

    std::string folder;
    broker::Options options;
    std::unique_ptr<BrokerService> broker;
};

TEST_P(Serving, PikaPublishesConsumesAcknowledgesAndIsConfirmed) {
    start();
    EXPECT_TRUE(pika("hello"));
    EXPECT_TRUE(pika("bodies"));
}

TEST_P(Serving, DurableMessagesAndQueuesSurviveARestart) {
    start();
    EXPECT_TRUE(pika("fill"));
    start();
    EXPECT_TRUE(pika("drain"));
    start();
    EXPECT_TRUE(pika("empty"));
}

TEST_P(Serving, AStopTellsClientsWhy) {
    start();
    RawClient client(broker->port());
    client.log_in();

    std::unique_ptr<BrokerService> stopping = std::move(broker);
    Thread stopper("stopper", [&] { stopping->stop(); });
    const auto close = client.hear<amqp::ConnectionClose>();
    client.say(0, amqp::ConnectionCloseOk{});

    EXPECT_EQ(close.reply_code, 320);
    EXPECT_EQ(close.reply_text,
              "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");
}

TEST_P(Serving, AClientThatSaysEverythingAtOnceAndLeavesIsServedToItsEnd) {
    start();
    for (int round = 0; round < 20; ++round) {
        RawClient client(broker->port());
        client.send(amqp::protocol_header);
        client.hear<amqp::ConnectionStart>();
        client.say(0, amqp::ConnectionStartOk{.client_properties = {},
                                              .mechanism = "PLAIN",
                                              .response = {std::string("\0guest\0guest", 12)},
                                              .locale = "en_US"});
        client.hear<amqp::ConnectionTune>();
        amqp::Buffer rest;
        for (const auto& method :
             {amqp::Method(amqp::ConnectionTuneOk{2047, 131072, 10}),
              amqp::Method(amqp::ConnectionOpen{"/"}), amqp::Method(amqp::ConnectionClose{})})
            EXPECT_TRUE(amqp::append_method(rest, 0, method));
        client.send(rest.text());
        client.hear<amqp::ConnectionOpenOk>();
        client.hear<amqp::ConnectionCloseOk>();
    }
    expect_alive();
}

TEST_P(Serving, AClientThatIgnoresTheStopDoesNotHoldItUpForever) {
    options.stop_limit = std::chrono::milliseconds(100);
    start();
    RawClient client(broker->port());
    client.log_in();

    broker->stop();

    EXPECT_FALSE(broker->administer(broker::core::RemoveUser{"nobody"}).text.empty());
}

TEST_P(Serving, ASecondServerOnTheSameFolderIsRefused) {
    start();

    auto second = BrokerService::start(options);

    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("in use by another server"), std::string::npos);
}

TEST_P(Serving, AnAddressInUseIsNamed) {
    start();
    broker::Options other = options;
    other.data_folder = folder + "/other";
    other.listen = {"127.0.0.1:" + std::to_string(broker->port())};

    auto second = BrokerService::start(other);

    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("cannot listen on 127.0.0.1:"), std::string::npos);
}

TEST_P(Serving, ADamagedJournalIsRefusedWithThePlaceAndSalvageGoesOn) {
    start();
    ASSERT_TRUE(pika("fill"));
    broker.reset();
    const std::string path = folder + "/journal/segment-0000000000000001.journal";
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(2000);
        file.write("damage", 6);
    }

    auto refused = BrokerService::start(options);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find(path + " is damaged at offset"), std::string::npos)
        << refused.error().detail;

    options.journal.salvage = true;
    start();
    options.journal.salvage = false;
    start();
}

TEST_P(Serving, UsersOfTheConfigurationLogInAndOthersDoNot) {
    options.users = {{.name = "alice",
                      .password = "wonder",
                      .password_hash = {},
                      .hash_algorithm = {},
                      .tags = {"administrator"}},
                     {.name = "guest", .password = "guest", .password_hash = {}, .tags = {}}};
    for (int round = 0; round < 2; ++round) {
        start();
        const auto alice = broker->authenticate("alice", "wonder", false, "10.0.0.1");
        ASSERT_TRUE(alice);
        EXPECT_TRUE(alice->has_tag("administrator"));
        EXPECT_FALSE(broker->authenticate("alice", "wonder ", false, "10.0.0.1"));
        EXPECT_FALSE(broker->authenticate("bob", "", true, "127.0.0.1"));
        EXPECT_TRUE(broker->authenticate("guest", "guest", true, "127.0.0.1"));
        EXPECT_FALSE(broker->authenticate("guest", "guest", false, "10.0.0.1")) << "only from loopback";
    }
    EXPECT_EQ(broker->overview().users.size(), 2u);
}

// --- Clients that do not behave ------------------------------------------------------------------

TEST_P(Serving, AnotherProtocolLearnsOursAndIsClosed) {
    start();
    for (const std::string& opening :
         {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("AMQP\x00\x01\x00\x00", 8),
          std::string("AMQP\x01\x01\x00\x0a", 8), std::string("\x16\x03\x01", 3)}) {
        RawClient client(broker->port());
        client.send(opening);
        EXPECT_EQ(client.read_to_end(), amqp::protocol_header);
    }
    expect_alive();
}

TEST_P(Serving, AClientThatSaysNothingIsCut) {
    options.net.handshake_limit = std::chrono::milliseconds(50);
    start();

    RawClient silent(broker->port());
    EXPECT_EQ(silent.read_to_end(), "");

    RawClient half(broker->port());
    half.send(amqp::protocol_header);
    EXPECT_NE(half.read_to_end().find("Baton"), std::string::npos);
}

TEST_P(Serving, GarbageBehindTheHeaderAndBehindTheLoginNeverHurts) {
    start();
    Random random(11);
    for (int round = 0; round < 60; ++round) {
        SCOPED_TRACE(round);
        RawClient client(broker->port());
        if (round % 2 == 0)
            client.send(amqp::protocol_header);
        else
            client.log_in();
        std::string garbage(1 + random.below(3000), '\0');
        for (char& byte : garbage)
            byte = static_cast<char>(random.below(256));
        if (round % 3 == 0) garbage[0] = 1;
        client.send(garbage);
        client.end_sending();
        client.read_to_end();
    }
    expect_alive();
}

TEST_P(Serving, MethodsWithChangedBytesNeverHurt) {
    start();
    Random random(12);
    amqp::Buffer frames;
    ASSERT_TRUE(amqp::append_method(frames, 1, amqp::Method(amqp::ChannelOpen{})));
    ASSERT_TRUE(
        amqp::append_method(frames, 1,
                            amqp::Method(amqp::QueueDeclare{
                                .queue = "q", .arguments = {{"x-max-length", std::int32_t{3}}}})));
    ASSERT_TRUE(amqp::append_method(frames, 1, amqp::Method(amqp::BasicConsume{.queue = "q"})));
    ASSERT_TRUE(amqp::append_publish(
        frames, 1, {.exchange = "", .routing_key = "q"},
        {as_bytes(std::string_view("\0\0", 2)), as_bytes(std::string_view("body"))}, 131072));
    ASSERT_TRUE(amqp::append_method(frames, 1, amqp::Method(amqp::BasicGet{.queue = "q"})));
    for (int round = 0; round < 80; ++round) {
        SCOPED_TRACE(round);
        std::string bytes(frames.text());
        for (std::uint64_t count = 1 + random.below(3); count > 0; --count)
            bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
        RawClient client(broker->port());
        client.log_in();
        client.send(bytes);
        client.end_sending();
        client.read_to_end();
    }
    expect_alive();
}

TEST_P(Serving, BrokenFramesAreAnsweredWithTheirCode) {
    start();
    struct Case {
        std::string bytes;
        int code;
    };
    const std::vector<Case> cases{
        {std::string("\x01\x00\x01\x00\x00\x00\x05\x00\x14\x00\x0a\x00\x00", 13), 501}, // end octet
        {std::string("\x09\x00\x01\x00\x00\x00\x00\xce", 8), 501},                      // type
        {std::string("\x01\x00\x01\x7f\x00\x00\x00", 7), 501},                          // size
        {std::string("\x03\x00\x01\x00\x00\x00\x01x\xce", 9), 505}, // body out of place
        {std::string("\x01\x00\x01\x00\x00\x00\x04\x00\x14\x00\x63\xce", 12), 540} // method 20,99
    };
    for (const Case& one : cases) {
        RawClient client(broker->port());
        client.log_in();
        client.send(one.bytes);
        const auto close = client.hear<amqp::ConnectionClose>();
        EXPECT_EQ(close.reply_code, one.code) << close.reply_text;
        client.say(0, amqp::ConnectionCloseOk{});
        client.end_sending();
        client.read_to_end();
    }
}

TEST_P(Serving, ABodyOfTwoGigabytesIsRefusedWhenItIsAnnounced) {
    start();
    RawClient client(broker->port());
    client.log_in();
    client.open_channel(1);
    client.say(1, amqp::BasicPublish{.exchange = "", .routing_key = "q"});
    amqp::Buffer header;
    amqp::append_content_header(header, 1, 2ULL << 30, as_bytes(std::string_view("\0\0", 2)));
    client.send(header.text());

    const auto close = client.hear<amqp::ChannelClose>();

    EXPECT_EQ(close.reply_code, 406);
    EXPECT_NE(close.reply_text.find("is larger than configured max size"), std::string::npos);
    client.say(1, amqp::ChannelCloseOk{});
    client.open_channel(2);
}

TEST_P(Serving, HeartbeatsAreSentAndASilentClientIsCut) {
    start();
    RawClient client(broker->port());
    client.log_in(1);

    const auto frame = client.next_frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->type, amqp::FrameType::heartbeat);
    client.read_to_end();
}

TEST_P(Serving, AConsumerThatDoesNotReadDoesNotFillTheMemory) {
    start();
    RawClient slow(broker->port());
    slow.log_in();
    slow.open_channel(1);
    slow.say(1, amqp::QueueDeclare{.queue = "big", .arguments = {}});
    slow.hear<amqp::QueueDeclareOk>();
    slow.say(1, amqp::BasicConsume{.queue = "big", .no_ack = true, .arguments = {}});
    slow.hear<amqp::BasicConsumeOk>();
    constexpr std::size_t count = 600;
    const std::string body(100'000, 'x');

    RawClient fast(broker->port());
    fast.log_in();
    fast.open_channel(1);
    fast.say(1, amqp::ConfirmSelect{});
    fast.hear<amqp::ConfirmSelectOk>();
    amqp::Buffer publish;
    ASSERT_TRUE(amqp::append_publish(publish, 1, {.exchange = "", .routing_key = "big"},
                                     {as_bytes(std::string_view("\0\0", 2)), as_bytes(body)},
                                     131072));
    for (std::size_t sent = 0; sent < count; ++sent)
        ASSERT_TRUE(fast.send(publish.text()));
    for (std::uint64_t confirmed = 0; confirmed < count;)
        confirmed = std::max(confirmed, fast.hear<amqp::BasicAck>().delivery_tag);

    // Sockets hold some megabytes, the window one; the rest waits in the queue.
    const auto view = broker->overview();
    ASSERT_EQ(view.queues.size(), 1u);
    EXPECT_GT(view.queues[0].ready, count / 3);

    std::size_t bodies = 0;
    while (bodies < count) {
        const auto frame = slow.next_frame();
        ASSERT_TRUE(frame) << bodies;
        if (frame->type == amqp::FrameType::body) ++bodies;
    }
}

std::string body_frame(std::size_t bytes) {
    std::string text("\3\0\1\0\0", 5);
    text += static_cast<char>(bytes >> 8);
    text += static_cast<char>(bytes & 0xFF);
    return text + std::string(bytes, 'x') + '\xCE';
}

// A publish on channel 1, its header, and the first byte of so many of its body.
void begin_long_message(RawClient& client, std::uint32_t bytes) {
    client.open_channel(1);
    amqp::Buffer publish;
    EXPECT_TRUE(amqp::append_publish(
        publish, 1, {.exchange = "", .routing_key = "nowhere"},
        {as_bytes(std::string_view("\0\0", 2)), as_bytes(std::string(bytes, 'x'))}, bytes + 1000));
    client.send(publish.text().substr(0, publish.text().size() - (bytes + 8)));
    client.send(body_frame(1));
}

// A user is as heavy as all connections of that user: what is too much goes, and nobody else's.
TEST_P(Serving, ManyConnectionsThatHoldLittleEachAreEndedWhenTheyAreTooMuchTogether) {
    constexpr std::size_t count = 300;
    constexpr std::size_t piece = 50'000;
    constexpr std::size_t held = 3 * piece;
    // Three times what the connections themselves cost on a slow machine: they must all have begun before it is short.
    options.memory_high = 24U << 20;
    for (const char* name : {"guest", "quiet"})
        options.users.push_back({.name = name,
                                 .password = name,
                                 .password_hash = {},
                                 .hash_algorithm = {},
                                 .tags = {}});
    start();
    // All begin a message while there is room for it, in whole frames, and say more of it later.
    const std::string rest = body_frame(piece) + body_frame(piece) + body_frame(piece);
    const auto begin_message = [&](RawClient& client) { begin_long_message(client, held + 1000); };
    RawClient quiet(broker->port());
    quiet.log_in(0, "quiet");
    begin_message(quiet);
    quiet.send(rest);
    std::vector<std::unique_ptr<RawClient>> many;
    for (std::size_t made = 0; made < count; ++made) {
        many.push_back(std::make_unique<RawClient>(broker->port()));
        many.back()->log_in();
        begin_message(*many.back());
    }
    for (const auto& one : many)
        one->send(rest);

    const auto open = [&] { return broker->overview().connections.size(); };
    const std::size_t most = options.memory_high / 4 * 5 / held + 40;
    for (int tries = 0; open() > most && tries < 300; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_LE(open(), most);
    EXPECT_GT(open(), 10U) << "not all of them";
    // On a channel of its own: on the first one a body is on its way.
    quiet.open_channel(2);
}

// Above the watermark and below the limit at which connections are ended at once.
TEST_P(Serving, MessagesThatAreNeverFinishedHoldPublishersForAWhileOnly) {
    constexpr std::size_t count = 20;
    constexpr std::size_t piece = 60'000;
    options.memory_high = 24U << 20;
    options.net.unfinished_patience = std::chrono::seconds(2);
    start();
    std::string rest;
    while (rest.size() < options.memory_high / count / 20 * 21)
        rest += body_frame(piece);
    std::vector<std::unique_ptr<RawClient>> many;
    for (std::size_t made = 0; made < count; ++made) {
        many.push_back(std::make_unique<RawClient>(broker->port()));
        many.back()->log_in();
        begin_long_message(*many.back(), static_cast<std::uint32_t>(rest.size() + 1000));
    }
    for (const auto& one : many)
        one->send(rest);
    const auto is_short = [&] { return broker->overview().totals.alarms[0]; };
    for (int tries = 0; !is_short() && tries < 100; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(is_short());

    RawClient publisher(broker->port());
    publisher.log_in();
    publisher.open_channel(1);
    publisher.say(1, amqp::ConfirmSelect{});
    publisher.hear<amqp::ConfirmSelectOk>();
    amqp::Buffer publish;
    ASSERT_TRUE(amqp::append_publish(publish, 1, {.exchange = "", .routing_key = "nowhere"},
                                     {as_bytes(std::string_view("\0\0", 2)), as_bytes(std::string_view("x"))}, 1000));
    ASSERT_TRUE(publisher.send(publish.text()));
    EXPECT_EQ(publisher.hear<amqp::BasicAck>().delivery_tag, 1U);
    EXPECT_GT(broker->overview().connections.size(), count / 2) << "no more than is needed";
}

INSTANTIATE_TEST_SUITE_P(IoThreads, Serving, testing::Values(1, 3),
                         testing::PrintToStringParamName());

} // namespace
} // namespace baton::test
