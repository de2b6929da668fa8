// Keys of events: what a wait says and what an event says give one key exactly where they are alike.
#include "orchestrator/core/event_key.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

Document json(std::string_view text) { return Document::parse(std::string(text)).value(); }

std::string wanted(std::string_view value) { return event_key("paid", {{"data.order", json(value)}}); }

std::optional<std::string> said(std::string_view event) {
    return key_of({"paid", {"data.order"}, {}}, "paid", boost::json::parse(event));
}

TEST(EventKey, IsOfTypePathAndValue) {
    EXPECT_EQ(said(R"({"data":{"order":7,"other":1}})"), wanted("7"));
    EXPECT_NE(said(R"({"data":{"order":8}})"), wanted("7"));
    EXPECT_NE(said(R"({"data":{"order":"7"}})"), wanted("7"));
    EXPECT_NE(said(R"({"data":{"order":null}})"), wanted("7"));
    EXPECT_EQ(key_of({"paid", {"data.order"}, {}}, "sent", boost::json::parse(R"({"data":{"order":7}})")), std::nullopt);
    EXPECT_NE(event_key("sent", {{"data.order", json("7")}}), wanted("7"));
    EXPECT_NE(event_key("paid", {{"subject", json("7")}}), wanted("7"));
    EXPECT_EQ(wanted("7").size(), 32u);
}

TEST(EventKey, NumbersOfOneValueAreAlike) {
    EXPECT_EQ(said(R"({"data":{"order":7.0}})"), wanted("7"));
    EXPECT_EQ(said(R"({"data":{"order":7e0}})"), wanted("7"));
    EXPECT_NE(said(R"({"data":{"order":7.5}})"), wanted("7"));
    EXPECT_EQ(said(R"({"data":{"order":18446744073709551615}})"), wanted("18446744073709551615"));
    EXPECT_NE(said(R"({"data":{"order":9007199254740993}})"), wanted("9007199254740992"));
}

TEST(EventKey, TablesAreAlikeInWhateverOrder) {
    EXPECT_EQ(said(R"({"data":{"order":{"a":[1,2.0],"b":null}}})"), wanted(R"({"b":null,"a":[1.0,2]})"));
    EXPECT_NE(said(R"({"data":{"order":[1,2]}})"), wanted("[2,1]"));
    EXPECT_NE(said(R"({"data":{"order":["a\",\"b"]}})"), wanted(R"(["a","b"])"));
}

TEST(EventKey, AnEventWithoutThePathHasNone) {
    EXPECT_EQ(said(R"({"data":{}})"), std::nullopt);
    EXPECT_EQ(said(R"({"data":"order"})"), std::nullopt);
    EXPECT_EQ(said("{}"), std::nullopt);
}

TEST(EventKey, WithoutPathsEveryEventOfTheTypeIsMeant) {
    EXPECT_EQ(key_of({"paid", {}, {}}, "paid", boost::json::parse("{}")), event_key("paid", {}));
}

TEST(EventKey, WaitsSayWhatTheyWaitFor) {
    const auto alone = awaited_events(json(R"({"event":{"type":"paid","key":"k","since":"2027-01-15T08:00:00Z"}})"));
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_EQ(alone[0].key, "k");
    EXPECT_EQ(alone[0].way, "");
    EXPECT_EQ(micros_of(alone[0].since), 1'800'000'000'000'000);
    const auto ways = awaited_events(json(R"({"first_of":[{"name":"a","signal":"s"},{"name":"b","event":{"key":"l"}}]})"));
    ASSERT_EQ(ways.size(), 1u);
    EXPECT_EQ(ways[0].way, "b");
    EXPECT_TRUE(awaited_events({}).empty());
}

} // namespace
} // namespace baton::orchestrator::core
