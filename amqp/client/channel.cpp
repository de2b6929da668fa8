// What happens on one channel: requests and their answers, content in parts, the end.
#include "amqp/client/channel.hpp"

#include "amqp/client/connection.hpp"
#include "amqp/client/errors.hpp"
#include "amqp/client/publisher.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::amqp::client {

namespace {

// A body larger than this is not a message but a mistake.
constexpr std::uint64_t body_bytes_max = 512u << 20;

SharedBytes shared(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    const ByteView view = as_bytes(*owner);
    return SharedBytes::part_of(std::move(owner), view);
}

} // namespace

Channel::Channel(Connection& connection, ChannelNumber number)
    : connection_(&connection), executor_(connection.executor()), number_(number) {}

Channel::~Channel() = default;

// --- requests ---------------------------------------------------------------------------------

Failure Channel::closed_failure() const {
    if (close_reason_) return *close_reason_;
    return {Errc::channel_closed, "the channel is closed"};
}

Status Channel::send(const Method& method) {
    if (connection_ == nullptr) return ErrorCode(Errc::channel_closed);
    BATON_TRY(append_method(connection_->out_, number_, method));
    connection_->wake_writer();
    return {};
}

std::shared_ptr<Channel::Pending> Channel::send_request(const Method& request, MethodId expected) {
    auto pending = std::make_shared<Pending>(executor_);
    pending->expected = expected;
    if (state_ != State::open && state_ != State::opening) {
        pending->failure = closed_failure();
    } else if (const Status sent = send(request); !sent) {
        pending->failure = Failure{sent.error(), sent.error().message()};
    } else {
        pending_.push_back(pending);
    }
    return pending;
}

net::Awaitable<std::optional<Failure>> Channel::answer_of(std::shared_ptr<Pending> pending) {
    const auto keep_alive = shared_from_this();
    if (!pending->failure && !pending->reply &&
        co_await pending->answered.wait() == net::Wakeup::Outcome::cancelled)
        co_return Failure{Errc::cancelled, "the wait for the broker's answer was cancelled"};
    co_return pending->failure;
}

net::Awaitable<Outcome<Method>> Channel::call_any(Method request, MethodId expected) {
    const auto pending = send_request(request, expected);
    if (auto failure = co_await answer_of(pending)) co_return std::move(*failure);
    co_return std::move(*pending->reply);
}

net::Awaitable<Outcome<void>> Channel::open() {
    const auto opened = co_await call_any(ChannelOpen{}, ChannelOpenOk::id);
    if (!opened) co_return opened.error();
    co_return Outcome<void>();
}

net::Awaitable<Outcome<std::string>> Channel::consume(BasicConsume request, OnDelivery on_delivery,
                                                      OnCancelled on_cancelled) {
    if (request.consumer_tag.empty())
        request.consumer_tag = fmt::format("consumer-{}.{}", number_, ++consumers_made_);
    const std::string tag = request.consumer_tag;
    auto consumer =
        std::make_shared<Consumer>(Consumer{std::move(on_delivery), std::move(on_cancelled)});
    if (!consumers_.emplace(tag, std::move(consumer)).second)
        co_return Failure{ReplyCode::not_allowed, "consumer tag '" + tag + "' is in use"};
    const auto consuming = co_await call_any(std::move(request), BasicConsumeOk::id);
    if (!consuming) {
        consumers_.erase(tag);
        co_return consuming.error();
    }
    co_return tag;
}

net::Awaitable<Outcome<void>> Channel::cancel(std::string consumer_tag) {
    BasicCancel request;
    request.consumer_tag = std::move(consumer_tag);
    const auto cancelled = co_await call_any(std::move(request), BasicCancelOk::id);
    if (!cancelled) co_return cancelled.error();
    co_return Outcome<void>();
}

net::Awaitable<Outcome<std::optional<Delivery>>> Channel::get(std::string queue, bool no_ack) {
    BasicGet request;
    request.queue = std::move(queue);
    request.no_ack = no_ack;
    const auto pending = send_request(request, BasicGetOk::id);
    pending->alternative = BasicGetEmpty::id;
    if (auto failure = co_await answer_of(pending)) co_return std::move(*failure);
    co_return std::move(pending->content);
}

net::Awaitable<Outcome<void>> Channel::close() {
    if (state_ == State::closed) co_return Outcome<void>();
    if (state_ == State::closing) co_return closed_failure();
    ChannelClose request;
    request.reply_code = static_cast<std::uint16_t>(ReplyCode::success);
    const auto pending = send_request(request, ChannelCloseOk::id);
    state_ = State::closing;
    close_reason_ = Failure{Errc::closed_by_us, "closed by us"};
    if (auto failure = co_await answer_of(pending)) co_return std::move(*failure);
    co_return Outcome<void>();
}

