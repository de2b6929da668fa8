// Durations as people write them.
#include "base/duration_text.hpp"

#include <gtest/gtest.h>

namespace baton {
namespace {

using namespace std::chrono_literals;

TEST(DurationText, ReadsEveryUnit) {
    EXPECT_EQ(parse_duration("500ms"), Duration(500ms));
    EXPECT_EQ(parse_duration("30s"), Duration(30s));
    EXPECT_EQ(parse_duration("5m"), Duration(5min));
    EXPECT_EQ(parse_duration("6h"), Duration(6h));
    EXPECT_EQ(parse_duration("30d"), Duration(720h));
    EXPECT_EQ(parse_duration("0s"), Duration(0));
}

TEST(DurationText, AddsUnitsFromLargeToSmall) {
    EXPECT_EQ(parse_duration("1h30m"), Duration(90min));
    EXPECT_EQ(parse_duration("1d2h3m4s5ms"), Duration(26h + 3min + 4s + 5ms));
    EXPECT_EQ(parse_duration("1m500ms"), Duration(60'500ms));
}

TEST(DurationText, RefusesWhatIsNoDuration) {
    for (const char* text :
         {"", "30", "s", "1.5s", "-1s", "1 s", "30s1m", "1s1s", "1w", "1H", "1h ", " 1h", "1hm",
          "h1", "9999999999999999999999s", "40000d", "1sms"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(DurationText, WritesWhatItReads) {
    for (const char* text : {"0s", "1ms", "1h30m", "1d2h3m4s5ms", "36525d"}) {
        const auto duration = parse_duration(text);
        ASSERT_TRUE(duration) << text;
        EXPECT_EQ(to_text(*duration), text);
    }
}

} // namespace
} // namespace baton
