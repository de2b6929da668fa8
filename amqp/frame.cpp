// Writing frames. The appenders of the hot path compute the size first and then fill one piece of
// the buffer, so a delivery costs one bounds check and no allocation once the buffer has grown.
#include "amqp/frame.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace baton::amqp {

namespace {

// Fills memory that is known to be large enough.
class Pen {
public:
    explicit Pen(std::byte* at) : at_(at) {}

    Pen& u8(std::uint8_t number) { return put(number); }
    Pen& u16(std::uint16_t number) { return put(number); }
    Pen& u32(std::uint32_t number) { return put(number); }
    Pen& u64(std::uint64_t number) { return put(number); }
    Pen& bytes(ByteView content) {
        if (!content.empty()) std::memcpy(at_, content.data(), content.size());
        at_ += content.size();
        return *this;
    }
    Pen& short_string(std::string_view text) {
        u8(static_cast<std::uint8_t>(text.size()));
        return bytes(as_bytes(text));
    }
    Pen& frame_header(FrameType type, ChannelNumber channel, std::size_t payload_bytes) {
        return u8(static_cast<std::uint8_t>(type))
            .u16(channel)
            .u32(static_cast<std::uint32_t>(payload_bytes));
    }
    Pen& method(MethodId id) { return u16(id.class_id).u16(id.method_id); }
    Pen& frame_end() { return u8(frame_end_octet); }

private:
    template <std::unsigned_integral Number>
    Pen& put(Number number) {
        store_big_endian(at_, number);
        at_ += sizeof number;
        return *this;
    }
    std::byte* at_;
};

void expect_short(std::string_view text) {
    BATON_ASSERT(text.size() <= 255, "a short string from the wire has at most 255 bytes");
}

// Class, weight, body size in front of the properties.
constexpr std::size_t content_header_fixed = 12;

void append_content(Buffer& out, ChannelNumber channel, const Content& content,
                    std::uint32_t frame_max) {
    append_content_header(out, channel, content.body.size(), content.properties);
    append_body(out, channel, content.body, frame_max);
}

void append_publish_method(Buffer& out, ChannelNumber channel, const BasicPublishView& method) {
    const std::size_t payload =
        4 + 2 + 1 + method.exchange.size() + 1 + method.routing_key.size() + 1;
    const unsigned bits = (method.mandatory ? 1u : 0u) | (method.immediate ? 2u : 0u);
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicPublish::id)
        .u16(0)
        .short_string(method.exchange)
        .short_string(method.routing_key)
        .u8(static_cast<std::uint8_t>(bits))
        .frame_end();
}

} // namespace

Result<ContentHeader> decode_content_header(ByteView payload) {
    Reader in(payload);
    ContentHeader header;
    header.class_id = in.u16();
    const std::uint16_t weight = in.u16();
    header.body_size = in.u64();
    header.properties = in.rest();
    BATON_TRY(in.status());
    if (weight != 0) return ErrorCode(Errc::bad_content_header);
    return header;
}

void append_frame(Buffer& out, FrameType type, ChannelNumber channel, ByteView payload) {
    Pen(out.extend(payload.size() + frame_overhead_bytes))
        .frame_header(type, channel, payload.size())
        .bytes(payload)
        .frame_end();
}

void append_heartbeat(Buffer& out) {
    append_frame(out, FrameType::heartbeat, 0, {});
}

std::size_t begin_method_frame(Buffer& out) {
    const std::size_t place = out.size();
    out.extend(frame_header_bytes);
    return place;
}

Status end_method_frame(Buffer& out, ChannelNumber channel, std::size_t place, Status encoded) {
    const std::size_t payload = out.size() - place - frame_header_bytes;
    if (encoded && payload > UINT32_MAX) encoded = ErrorCode(Errc::value_too_large);
    if (!encoded) {
        out.truncate(place);
        return encoded;
    }
    Pen(out.at(place)).frame_header(FrameType::method, channel, payload);
    Pen(out.extend(1)).frame_end();
    return {};
}

Status append_method(Buffer& out, ChannelNumber channel, const Method& method) {
    const std::size_t place = begin_method_frame(out);
    return end_method_frame(out, channel, place, encode_method(method, out));
}

