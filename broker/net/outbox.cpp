#include "broker/net/outbox.hpp"

#include "base/log.hpp"

#include <utility>

namespace baton::broker::net {
namespace {

amqp::Content content_of(const core::Message& message) {
    return {.properties = message.properties(), .body = message.body()};
}

// Reply texts are short strings; the longest names do not fit into a sentence around them.
std::string short_text(std::string text) {
    if (text.size() > 255) text.resize(255);
    return text;
}

} // namespace

struct Outbox::Writing {
    Outbox& box;
    core::ChannelNumber channel;

    void operator()(const core::Deliver& deliver) const {
        const core::Message& message = *deliver.message;
        amqp::append_deliver(box.buffer_, channel,
                             {.consumer_tag = box.tag_of(deliver.consumer),
                              .delivery_tag = deliver.delivery_tag,
                              .redelivered = deliver.redelivered,
                              .exchange = message.exchange(),
                              .routing_key = message.routing_key()},
                             content_of(message), box.frame_max_);
        box.charge_ += core::delivery_charge(message);
    }
    void operator()(const core::DeliverGotten& gotten) const {
        const core::Message& message = *gotten.message;
        amqp::append_get_ok(box.buffer_, channel,
                            {.delivery_tag = gotten.delivery_tag,
                             .redelivered = gotten.redelivered,
                             .exchange = message.exchange(),
                             .routing_key = message.routing_key(),
                             .message_count = gotten.messages_left},
                            content_of(message), box.frame_max_);
        box.charge_ += core::delivery_charge(message);
    }
    void operator()(const core::ReturnMessage& returned) const {
        const core::Message& message = *returned.message;
        amqp::append_return(box.buffer_, channel,
                            {.reply_code = static_cast<std::uint16_t>(returned.code),
                             .reply_text = returned.text,
                             .exchange = message.exchange(),
                             .routing_key = message.routing_key()},
                            content_of(message), box.frame_max_);
    }
    void operator()(const core::Confirm& confirm) const {
        if (confirm.refused)
            amqp::append_nack(box.buffer_, channel,
                              {.delivery_tag = confirm.delivery_tag,
                               .multiple = confirm.multiple,
                               .requeue = false});
        else
            amqp::append_ack(box.buffer_, channel,
                             {.delivery_tag = confirm.delivery_tag, .multiple = confirm.multiple});
    }
    void operator()(const core::Reply& reply) const { say(*reply.method); }
    void operator()(core::ConsumerNamed& named) const {
        if (named.number >= box.consumer_tags_.size())
            box.consumer_tags_.resize(named.number + std::size_t{1});
        box.consumer_tags_[named.number] = std::move(*named.tag);
    }
    void operator()(const core::ConsumerForgotten& forgotten) const {
        if (forgotten.number < box.consumer_tags_.size()) box.consumer_tags_[forgotten.number] = {};
    }
    void operator()(core::CloseChannel& close) const {
        say(amqp::ChannelClose{static_cast<std::uint16_t>(close.reason->code),
                               short_text(std::move(close.reason->text)),
                               close.reason->failed_method.class_id,
                               close.reason->failed_method.method_id});
    }
    void operator()(core::CloseConnection& close) const {
        say_on(0, amqp::ConnectionClose{static_cast<std::uint16_t>(close.reason->code),
                                        short_text(std::move(close.reason->text)),
                                        close.reason->failed_method.class_id,
                                        close.reason->failed_method.method_id});
        box.awaits_close_ok_ = true;
    }
    void operator()(const core::EndConnection&) const {
        say_on(0, amqp::ConnectionCloseOk{});
        box.ends_when_written_ = true;
    }
    void operator()(const core::AcceptConnection&) const {
        say_on(0, amqp::ConnectionOpenOk{});
        box.was_accepted_ = true;
    }
    // Answered in place where the handshake asks; nothing for the wire.
    void operator()(const core::TellUser&) const {}
    // Nobody tells a client of AMQP anything.
    void operator()(const core::Tell&) const {}
    void operator()(const core::PauseReading&) const { box.pauses_reading_ = true; }
    void operator()(const core::ResumeReading&) const { box.pauses_reading_ = false; }
    void operator()(const core::HoldPublishes& hold) const {
        box.holds_publishes_ = true;
        box.hold_reason_ = hold.reason;
        if (box.publishes_) box.tell_blocked();
    }
    void operator()(const core::TakePublishes&) const {
        box.holds_publishes_ = false;
        box.hold_reason_ = nullptr;
        if (std::exchange(box.was_told_blocked_, false)) say_on(0, amqp::ConnectionUnblocked{});
    }
    void operator()(const core::DropConnection&) const { box.drops_now_ = true; }

    void say(const amqp::Method& method) const { say_on(channel, method); }
    void say_on(core::ChannelNumber number, const amqp::Method& method) const {
        if (auto said = amqp::append_method(box.buffer_, number, method); !said)
            log::error("broker", "a method does not fit the wire",
                       {{"method", amqp::name_of(method)}, {"error", said.error().message()}});
    }
};

void Outbox::add(core::Command& command) {
    std::visit(Writing{*this, command.channel}, command.action);
}

void Outbox::tell_blocked() {
    if (!knows_blocked_ || hold_reason_ == nullptr || std::exchange(was_told_blocked_, true)) return;
    Writing{*this, 0}.say(amqp::ConnectionBlocked{hold_reason_});
}

std::string_view Outbox::tag_of(core::ConsumerNumber number) const {
    return number < consumer_tags_.size() ? std::string_view(consumer_tags_[number])
                                          : std::string_view();
}

// The last byte brings the whole rest, so the sum is exact whenever the buffer is empty.
std::uint64_t Outbox::written(std::size_t count) {
    const std::size_t before = buffer_.size();
    buffer_.discard_front(count);
    const std::uint64_t part =
        count == before
            ? charge_
            : static_cast<std::uint64_t>(static_cast<double>(charge_) * static_cast<double>(count) /
                                         static_cast<double>(before));
    charge_ -= part;
    return part;
}

void Outbox::shrink(std::size_t bytes) {
    if (buffer_.empty() && buffer_.capacity() > bytes) buffer_ = {};
}

} // namespace baton::broker::net
