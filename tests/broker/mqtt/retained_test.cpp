#include "amqp/properties.hpp"
#include "broker/mqtt/retained.hpp"

#include <gtest/gtest.h>

namespace baton::broker::mqtt {
namespace {

core::MessageRef keyed(std::string_view key, std::string_view body = "x") {
    core::MessageParts parts;
    parts.routing_key = key;
    parts.properties = amqp::no_properties;
    parts.body = as_bytes(body);
    return core::Message::make(parts);
}
std::vector<std::string> found(const Retained& kept, std::string_view filter) {
    std::vector<std::string> keys;
    std::string after;
    for (;;) {
        const auto some = kept.find(filter, after, 2, Time{});
        for (const core::MessageRef& one : some.messages)
            keys.emplace_back(one->routing_key());
        after = some.last_key;
        if (some.is_all) return keys;
    }
}

TEST(Retained, FindsByFilterInPieces) {
    Retained kept(100, 1 << 20);
    std::uint64_t tag = 0;
    for (const char* key : {"a", "a.b", "a.b.c", "ab", "b.a", "$sys.a", "a/dot.b"})
        kept.take(keyed(key), ++tag, Time{});
    EXPECT_EQ(found(kept, "a/#"), (std::vector<std::string>{"a", "a.b", "a.b.c"}));
    EXPECT_EQ(found(kept, "+/a"), (std::vector<std::string>{"b.a"}));
    EXPECT_EQ(found(kept, "#"),
              (std::vector<std::string>{"a", "a.b", "a.b.c", "a/dot.b", "ab", "b.a"}));
    EXPECT_EQ(found(kept, "$sys/+"), (std::vector<std::string>{"$sys.a"}));
    EXPECT_EQ(found(kept, "a.dot/b"), (std::vector<std::string>{"a/dot.b"}));
    EXPECT_TRUE(found(kept, "nothing").empty());
}

TEST(Retained, SaysWhichDeliveriesAreDoneWith) {
    Retained kept(2, 1 << 20);
    EXPECT_TRUE(kept.take(keyed("a"), 1, Time{}).empty());
    EXPECT_EQ(kept.take(keyed("a"), 2, Time{}), std::vector<std::uint64_t>{1});
    EXPECT_TRUE(kept.take(keyed("b"), 3, Time{}).empty());
    EXPECT_EQ(kept.take(keyed("c"), 4, Time{}), std::vector<std::uint64_t>{4})
        << "there is no room";
    EXPECT_EQ(kept.refused(), 1U);
    EXPECT_EQ(kept.take(keyed("a", ""), 5, Time{}), (std::vector<std::uint64_t>{2, 5}));
    EXPECT_EQ(kept.size(), 1U);
    EXPECT_GT(kept.bytes(), 0U);
    kept.take(keyed("b", ""), 6, Time{});
    EXPECT_EQ(kept.bytes(), 0U);
}

} // namespace
} // namespace baton::broker::mqtt
