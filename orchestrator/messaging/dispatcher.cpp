// Publishing commands.
#include "orchestrator/messaging/dispatcher.hpp"

#include "base/fail_point.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "orchestrator/messaging/run_request.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Publication;
using amqp::client::Settlement;

// A full queue refuses; it empties at the speed of its workers.
constexpr Duration refused_pause = std::chrono::milliseconds(250);
// The engine takes no start while its store is away or its partitions move.
constexpr Duration notice_retry_pause = std::chrono::seconds(1);

Publication dispatch_event(std::string_view exchange, std::string key, std::string body) {
    Publication publication;
    publication.exchange = exchange;
    publication.routing_key = std::move(key);
    publication.properties.content_type = "application/json";
    publication.properties.delivery_mode = std::uint8_t{2};
    publication.body = SharedBytes::copy_of(body);
    return publication;
}

bool is_for_a_run(const core::Command& command) {
    if (const auto* task = std::get_if<core::DispatchTask>(&command)) return !task->child_run.empty();
    if (const auto* cancel = std::get_if<core::CancelTask>(&command)) return !cancel->child_run.empty();
    return std::holds_alternative<core::ReportToParent>(command);
}

std::string upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

std::string path_of(const core::AttemptRef& ref) {
    return ref.step + (ref.undo ? ":undo" : "");
}

} // namespace

Dispatcher::Dispatcher(net::asio::any_io_executor executor, const Clock& clock,
                       runtime::Engine& engine, Secrets& secrets, Tracing tracing, NoticeOptions notices)
    : executor_(executor), clock_(clock), engine_(engine), secrets_(secrets), tracing_(std::move(tracing)),
      notices_(std::move(notices)), notice_pause_(executor), wakeup_(executor) {}

void Dispatcher::add(std::vector<runtime::OutgoingCommand> commands) {
    for (auto& command : commands)
        waiting_.push_back({std::move(command), std::nullopt, {}, {}});
    wakeup_.set();
}

void Dispatcher::add_plain(Publication publication, std::function<void(Outcome<void>)> settled) {
    waiting_.push_back({{}, std::move(publication), std::move(settled), {}});
    wakeup_.set();
}

void Dispatcher::announce(const runtime::HeldTask& held) {
    if (!publisher_) return;
    contract::Problem problem;
    problem.type = "held";
    problem.detail = held.reason;
    problem.is_attempt = false;
    problem.retry_after = std::max(held.until - clock_.now(), Duration{});
    Publication publication =
        dispatch_event(contract::control_exchange, contract::hold_key(held.task), contract::to_json(problem));
    publication.properties.delivery_mode = std::uint8_t{1};
    publication.properties.type = "hold";
    add_plain(std::move(publication), [](const Outcome<void>&) {});
}

runtime::Unsent Dispatcher::waiting() const {
    runtime::Unsent tasks;
    const auto add = [&tasks](const Outgoing& one) {
        if (const auto* task = std::get_if<core::DispatchTask>(&one.command.command); task && !one.plain)
            tasks[task->run_id].push_back(task->ref);
    };
    std::for_each(waiting_.begin(), waiting_.end(), add);
    std::for_each(refused_.begin(), refused_.end(), add);
    return tasks;
}

void Dispatcher::forget(const std::vector<runtime::Partition>& parts) {
    const auto is_theirs = [&parts](const Outgoing& one) {
        return !one.plain && std::find(parts.begin(), parts.end(), one.command.place.part) != parts.end();
    };
    std::erase_if(waiting_, is_theirs);
    std::erase_if(refused_, is_theirs);
}

void Dispatcher::use(std::shared_ptr<amqp::client::Publisher> publisher) {
    publisher_ = std::move(publisher);
    if (publisher_)
        publisher_->on_settled([this](const amqp::client::Settled& one) { settled(one); });
    wakeup_.set();
}

