#include "amqp/frame_reader.hpp"
#include "amqp/method_codec.hpp"
#include "amqp/properties.hpp"
#include "broker/net/outbox.hpp"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

using broker::net::Outbox;
namespace core = broker::core;

core::MessageRef message(std::string_view body) {
    return core::Message::make({.exchange = "x",
                                .routing_key = "key",
                                .properties = amqp::no_properties,
                                .body = as_bytes(body),
                                .body_owner = nullptr,
                                .persistent = false,
                                .priority = 0,
                                .ttl_millis = {}});
}

class Writing : public testing::Test {
protected:
    template <typename Action>
    void add(Action action, std::uint16_t channel = 1) {
        core::Command command{core::ConnectionId{1}, channel, std::move(action)};
        outbox.add(command);
    }
    void name_consumer(core::ConsumerNumber number, std::string tag) {
        add(core::ConsumerNamed{number, std::make_unique<std::string>(std::move(tag))});
    }
    // One line per frame that waits to be written.
    std::vector<std::string> lines() {
        amqp::FrameReader reader;
        reader.set_frame_max(0);
        std::vector<std::string> result;
        for (ByteView rest = outbox.waiting(); !rest.empty();) {
            const auto space = reader.writable();
            const std::size_t part = std::min(space.size(), rest.size());
            std::memcpy(space.data(), rest.data(), part);
            reader.written(part);
            rest = rest.subspan(part);
            for (auto frame = reader.next(); frame && *frame; frame = reader.next())
                result.push_back(line(**frame));
        }
        return result;
    }
    Outbox outbox;

private:
    static std::string line(const amqp::Frame& frame) {
        const std::string channel = std::to_string(frame.channel) + " ";
        switch (frame.type) {
        case amqp::FrameType::method:
            return channel + amqp::to_text(amqp::decode_method(frame.payload).value());
        case amqp::FrameType::header:
            return channel + "header";
        case amqp::FrameType::body:
            return channel + "body " + std::to_string(frame.payload.size());
        case amqp::FrameType::heartbeat:
            return channel + "heartbeat";
        }
        return {};
    }
};

TEST_F(Writing, ADeliveryIsMethodHeaderAndBodyWithTheConsumersTag) {
    name_consumer(5, "ctag");
    add(core::Deliver{message("hello"), 3, 5, true});

    EXPECT_EQ(lines(), (std::vector<std::string>{"1 basic.deliver{consumer_tag=ctag, "
                                                 "delivery_tag=3, redelivered=true, exchange=x, "
                                                 "routing_key=key}",
                                                 "1 header", "1 body 5"}));
}

TEST_F(Writing, BodiesAreCutAtTheNegotiatedFrameSize) {
    outbox.set_frame_max(4096);
    name_consumer(0, "c");
    add(core::Deliver{message(std::string(10'000, 'b')), 1, 0, false});

    const auto frames = lines();
    ASSERT_EQ(frames.size(), 5u);
    EXPECT_EQ(frames[2], "1 body 4088");
    EXPECT_EQ(frames[4], "1 body " + std::to_string(10'000 - 2 * 4088));
}

TEST_F(Writing, ConfirmsAndTheirRefusals) {
    add(core::Confirm{7, true, false});
    add(core::Confirm{8, false, true});

    EXPECT_EQ(lines(), (std::vector<std::string>{"1 basic.ack{delivery_tag=7, multiple=true}",
                                                 "1 basic.nack{delivery_tag=8}"}));
}

TEST_F(Writing, AReturnCarriesTheMessageBack) {
    add(core::ReturnMessage{message(""), amqp::ReplyCode::no_route, "NO_ROUTE"});

    EXPECT_EQ(lines(), (std::vector<std::string>{"1 basic.return{reply_code=312, "
                                                 "reply_text=NO_ROUTE, exchange=x, "
                                                 "routing_key=key}",
                                                 "1 header"}));
}

TEST_F(Writing, BlockedIsToldOnlyToThoseWhoKnowItAndPublish) {
    outbox.note_publisher();
    add(core::HoldPublishes{"low on disk"}, 0);
    EXPECT_TRUE(outbox.holds_publishes());
    EXPECT_TRUE(outbox.empty()) << "this one does not know it";
    add(core::TakePublishes{}, 0);
    EXPECT_TRUE(outbox.empty());

    Outbox consumer;
    consumer.set_knows_blocked(true);
    core::Command hold{{1}, 0, core::HoldPublishes{"low on disk"}};
    consumer.add(hold);
    EXPECT_TRUE(consumer.empty()) << "this one does not publish";
    consumer.note_publisher();
    EXPECT_FALSE(consumer.empty()) << "until it does";
}

TEST_F(Writing, BlockedIsToldOnceAndUnblockedToThoseWhoWereTold) {
    outbox.set_knows_blocked(true);
    outbox.note_publisher();
    add(core::HoldPublishes{nullptr}, 0);
    EXPECT_TRUE(outbox.empty()) << "there is no reason yet";
    add(core::HoldPublishes{"low on disk"}, 0);
    outbox.note_publisher();
    add(core::TakePublishes{}, 0);
    add(core::TakePublishes{}, 0);
    EXPECT_EQ(lines(), (std::vector<std::string>{"0 connection.blocked{reason=low on disk}",
                                                 "0 connection.unblocked{}"}));
}

TEST_F(Writing, ClosingKeepsItsPlaceBehindWhatWasSaidBefore) {
    add(core::Confirm{1, false, false});
    add(core::CloseConnection{std::make_unique<core::CloseReason>(
            core::CloseReason{amqp::ReplyCode::connection_forced,
                              "CONNECTION_FORCED - " + std::string(300, 'x'),
                              {}})},
        0);

    EXPECT_TRUE(outbox.awaits_close_ok());
    const auto frames = lines();
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_TRUE(frames[1].starts_with("0 connection.close{reply_code=320, reply_text=CONNECTION_"));
}

TEST_F(Writing, PauseAndResumeAreFlagsForTheReader) {
    add(core::PauseReading{}, 0);
    EXPECT_TRUE(outbox.pauses_reading());
    add(core::ResumeReading{}, 0);
    EXPECT_FALSE(outbox.pauses_reading());
    EXPECT_TRUE(outbox.empty());
}

TEST_F(Writing, WhatDeliveriesWeighIsReportedExactlyOnceHoweverTheyAreWritten) {
    name_consumer(0, "c");
    std::uint64_t weighed = 0;
    for (int count = 0; count < 50; ++count) {
        const auto one = message(std::string(static_cast<std::size_t>(count) * 13, 'b'));
        weighed += core::delivery_charge(*one);
        add(core::Deliver{one, 1, 0, false});
    }
    std::uint64_t reported = 0;
    for (std::size_t piece = 1; !outbox.empty(); piece = piece * 2 + 1)
        reported += outbox.written(std::min(piece, outbox.size()));

    EXPECT_EQ(reported, weighed);
}

} // namespace
} // namespace baton::test
