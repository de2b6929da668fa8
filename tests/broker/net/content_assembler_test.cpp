#include "amqp/errors.hpp"
#include "base/random.hpp"
#include "broker/net/content_assembler.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace baton::test {
namespace {

using broker::net::ContentAssembler;
using Step = ContentAssembler::Step;

constexpr std::uint64_t body_max = 1'000'000;
constexpr std::size_t shared_min = 1000;

class Assembling : public testing::Test {
protected:
    // Frames whose bytes die at the next end_of_read(), as those of a read buffer do.
    amqp::Frame header(std::uint16_t channel, std::uint64_t size,
                       std::string properties = std::string(2, '\0')) {
        amqp::Buffer out;
        amqp::append_content_header(out, channel, size, as_bytes(properties));
        return keep(amqp::FrameType::header, channel,
                    std::string(as_text(out.view().subspan(7, out.size() - 8))));
    }
    amqp::Frame body(std::uint16_t channel, std::string bytes) {
        return keep(amqp::FrameType::body, channel, std::move(bytes));
    }
    void begin(std::uint16_t channel, std::string exchange, std::string key) {
        bytes_.push_back(std::make_unique<std::string>(std::move(exchange)));
        const std::string& kept_exchange = *bytes_.back();
        bytes_.push_back(std::make_unique<std::string>(std::move(key)));
        assembler.begin(channel, {.exchange = kept_exchange,
                                  .routing_key = *bytes_.back(),
                                  .mandatory = true,
                                  .immediate = false});
    }
    Result<Step> take(const amqp::Frame& frame) {
        return assembler.take(frame, [this]() -> std::shared_ptr<const void> {
            ++owners_asked;
            return std::make_shared<int>(1);
        });
    }
    void end_of_read() {
        assembler.keep();
        for (auto& bytes : bytes_)
            std::fill(bytes->begin(), bytes->end(), '#');
        bytes_.clear();
    }

    ContentAssembler assembler{broker::core::ConnectionId{1}, body_max, shared_min};
    int owners_asked = 0;

private:
    amqp::Frame keep(amqp::FrameType type, std::uint16_t channel, std::string bytes) {
        bytes_.push_back(std::make_unique<std::string>(std::move(bytes)));
        return {type, channel, as_bytes(*bytes_.back())};
    }

