// Several engines on one store in memory: partitions are shared out, handed over in order, taken
// from the dead and from those that hang; one partition's trouble stays its own; what is asked
// anywhere is done by the owner.
#include "base/mailbox.hpp"
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/ownership.hpp"
#include "tests/support/compile.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t partitions_shared = 8;

const std::string owned_step = R"(
workflow = "one"
timeout = "1h"
[input]
n = { type = "integer" }
[[step]]
id = "first"
task = "a.one"
)";

using test::compile;

struct Node;

// The broker between them: a request goes to whoever owns the partition.
struct House {
    House() {
        database.clock = &clock;
        test::SimStore first(database);
        EXPECT_TRUE(first.make_partitions(partitions_shared));
    }
    Node& add(const std::string& name);
    // Until nothing moves any more.
    void settle();
    Node* owner(Partition part);
    std::set<Partition> all() const {
        std::set<Partition> parts;
        for (Partition part = 0; part < partitions_shared; ++part)
            parts.insert(part);
        return parts;
    }

    test::SimDatabase database;
    test::SimClock clock;
    std::map<std::string, std::unique_ptr<Node>> nodes;
};

struct Node {
    Node(House& house, const std::string& given)
        : name(given),
          store(house.database),
          session(house.database),
          engine(options(given), store, house.clock, compile,
                 {.tell =
                      [this](Told told) {
                          for (auto& one : told.commands)
                              commands.push_back(std::move(one));
                          for (const auto handle : told.settled)
                              settled.push_back(handle);
                          for (const auto handle : told.returned)
                              returned.push_back(handle);
                      },
                  .listen =
                      [this](std::vector<Partition> parts, std::function<void()> done) {
                          heard = {parts.begin(), parts.end()};
                          if (is_deaf_to_orders)
                              late.push_back(std::move(done));
                          else
                              done();
                      },
                  .forward =
                      [this, &house](Partition part, Request request, std::weak_ptr<const int>,
                                     Reply<Answer> reply) {
                          forwarded.push_back(word_of(request.kind).data());
                          Node* to = house.owner(part);
                          if (to == nullptr)
                              return reply(Failure{make_error_code(EngineErrc::moving), "nobody"});
                          // As it travels.
                          to->engine.ask(request_from_json(to_json(request)).value(),
                                         [reply](Outcome<Answer> answer) {
                                             reply(answer_from_json(to_json(answer)));
                                         });
                      }}),
          ownership({given, "test"}, session, house.clock, engine) {}

    static EngineOptions options(const std::string& name) {
        EngineOptions made;
        made.partitions = {};
        made.is_shared = true;
        made.partition_count = partitions_shared;
        made.node = name;
        made.seed = std::hash<std::string>{}(name) | 1;
        return made;
    }
    void work() {
        while (engine.work()) {
        }
    }
    void confirm_all() {
        std::vector<OutboxPlace> places;
        for (const auto& one : commands)
            places.push_back(one.place);
        engine.confirmed(places);
        commands.clear();
    }
    void die() {
        store.end_session();
        session.end_session();
    }
    // The wish is the thread's, which nobody else needs.
    void drain() {
        Mailbox<int> seen;
        ownership.start();
        ownership.drain(true, [&seen](const Outcome<void>& done) { seen.put(done ? 1 : 0); });
        EXPECT_THAT(seen.take(60s), ElementsAre(1));
        ownership.stop();
    }
    std::string start() {
        std::string run_id;
        engine.start_run({"one", 0, "{}", ""}, [&](Outcome<Started> one) {
            ASSERT_TRUE(one) << one.error().detail;
            run_id = one->run_id;
        });
        work();
        return run_id;
    }
    void complete(const std::string& run_id, DeliveryHandle handle) {
        engine.report(
            {{run_id, core::TaskCompleted{{"first", false, 1}, core::Document::parse("{}").value()},
              handle}});
    }
    std::set<Partition> owned() const {
        std::set<Partition> parts;
        for (const auto& [part, owner] : database().owner_names)
            if (owner == name) parts.insert(part);
        return parts;
    }
    const test::SimDatabase& database() const { return *where; }

    std::string name;
    test::SimStore store;
    test::SimStore session; // the ownership's
    std::vector<OutgoingCommand> commands;
    std::vector<DeliveryHandle> settled, returned;
    std::set<Partition> heard;
    std::vector<std::string> forwarded;
    bool is_deaf_to_orders = false; // the broker takes its time
    std::vector<std::function<void()>> late;
    Engine engine;
    Ownership ownership;
    const test::SimDatabase* where = nullptr;
};

