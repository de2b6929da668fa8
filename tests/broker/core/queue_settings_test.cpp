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

} // namespace
} // namespace baton::broker::core
