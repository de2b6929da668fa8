// Dead letters by cause, and bulk jobs over them: what folds together, rates and filters as text, and the
// engine's jobs over a simulated store and a clock that stands still.
#include "base/random.hpp"
#include "base/rfc3339.hpp"
#include "base/utf8.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/runtime/dead_cause.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace baton::orchestrator::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Folding, NumbersIdsAndQuotedTextsAreOneCause) {
    const std::pair<const char*, const char*> alike[] = {
        {"user 17 unknown", "user 18 unknown"},
        {"user #17 unknown", "user #1800 unknown"},
        {"no such channel 'general'", "no such channel 'ops team'"},
        {"cannot read \"a b\": gone", "cannot read \"c\": gone"},
        {"ada@example.org is taken", "grace.hopper@example.com is taken"},
        {"run 0193a5b0-0000-7000-8000-00000000000a is away", "run 0193ffff-1111-7222-8333-abcdefabcdef is away"},
        {"took 1,234.5 s", "took 7 s"},
        {"at 12:30:45", "at 1"},
        {"issue\t7\n\nis closed", "issue 8 is closed"},
        {"\xC2\xABProjekt\xC2\xBB fehlt", "\xC2\xAB\xC3\x9C\xC2\xBB fehlt"},
        {"key deadbeefcafe", "key cafebabedead"},
        {"it isn't there: 'x'", "it isn't there: 'y'"},
    };
    for (const auto& [one, other] : alike) EXPECT_EQ(folded(one), folded(other)) << one;
    EXPECT_EQ(folded("user 17 unknown"), "user # unknown");
    EXPECT_EQ(folded("it isn't 'x' and doesn't"), "it isn't '\xE2\x80\xA6' and doesn't");
    EXPECT_EQ(folded("  "), "");
}

TEST(Folding, DifferentWordsAreDifferentCauses) {
    EXPECT_NE(folded("user 17 unknown"), folded("user 17 locked"));
    EXPECT_NE(folded("no such channel 'x'"), folded("no such user 'x'"));
    EXPECT_NE(folded("Benutzer \xC3\xBC"), folded("Benutzer \xC3\xA4"));
    DeadLetter one;
    one.task = "a";
    one.error_type = "bc";
    DeadLetter other;
    other.task = "ab";
    other.error_type = "c";
    EXPECT_NE(cause_of(one), cause_of(other));
    other = one;
    other.reason = "rejected";
    EXPECT_NE(cause_of(one), cause_of(other));
}

// Texts of all that may stand in one, hostile bytes included.
std::string any_text(Random& random) {
    static const std::string pieces[] = {"user", " ", "17", "'", "\"", "#", ".", ",", ":", "-", "@", "x",  "ff",
                                         "\xC2\xAB", "\xC2\xBB", "\xE2\x80\xA6", "\xFF", std::string(1, '\0'), "\n", "`", "\xC3"};
    std::string text;
    for (std::uint64_t i = random.next() % 24; i > 0; --i) text += pieces[random.next() % std::size(pieces)];
    return text;
}

