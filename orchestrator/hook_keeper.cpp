#include "orchestrator/hook_keeper.hpp"

#include "base/log.hpp"
#include "base/named_file.hpp"
#include "base/overloaded.hpp"
#include "orchestrator/core/trigger_input.hpp"
#include "orchestrator/hook/delivery.hpp"
#include "orchestrator/hook/sender.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace baton::orchestrator {

using runtime::EngineErrc;
using runtime::HookAnswer;
using Kind = HookAnswer::Kind;

namespace {

constexpr std::size_t secret_bytes_max = 4096;
// Strangers cannot fill the log.
constexpr Duration refusal_log_pause = std::chrono::seconds(1);
// Nor by what each of their requests finds wrong with our own files.
constexpr Duration secret_log_pause = std::chrono::seconds(1);

// As a file ends that an editor wrote.
std::string without_line_end(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.pop_back();
    return text;
}

// Those that can be read now; an empty one would let everybody in and is none. `trouble`: of one
// that is none.
std::vector<std::string> read_secrets(const core::WebhookTrigger& trigger, std::string& trouble) {
    std::vector<std::string> secrets;
    for (const core::WebhookTrigger::Secret& one : trigger.secrets) {
        std::string secret;
        if (!one.file.empty()) {
            auto bytes = read_named_file(one.file, secret_bytes_max);
            if (!bytes) trouble = fmt::format("{}: {}", one.file, bytes.error().detail);
            if (!bytes) continue;
            secret = without_line_end(std::move(*bytes));
        } else if (const char* value = std::getenv(one.environment.c_str()); value != nullptr) {
            secret = value;
        }
        if (secret.empty())
            trouble = fmt::format("{} is empty, and fits nothing",
                                  one.file.empty() ? one.environment : one.file);
        else
            secrets.push_back(std::move(secret));
    }
    return secrets;
}

void refuse_input(HookAnswer& answer, const std::string& why) {
    // All of it comes again, or something has begun.
    if (answer.kind == Kind::busy || answer.kind == Kind::started) return;
    answer.kind = Kind::unfit;
    answer.reason = why;
}

} // namespace

HookKeeper::~HookKeeper() {
    stop();
}

void HookKeeper::start(runtime::Engine& engine) {
    engine_ = &engine;
    thread_ = Thread("webhooks", [this] { run(); });
}

void HookKeeper::stop() {
    items_.close();
    thread_.join();
}

void HookKeeper::live(Live workflows) {
    items_.put(std::move(workflows));
}

void HookKeeper::call(runtime::HookCall call, runtime::HookReply reply) {
    items_.put(Asked{std::move(call), std::move(reply)});
}

void HookKeeper::run() {
    const auto busy = [](const runtime::HookReply& reply) {
        reply({Kind::busy, {}, "the server is stopping"});
    };
    const auto hear_one = [&](Item& item) {
        std::visit(Overloaded{[&](Live& workflows) { learn(workflows); },
                              [&](Asked& asked) {
                                  items_.is_closed() ? busy(asked.reply) : take(std::move(asked));
                              },
                              [&](Started& started) { hear(std::move(started)); }},
                   item);
    };
    while (!items_.is_closed())
        for (Item& item : items_.take())
            hear_one(item);
    for (Item& item : items_.take_now())
        hear_one(item);
    for (const auto& [number, waiting] : waiting_)
        busy(waiting.reply);
}

void HookKeeper::learn(const Live& workflows) {
    hooks_.clear();
    knows_ = true;
    for (const auto& workflow : workflows)
        for (const core::Trigger& trigger : workflow->triggers)
            if (const auto* hook = std::get_if<core::WebhookTrigger>(&trigger.kind))
                hooks_.emplace(hook->path, Hook{workflow, &trigger, {}});
}

std::vector<std::string> HookKeeper::secrets_of(Hook& hook, Time now) {
    std::string trouble;
    auto secrets = read_secrets(std::get<core::WebhookTrigger>(hook.trigger->kind), trouble);
    const bool may_log = now < hook.logged_at || now >= hook.logged_at + secret_log_pause;
    if (trouble.empty() || !may_log) return secrets;
    hook.logged_at = now;
    log::error(
        "webhooks", "a secret cannot be used",
        {{"hook", std::get<core::WebhookTrigger>(hook.trigger->kind).path}, {"reason", trouble}});
    return secrets;
}