    std::deque<std::unique_ptr<std::string>> bytes_;
};

TEST_F(Assembling, AMessageOfThreeFramesIsPassedOnWithoutACopy) {
    begin(1, "x", "key");
    ASSERT_EQ(take(header(1, 5)).value(), Step::incomplete);
    const amqp::Frame frame = body(1, "hello");
    ASSERT_EQ(take(frame).value(), Step::complete);

    EXPECT_EQ(assembler.publish().exchange, "x");
    EXPECT_EQ(assembler.publish().routing_key, "key");
    EXPECT_TRUE(assembler.publish().mandatory);
    EXPECT_EQ(assembler.publish().body.data(), frame.payload.data());
    EXPECT_EQ(assembler.publish().body_owner, nullptr);
}

TEST_F(Assembling, AnEmptyBodyNeedsNoBodyFrame) {
    begin(1, "", "q");
    EXPECT_EQ(take(header(1, 0)).value(), Step::complete);
    EXPECT_TRUE(assembler.publish().body.empty());
}

TEST_F(Assembling, ALargeBodyInOneFrameSharesTheReadBuffer) {
    begin(1, "", "q");
    (void)take(header(1, shared_min));
    ASSERT_EQ(take(body(1, std::string(shared_min, 'b'))).value(), Step::complete);
    EXPECT_EQ(owners_asked, 1);
    ASSERT_NE(assembler.publish().body_owner, nullptr);
}

TEST_F(Assembling, EveryPieceMayComeWithItsOwnRead) {
    begin(7, "an exchange", "a key");
    end_of_read();
    ASSERT_EQ(take(header(7, 6, std::string("\x10\x00\x02", 3))).value(), Step::incomplete);
    end_of_read();
    ASSERT_EQ(take(body(7, "abc")).value(), Step::incomplete);
    end_of_read();
    ASSERT_EQ(take(body(7, "def")).value(), Step::complete);

    EXPECT_EQ(assembler.publish().exchange, "an exchange");
    EXPECT_EQ(assembler.publish().routing_key, "a key");
    EXPECT_EQ(assembler.publish().properties.size(), 3u);
    EXPECT_EQ(as_text(assembler.publish().body), "abcdef");
    EXPECT_NE(assembler.publish().body_owner, nullptr);
}

TEST_F(Assembling, ContentsOfTwoChannelsMayInterleave) {
    begin(1, "x", "one");
    begin(2, "x", "two");
    (void)take(header(2, 2));
    (void)take(header(1, 2));
    (void)take(body(1, "1"));
    ASSERT_EQ(take(body(2, "22")).value(), Step::complete);
    EXPECT_EQ(assembler.publish().routing_key, "two");
    ASSERT_EQ(take(body(1, "1")).value(), Step::complete);
    EXPECT_EQ(assembler.publish().routing_key, "one");
    EXPECT_EQ(as_text(assembler.publish().body), "11");
}

TEST_F(Assembling, AnAnnouncementAboveTheLimitIsReportedAtOnceAndItsBodySkipped) {
    begin(1, "x", "key");
    ASSERT_EQ(take(header(1, body_max + 1)).value(), Step::oversize);
    EXPECT_EQ(assembler.announced(), body_max + 1);
    std::uint64_t left = body_max + 1;
    while (left > 0) {
        const std::size_t part = std::min<std::uint64_t>(left, 100'000);
        ASSERT_EQ(take(body(1, std::string(part, 'x'))).value(), Step::incomplete);
        left -= part;
    }
    EXPECT_FALSE(assembler.is_collecting(1));
}

TEST_F(Assembling, FramesWithoutTheirPredecessorAreUnexpected) {
    EXPECT_EQ(take(header(1, 5)).error(), amqp::Errc::unexpected_frame);
    EXPECT_EQ(take(body(1, "x")).error(), amqp::Errc::unexpected_frame);
    begin(1, "", "q");
    EXPECT_EQ(take(body(1, "x")).error(), amqp::Errc::unexpected_frame);
    (void)take(header(1, 5));
    EXPECT_EQ(take(header(1, 5)).error(), amqp::Errc::unexpected_frame);
}

TEST_F(Assembling, WhatIsNotCompleteCountsUntilItIs) {
    EXPECT_EQ(assembler.held_bytes(), 0U);
    begin(1, "x", "key");
    ASSERT_TRUE(take(header(1, 900'000, std::string(2, '\0'))));
    end_of_read();
    EXPECT_LT(assembler.held_bytes(), 1000U) << "an announcement costs nothing";
    for (std::uint64_t piece = 0; piece < 8; ++piece) {
        ASSERT_EQ(take(body(1, std::string(100'000, 'x'))).value(), Step::incomplete);
        end_of_read();
        EXPECT_GE(assembler.held_bytes(), (piece + 1) * 100'000);
        EXPECT_LE(assembler.held_bytes(), 1'000'000U);
    }
    ASSERT_EQ(take(body(1, std::string(100'000, 'x'))).value(), Step::complete);
    EXPECT_LT(assembler.held_bytes(), 1000U) << "the message has it now";
    end_of_read();
}

TEST_F(Assembling, NamesAndPropertiesThatWaitCountToo) {
    for (std::uint16_t channel = 1; channel <= 10; ++channel) {
        begin(channel, "x", "key");
        // The longest text properties may have is one of their headers.
        std::string properties("\x20\x00\x00\x00\x75\x30\x01k\x53\x00\x00\x75\x29", 13);
        properties += std::string(29'993, 'v');
        ASSERT_TRUE(take(header(channel, 5, properties)));
    }
    end_of_read();
    EXPECT_GE(assembler.held_bytes(), 10 * 29'993U);
    assembler.forget();
    EXPECT_EQ(assembler.held_bytes(), 0U);
    begin(1, "x", "key");
    ASSERT_TRUE(take(header(1, 5)));
    EXPECT_EQ(take(body(1, "hello")).value(), Step::complete) << "and goes on";
}

TEST_F(Assembling, ABodyLongerThanAnnouncedIsRefused) {
    begin(1, "", "q");
    (void)take(header(1, 3));
    EXPECT_EQ(take(body(1, "four")).error(), amqp::Errc::unexpected_frame);
}

TEST_F(Assembling, AnyCutIntoFramesAndReadsGivesTheSameMessages) {
    Random random(3);
    for (int round = 0; round < 300; ++round) {
        std::string wanted;
        for (std::uint64_t size = random.below(5000); size > 0; --size)
            wanted += static_cast<char>('a' + random.below(26));
        begin(3, "exchange", "key " + std::to_string(round));
        if (random.below(2) == 0) end_of_read();
        Result<Step> step = take(header(3, wanted.size()));
        for (std::size_t at = 0; step && *step == Step::incomplete;) {
            if (random.below(3) == 0) end_of_read();
            const std::size_t part = std::min<std::size_t>(random.below(2000), wanted.size() - at);
            step = take(body(3, wanted.substr(at, part)));
            at += part;
        }
        ASSERT_EQ(step.value(), Step::complete);
        ASSERT_EQ(as_text(assembler.publish().body), wanted);
        ASSERT_EQ(assembler.publish().routing_key, "key " + std::to_string(round));
        if (random.below(2) == 0) end_of_read();
    }
}

} // namespace
} // namespace baton::test