Node& House::add(const std::string& name) {
    auto made = std::make_unique<Node>(*this, name);
    made->where = &database;
    return *nodes.emplace(name, std::move(made)).first->second;
}

void House::settle() {
    for (int round = 0; round < 5; ++round)
        for (auto& [name, node] : nodes) {
            EXPECT_TRUE(node->ownership.look());
            node->work();
            node->confirm_all();
            node->work();
        }
}

Node* House::owner(Partition part) {
    const auto found = nodes.find(database.owner_names[part]);
    return found == nodes.end() ? nullptr : found->second.get();
}

struct OwnershipTest : testing::Test {
    // Of the node's partitions.
    std::string run_of(Node& node) {
        std::string run_id = node.start();
        EXPECT_EQ(house.owner(partition_of(run_id, partitions_shared)), &node);
        return run_id;
    }
    void deploy(Node& node, const std::string& source = owned_step) {
        node.engine.deploy(source, "one.toml", [](Outcome<Deployed> one) { ASSERT_TRUE(one); });
        node.work();
    }

    House house;
};

TEST_F(OwnershipTest, ALoneNodeHasEverything) {
    Node& a = house.add("a");
    house.settle();
    EXPECT_EQ(a.owned(), house.all());
    EXPECT_EQ(a.heard, house.all());
    EXPECT_EQ(a.engine.metrics().partitions_owned.value(), partitions_shared);
}

TEST_F(OwnershipTest, ANewNodeGetsItsShareWithoutAnyFenceRefusing) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    const std::string run = run_of(a);
    Node& b = house.add("b");
    house.settle();

    EXPECT_FALSE(a.owned().empty());
    EXPECT_FALSE(b.owned().empty());
    EXPECT_EQ(a.owned().size() + b.owned().size(), partitions_shared);
    EXPECT_EQ(a.heard, a.owned());
    EXPECT_EQ(b.heard, b.owned());
    EXPECT_EQ(a.engine.metrics().lost_partitions.value(), 0u);
    EXPECT_EQ(house.database.runs[run].status, RunStatus::running);
}

TEST_F(OwnershipTest, APartitionIsGivenBackOnlyWhenNobodyListensAndTheBrokerHasItsMessages) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    std::vector<std::string> runs;
    for (int i = 0; i < 40; ++i)
        runs.push_back(a.start());
    a.is_deaf_to_orders = true;
    Node& b = house.add("b");
    ASSERT_TRUE(b.ownership.look());
    b.work();
    ASSERT_TRUE(a.ownership.look());
    a.work();
    EXPECT_EQ(a.owned(), house.all()) << "the broker may still bring reports";
    EXPECT_LT(a.heard.size(), partitions_shared);

    for (const auto& done : std::exchange(a.late, {}))
        done();
    a.is_deaf_to_orders = false;
    a.work();
    EXPECT_EQ(a.owned(), house.all()) << "its tasks are not confirmed";
    a.confirm_all();
    a.work();
    EXPECT_EQ(a.owned(), a.heard);
    for (const auto& [part, row] : house.database.owners)
        if (!a.owned().contains(part)) {
            EXPECT_EQ(row.published, row.pseq) << part;
        }

    house.settle();
    b.commands.clear();
    EXPECT_EQ(b.owned().size() + a.owned().size(), partitions_shared);
    for (const std::string& run : runs) {
        Node& owner = *house.owner(partition_of(run, partitions_shared));
        owner.complete(run, 1);
        owner.work();
        EXPECT_EQ(house.database.runs[run].status, RunStatus::completed);
    }
}

TEST_F(OwnershipTest, WhatTheBrokerNeverConfirmsIsLeftToTheNextOwner) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    for (int i = 0; i < 40; ++i)
        a.start();
    Node& b = house.add("b");
    ASSERT_TRUE(b.ownership.look());
    ASSERT_TRUE(a.ownership.look());
    a.work();
    house.clock.advance(3s);
    a.work();
    EXPECT_LT(a.owned().size(), partitions_shared);
    ASSERT_TRUE(b.ownership.look());
    b.work();
    EXPECT_THAT(b.commands, testing::Not(IsEmpty())) << "published again";
}

