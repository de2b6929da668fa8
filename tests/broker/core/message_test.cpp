#include "broker/core/message.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

TEST(Message, CarriesItsNamesAsTheWireWantsThem) {
    const MessageRef made = message("body", 3, "logs", "a.b");

    EXPECT_EQ(as_text(made->routing()), std::string("\4logs\3a.b"));
    EXPECT_EQ(made->exchange(), "logs");
    EXPECT_EQ(made->routing_key(), "a.b");
    EXPECT_EQ(as_text(made->body()), "body");
    EXPECT_EQ(made->priority(), 3);
    EXPECT_FALSE(made->ttl_millis());
}

TEST(Message, SharesALargeBodyAndCopiesASmallOne) {
    const auto buffer = std::make_shared<std::string>(std::string(100'000, 'x'));
    const std::shared_ptr<const void> owner = buffer;
    MessageParts parts;
    parts.properties = amqp::no_properties;
    parts.body_owner = &owner;

    parts.body = as_bytes(*buffer);
    const MessageRef large = Message::make(parts);
    parts.body = as_bytes(*buffer).first(100);
    const MessageRef small = Message::make(parts);

    EXPECT_EQ(large->body().data(), as_bytes(*buffer).data());
    EXPECT_NE(small->body().data(), as_bytes(*buffer).data());
    EXPECT_EQ(buffer.use_count(), 3); // buffer, owner, large
}

TEST(Message, LivesAsLongAsSomebodyHoldsIt) {
    MessageRef first = message("m");
    MessageRef second = first;
    const MessageRef third = MessageRef::share(*second);
    first = {};
    second = {};

    EXPECT_EQ(as_text(third->body()), "m");
}

TEST(DurablePlaces, ForgetEachPlaceOnce) {
    DurablePlaces places;
    places.add({{1}, 10});
    places.add({{2}, 20});
    places.add({{3}, 30});

    EXPECT_TRUE(places.remove({1}, 10));
    EXPECT_FALSE(places.remove({1}, 10));
    EXPECT_EQ(places.first(), (Place{{2}, 20}));
    EXPECT_EQ(places.others(), (std::vector<Place>{{{3}, 30}}));
    EXPECT_TRUE(places.remove({3}, 30));
    EXPECT_TRUE(places.remove({2}, 20));
    EXPECT_TRUE(places.empty());
}

} // namespace
} // namespace baton::broker::core
