#include "mqtt/topic.hpp"
#include "tests/mqtt/naive_match.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace baton::mqtt {
namespace {

using namespace std::string_literals;

struct MatchRow {
    std::string filter;
    std::vector<std::string> meets;
    std::vector<std::string> misses;
};

// The examples of §4.7.1 to §4.7.3, and what is near them.
const std::vector<MatchRow>& match_rows() {
    static const std::vector<MatchRow> rows{
        {"sport/tennis/player1/#",
         {"sport/tennis/player1", "sport/tennis/player1/ranking",
          "sport/tennis/player1/score/wimbledon", "sport/tennis/player1/"},
         {"sport/tennis/player2", "sport/tennis", "sport/tennis/player10",
          "sport/tennis/player1x/ranking", "/sport/tennis/player1", "Sport/tennis/player1"}},
        {"sport/#",
         {"sport", "sport/", "sport/tennis", "sport//", "sport/a/b/c/d"},
         {"sports", "spor", "/sport", "$sport"}},
        {"#",
         {"a", "/", "//", "a/", "/a", "sport/tennis", "a b", "ä", ".", "a$", "a/$SYS"},
         {"$SYS", "$SYS/", "$SYS/broker", "$", "$/a", "$share/g/a"}},
        {"sport/tennis/+",
         {"sport/tennis/player1", "sport/tennis/player2", "sport/tennis/"},
         {"sport/tennis/player1/ranking", "sport/tennis", "sport/tennis//", "sport/tenni/x"}},
        {"sport/+",
         {"sport/", "sport/tennis"},
         {"sport", "sport/tennis/", "sport//", "sports/tennis"}},
        {"+",
         {"finance", "a b", "ä", ".", "finance."},
         {"/finance", "a/", "a/b", "/", "$SYS", "$"}},
        {"+/+", {"/finance", "a/b", "/", "a/"}, {"finance", "a/b/c", "//", "$SYS/a", "$/"}},
        {"/+", {"/finance", "/", "/$SYS"}, {"finance", "//", "/a/", "finance/a"}},
        {"+/tennis/#",
         {"sport/tennis", "sport/tennis/a", "/tennis", "/tennis/"},
         {"tennis", "a/b/tennis", "$a/tennis", "sport/tenni"}},
        {"sport/+/player1",
         {"sport/tennis/player1", "sport//player1"},
         {"sport/player1", "sport/tennis/player1/", "sport/tennis/player2", "sport/a/b/player1"}},
        {"+/monitor/Clients",
         {"a/monitor/Clients", "/monitor/Clients"},
         {"$SYS/monitor/Clients", "a/monitor/clients"}},
        {"$SYS/#",
         {"$SYS", "$SYS/", "$SYS/broker", "$SYS/broker/load"},
         {"$SYSa", "SYS", "a/$SYS", "$sys/broker"}},
        {"$SYS/monitor/+",
         {"$SYS/monitor/Clients", "$SYS/monitor/"},
         {"$SYS/monitor", "$SYS/monitor/a/b"}},
        {"$SYS/+/#", {"$SYS/a", "$SYS/", "$SYS/a/b"}, {"$SYS", "SYS/a"}},
        {"ACCOUNTS", {"ACCOUNTS"}, {"Accounts", "ACCOUNTS/", "/ACCOUNTS", "ACCOUNT", "ACCOUNTSS"}},
        {"Accounts payable",
         {"Accounts payable"},
         {"Accounts", "Accounts  payable", "Accounts payable "}},
        {"/", {"/"}, {"a", "//", "/a", "a/"}},
        {"//", {"//"}, {"/", "///", "/a/", "a//"}},
        {"/#", {"/", "//", "/a", "/a/b"}, {"a", "a/"}},
        {"//#", {"/", "//", "//a", "//a/b"}, {"/a", "a//"}},
        {"a//b", {"a//b"}, {"a/b", "a///b", "a/x/b"}},
        {"a/+/+/d", {"a/b/c/d", "a///d", "a/b//d"}, {"a/b/d", "a/b/c/c/d", "a/b/c/", "a/b/c/D"}},
        {"+/+/+", {"a/b/c", "//", "a//c", "a/b/"}, {"a/b", "a/b/c/d", "$a/b/c", "///"}},
        {"+/#", {"a", "a/", "a/b/c", "/", "//"}, {"$SYS", "$SYS/a"}},
        {"+/+/#", {"a/b", "a/b/c", "/", "a/"}, {"a", "$a/b"}},
        {"a/+/#", {"a/b", "a/", "a/b/c", "a//"}, {"a", "b/a", "ab/c"}},
        {"é/ü/+", {"é/ü/x", "é/ü/", "é/ü/\xF0\xAA\x9B\x94"}, {"e/ü/x", "é/u/x", "é/ü"}},
        {"spBv1.0/+/DDATA/#",
         {"spBv1.0/G/DDATA", "spBv1.0/G/DDATA/n"},
         {"spBv1/0/G/DDATA", "spBv1.0/G/DCMD/n"}},
        {"a*b", {"a*b"}, {"a/b", "axb", "ab"}},
        {"*", {"*"}, {"a", "/"}},
        {".", {"."}, {"/", "a"}},
        {"a/b/c/d/e/f/g/h",
         {"a/b/c/d/e/f/g/h"},
         {"a/b/c/d/e/f/g", "a/b/c/d/e/f/g/h/i", "a/b/c/d/e/f/g/"}},
    };
    return rows;
}

TEST(Topic, MeetsItsFilters) {
    std::size_t count = 0;
    for (const MatchRow& row : match_rows()) {
        EXPECT_TRUE(is_filter(row.filter)) << row.filter;
        for (const bool is_met : {true, false})
            for (const std::string& topic : is_met ? row.meets : row.misses) {
                ++count;
                EXPECT_TRUE(is_topic(topic)) << topic;
                EXPECT_EQ(matches(row.filter, topic), is_met) << row.filter << " and " << topic;
                EXPECT_EQ(test::naive_match(row.filter, topic), is_met)
                    << row.filter << " and " << topic;
            }
    }
    EXPECT_GE(count, 150U);
}

TEST(Topic, MatchAgreesWithTheNaiveOne) {
    std::mt19937 random(11);
    const auto some = [&](const std::vector<std::string>& levels) {
        std::string text = levels[random() % levels.size()];
        for (std::size_t i = random() % 6; i > 0; --i)
            text.append("/").append(levels[random() % levels.size()]);
        return text;
    };
    std::size_t met = 0;
    for (int round = 0; round < 40000; ++round) {
        std::string filter = some({"a", "b", "", "+", "+", "$x"});
        if (random() % 3 == 0) filter += "/#";
        const std::string topic = some({"a", "b", "", "$x"});
        const bool is_met = matches(filter, topic);
        ASSERT_EQ(is_met, test::naive_match(filter, topic)) << filter << " and " << topic;
        met += is_met;
    }
    EXPECT_GT(met, 2000U);
}

// As long as texts may be, and with as many levels: work that grows with the length only.
TEST(Topic, MatchesLongOnesInTime) {
    std::string filter = "+";
    std::string topic = "a";
    while (filter.size() + 4 < 65'535) {
        filter += "/+";
        topic += "/a";
    }
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(matches(filter, topic));
        EXPECT_TRUE(matches(filter + "/#", topic));
        EXPECT_FALSE(matches(filter + "/b", topic + "/a"));
        EXPECT_FALSE(matches(filter, topic + "/a"));
    }
}

