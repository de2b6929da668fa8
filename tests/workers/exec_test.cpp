// Programs as workers: what they are given, what becomes of what they say, and that limits hold.
#include "readme_table.hpp"

#include "workers/exec/exec.hpp"

#include "base/json_text.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <unistd.h>

namespace baton::workers::exec {
namespace {

namespace json = boost::json;

class ExecTest : public ::testing::Test {
protected:
    ExecTest() { std::signal(SIGPIPE, SIG_IGN); } // as the executable does

    static Program shell(const std::string& script) {
        Program program;
        program.command = {"/bin/sh", "-c", script};
        return program;
    }
    static Answer perform(const std::string& script, const json::object& with = {}) {
        return perform(shell(script), with);
    }
    static Answer perform(Program program, const json::object& with = {}, std::vector<std::string> parameters = {}) {
        Settings settings;
        settings.programs.push_back({"test.task", std::move(program), std::move(parameters)});
        Task task;
        task.with = with;
        task.request.run = "run-1";
        task.request.idempotency_key = "key-1";
        task.is_cancelled = [] { return false; };
        return make_handlers(settings).front().perform(task);
    }
    static std::string type_of(const Answer& answer) { return answer ? "no problem" : answer.error().type; }
};

TEST_F(ExecTest, ParametersComeInAndTheResultGoesOut) {
    const Answer answer = perform("read line; echo \"{\\\"got\\\": $line, \\\"key\\\": \\\"$BATON_IDEMPOTENCY_KEY\\\"}\"",
                                  {{"name", "ada"}});
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(write_json(*answer), R"({"got":{"name":"ada"},"key":"key-1"})");
}

TEST_F(ExecTest, NothingOfOursIsSeen) {
    ::setenv("BATON_SECRET_OF_THE_WORKER", "hidden", 1);
    const Answer answer = perform("env | grep -c hidden; true");
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, json::value(0));
}

TEST_F(ExecTest, NoOutputIsNull) {
    const Answer answer = perform("true");
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->is_null());
}

TEST_F(ExecTest, TheExitStatusSaysWhatTheFailureMeans) {
    struct Row {
        const char* script;
        const char* type;
        bool retryable;
        bool is_attempt;
    };
    const Row rows[] = {
        {"echo oh >&2; exit 1", "program_failed", true, true},
        {"exit 65", "program_failed", false, true},
        {"exit 75", "program_failed", true, true},
        {"exit 77", "program_failed", true, false},
        {"exit 78", "program_failed", true, false},
        {"kill -9 $$", "program_failed", true, true},
        {"echo '{\"type\": \"gone\", \"detail\": \"d\", \"retryable\": false}'; exit 3", "gone", false, true},
        {"echo nonsense", "bad_answer", false, true},
        {"exec /no/such/program", "program_failed", true, true},
    };
    std::string table = "| the program, in a shell | what follows |\n|---|---|\n";
    for (const Row& row : rows) {
        const Answer answer = perform(row.script);
        ASSERT_FALSE(answer) << row.script;
        table += std::string("| `") + row.script + "` | " + test::in_words(answer.error()) + " |\n";
        EXPECT_EQ(answer.error().type, row.type) << row.script;
        EXPECT_EQ(answer.error().retryable, row.retryable) << row.script;
        EXPECT_EQ(answer.error().is_attempt, row.is_attempt) << row.script;
    }
    test::expect_table("exec", "endings", table);
    EXPECT_NE(perform("echo oh >&2; exit 1").error().detail.find("oh"), std::string::npos);
}

TEST_F(ExecTest, AProgramThatIsNotThereIsTheWorkersFault) {
    Program program;
    program.command = {"/no/such/program"};
    const Answer answer = perform(std::move(program));
    ASSERT_FALSE(answer);
}

TEST_F(ExecTest, ItIsStoppedAfterItsTimeWithAllItStarted) {
    const std::string file = ::testing::TempDir() + "exec_test." + std::to_string(::getpid());
    Program program = shell("(sleep 3; echo late > " + file + ") & sleep 30");
    program.time_max = std::chrono::milliseconds(300);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(type_of(perform(std::move(program))), "timeout");
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
    std::this_thread::sleep_for(std::chrono::seconds(3));
    EXPECT_FALSE(std::ifstream(file).good()) << "what it started in the background lives on";
}

TEST_F(ExecTest, OneThatRefusesToEndIsKilled) {
    Program program = shell("trap '' TERM; while true; do sleep 1; done");
    program.time_max = std::chrono::milliseconds(300);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(type_of(perform(std::move(program))), "timeout");
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(15));
}

