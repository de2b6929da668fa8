// Taking reports in.
#include "orchestrator/messaging/results.hpp"

#include "amqp/client/errors.hpp"
#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "contract/task_message.hpp"
#include "contract/topology.hpp"
#include "orchestrator/core/fact.hpp"
#include "orchestrator/messaging/cloud_event.hpp"
#include "orchestrator/messaging/message_json.hpp"
#include "orchestrator/messaging/run_request.hpp"
#include "orchestrator/messaging/task_token.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::orchestrator::messaging {
namespace {

using amqp::client::Delivery;

constexpr int life_shift = 48; // a handle is the channel's number above the delivery tag
constexpr std::uint64_t tag_mask = (std::uint64_t{1} << life_shift) - 1;
constexpr std::uint64_t life_mask = 0xffff;

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
            [](contract::LogLine&) -> Event { return std::nullopt; },
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

// What a message says that another node passed on: why it is here, and where it was first.
constexpr std::string_view lost_header = "baton-lost";
constexpr std::string_view lost_exchange_header = "baton-lost-exchange";
constexpr std::string_view lost_key_header = "baton-lost-key";
constexpr std::string_view unrouted_reason = "unrouted";

Results::Results(net::asio::any_io_executor executor, runtime::Engine& engine,
                 std::uint16_t partition_count, const Secrets& secrets, Sinks sinks)
    : executor_(executor),
      engine_(engine),
      partition_count_(partition_count),
      secrets_(secrets),
      sinks_(std::move(sinks)) {}

net::Awaitable<Outcome<Results::Source*>> Results::open(amqp::client::Connection& connection,
                                                        std::optional<runtime::Partition> part,
                                                        std::uint16_t prefetch) {
    auto opened = co_await connection.open_channel();
    if (!opened) co_return opened.error();
    amqp::BasicQos qos;
    qos.prefetch_count = prefetch;
    const auto limited = co_await (*opened)->call(qos);
    if (!limited) co_return limited.error();
    do {
        lives_ = (lives_ + 1) & life_mask;
    } while (lives_ == 0 || sources_.contains(lives_));
    auto& source = sources_[lives_];
    source = std::make_unique<Source>();
    source->life = lives_;
    source->part = part;
    source->channel = std::move(*opened);
    co_return source.get();
}

net::Awaitable<Outcome<void>> Results::listen(amqp::client::Connection& connection,
                                              std::uint64_t life, std::string queue, Take take) {
    amqp::BasicConsume method;
    method.queue = queue;
    const auto source = sources_.find(life);
    if (source == sources_.end())
        co_return Failure{make_error_code(amqp::client::Errc::connection_lost),
                          "the connection ended"};
    const auto channel = source->second->channel;
    auto on_delivery = [this, take, life](const Delivery& delivery) {
        if (const auto found = sources_.find(life); found != sources_.end())
            (this->*take)(*found->second, delivery);
    };
    auto on_cancelled = [&connection, queue](const std::string&) {
        // Somebody deleted it: what workers report would vanish. A new connection declares it
        // again and listens to it.
        log::error("messaging", "a queue of the orchestrator was deleted; connecting anew",
                   {{"queue", queue}});
        connection.close();
    };
    auto consumer = co_await channel->consume(std::move(method), std::move(on_delivery),
                                              std::move(on_cancelled));
    if (!consumer) co_return consumer.error();
    if (const auto found = sources_.find(life); found != sources_.end())
        found->second->consumer_tags.push_back(std::move(*consumer));
    co_return Outcome<void>{boost::system::in_place_value};
}

net::Awaitable<Outcome<void>> Results::consume_common(amqp::client::Connection& connection,
                                                      std::uint16_t prefetch) {
    const auto opened = co_await open(connection, std::nullopt, prefetch);
    if (!opened) co_return opened.error();
    const std::uint64_t life = (*opened)->life;
    const auto dead =
        co_await listen(connection, life, std::string{contract::dead_queue}, &Results::take_dead);
    if (!dead) co_return dead.error();
    const auto unrouted = co_await listen(connection, life, std::string{contract::unrouted_queue},
                                          &Results::take_unrouted);
    if (!unrouted) co_return unrouted.error();
    co_return co_await listen(connection, life, std::string{contract::event_queue},
                              &Results::take_event);
}

net::Awaitable<Outcome<void>> Results::consume(amqp::client::Connection& connection,
                                               runtime::Partition part, std::uint16_t prefetch) {
    const auto opened = co_await open(connection, part, prefetch);
    if (!opened) co_return opened.error();
    co_return co_await listen(connection, (*opened)->life, contract::report_queue(part),
                              &Results::take_report);
}

std::set<runtime::Partition> Results::partitions() const {
    std::set<runtime::Partition> all;
    for (const auto& [life, source] : sources_)
        if (source->part) all.insert(*source->part);
    return all;
}

net::Awaitable<void> Results::leave(runtime::Partition part) {
    std::vector<std::shared_ptr<amqp::client::Channel>> left;
    for (auto at = sources_.begin(); at != sources_.end();) {
        if (at->second->part == part) {
            left.push_back(at->second->channel);
            at = sources_.erase(at);
        } else {
            ++at;
        }
    }
    for (const auto& channel : left)
        if (channel->is_open()) (void)co_await channel->close();
}

net::Awaitable<void> Results::stop() {
    std::vector<std::pair<std::shared_ptr<amqp::client::Channel>, std::string>> consumers;
    for (const auto& [life, source] : sources_)
        for (const std::string& tag : std::exchange(source->consumer_tags, {}))
            consumers.emplace_back(source->channel, tag);
    for (const auto& [channel, tag] : consumers)
        if (channel->is_open()) co_await channel->cancel(tag);
}

void Results::lost() {
    sources_.clear();
    late_.clear();
}

runtime::DeliveryHandle Results::handle_of(const Source& source, std::uint64_t delivery_tag) {
    return source.life << life_shift | delivery_tag;
}

Results::Source* Results::source_of(runtime::DeliveryHandle handle) {
    const auto found = sources_.find(handle >> life_shift);
    return found == sources_.end() ? nullptr : found->second.get();
}

void Results::settle(const std::vector<runtime::DeliveryHandle>& handles) {
    std::set<Source*> touched;
    for (const runtime::DeliveryHandle handle : handles)
        if (Source* source = source_of(handle)) {
            source->settled.insert(handle & tag_mask);
            touched.insert(source);
        }
    for (Source* source : touched)
        ack_settled(*source);
}

bool Results::give_back(const std::vector<runtime::DeliveryHandle>& handles) {
    bool is_to_be_left = false;
    for (const runtime::DeliveryHandle handle : handles) {
        Source* source = source_of(handle);
        if (source == nullptr) continue; // closed, and given back by that
        if (source->part) {
            source->is_given_back = is_to_be_left = true;
            continue;
        }
        const std::uint64_t tag = handle & tag_mask;
        (void)source->channel->nack(tag, false, true);
        source->given_back.insert(tag);
        source->settled.insert(tag);
        ack_settled(*source);
    }
    return is_to_be_left;
}

std::vector<runtime::Partition> Results::partitions_given_back() const {
    std::vector<runtime::Partition> all;
    for (const auto& [life, source] : sources_)
        if (source->part && source->is_given_back) all.push_back(*source->part);
    return all;
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
std::optional<contract::TaskReport> report_of(const runtime::Report& report,
                                              std::string_view secret) {
    using Made = std::optional<contract::TaskReport>;
    const auto made = [&](const core::AttemptRef& ref, contract::Report kind) -> Made {
        return contract::TaskReport{encode_token({report.run_id, ref}, secret), std::move(kind)};
    };
    return std::visit(Overloaded{
                          [&](const core::TaskCompleted& one) {
                              return made(one.ref,
                                          contract::Completed{std::string{one.result.text()}});
                          },
                          [&](const core::TaskFailed& one) {
                              return made(one.ref, contract::Failed{problem_of(one.problem)});
                          },
                          [&](const core::TaskDeferred& one) {
                              return made(one.ref, contract::Deferred{one.until});
                          },
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
        if (!report || !one.report.delivery) continue;
        const contract::Message message = contract::encode(*report);
        amqp::client::Publication told;
        told.routing_key = contract::report_queue(one.part);
        told.properties = message.properties;
        told.body = SharedBytes::copy_of(message.body);
        told.mandatory = true;
        // What asked for the run is kept until the report is.
        const auto settled = [this, handle = *one.report.delivery](const Outcome<void>& done) {
            if (done)
                settle({handle});
            else
                give_back({handle});
        };
        sinks_.pass_on(one.part, std::move(told), settled);
    }
}

void Results::settle_now(Source& source, std::uint64_t delivery_tag) {
    source.settled.insert(delivery_tag);
    ack_settled(source);
}

// One ack for all up to the last one; a tag that was given back is no one's to name any more.
void Results::ack_settled(Source& source) {
    std::uint64_t last = source.acked;
    std::uint64_t named = 0;
    while (!source.settled.empty() && *source.settled.begin() == last + 1) {
        ++last;
        source.settled.erase(source.settled.begin());
        if (source.given_back.erase(last) == 0) named = last;
    }
    source.acked = last;
    // An error means that the channel is gone; then the broker brings them again.
    if (named == 0) return;
    fail_point("messaging.before_ack");
    (void)source.channel->ack(named, true);
    fail_point("messaging.acked");
}

void Results::add(runtime::Report report) {
    fail_point("messaging.report_taken");
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

void Results::take_report(Source& source, const Delivery& delivery) {
    if (delivery.properties.type == request_type)
        return sinks_.request(delivery, handle_of(source, delivery.delivery_tag));
    if (delivery.properties.headers && delivery.properties.headers->contains(lost_header))
        return take_passed_on(source, delivery);
    // Bytes that are no text would make the run's row unreadable.
    std::string body = readable(delivery.body.text());
    if (is_run_request(delivery.properties)) return take_run_request(source, delivery, body);
    body = secrets_.masked(std::move(body)); // workers quote what they were given
    auto report = contract::decode_report(delivery.properties, body);
    const auto token = decode_token(report.token, secret_);
    if (!token) {
        log::warning("messaging", "a report has no token of ours, dropped",
                     {{"correlation_id", report.token}});
        return settle_now(source, delivery.delivery_tag);
    }
    if (auto* line = std::get_if<contract::LogLine>(&report.report))
        return take_line(source, *token, std::move(*line), delivery);
    auto event = event_of(token->ref, std::move(report.report));
    if (!event) return settle_now(source, delivery.delivery_tag);
    add({token->run_id, std::move(*event), handle_of(source, delivery.delivery_tag)});
}

// Of an attempt that is over, too: what a worker says last comes behind its report.
void Results::take_line(const Source& source, const TaskToken& token, contract::LogLine line,
                        const Delivery& delivery) {
    constexpr std::array<std::string_view, 4> levels{"debug", "info", "warning", "error"};
    runtime::RunLogLine kept;
    kept.run_id = token.run_id;
    kept.step = token.ref.step + (token.ref.undo ? ":undo" : "");
    kept.attempt = token.ref.attempt;
    kept.level =
        std::ranges::find(levels, line.level) != levels.end() ? std::move(line.level) : "info";
    kept.text = std::move(line.text);
    kept.came_before = delivery.redelivered;
    sinks_.log(std::move(kept), handle_of(source, delivery.delivery_tag));
}

// An event that is taken: first what it starts, then those that wait for it, and only then it is
// settled.
struct Results::EventTurn {
    runtime::IncomingEvent event;
    Delivery delivery;
    runtime::DeliveryHandle handle = 0;
    std::size_t left = 0; // starts of which nothing was heard
    bool has_failed = false;
    std::vector<std::string> complaints;
};

void Results::take_event(Source& source, const Delivery& delivery) {
    if (!live_) return give_back_later(handle_of(source, delivery.delivery_tag));
    if (auto event = incoming_event(delivery)) {
        EventStarts begun = starts_of(*live_, *event);
        const auto turn = std::make_shared<EventTurn>(
            EventTurn{std::move(*event), delivery, handle_of(source, delivery.delivery_tag),
                      begun.starts.size(), false, std::move(begun.complaints)});
        if (turn->left == 0) return end_turn(*turn);
        for (runtime::StartRequest& start : begun.starts) {
            const std::string workflow = start.workflow;
            engine_.start_run(std::move(start),
                              [this, turn, workflow](const Outcome<runtime::Started>& started) {
                                  net::asio::post(executor_, [this, turn, workflow, started] {
                                      heard(turn, workflow, started);
                                  });
                              });
        }
        return;
    }
    log::warning("messaging", "an event is larger than events may be, dropped",
                 {{"key", readable(delivery.routing_key)}, {"bytes", delivery.body.text().size()}});
    settle_now(source, delivery.delivery_tag);
}

void Results::heard(const std::shared_ptr<EventTurn>& turn, const std::string& workflow,
                    const Outcome<runtime::Started>& started) {
    using runtime::EngineErrc;
    if (!started) {
        const ErrorCode code = started.error().code;
        // Of a version that is not live any more: another one says anew whether it wants it.
        const bool is_refused = code == runtime::StoreErrc::unfit ||
                                code == EngineErrc::bad_input || code == EngineErrc::refused ||
                                code == EngineErrc::duplicate;
        if (is_refused)
            turn->complaints.push_back(fmt::format("{}: {}", workflow, started.error().detail));
        else
            turn->has_failed = true;
    }
    if (--turn->left == 0) end_turn(*turn);
}

void Results::end_turn(EventTurn& turn) {
    // It comes again, and what has begun is found.
    if (turn.has_failed) return give_back_later(turn.handle);
    if (turn.complaints.empty()) return engine_.event(std::move(turn.event), turn.handle);
    engine_.event(std::move(turn.event), std::nullopt); // for those that wait
    runtime::PlainDeadLetter plain;
    core::Problem problem;
    problem.type = plain.letter.error_type = "baton.unfit_event";
    problem.title = "the event cannot start what it is to start";
    for (const std::string& one : turn.complaints) {
        problem.detail += (problem.detail.empty() ? "" : "\n") + readable(one);
        log::warning("messaging", "an event started nothing",
                     {{"key", readable(turn.delivery.routing_key)}, {"reason", readable(one)}});
    }
    plain.letter.reason = "unfit_event";
    plain.letter.task = std::string(contract::event_queue);
    plain.letter.error = core::to_document(problem).text();
    plain.letter.message = to_document(turn.delivery).text();
    plain.letter.again_of = again_of(turn.delivery.properties);
    plain.delivery = turn.handle;
    engine_.add_dead_letter(std::move(plain));
}

// At once it would go in circles.
void Results::give_back_later(runtime::DeliveryHandle handle) {
    constexpr auto pause = std::chrono::seconds(1);
    auto& timer = late_.try_emplace(handle, executor_).first->second;
    timer.expires_after(pause);
    timer.async_wait([this, handle](const boost::system::error_code& cut) {
        if (cut) return;
        late_.erase(handle);
        give_back({handle});
    });
}

// Another run begins this one as one of its steps, or needs it no more.
void Results::take_run_request(Source& source, const Delivery& delivery, const std::string& body) {
    auto request = decode_run_request(delivery.properties, body, secret_);
    if (!request) {
        log::warning("messaging", "a request for a run has no token of ours, dropped", {});
        return settle_now(source, delivery.delivery_tag);
    }
    add({std::move(request->run_id), std::move(request->event),
         handle_of(source, delivery.delivery_tag)});
}

// As it was when the other node got it.
void Results::take_passed_on(Source& source, const Delivery& delivery) {
    Delivery first = delivery;
    auto& headers = *first.properties.headers;
    const auto text = [&headers](std::string_view name) {
        return std::string(headers.text(name).value_or(""));
    };
    const std::string reason = text(lost_header);
    first.exchange = text(lost_exchange_header);
    first.routing_key = text(lost_key_header);
    for (const std::string_view name : {lost_header, lost_exchange_header, lost_key_header})
        headers.erase(name);
    if (!decode_token(text_of(first.properties.correlation_id), secret_))
        return settle_now(source, first.delivery_tag);
    take_lost(source, first, reason);
}

// A task that came back, by its token.
void Results::take_lost(Source& source, const Delivery& delivery, const std::string& reason) {
    const auto token = decode_token(text_of(delivery.properties.correlation_id), secret_);
    const runtime::Partition part = runtime::partition_of(token->run_id, partition_count_);
    if (!source.part && !partitions().contains(part)) {
        amqp::client::Publication onward;
        onward.routing_key = contract::report_queue(part);
        onward.properties = delivery.properties;
        onward.properties.delivery_mode = std::uint8_t{2};
        onward.properties.expiration.reset();
        if (!onward.properties.headers) onward.properties.headers.emplace();
        onward.properties.headers->set(lost_header, reason);
        onward.properties.headers->set(lost_exchange_header, delivery.exchange);
        onward.properties.headers->set(lost_key_header, delivery.routing_key);
        onward.body = delivery.body;
        onward.mandatory = true;
        const auto settled =
            [this, handle = handle_of(source, delivery.delivery_tag)](const Outcome<void>& done) {
                if (done)
                    settle({handle});
                else
                    give_back({handle});
            };
        return sinks_.pass_on(part, std::move(onward), settled);
    }
    core::TaskLost lost;
    lost.ref = token->ref;
    if (reason == unrouted_reason) {
        lost.problem.type = core::unrouted_type;
        lost.problem.detail =
            fmt::format("there was no queue for '{}'", readable(delivery.routing_key));
    } else {
        lost.problem = lost_problem(reason);
    }
    lost.message = secrets_.masked(to_document(delivery));
    add({token->run_id, std::move(lost), handle_of(source, delivery.delivery_tag)});
}

void Results::take_dead(Source& source, const Delivery& delivery) {
    const std::string reason = death_reason(delivery.properties);
    if (decode_token(text_of(delivery.properties.correlation_id), secret_))
        return take_lost(source, delivery, reason);
    // A call whose caller has stopped waiting is nobody's concern any more.
    const auto& headers = delivery.properties.headers;
    if (headers && headers->contains("baton-call"))
        return settle_now(source, delivery.delivery_tag);
    keep_plain(source, delivery, reason.empty() ? "dead" : reason);
}

void Results::take_unrouted(Source& source, const Delivery& delivery) {
    if (decode_token(text_of(delivery.properties.correlation_id), secret_)) {
        sinks_.unrouted(delivery.routing_key);
        return take_lost(source, delivery, std::string(unrouted_reason));
    }
    if (delivery.properties.reply_to) {
        answer_caller(source, delivery);
        return settle_now(source, delivery.delivery_tag);
    }
    keep_plain(source, delivery, std::string(unrouted_reason));
}

// Somebody asked for a task that no worker has ever offered, and waits for the answer.
void Results::answer_caller(Source& source, const Delivery& delivery) {
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
    (void)source.channel->publish(answer);
}

void Results::keep_plain(const Source& source, const Delivery& delivery,
                         const std::string& reason) {
    runtime::PlainDeadLetter plain;
    plain.letter.reason = readable(reason);
    plain.letter.task = readable(delivery.routing_key);
    plain.letter.message = to_document(delivery).text();
    plain.letter.again_of = again_of(delivery.properties);
    plain.delivery = handle_of(source, delivery.delivery_tag);
    engine_.add_dead_letter(std::move(plain));
}

} // namespace baton::orchestrator::messaging