TEST_F(OwnershipTest, ADeadNodesPartitionsAreTakenByTheNextLook) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(b);
    b.die();
    house.clock.advance(200ms);

    ASSERT_TRUE(a.ownership.look());
    a.work();

    EXPECT_EQ(a.owned(), house.all());
    EXPECT_FALSE(house.database.nodes.contains("b"));
    a.complete(run, 5);
    a.work();
    EXPECT_EQ(house.database.runs[run].status, RunStatus::completed);
}

TEST_F(OwnershipTest,
       ANodeThatHangsLosesItsPartitionsAfterItsLeaseAndChangesNothingWhenItComesBack) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(b);
    const std::string other = run_of(b);
    house.clock.advance(4s);
    ASSERT_TRUE(a.ownership.look());
    a.work();
    EXPECT_FALSE(b.owned().empty()) << "its lease lasts";
    house.clock.advance(2s);
    ASSERT_TRUE(a.ownership.look());
    a.work();
    EXPECT_EQ(a.owned(), house.all());

    // It wakes up in the middle of a report, and knows nothing yet.
    b.complete(run, 7);
    b.work();
    EXPECT_THAT(b.settled, IsEmpty());
    EXPECT_EQ(house.database.runs[run].version, 1u);
    EXPECT_EQ(b.engine.metrics().lost_partitions.value(), 1u);
    EXPECT_THAT(b.returned, ElementsAre(7)) << "the broker gives it to the owner";
    house.settle();
    EXPECT_FALSE(b.owned().empty()) << "it has a share again";
    EXPECT_EQ(b.heard, b.owned());
    Node& owner = *house.owner(partition_of(other, partitions_shared));
    owner.complete(other, 8);
    owner.work();
    EXPECT_EQ(house.database.runs[other].status, RunStatus::completed);
}

// A quiet partition, of which no commit says that it is gone.
TEST_F(OwnershipTest, ANodeThatWakesGetsBackWhatWasTakenAndIsFreeAgain) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(b);
    house.clock.advance(6s);
    ASSERT_TRUE(a.ownership.look());
    a.work();
    ASSERT_EQ(a.owned(), house.all());
    // Announced again by whoever is alive, it is preferred; its engine has heard of nothing yet.
    ASSERT_TRUE(b.session.announce({"b", "test", false, true, 5s}));
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(a.ownership.look());
        a.work();
        a.confirm_all();
        a.work();
    }
    ASSERT_EQ(house.database.owner_names[partition_of(run, partitions_shared)], "");

    house.settle();
    EXPECT_EQ(a.owned().size() + b.owned().size(), partitions_shared)
        << "nobody's partition stands still";
    house.clock.advance(2h);
    b.work();
    EXPECT_EQ(house.database.runs[run].status, RunStatus::timed_out);
    EXPECT_EQ(b.engine.metrics().commit_failures.value(), 0u);
}

TEST_F(OwnershipTest, ARefusedFenceLosesThatPartitionAndNothingElse) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    std::map<Partition, std::string> runs;
    while (runs.size() < partitions_shared) {
        const std::string run = a.start();
        runs.emplace(partition_of(run, partitions_shared), run);
    }
    ++house.database.owners[3].epoch; // somebody has taken it, in this moment
    house.database.owner_names[3] = "zombie";
    DeliveryHandle handle = 0;
    for (const auto& [part, run] : runs)
        a.complete(run, ++handle);
    a.work();

    for (const auto& [part, run] : runs)
        EXPECT_EQ(house.database.runs[run].status,
                  part == 3 ? RunStatus::running : RunStatus::completed)
            << part;
    EXPECT_THAT(a.settled, SizeIs(partitions_shared - 1));
    EXPECT_THAT(a.returned, ElementsAre(4));
    EXPECT_EQ(a.heard.count(3), 0u);
    EXPECT_EQ(a.engine.metrics().commit_failures.value(), 0u);
    // Whoever took it is not announced, and may live all the same; then it is taken back.
    house.settle();
    EXPECT_EQ(a.owned().count(3), 0u);
    house.clock.advance(Neighbours::patience);
    house.settle();
    EXPECT_EQ(a.owned(), house.all());
    a.complete(runs[3], 99);
    a.work();
    EXPECT_EQ(house.database.runs[runs[3]].status, RunStatus::completed);
}

