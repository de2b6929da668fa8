// Facts survive the store, and a command can be derived from them at any time.
#include "orchestrator/core/fact.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::core {
namespace {

Fact dispatch_fact() {
    TaskOrder order;
    order.attempt_of_series = 1;
    order.max_attempts = 3;
    order.route = "mail.create.eu";
    order.with = Document::parse(R"({"a":"\"quoted\""})").value();
    order.priority = 9;
    order.idempotency_key = "run/lock.mail \"key\"\n";
    order.start_by = time_from_micros(1'800'000'000'123'456);
    order.deadline = time_from_micros(1'800'000'030'000'000);
    order.heartbeat = std::chrono::seconds(60);
    order.progress = Document::parse(R"({"percent":40})").value();
    order.trace = {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1"};
    return {fact::TaskDispatched{{"lock.mail", false, 4}, std::move(order)}};
}

const TaskOrder& order_of(const Fact& fact) { return std::get<fact::TaskDispatched>(fact.body).order; }

TEST(Fact, ADispatchSaysTheSameAfterAStayInTheStore) {
    const RunName run{"run-1", "provision", 3};
    std::string json;
    append_json(json, std::vector{dispatch_fact()});

    const auto read = facts_from_json(json);

    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 1u);
    const auto command = std::get<DispatchTask>(command_of(run, read->front()).value());
    EXPECT_EQ(command.run_id, "run-1");
    EXPECT_EQ(command.workflow_version, 3u);
    EXPECT_EQ(command.ref, (AttemptRef{"lock.mail", false, 4}));
    EXPECT_EQ(command.route, "mail.create.eu");
    EXPECT_EQ(command.with.text(), R"({"a":"\"quoted\""})");
    EXPECT_EQ(command.attempt_of_series, 1u);
    EXPECT_EQ(command.priority, 9);
    EXPECT_EQ(command.idempotency_key, "run/lock.mail \"key\"\n");
    EXPECT_EQ(command.start_by, order_of(dispatch_fact()).start_by);
    EXPECT_EQ(command.deadline, order_of(dispatch_fact()).deadline);
    EXPECT_EQ(command.heartbeat, order_of(dispatch_fact()).heartbeat);
    EXPECT_EQ(command.progress.text(), R"({"percent":40})");
    EXPECT_EQ(command.trace, order_of(dispatch_fact()).trace);
}

TEST(Fact, WhatIsSaidOfALookStaysInTheStore) {
    const Time at = time_from_micros(1'800'000'000'000'001);
    fact::TaskFailed failed{{"box", false, 1}, "w"};
    failed.asks = true;
    fact::StepVerified told{{"box", false, 2}, "v", false, Document::parse(R"({"found":false})").value(), at};
    fact::TaskDispatched sent{{"box", false, 2}, {}};
    sent.order.is_look = true;
    std::string json;
    append_json(json, std::vector<Fact>{{failed}, {told}, {sent}});

    const auto read = facts_from_json(json);

    ASSERT_TRUE(read && read->size() == 3u) << json;
    EXPECT_TRUE(std::get<fact::TaskFailed>((*read)[0].body).asks);
    const auto& verified = std::get<fact::StepVerified>((*read)[1].body);
    EXPECT_EQ(verified.ref, (AttemptRef{"box", false, 2}));
    EXPECT_EQ(verified.worker, "v");
    EXPECT_FALSE(verified.is_done);
    EXPECT_EQ(verified.result.text(), R"({"found":false})");
    EXPECT_EQ(verified.retry_at, at);
    EXPECT_TRUE(std::get<fact::TaskDispatched>((*read)[2].body).order.is_look);
    EXPECT_EQ(bytes_of((*read)[1]), std::string_view(R"({"found":false})").size());
}

TEST(Fact, AProblemIsReadBack) {
    Problem problem;
    problem.type = "baton.timeout";
    problem.title = "no answer in time";
    problem.detail = "heartbeat has passed";
    problem.status = 504;
    problem.data = Document::parse("[1]").value();
    EXPECT_EQ(to_document(problem_of(to_document(problem))), to_document(problem));
    problem.is_attempt = false;
    EXPECT_FALSE(problem_of(to_document(problem)).is_attempt);
}

TEST(Fact, UnknownFactsAreLeftOut) {
    const auto read = facts_from_json(R"([{"fact":"of the future","x":1},{"fact":"run_started"}])");

    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 1u);
    EXPECT_EQ(word_of(read->front()), "run_started");
}

TEST(Fact, WhatIsNoArrayIsRefused) {
    EXPECT_FALSE(facts_from_json("{}"));
    EXPECT_FALSE(facts_from_json("["));
}

// RFC 4231, test case 2; FIPS 180-4's "abc".
TEST(Fingerprint, AgreesWithTheStandards) {
    EXPECT_EQ(to_hex(sha256("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

} // namespace
} // namespace baton::orchestrator::core
