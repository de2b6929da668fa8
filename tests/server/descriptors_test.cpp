// How open files are shared out, for limits small and large.
#include "server/descriptors.hpp"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

TEST(Descriptors, EachHasAShareAndTheHouseKeepsItsOwn) {
    for (std::size_t limit = 64; limit <= 70'000; limit += limit / 3) {
        const DescriptorShares shares = share_descriptors(limit, 1);
        EXPECT_GE(shares.amqp, 4U) << limit;
        EXPECT_GE(shares.http, 4U) << limit;
        EXPECT_GE(shares.metrics, 2U) << limit;
        EXPECT_LE(shares.amqp + shares.http + shares.metrics, limit - 40) << limit;
        EXPECT_LE(shares.http, 1000U) << limit;
    }
    EXPECT_GE(share_descriptors(1024, 2).amqp, 800U) << "most are for AMQP";
}

TEST(Descriptors, WithoutALimitAsManyAsCome) {
    EXPECT_EQ(share_descriptors(0, 8).amqp, 0U);
    EXPECT_EQ(share_descriptors(0, 8).http, 1000U);
}

TEST(Descriptors, TooFewStillGiveEverybodySomething) {
    const DescriptorShares shares = share_descriptors(20, 8);
    EXPECT_EQ(shares.amqp, 4U);
    EXPECT_EQ(shares.http, 4U);
}

} // namespace
} // namespace baton::server
