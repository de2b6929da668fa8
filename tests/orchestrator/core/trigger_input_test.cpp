// Occasions of triggers: which types a pattern takes, and what names the run of an event.
#include "orchestrator/core/trigger_input.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

TEST(TriggerInput, APatternFitsAsTheBrokersTopicsDo) {
    EXPECT_TRUE(topic_fits("hr.employee.left", "hr.employee.left"));
    EXPECT_FALSE(topic_fits("hr.employee.left", "hr.employee"));
    EXPECT_FALSE(topic_fits("hr.employee", "hr.employee.left"));
    EXPECT_TRUE(topic_fits("hr.*.left", "hr.employee.left"));
    EXPECT_FALSE(topic_fits("hr.*", "hr.employee.left"));
    EXPECT_FALSE(topic_fits("hr.*", "hr"));
    EXPECT_TRUE(topic_fits("#", "hr.employee.left"));
    EXPECT_TRUE(topic_fits("hr.#", "hr"));
    EXPECT_TRUE(topic_fits("hr.#", "hr.employee.left"));
    EXPECT_TRUE(topic_fits("#.left", "hr.employee.left"));
    EXPECT_TRUE(topic_fits("#.left", "left"));
    EXPECT_TRUE(topic_fits("hr.#.left.#", "hr.left.left.late"));
    EXPECT_TRUE(topic_fits("#.a.b", "a.a.b"));
    EXPECT_TRUE(topic_fits("*.#.b", "a.b.a.b"));
    EXPECT_FALSE(topic_fits("#.a.b", "a.b.a"));
    EXPECT_FALSE(topic_fits("*.*.#", "a"));
    EXPECT_FALSE(topic_fits("hr.*x", "hr.ax"));
}

// A star for each # of a long type must not take for ever.
TEST(TriggerInput, APatternOfManyHashesIsDecidedAtOnce) {
    std::string pattern, type;
    for (int i = 0; i < 60; ++i) {
        pattern += "#.a.";
        type += "a.a.";
    }
    EXPECT_FALSE(topic_fits(pattern + "b", type + "c"));
}

TEST(TriggerInput, AnEventIsForThoseWhoWantItsTypeAndItsSource) {
    EXPECT_TRUE(is_for({"hr.*", ""}, "hr.left", "/anywhere"));
    EXPECT_TRUE(is_for({"hr.*", "/hr"}, "hr.left", "/hr"));
    EXPECT_FALSE(is_for({"hr.*", "/hr"}, "hr.left", ""));
    EXPECT_FALSE(is_for({"hr.*", "/hr"}, "shop.left", "/hr"));
}

TEST(TriggerInput, AnEventIsNamedByItsSourceAndItsId) {
    const Trigger one{"one", EventTrigger{"t", ""}, {}, {}, 0};
    const Trigger other{"other", EventTrigger{"t", ""}, {}, {}, 0};
    EXPECT_EQ(start_key_of_event(one, "/shop", "7"), start_key_of_event(one, "/shop", "7"));
    EXPECT_NE(start_key_of_event(one, "/shop", "7"), start_key_of_event(one, "/shop7", ""));
    EXPECT_NE(start_key_of_event(one, "/shop", "7"), start_key_of_event(one, "/store", "7"));
    EXPECT_NE(start_key_of_event(one, "/shop", "7"), start_key_of_event(other, "/shop", "7"));
    EXPECT_LT(start_key_of_event(one, std::string(100'000, 's'), "7").size(), 200u);
}

} // namespace
} // namespace baton::orchestrator::core
