// A named limit among several servers: never more granted than it says, whoever asks when; nobody
// waits for ever; and with engines on one store, which die and take over from each other, never
// more out.
#include "orchestrator/definition/catalog.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/limit_shares.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;

// The rows as a store keeps them.
struct Table {
    std::vector<LimitShare> rows;
    Time next_turn{};

    LimitAnswer ask(const std::string& node, LimitAsk ask, Time now) {
        ask.limit = "crm";
        SharedOut out = share_out(ask, node, rows, next_turn, now);
        next_turn = out.next_turn;
        for (const LimitShare& one : out.written) {
            std::erase_if(rows, [&](const LimitShare& row) { return row.part == one.part; });
            rows.push_back(one);
        }
        return out.answer;
    }
    std::uint32_t granted() const {
        std::uint32_t sum = 0;
        for (const LimitShare& row : rows)
            sum += row.granted;
        return sum;
    }
};

std::uint32_t sum_of(const LimitAnswer& answer) {
    std::uint32_t sum = 0;
    for (const auto& [part, count] : answer.granted)
        sum += count;
    return sum;
}

LimitAsk asked(std::vector<LimitAsk::Part> parts, std::uint32_t wanted,
               std::optional<std::uint32_t> most, std::optional<Duration> interval = {}) {
    LimitAsk ask;
    ask.max_concurrent = most;
    ask.interval = interval;
    ask.parts = std::move(parts);
    ask.wanted = wanted;
    return ask;
}

const Time start = time_from_micros(1'000'000'000'000);

TEST(LimitShares, OneAloneMayHaveAllOfItAndGivesItBackWhenItHasNothingToDo) {
    Table table;

    const LimitAnswer first = table.ask("a", asked({{0, 1, 0}, {1, 1, 0}}, 7, 10), start);
    EXPECT_GE(sum_of(first), 7U);
    EXPECT_EQ(first.unmet, 0U);
    EXPECT_EQ(table.ask("a", asked({{0, 1, 4}, {1, 1, 3}}, 9, 10), start).unmet, 6U);
    EXPECT_EQ(table.granted(), 10U);
    table.ask("a", asked({{0, 1, 0}, {1, 1, 0}}, 0, 10), start);

    EXPECT_EQ(table.granted(), 0U);
}

TEST(LimitShares, WhoComesLaterHasAFairPartAsSoonAsTasksEnd) {
    Table table;
    table.ask("a", asked({{0, 1, 0}}, 20, 10), start);

    EXPECT_EQ(table.ask("b", asked({{1, 1, 0}}, 20, 10), start).unmet, 20U);
    EXPECT_EQ(table.ask("a", asked({{0, 1, 10}}, 20, 10), start).fair, 5U);
    EXPECT_EQ(sum_of(table.ask("a", asked({{0, 1, 6}}, 20, 10), start)), 6U); // four have ended
    EXPECT_EQ(sum_of(table.ask("b", asked({{1, 1, 0}}, 20, 10), start)), 4U);
    table.ask("a", asked({{0, 1, 5}}, 20, 10), start);
    EXPECT_EQ(sum_of(table.ask("b", asked({{1, 1, 4}}, 20, 10), start)), 5U);
}

TEST(LimitShares, OfOnePlaceEachHasItInTurn) {
    Table table;
    std::map<std::string, int> had;
    std::map<std::string, std::uint32_t> used{{"a", 0}, {"b", 0}, {"c", 0}};
    for (int round = 0; round < 90; ++round) {
        const Time now = start + std::chrono::milliseconds(50 * round);
        for (auto& [node, out] : used) {
            out = 0; // its task has ended
            const Partition part = static_cast<Partition>(node[0] - 'a');
            const std::uint32_t granted = sum_of(table.ask(node, asked({{part, 1, 0}}, 5, 1), now));
            ASSERT_LE(table.granted(), 1U);
            had[node] += static_cast<int>(granted);
        }
    }
    EXPECT_THAT(had, testing::Each(testing::Pair(testing::_, testing::Ge(20))));
}

TEST(LimitShares, WhatIsOutGoesToTheNextOwnerOfThePartitionAndTheFormerOneSaysNothingAnyMore) {
    Table table;
    table.ask("a", asked({{0, 1, 0}, {1, 1, 0}}, 10, 10), start);
    table.ask("a", asked({{0, 1, 6}, {1, 1, 4}}, 0, 10), start);

    // a was killed; b has partition 1 and has counted what is out there.
    EXPECT_EQ(table.ask("b", asked({{1, 2, 4}}, 5, 10), start).granted.at(1), 4U);
    EXPECT_EQ(table.granted(), 10U);
    // a did not die after all, and does not know yet.
    const LimitAnswer late = table.ask("a", asked({{0, 1, 6}, {1, 1, 0}}, 3, 10), start);
    EXPECT_FALSE(late.granted.contains(1));
    EXPECT_EQ(table.granted(), 10U);
    // Partition 0 has a new owner, too, and two of its tasks have ended meanwhile.
    EXPECT_EQ(table.ask("b", asked({{0, 2, 4}, {1, 2, 4}}, 5, 10), start).unmet, 3U);
    EXPECT_EQ(table.granted(), 10U);
}

