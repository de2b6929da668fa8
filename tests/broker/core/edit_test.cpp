#include "broker/core/edit.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

MessageRef message_with(const amqp::Properties& properties) {
    return with_properties(*message("body"), properties, "logs", "a.b");
}

TEST(StreamOffset, IsAddedWithoutTouchingTheRest) {
    amqp::Properties properties;
    properties.content_type = "text/plain";
    properties.content_encoding = "utf-8";
    properties.delivery_mode = amqp::persistent_delivery;
    properties.expiration = "1000";
    properties.app_id = "app";
    for (const bool has_headers : {false, true}) {
        if (has_headers) properties.headers = amqp::FieldTable{{"a", "b"}, {"n", std::int8_t{5}}};

        const MessageRef shown = with_stream_offset(*message_with(properties), 4'294'967'296);

        amqp::Properties expected = properties;
        if (!expected.headers) expected.headers.emplace();
        expected.headers->set("x-stream-offset", amqp::FieldValue(std::int64_t{4'294'967'296}));
        EXPECT_EQ(properties_of(shown->properties()), expected);
        EXPECT_EQ(as_text(shown->body()), "body");
        EXPECT_EQ(shown->exchange(), "logs");
        EXPECT_EQ(shown->routing_key(), "a.b");
    }
}

TEST(StreamOffset, ReplacesTheOneOfAnotherStream) {
    amqp::Properties properties;
    properties.headers = amqp::FieldTable{{"x-stream-offset", "elsewhere"}, {"a", "b"}};

    const MessageRef shown = with_stream_offset(*message_with(properties), 0);

    properties.headers->set("x-stream-offset", amqp::FieldValue(std::int64_t{0}));
    EXPECT_EQ(properties_of(shown->properties()), properties);
}

TEST(StreamOffset, IsAddedToAMessageWithoutProperties) {
    const MessageRef shown = with_stream_offset(*message(""), 1);

    const amqp::Properties properties = properties_of(shown->properties());
    ASSERT_TRUE(properties.headers);
    EXPECT_EQ(properties.headers->integer("x-stream-offset"), 1);
}

} // namespace
} // namespace baton::broker::core
