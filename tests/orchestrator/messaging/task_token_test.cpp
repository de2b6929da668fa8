// Tokens name an attempt and cannot be made up; messages survive the list of dead letters.
#include "orchestrator/messaging/message_json.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::messaging {
namespace {

TEST(TaskToken, SaysTheAttemptAgain) {
    for (const core::AttemptRef& ref : {core::AttemptRef{"mailbox", false, 1},
                                        core::AttemptRef{"lock.mail", true, 4'000'000'000}}) {
        const std::string text = encode_token({"0198c0de-run", ref}, "secret");
        const auto token = decode_token(text, "secret");
        ASSERT_TRUE(token) << text;
        EXPECT_EQ(token->run_id, "0198c0de-run");
        EXPECT_EQ(token->ref, ref);
    }
}

TEST(TaskToken, CannotBeMadeUpOrChanged) {
    const std::string text = encode_token({"run", {"step", false, 1}}, "secret");
    EXPECT_FALSE(decode_token(text, "another secret"));
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string changed = text;
        changed[i] = changed[i] == 'x' ? 'y' : 'x';
        EXPECT_FALSE(decode_token(changed, "secret")) << changed;
    }
    for (const char* nonsense : {"", ".", "#", "run/step#1", "a.b", "/#.", "../..#.."})
        EXPECT_FALSE(decode_token(nonsense, "secret")) << nonsense;
}

TEST(MessageJson, APlainDeadLetterCanBePublishedAgain) {
    amqp::client::Delivery delivery;
    delivery.exchange = "baton.dead";
    delivery.routing_key = "mail.create";
    delivery.properties.content_type = "application/json";
    delivery.properties.priority = std::uint8_t{7};
    amqp::FieldTable death;
    death.set("reason", "rejected");
    death.set("exchange", "orders");
    death.set("routing-keys", amqp::FieldArray{{amqp::FieldValue{"new.order"}}});
    amqp::FieldTable headers;
    headers.set("x-death", amqp::FieldArray{{amqp::FieldValue{death}}});
    headers.set("colour", "blue");
    delivery.properties.headers = headers;
    delivery.body = SharedBytes::copy_of(R"({"a":1})");

    EXPECT_EQ(death_reason(delivery.properties), "rejected");
    const auto again = publication_from(to_document(delivery).text());

    ASSERT_TRUE(again);
    EXPECT_EQ(again->exchange, "orders");
    EXPECT_EQ(again->routing_key, "new.order");
    EXPECT_EQ(again->body.text(), R"({"a":1})");
    EXPECT_EQ(again->properties.priority, std::uint8_t{7});
    EXPECT_EQ(again->properties.headers->text("colour"), "blue");
    EXPECT_FALSE(again->properties.headers->contains("x-death"));
}

TEST(MessageJson, WhatIsNoTextIsMadeReadable) {
    EXPECT_EQ(readable("gr\xc3\xbc\xc3\x9f"
                       "e"),
              "gr\xc3\xbc\xc3\x9f"
              "e");
    EXPECT_EQ(readable("a\xff"
                       "b\xc3"),
              "a\xef\xbf\xbd"
              "b\xef\xbf\xbd");
    EXPECT_EQ(readable(std::string_view("\0", 1)), "\xef\xbf\xbd");
    EXPECT_EQ(readable("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); // a surrogate
    EXPECT_EQ(readable("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(MessageJson, KeepsBytesThatAreNoText) {
    amqp::client::Delivery delivery;
    delivery.routing_key = "k";
    delivery.body = SharedBytes::copy_of(std::string_view{"\x00\x01\xff", 3});
    const auto again = publication_from(to_document(delivery).text());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->body.text(), (std::string_view{"\x00\x01\xff", 3}));
    EXPECT_FALSE(publication_from("{}"));
    EXPECT_FALSE(publication_from("nonsense"));
}

} // namespace
} // namespace baton::orchestrator::messaging
