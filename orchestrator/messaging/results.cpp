// Taking reports in.
#include "orchestrator/messaging/results.hpp"

#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/messaging/message_json.hpp"
#include "orchestrator/messaging/run_request.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Delivery;

constexpr int life_shift = 48; // a handle is the channel's number above the delivery tag

core::Problem problem_of(const contract::Problem& from) {
    core::Problem problem;
    problem.type = from.type;
    problem.title = from.title;
    problem.detail = readable(from.detail); // quotes properties, which may be any bytes
    problem.status = from.status;
    if (!from.data.empty())
        if (auto data = core::Document::parse(from.data)) problem.data = std::move(*data);
    problem.retryable = from.retryable;
    problem.retry_after = from.retry_after;
    problem.is_attempt = from.is_attempt;
    return problem;
}

// Nothing: the report changes no run.
std::optional<core::Event> event_of(const core::AttemptRef& ref, contract::Report report) {
    using Event = std::optional<core::Event>;
    return std::visit(
        Overloaded{
            [&](contract::Completed& one) -> Event {
                auto result = core::Document::parse(one.result.empty() ? "null" : one.result);
                if (result) return core::TaskCompleted{ref, std::move(*result)};
                core::Problem problem;
                problem.type = contract::bad_report_type;
                problem.detail = "the result is " + result.error().detail;
                return core::TaskFailed{ref, std::move(problem)};
            },
            [&](contract::Failed& one) -> Event {
                return core::TaskFailed{ref, problem_of(one.problem)};
            },
            [&](contract::Started& one) -> Event { return core::TaskStarted{ref, one.worker}; },
            [&](contract::Heartbeat& one) -> Event {
                auto progress = core::Document::parse(one.progress.empty() ? "null" : one.progress);
                return core::TaskHeartbeat{ref, progress ? *progress : core::Document{}};
            },
            [&](contract::Deferred& one) -> Event { return core::TaskDeferred{ref, one.until}; },
            [](contract::Cancelled&) -> Event { return std::nullopt; },
            [&](contract::LogLine& one) -> Event {
                log::info("worker", one.text, {{"step", ref.step}, {"level", one.level}});
                return std::nullopt;
            },
        },
        report);
}

std::string text_of(const std::optional<std::string>& text) {
    return text.value_or("");
}

core::Problem lost_problem(const std::string& reason) {
    core::Problem problem;
    problem.type = reason == "expired" ? core::expired_type : core::poison_type;
    if (reason == "expired")
        problem.detail = "no worker took the task in time";
    else if (reason == "rejected")
        problem.detail = "a worker rejected the message";
    else if (reason == "delivery_limit")
        problem.detail = "workers took the task again and again and never answered";
    else
        problem.detail = "the broker gave the message up: " + readable(reason);
    return problem;
}

} // namespace

Results::Results(net::asio::any_io_executor executor, runtime::Engine& engine,
                 std::function<void(const std::string&)> on_unrouted)
    : executor_(executor), engine_(engine), on_unrouted_(std::move(on_unrouted)) {}

net::Awaitable<Outcome<void>> Results::consume(amqp::client::Connection& connection,
                                               std::vector<runtime::Partition> partitions,
                                               std::uint16_t prefetch) {
    auto opened = co_await connection.open_channel();
    if (!opened) co_return opened.error();
    channel_ = std::move(*opened);
    ++life_;
    acked_ = 0;
    settled_.clear();
    consumer_tags_.clear();
    amqp::BasicQos qos;
    qos.prefetch_count = prefetch;
    const auto limited = co_await channel_->call(qos);
    if (!limited) co_return limited.error();

    struct Source {
        std::string queue;
        void (Results::*take)(const Delivery&);
    };
    std::vector<Source> sources;
    for (const runtime::Partition part : partitions)
        sources.push_back({contract::report_queue(part), &Results::take_report});
    sources.push_back({std::string{contract::dead_queue}, &Results::take_dead});
    sources.push_back({std::string{contract::unrouted_queue}, &Results::take_unrouted});
    for (const Source& source : sources) {
        amqp::BasicConsume method;
        method.queue = source.queue;
        const auto take = source.take;
        auto consumer = co_await channel_->consume(
            std::move(method), [this, take](Delivery delivery) { (this->*take)(delivery); },
            [&connection, queue = source.queue](const std::string&) {
                // Somebody deleted it: what workers report would vanish. A new connection declares it
                // again and listens to it.
                log::error("messaging", "a queue of the orchestrator was deleted; connecting anew",
                           {{"queue", queue}});
                connection.close();
            });
        if (!consumer) co_return consumer.error();
        consumer_tags_.push_back(std::move(*consumer));
    }
    co_return Outcome<void>{boost::system::in_place_value};
}

