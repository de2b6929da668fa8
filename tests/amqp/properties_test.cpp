// Basic properties: round trips, flags, and the view that decodes nothing.
#include "amqp/properties.hpp"
#include "tests/amqp/some_values.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::amqp {
namespace {

using namespace std::string_literals;

Buffer encoded(const Properties& properties) {
    Buffer out;
    EXPECT_TRUE(encode_properties(properties, out));
    return out;
}

TEST(Properties, SurviveTheWayThroughTheWireAndTheViewSeesTheSame) {
    SomeValues some(11);
    for (int round = 0; round < 500; ++round) {
        const Properties properties = some.properties();
        const Buffer raw = encoded(properties);

        const auto again = decode_properties(raw.view());
        const auto view = PropertiesView::parse(raw.view());

        ASSERT_TRUE(again);
        EXPECT_EQ(*again, properties);
        ASSERT_TRUE(view);
        EXPECT_EQ(view->content_type(), properties.content_type);
        EXPECT_EQ(view->content_encoding(), properties.content_encoding);
        EXPECT_EQ(view->delivery_mode(), properties.delivery_mode);
        EXPECT_EQ(view->priority(), properties.priority);
        EXPECT_EQ(view->correlation_id(), properties.correlation_id);
        EXPECT_EQ(view->reply_to(), properties.reply_to);
        EXPECT_EQ(view->expiration(), properties.expiration);
        EXPECT_EQ(view->message_id(), properties.message_id);
        EXPECT_EQ(view->timestamp(), properties.timestamp);
        EXPECT_EQ(view->type(), properties.type);
        EXPECT_EQ(view->user_id(), properties.user_id);
        EXPECT_EQ(view->app_id(), properties.app_id);
        EXPECT_EQ(view->cluster_id(), properties.cluster_id);
        ASSERT_EQ(view->headers().has_value(), properties.headers.has_value());
        if (view->headers()) EXPECT_EQ(*decode_table(*view->headers()), *properties.headers);
    }
}

TEST(Properties, AreRefusedWhenCutAnywhere) {
    SomeValues some(12);
    for (int round = 0; round < 50; ++round) {
        const Buffer raw = encoded(some.properties());
        for (std::size_t size = 0; size < raw.size(); ++size) {
            EXPECT_EQ(decode_properties(raw.view().first(size)).error(), Errc::truncated);
            EXPECT_EQ(PropertiesView::parse(raw.view().first(size)).error(), Errc::truncated);
        }
    }
}

TEST(Properties, ContinuationAndUnusedFlagsAreRefused) {
    for (const std::string& flags : {"\0\x01"s, "\0\x02"s}) {
        EXPECT_EQ(decode_properties(as_bytes(flags)).error(), Errc::bad_property_flags);
        EXPECT_EQ(PropertiesView::parse(as_bytes(flags)).error(), Errc::bad_property_flags);
    }
}

TEST(Properties, BytesBehindTheLastValueAreRefused) {
    EXPECT_EQ(decode_properties(as_bytes("\0\0x"s)).error(), Errc::trailing_bytes);
    EXPECT_EQ(PropertiesView::parse(as_bytes("\0\0x"s)).error(), Errc::trailing_bytes);
}

TEST(Properties, NoPropertiesAreTwoZeroBytes) {
    EXPECT_EQ(encoded({}).text(), as_text(no_properties));
    EXPECT_EQ(*decode_properties(no_properties), Properties{});
    EXPECT_FALSE(PropertiesView::parse(no_properties)->is_persistent());
}

TEST(Properties, TooLongAStringLeavesTheBufferAsItWas) {
    Buffer out;
    out.append("before");
    const Properties properties{.content_type = "text/plain", .reply_to = std::string(256, 'r')};
    EXPECT_EQ(encode_properties(properties, out).error(), Errc::short_string_too_long);
    EXPECT_EQ(out.text(), "before");
}

TEST(Properties, TextForLogsNamesWhatIsThere) {
    const Properties properties{.content_type = "text/plain", .delivery_mode = 2};
    EXPECT_EQ(to_text(properties), "{content_type=text/plain, delivery_mode=2}");
}

} // namespace
} // namespace baton::amqp
