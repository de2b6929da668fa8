// Takes requests to webhooks: judges who sent them, and asks the engine for the runs that they are
// to start. A thread of its own, so that whoever floods it holds up neither the engine nor the
// schedules; the web hands in a bounded number. A path may belong to triggers of several workflows:
// each whose secret the request shows gets a run.
#pragma once

#include "base/clock.hpp"
#include "base/mailbox.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "orchestrator/core/workflow.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "orchestrator/runtime/hook_call.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace baton::orchestrator {

class HookKeeper {
public:
    using Live = std::vector<std::shared_ptr<const core::Workflow>>;

    // `clock` must outlive it.
    explicit HookKeeper(const Clock& clock) : clock_(clock) {}
    ~HookKeeper();
    HookKeeper(const HookKeeper&) = delete;

    // `engine` must outlive the keeper, or its stop().
    void start(runtime::Engine& engine);
    // Calls that wait are answered as busy. May be called twice.
    void stop();

    // Any thread, also before start(): which workflows are live from now on.
    void live(Live workflows);
    // Any thread; the reply comes on the keeper's.
    void call(runtime::HookCall call, runtime::HookReply reply);

private:
    struct Hook {
        std::shared_ptr<const core::Workflow> workflow;
        const core::Trigger* trigger = nullptr; // of it
        Time logged_at{};                       // when its secrets could not be used
    };
    struct Asked {
        runtime::HookCall call;
        runtime::HookReply reply;
    };
    struct Started {
        std::uint64_t number = 0; // of the call
        std::string workflow;
        Outcome<runtime::Started> started;
    };
    using Item = std::variant<Live, Asked, Started>;
    // A call of which the engine has not said everything yet.
    struct Waiting {
        runtime::HookAnswer answer;
        runtime::HookReply reply;
        std::size_t left = 0;
        bool tells_why = false; // its sender is known
    };

    void run();
    void learn(const Live& workflows);
    void take(Asked asked);
    static std::vector<std::string> secrets_of(Hook& hook, Time now);
    // False: nothing is asked of the engine for it.
    bool ask(std::uint64_t number, const Hook& hook, const runtime::HookCall& call,
             Waiting& waiting);
    void hear(Started started);
    void log_refusal(const runtime::HookCall& call, const std::string& why);

    const Clock& clock_;
    runtime::Engine* engine_ = nullptr;
    std::multimap<std::string, Hook> hooks_; // by path
    bool knows_ = false;                     // what is live
    std::map<std::uint64_t, Waiting> waiting_;
    std::uint64_t calls_ = 0;
    Time logged_at_{};
    std::uint64_t unlogged_ = 0;
    Mailbox<Item> items_;
    Thread thread_;
};

} // namespace baton::orchestrator