TEST(Folding, HoldsForAnyText) {
    Random random(11);
    for (int round = 0; round < 20'000; ++round) {
        const std::string text = any_text(random);
        const std::string once = folded(text);
        ASSERT_TRUE(is_utf8(once)) << text;
        ASSERT_EQ(once.find_first_of("0123456789\n"), std::string::npos) << text;
        // What its digits are does not matter, nor how many stand together.
        std::string other;
        for (const char c : text) {
            const bool is_digit = c >= '0' && c <= '9';
            if (is_digit && !other.empty() && other.back() >= '0' && other.back() <= '9') continue;
            if (is_digit)
                other += std::to_string(random.next() % 1'000'000);
            else
                other += c;
        }
        ASSERT_EQ(folded(other), once) << text << "\n" << other;
    }
    EXPECT_LE(folded(std::string(1'000'000, 'x')).size(), 1'000U);
}

TEST(Rates, AreWholeNumbersInATime) {
    EXPECT_EQ(interval_of("5/s").value(), 200ms);
    EXPECT_EQ(interval_of("30/m").value(), 2s);
    EXPECT_EQ(interval_of("1/h").value(), 1h);
    for (const char* rate : {"5/s", "30/m", "1/h", "100/h", "1000/s"}) EXPECT_EQ(interval_of(rate_text(*interval_of(rate))).value(), *interval_of(rate));
    for (const char* bad : {"", "5", "/s", "0/s", "-1/s", "1.5/s", "5/d", "5/s ", "1001/s", "99999999999/s", "5//s", "\xFF/s"})
        EXPECT_FALSE(interval_of(bad)) << bad;
}

TEST(Times, AreReadAsTheyAreWritten) {
    const Time time = time_from_micros(1'790'000'000'123'456);
    EXPECT_EQ(from_rfc3339(to_rfc3339(time)), time);
    EXPECT_EQ(from_rfc3339("2026-01-31T12:00:00Z"), from_rfc3339("2026-01-31T14:00:00.000+02:00"));
    for (const char* bad : {"", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z",
                            "2026-01-31T12:00:00Zx", "x"})
        EXPECT_FALSE(from_rfc3339(bad)) << bad;
}

TEST(Filters, SurviveBeingText) {
    DeadLetterFilter filter;
    EXPECT_TRUE(is_empty(filter));
    filter.task = "a\"b";
    filter.cause = "0123";
    filter.since = time_from_micros(1'000'000);
    const DeadLetterFilter again = filter_from(filter_text(filter));
    EXPECT_EQ(again.task, filter.task);
    EXPECT_EQ(again.cause, filter.cause);
    EXPECT_EQ(again.since, filter.since);
    EXPECT_FALSE(again.until);
    // A condition nobody understands must not become all of them.
    for (const char* bad : {"", "[]", R"({"taks":"a"})", R"({"task":1})", R"({"since":"x"})"})
        EXPECT_FALSE(is_empty(filter_from(bad))) << bad;
}

TEST(Bodies, AreReplacedAndNothingElse) {
    const std::string message = R"({"exchange":"e","routing_key":"k","headers":{"n":1},"body":"old"})";
    EXPECT_THAT(with_body(message, "new"), testing::AllOf(HasSubstr(R"("body":"new")"), HasSubstr(R"("n":1)")));
    EXPECT_THAT(with_body(message, "\xFF"), testing::AllOf(HasSubstr(R"("body_hex":"ff")"), testing::Not(HasSubstr(R"("body":)"))));
    EXPECT_EQ(with_body("no json", "new"), "no json");
}

const std::string one_step = R"(
workflow = "one"
[input]
name = { type = "string", required = true }
[[step]]
id = "a"
task = "a.one"
retry = { max_attempts = 1 }
with = { name = "${input.name}" }
)";

Outcome<std::shared_ptr<core::Workflow>> compile_text(const std::string& source, const std::string& file) {
    const auto loaded = definition::load(source, file);
    if (!loaded) return Failure{make_error_code(EngineErrc::bad_definition), "wrong"};
    return std::make_shared<core::Workflow>(*loaded.workflow);
}

struct DeadJobsProcess {
    explicit DeadJobsProcess(test::SimDatabase& database, const Clock& clock, std::uint64_t seed = 7)
        : store(database), engine(options(seed), store, clock, compile_text,
                                  {.tell = [](Told) {},
                                   .republish = [this](DeadLetter letter, std::function<void(Outcome<void>)> done) {
                                       republished.push_back({std::move(letter), std::move(done)});
                                   }}) {}

    static EngineOptions options(std::uint64_t seed) {
        EngineOptions made;
        made.seed = seed;
        return made;
    }
    void work() {
        while (engine.work()) {
        }
    }

    test::SimStore store;
    std::vector<std::pair<DeadLetter, std::function<void(Outcome<void>)>>> republished;
    Engine engine;
};

struct DeadJobs : testing::Test {
    // Runs whose only step is dead, each with its own number in the error.
    void make_dead(int count) {
        process.engine.deploy(one_step, "one.toml", [](const Outcome<Deployed>&) {});
        process.work();
        for (int i = 0; i < count; ++i) {
            process.engine.start_run({"one", 0, fmt::format(R"({{"name":"n{}"}})", i), ""},
                                     [&](const Outcome<Started>& one) { runs.push_back(one->run_id); });
            process.work();
            die(process, runs.back(), 1, fmt::format("user {} unknown", i));
        }
    }
    static void die(DeadJobsProcess& where, const std::string& run, std::uint32_t attempt, const std::string& detail) {
        core::Problem problem;
        problem.type = "unknown_user";
        problem.detail = detail;
        where.engine.report({{run, core::TaskFailed{{"a", false, attempt}, problem}, 1}});
        where.work();
    }
    void add_plain(int count) {
        for (int i = 0; i < count; ++i) {
            PlainDeadLetter plain;
            plain.letter.reason = "rejected";
            plain.letter.task = "mail.send";
            plain.letter.message = R"({"routing_key":"mail.send","body":"x"})";
            process.engine.add_dead_letter(plain);
        }
        process.work();
    }
    DeadJob start(DeadJob job) {
        DeadJob kept;
        job.actor = "ada";
        process.engine.start_dead_job(std::move(job), [&](const Outcome<DeadJob>& one) {
            ASSERT_TRUE(one) << one.error().detail;
            kept = *one;
        });
        process.work();
        return kept;
    }
    std::size_t count(DeadLetterState state) const {
        return static_cast<std::size_t>(std::ranges::count(database.dead_letters, state, &DeadLetter::state));
    }
    void pass(DeadJobsProcess& where, Duration time) {
        for (; time > Duration::zero(); time -= 100ms) {
            clock.advance(100ms);
            where.work();
        }
    }

    // Every third commit fails while the job runs; what is refused must not look like a failure of a letter.
    void survives(test::SimStore::Fault fault) {
        make_dead(6);
        DeadJob job;
        job.filter.task = "a.one";
        job.interval = 100ms;
        job.stop_after = 1;
        int commits = 0;
        process.store.on_commit = [&] { return ++commits % 3 == 0 ? fault : test::SimStore::Fault::none; };
        start(job);
        pass(process, 60s);
        process.store.on_commit = nullptr;
        pass(process, 20s);

        EXPECT_EQ(count(DeadLetterState::redriven), 6u);
        ASSERT_THAT(database.dead_jobs, SizeIs(1));
        EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done) << database.dead_jobs[0].note;
        EXPECT_EQ(database.dead_jobs[0].done, 6u);
    }

    test::SimDatabase database;
    test::SimClock clock;
    DeadJobsProcess process{database, clock};
    std::vector<std::string> runs;
};