net::Awaitable<void> Dispatcher::run() {
    while (!is_stopping_) {
        const auto publisher = publisher_;
        if (publisher && !waiting_.empty()) {
            if (publisher->has_room()) {
                publish_next(*publisher);
                continue;
            }
            const Status room = co_await publisher->room();
            if (!room && publisher_ == publisher) publisher_.reset();
            continue;
        }
        if (publisher && !refused_.empty()) {
            co_await wakeup_.wait_for(refused_pause);
            std::move(refused_.begin(), refused_.end(), std::back_inserter(waiting_));
            refused_.clear();
            continue;
        }
        co_await wakeup_.wait();
    }
}

void Dispatcher::stop() {
    is_stopping_ = true;
    wakeup_.set();
}

void Dispatcher::publish_next(amqp::client::Publisher& publisher) {
    Outgoing outgoing = std::move(waiting_.front());
    waiting_.pop_front();
    auto publication = outgoing.plain
                           ? outgoing.plain
                           : publication_of(outgoing.command.command, outgoing.command.place.part);
    if (!publication) {
        confirm(outgoing); // nothing to say to the broker
        return;
    }
    const std::uint64_t token = ++sent_;
    if (tracing_.sink) outgoing.published_at = clock_.now();
    fail_point("messaging.before_publish");
    const auto published = publisher.publish(*publication, token);
    fail_point("messaging.published");
    if (published) {
        flying_.emplace(token, std::move(outgoing));
    } else if (publisher.channel().is_open()) {
        cannot_be_sent(outgoing, published.error().message());
    } else {
        waiting_.push_front(std::move(outgoing));
        publisher_.reset();
    }
}

void Dispatcher::settled(const amqp::client::Settled& one) {
    const auto found = flying_.find(one.token);
    if (found == flying_.end()) return;
    Outgoing outgoing = std::move(found->second);
    flying_.erase(found);
    switch (one.how) {
    case Settlement::returned:
        if (outgoing.plain) {
            refuse_plain(outgoing, "no queue takes it any more; it stays a dead letter");
            break;
        }
        // Who owns the other run's partition has not declared its queue yet.
        if (is_for_a_run(outgoing.command.command)) {
            refused_.push_back(std::move(outgoing));
            wakeup_.set();
            break;
        }
        if (!start_notice(outgoing)) confirm(outgoing);
        break;
    case Settlement::confirmed:
        if (tracing_.sink) tell_span(outgoing);
        if (!start_notice(outgoing)) confirm(outgoing);
        break; // the unrouted queue has its own consumer
    case Settlement::nacked:
        refused_.push_back(std::move(outgoing));
        wakeup_.set();
        break;
    case Settlement::lost:
        // Nobody knows; the same message with the same token again does no harm.
        waiting_.push_back(std::move(outgoing));
        wakeup_.set();
        break;
    }
}

// A task name of 300 bytes, for example: no broker will ever take it.
void Dispatcher::cannot_be_sent(const Outgoing& outgoing, const std::string& why) {
    log::error("messaging", "a message cannot be sent", {{"reason", why}});
    if (const auto* task = std::get_if<core::DispatchTask>(&outgoing.command.command);
        task && !outgoing.plain) {
        core::Problem problem;
        problem.type = contract::bad_task_type;
        problem.detail = "the task cannot be sent: " + why;
        problem.retryable = false;
        engine_.report({{task->run_id, core::TaskFailed{task->ref, problem}, std::nullopt}});
    }
    if (outgoing.plain) return refuse_plain(outgoing, why);
    confirm(outgoing);
}

void Dispatcher::refuse_plain(const Outgoing& outgoing, const std::string& why) {
    if (outgoing.plain_settled)
        outgoing.plain_settled(Failure{make_error_code(runtime::EngineErrc::refused),
                                       "the message cannot be sent: " + why});
}

