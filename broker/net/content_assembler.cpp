#include "broker/net/content_assembler.hpp"

#include "amqp/errors.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace baton::broker::net {
namespace {

// A body's memory grows with what really arrives: an announcement alone costs nothing.
constexpr std::size_t first_body_capacity = 128 * 1024;

} // namespace

ContentAssembler::Partial& ContentAssembler::partial_of(core::ChannelNumber channel) {
    if (channel >= partials_.size()) partials_.resize(channel + 1U);
    if (!partials_[channel]) {
        partials_[channel] = std::make_unique<Partial>();
        held_bytes_ += sizeof(Partial);
    }
    return *partials_[channel];
}

std::string_view ContentAssembler::expected(core::ChannelNumber channel) const {
    const Partial* partial = find(channel);
    if (partial != nullptr && partial->stage == Stage::expects_header)
        return "expected content header for class 60, got non content header frame instead";
    if (partial != nullptr && partial->stage == Stage::expects_body)
        return "expected content body, got non content body frame instead";
    return "expected method frame, got non method frame instead";
}

void ContentAssembler::begin(core::ChannelNumber channel, const amqp::BasicPublishView& method) {
    Partial& partial = partial_of(channel);
    BATON_ASSERT(partial.stage == Stage::idle || partial.stage == Stage::skips_body,
                 "a content is still being collected");
    partial.stage = Stage::expects_header;
    partial.mandatory = method.mandatory;
    partial.immediate = method.immediate;
    partial.exchange = method.exchange;
    partial.routing_key = method.routing_key;
    partial.properties = {};
    if (!std::exchange(partial.borrows, true)) borrowing_.push_back(channel);
}

Result<ContentAssembler::Step> ContentAssembler::take_piece(const amqp::Frame& frame) {
    publish_.body_owner = nullptr;
    if (frame.channel >= partials_.size() || !partials_[frame.channel])
        return ErrorCode(amqp::Errc::unexpected_frame);
    Partial& partial = *partials_[frame.channel];
    if (frame.type == amqp::FrameType::header) return take_header(partial, frame);
    return take_body(partial, frame);
}

Result<ContentAssembler::Step> ContentAssembler::take_header(Partial& partial,
                                                             const amqp::Frame& frame) {
    if (partial.stage != Stage::expects_header) return ErrorCode(amqp::Errc::unexpected_frame);
    BATON_ASSIGN(const amqp::ContentHeader header, amqp::decode_content_header(frame.payload));
    if (header.class_id != amqp::class_ids::basic) return ErrorCode(amqp::Errc::unexpected_frame);
    partial.body_bytes = header.body_size;
    partial.collected = 0;
    if (header.body_size > body_bytes_max_) {
        announced_ = header.body_size;
        partial.stage = Stage::skips_body;
        return Step::oversize;
    }
    partial.properties = header.properties;
    if (!partial.borrows) {
        // The method came with an earlier read, the properties with this one: from here on the
        // partial borrows again, and keep() copies both.
        partial.borrows = true;
        borrowing_.push_back(frame.channel);
    }
    if (header.body_size == 0) return complete(partial, frame.channel, {}, false);
    partial.stage = Stage::expects_body;
    return Step::incomplete;
}

Result<ContentAssembler::Step> ContentAssembler::take_body(Partial& partial,
                                                           const amqp::Frame& frame) {
    const std::uint64_t left = partial.body_bytes - partial.collected;
    if (partial.stage != Stage::expects_body && partial.stage != Stage::skips_body)
        return ErrorCode(amqp::Errc::unexpected_frame);
    if (frame.payload.size() > left) return ErrorCode(amqp::Errc::unexpected_frame);
    const bool is_whole = partial.collected == 0 && frame.payload.size() == left;
    partial.collected += frame.payload.size();
    if (partial.stage == Stage::skips_body) {
        if (partial.collected == partial.body_bytes) partial.stage = Stage::idle;
        return Step::incomplete;
    }
    if (is_whole) return complete(partial, frame.channel, frame.payload, true);
    if (frame.payload.empty()) return Step::incomplete;
    grow(partial, partial.collected);
    std::memcpy(partial.body.get() + (partial.collected - frame.payload.size()),
                frame.payload.data(), frame.payload.size());
    if (partial.collected < partial.body_bytes) return Step::incomplete;
    const ByteView body(partial.body.get(), static_cast<std::size_t>(partial.body_bytes));
    owner_ = std::exchange(partial.body, nullptr);
    held_bytes_ -= std::exchange(partial.body_capacity, 0);
    const Step step = complete(partial, frame.channel, body, false);
    publish_.body_owner = &owner_;
    return step;
}

ContentAssembler::Step ContentAssembler::complete(Partial& partial, core::ChannelNumber channel,
                                                  ByteView body, bool borrowed) {
    publish_.connection = connection_;
    publish_.channel = channel;
    publish_.mandatory = partial.mandatory;
    publish_.immediate = partial.immediate;
    publish_.exchange = partial.exchange;
    publish_.routing_key = partial.routing_key;
    publish_.properties = partial.properties;
    publish_.body = body;
    body_is_borrowed_ = borrowed;
    partial.stage = Stage::idle;
    return Step::complete;
}

void ContentAssembler::grow(Partial& partial, std::uint64_t wanted) {
    if (wanted <= partial.body_capacity) return;
    const std::uint64_t capacity =
        std::min(partial.body_bytes,
                 std::max<std::uint64_t>({wanted, partial.body_capacity * 2, first_body_capacity}));
    auto larger = std::make_shared_for_overwrite<std::byte[]>(static_cast<std::size_t>(capacity));
    if (partial.body) std::memcpy(larger.get(), partial.body.get(), partial.body_capacity);
    held_bytes_ += capacity - partial.body_capacity;
    partial.body = std::move(larger);
    partial.body_capacity = static_cast<std::size_t>(capacity);
}

void ContentAssembler::keep() {
    publish_ = {};
    owner_.reset();
    for (const core::ChannelNumber channel : borrowing_) {
        Partial& partial = *partials_[channel];
        partial.borrows = false;
        if (partial.stage == Stage::expects_header || partial.stage == Stage::expects_body)
            keep(partial);
    }
    borrowing_.clear();
}

void ContentAssembler::keep(Partial& partial) {
    std::vector<std::byte> names;
    names.reserve(partial.exchange.size() + partial.routing_key.size() + partial.properties.size());
    const auto copy = [&names](ByteView bytes) {
        const std::size_t begin = names.size();
        names.insert(names.end(), bytes.begin(), bytes.end());
        return ByteView(names).subspan(begin);
    };
    partial.exchange = as_text(copy(as_bytes(partial.exchange)));
    partial.routing_key = as_text(copy(as_bytes(partial.routing_key)));
    partial.properties = copy(partial.properties);
    held_bytes_ += names.size();
    held_bytes_ -= partial.names.size();
    partial.names = std::move(names);
}

void ContentAssembler::forget() {
    publish_ = {};
    owner_.reset();
    partials_.clear();
    borrowing_.clear();
    held_bytes_ = 0;
}

} // namespace baton::broker::net