TEST_F(OwnershipTest, AStoreThatFailsTakesNothingAway) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(a);
    const auto before = a.owned();
    a.store.on_commit = [left = 1]() mutable {
        return left-- > 0 ? test::SimStore::Fault::after : test::SimStore::Fault::none;
    };
    a.complete(run, 3);
    a.work();
    house.clock.advance(1s);
    a.work();
    EXPECT_EQ(house.database.runs[run].status, RunStatus::completed);
    EXPECT_EQ(house.database.runs[run].version, 2u);
    EXPECT_THAT(a.settled, ElementsAre(3));
    EXPECT_EQ(a.owned(), before);
    EXPECT_EQ(a.owned().size() + b.owned().size(), partitions_shared);
}

TEST_F(OwnershipTest, WhatAnotherTookWhileTheStoreWasAwayStaysWithIt) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(a);
    const Partition part = partition_of(run, partitions_shared);
    a.store.on_commit = [left = 1]() mutable {
        return left-- > 0 ? test::SimStore::Fault::before : test::SimStore::Fault::none;
    };
    a.complete(run, 3);
    a.engine.work();
    test::SimStore third(house.database);
    const SeenPartition seen{part, house.database.owners[part].epoch, "a"};
    ASSERT_THAT(third.take_over_from({&seen, 1}, "b").value(), SizeIs(1));
    house.clock.advance(1s);
    a.work();
    EXPECT_EQ(house.database.owner_names[part], "b");
    EXPECT_EQ(a.heard.count(part), 0u);
    EXPECT_THAT(a.returned, ElementsAre(3));
    EXPECT_FALSE(b.owned().empty());
}

TEST_F(OwnershipTest, ANodeThatDrainsGivesAllAwayAndStillAnswers) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    a.drain();
    house.settle();
    EXPECT_THAT(a.owned(), IsEmpty());
    EXPECT_EQ(b.owned(), house.all());

    std::optional<Started> started;
    a.engine.start_run({"one", 0, "{}", ""}, [&](Outcome<Started> one) {
        ASSERT_TRUE(one) << one.error().detail;
        started = *one;
    });
    a.work();
    b.work();
    a.work();
    ASSERT_TRUE(started);
    EXPECT_TRUE(started->is_new);
    EXPECT_EQ(house.database.runs[started->run_id].status, RunStatus::running);
}

// ------------------------------------------------------------------ requests to the owner

TEST_F(OwnershipTest, WhatIsAskedAnywhereIsDoneByTheOwner) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    house.settle(); // b hears of the workflow
    const std::string run = run_of(b);

    std::optional<RunChanged> changed, cancelled;
    a.engine.wait_for_change(run, 1, [&](Outcome<RunChanged> one) {
        ASSERT_TRUE(one) << one.error().detail;
        changed = *one;
    });
    a.engine.cancel(
        run, "because",
        [&](Outcome<RunChanged> one) {
            ASSERT_TRUE(one) << one.error().detail;
            cancelled = *one;
        },
        "ada");
    a.work();
    b.work();
    a.work();

    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->run_id, run);
    EXPECT_EQ(cancelled->status, house.database.runs[run].status);
    EXPECT_THAT(house.database.history.back().events,
                AllOf(HasSubstr("because"), HasSubstr("ada")));
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->seq, cancelled->seq);
    EXPECT_THAT(a.forwarded, ElementsAre("watch", "cancel"));
}

TEST_F(OwnershipTest, ARunIsOperatedFromAnywhere) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    house.settle();
    const std::string run = run_of(b);
    const auto ask = [&](core::Event event) {
        std::optional<RunChanged> done;
        a.engine.operate(
            run, std::move(event), "because",
            [&](Outcome<RunChanged> one) {
                ASSERT_TRUE(one) << one.error().detail;
                done = *one;
            },
            "ada");
        a.work();
        b.work();
        a.work();
        EXPECT_TRUE(done);
        EXPECT_THAT(house.database.history.back().events,
                    AllOf(HasSubstr("because"), HasSubstr("ada")));
        return done ? done->status : RunStatus::queued;
    };
    EXPECT_EQ(ask(core::PauseRequested{"because"}), RunStatus::paused);
    EXPECT_EQ(ask(core::ResumeRequested{"because"}), RunStatus::running);
    EXPECT_EQ(ask(core::OutputGiven{"first", core::Document::parse("7").value(), "because"}),
              RunStatus::completed);
    EXPECT_THAT(a.forwarded, ElementsAre("pause", "resume", "set_output"));
}