void Dispatcher::confirm(const Outgoing& outgoing) {
    if (outgoing.plain) {
        if (outgoing.plain_settled) outgoing.plain_settled(Outcome<void>{boost::system::in_place_value});
        return;
    }
    confirmed_.push_back(outgoing.command.place);
    flush_soon();
}

void Dispatcher::flush_soon() {
    if (flush_is_posted_) return;
    flush_is_posted_ = true;
    net::asio::post(executor_, [this] { flush_confirms(); });
}

// False: there is nothing to tell. Else the outbox waits for the run that tells of it: a crash before that is stored
// brings both again.
bool Dispatcher::start_notice(const Outgoing& outgoing) {
    if (outgoing.plain) return false;
    const runtime::OutboxPlace& place = outgoing.command.place;
    std::optional<runtime::StartRequest> request;
    if (const auto* run = std::get_if<core::AnnounceRun>(&outgoing.command.command))
        request = notice_of(notices_, *run, place);
    else if (const auto* asked = std::get_if<core::AnnounceApproval>(&outgoing.command.command))
        request = notice_of(notices_, *asked, place);
    if (!request) return false;
    ++noticing_;
    unnoticed_.emplace_back(place, std::move(*request));
    if (unnoticed_.size() == 1) net::asio::post(executor_, [this] { retry_notices(); });
    return true;
}

void Dispatcher::retry_notices() {
    for (auto& one : std::exchange(unnoticed_, {})) {
        auto done = [this, place = one.first, request = one.second](Outcome<runtime::Started> started) {
            net::asio::post(executor_, [this, place, request, started = std::move(started)] { end_notice(place, request, started); });
        };
        engine_.start_run(std::move(one.second), std::move(done));
    }
}

void Dispatcher::end_notice(const runtime::OutboxPlace& place, runtime::StartRequest request,
                            const Outcome<runtime::Started>& started) {
    const auto is = [&started](runtime::EngineErrc errc) { return started.error().code == make_error_code(errc); };
    const bool is_hopeless = !started && (is(runtime::EngineErrc::unknown_workflow) || is(runtime::EngineErrc::bad_input) ||
                                          is(runtime::EngineErrc::refused));
    if (!started && !is_hopeless) {
        if (unnoticed_.empty()) {
            notice_pause_.expires_after(notice_retry_pause);
            notice_pause_.async_wait([this](const boost::system::error_code& error) {
                if (!error) retry_notices();
            });
        }
        unnoticed_.emplace_back(place, std::move(request));
        return;
    }
    if (!is_hopeless) return noticed(place);
    log::error("notify", "people are not told: the workflow that notify names cannot begin; it is a dead letter",
               {{"workflow", request.workflow}, {"notice", request.key}, {"reason", started.error().detail}});
    runtime::PlainDeadLetter plain{letter_of(request, started.error()), std::nullopt};
    plain.stored = [this, place] { net::asio::post(executor_, [this, place] { noticed(place); }); };
    engine_.add_dead_letter(std::move(plain));
}

// The run that tells of it, or its dead letter, is stored.
void Dispatcher::noticed(const runtime::OutboxPlace& place) {
    --noticing_;
    confirmed_.push_back(place);
    flush_soon();
}