void Channel::forget_callbacks() {
    on_returned_ = {};
    on_closed_ = {};
    for (auto& [tag, consumer] : consumers_)
        consumer = std::make_shared<Consumer>(Consumer{[](const Delivery&) {}, {}});
}

// --- one-way methods --------------------------------------------------------------------------

Status Channel::ack(std::uint64_t delivery_tag, bool multiple) {
    if (!is_open()) return ErrorCode(Errc::channel_closed);
    append_ack(connection_->out_, number_, {delivery_tag, multiple});
    connection_->wake_writer();
    return {};
}

Status Channel::nack(std::uint64_t delivery_tag, bool multiple, bool requeue) {
    if (!is_open()) return ErrorCode(Errc::channel_closed);
    append_nack(connection_->out_, number_, {delivery_tag, multiple, requeue});
    connection_->wake_writer();
    return {};
}

Status Channel::reject(std::uint64_t delivery_tag, bool requeue) {
    if (!is_open()) return ErrorCode(Errc::channel_closed);
    return send(BasicReject{delivery_tag, requeue});
}

Status Channel::publish(const Publication& publication) {
    if (!is_open()) return ErrorCode(Errc::channel_closed);
    Buffer properties;
    BATON_TRY(encode_properties(publication.properties, properties));
    const BasicPublishView method{publication.exchange, publication.routing_key,
                                  publication.mandatory, false};
    BATON_TRY(append_publish(connection_->out_, number_, method,
                             {properties.view(), publication.body.view()},
                             connection_->frame_max_));
    connection_->wake_writer();
    return {};
}

// --- what arrives -----------------------------------------------------------------------------

Status Channel::take(const Frame& frame) {
    switch (frame.type) {
    case FrameType::method:
        return take_method(frame.payload);
    case FrameType::header:
        return take_header(frame.payload);
    case FrameType::body:
        return take_body(frame.payload);
    case FrameType::heartbeat:
        break;
    }
    return {};
}

Status Channel::take_method(ByteView payload) {
    if (incoming_) return ErrorCode(amqp::Errc::unexpected_frame);
    BATON_ASSIGN(const MethodId id, peek_method_id(payload));
    if (state_ == State::closing && id != ChannelClose::id && id != ChannelCloseOk::id) {
        // Content that follows is dropped as well, but has to be counted.
        if (!carries_content(id)) return {};
    }
    if (id == BasicDeliver::id) {
        BATON_ASSIGN(auto method, decode_method_as<BasicDeliver>(payload));
        begin_content(std::move(method));
        return {};
    }
    if (id == BasicReturn::id) {
        BATON_ASSIGN(auto method, decode_method_as<BasicReturn>(payload));
        begin_content(std::move(method));
        return {};
    }
    if (id == BasicGetOk::id) {
        BATON_ASSIGN(auto method, decode_method_as<BasicGetOk>(payload));
        begin_content(std::move(method));
        return {};
    }
    BATON_ASSIGN(auto method, decode_method(payload));
    return take_other(std::move(method));
}

void Channel::begin_content(std::variant<BasicDeliver, BasicReturn, BasicGetOk> method) {
    Incoming incoming;
    incoming.method = std::move(method);
    incoming_ = std::move(incoming);
}

Status Channel::take_other(Method method) {
    if (const auto* ack = std::get_if<BasicAck>(&method)) {
        if (publisher_ == nullptr) return {};
        return publisher_->take_confirm(ack->delivery_tag, ack->multiple, true);
    }
    if (const auto* nack = std::get_if<BasicNack>(&method)) {
        if (publisher_ == nullptr) return {};
        return publisher_->take_confirm(nack->delivery_tag, nack->multiple, false);
    }
    if (const auto* close = std::get_if<ChannelClose>(&method)) {
        BATON_TRY(send(ChannelCloseOk{}));
        // When both sides close at once, ours ends with the broker's close-ok.
        if (state_ != State::closing)
            end({static_cast<ReplyCode>(close->reply_code), close->reply_text});
        return {};
    }
    if (std::holds_alternative<ChannelCloseOk>(method)) {
        if (state_ != State::closing) return ErrorCode(amqp::Errc::unexpected_method);
        // Calls made before the close stay unanswered; the last one is the close itself.
        if (!pending_.empty() && pending_.back()->expected == ChannelCloseOk::id) {
            pending_.back()->reply = std::move(method);
            pending_.back()->answered.set();
            pending_.pop_back();
        }
        end({Errc::closed_by_us, "closed by us"});
        return {};
    }
    if (const auto* cancel = std::get_if<BasicCancel>(&method)) {
        take_cancel(*cancel);
        return {};
    }
    if (const auto* flow = std::get_if<ChannelFlow>(&method))
        return send(ChannelFlowOk{flow->active});
    if (const auto* cancelled = std::get_if<BasicCancelOk>(&method))
        consumers_.erase(cancelled->consumer_tag);
    if (std::holds_alternative<ChannelOpenOk>(method) && state_ == State::opening)
        state_ = State::open;
    return take_reply(std::move(method), std::nullopt);
}

