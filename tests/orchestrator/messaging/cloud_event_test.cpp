// Messages of baton.event as events: each form that they come in, and what nobody meant as an
// event.
#include "orchestrator/messaging/cloud_event.hpp"

#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::messaging {
namespace {

amqp::client::Delivery structured(const std::string& body) {
    amqp::client::Delivery delivery;
    delivery.routing_key = "the.key";
    delivery.properties.content_type = "application/cloudevents+json; charset=utf-8";
    delivery.body = SharedBytes::copy_of(body);
    return delivery;
}

TEST(CloudEvent, AStructuredOneIsItsBody) {
    const auto event = incoming_event(
        structured(R"({"specversion":"1.0","id":"7","type":"door.open","data":{"n":1}})"));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->id, "7");
    EXPECT_EQ(event->type, "door.open");
    EXPECT_EQ(event->event.text(), R"({"data":{"n":1},"id":"7","type":"door.open"})");
}

TEST(CloudEvent, ABinaryOneHasItsAttributesInHeaders) {
    amqp::client::Delivery delivery;
    delivery.routing_key = "the.key";
    delivery.properties.headers.emplace();
    delivery.properties.headers->set("cloudEvents:id", "8");
    delivery.properties.headers->set("cloudEvents_type", "door.shut");
    delivery.body = SharedBytes::copy_of(std::string_view("[1,2]"));
    const auto event = incoming_event(delivery);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->id, "8");
    EXPECT_EQ(event->type, "door.shut");
    EXPECT_EQ(event->event.json().at("data"), (boost::json::array{1, 2}));
}

TEST(CloudEvent, AnyOtherMessageBecomesOneByItsKey) {
    amqp::client::Delivery delivery;
    delivery.routing_key = "the.key";
    delivery.properties.message_id = "m1";
    delivery.body = SharedBytes::copy_of(std::string_view("no JSON"));
    const auto event = incoming_event(delivery);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->id, "m1");
    EXPECT_EQ(event->type, "the.key");
    EXPECT_EQ(event->event.json().at("data"), "no JSON");
    delivery.properties.message_id.reset();
    EXPECT_FALSE(incoming_event(delivery)->id.empty()); // a name of its own
}

// Two that differ behind a zero byte are two, and what finds them can be kept by every store.
TEST(CloudEvent, NamesAreWholeAndHaveNoControlCharacters) {
    const auto event =
        incoming_event(structured(R"({"id":"a\u0000b","type":"door\u0000.open\n"})"));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->id, "a\\x00b");
    EXPECT_EQ(event->type, "door\\x00.open\\n");
}

TEST(CloudEvent, OneThatIsTooLargeIsNone) {
    EXPECT_FALSE(incoming_event(structured(std::string(event_bytes_max + 1, ' '))));
}

} // namespace
} // namespace baton::orchestrator::messaging
