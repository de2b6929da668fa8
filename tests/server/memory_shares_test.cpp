// That what is shared out fits, for machines small and large.
#include "server/memory_shares.hpp"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

TEST(MemoryShares, AllFullAtOnceLeaveRoomForTheProgram) {
    for (std::uint64_t memory = 256 * mib; memory < 64 * 1024 * mib; memory += memory / 5) {
        const MemoryShares shares = share_memory(memory);
        const std::uint64_t broker =
            memory / 5 * 2 + memory / 10; // with what may be held above its watermark
        EXPECT_LE(broker + shares.runs + 2 * shares.http_bodies, memory - memory / 5)
            << memory / mib;
    }
}

TEST(MemoryShares, WhereThereIsEnoughTheyDoNotGrowWithIt) {
    const MemoryShares shares = share_memory(256 * 1024 * mib);
    EXPECT_EQ(shares.runs, 256 * mib);
    EXPECT_EQ(shares.http_bodies, 64 * mib);
}

TEST(MemoryShares, WhereThereIsLittleTheThreadsShareOneHeap) {
    EXPECT_TRUE(share_memory(512 * mib).one_heap);
    EXPECT_FALSE(share_memory(16 * 1024 * mib).one_heap);
}

TEST(MemoryShares, TheLargestBodyAlwaysFits) {
    EXPECT_GE(share_memory(64 * mib).http_bodies, 16 * mib);
}

} // namespace
} // namespace baton::server
