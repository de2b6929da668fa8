#include "broker/core/ring.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace baton::broker::core {
namespace {

TEST(Ring, BehavesLikeADequeUnderRandomUse) {
    std::mt19937 random(5);
    Ring<std::unique_ptr<int>> ring;
    std::deque<int> model;
    for (int step = 0; step < 20'000; ++step) {
        const auto choice = random() % 6;
        const std::size_t index = model.empty() ? 0 : random() % model.size();
        const auto offset = static_cast<std::ptrdiff_t>(index);
        if (choice <= 1) {
            ring.push_back(std::make_unique<int>(step));
            model.push_back(step);
        } else if (choice == 2) {
            ring.push_front(std::make_unique<int>(step));
            model.push_front(step);
        } else if (choice == 3) {
            ring.insert(index, std::make_unique<int>(step));
            model.insert(model.begin() + offset, step);
        } else if (choice == 4 && !model.empty()) {
            EXPECT_EQ(*ring.pop_front(), model.front());
            model.pop_front();
        } else if (!model.empty()) {
            EXPECT_EQ(*ring.take(index), model[index]);
            model.erase(model.begin() + offset);
        }
        ASSERT_EQ(ring.size(), model.size());
    }
    for (std::size_t at = 0; at < model.size(); ++at) EXPECT_EQ(*ring[at], model[at]);
}

TEST(Ring, KeepsItsItemsWhenItMoves) {
    Ring<int> ring;
    for (int item = 0; item < 100; ++item) ring.push_back(int{item});

    Ring<int> moved = std::move(ring);

    EXPECT_EQ(moved.size(), 100U);
    EXPECT_EQ(moved.back(), 99);
}

} // namespace
} // namespace baton::broker::core