void HookKeeper::take(Asked asked) {
    if (!knows_) return asked.reply({Kind::busy, {}, "the workflows are not known yet"});
    Waiting waiting;
    waiting.reply = std::move(asked.reply);
    const std::uint64_t number = ++calls_;
    const auto [begin, end] = hooks_.equal_range(asked.call.path);
    std::string why = begin == end ? "no workflow has this hook" : "";
    for (auto at = begin; at != end; ++at) {
        const auto& trigger = std::get<core::WebhookTrigger>(at->second.trigger->kind);
        why = asked.call.body.size() > trigger.body_bytes_max
                  ? "its body is too large"
                  : hook::complaint_about_sender(trigger, secrets_of(at->second, clock_.now()),
                                                 asked.call.headers, asked.call.body, clock_.now());
        if (!why.empty()) continue;
        if (waiting.answer.kind == Kind::refused) waiting.answer.kind = Kind::ignored;
        waiting.tells_why =
            waiting.tells_why || trigger.scheme != core::WebhookTrigger::Scheme::none;
        if (ask(number, at->second, asked.call, waiting)) ++waiting.left;
    }
    if (waiting.answer.kind == Kind::refused) log_refusal(asked.call, why);
    if (!waiting.tells_why) waiting.answer.reason.clear();
    if (waiting.left == 0) return waiting.reply(std::move(waiting.answer));
    waiting_.emplace(number, std::move(waiting));
}

bool HookKeeper::ask(std::uint64_t number, const Hook& hook, const runtime::HookCall& call,
                     Waiting& waiting) {
    const core::Workflow& workflow = *hook.workflow;
    const auto& trigger = std::get<core::WebhookTrigger>(hook.trigger->kind);
    const auto refuse = [&](const Failure& failure) {
        refuse_input(waiting.answer, fmt::format("{}: {}", workflow.name, failure.detail));
        return false;
    };
    const auto event = hook::event_of(
        *hook.trigger, {hook::public_headers(trigger, call.headers), call.query, call.body});
    if (!event) return refuse(event.error());
    const auto is_meant = core::is_meant(workflow, *hook.trigger, *event);
    if (!is_meant) return refuse(is_meant.error());
    if (!*is_meant) return false;
    const auto key = hook::start_key(workflow, *hook.trigger, *event, call.body);
    if (!key) return refuse(key.error());
    const auto input = core::trigger_input(workflow, *hook.trigger, *event);
    if (!input) return refuse(input.error());
    runtime::StartRequest request;
    request.workflow = workflow.name;
    request.input = std::string(input->text());
    request.key = key->value_or("");
    request.is_by_trigger = key->has_value();
    request.actor = fmt::format("webhook {}", trigger.path);
    const auto header = [&](const char* name) {
        const auto found = call.headers.find(name);
        return found == call.headers.end() ? std::string() : found->second;
    };
    request.trace = trace::given(header("traceparent"), header("tracestate"));
    engine_->start_run(std::move(request),
                       [this, number, name = workflow.name](Outcome<runtime::Started> started) {
                           items_.put(Started{number, name, std::move(started)});
                       });
    return true;
}

void HookKeeper::hear(Started started) {
    const auto found = waiting_.find(started.number);
    if (found == waiting_.end()) return;
    Waiting& waiting = found->second;
    HookAnswer& answer = waiting.answer;
    if (started.started) {
        if (answer.kind != Kind::busy) answer.kind = Kind::started;
        answer.runs.push_back({started.started->run_id, started.workflow,
                               started.started->is_new && !started.started->is_skipped});
    } else if (runtime::is_passing(started.started.error())) {
        answer.kind = Kind::busy; // what was started has its name, and is found when it comes again
        answer.reason = "the server cannot take it now; send it again in a moment";
    } else {
        refuse_input(answer, waiting.tells_why ? fmt::format("{}: {}", started.workflow,
                                                             started.started.error().detail)
                                               : "");
        log::warning("webhooks", "a delivery started nothing",
                     {{"workflow", started.workflow}, {"reason", started.started.error().detail}});
    }
    if (--waiting.left > 0) return;
    const Waiting done = std::move(waiting);
    waiting_.erase(found);
    done.reply(done.answer);
}

void HookKeeper::log_refusal(const runtime::HookCall& call, const std::string& why) {
    const Time now = clock_.now();
    if (now - logged_at_ < refusal_log_pause && now >= logged_at_) {
        ++unlogged_;
        return;
    }
    log::warning(
        "webhooks", "a delivery was refused",
        {{"hook", call.path}, {"from", call.address}, {"reason", why}, {"more_before", unlogged_}});
    logged_at_ = now;
    unlogged_ = 0;
}

} // namespace baton::orchestrator