TEST_F(ExecTest, AFloodOfOutputIsStopped) {
    Program program = shell("yes");
    program.output_bytes_max = 100'000;
    EXPECT_EQ(type_of(perform(std::move(program))), "too_much_output");
    // Errors are kept from their end, however many.
    const Answer answer = perform("yes noise | head -c 1000000 >&2; echo the end >&2; exit 1");
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().detail.find("the end"), std::string::npos);
}

TEST_F(ExecTest, MoreMemoryThanItMayIsNotGiven) {
    Program program;
    program.command = {"/usr/bin/python3", "-c", "x = bytearray(400 << 20); print(1)"};
    ASSERT_TRUE(perform(program));
    program.memory_max = 200 << 20;
    EXPECT_EQ(type_of(perform(std::move(program))), "program_failed");
}

TEST_F(ExecTest, OneThatDoesNotReadAndOneThatReadsMuchBothEnd) {
    const std::string large(1 << 20, 'x');
    EXPECT_TRUE(perform("exit 0", {{"text", large}}));
    const Answer answer = perform("wc -c", {{"text", large}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, json::value(static_cast<std::int64_t>(large.size() + 12)));
}

TEST_F(ExecTest, AChildThatKeepsTheOutputOpenHoldsUpNobody) {
    const auto before = std::chrono::steady_clock::now();
    const Answer answer = perform("sleep 60 & echo 1");
    ASSERT_TRUE(answer);
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

TEST_F(ExecTest, ACancelStopsIt) {
    Settings settings;
    settings.programs.push_back({"test.task", shell("sleep 30"), {}});
    Task task;
    const auto before = std::chrono::steady_clock::now();
    task.is_cancelled = [before] { return std::chrono::steady_clock::now() - before > std::chrono::milliseconds(200); };
    EXPECT_EQ(type_of(make_handlers(settings).front().perform(task)), "cancelled");
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

TEST_F(ExecTest, WhatItSaysOnStandardErrorIsTheRunsLogWhileItWorks) {
    Settings settings;
    settings.programs.push_back(
        {"test.task", shell("echo first >&2; sleep 0.5; printf 'second\\nthi' >&2; sleep 0.2; printf 'rd\\n\\nno end' >&2; echo 1"), {}});
    Task task;
    task.is_cancelled = [] { return false; };
    std::vector<std::pair<std::string, std::chrono::steady_clock::time_point>> lines;
    task.log = [&](std::string_view level, std::string text) {
        lines.emplace_back(std::string(level) + ": " + text, std::chrono::steady_clock::now());
    };
    const Answer answer = make_handlers(settings).front().perform(task);
    ASSERT_TRUE(answer) << answer.error().detail;
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0].first, "info: first");
    EXPECT_EQ(lines[1].first, "info: second");
    EXPECT_EQ(lines[2].first, "info: third");
    EXPECT_EQ(lines[3].first, "info: no end");
    EXPECT_GE(lines[1].second - lines[0].second, std::chrono::milliseconds(300)) << "as it says them";
}

TEST_F(ExecTest, OfAProgramThatSaysTooMuchTheFirstLinesAreTheRunsLog) {
    Settings settings;
    settings.programs.push_back({"test.task", shell("seq 1 5000 >&2"), {}});
    Task task;
    task.is_cancelled = [] { return false; };
    std::vector<std::string> lines;
    task.log = [&](std::string_view, std::string text) { lines.push_back(std::move(text)); };
    ASSERT_TRUE(make_handlers(settings).front().perform(task));
    ASSERT_EQ(lines.size(), 1001U);
    EXPECT_EQ(lines[999], "1000");
    EXPECT_NE(lines[1000].find("left out"), std::string::npos);
}

TEST_F(ExecTest, ParametersItDoesNotKnowAreRefused) {
    const Answer answer = perform(shell("true"), {{"nam", "ada"}}, {"name"});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "invalid_input");
    EXPECT_NE(answer.error().detail.find("'name'"), std::string::npos);
}

