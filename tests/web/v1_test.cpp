// The pieces of /baton/v1 that need no server: problems, pages, conditional requests, differences,
// events.
#include "web/http/replies.hpp"
#include "web/v1/event_hub.hpp"
#include "web/v1/line_diff.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/problem.hpp"

#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::web {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Problem, AnErrorBecomesOneOfRfc9457AndKeepsWhatItSaysBeside) {
    Response refused =
        problem_at(422, "bad_input", "input.name: required",
                   {boost::json::object{{"pointer", "/input/name"}, {"message", "required"}}});
    refused.headers["Retry-After"] = "1";
    const Response told = as_problem(refused, "/baton/v1/runs");
    EXPECT_EQ(told.content_type, "application/problem+json");
    EXPECT_EQ(told.headers.at("Retry-After"), "1");
    const auto body = parse_json(told.body)->get_object();
    EXPECT_EQ(body.at("type"), "/problems/bad_input");
    EXPECT_EQ(body.at("title"), "Bad input");
    EXPECT_EQ(body.at("status"), 422);
    EXPECT_EQ(body.at("detail"), "input.name: required");
    EXPECT_EQ(body.at("instance"), "/baton/v1/runs");
    EXPECT_EQ(body.at("errors").get_array().size(), 1u);
    EXPECT_FALSE(body.contains("error"));

    const Response fine = reply(200, boost::json::object{{"error", "an output may be called so"}});
    EXPECT_EQ(as_problem(fine, "/x").body, fine.body);
}

TEST(Listing, ThereIsAPageAndThenTheNext) {
    boost::json::array all;
    for (int i = 0; i < 5; ++i)
        all.emplace_back(i);
    Request request;
    request.query["limit"] = "2";
    std::string seen;
    for (int page = 0; page < 3; ++page) {
        const auto wish = page_wish(request);
        ASSERT_TRUE(wish);
        const auto body = parse_json(page_of(*wish, all).body)->get_object();
        for (const auto& item : body.at("items").get_array())
            seen += std::to_string(item.get_int64());
        EXPECT_EQ(body.at("count"), 5);
        EXPECT_EQ(body.at("next").is_null(), page == 2);
        if (body.at("next").is_string())
            request.query["after"] = std::string(body.at("next").get_string());
    }
    EXPECT_EQ(seen, "01234");
    request.query["limit"] = "501";
    EXPECT_FALSE(page_wish(request));
    request.query = {{"count", "maybe"}};
    EXPECT_FALSE(page_wish(request));
    EXPECT_EQ(page_of({50, "nowhere", true}, all).status, 400u);
}

TEST(Listing, WhoHasItAlreadyGets304AndWhoIsLateIsStale) {
    Request request;
    EXPECT_EQ(tagged(request, reply(200, "x"), "7").headers.at("ETag"), "\"7\"");
    for (const char* same : {"\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"}) {
        request.if_none_match = request.if_match = same;
        EXPECT_EQ(tagged(request, reply(200, "x"), "7").status, 304u) << same;
        EXPECT_FALSE(is_stale(request, "7")) << same;
    }
    request.if_none_match = request.if_match = "\"77\"";
    EXPECT_EQ(tagged(request, reply(200, "x"), "7").status, 200u);
    EXPECT_TRUE(is_stale(request, "7"));
    EXPECT_EQ(tagged(request, problem(404, "not_found", ""), "77").status, 404u)
        << "an error is never 'not modified'";
}

std::string text_of(const std::vector<DiffLine>& lines) {
    std::string text;
    for (const DiffLine& line : lines)
        text += std::string(1, line.op) + std::string(line.text) + "\n";
    return text;
}

TEST(LineDiff, WhatIsInBothStaysAndWhatIsNotIsMarked) {
    EXPECT_EQ(text_of(diff_of("a\nb\nc\n", "a\nc\nd\n")), " a\n-b\n c\n+d\n");
    EXPECT_EQ(text_of(diff_of("", "x\n")), "+x\n");
    EXPECT_EQ(text_of(diff_of("x\n", "")), "-x\n");
    EXPECT_EQ(text_of(diff_of("same\n", "same\n")), " same\n");
    const auto lines = diff_of("a\nb\n", "b\nb\n");
    for (const DiffLine& line : lines)
        EXPECT_EQ(line.op == '+', line.here == 0);
}

