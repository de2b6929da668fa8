// Tasks and reports on their way to a message and back, and everything that other programs may send
// in place of them.
#include "contract/task_message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace baton::contract {
namespace {

TaskRequest full_request() {
    TaskRequest request;
    request.task = "mail.create";
    request.with = R"({"address":"ada@example.org"})";
    request.token = "run-1/mailbox#2.mac";
    request.reply_to = "baton.report.3";
    request.priority = 4;
    request.starts_within = std::chrono::seconds(90);
    request.workflow = "provision-user";
    request.version = 7;
    request.run = "run-1";
    request.step = "mailbox";
    request.item = "3";
    request.attempt = 2;
    request.max_attempts = 5;
    request.idempotency_key = "run-1/mailbox";
    request.deadline = time_from_micros(1'800'000'000'000'000);
    request.heartbeat = std::chrono::seconds(30);
    request.last_progress = R"({"percent":40})";
    request.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.tracestate = "vendor=1";
    return request;
}

TEST(TaskMessage, RequestSurvivesTheJourney) {
    const TaskRequest request = full_request();

    const Message message = encode(request);
    const auto read = decode_task(request.task, message.properties, message.body);

    ASSERT_TRUE(read);
    EXPECT_EQ(*read, request);
}

TEST(TaskMessage, RequestLooksAsTheContractSays) {
    const Message message = encode(full_request());

    EXPECT_EQ(message.body, R"({"address":"ada@example.org"})");
    EXPECT_EQ(message.properties.content_type, "application/json");
    EXPECT_EQ(message.properties.type, "task");
    EXPECT_EQ(message.properties.delivery_mode, 2);
    EXPECT_EQ(message.properties.correlation_id, "run-1/mailbox#2.mac");
    EXPECT_EQ(message.properties.message_id, message.properties.correlation_id);
    EXPECT_EQ(message.properties.expiration, "90000");
    ASSERT_TRUE(message.properties.headers);
    EXPECT_EQ(message.properties.headers->text("baton-idempotency-key"), "run-1/mailbox");
    EXPECT_EQ(message.properties.headers->integer("baton-deadline"), 1'800'000'000'000);
    EXPECT_EQ(message.properties.headers->integer("baton-heartbeat"), 30'000);
}

TEST(TaskMessage, PlainRpcCallWithoutAnyHeaderIsATask) {
    amqp::Properties properties;
    properties.reply_to = "amq.gen-1";

    const auto read = decode_task("mail.create", properties, R"({"a":1})");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->attempt, 1);
    EXPECT_EQ(read->token, "");
    EXPECT_FALSE(read->deadline);
}

TEST(TaskMessage, EmptyBodyMeansNoParameters) {
    const auto read = decode_task("x", {}, "");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->with, "{}");
}

TEST(TaskMessage, HeadersOfOtherTypesAreRead) {
    amqp::Properties properties;
    properties.headers = amqp::FieldTable{{"baton-attempt", "3"},
                                          {"baton-deadline", std::int32_t{5000}},
                                          {"baton-heartbeat", "soon"},
                                          {"baton-run", std::int64_t{17}}};

    const auto read = decode_task("x", properties, "{}");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->attempt, 3);
    EXPECT_EQ(read->deadline, time_from_micros(5'000'000));
    EXPECT_FALSE(read->heartbeat);
    EXPECT_EQ(read->run, "17");
}

TEST(TaskMessage, NumbersOutOfRangeAreNotBelieved) {
    amqp::Properties properties;
    properties.expiration = "99999999999999999999";
    properties.headers = amqp::FieldTable{{"baton-attempt", std::int64_t{-5}},
                                          {"baton-deadline", std::int64_t{INT64_MAX}}};

    const auto read = decode_task("x", properties, "{}");

    ASSERT_TRUE(read);
    EXPECT_EQ(read->attempt, 1);
    EXPECT_FALSE(read->deadline);
    EXPECT_FALSE(read->starts_within);
}

TEST(TaskMessage, TaskThatIsNotJsonIsRefusedWithASentence) {
    const auto read = decode_task("x", {}, "hello");

    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().detail, "the body is not JSON that can be used (line 1, column 1: syntax error); it begins with 'hello'");
}

TEST(TaskMessage, TaskThatIsTooLargeIsRefused) {
    EXPECT_FALSE(decode_task("x", {}, std::string(body_bytes_max + 1, ' ')));
}

