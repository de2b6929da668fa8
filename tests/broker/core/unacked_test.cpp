// Which deliveries wait for their end, against a simple model, and what it costs to remember them.
#include "broker/core/unacked.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace baton::broker::core {
namespace {

class Deliveries : public testing::Test {
protected:
    void deliver(std::uint64_t tag) {
        deliveries.add(Entry{message(std::to_string(tag)), tag * 10}, queue, nullptr, tag);
    }
    Entry close(std::uint64_t tag) { return deliveries.close(deliveries[deliveries.find(tag)]); }

    Queue queue{QueueId{1}};
    UnackedDeliveries deliveries;
};

TEST_F(Deliveries, AreThoseOfASimpleModelWhateverEnds) {
    for (std::uint32_t seed = 1; seed <= 12; ++seed) {
        std::mt19937 random(seed);
        deliveries = {};
        std::map<std::uint64_t, Position> model;
        std::uint64_t next_tag = 1;
        for (int step = 0; step < 16'000; ++step) {
            // Backlogs grow and melt away.
            const std::uint32_t delivers = step % 8000 < 4000 ? 90 : 10; // of 100
            const std::uint64_t some_tag = random() % (next_tag + 2);
            const auto choice = random() % 100;
            if (choice < delivers) {
                if (random() % 8 == 0) ++next_tag; // somebody else's, who does not acknowledge
                model.emplace(next_tag, next_tag * 10);
                deliver(next_tag++);
            } else if (random() % 4000 != 0) {
                const auto from = model.lower_bound(some_tag);
                const std::size_t at = deliveries.find(some_tag);
                ASSERT_EQ(at == deliveries.size(), from == model.end() || from->first != some_tag);
                if (from == model.end()) continue;
                // The neighbour, so that most steps end one.
                const Entry entry = close(from->first);
                EXPECT_EQ(entry.position, from->second);
                EXPECT_EQ(body_of(entry), std::to_string(from->first));
                model.erase(from);
                deliveries.trim();
            } else {
                const std::size_t last = deliveries.first_from(some_tag);
                for (std::size_t at = 0; at < last; ++at)
                    if (deliveries[at].is_open()) deliveries.close(deliveries[at]);
                model.erase(model.begin(), model.lower_bound(some_tag));
                deliveries.trim();
            }
            ASSERT_EQ(deliveries.open(), model.size());
            ASSERT_LE(deliveries.size(), 2 * model.size() + 1024);
        }
        auto known = model.begin();
        for (std::size_t at = 0; at < deliveries.size(); ++at) {
            if (!deliveries[at].is_open()) continue;
            ASSERT_EQ(deliveries[at].tag, known->first) << "seed " << seed;
            ++known;
        }
        EXPECT_EQ(known, model.end());
    }
}

TEST_F(Deliveries, OneNobodyEndsHoldsNoPlaceForThoseBehindIt) {
    deliver(1);
    for (std::uint64_t tag = 2; tag <= 100'000; ++tag) {
        deliver(tag);
        close(tag);
        deliveries.trim();
        ASSERT_LE(deliveries.size(), 1024 + 2);
    }
    EXPECT_EQ(body_of(close(1)), "1");
    deliveries.trim();
    EXPECT_EQ(deliveries.size(), 0U);
}

} // namespace
} // namespace baton::broker::core
