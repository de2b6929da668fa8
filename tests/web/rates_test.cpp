#include "web/broker/rate_keeper.hpp"
#include "web/broker/rates.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace baton::web {
namespace {

namespace json = boost::json;

Time at(int second) { return Time{std::chrono::seconds(1'000'000 + second)}; }

FlowValues published(std::uint64_t count, std::uint64_t messages = 0) {
    FlowValues values;
    values.flows[0] = count;
    values.lengths[0] = messages;
    return values;
}

struct Answer {
    json::object stats;
    json::object lengths;
};

Answer rates_answer(const Rates& rates, const RateQuery& query, Time now, const std::string& key = "q") {
    Answer answer;
    rates.put_into(answer.stats, &answer.lengths, FlowKind::queue, key, query, now);
    return answer;
}

double rate_of(const json::object& object, std::string_view name) {
    return object.at(name).at("rate").as_double();
}

TEST(Rates, AreTheGrowthBetweenTheLastTwoSamples) {
    Rates rates;
    rates.note_one(FlowKind::queue, "q", published(10, 5), at(0));
    EXPECT_EQ(rate_of(rates_answer(rates, {}, at(0)).stats, "publish_details"), 0.0);

    rates.note_one(FlowKind::queue, "q", published(110, 3), at(5));
    // Sooner than a sample is due.
    rates.note_one(FlowKind::queue, "q", published(999, 999), at(6));

    const auto answer = rates_answer(rates, {}, at(6));
    EXPECT_EQ(rate_of(answer.stats, "publish_details"), 20.0);
    EXPECT_EQ(rate_of(answer.lengths, "messages_details"), -0.4);
    EXPECT_EQ(rate_of(answer.stats, "ack_details"), 0.0);
    EXPECT_FALSE(answer.stats.at("publish_details").as_object().contains("samples"));
}

TEST(Rates, ACounterThatBeganAnewHasNoRate) {
    Rates rates;
    rates.note_one(FlowKind::queue, "q", published(100), at(0));
    rates.note_one(FlowKind::queue, "q", published(3), at(5));

    EXPECT_EQ(rate_of(rates_answer(rates, {}, at(5)).stats, "publish_details"), 0.0);
}

TEST(Rates, SamplesAreAtWholeMultiplesTheNewestFirst) {
    Rates rates;
    for (int second = 0; second <= 20; second += 5)
        rates.note_one(FlowKind::queue, "q", published(static_cast<std::uint64_t>(second) * 2), at(second));

    RateQuery query;
    query.flows = SampleWish{std::chrono::seconds(20), std::chrono::seconds(10)};
    const auto answer = rates_answer(rates, query, at(23));

    EXPECT_EQ(json::serialize(answer.stats.at("publish_details").at("samples")),
              R"([{"sample":40,"timestamp":1000020000},{"sample":20,"timestamp":1000010000},)"
              R"({"sample":0,"timestamp":1000000000}])");
    EXPECT_EQ(answer.stats.at("publish_details").at("avg_rate").as_double(), 2.0);
    EXPECT_EQ(answer.stats.at("publish_details").at("avg").as_double(), 20.0);
    EXPECT_FALSE(answer.lengths.at("messages_details").as_object().contains("samples"));
}

TEST(Rates, WhatHappenedWhileNobodyLookedIsNoPeakAtTheEnd) {
    Rates rates;
    rates.note_one(FlowKind::queue, "q", published(0), at(0));
    rates.note_one(FlowKind::queue, "q", published(400), at(40));

    RateQuery query;
    query.flows = SampleWish{std::chrono::seconds(40), std::chrono::seconds(10)};
    const auto answer = rates_answer(rates, query, at(40));

    EXPECT_EQ(json::serialize(answer.stats.at("publish_details").at("samples")),
              R"([{"sample":400,"timestamp":1000040000},{"sample":300,"timestamp":1000030000},)"
              R"({"sample":200,"timestamp":1000020000},{"sample":100,"timestamp":1000010000},)"
              R"({"sample":0,"timestamp":1000000000}])");
}

TEST(Rates, LookingAtOneOfTooManyQueuesDoesNotListThemAll) {
    boost::asio::io_context io;
    std::vector<broker::core::OverviewWish> wishes;
    const auto keeper = std::make_shared<RateKeeper>(
        [] { return at(0); }, [&](broker::core::OverviewWish wish, auto) { wishes.push_back(std::move(wish)); }, [](auto) {});
    RateKeeper::Overview all, one;
    all.queues.resize(20'001);
    one.queues.resize(1);

    keeper->look(io.get_executor(), FlowKind::overview, one, true);
    keeper->look(io.get_executor(), FlowKind::queue, all, true);
    keeper->look(io.get_executor(), FlowKind::queue, one, false);
    io.run_for(sample_interval + std::chrono::milliseconds(500));

    ASSERT_EQ(wishes.size(), 1U);
    EXPECT_FALSE(wishes[0].queues);
}

TEST(Rates, BytesOfConnectionsAreSampledWhileSomebodyLooks) {
    boost::asio::io_context io;
    int seconds = 0;
    int counts = 0;
    const broker::core::ConnectionId one{7};
    const auto keeper = std::make_shared<RateKeeper>(
        [&] { return at(seconds); }, [](auto, auto) {}, [&](auto reply) {
            ++counts;
            reply({{one, {.received_bytes = 6000, .sent_bytes = 150}}});
        });

    keeper->look(io.get_executor(), {{one, {.received_bytes = 1000, .sent_bytes = 100}}});
    seconds = 5;
    io.run_for(sample_interval + std::chrono::milliseconds(500));

    EXPECT_EQ(counts, 1);
    json::object stats;
    RateQuery query;
    query.data = SampleWish{std::chrono::seconds(10), std::chrono::seconds(5)};
    keeper->put_into(stats, nullptr, FlowKind::connection, flow_key(one), query);
    EXPECT_EQ(rate_of(stats, "recv_oct_details"), 1000.0);
    EXPECT_EQ(rate_of(stats, "send_oct_details"), 10.0);
    EXPECT_TRUE(stats.at("recv_oct_details").as_object().contains("samples"));
    EXPECT_FALSE(stats.contains("publish_details"));
}

TEST(Rates, WhoIsGoneIsForgotten) {
    Rates rates;
    using Objects = std::vector<std::pair<std::string, FlowValues>>;
    rates.note(FlowKind::queue, Objects{{"a", published(1)}, {"b", published(1)}}, at(0));
    rates.note(FlowKind::queue, Objects{{"a", published(6)}}, at(5));
    rates.note(FlowKind::queue, Objects{{"a", published(11)}, {"b", published(100)}}, at(10));

    EXPECT_EQ(rate_of(rates_answer(rates, {}, at(10), "a").stats, "publish_details"), 1.0);
    EXPECT_EQ(rate_of(rates_answer(rates, {}, at(10), "b").stats, "publish_details"), 0.0);
}

TEST(Rates, WishesWithoutSenseAreRefused) {
    const auto asked = [](const char* age, const char* step) {
        Request request;
        request.query = {{"lengths_age", age}, {"lengths_incr", step}};
        return rate_query(request);
    };
    EXPECT_TRUE(asked("60", "5")->lengths);
    EXPECT_FALSE(asked("60", "")->lengths);
    for (const auto& [age, step] : {std::pair{"60", "0"}, {"-1", "5"}, {"x", "5"}, {"86400", "1"}, {"99999999999999999999", "5"}})
        EXPECT_FALSE(asked(age, step)) << age << " " << step;
}

} // namespace
} // namespace baton::web