TEST(LimitShares, AtNoMomentIsMoreGrantedThanTheLimitWhateverHappens) {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        std::mt19937 random(seed);
        Table table;
        const std::uint32_t most = 1 + random() % 12;
        struct Owner {
            std::string node;
            std::uint64_t epoch = 1;
            std::uint32_t used = 0;
        };
        std::map<Partition, Owner> parts;
        for (Partition part = 0; part < 6; ++part)
            parts[part] = {std::string(1, static_cast<char>('a' + part % 3))};
        for (int step = 0; step < 200; ++step) {
            const Time now = start + std::chrono::milliseconds(step);
            if (random() % 10 == 0) { // a take-over
                Owner& owner = parts[static_cast<Partition>(random() % 6)];
                owner.node = std::string(1, static_cast<char>('a' + random() % 3));
                ++owner.epoch;
            }
            const std::string node(1, static_cast<char>('a' + random() % 3));
            std::vector<LimitAsk::Part> mine;
            for (auto& [part, owner] : parts) {
                if (owner.node != node) continue;
                owner.used -= owner.used == 0 ? 0 : random() % (owner.used + 1); // some end
                mine.push_back({part, owner.epoch, owner.used});
            }
            if (mine.empty()) continue;
            const LimitAnswer answer = table.ask(node, asked(mine, random() % 8, most), now);
            ASSERT_LE(table.granted(), most) << "seed " << seed;
            for (const auto& [part, granted] : answer.granted) {
                ASSERT_GE(granted, parts[part].used);
                parts[part].used = granted; // all of it is handed out
            }
        }
    }
}