net::Awaitable<void> Results::stop() {
    const auto channel = channel_;
    for (const std::string& tag : std::exchange(consumer_tags_, {}))
        if (channel && channel->is_open()) co_await channel->cancel(tag);
}

void Results::lost() {
    channel_.reset();
    settled_.clear();
    consumer_tags_.clear();
}

runtime::DeliveryHandle Results::handle_of(std::uint64_t delivery_tag) const {
    return life_ << life_shift | delivery_tag;
}

void Results::settle(const std::vector<runtime::DeliveryHandle>& handles) {
    for (const runtime::DeliveryHandle handle : handles)
        if (handle >> life_shift == life_)
            settled_.insert(handle & ((std::uint64_t{1} << life_shift) - 1));
    ack_settled();
}

namespace {

contract::Problem problem_of(const core::Problem& from) {
    contract::Problem problem;
    problem.type = from.type;
    problem.title = from.title;
    problem.detail = from.detail;
    problem.status = from.status;
    if (!from.data.is_null()) problem.data = from.data.text();
    problem.retryable = from.retryable;
    problem.retry_after = from.retry_after;
    problem.is_attempt = from.is_attempt;
    return problem;
}

// The report as a worker says it; nothing: it is none, or says nothing that must be kept.
std::optional<contract::TaskReport> report_of(const runtime::Report& report, std::string_view secret) {
    using Made = std::optional<contract::TaskReport>;
    const auto made = [&](const core::AttemptRef& ref, contract::Report kind) -> Made {
        return contract::TaskReport{encode_token({report.run_id, ref}, secret), std::move(kind)};
    };
    return std::visit(
        Overloaded{
            [&](const core::TaskCompleted& one) {
                return made(one.ref, contract::Completed{std::string{one.result.text()}});
            },
            [&](const core::TaskFailed& one) {
                return made(one.ref, contract::Failed{problem_of(one.problem)});
            },
            [&](const core::TaskDeferred& one) { return made(one.ref, contract::Deferred{one.until}); },
            [](const auto&) -> Made { return std::nullopt; },
        },
        report.event);
}

} // namespace

void Results::keep(std::vector<runtime::Stranded> stranded) {
    for (const runtime::Stranded& one : stranded) {
        runtime::PlainDeadLetter plain;
        plain.letter.reason = "no_run";
        plain.letter.task = contract::report_queue(one.part);
        plain.letter.run_id = one.report.run_id;
        plain.letter.error_type = "baton.no_run";
        core::Problem problem;
        problem.type = plain.letter.error_type;
        problem.detail = readable(one.reason);
        plain.letter.error = core::to_document(problem).text();
        // A task that the broker gave up is a message already.
        if (const auto* lost = std::get_if<core::TaskLost>(&one.report.event)) {
            plain.letter.message = lost->message.text();
        } else if (const auto report = report_of(one.report, secret_)) {
            const contract::Message message = contract::encode(*report);
            Delivery delivery;
            delivery.routing_key = plain.letter.task;
            delivery.properties = message.properties;
            delivery.body = SharedBytes::copy_of(message.body);
            plain.letter.message = to_document(delivery).text();
        }
        plain.delivery = one.report.delivery;
        engine_.add_dead_letter(std::move(plain));
    }
}

void Results::refuse(const std::vector<runtime::Stranded>& refused) {
    for (const runtime::Stranded& one : refused) {
        const auto report = report_of(one.report, secret_);
        if (!report || !channel_ || !one.report.delivery) continue;
        const contract::Message message = contract::encode(*report);
        amqp::client::Publication told;
        told.routing_key = contract::report_queue(one.part);
        told.properties = message.properties;
        told.body = SharedBytes::copy_of(message.body);
        // On one channel in this order: who does not get the report keeps the request.
        if (channel_->publish(told)) settle({*one.report.delivery});
    }
}

void Results::settle_now(std::uint64_t delivery_tag) {
    settled_.insert(delivery_tag);
    ack_settled();
}

