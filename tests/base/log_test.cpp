// The lines of the log, for people and for collectors.
#include "base/log.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace baton::log {
namespace {

std::string json_of(std::string_view message, Fields fields) {
    return line_of(Format::json, Level::warning, "engine", message, fields);
}

TEST(Log, WritesFieldsBehindTheMessage) {
    EXPECT_EQ(line_of(Format::text, Level::info, "broker", "listening",
                      {{"port", 5672}, {"why", "a \"b\""}}),
              R"(broker       listening port=5672 why="a \"b\"")");
}

TEST(Log, WritesOneObjectALineForCollectors) {
    const auto line =
        boost::json::parse(json_of("a run waits", {{"run", "r1"}, {"count", 3}})).as_object();
    EXPECT_EQ(line.at("level"), "warning");
    EXPECT_EQ(line.at("area"), "engine");
    EXPECT_EQ(line.at("msg"), "a run waits");
    EXPECT_EQ(line.at("run"), "r1");
    EXPECT_EQ(line.at("count"), "3");
    EXPECT_TRUE(line.at("ts").as_string().ends_with("Z"));
}

// Whatever a worker or a client says: the line stays one line, and one object.
TEST(Log, NoTextBreaksTheObject) {
    for (const std::string text :
         {"\"", "\\", "a\nb", "\x1b[2J", "\xff\xfe", "\xE2\x80\xAE", "\u2028", "{\"ts\":1}"}) {
        const std::string line = json_of(text, {{"said", text}});
        EXPECT_EQ(line.find('\n'), std::string::npos) << line;
        const auto object = boost::json::parse(line).as_object();
        EXPECT_EQ(object.at("msg"), object.at("said")) << line;
    }
    EXPECT_EQ(boost::json::parse(json_of("a\tb \"c\" \\", {})).as_object().at("msg"),
              "a\tb \"c\" \\");
}

TEST(Log, AFieldTakesNoPlaceThatEveryLineHas) {
    const auto line =
        boost::json::parse(json_of("said", {{"level", "debug"}, {"ts", "never"}})).as_object();
    EXPECT_EQ(line.at("level"), "warning");
    EXPECT_EQ(line.at("level_"), "debug");
    EXPECT_EQ(line.at("ts_"), "never");
}

} // namespace
} // namespace baton::log
