// What is declared, and that everybody declares the same.
#include "contract/topology.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace baton::contract {
namespace {

template <typename Kind>
const Kind* find(const std::vector<Declaration>& all, std::string_view name) {
    for (const Declaration& one : all)
        if (const auto* found = std::get_if<Kind>(&one); found && found->name == name) return found;
    return nullptr;
}

TEST(Topology, TaskQueueIsDeadLetteredAndBoundToItsType) {
    const auto all = task_declarations("mail.create");

    const Queue* queue = find<Queue>(all, "baton.task.mail.create");
    ASSERT_NE(queue, nullptr);
    EXPECT_EQ(queue->arguments.text("x-queue-type"), "quorum");
    EXPECT_EQ(queue->arguments.text("x-dead-letter-exchange"), "baton.dead");
    EXPECT_EQ(queue->arguments.text("x-dead-letter-strategy"), "at-least-once");
    EXPECT_EQ(queue->arguments.text("x-overflow"), "reject-publish");
    EXPECT_EQ(queue->arguments.integer("x-delivery-limit"), 5);
    const Declaration binding = Binding{"baton.task.mail.create", "baton.task", "mail.create"};
    EXPECT_NE(std::find(all.begin(), all.end(), binding), all.end());
}

TEST(Topology, TaskOfAnOwnQueueHasAKeyOfItsOwn) {
    EXPECT_EQ(task_key("mail.create"), "mail.create");
    EXPECT_EQ(task_key("mail.create", "eu"), "mail.create.eu");
    EXPECT_EQ(task_queue(task_key("mail.create", "eu")), "baton.task.mail.create.eu");
}

TEST(Topology, TaskWithoutQueueGoesToUnrouted) {
    const auto all = common_declarations();

    const Exchange* tasks = find<Exchange>(all, "baton.task");
    ASSERT_NE(tasks, nullptr);
    EXPECT_EQ(tasks->kind, "topic");
    EXPECT_EQ(tasks->arguments.text("alternate-exchange"), "baton.unrouted");
    EXPECT_EQ(find<Exchange>(all, "baton.unrouted")->kind, "fanout");
}

TEST(Topology, ReportQueueHasOneActiveConsumer) {
    const auto all = report_declarations(7);

    const Queue* queue = find<Queue>(all, "baton.report.7");
    ASSERT_NE(queue, nullptr);
    EXPECT_EQ(queue->arguments.flag("x-single-active-consumer"), true);
}

TEST(Topology, NothingIsBoundBeforeItIsDeclared) {
    for (const auto& all : {common_declarations(), task_declarations("a.b"), report_declarations(0)}) {
        std::set<std::string> names;
        for (const Declaration& one : all) {
            if (const auto* exchange = std::get_if<Exchange>(&one)) names.insert("e" + exchange->name);
            if (const auto* queue = std::get_if<Queue>(&one)) names.insert("q" + queue->name);
            if (const auto* binding = std::get_if<Binding>(&one)) {
                EXPECT_TRUE(names.contains("e" + binding->exchange)) << binding->exchange;
                EXPECT_TRUE(names.contains("q" + binding->queue)) << binding->queue;
            }
        }
    }
}

TEST(Topology, WorkerAndOrchestratorDeclareTheSame) {
    const auto common = common_declarations();

    for (const Declaration& one : task_declarations("a.b")) {
        if (const auto* exchange = std::get_if<Exchange>(&one)) {
            ASSERT_NE(find<Exchange>(common, exchange->name), nullptr) << exchange->name;
            EXPECT_EQ(*find<Exchange>(common, exchange->name), *exchange);
        }
        const auto* queue = std::get_if<Queue>(&one);
        if (queue && find<Queue>(common, queue->name))
            EXPECT_EQ(*find<Queue>(common, queue->name), *queue);
    }
}

} // namespace
} // namespace baton::contract