// The message of an attempt, from its publishing to the broker's confirm; whoever takes it is its child.
void Dispatcher::tell_span(const Outgoing& outgoing) const {
    const auto* task = std::get_if<core::DispatchTask>(&outgoing.command.command);
    if (task == nullptr || outgoing.plain || !task->child_run.empty()) return;
    const trace::Context context = trace::context_of(task->run_id, task->trace, tracing_.policy);
    if (!context.is_sampled) return;
    const core::AttemptRef& ref = task->ref;
    runtime::Span span;
    span.trace = context.trace;
    span.id = trace::message_span(task->run_id, ref.step, ref.undo, ref.attempt);
    span.parent = trace::attempt_span(task->run_id, ref.step, ref.undo, ref.attempt);
    span.state = task->trace.state;
    const std::string destination = fmt::format("{}:{}", contract::task_exchange, task->route);
    span.name = "publish " + destination;
    span.kind = runtime::Span::Kind::producer;
    span.started = outgoing.published_at;
    span.ended = clock_.now();
    const std::string token = encode_token({task->run_id, ref}, secret_);
    span.attributes = {{"messaging.system", "rabbitmq"},
                       {"messaging.operation.name", "publish"},
                       {"messaging.operation.type", "send"},
                       {"messaging.destination.name", destination},
                       {"messaging.rabbitmq.destination.routing_key", task->route},
                       {"messaging.message.id", token},
                       {"messaging.message.conversation_id", token},
                       {"baton.run.id", task->run_id},
                       {"baton.step", ref.step},
                       {"baton.attempt", std::int64_t{ref.attempt}}};
    tracing_.sink(std::move(span));
}

void Dispatcher::flush_confirms() {
    flush_is_posted_ = false;
    fail_point("messaging.confirmed");
    engine_.confirmed(std::exchange(confirmed_, {}));
}

// It is no attempt: whoever keeps the secrets can put it there, and then the task goes on by itself.
void Dispatcher::report_missing(const core::DispatchTask& task, const std::string& name) const {
    log::warning("messaging", "a task needs a secret that is not there",
                 {{"run", task.run_id}, {"step", path_of(task.ref)}, {"secret", name}});
    core::Problem problem;
    problem.type = "baton.no_secret";
    problem.title = "a secret is missing";
    problem.detail = fmt::format("there is no secret '{}' on the server: a file of this name in orchestrator.secrets, "
                                 "BATON_SECRET_{}, or a systemd credential; it is looked for again",
                                 name, upper(name));
    problem.is_attempt = false;
    engine_.report({{task.run_id, core::TaskFailed{task.ref, std::move(problem)}, std::nullopt}});
}

