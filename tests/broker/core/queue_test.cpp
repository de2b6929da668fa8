#include "broker/core/queue.hpp"

#include "broker/core/channel.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <random>

namespace baton::broker::core {
namespace {

QueueSettings with_priorities(std::uint8_t max) {
    QueueSettings settings;
    settings.priority_max = max;
    return settings;
}

void push(Queue& queue, std::string_view body, std::uint8_t priority = 0,
          Time expires_at = Time::max()) {
    queue.push({message(body, priority), queue.take_position(), expires_at});
}

std::string drained(Queue& queue) {
    std::string bodies;
    while (queue.ready() != 0) bodies += body_of(queue.pop());
    return bodies;
}

TEST(Queue, GivesMessagesInTheOrderTheyCame) {
    Queue queue({}, {});
    for (const char* body : {"a", "b", "c"}) push(queue, body);

    EXPECT_EQ(queue.ready_bytes(), 3U);
    EXPECT_EQ(drained(queue), "abc");
    EXPECT_EQ(queue.ready_bytes(), 0U);
}

TEST(Queue, GivesHigherPrioritiesFirstAndDropsLowerOnesFirst) {
    Queue queue({}, with_priorities(5));
    push(queue, "a", 1);
    push(queue, "b", 200);
    push(queue, "c", 0);
    push(queue, "d", 5);

    EXPECT_EQ(body_of(queue.pop_to_drop().value()), "c");
    EXPECT_EQ(drained(queue), "bda");
}

TEST(Queue, RequeuedMessageKeepsItsPlace) {
    Queue queue({}, {});
    for (const char* body : {"a", "b", "c", "d"}) push(queue, body);
    Entry a = queue.pop();
    Entry b = queue.pop();

    queue.put_back(std::move(b));
    queue.put_back(std::move(a));

    EXPECT_EQ(drained(queue), "abcd");
}

TEST(Queue, ManyReturnedInAnyMixtureStandInOrderAgain) {
    std::mt19937 random(11);
    for (int round = 0; round < 50; ++round) {
        Queue queue({}, {});
        for (char body = 'a'; body <= 'z'; ++body) push(queue, std::string(1, body));
        std::vector<Entry> first;
        std::vector<Entry> second;
        const auto taken = random() % 27;
        for (unsigned count = 0; count < taken; ++count)
            (random() % 2 != 0 ? first : second).push_back(queue.pop());

        queue.put_back_all(std::move(first));
        queue.put_back_all(std::move(second));

        EXPECT_EQ(drained(queue), "abcdefghijklmnopqrstuvwxyz");
    }
}

TEST(Queue, ExpiresOnlyAtItsHead) {
    Queue queue({}, {});
    const Time start = time_from_micros(0);
    push(queue, "later", 0, start + std::chrono::seconds(10));
    push(queue, "soon", 0, start + std::chrono::seconds(1));

    EXPECT_FALSE(queue.pop_expired(start + std::chrono::seconds(5)));
    EXPECT_EQ(queue.next_expiry(), start + std::chrono::seconds(10));
    EXPECT_EQ(body_of(*queue.pop_expired(start + std::chrono::seconds(10))), "later");
    EXPECT_EQ(body_of(*queue.pop_expired(start + std::chrono::seconds(10))), "soon");
    EXPECT_EQ(queue.next_expiry(), Time::max());
}

TEST(Queue, KnowsWhenItIsFullAndWhenOver) {
    QueueSettings settings;
    settings.length_max = 2;
    Queue queue({}, settings);
    push(queue, "a");
    EXPECT_FALSE(queue.is_full());
    push(queue, "b");
    EXPECT_TRUE(queue.is_full());
    EXPECT_FALSE(queue.is_over_limit());
    push(queue, "c");
    EXPECT_TRUE(queue.is_over_limit());
}

TEST(Queue, ReplaysWhatWasSaidAgainOutOfOrder) {
    Queue queue(QueueId{1});
    const auto store = [&](Position position, RecordNumber record) {
        queue.replay_stored({{.position = position, .record = record, .body_bytes = 1}});
    };
    for (Position position : {3U, 4U, 5U, 6U}) store(position, position);
    queue.replay_removed(4, 5);
    store(1, 10);
    store(3, 11); // said again
    store(2, 12);
    queue.replay_removed(2, 2);
    Queue::Identity identity;
    identity.id = QueueId{1};
    queue.become(std::move(identity), {});

    std::uint64_t blocks = 0;
    queue.finish_replay(true, {4, 2, 100}, [&] { return BlockId{++blocks}; });

    std::vector<std::pair<Position, RecordNumber>> found;
    queue.each_block([&](std::size_t, const PagedBlock& block) {
        for (const PagedEntry& entry : block.entries()) {
            found.emplace_back(entry.position, entry.record);
            EXPECT_TRUE(queue.is_redelivered(entry));
        }
    });
    EXPECT_EQ(found, (std::vector<std::pair<Position, RecordNumber>>{{1, 10}, {3, 11}, {6, 6}}));
    EXPECT_EQ(queue.ready(), 3U);
    EXPECT_EQ(queue.next_position(), 7U);
    EXPECT_FALSE(queue.has_front());
}

TEST(ReadyConsumers, TakeTurnsWithinTheHighestPriority) {
    ReadyConsumers ready;
    Consumer a, b, vip;
    vip.priority = 5;
    ready.add(a);
    ready.add(b);
    EXPECT_EQ(ready.first(), &a);
    ready.rotate(a);
    EXPECT_EQ(ready.first(), &b);
    ready.add(vip);
    EXPECT_EQ(ready.first(), &vip);
    ready.rotate(vip);
    EXPECT_EQ(ready.first(), &vip);
    ready.remove(vip);
    ready.remove(b);
    EXPECT_EQ(ready.first(), &a);
    ready.remove(a);
    EXPECT_TRUE(ready.empty());
    EXPECT_EQ(ready.first(), nullptr);
}

} // namespace
} // namespace baton::broker::core
