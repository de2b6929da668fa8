// Why a run does not go on: a story for each code, and that none is given that was not seen.
#include "orchestrator/runtime/why.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::orchestrator::runtime {
namespace {

using core::AttemptStory;
using core::Document;
using core::StepStory;
using testing::HasSubstr;

const Time why_now = time_from_micros(1'800'000'000'000'000);

Document document(std::string text) {
    return *Document::parse(std::move(text));
}

struct Story {
    StoredRun run;
    std::vector<StepStory> steps;
    std::optional<core::PauseStory> pause;
    std::string awaits, incident;
    WhySight sight;

    Story() {
        run.run_id = "0193a5c2-7d41-7000-8000-000000000001";
        run.workflow = "w";
        run.status = RunStatus::running;
        run.started_at = why_now;
    }
    StepStory& step(std::string_view status, std::string task = "mail.create") {
        StepStory one;
        one.step = "a";
        one.task = std::move(task);
        one.status = status;
        steps.push_back(std::move(one));
        return steps.back();
    }
    AttemptStory& attempt(StepStory& of) {
        AttemptStory one;
        one.number = 2;
        one.max_attempts = 5;
        one.dispatched_at = why_now;
        of.attempts.push_back(std::move(one));
        return of.attempts.back();
    }
    QueueSight& queue(std::uint64_t consumers, std::uint64_t ready) {
        sight.tasks["mail.create"].queue = QueueSight{true, ready, consumers, {}, 0};
        return *sight.tasks["mail.create"].queue;
    }
    std::vector<Why> tell() const {
        return why({run, steps, pause, awaits, incident, nullptr}, sight);
    }
    WhyCode code() const { return tell().front().code; }
};

TEST(Why, EveryCodeHasAWordAndBack) {
    for (int i = 0; i <= static_cast<int>(WhyCode::goes_on); ++i) {
        const auto code = static_cast<WhyCode>(i);
        EXPECT_EQ(why_code_from(word_of(code)), code) << word_of(code);
    }
    EXPECT_EQ(word_of(WhyCode::goes_on), "goes_on");
    EXPECT_EQ(word_of(WhyCode::no_consumer), "no_consumer");
    EXPECT_EQ(word_of(WhyCode::waits_for_step), "waits_for_step");
    EXPECT_FALSE(why_code_from("nothing"));
}

TEST(Why, NobodyIsCalledBusyWhereNobodyIsAndNobodyAwayWhereSomebodyIs) {
    Story story;
    story.attempt(story.step("dispatched"));
    story.queue(0, 7);
    EXPECT_EQ(story.code(), WhyCode::no_consumer);
    EXPECT_THAT(story.tell().front().sentence, HasSubstr("7 tasks wait"));

    QueueSight& queue = story.queue(2, 7);
    queue.capacity = 16;
    queue.unacked = 16;
    EXPECT_EQ(story.code(), WhyCode::consumers_busy);

    queue.unacked = 15; // one has room
    EXPECT_EQ(story.code(), WhyCode::attempt_running);
    queue.unacked = 16;
    queue.ready = 0; // this one is not among those that wait
    EXPECT_EQ(story.code(), WhyCode::attempt_running);
    queue.ready = 7;
    queue.capacity.reset(); // one takes as many as there are, or nobody says
    EXPECT_EQ(story.code(), WhyCode::attempt_running);
}

TEST(Why, WhoWorksOnItIsNamed) {
    Story story;
    AttemptStory& attempt = story.attempt(story.step("dispatched"));
    attempt.worker = "mail@host:1";
    attempt.started_at = why_now + std::chrono::seconds(3);
    story.queue(0, 9); // the queue says nothing of what a worker has
    EXPECT_EQ(story.code(), WhyCode::attempt_running);
    EXPECT_EQ(story.tell().front().since, attempt.started_at);
}

TEST(Why, ALookSaysWhatItIsFor) {
    Story story;
    StepStory& step = story.step("dispatched", "mail.find");
    story.attempt(step);
    AttemptStory& look = story.attempt(step);
    look.number = 3;
    look.look = "asks";
    story.sight.tasks["mail.find"].queue = QueueSight{true, 1, 0, {}, 0};
    EXPECT_EQ(story.code(), WhyCode::no_consumer);
    EXPECT_THAT(
        story.tell().front().sentence,
        testing::StartsWith(
            "nobody knows whether attempt 2 took effect, and mail.find is asked: no worker"));
}

TEST(Why, AStepThatIsAWorkflowNamesItsRun) {
    Story story;
    story.attempt(story.step("dispatched", "")).run = "0193a5c2-7d41-7000-8000-000000000002";
    EXPECT_EQ(story.code(), WhyCode::child_run);
    EXPECT_THAT(story.tell().front().sentence, HasSubstr("0193a5c2-7d41-7000-8000-000000000002"));
}

TEST(Why, TheQueueOfATask) {
    Story story;
    story.attempt(story.step("dispatched"));
    EXPECT_EQ(story.code(), WhyCode::attempt_running) << "what could not be asked is no reason";
    story.sight.is_outbox_behind = true;
    EXPECT_EQ(story.code(), WhyCode::outbox_behind);
    story.queue(1, 0);
    EXPECT_EQ(story.code(), WhyCode::outbox_behind);
    story.sight.is_broker_blocked = true;
    EXPECT_EQ(story.code(), WhyCode::broker_blocked);
    story.sight.tasks["mail.create"].queue->exists = false;
    EXPECT_EQ(story.code(), WhyCode::unrouted);
    story.sight.tasks["mail.create"].held =
        HeldTask{"mail.create", "the key is wrong", {}, why_now, why_now};
    EXPECT_EQ(story.code(), WhyCode::task_held);
}

TEST(Why, WhatIsHeldBackSaysByWhat) {
    const std::vector<std::pair<std::string, WhyCode>> held{
        {"task type mail.create is paused by ada since 2026", WhyCode::task_paused},
        {"workflow w is paused since 2026", WhyCode::workflow_paused},
        {"limit api: 3 tasks are out, as many as may be", WhyCode::limit_full},
        {"limit api: its rate allows the next one in a moment", WhyCode::rate_limited}};
    for (const auto& [reason, code] : held) {
        Story story;
        story.step("held").reason = reason;
        EXPECT_EQ(story.code(), code) << reason;
        EXPECT_THAT(story.tell().front().sentence, HasSubstr(reason));
    }
    Story story;
    story.step("held").reason = held[0].first;
    story.sight.tasks["mail.create"].pause =
        StoredPause{PauseKind::task, "mail.create", "ada", "", why_now, {}};
    ASSERT_TRUE(story.tell().front().act);
    EXPECT_EQ(story.tell().front().act->path, "/baton/v1/tasks/mail.create/resume");
}

TEST(Why, WhatIsTriedAgainSaysWhen) {
    Story story;
    AttemptStory& attempt = story.attempt(story.step("backing_off"));
    attempt.error = document(R"({"type":"http.503","detail":"redmine is down"})");
    attempt.retry_at = why_now + std::chrono::minutes(2);
    EXPECT_EQ(story.code(), WhyCode::backing_off);
    EXPECT_EQ(story.tell().front().until, attempt.retry_at);
    EXPECT_THAT(story.tell().front().sentence,
                HasSubstr("attempt 2 of 5 failed (http.503: redmine is down)"));
    EXPECT_EQ(story.tell().front().act->body, R"({"now":true})");
    attempt.error = document(R"({"type":"unauthorized","attempt":false})");
    EXPECT_EQ(story.code(), WhyCode::task_held) << "no attempt was used up";
}

TEST(Why, WhatComesFromOutside) {
    const std::vector<std::pair<std::string, WhyCode>> waits{
        {R"({"signal":"ack"})", WhyCode::signal},
        {R"({"approval":{"title":"May she?","by":["owner"]}})", WhyCode::approval},
        {R"({"event":{"type":"order.paid","match":{"data.order":7}}})", WhyCode::event},
        {R"({"first_of":[{"name":"left","event":{"type":"hr.left"}},{"name":"late","at":"2026-12-01T00:00:00Z"}]})",
         WhyCode::event},
        {R"({"run":"0193a5c2-7d41-7000-8000-000000000002"})", WhyCode::child_run},
        {R"({"first_of":[{"name":"ack","signal":"ack"},{"name":"late","at":"2026-12-01T00:00:00Z"}]})",
         WhyCode::signal},
        {R"({"first_of":[{"name":"late","at":"2026-12-01T00:00:00Z"}]})", WhyCode::timer}};
    for (const auto& [text, code] : waits) {
        Story story;
        StepStory& step = story.step("sleeping");
        step.waits_for = document(text);
        EXPECT_EQ(story.code(), code) << text;
    }
    Story paid;
    paid.step("sleeping").waits_for =
        document(R"({"event":{"type":"order.paid","match":{"data.order":7,"source":"shop"}}})");
    EXPECT_EQ(paid.tell().front().sentence,
              R"(it waits for an event 'order.paid' with data.order = 7 and source = "shop")");
    Story story;
    story.step("sleeping").until = why_now;
    EXPECT_EQ(story.code(), WhyCode::timer);
    EXPECT_EQ(story.tell().front().until, why_now);
    Story deferred;
    deferred.step("deferred");
    EXPECT_EQ(deferred.code(), WhyCode::attempt_running);
}

TEST(Why, TheRunAsAWhole) {
    Story story;
    EXPECT_EQ(story.code(), WhyCode::goes_on);
    story.run.status = RunStatus::queued;
    story.awaits = "ada";
    EXPECT_EQ(story.code(), WhyCode::queued_by_key);
    story.awaits = "workflow w is paused since 2026";
    EXPECT_EQ(story.code(), WhyCode::workflow_paused);
    story.sight.workflow_pause = StoredPause{PauseKind::workflow, "w", "ada", "", why_now, {}};
    EXPECT_EQ(story.tell().size(), 1u) << "said once";
    EXPECT_THAT(story.tell().front().sentence, HasSubstr("baton resume --workflow w"));

    story = {};
    story.run.status = RunStatus::paused;
    story.pause = core::PauseStory{"ada", "mail moves", why_now};
    EXPECT_EQ(story.code(), WhyCode::run_paused);
    EXPECT_THAT(story.tell().front().sentence, HasSubstr("ada let it pause: mail moves"));
    story.sight.is_broker_away = true;
    EXPECT_EQ(story.code(), WhyCode::broker_away);
    story.sight.owner_trouble = "server b hangs";
    EXPECT_EQ(story.code(), WhyCode::partition_elsewhere);
    story.sight.is_store_away = true;
    EXPECT_EQ(story.code(), WhyCode::store_away);
    story.incident = "its document is damaged";
    EXPECT_EQ(story.code(), WhyCode::unreadable);
}

TEST(Why, WhatGaveUp) {
    Story story;
    story.run.status = RunStatus::paused; // by on_failure, so nobody let it pause
    StepStory& step = story.step("dead");
    step.error = document(R"({"type":"taken","detail":"login taken"})");
    EXPECT_EQ(story.code(), WhyCode::dead_letter);
    EXPECT_THAT(story.tell().front().sentence, HasSubstr("taken: login taken"));
    step.undo = true;
    EXPECT_EQ(story.code(), WhyCode::undo_failed);
    EXPECT_EQ(story.tell().front().act->path,
              "/baton/v1/runs/0193a5c2-7d41-7000-8000-000000000001/steps/a%3Aundo/retry");

    story.run.status = RunStatus::failed;
    story.run.closed_at = why_now;
    story.run.error = "a: taken";
    const auto reasons = story.tell();
    EXPECT_EQ(reasons.front().code, WhyCode::closed);
    EXPECT_EQ(reasons.size(), 2u);
}

TEST(Why, WhatIsLouderComesFirst) {
    Story story;
    story.step("sleeping").until = why_now;
    story.attempt(story.step("dispatched"));
    story.queue(0, 1);
    const auto reasons = story.tell();
    ASSERT_EQ(reasons.size(), 2u);
    EXPECT_EQ(reasons[0].code, WhyCode::no_consumer);
    EXPECT_EQ(reasons[1].code, WhyCode::timer);
}

TEST(Why, AStepThatHasNotItsTurnNamesThoseBefore) {
    core::Workflow workflow;
    workflow.steps.resize(2);
    workflow.steps[0].id = "a";
    workflow.steps[1].id = "b";
    core::link(workflow);
    Story story;
    story.attempt(story.step("dispatched"));
    story.queue(0, 1);
    const auto reasons = why({story.run, story.steps, {}, {}, {}, &workflow}, story.sight);
    ASSERT_EQ(reasons.size(), 2u);
    EXPECT_EQ(reasons[1].code, WhyCode::waits_for_step);
    EXPECT_EQ(reasons[1].step, "b");
    EXPECT_THAT(reasons[1].sentence, HasSubstr("after a"));
}

} // namespace
} // namespace baton::orchestrator::runtime