TEST(TaskMessage, DeepNestingIsRefused) {
    EXPECT_FALSE(decode_task("x", {}, std::string(100'000, '[')));
}

class EveryReport : public testing::TestWithParam<Report> {};

TEST_P(EveryReport, SurvivesTheJourney) {
    const TaskReport report{"token-1", GetParam()};

    const Message message = encode(report);

    EXPECT_EQ(message.properties.type, kind_of(GetParam()));
    EXPECT_EQ(message.properties.correlation_id, "token-1");
    EXPECT_EQ(message.properties.delivery_mode, 2);
    EXPECT_EQ(decode_report(message.properties, message.body), report);
}

Problem full_problem() {
    Problem problem;
    problem.type = "already_in_team";
    problem.title = "Already a member";
    problem.detail = "ada@example.org is a member";
    problem.status = 409;
    problem.data = R"({"user_id":"U1"})";
    problem.retryable = false;
    problem.retry_after = std::chrono::milliseconds(1500);
    return problem;
}

INSTANTIATE_TEST_SUITE_P(
    TaskMessage, EveryReport,
    testing::Values(Report{Completed{R"({"id":7})"}}, Report{Completed{"null"}},
                    Report{Failed{full_problem()}}, Report{Failed{Problem{}}},
                    Report{Started{"mail@host:17"}}, Report{Heartbeat{R"({"percent":40})"}},
                    Report{Deferred{time_from_micros(1'800'000'000'123'456)}}, Report{Deferred{}},
                    Report{Cancelled{}}, Report{LogLine{"warning", "slow"}}),
    [](const auto& tested) {
        return std::string(kind_of(tested.param)) + std::to_string(tested.index);
    });

TaskReport read(std::optional<std::string> type, std::string_view body) {
    amqp::Properties properties;
    properties.type = std::move(type);
    return decode_report(properties, body);
}

TEST(TaskMessage, ReportWithoutTypeIsAResult) {
    EXPECT_EQ(read(std::nullopt, "42").report, Report{Completed{"42"}});
    EXPECT_EQ(read("", "42").report, Report{Completed{"42"}});
}

class BadReport
    : public testing::TestWithParam<std::tuple<std::string, std::string, std::string>> {};

TEST_P(BadReport, BecomesAFailureThatSaysWhy) {
    const auto& [type, body, part] = GetParam();

    const TaskReport report = read(type, body);

    const auto* failed = std::get_if<Failed>(&report.report);
    ASSERT_NE(failed, nullptr);
    EXPECT_EQ(failed->problem.type, bad_report_type);
    EXPECT_NE(failed->problem.detail.find(part), std::string::npos) << failed->problem.detail;
}

INSTANTIATE_TEST_SUITE_P(TaskMessage, BadReport,
                         testing::Values(std::tuple{"completed", "", "empty"},
                                         std::tuple{"completed", "OK\n", "not JSON"},
                                         std::tuple{"completed", "{\"x\":1e400}", "the number 1e400 is too large for a double"},
                                         std::tuple{"completed", "{\"x\":NaN}", "not JSON"},
                                         std::tuple{"completed", "{\"x\":99999999999999999999}", "does not fit into 64 bits"},
                                         std::tuple{"failed", "<html>", "not JSON"},
                                         std::tuple{"heartbeat", "{", "not JSON"},
                                         std::tuple{"finished", "{}", "'finished'"},
                                         std::tuple{"task", "{}", "'task'"}));

TEST(TaskMessage, ReportThatIsTooLargeBecomesAFailure) {
    const TaskReport report = read("completed", std::string(body_bytes_max + 1, ' '));

    ASSERT_TRUE(std::holds_alternative<Failed>(report.report));
    EXPECT_EQ(std::get<Failed>(report.report).problem.type, bad_report_type);
}

TEST(TaskMessage, SmallReportsNeedNoBody) {
    EXPECT_EQ(read("started", "").report, Report{Started{}});
    EXPECT_EQ(read("cancelled", "").report, Report{Cancelled{}});
    EXPECT_EQ(read("heartbeat", "").report, Report{Heartbeat{"{}"}});
}

TEST(TaskMessage, ProblemDefaultsToRetryable) {
    const Problem problem = problem_from_json(R"({"type":"timeout"})");

    EXPECT_EQ(problem.type, "timeout");
    EXPECT_TRUE(problem.retryable);
    EXPECT_FALSE(problem.retry_after);
}

TEST(TaskMessage, OwnFieldsBesideTheKnownOnesBecomeData) {
    const Problem problem = problem_from_json(R"({"type":"quota","limit":5,"used":5})");

    EXPECT_EQ(problem.data, R"({"limit":5,"used":5})");
}

TEST(TaskMessage, ProblemOfAnyShapeIsStillAProblem) {
    EXPECT_EQ(problem_from_json(R"("it broke")").detail, "it broke");
    EXPECT_EQ(problem_from_json("17").detail, "17");
    EXPECT_EQ(problem_from_json(R"({"type":5,"status":"404","retryable":"no"})").type, "5");
    EXPECT_EQ(problem_from_json(R"({"status":"404"})").status, 404);
    EXPECT_EQ(problem_from_json(R"({"status":-7})").status, 0);
    EXPECT_FALSE(problem_from_json(R"({"retry_after":-1})").retry_after);
    EXPECT_EQ(problem_from_json(R"({"retry_after":"2.5"})").retry_after,
              Duration{std::chrono::milliseconds(2500)});
    EXPECT_EQ(problem_from_json(R"({"retry_after":1e300})").retry_after,
              Duration{std::chrono::hours(366 * 24)});
}

TEST(TaskMessage, LongTextsAreCutBetweenCharacters) {
    const std::string accents = [] {
        std::string text;
        while (text.size() <= problem_text_bytes_max) text += "é";
        return "x" + text;
    }();

    const Problem problem = problem_from_json(R"({"detail":")" + accents + R"("})");

    EXPECT_LE(problem.detail.size(), problem_text_bytes_max + 3);
    EXPECT_TRUE(problem.detail.ends_with("é…"));
}

TEST(TaskMessage, DeferredTakesOffsetsAndSeconds) {
    const auto until = [](std::string_view body) {
        return std::get<Deferred>(read("deferred", body).report).until;
    };

    EXPECT_EQ(until(R"({"until":"2026-01-31T12:00:00Z"})"), until(R"({"until":1769860800})"));
    EXPECT_EQ(until(R"({"until":"2026-01-31T13:00:00+01:00"})"), until(R"({"until":1769860800})"));
    EXPECT_EQ(until(R"({"until":"2026-01-31T07:00:00.5-05:00"})"),
              *until(R"({"until":1769860800})") + std::chrono::milliseconds(500));
    for (const char* nonsense : {"tomorrow", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z",
                                 "2026-01-31T12:00:00", "2026-01-31T12:00:00+1", "-026-01-31T12:00:00Z"})
        EXPECT_FALSE(until(std::string(R"({"until":")") + nonsense + "\"}")) << nonsense;
    EXPECT_FALSE(until("{}"));
}

} // namespace
} // namespace baton::contract