TEST(LineDiff, EitherTextIsInTheDifferenceWhateverTheyAre) {
    std::uint64_t seed = 1;
    const auto next = [&] {
        return (seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) >> 33;
    };
    for (int round = 0; round < 300; ++round) {
        std::string here, there;
        for (auto lines = next() % 12; lines > 0; --lines)
            here += std::string(1, static_cast<char>('a' + next() % 3)) + "\n";
        for (auto lines = next() % 12; lines > 0; --lines)
            there += std::string(1, static_cast<char>('a' + next() % 3)) + "\n";
        std::string left, right;
        for (const DiffLine& line : diff_of(here, there)) {
            if (line.op != '+') left += std::string(line.text) + "\n";
            if (line.op != '-') right += std::string(line.text) + "\n";
        }
        ASSERT_EQ(left, here);
        ASSERT_EQ(right, there);
    }
}

const std::string one_run = "0193a5c2-7d41-7000-8000-000000000001";
const std::string other_run = "0193a5c2-7d41-7000-8000-000000000002";

struct EventListener {
    std::set<std::string> topics;
    std::uint64_t place;
};

TEST(EventHub, WhatIsSaidTwiceWithinAMomentIsSaidOnceAndToWhomItConcerns) {
    EventHub hub("e");
    EventListener all{{"runs"}, hub.end()}, one{{"run:" + one_run}, hub.end()},
        dead{{"dead"}, hub.end()};
    hub.say("run", one_run, R"({"seq":1})");
    hub.say("run", one_run, R"({"seq":2})");
    hub.say("run", other_run, R"({"seq":9})");
    EXPECT_EQ(hub.news(all.place, all.topics), "") << "not before the tick";
    EXPECT_TRUE(hub.tick());
    EXPECT_FALSE(hub.tick());

    EXPECT_EQ(
        hub.news(all.place, all.topics),
        "id: e-1\nevent: run\ndata: {\"seq\":2}\n\nid: e-2\nevent: run\ndata: {\"seq\":9}\n\n");
    EXPECT_EQ(hub.news(one.place, one.topics), "id: e-1\nevent: run\ndata: {\"seq\":2}\n\n");
    EXPECT_EQ(hub.news(dead.place, dead.topics), "");
    EXPECT_EQ(hub.news(all.place, all.topics), "") << "each once";
}

TEST(EventHub, WhoComesBackGoesOnWhereHeWasOrLoadsAnew) {
    EventHub hub("e");
    for (int i = 0; i < 3; ++i) {
        hub.say("run", one_run, "{}");
        hub.tick();
    }
    EXPECT_EQ(hub.place_of("e-1"), 1u);
    EXPECT_EQ(hub.place_of(""), 3u);
    EXPECT_FALSE(hub.place_of("f-1")) << "of another life of the server";
    EXPECT_FALSE(hub.place_of("e-4")) << "never said";
    EXPECT_FALSE(hub.place_of("nonsense"));

    hub.lose();
    hub.tick();
    EXPECT_FALSE(hub.place_of("e-3")) << "what came behind it was not written down";
    std::uint64_t place = 3;
    EXPECT_THAT(hub.news(place, {"runs"}), HasSubstr("event: resync"));
    EXPECT_EQ(hub.news(place, {"runs"}), "");
}

TEST(EventHub, WhoIsSlowLoadsAnewAndNobodyElseDoes) {
    EventHub hub("e");
    std::uint64_t slow = hub.end(), quick = hub.end();
    const std::set<std::string> topics{"runs"};
    for (std::size_t i = 0; i <= EventHub::behind_max; ++i) {
        hub.say("run", std::to_string(i), "{}");
        hub.tick();
        EXPECT_THAT(hub.news(quick, topics), Not(HasSubstr("resync")));
    }
    EXPECT_THAT(hub.news(slow, topics), HasSubstr("resync"));
    EXPECT_EQ(slow, quick);
    for (std::size_t i = 0; i <= EventHub::kept_max; ++i) {
        hub.say("run", std::to_string(i), "{}");
        hub.tick();
    }
    EXPECT_THAT(hub.news(slow, {"run:" + one_run}), HasSubstr("resync"))
        << "nobody knows whether it was among them";
}

TEST(EventHub, KnowsItsTopics) {
    EXPECT_TRUE(is_topic("runs") && is_topic("dead") && is_topic("run:" + one_run));
    EXPECT_FALSE(is_topic("") || is_topic("run:") || is_topic("run:0193") || is_topic("brokers"));
}

} // namespace
} // namespace baton::web
