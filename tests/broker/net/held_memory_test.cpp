// How much connections may hold, beside a core that holds little, much, or more than it may.
#include "broker/net/held_memory.hpp"

#include <gtest/gtest.h>

namespace baton::broker::net {
namespace {

TEST(HeldMemory, IsLimitedTogetherWithWhatTheCoreHolds) {
    HeldMemory memory(1000);
    memory.add(1250);
    EXPECT_EQ(memory.excess(), 0U) << "a quarter above the watermark";
    memory.add(1);
    EXPECT_EQ(memory.excess(), 1U);
    memory.set_core(500);
    EXPECT_EQ(memory.excess(), 501U);
    memory.take(1001);
    EXPECT_EQ(memory.bytes(), 250U);
    EXPECT_EQ(memory.excess(), 0U);
}

TEST(HeldMemory, AFullCoreIsNotHeldAgainstConnections) {
    HeldMemory memory(1000);
    memory.set_core(5000);
    memory.add(250);
    EXPECT_EQ(memory.excess(), 0U);
    memory.add(50);
    EXPECT_EQ(memory.excess(), 50U);
}

TEST(HeldMemory, EveryThreadGivesInProportionToWhatItHolds) {
    HeldMemory memory(1000);
    memory.add(2250);
    EXPECT_EQ(memory.part_of_excess(2250), 1000U);
    EXPECT_EQ(memory.part_of_excess(225), 100U);
    EXPECT_EQ(memory.part_of_excess(0), 0U);
    memory.take(1250);
    EXPECT_EQ(memory.part_of_excess(1000), 0U);
}

} // namespace
} // namespace baton::broker::net