TEST_F(DeadJobs, AGroupIsSentAgainAtItsRateAndSaysWhoDidIt) {
    make_dead(5);
    add_plain(1);
    DeadJob job;
    job.filter.cause = database.dead_letters[0].cause;
    job.interval = 1s;

    const DeadJob began = start(job);

    EXPECT_EQ(began.total, 5u);
    EXPECT_EQ(count(DeadLetterState::redriven), 1u);
    pass(process, 1s);
    EXPECT_EQ(count(DeadLetterState::redriven), 2u);
    pass(process, 5s);
    EXPECT_EQ(count(DeadLetterState::redriven), 5u);
    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done);
    EXPECT_EQ(database.dead_jobs[0].done, 5u);
    EXPECT_EQ(database.dead_letters[2].closed_by, "ada");
    EXPECT_EQ(database.dead_letters[2].job, began.id);
    EXPECT_EQ(database.dead_letters[5].state, DeadLetterState::open); // of another cause
    EXPECT_THAT(database.history.back().events, HasSubstr(R"("actor":"ada")"));
}

TEST_F(DeadJobs, ItStopsWhenTooManyDieAgain) {
    make_dead(10);
    DeadJob job;
    job.filter.task = "a.one";
    job.interval = 1s;
    job.stop_after = 2;
    start(job);

    die(process, runs[0], 2, "user 0 unknown");
    pass(process, 1s);
    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::running);
    die(process, runs[1], 2, "user 1 unknown");
    pass(process, 20s);

    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::stopped);
    EXPECT_EQ(database.dead_jobs[0].failures, 2u);
    EXPECT_THAT(database.dead_jobs[0].note, HasSubstr("2 of those sent again are dead again"));
    EXPECT_EQ(count(DeadLetterState::redriven), 2u);
    EXPECT_EQ(count(DeadLetterState::open), 10u); // 8 that were never sent, 2 that died again
}

