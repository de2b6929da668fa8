// Zones as the C library has them, which reads the same files.
#include "base/time_zone.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace baton {
namespace {

std::vector<std::string> all_zones() {
    std::vector<std::string> names{"UTC", "Etc/GMT+12", "Europe/Dublin", "Africa/Casablanca", "America/Nuuk"};
    std::ifstream in("/usr/share/zoneinfo/zone1970.tab");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string countries, place, name;
        words >> countries >> place >> name;
        names.push_back(name);
    }
    return names;
}

TEST(TimeZone, OffsetsAreThoseOfTheCLibrary) {
    const auto zones = all_zones();
    ASSERT_GT(zones.size(), 200U);
    std::mt19937_64 random(1);
    // From 1900 to 2500: behind the list of changes the rule counts.
    std::uniform_int_distribution<std::int64_t> moments(-2'208'988'800, 16'725'225'600);
    for (const auto& zone : zones) {
        setenv("TZ", (":" + zone).c_str(), 1);
        tzset();
        for (int i = 0; i < 60; ++i) {
            const std::time_t moment = moments(random);
            std::tm local{};
            localtime_r(&moment, &local);
            ASSERT_EQ(zone_offset(zone, moment), local.tm_gmtoff) << zone << " at " << moment;
        }
    }
    unsetenv("TZ");
    tzset();
}

TEST(TimeZone, TheClockChangesAtTheSecond) {
    EXPECT_EQ(zone_offset("Europe/Berlin", 1'774'745'999), 3600); // 2026-03-29T00:59:59Z
    EXPECT_EQ(zone_offset("Europe/Berlin", 1'774'746'000), 7200);
    EXPECT_EQ(zone_offset("Europe/Berlin", 1'792'889'999), 7200); // 2026-10-25T00:59:59Z
    EXPECT_EQ(zone_offset("Europe/Berlin", 1'792'890'000), 3600);
    EXPECT_EQ(zone_offset("Asia/Kolkata", 0), 19'800);
}

TEST(TimeZone, WhatIsNoZoneIsNone) {
    for (const char* name : {"", "Europe", "Europe/Berlinn", "/etc/passwd", "../zoneinfo/Europe/Berlin", "Europe/../Europe/Berlin",
                             "tzdata.zi", "zone.tab", "right/Europe/Berlin", "Europe//Berlin", "Europe/Berlin/"})
        EXPECT_EQ(zone_offset(name, 0), std::nullopt) << name;
    EXPECT_EQ(zone_offset(std::string(1000, 'A'), 0), std::nullopt);
}

} // namespace
} // namespace baton