TEST(Topic, IsANameWithoutWildcards) {
    for (const std::string& topic : {"a"s, "/"s, "//"s, " "s, "$SYS"s, "a.b*c"s, "ä"s, "\x01"s})
        EXPECT_TRUE(is_topic(topic)) << topic;
    for (const std::string& topic : {""s, "#"s, "+"s, "a+"s, "a/#"s, "a/b+c"s, "\0"s, "a\0b"s})
        EXPECT_FALSE(is_topic(topic)) << topic;
}

TEST(Topic, FiltersHaveWildcardsAsWholeLevels) {
    for (const std::string& filter : {"a"s, "/"s, "#"s, "+"s, "/#"s, "+/#"s, "a/#"s, "+/+"s, "/+/"s,
                                      "+/a"s, "$share/g/#"s, "a/+/b/#"s, " "s, "*"s})
        EXPECT_TRUE(is_filter(filter)) << filter;
    for (const std::string& filter :
         {""s, "a#"s, "#a"s, "#/"s, "#/a"s, "a/#/b"s, "a+"s, "+a"s, "a/b+/c"s, "a/+b/c"s, "++"s,
          "##"s, "+#"s, "#+"s, "a/##"s, "\0"s, "a\0/#"s})
        EXPECT_FALSE(is_filter(filter)) << filter;
}

TEST(Topic, SharedFiltersComeInParts) {
    EXPECT_FALSE(as_shared("a/b").has_value());
    EXPECT_FALSE(as_shared("$share").has_value());
    EXPECT_FALSE(as_shared("$shared/g/a").has_value());
    EXPECT_FALSE(as_shared("/$share/g/a").has_value());
    const auto parts = [](std::string_view filter) {
        const Shared shared = as_shared(filter).value();
        return std::pair(std::string(shared.group), std::string(shared.filter));
    };
    using Parts = std::pair<std::string, std::string>;
    EXPECT_EQ(parts("$share/g/a/b"), Parts("g", "a/b"));
    EXPECT_EQ(parts("$share/g/#"), Parts("g", "#"));
    EXPECT_EQ(parts("$share/g//"), Parts("g", "/"));
    EXPECT_EQ(parts("$share/g/$share/h/a"), Parts("g", "$share/h/a"));
    for (const std::string broken :
         {"$share/", "$share/g", "$share//a", "$share/g/", "$share/+/a", "$share/#/a",
          "$share/g#/a", "$share/a+b/c", "$share/g/a#", "$share/g/#/a", "$share/#"})
        EXPECT_EQ(parts(broken).second, "") << broken;
}

TEST(Topic, StandsInAmqpWithItsSignsSwapped) {
    EXPECT_EQ(to_key("site/7/alarm"), "site.7.alarm");
    EXPECT_EQ(to_key("+/a/#"), "*.a.#");
    EXPECT_EQ(to_key("spBv1.0/G/DDATA"), "spBv1/0.G.DDATA");
    EXPECT_EQ(to_key("a*b"), "a+b");
    EXPECT_EQ(to_key(""), "");
    EXPECT_EQ(to_topic("site.7.alarm"), "site/7/alarm");
    std::string text = "a/b.c+d*e#$";
    swap_in_place(text);
    EXPECT_EQ(text, "a.b/c*d+e#$");

    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (std::size_t i = random() % 20; i > 0; --i)
            bytes.push_back(random() % 2 == 0 ? "/.+*"[random() % 4] : static_cast<char>(random()));
        EXPECT_EQ(to_topic(to_key(bytes)), bytes);
        EXPECT_EQ(to_key(to_topic(bytes)), bytes);
    }
}

} // namespace
} // namespace baton::mqtt
