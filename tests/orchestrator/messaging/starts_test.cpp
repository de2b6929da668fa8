// What an event begins; whose the name of a call is, and the run that it begins.
#include "orchestrator/messaging/starts.hpp"

#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace baton::orchestrator::messaging {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::shared_ptr<core::Workflow> workflow(const std::string& name, const std::string& rpc) {
    auto made = std::make_shared<core::Workflow>();
    made->name = name;
    made->triggers.push_back({rpc, core::RpcTrigger{rpc, 5s}, {}, {}, 3});
    return made;
}

std::shared_ptr<core::Workflow> leaver(const std::string& type, const std::string& source) {
    auto made = std::make_shared<core::Workflow>();
    made->name = "leaver";
    made->version = 7;
    core::Trigger trigger{"left", core::EventTrigger{type, source}, {}, {}, 3};
    trigger.input =
        *expression::Template::compile(boost::json::object{{"email", "${event.data.email}"}});
    trigger.when = *expression::compile("event.data.email != ''");
    made->triggers.push_back(std::move(trigger));
    return made;
}

runtime::IncomingEvent left(const std::string& id, const std::string& data,
                            const std::string& source = "/hr") {
    runtime::IncomingEvent event{id, "hr.employee.left", {}};
    event.event = core::Document::parse(R"({"id":")" + id + R"(","source":")" + source +
                                        R"(","data":)" + data + "}")
                      .value();
    return event;
}

TEST(EventStarts, ARunIsNamedByTheEvent) {
    const LiveWorkflows live{leaver("hr.*.left", "/hr"), workflow("sums", "sum")};
    const auto begun = starts_of(live, left("e1", R"({"email":"ada@x.org"})"));
    ASSERT_EQ(begun.starts.size(), 1u);
    const runtime::StartRequest& start = begun.starts[0];
    EXPECT_EQ(start.workflow, "leaver");
    EXPECT_EQ(start.version, 7u);
    EXPECT_EQ(start.input, R"({"email":"ada@x.org"})");
    EXPECT_EQ(start.actor, "event hr.employee.left");
    EXPECT_TRUE(start.is_by_trigger);
    EXPECT_EQ(starts_of(live, left("e1", R"({"email":"eve@x.org"})")).starts[0].key, start.key);
    EXPECT_NE(starts_of(live, left("e2", R"({"email":"ada@x.org"})")).starts[0].key, start.key);
    EXPECT_NE(starts_of({leaver("#", "")}, left("e1", R"({"email":"a"})", "/shop")).starts[0].key,
              start.key);
}

TEST(EventStarts, WhatIsNotMeantBeginsNothingAndWhatDoesNotFitSaysWhy) {
    const LiveWorkflows live{leaver("hr.*.left", "/hr")};
    const auto of = [&](const runtime::IncomingEvent& event) {
        const auto begun = starts_of(live, event);
        return std::to_string(begun.starts.size()) + " " +
               (begun.complaints.empty() ? "" : begun.complaints[0]);
    };
    EXPECT_EQ(of(left("e1", R"({"email":"ada@x.org"})", "/shop")), "0 ");
    EXPECT_EQ(of(left("e1", R"({"email":""})")), "0 ");
    runtime::IncomingEvent other = left("e1", R"({"email":"ada@x.org"})");
    other.type = "hr.left";
    EXPECT_EQ(of(other), "0 ");
    EXPECT_THAT(of(left("e1", "{}")), HasSubstr("0 leaver: when: "));
    EXPECT_EQ(
        starts_of({leaver("#", ""), leaver("#", "")}, left("e1", R"({"email":"a"})")).starts.size(),
        2u);
}

const RpcCall ask{"sum", "", "", "c1", "amq.gen-1", R"({"a":1})"};
constexpr Time now = time_from_micros(1'000'000);

TEST(RpcCall, ANameIsOneWorkflows) {
    const LiveWorkflows live{workflow("sums", "sum"), workflow("others", "other"),
                             workflow("more", "other")};

    EXPECT_EQ(answering(live, "sum")->workflow->name, "sums");
    EXPECT_EQ(answering(live, "smu").error().code, runtime::EngineErrc::unknown_workflow);
    EXPECT_EQ(answering(live, "other").error().detail,
              "the workflows 'others' and 'more' both answer 'other'");
}

TEST(RpcCall, TheRunIsNamedByTheRequestAndKnowsWhomItAnswersUntilWhen) {
    const Answering one = answering({workflow("sums", "sum")}, "sum").value();
    const auto start = start_of(one, ask, now);
    ASSERT_TRUE(start);
    EXPECT_EQ(start->workflow, "sums");
    EXPECT_EQ(start->input, R"({"a":1})");
    EXPECT_EQ(start->actor, "rpc sum");
    EXPECT_TRUE(start->is_by_trigger);
    EXPECT_EQ(start->caller.text(),
              R"({"reply_to":"amq.gen-1","correlation_id":"c1","answer_by":6000000})");

    EXPECT_EQ(start_of(one, ask, now + 9s)->key, start->key);
    RpcCall other = ask;
    other.reply_to = "amq.gen-2";
    EXPECT_NE(start_of(one, other, now)->key, start->key);
    other = ask;
    other.correlation_id = "c2";
    EXPECT_NE(start_of(one, other, now)->key, start->key);
    other = ask;
    std::swap(other.correlation_id, other.id);
    EXPECT_NE(start_of(one, other, now)->key, start->key);
    other = ask;
    other.reply_to.clear();
    EXPECT_TRUE(start_of(one, other, now)->caller.is_null());
}

TEST(RpcCall, TheBodyIsTheInputUnlessTheTriggerSaysOtherwise) {
    const auto flow = workflow("sums", "sum");
    const Answering one = answering({flow}, "sum").value();
    const auto of = [&](const std::string& body) {
        RpcCall call = ask;
        call.body = body;
        call.user = "ada";
        const auto start = start_of(one, call, now);
        return start ? start->input : start.error().detail;
    };
    EXPECT_EQ(of(""), "{}");
    EXPECT_THAT(of("[1]"), HasSubstr("must be a JSON object"));
    EXPECT_THAT(of("hello"), HasSubstr("must be a JSON object"));

    auto input = expression::Template::compile(
        boost::json::object{{"text", "${event.user}: ${event.body}"}});
    ASSERT_TRUE(input);
    flow->triggers.front().input = *input;
    EXPECT_EQ(of("hello"), R"({"text":"ada: hello"})");
    flow->triggers.front().input =
        *expression::Template::compile(boost::json::object{{"n", "${event.body.n}"}});
    EXPECT_EQ(of(R"({"n":7})"), R"({"n":7})");
    EXPECT_THAT(of("{}"), HasSubstr("input.n of the trigger 'sum'"));
}

} // namespace
} // namespace baton::orchestrator::messaging