void Results::ack_settled() {
    std::uint64_t last = acked_;
    while (!settled_.empty() && *settled_.begin() == last + 1) {
        ++last;
        settled_.erase(settled_.begin());
    }
    if (last == acked_ || !channel_) return;
    acked_ = last;
    // An error means that the channel is gone; then the broker brings them again.
    (void)channel_->ack(last, true);
}

void Results::add(runtime::Report report) {
    gathered_.push_back(std::move(report));
    if (flush_is_posted_) return;
    flush_is_posted_ = true;
    net::asio::post(executor_, [this] { flush(); });
}

// Everything one read of the socket brought is one batch for the engine.
void Results::flush() {
    flush_is_posted_ = false;
    engine_.report(std::exchange(gathered_, {}));
}

void Results::take_report(const Delivery& delivery) {
    // Bytes that are no text would make the run's row unreadable.
    const std::string body = readable(delivery.body.text());
    if (is_run_request(delivery.properties)) return take_run_request(delivery, body);
    auto report = contract::decode_report(delivery.properties, body);
    const auto token = decode_token(report.token, secret_);
    if (!token) {
        log::warning("messaging", "a report has no token of ours, dropped",
                     {{"correlation_id", report.token}});
        return settle_now(delivery.delivery_tag);
    }
    auto event = event_of(token->ref, std::move(report.report));
    if (!event) return settle_now(delivery.delivery_tag);
    add({token->run_id, std::move(*event), handle_of(delivery.delivery_tag)});
}

// Another run begins this one as one of its steps, or needs it no more.
void Results::take_run_request(const Delivery& delivery, const std::string& body) {
    auto request = decode_run_request(delivery.properties, body, secret_);
    if (!request) {
        log::warning("messaging", "a request for a run has no token of ours, dropped", {});
        return settle_now(delivery.delivery_tag);
    }
    add({std::move(request->run_id), std::move(request->event), handle_of(delivery.delivery_tag)});
}

void Results::take_dead(const Delivery& delivery) {
    const std::string reason = death_reason(delivery.properties);
    if (const auto token = decode_token(text_of(delivery.properties.correlation_id), secret_)) {
        core::TaskLost lost{token->ref, lost_problem(reason), to_document(delivery)};
        return add({token->run_id, std::move(lost), handle_of(delivery.delivery_tag)});
    }
    // A call whose caller has stopped waiting is nobody's concern any more.
    const auto& headers = delivery.properties.headers;
    if (headers && headers->contains("baton-call")) return settle_now(delivery.delivery_tag);
    keep_plain(delivery, reason.empty() ? "dead" : reason);
}

void Results::take_unrouted(const Delivery& delivery) {
    if (const auto token = decode_token(text_of(delivery.properties.correlation_id), secret_)) {
        on_unrouted_(delivery.routing_key);
        core::Problem problem;
        problem.type = core::unrouted_type;
        problem.detail = fmt::format("there was no queue for '{}'", readable(delivery.routing_key));
        core::TaskLost lost{token->ref, std::move(problem), to_document(delivery)};
        return add({token->run_id, std::move(lost), handle_of(delivery.delivery_tag)});
    }
    if (delivery.properties.reply_to) {
        answer_caller(delivery);
        return settle_now(delivery.delivery_tag);
    }
    keep_plain(delivery, "unrouted");
}

// Somebody asked for a task that no worker has ever offered, and waits for the answer.
void Results::answer_caller(const Delivery& delivery) {
    contract::Problem problem;
    problem.type = core::unrouted_type;
    problem.detail = fmt::format("no worker has offered '{}' yet", readable(delivery.routing_key));
    problem.retryable = false;
    const contract::Message message = contract::encode(contract::TaskReport{
        text_of(delivery.properties.correlation_id), contract::Failed{std::move(problem)}});
    amqp::client::Publication answer;
    answer.routing_key = text_of(delivery.properties.reply_to);
    answer.properties = message.properties;
    answer.body = SharedBytes::copy_of(message.body);
    if (channel_) (void)channel_->publish(answer);
}

void Results::keep_plain(const Delivery& delivery, const std::string& reason) {
    runtime::PlainDeadLetter plain;
    plain.letter.reason = readable(reason);
    plain.letter.task = readable(delivery.routing_key);
    plain.letter.message = to_document(delivery).text();
    plain.letter.again_of = again_of(delivery.properties);
    plain.delivery = handle_of(delivery.delivery_tag);
    engine_.add_dead_letter(std::move(plain));
}

} // namespace baton::orchestrator::messaging