std::optional<Publication> Dispatcher::publication_of(const core::Command& command,
                                                      runtime::Partition part) const {
    return std::visit(
        Overloaded{
            [&](const core::DispatchTask& task) -> std::optional<Publication> {
                const core::AttemptRef& ref = task.ref;
                if (!task.child_run.empty())
                    return run_request_of(task, runtime::partition_of(task.child_run, partition_count_), secret_,
                                          trace::onward(task.run_id, task.trace, tracing_.policy,
                                                        trace::attempt_span(task.run_id, ref.step, ref.undo, ref.attempt)));
                contract::TaskRequest request;
                request.task = task.route;
                request.with = task.with.text();
                if (!task.secrets.empty()) {
                    Secrets::Filled filled = secrets_.fill(task);
                    if (!filled.missing.empty()) {
                        report_missing(task, filled.missing);
                        return std::nullopt;
                    }
                    request.with = std::move(filled.with);
                }
                request.token = encode_token({task.run_id, task.ref}, secret_);
                request.reply_to = contract::report_queue(part);
                request.priority = task.priority;
                // At least a millisecond: a message without expiration would live for ever.
                if (task.start_by)
                    request.starts_within = std::max<Duration>(*task.start_by - clock_.now(),
                                                               std::chrono::milliseconds(1));
                request.workflow = task.workflow;
                request.version = task.workflow_version;
                request.run = task.run_id;
                request.step = path_of(task.ref);
                request.attempt = static_cast<int>(task.attempt_of_series);
                request.max_attempts = static_cast<int>(task.max_attempts);
                request.idempotency_key = task.idempotency_key;
                request.deadline = task.deadline;
                request.timeout = task.timeout;
                request.heartbeat = task.heartbeat;
                if (!task.progress.is_null()) request.last_progress = task.progress.text();
                auto trace = trace::onward(task.run_id, task.trace, tracing_.policy,
                                           trace::message_span(task.run_id, ref.step, ref.undo, ref.attempt));
                request.traceparent = std::move(trace.parent);
                request.tracestate = std::move(trace.state);
                contract::Message message = contract::encode(request);
                Publication publication;
                publication.exchange = contract::task_exchange;
                publication.routing_key = task.route;
                publication.properties = std::move(message.properties);
                publication.body = SharedBytes::copy_of(message.body);
                publication.mandatory = true;
                return publication;
            },
            [&](const core::CancelTask& cancel) -> std::optional<Publication> {
                if (!cancel.child_run.empty())
                    return run_request_of(cancel, runtime::partition_of(cancel.child_run, partition_count_), secret_);
                Publication publication =
                    dispatch_event(contract::control_exchange, contract::cancel_key(cancel.route), "{}");
                publication.properties.type = "cancel";
                publication.properties.correlation_id =
                    encode_token({cancel.run_id, cancel.ref}, secret_);
                return publication;
            },
            [&](const core::AnnounceRun& run) -> std::optional<Publication> {
                boost::json::object body;
                body["run"] = run.run_id;
                body["workflow"] = run.workflow;
                body["version"] = run.workflow_version;
                body["status"] = core::word_of(run.status);
                if (!run.output.is_null()) body["output"] = run.output.json();
                if (!run.error.is_null()) body["error"] = run.error.json();
                return dispatch_event(contract::run_exchange,
                                fmt::format("run.{}.{}", core::word_of(run.status), run.workflow),
                                write_json(body));
            },
            [&](const core::AnnounceDeadTask& dead) -> std::optional<Publication> {
                boost::json::object body;
                body["run"] = dead.run_id;
                body["workflow"] = dead.workflow;
                body["step"] = path_of(dead.ref);
                body["attempt"] = dead.ref.attempt;
                body["task"] = dead.route;
                body["error"] = dead.error.json();
                return dispatch_event(contract::run_exchange, "step.dead." + dead.route,
                                write_json(body));
            },
            [&](const core::AnswerCaller& one) -> std::optional<Publication> { return answer_to_caller(one); },
            [&](const core::ReportToParent& one) -> std::optional<Publication> {
                return report_to_parent(one, runtime::partition_of(one.parent.run_id, partition_count_), secret_);
            },
            // CloudEvents 1.0, structured: all of it is the body.
            [&](const core::EmitEvent& one) -> std::optional<Publication> {
                boost::json::object body{{"specversion", "1.0"},
                                         {"id", one.id},
                                         {"source", "/workflows/" + one.workflow},
                                         {"type", one.type},
                                         {"time", to_rfc3339(one.at)},
                                         {"run", one.run_id}};
                if (!one.subject.empty()) body["subject"] = one.subject;
                body["datacontenttype"] = "application/json";
                body["data"] = one.data.json();
                Publication publication = dispatch_event(contract::event_exchange, one.type, write_json(body));
                publication.properties.content_type = "application/cloudevents+json";
                publication.properties.type = one.type;
                publication.properties.message_id = one.id;
                const auto trace = trace::onward(one.run_id, one.trace, tracing_.policy, trace::run_span(one.run_id));
                publication.properties.headers.emplace();
                publication.properties.headers->set("traceparent", trace.parent);
                if (!trace.state.empty()) publication.properties.headers->set("tracestate", trace.state);
                return publication;
            },
            [&](const core::AnnounceApproval& one) -> std::optional<Publication> {
                boost::json::object body;
                body["run"] = one.run_id;
                body["workflow"] = one.workflow;
                body["version"] = one.workflow_version;
                body["step"] = one.step;
                for (const auto& member : one.asked.json().as_object())
                    body[member.key()] = member.value();
                if (one.until) body["until"] = to_rfc3339(*one.until);
                return dispatch_event(contract::run_exchange,
                                fmt::format("approval.{}.{}", one.is_reminder ? "reminder" : "asked", one.workflow),
                                write_json(body));
            },
        },
        command);
}

} // namespace baton::orchestrator::messaging
