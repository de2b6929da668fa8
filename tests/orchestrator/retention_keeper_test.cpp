// The keeper over SQLite: whose runs are removed and how far back, that it goes on until no old run is left, and that
// it ends when it is told to.
#include "orchestrator/retention_keeper.hpp"

#include "base/random.hpp"
#include "db/open_store.hpp"
#include "tests/support/sim_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <stdexcept>

namespace baton::orchestrator {
namespace {

using namespace std::chrono_literals;
using namespace runtime;
using testing::ElementsAre;
using testing::Pair;

class RetentionKeeperTest : public testing::Test {
protected:
    RetentionKeeperTest() {
        if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("cannot make a folder");
        store_ = db::open_store(url()).value();
        queries_ = db::open_queries(url()).value();
        const Partition parts[] = {0};
        owned_ = store_->take_over(parts, "test")->at(0);
    }
    ~RetentionKeeperTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::string url() const { return "sqlite:" + folder_ + "/baton.db"; }

    void deploy(const std::string& name, const std::string& head) {
        const std::string source = "workflow = \"" + name + "\"\n" + head + "[[step]]\nid = \"a\"\nset = { n = 1 }\n";
        ASSERT_TRUE(store_->save_definition(name, source, "w.toml", std::string(32, 's'), clock_.now()));
    }

    // Runs that ended `ago`.
    void add(const std::string& workflow, Duration ago, std::size_t count = 1) {
        Batch batch;
        for (std::size_t i = 0; i < count; ++i) {
            RunChange& change = batch.runs.emplace_back();
            change.created = NewRun{};
            change.created->workflow = workflow;
            change.created->started_at = clock_.now() - ago - 1s;
            change.created->input = "{}";
            change.run_id = uuid_v7(millis_of(change.created->started_at), random_);
            change.version = 1;
            change.status = RunStatus::completed;
            change.closed_at = clock_.now() - ago;
            change.pseq = ++owned_.pseq;
            change.at = clock_.now();
            change.state = change.events = "[]";
        }
        owned_.published = owned_.pseq;
        batch.fences = {owned_};
        ASSERT_TRUE(store_->commit(batch));
    }

    std::map<std::string, std::uint64_t> left() {
        std::map<std::string, std::uint64_t> counts;
        for (const RunCount& one : *queries_->counts()) counts[one.workflow] = one.count;
        return counts;
    }

    // What is left when the keeper has come so far.
    std::map<std::string, std::uint64_t> kept(std::optional<Duration> otherwise, std::uint64_t count) {
        RetentionKeeper keeper({.otherwise = otherwise, .pause = 1ms, .removal_time = 1ms}, [this] { return db::open_store(url()); }, clock_);
        const auto all = [&] {
            std::uint64_t sum = 0;
            for (const auto& [name, number] : left()) sum += number;
            return sum;
        };
        Mailbox<int> nobody;
        for (int i = 0; i < 6000 && all() > count; ++i) nobody.take(10ms);
        nobody.take(50ms); // some more sweeps, which must leave the others
        keeper.stop();
        keeper.stop();
        return left();
    }

    std::string folder_ = (std::filesystem::temp_directory_path() / "baton-keeper-XXXXXX").string();
    test::SimClock clock_;
    Random random_{7};
    std::unique_ptr<RunStore> store_;
    std::unique_ptr<RunQueries> queries_;
    OwnedPartition owned_;
};

TEST_F(RetentionKeeperTest, EachWorkflowSaysHowLongItsRunsAreKept) {
    deploy("days", "retention = \"2d\"\n");
    deploy("minutes", "retention = \"5m\"\n");
    deploy("silent", "");
    for (const char* name : {"days", "minutes", "silent"})
        for (const Duration ago : {Duration(4min), Duration(6min), Duration(47h), Duration(49h)}) add(name, ago);

    EXPECT_THAT(kept(std::nullopt, 8), ElementsAre(Pair("days", 3U), Pair("minutes", 1U), Pair("silent", 4U)));
}

TEST_F(RetentionKeeperTest, TheServerSaysItForTheOthers) {
    deploy("days", "retention = \"2d\"\n");
    deploy("silent", "");
    for (const char* name : {"days", "silent"})
        for (const Duration ago : {Duration(47h), Duration(49h)}) add(name, ago);
    add("silent", 30min);

    EXPECT_THAT(kept(1h, 2), ElementsAre(Pair("days", 1U), Pair("silent", 1U)));
}

TEST_F(RetentionKeeperTest, ItGoesOnWhileThereAreOldRuns) {
    deploy("days", "retention = \"2d\"\n");
    add("days", 49h, 300);
    add("days", 1h);

    EXPECT_THAT(kept(std::nullopt, 1), ElementsAre(Pair("days", 1U)));
}

TEST_F(RetentionKeeperTest, WhatAnUndeployedWorkflowSaidStillCounts) {
    deploy("days", "retention = \"2d\"\n");
    ASSERT_TRUE(store_->retire_definition("days"));
    add("days", 49h, 2);
    add("days", 1h);

    EXPECT_THAT(kept(std::nullopt, 1), ElementsAre(Pair("days", 1U)));
}

} // namespace
} // namespace baton::orchestrator
