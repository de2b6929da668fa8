// How much connections may hold, beside a core that holds little, much, or more than it may.
#include "broker/net/held_memory.hpp"

#include <gtest/gtest.h>

namespace baton::broker::net {
namespace {

using std::chrono::seconds;
constexpr auto minute = std::chrono::minutes(1);

TEST(HeldMemory, IsLimitedTogetherWithWhatTheCoreHolds) {
    HeldMemory memory(1000, 900, minute);
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
    HeldMemory memory(1000, 900, minute);
    memory.set_core(5000);
    memory.add(250);
    EXPECT_EQ(memory.excess(), 0U);
    memory.add(50);
    EXPECT_EQ(memory.excess(), 50U);
}

TEST(HeldMemory, EveryThreadGivesInProportionToWhatItHolds) {
    HeldMemory memory(1000, 900, minute);
    memory.add(2250);
    // What another thread's connections hold that are being ended counts no more.
    memory.set_leaving(0, 800);
    EXPECT_EQ(memory.part_of_excess(memory.staying_bytes()), memory.excess());
    memory.set_leaving(800, 0);
    EXPECT_EQ(memory.part_of_excess(2250), 1000U);
    EXPECT_EQ(memory.part_of_excess(225), 100U);
    EXPECT_EQ(memory.part_of_excess(0), 0U);
    memory.take(1250);
    EXPECT_EQ(memory.part_of_excess(1000), 0U);
}

TEST(HeldMemory, PatienceWithWhatKeepsPublishersWaitingEnds) {
    HeldMemory memory(1000, 900, minute);
    const std::chrono::steady_clock::time_point start{seconds(1000)};
    memory.set_core(500);
    memory.add(450);
    memory.set_core(500);
    EXPECT_FALSE(memory.watch(start)) << "under the watermark nobody waits";
    EXPECT_FALSE(memory.watch(start + 2 * minute));
    memory.add(100);
    memory.set_core(500);
    EXPECT_FALSE(memory.watch(start + 3 * minute));
    EXPECT_EQ(memory.excess(), 0U);
    EXPECT_FALSE(memory.watch(start + 3 * minute + seconds(59)));
    EXPECT_TRUE(memory.watch(start + 4 * minute));
    EXPECT_EQ(memory.excess(), 150U) << "down to where publishers go on";
    memory.take(151);
    memory.set_core(500);
    EXPECT_FALSE(memory.watch(start + 5 * minute));
    EXPECT_FALSE(memory.is_impatient());
    EXPECT_EQ(memory.excess(), 0U);
}

TEST(HeldMemory, PatienceBeginsAnewWhenPublishersWentOn) {
    HeldMemory memory(1000, 900, minute);
    const std::chrono::steady_clock::time_point start{seconds(1000)};
    memory.add(1100);
    memory.set_core(0);
    EXPECT_FALSE(memory.watch(start));
    memory.take(1100);
    memory.set_core(0);
    EXPECT_FALSE(memory.watch(start + seconds(30)));
    memory.add(1100);
    memory.set_core(0);
    EXPECT_FALSE(memory.watch(start + seconds(61)));
    EXPECT_TRUE(memory.watch(start + seconds(121)));
}

TEST(HeldMemory, ACoreThatIsFullByItselfUsesUpNobodysPatience) {
    HeldMemory memory(1000, 900, minute);
    const std::chrono::steady_clock::time_point start{seconds(1000)};
    memory.add(200);
    memory.set_core(950);
    EXPECT_FALSE(memory.watch(start));
    EXPECT_FALSE(memory.watch(start + 2 * minute));
    EXPECT_EQ(memory.excess(), 0U);
}

} // namespace
} // namespace baton::broker::net