void append_content_header(Buffer& out, ChannelNumber channel, std::uint64_t body_size,
                           ByteView properties) {
    const std::size_t payload = content_header_fixed + properties.size();
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::header, channel, payload)
        .u16(class_ids::basic)
        .u16(0)
        .u64(body_size)
        .bytes(properties)
        .frame_end();
}

void append_body(Buffer& out, ChannelNumber channel, ByteView body, std::uint32_t frame_max) {
    const std::size_t piece_max =
        frame_max == 0 ? UINT32_MAX : std::max(frame_max, frame_bytes_min) - frame_overhead_bytes;
    while (!body.empty()) {
        const ByteView piece = body.first(std::min(body.size(), piece_max));
        append_frame(out, FrameType::body, channel, piece);
        body = body.subspan(piece.size());
    }
}

void append_deliver(Buffer& out, ChannelNumber channel, const BasicDeliverView& method,
                    const Content& content, std::uint32_t frame_max) {
    expect_short(method.consumer_tag);
    expect_short(method.exchange);
    expect_short(method.routing_key);
    const std::size_t payload = 4 + 1 + method.consumer_tag.size() + 8 + 1 + 1 +
                                method.exchange.size() + 1 + method.routing_key.size();
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicDeliver::id)
        .short_string(method.consumer_tag)
        .u64(method.delivery_tag)
        .u8(method.redelivered ? 1 : 0)
        .short_string(method.exchange)
        .short_string(method.routing_key)
        .frame_end();
    append_content(out, channel, content, frame_max);
}

void append_get_ok(Buffer& out, ChannelNumber channel, const BasicGetOkView& method,
                   const Content& content, std::uint32_t frame_max) {
    expect_short(method.exchange);
    expect_short(method.routing_key);
    const std::size_t payload =
        4 + 8 + 1 + 1 + method.exchange.size() + 1 + method.routing_key.size() + 4;
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicGetOk::id)
        .u64(method.delivery_tag)
        .u8(method.redelivered ? 1 : 0)
        .short_string(method.exchange)
        .short_string(method.routing_key)
        .u32(method.message_count)
        .frame_end();
    append_content(out, channel, content, frame_max);
}

void append_return(Buffer& out, ChannelNumber channel, const BasicReturnView& method,
                   const Content& content, std::uint32_t frame_max) {
    expect_short(method.reply_text);
    expect_short(method.exchange);
    expect_short(method.routing_key);
    const std::size_t payload = 4 + 2 + 1 + method.reply_text.size() + 1 + method.exchange.size() +
                                1 + method.routing_key.size();
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicReturn::id)
        .u16(method.reply_code)
        .short_string(method.reply_text)
        .short_string(method.exchange)
        .short_string(method.routing_key)
        .frame_end();
    append_content(out, channel, content, frame_max);
}

void append_ack(Buffer& out, ChannelNumber channel, const BasicAck& method) {
    constexpr std::size_t payload = 4 + 8 + 1;
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicAck::id)
        .u64(method.delivery_tag)
        .u8(method.multiple ? 1 : 0)
        .frame_end();
}

void append_nack(Buffer& out, ChannelNumber channel, const BasicNack& method) {
    constexpr std::size_t payload = 4 + 8 + 1;
    const unsigned bits = (method.multiple ? 1u : 0u) | (method.requeue ? 2u : 0u);
    Pen(out.extend(payload + frame_overhead_bytes))
        .frame_header(FrameType::method, channel, payload)
        .method(BasicNack::id)
        .u64(method.delivery_tag)
        .u8(static_cast<std::uint8_t>(bits))
        .frame_end();
}

Status append_publish(Buffer& out, ChannelNumber channel, const BasicPublishView& method,
                      const Content& content, std::uint32_t frame_max) {
    if (method.exchange.size() > 255 || method.routing_key.size() > 255)
        return ErrorCode(Errc::short_string_too_long);
    const std::size_t header_bytes =
        content_header_fixed + content.properties.size() + frame_overhead_bytes;
    if (header_bytes > (frame_max == 0 ? UINT32_MAX : frame_max))
        return ErrorCode(Errc::value_too_large);
    append_publish_method(out, channel, method);
    append_content(out, channel, content, frame_max);
    return {};
}

} // namespace baton::amqp
