// What a preview says, and that what the act then does is just that.
#include "orchestrator/core/run.hpp"
#include "orchestrator/runtime/preview.hpp"
#include "tests/support/compile.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::runtime {
namespace {

const Time preview_now = time_from_micros(1'800'000'000'000'000);

struct PreviewStarted {
    std::shared_ptr<core::Workflow> workflow;
    core::Run run;

    explicit PreviewStarted(const std::string& source) {
        auto compiled = test::compile(source, "w.toml");
        EXPECT_TRUE(compiled) << compiled.error().detail;
        workflow = *compiled;
        run = core::new_run(*workflow, "0193a5c2-7d41-7000-8000-000000000001");
        take(core::RunStarted{*core::Document::parse("{}")});
    }
    core::Transition take(const core::Event& event) {
        return core::advance(*workflow, run, event, preview_now);
    }
    void complete(const std::string& step) {
        take(core::TaskCompleted{{step, false, 1}, *core::Document::parse(R"({"id":7})")});
    }
    Preview look(const core::Event& event) const {
        return preview(*workflow, run, event, preview_now, core::open_gate());
    }
};

const std::string preview_steps = R"(
workflow = "w"
on_cancel = "compensate"
[[step]]
id = "a"
task = "t.a"
compensate = { task = "t.undo_a" }
[[step]]
id = "b"
task = "t.b"
compensate = { task = "t.undo_b" }
[[step]]
id = "c"
task = "t.c"
)";

TEST(Preview, NamesEveryUndoThatACancelWouldBring) {
    PreviewStarted started(preview_steps);
    started.complete("a");
    started.complete("b");

    const Preview seen = started.look(core::CancelRequested{"wrong person"});

    EXPECT_EQ(seen.refusal, "");
    EXPECT_EQ(seen.before, RunStatus::running);
    EXPECT_EQ(seen.after, RunStatus::compensating);
    ASSERT_EQ(seen.sends.size(), 2u);
    EXPECT_EQ(seen.sends[0].task, "t.undo_b");
    EXPECT_EQ(seen.sends[1].task, "t.undo_a");
    EXPECT_TRUE(seen.sends[1].undo);
    EXPECT_EQ(started.run.status, RunStatus::running) << "nothing was done";

    const auto done = started.take(core::CancelRequested{"wrong person"});
    std::string told, foretold;
    core::append_json(told, done.facts);
    core::append_json(foretold, seen.facts);
    EXPECT_EQ(foretold, told);
}

TEST(Preview, SaysWhyAnActWouldBeRefused) {
    PreviewStarted started(preview_steps);
    const Preview seen = started.look(core::ResumeRequested{""});
    EXPECT_NE(seen.refusal, "");
    EXPECT_TRUE(seen.sends.empty());
}

TEST(Preview, ASkippedStepShowsWhatBecomesReady) {
    PreviewStarted started(preview_steps);
    const Preview seen = started.look(core::SkipRequested{"a", "by hand"});
    EXPECT_EQ(seen.refusal, "");
    ASSERT_EQ(seen.sends.size(), 1u);
    EXPECT_EQ(seen.sends[0].step, "b");
    EXPECT_FALSE(seen.sends[0].undo);
}

} // namespace
} // namespace baton::orchestrator::runtime
