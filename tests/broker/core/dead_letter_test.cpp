#include "broker/core/dead_letter.hpp"

#include "broker/core/edit.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

const Time noon = time_from_micros(43'200'000'000);

MessageRef with(const amqp::Properties& properties) {
    return with_properties(*message("m", 0, "orders", "new"), properties, "orders", "new");
}

amqp::FieldTable headers_of(const Message& message) {
    return properties_of(message.properties()).headers.value_or(amqp::FieldTable{});
}

TEST(DeadLetter, RemembersWhereWhyAndWhen) {
    amqp::Properties properties;
    properties.expiration = "1000";
    properties.message_id = "id";

    const DeadLetter letter =
        dead_letter_from(*with(properties), {DeathReason::expired, "work", noon, "dlx", {}});

    EXPECT_EQ(letter.message->exchange(), "dlx");
    EXPECT_EQ(letter.message->routing_key(), "new");
    EXPECT_FALSE(letter.message->ttl_millis());
    const amqp::Properties after = properties_of(letter.message->properties());
    EXPECT_EQ(after.message_id, "id");
    EXPECT_FALSE(after.expiration);
    EXPECT_EQ(amqp::to_text(*after.headers),
              "{x-death=[{count=1, reason=expired, queue=work, time=43200, exchange=orders, "
              "routing-keys=[new], original-expiration=1000}], x-first-death-reason=expired, "
              "x-first-death-queue=work, x-first-death-exchange=orders, "
              "x-last-death-reason=expired, x-last-death-queue=work, "
              "x-last-death-exchange=orders}");
}

TEST(DeadLetter, CountsTheSameDeathAndPutsItFirst) {
    const Death expired{DeathReason::expired, "a", noon, "dlx", {}};
    const Death rejected{DeathReason::rejected, "b", noon, "dlx", {}};
    const auto once = dead_letter_from(*message("m"), expired);
    const auto twice = dead_letter_from(*once.message, rejected);

    const auto thrice = dead_letter_from(*twice.message, expired);

    ASSERT_EQ(thrice.deaths.items.size(), 2U);
    const auto* newest = thrice.deaths.items[0].get<amqp::FieldTable>();
    EXPECT_EQ(newest->text("queue"), "a");
    EXPECT_EQ(newest->integer("count"), 2);
    EXPECT_EQ(headers_of(*thrice.message).text("x-first-death-queue"), "a");
    EXPECT_EQ(headers_of(*thrice.message).text("x-last-death-queue"), "a");
}

TEST(DeadLetter, ItsOwnRoutingKeyReplacesTheOthers) {
    amqp::FieldArray copies;
    copies.items.emplace_back("copy");
    amqp::Properties properties;
    properties.headers.emplace().set("CC", amqp::FieldValue(copies));

    const auto kept =
        dead_letter_from(*with(properties), {DeathReason::maxlen, "q", noon, "dlx", {}});
    const auto replaced =
        dead_letter_from(*with(properties), {DeathReason::maxlen, "q", noon, "dlx", "dead"});

    EXPECT_EQ(kept.routing_keys, (std::vector<std::string>{"new", "copy"}));
    EXPECT_EQ(replaced.routing_keys, (std::vector<std::string>{"dead"}));
    EXPECT_TRUE(headers_of(*kept.message).contains("CC"));
    EXPECT_FALSE(headers_of(*replaced.message).contains("CC"));
}

TEST(DeadLetter, ACycleWithoutARejectionIsACycle) {
    const Death in_a{DeathReason::expired, "a", noon, "", {}};
    const Death in_b{DeathReason::expired, "b", noon, "", {}};
    const Death rejected{DeathReason::rejected, "b", noon, "", {}};
    const auto first = dead_letter_from(*message("m"), in_a);

    EXPECT_TRUE(closes_cycle(first.deaths, "a"));
    EXPECT_FALSE(closes_cycle(first.deaths, "b"));
    EXPECT_TRUE(closes_cycle(dead_letter_from(*first.message, in_b).deaths, "a"));
    EXPECT_FALSE(closes_cycle(dead_letter_from(*first.message, rejected).deaths, "a"));
}

TEST(DeadLetter, ForeignEntriesOfOneQueueAndReasonBecomeOne) {
    const auto death = [](const char* queue, std::optional<std::int64_t> count) {
        amqp::FieldTable table{{"queue", queue}, {"reason", "rejected"}};
        if (count) table.set("count", amqp::FieldValue(*count));
        return amqp::FieldValue(std::move(table));
    };
    amqp::Properties properties;
    amqp::FieldArray old;
    old.items = {death("a", {}), death("b", INT64_MAX), death("a", 2), death("b", 1)};
    properties.headers.emplace().set("x-death", amqp::FieldValue(std::move(old)));

    const auto letter =
        dead_letter_from(*with(properties), {DeathReason::rejected, "a", noon, "dlx", {}});

    ASSERT_EQ(letter.deaths.items.size(), 2U);
    EXPECT_EQ(letter.deaths.items[0].get<amqp::FieldTable>()->integer("count"), 4);
    EXPECT_EQ(letter.deaths.items[1].get<amqp::FieldTable>()->integer("count"), INT64_MAX);
}

TEST(DeadLetter, StrangeHeadersOfClientsDoNoHarm) {
    amqp::Properties properties;
    properties.headers.emplace().set("x-death", amqp::FieldValue("not an array"));
    properties.headers->set("CC", amqp::FieldValue(std::int32_t{5}));

    const auto letter =
        dead_letter_from(*with(properties), {DeathReason::rejected, "q", noon, "dlx", {}});

    EXPECT_EQ(letter.deaths.items.size(), 1U);
}

} // namespace
} // namespace baton::broker::core