TEST_F(OwnershipTest, ARefusalComesBackWithItsReason) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    house.settle();
    const std::string run = run_of(b);
    std::optional<Failure> refused, unknown;
    a.engine.retry(run, false, [&](Outcome<RunChanged> one) { refused = one.error(); });
    std::string nobody;
    for (int number = 100;
         nobody.empty() || house.owner(partition_of(nobody, partitions_shared)) != &b; ++number)
        nobody = fmt::format("0198c0de-0000-7000-8000-000000000{}", number);
    a.engine.cancel(nobody, "", [&](Outcome<RunChanged> one) { unknown = one.error(); });
    a.work();
    b.work();
    a.work();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, EngineErrc::refused);
    ASSERT_TRUE(unknown);
    EXPECT_EQ(unknown->code, EngineErrc::unknown_run);
    EXPECT_THAT(unknown->detail, HasSubstr(nobody));
}

TEST_F(OwnershipTest, ARequestForAPartitionThatIsAboutToComeWaitsForIt) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    const std::string run = run_of(a);
    const Partition part = partition_of(run, partitions_shared);
    ++house.database.owners[part].epoch; // lost and free again
    house.database.owner_names[part].clear();
    std::optional<RunChanged> cancelled;
    a.complete(run, 1);
    a.engine.cancel(run, "", [&](Outcome<RunChanged> one) {
        ASSERT_TRUE(one) << one.error().detail;
        cancelled = *one;
    });
    a.work();
    EXPECT_FALSE(cancelled);
    EXPECT_THAT(a.forwarded, IsEmpty());
    house.settle();
    EXPECT_TRUE(cancelled);
}

TEST_F(OwnershipTest, ARequestThatFindsNoOwnerSaysSoAndIsNotSentOnForEver) {
    Node& a = house.add("a");
    house.settle();
    deploy(a);
    const std::string run = run_of(a);
    a.drain();
    house.settle();
    // The row says that it is this node's, and the node knows better.
    house.database.owner_names[partition_of(run, partitions_shared)] = "a";
    std::optional<Failure> refused;
    a.engine.cancel(run, "", [&](Outcome<RunChanged> one) { refused = one.error(); });
    for (int hop = 0; hop < 10; ++hop)
        a.work();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, EngineErrc::moving);
    EXPECT_LE(a.forwarded.size(), 5u);
}

TEST_F(OwnershipTest, AKeyIsUniqueOverAllNodes) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    house.settle();
    std::vector<Started> started;
    for (Node* node : {&a, &b, &a}) {
        node->engine.start_run({"one", 0, R"({"n":1})", "the-key"}, [&](Outcome<Started> one) {
            ASSERT_TRUE(one) << one.error().detail;
            started.push_back(*one);
        });
        node->work();
    }
    ASSERT_THAT(started, SizeIs(3));
    EXPECT_TRUE(started[0].is_new);
    EXPECT_FALSE(started[1].is_new);
    EXPECT_FALSE(started[2].is_new);
    EXPECT_EQ(started[0].run_id, started[1].run_id);
    EXPECT_EQ(house.database.runs.size(), 1u);
}

TEST_F(OwnershipTest, ADeployIsNoticedEverywhereAndSoIsItsEnd) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    EXPECT_FALSE(b.start().empty()) << "at once, by looking into the store";
    const std::string second = "# second\n" + owned_step;
    deploy(a, second);
    house.settle();
    std::optional<Started> started;
    b.engine.start_run({"one", 0, "{}", ""}, [&](Outcome<Started> one) { started = one.value(); });
    b.work();
    ASSERT_TRUE(started);
    EXPECT_EQ(started->workflow_version, 2u);

    a.engine.undeploy("one", [](Outcome<Undeployed> one) { ASSERT_TRUE(one); });
    a.work();
    house.settle();
    std::optional<Failure> refused;
    b.engine.start_run({"one", 0, "{}", ""}, [&](Outcome<Started> one) { refused = one.error(); });
    b.work();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, EngineErrc::unknown_workflow);
}

TEST_F(OwnershipTest, AlarmsRingWhereTheRunIs) {
    Node& a = house.add("a");
    Node& b = house.add("b");
    house.settle();
    deploy(a);
    const std::string run = run_of(b);
    b.die();
    house.clock.advance(200ms);
    ASSERT_TRUE(a.ownership.look());
    a.work();
    house.clock.advance(2h);
    a.work();
    b.work(); // a zombie that looks at its clock
    EXPECT_EQ(house.database.runs[run].status, RunStatus::timed_out);
    EXPECT_EQ(house.database.runs[run].version, 2u);
}

} // namespace
} // namespace baton::orchestrator::runtime
