// Puts basic.publish, its content header and its bodies together, for all channels of a connection;
// sans-io. A message that arrives whole in one read is passed on as views into the read buffer;
// what is still incomplete when the read ends is copied by keep().
//
// One per connection, on its thread.
#pragma once

#include "amqp/frame.hpp"
#include "broker/core/event.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace baton::broker::net {

class ContentAssembler {
public:
    // `owner()` keeps the current read buffer alive; asked only for bodies of at least
    // `shared_body_bytes_min` bytes that came in one piece.
    ContentAssembler(core::ConnectionId connection, std::uint64_t body_bytes_max,
                     std::size_t shared_body_bytes_min)
        : connection_(connection),
          body_bytes_max_(body_bytes_max),
          shared_body_bytes_min_(shared_body_bytes_min) {}

    enum class Step {
        incomplete,
        complete, // publish() is ready until the next call of any function
        oversize, // announced() bytes are more than allowed; the body will be skipped
    };

    // A method on this channel would be out of place. (After an oversize announcement it is not: a
    // client that was told so need not send the body.)
    bool is_collecting(core::ChannelNumber channel) const {
        const Partial* partial = find(channel);
        return partial != nullptr &&
               (partial->stage == Stage::expects_header || partial->stage == Stage::expects_body);
    }
    // What a frame that take() would refuse should have been, in RabbitMQ's words.
    std::string_view expected(core::ChannelNumber channel) const;
    // A basic.publish begins. Its channel must not be collecting.
    void begin(core::ChannelNumber channel, const amqp::BasicPublishView& method);
    // A header or body frame; `owner` is a callable that gives the read buffer's owner. Errors:
    // unexpected_frame (also for a body longer than announced), and those of the content header.
    template <typename Owner>
    Result<Step> take(const amqp::Frame& frame, Owner&& owner) {
        BATON_ASSIGN(const Step step, take_piece(frame));
        if (step == Step::complete && body_is_borrowed_ &&
            publish_.body.size() >= shared_body_bytes_min_) {
            owner_ = owner();
            publish_.body_owner = &owner_;
        }
        return step;
    }
    const core::PublishReceived& publish() const { return publish_; }
    std::uint64_t announced() const { return announced_; }

    // What it has in memory of contents that are not complete, about.
    std::uint64_t held_bytes() const { return held_bytes_; }
    // Lets go of all of them: nobody will ask for them any more.
    void forget();

    // The read buffer goes away: copies what incomplete messages borrowed from it, and lets go of
    // the last complete one.
    void keep();

private:
    enum class Stage : std::uint8_t { idle, expects_header, expects_body, skips_body };

    struct Partial {
        Stage stage = Stage::idle;
        bool mandatory = false;
        bool immediate = false;
        bool borrows = false; // the views point into the read buffer
        std::string_view exchange;
        std::string_view routing_key;
        ByteView properties;
        std::uint64_t body_bytes = 0;
        std::uint64_t collected = 0;
        std::vector<std::byte> names; // what the views point to otherwise
        std::shared_ptr<std::byte[]> body;
        std::size_t body_capacity = 0;
    };

    const Partial* find(core::ChannelNumber channel) const {
        return channel < partials_.size() ? partials_[channel].get() : nullptr;
    }
    Partial& partial_of(core::ChannelNumber channel);
    Result<Step> take_piece(const amqp::Frame& frame);
    Result<Step> take_header(Partial& partial, const amqp::Frame& frame);
    Result<Step> take_body(Partial& partial, const amqp::Frame& frame);
    Step complete(Partial& partial, core::ChannelNumber channel, ByteView body, bool borrowed);
    void grow(Partial& partial, std::uint64_t wanted);
    void keep(Partial& partial);

    core::ConnectionId connection_;
    std::uint64_t body_bytes_max_;
    std::size_t shared_body_bytes_min_;
    std::vector<std::unique_ptr<Partial>> partials_;
    std::vector<core::ChannelNumber> borrowing_;
    core::PublishReceived publish_;
    std::shared_ptr<const void> owner_;
    bool body_is_borrowed_ = false;
    std::uint64_t announced_ = 0;
    std::uint64_t held_bytes_ = 0;
};

} // namespace baton::broker::net
