// One channel: methods with replies, consumers, acknowledgements. Made by
// Connection::open_channel() and shared with the connection; a channel that is closed, by whom
// ever, stays usable as an object: every call then gives the reason as a Failure.
//
// Thread: everything, callbacks included, happens on the executor of the connection. Callbacks are
// called while bytes are being read: they must be quick, may call any non-waiting function here
// (ack, publish, Publisher::publish) and must not destroy the connection.
//
//   const QueueDeclare declare{.queue = "work", .durable = true};
//   const auto declared = co_await channel->call(declare);   // Outcome<QueueDeclareOk>
//   if (!declared && declared.error().code == ReplyCode::precondition_failed) ...
//
// Several calls may be under way at once; they are answered in order. A call whose coroutine is
// cancelled (net::within) gives the error `cancelled`; its late answer is dropped.
#pragma once

#include "amqp/client/message.hpp"
#include "amqp/frame.hpp"
#include "amqp/methods.hpp"
#include "base/result.hpp"
#include "net/awaitable.hpp"
#include "net/wakeup.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace baton::amqp::client {

class Connection;
class Publisher;

// Which method answers which.
template <typename Request>
struct ReplyTo;
template <>
struct ReplyTo<ChannelFlow> {
    using Type = ChannelFlowOk;
};
template <>
struct ReplyTo<ExchangeDeclare> {
    using Type = ExchangeDeclareOk;
};
template <>
struct ReplyTo<ExchangeDelete> {
    using Type = ExchangeDeleteOk;
};
template <>
struct ReplyTo<ExchangeBind> {
    using Type = ExchangeBindOk;
};
template <>
struct ReplyTo<ExchangeUnbind> {
    using Type = ExchangeUnbindOk;
};
template <>
struct ReplyTo<QueueDeclare> {
    using Type = QueueDeclareOk;
};
template <>
struct ReplyTo<QueueBind> {
    using Type = QueueBindOk;
};
template <>
struct ReplyTo<QueueUnbind> {
    using Type = QueueUnbindOk;
};
template <>
struct ReplyTo<QueuePurge> {
    using Type = QueuePurgeOk;
};
template <>
struct ReplyTo<QueueDelete> {
    using Type = QueueDeleteOk;
};
template <>
struct ReplyTo<BasicQos> {
    using Type = BasicQosOk;
};
template <>
struct ReplyTo<BasicRecover> {
    using Type = BasicRecoverOk;
};
template <>
struct ReplyTo<ConfirmSelect> {
    using Type = ConfirmSelectOk;
};
template <>
struct ReplyTo<TxSelect> {
    using Type = TxSelectOk;
};
template <>
struct ReplyTo<TxCommit> {
    using Type = TxCommitOk;
};
template <>
struct ReplyTo<TxRollback> {
    using Type = TxRollbackOk;
};

class Channel : public std::enable_shared_from_this<Channel> {
public:
    using OnDelivery = std::function<void(Delivery)>;
    // The broker ended the consumer, for example since its queue is gone.
    using OnCancelled = std::function<void(const std::string& consumer_tag)>;
    using OnReturned = std::function<void(Returned)>;
    using OnClosed = std::function<void(const Failure&)>;

    Channel(Connection& connection, ChannelNumber number);
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // Any method with a plain reply; no_wait must be false. The Failure is what closed the channel.
    template <typename Request>
    net::Awaitable<Outcome<typename ReplyTo<Request>::Type>> call(Request request) {
        using Reply = typename ReplyTo<Request>::Type;
        auto reply = co_await call_any(Method(std::move(request)), Reply::id);
        if (!reply) co_return reply.error();
        co_return std::get<Reply>(std::move(*reply));
    }