TEST_F(DeadJobs, AMessageThatDiesAgainCountsToo) {
    add_plain(3);
    DeadJob job;
    job.filter.task = "mail.send";
    job.interval = 1s;
    job.stop_after = 1;
    start(job);
    ASSERT_THAT(process.republished, SizeIs(1));
    process.republished[0].second(boost::system::in_place_value);
    process.work();
    EXPECT_EQ(database.dead_letters[0].closed_by, "ada");

    PlainDeadLetter again;
    again.letter.task = "mail.send";
    again.letter.again_of = 1;
    process.engine.add_dead_letter(again);
    pass(process, 5s);

    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::stopped);
    EXPECT_THAT(process.republished, SizeIs(1));
}

TEST_F(DeadJobs, MessagesThatCannotBeSentStopItToo) {
    add_plain(5);
    DeadJob job;
    job.filter.task = "mail.send";
    job.interval = 100ms;
    job.stop_after = 2;
    start(job);
    for (std::size_t sent = 0; sent < process.republished.size(); ++sent) {
        process.republished[sent].second(Failure{make_error_code(EngineErrc::refused), "no queue takes it"});
        pass(process, 200ms);
    }

    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::stopped);
    EXPECT_EQ(database.dead_jobs[0].refused, 2u);
    EXPECT_THAT(database.dead_jobs[0].note, HasSubstr("no queue takes it"));
    EXPECT_EQ(count(DeadLetterState::open), 5u);
}

TEST_F(DeadJobs, TwoOverTheSameLettersSendNoneTwice) {
    add_plain(6);
    DeadJob job;
    job.filter.task = "mail.send";
    job.interval = 100ms;
    start(job);
    start(job);
    for (std::size_t settled = 0; settled < process.republished.size(); ++settled) {
        process.republished[settled].second(boost::system::in_place_value);
        pass(process, 300ms);
    }
    pass(process, 3s);

    std::vector<std::uint64_t> sent;
    for (const auto& [letter, done] : process.republished) sent.push_back(letter.id);
    std::ranges::sort(sent);
    EXPECT_THAT(sent, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done);
    EXPECT_EQ(database.dead_jobs[1].state, DeadJobState::done);
    EXPECT_EQ(database.dead_jobs[0].done + database.dead_jobs[1].done, 6u);
    EXPECT_EQ(database.dead_jobs[0].refused + database.dead_jobs[1].refused, 0u);
}

TEST_F(DeadJobs, ItGoesOnInTheNextLife) {
    make_dead(6);
    DeadJob job;
    job.filter.task = "a.one";
    job.interval = 1s;
    start(job);
    pass(process, 2s);
    EXPECT_EQ(count(DeadLetterState::redriven), 3u);

    DeadJobsProcess next(database, clock, 8);
    next.work();
    pass(next, 10s);

    EXPECT_EQ(count(DeadLetterState::redriven), 6u);
    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done);
    EXPECT_EQ(database.dead_jobs[0].done, 6u);
}