class TransformTest : public ExecTest {
protected:
    static Answer transform(const std::string& program, const json::value& input) {
        static const auto settings = read_settings(json::parse(R"([{"jq": "/usr/bin/jq", "timeout_seconds": 2, "memory_mib": 128}])"));
        EXPECT_TRUE(settings) << settings.error().detail;
        Task task;
        task.with = {{"program", program}, {"input", input}};
        task.is_cancelled = [] { return false; };
        const std::vector<Handler> handlers = make_handlers(*settings);
        EXPECT_EQ(handlers.front().task, transform_task);
        return handlers.front().perform(task);
    }
    static void expect_failure(const Answer& answer, const std::string& words) {
        ASSERT_FALSE(answer) << write_json(*answer);
        EXPECT_EQ(answer.error().type, "transform_failed");
        EXPECT_FALSE(answer.error().retryable);
        EXPECT_NE(answer.error().detail.find(words), std::string::npos) << answer.error().detail;
    }
};

TEST_F(TransformTest, AProgramGivesOneValue) {
    const json::value people = json::parse(R"([{"team": "b", "mail": "bob"}, {"team": "a", "mail": "ada"}, {"team": "b", "mail": "cy"}])");
    const Answer answer = transform("group_by(.team) | map({team: .[0].team, mails: map(.mail)}) # by team", people);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(write_json(*answer), R"([{"team":"a","mails":["ada"]},{"team":"b","mails":["bob","cy"]}])");
    EXPECT_EQ(write_json(*transform("def twice: . * 2; twice", 21)), "42");
    EXPECT_EQ(write_json(*transform(".", "a\nb")), R"("a\nb")");
    EXPECT_EQ(write_json(*transform(".", nullptr)), "null");
}

TEST_F(TransformTest, NoneOrSeveralAreAMistake) {
    expect_failure(transform(".[]", json::array{1, 2}), "gives 2 values");
    expect_failure(transform("empty", 1), "gives 0 values");
}

TEST_F(TransformTest, WhatIsWrongIsSaidAndNotTriedAgain) {
    expect_failure(transform(".a | foo", 1), "foo/0 is not defined");
    expect_failure(transform(".a.b", 1), "Cannot index number");
    expect_failure(transform("error(\"no\")", 1), "no");
}

TEST_F(TransformTest, ItEndsWhateverItWants) {
    expect_failure(transform("[range(infinite)]", 1), "");
    expect_failure(transform("last(range(infinite))", 1), "did not end within 2 s");
}

TEST_F(TransformTest, ItSeesNothingButItsInput) {
    ::setenv("BATON_SECRET_OF_THE_WORKER", "hidden", 1);
    EXPECT_EQ(write_json(*transform("env | keys", 1)), R"(["LANG","PATH"])");
    const std::string file = ::testing::TempDir() + "baton_transform_secret.json";
    std::ofstream(file) << "{\"secret\": 1}";
    const std::string import = "import \"baton_transform_secret\" as $x {search: \"" + ::testing::TempDir() + "\"}; $x";
    expect_failure(transform(import, 1), "syntax error");
    expect_failure(transform("1) | (" + import, 1), "syntax error");
    std::remove(file.c_str());
}

TEST_F(TransformTest, ItTakesAProgramAndAnInput) {
    Settings settings;
    settings.programs.push_back({"transform.jq", shell("true"), {}, true});
    Task task;
    task.with = {{"programm", "."}};
    task.is_cancelled = [] { return false; };
    const Answer answer = make_handlers(settings).front().perform(task);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().type, "invalid_input");
}

TEST(ExecSettings, JqOrACommand) {
    const auto both = read_settings(json::parse(R"([{"jq": "/usr/bin/jq", "command": ["/bin/true"]}])"));
    ASSERT_FALSE(both);
    EXPECT_NE(both.error().detail.find("has jq or a command, not both"), std::string::npos);
    EXPECT_FALSE(read_settings(json::parse(R"([{"jq": "/usr/bin/no-jq"}])")));
}

TEST(ExecSettings, AFileIsReadAndEveryMistakeIsNamed) {
    const auto good = read_settings(json::parse(
        R"([{"task": "a.b", "command": ["/bin/true"], "timeout_seconds": 5, "memory_mib": 64, "environment": {"X": "1"}}])"));
    ASSERT_TRUE(good) << good.error().detail;
    EXPECT_EQ(good->programs.at(0).program.time_max, std::chrono::seconds(5));
    EXPECT_EQ(good->programs.at(0).program.memory_max, 64U << 20);
    const auto bad = read_settings(json::parse(R"([{"command": ["true"]}, {"task": "x", "comand": ["/bin/true"]}, 7])"));
    ASSERT_FALSE(bad);
    for (const char* words : {"program 1: needs a task", "absolute path", "did you mean 'command'", "program 3: must be a table"})
        EXPECT_NE(bad.error().detail.find(words), std::string::npos) << words << " in " << bad.error().detail;
}

} // namespace
} // namespace baton::workers::exec
