// When each part of the server is well, degraded, failing.
#include "server/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace baton::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using State = web::HealthPart::State;

struct HealthTest : testing::Test {
    HealthTest() {
        figures.now = time_from_micros(1'800'000'000'000'000);
        figures.is_connected = true;
        figures.disk_free = 10 * gib;
        figures.disk_free_limit = gib / 16;
    }

    web::HealthPart part(const std::string& name) const {
        const auto parts = health_parts(figures, engine);
        const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& one) { return one.name == name; });
        EXPECT_NE(found, parts.end()) << name;
        return *found;
    }
    std::int64_t ago(Duration age) const { return millis_of(figures.now - age); }

    static constexpr std::uint64_t gib = std::uint64_t{1} << 30;
    HealthFigures figures;
    orchestrator::runtime::EngineMetrics engine;
};

TEST_F(HealthTest, AllPartsAreNamedAlsoWhenTheyAreWell) {
    std::vector<std::string> names;
    for (const auto& one : health_parts(figures, engine)) {
        names.push_back(one.name);
        EXPECT_EQ(one.state, State::ok) << one.name << ": " << one.reason;
    }
    EXPECT_THAT(names, testing::ElementsAre("store", "broker", "disk", "outbox", "partitions", "workers", "runs", "workflows"));
}

TEST_F(HealthTest, TheStoreFailsWhenItRefusesForSomeSeconds) {
    engine.store_failing_since.set(ago(1s));
    EXPECT_EQ(part("store").state, State::ok);
    engine.store_failing_since.set(ago(12s));
    EXPECT_EQ(part("store").state, State::failing);
    EXPECT_THAT(part("store").reason, HasSubstr("12 s"));
}

TEST_F(HealthTest, ABrokerThatDoesNotAnswerFailsBeforeItsConnectionIsGivenUp) {
    figures.broker_silence = 9s;
    EXPECT_EQ(part("broker").state, State::ok);
    figures.broker_silence = 11s;
    EXPECT_EQ(part("broker").state, State::failing);
    EXPECT_THAT(part("broker").reason, HasSubstr("11 s"));
}

TEST_F(HealthTest, TheDiskIsDegradedBeforeItFails) {
    figures.disk_free = gib / 8;
    EXPECT_EQ(part("disk").state, State::degraded);
    figures.disk_free = gib / 32;
    EXPECT_EQ(part("disk").state, State::failing);
    EXPECT_THAT(part("disk").reason, HasSubstr("32 MiB are free"));
}

TEST_F(HealthTest, TheOutboxFailsWhenTheBrokerDoesNotConfirm) {
    engine.unpublished.set(3);
    engine.unconfirmed_since.set(ago(2s));
    EXPECT_EQ(part("outbox").state, State::ok);
    engine.unconfirmed_since.set(ago(20s));
    EXPECT_EQ(part("outbox").state, State::failing);
    EXPECT_THAT(part("outbox").reason, AllOf(HasSubstr("3 changes"), HasSubstr("20 s")));
    engine.unconfirmed_since.set(ago(1s));
    engine.is_full.set(1);
    EXPECT_EQ(part("outbox").state, State::failing);
}

TEST_F(HealthTest, TheBrokerFailsWithoutAConnection) {
    figures.is_connected = false;
    EXPECT_EQ(part("broker").state, State::failing);
}

TEST_F(HealthTest, PartitionsFailWhileAnotherServerTakesThem) {
    engine.fenced_at.set(ago(3s));
    EXPECT_EQ(part("partitions").state, State::failing);
    engine.fenced_at.set(ago(60s));
    EXPECT_EQ(part("partitions").state, State::ok);
}

TEST_F(HealthTest, AFolderThatDoesNotAnswerIsDegraded) {
    figures.folder_silence = 9s;
    EXPECT_EQ(part("workflows").state, State::ok);
    figures.folder_silence = 25s;
    EXPECT_EQ(part("workflows").state, State::degraded);
    EXPECT_THAT(part("workflows").reason, HasSubstr("25 s"));
}

TEST_F(HealthTest, WhatKeepsSomeRunsFromGoingOnIsDegraded) {
    figures.queue_troubles = {"a", "b", "c", "d", "e", "f", "g"};
    EXPECT_EQ(part("workers").state, State::degraded);
    EXPECT_EQ(part("workers").reason, "a; b; c; d; e; and 2 more");
    engine.unreadable_runs.set(2);
    EXPECT_EQ(part("runs").state, State::degraded);
}

} // namespace
} // namespace baton::server
