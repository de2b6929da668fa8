#include "base/trace.hpp"

#include <gtest/gtest.h>

#include <set>

namespace baton::trace {
namespace {

constexpr const char* example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr const char* run = "0193a5c2-7d41-7abc-8def-0123456789ab";
const Given started{example, "vendor=1"};

TEST(Trace, TraceparentIsReadAndWritten) {
    const auto context = parse(example);

    ASSERT_TRUE(context);
    EXPECT_EQ(to_hex(context->trace), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(to_hex(context->span), "b7ad6b7169203331");
    EXPECT_TRUE(context->is_sampled);
    EXPECT_EQ(to_text(*context), example);
}

TEST(Trace, WhatTheSpecificationWantsIgnoredIsIgnored) {
    const std::string good = example;
    for (const std::string& wrong :
         {std::string{}, good.substr(1), good + "0", good + "-extra", "ff" + good.substr(2),
          "0x" + good.substr(2), "00-" + std::string(32, '0') + good.substr(35),
          good.substr(0, 36) + std::string(16, '0') + "-01",
          "00-0AF7651916CD43DD8448EB211C80319C" + good.substr(35), good.substr(0, 53) + "0g",
          std::string(55, '-')})
        EXPECT_FALSE(parse(wrong)) << wrong;
}

TEST(Trace, ALaterVersionIsReadAsFarAsItIsKnown) {
    const std::string good = example;

    const auto context = parse("cc" + good.substr(2) + "-what-comes-then");

    ASSERT_TRUE(context);
    EXPECT_EQ(to_text(*context), example) << "passed on as the version that is known";
    EXPECT_FALSE(parse("cc" + good.substr(2) + ".what"));
}

TEST(Trace, AStateThatIsNoneIsLeftOut) {
    EXPECT_EQ(given(example, "a=1,b=2"), (Given{example, "a=1,b=2"}));
    EXPECT_EQ(given(example, "a=\r\nEvil: 1"), (Given{example, ""}));
    EXPECT_EQ(given(example, std::string(513, 'a')), (Given{example, ""}));
    EXPECT_EQ(given("nonsense", "a=1"), Given{});
}

TEST(Trace, ARunWithoutAStarterIsATraceByItsId) {
    const Context context = context_of(run, {}, {});

    EXPECT_EQ(to_hex(context.trace), "0193a5c27d417abc8def0123456789ab");
    EXPECT_EQ(context.span, 0U);
    EXPECT_TRUE(context.is_sampled);
    EXPECT_EQ(context_of("no uuid", {}, {}), context_of("no uuid", {}, {}));
    EXPECT_NE(to_hex(context_of("no uuid", {}, {}).trace), std::string(32, '0'));
}

TEST(Trace, WhoeverStartedItDecidesWhetherItIsRecorded) {
    std::string not_recorded = example;
    not_recorded.back() = '0';

    EXPECT_TRUE(context_of(run, started, {.ratio = 0}).is_sampled);
    EXPECT_FALSE(context_of(run, {not_recorded, ""}, {.ratio = 1}).is_sampled);
}

TEST(Trace, TheLastSevenBytesSayWhetherATraceIsAmongTheRatio) {
    const auto is_recorded = [](const char* id, double ratio) {
        return context_of(id, {}, {.ratio = ratio}).is_sampled;
    };

    EXPECT_TRUE(is_recorded("0193a5c2-7d41-7abc-8d3f-ffffffffffff", 0.25));
    EXPECT_FALSE(is_recorded("0193a5c2-7d41-7abc-8d40-000000000000", 0.25));
    EXPECT_FALSE(is_recorded("0193a5c2-7d41-7abc-8d00-000000000000", 0));
    EXPECT_TRUE(is_recorded("0193a5c2-7d41-7abc-8dff-ffffffffffff", 1));
}

TEST(Trace, EverySpanHasAnIdOfItsOwnThatStays) {
    std::set<std::uint64_t> ids{run_span(run),
                                attempt_span(run, "a", false, 1),
                                attempt_span(run, "a", false, 2),
                                attempt_span(run, "a", true, 1),
                                attempt_span(run, "b", false, 1),
                                message_span(run, "a", false, 1),
                                run_span("another")};

    EXPECT_EQ(ids.size(), 7U);
    EXPECT_FALSE(ids.contains(0));
    EXPECT_EQ(attempt_span(run, "a", false, 1), attempt_span(run, "a", false, 1));
}

TEST(Trace, WithoutACollectorOfOursWhoTakesTheTaskIsAChildOfTheStarter) {
    EXPECT_EQ(onward(run, started, {.is_exported = false}, 5), started);
    EXPECT_EQ(onward(run, started, {.is_exported = true}, 5),
              (Given{"00-0af7651916cd43dd8448eb211c80319c-0000000000000005-01", "vendor=1"}));
    EXPECT_EQ(onward(run, {}, {.is_exported = false}, 5),
              (Given{"00-0193a5c27d417abc8def0123456789ab-0000000000000005-01", ""}));
}

} // namespace
} // namespace baton::trace