    // Starts a consumer and gives its tag; made up when request.consumer_tag is empty. on_delivery
    // may be called before the awaiting coroutine goes on.
    net::Awaitable<Outcome<std::string>> consume(BasicConsume request, OnDelivery on_delivery,
                                                 OnCancelled on_cancelled = {});
    // Afterwards no more deliveries of that consumer come; those it had stay acknowledgeable.
    net::Awaitable<Outcome<void>> cancel(std::string consumer_tag);
    // One message, or nothing when the queue is empty.
    net::Awaitable<Outcome<std::optional<Delivery>>> get(std::string queue, bool no_ack);

    // These only write; the broker does not answer. Error channel_closed. `multiple` settles all up
    // to and including that tag.
    Status ack(std::uint64_t delivery_tag, bool multiple = false);
    Status nack(std::uint64_t delivery_tag, bool multiple, bool requeue);
    Status reject(std::uint64_t delivery_tag, bool requeue);

    // Fire and forget; who needs to know what became of it uses a Publisher.
    Status publish(const Publication& publication);

    // Mandatory messages that came back; with a Publisher on this channel, ask the Publisher.
    void on_returned(OnReturned callback) { on_returned_ = std::move(callback); }
    // Called once, with the reason, when the channel or its connection ends.
    void on_closed(OnClosed callback) { on_closed_ = std::move(callback); }

    // Drops all callbacks, those of consumers too: for owners who go before the channel does.
    void forget_callbacks();

    // Waits until the broker has closed it too.
    net::Awaitable<Outcome<void>> close();

    bool is_open() const { return state_ == State::open; }
    // Set as soon as it is not open any more.
    const std::optional<Failure>& close_reason() const { return close_reason_; }
    ChannelNumber number() const { return number_; }

private:
    friend class Connection;
    friend class Publisher;

    enum class State { opening, open, closing, closed };

    // An answer somebody waits for.
    struct Pending {
        explicit Pending(const net::asio::any_io_executor& executor) : answered(executor) {}
        MethodId expected;
        // basic.get has two answers.
        std::optional<MethodId> alternative;
        net::Wakeup answered;
        std::optional<Method> reply;
        std::optional<Delivery> content;
        std::optional<Failure> failure;
    };
    struct Consumer {
        OnDelivery on_delivery;
        OnCancelled on_cancelled;
    };
    // A method with content whose header and body are still coming.
    struct Incoming {
        std::variant<BasicDeliver, BasicReturn, BasicGetOk> method;
        bool has_header = false;
        std::uint64_t body_size = 0;
        Properties properties;
        SharedBytes body;
        std::string pieces;
    };

    net::Awaitable<Outcome<Method>> call_any(Method request, MethodId expected);
    net::Awaitable<Outcome<void>> open();
    std::shared_ptr<Pending> send_request(const Method& request, MethodId expected);
    net::Awaitable<std::optional<Failure>> answer_of(std::shared_ptr<Pending> pending);
    Status send(const Method& method);

    // Called by the connection with each frame of this channel; an error ends the connection.
    Status take(const Frame& frame);
    Status take_method(ByteView payload);
    void begin_content(std::variant<BasicDeliver, BasicReturn, BasicGetOk> method);
    Status take_other(Method method);
    Status take_header(ByteView payload);
    Status take_body(ByteView payload);
    Status finish_content();
    Status take_reply(Method method, std::optional<Delivery> content);
    void take_cancel(const BasicCancel& method);
    // From now on everything fails with this.
    void end(Failure reason);
    Failure closed_failure() const;

    // Null once the connection has ended.
    Connection* connection_;
    net::asio::any_io_executor executor_;
    ChannelNumber number_;
    State state_ = State::opening;
    std::optional<Failure> close_reason_;
    std::deque<std::shared_ptr<Pending>> pending_;
    std::map<std::string, std::shared_ptr<Consumer>, std::less<>> consumers_;
    std::uint64_t consumers_made_ = 0;
    std::optional<Incoming> incoming_;
    OnReturned on_returned_;
    OnClosed on_closed_;
    Publisher* publisher_ = nullptr;
};

} // namespace baton::amqp::client