TEST(LimitShares, TurnsOfARateAreTakenByOneAndComeInTheirTime) {
    Table table;
    int turns = 0;
    std::map<std::string, int> had;
    for (int ms = 0; ms < 10'000; ms += 10)
        for (const std::string node : {"a", "b"}) {
            const auto answer = table.ask(
                node, asked({{static_cast<Partition>(node[0] - 'a'), 1, 0}}, 5, {}, 100ms),
                start + std::chrono::milliseconds(ms));
            turns += static_cast<int>(answer.turns);
            had[node] += static_cast<int>(answer.turns);
        }
    EXPECT_THAT(turns, testing::AllOf(testing::Ge(90), testing::Le(100)));
    EXPECT_GE(std::min(had["a"], had["b"]), 30);
}

// ------------------------------------------------------------------ engines

constexpr std::uint16_t limited_partitions = 4;

Outcome<std::shared_ptr<core::Workflow>> compile_limited(const std::string& source,
                                                         const std::string& file) {
    const auto loaded = definition::load(source, file);
    if (!loaded)
        return Failure{make_error_code(EngineErrc::bad_definition),
                       definition::render(loaded.diagnostics, source)};
    return std::make_shared<core::Workflow>(*loaded.workflow);
}

EngineOptions options(std::uint64_t seed) {
    EngineOptions made;
    made.seed = seed;
    made.partitions = {};
    made.is_shared = true;
    made.partition_count = limited_partitions;
    made.node = fmt::format("node-{}", seed);
    return made;
}

struct Server {
    Server(test::SimDatabase& database, const Clock& clock, std::uint64_t seed,
           std::map<std::string, core::DispatchTask>& told)
        : store(database),
          engine(options(seed), store, clock, compile_limited, {.tell = [&told](const Told& one) {
                     for (const auto& command : one.commands)
                         if (const auto* task = std::get_if<core::DispatchTask>(&command.command))
                             told.emplace(task->run_id + task->ref.step, *task);
                 }}) {}
    void work() {
        while (engine.work()) {
        }
    }
    test::SimStore store;
    Engine engine;
};

struct Cluster {
    explicit Cluster(const std::string& limit) {
        database.clock = &clock;
        test::SimStore first(database);
        EXPECT_TRUE(first.make_partitions(limited_partitions));
        for (int i = 0; i < 2; ++i)
            add();
        share_out_partitions();
        servers.front()->engine.deploy(
            "workflow = \"many\"\n[limits.crm]\n" + limit +
                "\n[[step]]\nid = \"all\"\n"
                "for_each = \"[1,2,3,4,5,6]\"\nmax_parallel = 6\ntask = \"t.a\"\nlimit = \"crm\"\n",
            "many.toml",
            [](const Outcome<Deployed>& one) { ASSERT_TRUE(one) << one.error().detail; });
        work();
    }
    void add() { servers.push_back(std::make_unique<Server>(database, clock, ++seed, told)); }
    // As ownership does it: what is another one's goes, what nobody living has is taken.
    void share_out_partitions() {
        for (int turn = 0; turn < 2; ++turn) {
            for (std::size_t at = 0; at < servers.size(); ++at) {
                Assignment mine;
                for (Partition part = 0; part < limited_partitions; ++part) {
                    if (part % servers.size() != at) continue;
                    mine.ours.push_back(part);
                    mine.takeable.push_back({part, database.owners[part].epoch, ""});
                }
                servers[at]->engine.assign(mine);
            }
            work();
        }
    }
    void work() {
        for (auto& one : servers)
            one->work();
    }
    std::size_t out() const {
        std::size_t count = 0;
        for (const auto& [id, task] : told)
            count += reported.contains(id) || core::is_closed(database.runs.at(task.run_id).status)
                         ? 0
                         : 1;
        return count;
    }
    void report_one(std::mt19937& random) {
        std::vector<std::string> open;
        for (const auto& [id, task] : told)
            if (!reported.contains(id)) open.push_back(id);
        if (open.empty()) return;
        const std::string& id = open[random() % open.size()];
        const core::DispatchTask& task = told.at(id);
        const Partition part = partition_of(task.run_id, limited_partitions);
        Server& owner = *servers[part % servers.size()];
        reported.insert(id);
        owner.engine.report(
            {{task.run_id, core::TaskCompleted{task.ref, core::Document::parse("{}").value()}, 1}});
    }
    bool all_done() const {
        return std::ranges::all_of(database.runs, [](const auto& one) {
            return one.second.status == RunStatus::completed;
        });
    }

    test::SimClock clock;
    test::SimDatabase database;
    std::uint64_t seed = 0;
    std::map<std::string, core::DispatchTask> told;
    std::set<std::string> reported;
    std::vector<std::unique_ptr<Server>> servers;
};

TEST(SharedLimits, SoManyTasksAreOutAsItSaysOverTwoServersThatAreKilled) {
    for (unsigned seed = 1; seed <= 12; ++seed) {
        Cluster house("max_concurrent = 3");
        std::mt19937 random(seed);
        for (int i = 0; i < 6; ++i)
            house.servers[static_cast<std::size_t>(i) % 2]->engine.start_run(
                {"many", 0, "{}", ""}, [](const Outcome<Started>&) {});
        std::size_t most = 0;
        for (int round = 0; round < 1500 && (house.database.runs.size() < 6 || !house.all_done());
             ++round) {
            house.work();
            most = std::max(most, house.out());
            house.clock.advance(20ms);
            if (random() % 40 ==
                0) { // kill -9 of one; the other one takes all, and a new one its part
                house.servers.erase(house.servers.begin() +
                                    static_cast<long>(random() % house.servers.size()));
                if (!house.servers.empty() && random() % 2 == 0) house.share_out_partitions();
                house.add();
                house.share_out_partitions();
            } else if (random() % 3 != 0) {
                house.report_one(random);
            }
        }
        EXPECT_TRUE(house.all_done()) << "seed " << seed;
        EXPECT_EQ(house.database.runs.size(), 6U);
        EXPECT_EQ(most, 3U) << "seed " << seed;
        // What is a limit's is given back when nothing is to be done.
        for (int i = 0; i < 20; ++i) {
            house.work();
            house.clock.advance(100ms);
        }
        for (const LimitShare& row : house.database.limit_shares["crm"])
            EXPECT_EQ(row.granted + row.wanted, 0U);
    }
}

TEST(SharedLimits, BothServersHandOutAtTheRateOfOne) {
    Cluster house("rate = \"10/s\"");
    for (int i = 0; i < 6; ++i)
        house.servers[static_cast<std::size_t>(i) % 2]->engine.start_run(
            {"many", 0, "{}", ""}, [](const Outcome<Started>&) {});
    house.work();
    const std::size_t before = house.told.size();
    for (int ms = 0; ms < 2000; ms += 5) {
        house.clock.advance(5ms);
        house.work();
    }
    EXPECT_THAT(house.told.size() - before, testing::AllOf(testing::Ge(17U), testing::Le(21U)));
    std::set<Partition> served;
    for (const auto& [id, task] : house.told)
        served.insert(static_cast<Partition>(partition_of(task.run_id, limited_partitions) % 2));
    EXPECT_EQ(served.size(), 2U);
}

} // namespace
} // namespace baton::orchestrator::runtime
