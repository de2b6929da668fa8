#include "broker/core/queue_settings.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

std::string complaint(const amqp::FieldTable& arguments) {
    const auto settings = settings_from(arguments, {"q", "/", true, false}, 20);
    return settings ? "" : settings.error().detail;
}

TEST(QueueSettings, TakesWhatTheArgumentsSay) {
    const auto settings = settings_from({{"x-message-ttl", std::int32_t{1000}},
                                         {"x-max-length", std::int64_t{5}},
                                         {"x-max-priority", std::int8_t{9}},
                                         {"x-overflow", "reject-publish"},
                                         {"x-dead-letter-exchange", "dlx"},
                                         {"x-single-active-consumer", true},
                                         {"x-unknown", "kept and ignored"}},
                                        {"q", "/", false, false}, 20);

    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->message_ttl_millis, 1000);
    EXPECT_EQ(settings->length_max, 5U);
    EXPECT_EQ(settings->priority_max, 9);
    EXPECT_EQ(settings->overflow, Overflow::reject_publish);
    EXPECT_EQ(settings->dead_letter_exchange, "dlx");
    EXPECT_TRUE(settings->single_active_consumer);
    EXPECT_FALSE(settings->delivery_limit);
}

TEST(QueueSettings, AQuorumQueueHasADeliveryLimitAlways) {
    const auto settings = settings_from({{"x-queue-type", "quorum"}}, {"q", "/", true, false}, 20);

    ASSERT_TRUE(settings);
    EXPECT_TRUE(settings->quorum);
    EXPECT_EQ(settings->delivery_limit, 20U);
}

TEST(QueueSettings, ComplainsInTheWordsClientsKnow) {
    EXPECT_EQ(complaint({{"x-max-length", std::int32_t{-5}}}),
              "invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-5}");
    EXPECT_EQ(complaint({{"x-expires", std::int64_t{315'360'000'001}}}),
              "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_too_large,315360000001}");
    EXPECT_EQ(complaint({{"x-single-active-consumer", "yes"}}),
              "invalid arg 'x-single-active-consumer' for queue 'q' in vhost '/': "
              "{unacceptable_type,longstr}");
}

TEST(QueueSettings, ComparesArgumentsByValue) {
    EXPECT_TRUE(check_equal_argument("a", {{"a", std::int32_t{5}}}, {{"a", std::int64_t{5}}}, "q"));
    EXPECT_TRUE(check_equal_argument("a", {}, {}, "q"));
    EXPECT_FALSE(check_equal_argument("a", {{"a", "5"}}, {{"a", std::int64_t{5}}}, "q"));
}

TEST(QueueSettings, DeadLettersAreKeptByQuorumQueuesThatRefuseWhatIsTooMuch) {
    const auto kept = [](const amqp::FieldTable& arguments) {
        const auto settings = settings_from(arguments, {"q", "/", true, false}, 20);
        return settings ? (settings->keeps_dead_letters ? "yes" : "no") : settings.error().detail;
    };
    amqp::FieldTable arguments{{"x-queue-type", "quorum"},
                               {"x-overflow", "reject-publish"},
                               {"x-dead-letter-exchange", ""},
                               {"x-dead-letter-strategy", "at-least-once"}};
    EXPECT_EQ(kept(arguments), "yes");
    arguments.set("x-overflow", "drop-head");
    EXPECT_EQ(kept(arguments), "no");
    arguments.set("x-dead-letter-strategy", "maybe");
    EXPECT_EQ(kept(arguments),
              "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/': "
              "invalid_dlx_strategy");
    EXPECT_EQ(kept({{"x-dead-letter-strategy", "at-least-once"}}),
              "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/' of queue type "
              "rabbit_classic_queue");
}

TEST(QueueSettings, AStreamKnowsItsOwnLimits) {
    const auto settings = settings_from({{"x-queue-type", "stream"},
                                         {"x-max-age", "90m"},
                                         {"x-max-length-bytes", std::int64_t{1000}},
                                         {"x-stream-max-segment-size-bytes", std::int32_t{100}},
                                         {"x-unknown", "kept and ignored"}},
                                        {"s", "/", true, false}, 20);

    ASSERT_TRUE(settings);
    EXPECT_TRUE(settings->stream);
    EXPECT_EQ(settings->age_seconds_max, 5400);
    EXPECT_EQ(settings->bytes_max, 1000U);
    EXPECT_EQ(settings->segment_bytes, 100U);
    EXPECT_EQ(complaint({{"x-queue-type", "stream"}, {"x-max-length", std::int32_t{5}}}),
              "invalid arg 'x-max-length' for queue 'q' in vhost '/' of queue type "
              "rabbit_stream_queue");
    EXPECT_EQ(complaint({{"x-max-age", "1h"}}),
              "invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type "
              "rabbit_classic_queue");
}

TEST(QueueSettings, AnAgeIsANumberWithAUnit) {
    EXPECT_EQ(age_seconds("7D"), 604'800);
    EXPECT_EQ(age_seconds("1Y"), 31'536'000);
    EXPECT_EQ(age_seconds("1M"), 2'592'000);
    EXPECT_EQ(age_seconds("1h"), 3600);
    EXPECT_EQ(age_seconds("1m"), 60);
    EXPECT_EQ(age_seconds("1s"), 1);
    for (const std::string_view wrong : {"", "D", "5", "-1D", "0D", "1.5h", "1H", "1h ", "h1"})
        EXPECT_FALSE(age_seconds(wrong)) << wrong;
    // Nobody lives that long, and nothing overflows.
    EXPECT_EQ(age_seconds("9000000000000000000Y"), age_seconds("1000Y"));
}

} // namespace
} // namespace baton::broker::core
