// Properties of MQTT through AMQP and back.
#include "amqp/properties.hpp"
#include "broker/mqtt/translation.hpp"

#include <gtest/gtest.h>

namespace baton::broker::mqtt {
namespace {

core::MessageRef made_of(const baton::mqtt::Properties& properties, std::uint8_t qos, bool retain,
                         Time now, std::string_view key = "a.b") {
    amqp::Buffer raw;
    append_properties(raw, properties, qos, retain, "id", now);
    const auto view = amqp::PropertiesView::parse(raw.view());
    core::MessageParts parts;
    parts.routing_key = key;
    parts.properties = raw.view();
    parts.persistent = view->is_persistent();
    if (view->expiration()) parts.ttl_millis = std::stoll(std::string(*view->expiration()));
    return core::Message::make(parts);
}

const Time noon = time_from_micros(1'000'000'000'000);

TEST(Translation, WhatGoesInComesOut) {
    baton::mqtt::Properties given;
    given.payload_format = 1;
    given.content_type = "text/plain";
    given.response_topic = "back/to.me";
    given.correlation_data = as_bytes(std::string_view("\xff\0x", 3));
    given.message_expiry_seconds = 10;
    given.user_properties = {{"b", "1"}, {"a", "2"}, {"b", "3"}};
    const auto message = made_of(given, 2, true, noon);
    const Translated got = translate(*message, noon + std::chrono::seconds(4), true);
    EXPECT_TRUE(got.can_be_said);
    EXPECT_EQ(got.topic, "a/b");
    EXPECT_EQ(got.qos, 2U);
    EXPECT_TRUE(got.retain);
    EXPECT_EQ(got.message_id, "id");
    EXPECT_EQ(got.properties.payload_format, std::uint8_t{1});
    EXPECT_EQ(got.properties.content_type, "text/plain");
    EXPECT_EQ(got.response_topic, "back/to.me");
    EXPECT_EQ(got.correlation, std::string("\xff\0x", 3));
    EXPECT_EQ(got.properties.message_expiry_seconds, 6U);
    EXPECT_EQ(got.properties.user_properties, given.user_properties);
    EXPECT_TRUE(translate(*message, noon + std::chrono::seconds(10), true).has_expired);
    EXPECT_EQ(end_of(*message, noon), noon + std::chrono::seconds(10));
}

TEST(Translation, APlainMessageHasNothing) {
    for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}}) {
        const auto message = made_of({}, qos, false, noon);
        EXPECT_EQ(message->properties().size(), 6U);
        const Translated got = translate(*message, noon, true);
        EXPECT_EQ(got.qos, qos);
        EXPECT_FALSE(got.retain);
        EXPECT_TRUE(got.properties.user_properties.empty());
    }
}

TEST(Translation, KeysThatAreNoTopicsAreNotSaid) {
    for (const std::string_view key :
         {std::string_view(""), std::string_view("a.#"), std::string_view("a+b"),
          std::string_view("a\0b", 3), std::string_view("\xff")})
        EXPECT_EQ(translate(*made_of({}, 0, false, noon, key), noon, true).can_be_said,
                  key == "a+b")
            << key;
}

} // namespace
} // namespace baton::broker::mqtt