void Channel::take_cancel(const BasicCancel& method) {
    const auto found = consumers_.find(method.consumer_tag);
    if (!method.no_wait) static_cast<void>(send(BasicCancelOk{method.consumer_tag}));
    if (found == consumers_.end()) return;
    const std::shared_ptr<Consumer> consumer = found->second;
    consumers_.erase(found);
    if (consumer->on_cancelled) consumer->on_cancelled(method.consumer_tag);
}

Status Channel::take_reply(Method method, std::optional<Delivery> content) {
    if (pending_.empty()) return ErrorCode(amqp::Errc::unexpected_method);
    const std::shared_ptr<Pending> pending = pending_.front();
    const MethodId id = id_of(method);
    if (id != pending->expected && id != pending->alternative)
        return ErrorCode(amqp::Errc::unexpected_method);
    pending_.pop_front();
    pending->reply = std::move(method);
    pending->content = std::move(content);
    pending->answered.set();
    return {};
}

Status Channel::take_header(ByteView payload) {
    if (!incoming_ || incoming_->has_header) return ErrorCode(amqp::Errc::unexpected_frame);
    BATON_ASSIGN(const ContentHeader header, decode_content_header(payload));
    if (header.body_size > body_bytes_max) return ErrorCode(amqp::Errc::bad_content_header);
    BATON_ASSIGN(incoming_->properties, decode_properties(header.properties));
    incoming_->has_header = true;
    incoming_->body_size = header.body_size;
    if (header.body_size == 0) return finish_content();
    return {};
}

Status Channel::take_body(ByteView payload) {
    if (!incoming_ || !incoming_->has_header) return ErrorCode(amqp::Errc::unexpected_frame);
    if (payload.size() > incoming_->body_size - incoming_->pieces.size())
        return ErrorCode(amqp::Errc::unexpected_frame);
    if (payload.size() == incoming_->body_size) {
        incoming_->body = SharedBytes::copy_of(payload);
        return finish_content();
    }
    // The size is the broker's word only; memory grows with what really comes.
    incoming_->pieces.append(as_text(payload));
    if (incoming_->pieces.size() < incoming_->body_size) return {};
    incoming_->body = shared(std::move(incoming_->pieces));
    return finish_content();
}

Status Channel::finish_content() {
    Incoming content = std::move(*incoming_);
    incoming_.reset();
    if (state_ == State::closing) return {};
    if (auto* returned = std::get_if<BasicReturn>(&content.method)) {
        Returned message{static_cast<ReplyCode>(returned->reply_code),
                         std::move(returned->reply_text),
                         std::move(returned->exchange),
                         std::move(returned->routing_key),
                         std::move(content.properties),
                         std::move(content.body)};
        if (publisher_ != nullptr) publisher_->take_return(message);
        if (on_returned_) on_returned_(std::move(message));
        return {};
    }
    Delivery delivery;
    delivery.properties = std::move(content.properties);
    delivery.body = std::move(content.body);
    if (auto* got = std::get_if<BasicGetOk>(&content.method)) {
        delivery.delivery_tag = got->delivery_tag;
        delivery.redelivered = got->redelivered;
        delivery.exchange = got->exchange;
        delivery.routing_key = got->routing_key;
        return take_reply(std::move(*got), std::move(delivery));
    }
    auto& delivered = std::get<BasicDeliver>(content.method);
    delivery.consumer_tag = std::move(delivered.consumer_tag);
    delivery.delivery_tag = delivered.delivery_tag;
    delivery.redelivered = delivered.redelivered;
    delivery.exchange = std::move(delivered.exchange);
    delivery.routing_key = std::move(delivered.routing_key);
    const auto found = consumers_.find(delivery.consumer_tag);
    if (found == consumers_.end()) {
        log::warning("amqp", "delivery for a consumer that does not exist",
                     {{"tag", delivery.consumer_tag}});
        return {};
    }
    // The callback may cancel itself.
    const std::shared_ptr<Consumer> consumer = found->second;
    consumer->on_delivery(std::move(delivery));
    return {};
}

void Channel::end(Failure reason) {
    if (state_ == State::closed) return;
    state_ = State::closed;
    if (!close_reason_) close_reason_ = reason;
    incoming_.reset();
    const auto keep_alive = weak_from_this().lock();
    for (const auto& pending : std::exchange(pending_, {})) {
        pending->failure = reason;
        pending->answered.set();
    }
    consumers_.clear();
    if (publisher_ != nullptr) publisher_->take_end(*close_reason_);
    if (const OnClosed callback = std::exchange(on_closed_, {})) callback(*close_reason_);
}

} // namespace baton::amqp::client