TEST_F(DeadJobs, AStoreThatFailsBeforeItWritesLosesNothing) {
    survives(test::SimStore::Fault::before);
}

TEST_F(DeadJobs, AStoreThatFailsAfterItWroteSendsNothingTwice) {
    survives(test::SimStore::Fault::after);
}

TEST_F(DeadJobs, CancelledItTouchesNoFurtherLetter) {
    make_dead(4);
    DeadJob job;
    job.filter.task = "a.one";
    job.interval = 1s;
    const DeadJob began = start(job);
    std::string note;
    process.engine.cancel_dead_job(began.id, [&](const Outcome<DeadJob>& one) { note = one->note; }, "grace");
    process.work();
    pass(process, 10s);

    EXPECT_EQ(note, "cancelled by grace");
    EXPECT_EQ(count(DeadLetterState::redriven), 1u);
    std::string refusal;
    process.engine.cancel_dead_job(began.id, [&](const Outcome<DeadJob>& one) { refusal = one.error().detail; }, "grace");
    process.work();
    EXPECT_THAT(refusal, HasSubstr("is not running"));
}

TEST_F(DeadJobs, DroppingKeepsTheReason) {
    make_dead(3);
    add_plain(700);
    DeadJob job;
    job.drops = true;
    job.reason = "they have left";
    start(job);

    EXPECT_EQ(count(DeadLetterState::dropped), 703u);
    EXPECT_EQ(database.dead_letters[700].close_reason, "they have left");
    EXPECT_EQ(database.dead_jobs[0].done, 703u);
    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done);
}

// Both came to the engine before it could write either.
TEST_F(DeadJobs, AStepThatDiesAndIsTriedAgainAtOnceLeavesNoLetter) {
    make_dead(0);
    process.engine.start_run({"one", 0, R"({"name":"n"})", ""}, [&](const Outcome<Started>& one) { runs.push_back(one->run_id); });
    process.work();
    core::Problem problem;
    problem.type = "unknown_user";
    process.engine.report({{runs[0], core::TaskFailed{{"a", false, 1}, problem}, 1}});
    process.engine.retry(runs[0], false, [](const Outcome<RunChanged>& one) { EXPECT_TRUE(one); });
    process.work();
    EXPECT_EQ(count(DeadLetterState::open), 0u);

    die(process, runs[0], 2, "once more");
    EXPECT_EQ(count(DeadLetterState::open), 1u);
}

TEST_F(DeadJobs, LettersThatCameLaterAreNotItsOwn) {
    make_dead(3);
    DeadJob job;
    job.filter.task = "a.one";
    job.interval = 1s;
    start(job);
    die(process, runs[0], 2, "user 0 unknown");
    pass(process, 20s);

    EXPECT_EQ(database.dead_jobs[0].state, DeadJobState::done);
    EXPECT_EQ(database.dead_jobs[0].failures, 1u);
    EXPECT_EQ(database.dead_letters.back().state, DeadLetterState::open);
}

TEST_F(DeadJobs, WhatIsSentAgainMayBeEdited) {
    add_plain(1);
    process.engine.redrive(1, [](const Outcome<void>&) {}, "ada", {}, "better");
    process.work();
    ASSERT_THAT(process.republished, SizeIs(1));
    EXPECT_THAT(process.republished[0].first.message, HasSubstr(R"("body":"better")"));
    process.republished[0].second(boost::system::in_place_value);
    process.work();
    EXPECT_EQ(database.dead_letters[0].close_reason, "sent with another body");

    make_dead(1);
    std::string refusal;
    process.engine.redrive(2, [&](const Outcome<void>& one) { refusal = one.error().detail; }, "ada", {}, "better");
    process.work();
    EXPECT_THAT(refusal, HasSubstr("no body"));
}

} // namespace
} // namespace baton::orchestrator::runtime
