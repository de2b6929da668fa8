// Frames (§4.2.3) and the appenders that write them straight into an output buffer:
//
//   0      1         3             7                size+7 size+8
//   +------+---------+-------------+ +------------+ +-----------+
//   | type | channel |    size     | |  payload   | | frame-end |
//   +------+---------+-------------+ +------------+ +-----------+
//
// A content is a method frame, a header frame (class, weight 0, body size, properties) and body
// frames of at most frame_max - 8 bytes; an empty body has none. frame_max 0 means no limit.
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/method_codec.hpp"
#include "amqp/methods.hpp"
#include "amqp/spec.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <cstdint>

namespace baton::amqp {

using ChannelNumber = std::uint16_t;

// As received; the payload is a view into the reader's memory.
struct Frame {
    FrameType type = FrameType::heartbeat;
    ChannelNumber channel = 0;
    ByteView payload;
};

// What a header frame says.
struct ContentHeader {
    std::uint16_t class_id = 0;
    std::uint64_t body_size = 0;
    // Raw properties: flags and values.
    ByteView properties;
};

// A message's bytes as the appenders take them.
struct Content {
    // Raw properties; no_properties for none.
    ByteView properties;
    ByteView body;
};

// Checks weight and size only. Errors: truncated, bad_content_header.
Result<ContentHeader> decode_content_header(ByteView payload);

void append_frame(Buffer& out, FrameType type, ChannelNumber channel, ByteView payload);
void append_heartbeat(Buffer& out);

// A method without content. On failure (short_string_too_long, value_too_large) `out` is as before.
Status append_method(Buffer& out, ChannelNumber channel, const Method& method);
template <AnyMethod M>
Status append_method(Buffer& out, ChannelNumber channel, const M& method);

// The two ends of append_method: leaves room for a frame header; fills it in, or takes everything
// back when encoding failed.
std::size_t begin_method_frame(Buffer& out);
Status end_method_frame(Buffer& out, ChannelNumber channel, std::size_t place, Status encoded);

void append_content_header(Buffer& out, ChannelNumber channel, std::uint64_t body_size,
                           ByteView properties);
// Nothing for an empty body.
void append_body(Buffer& out, ChannelNumber channel, ByteView body, std::uint32_t frame_max);

// Method, header and body in one go. These never allocate beyond the buffer; the strings must be at
// most 255 bytes and properties fit a frame, which holds for everything that came from the wire.
void append_deliver(Buffer& out, ChannelNumber channel, const BasicDeliverView& method,
                    const Content& content, std::uint32_t frame_max);
void append_get_ok(Buffer& out, ChannelNumber channel, const BasicGetOkView& method,
                   const Content& content, std::uint32_t frame_max);
void append_return(Buffer& out, ChannelNumber channel, const BasicReturnView& method,
                   const Content& content, std::uint32_t frame_max);
void append_ack(Buffer& out, ChannelNumber channel, const BasicAck& method);
void append_nack(Buffer& out, ChannelNumber channel, const BasicNack& method);
// For publishers, whose strings come from people: short_string_too_long instead of a promise, and
// value_too_large when the properties do not fit into one frame.
Status append_publish(Buffer& out, ChannelNumber channel, const BasicPublishView& method,
                      const Content& content, std::uint32_t frame_max);

template <AnyMethod M>
Status append_method(Buffer& out, ChannelNumber channel, const M& method) {
    const std::size_t place = begin_method_frame(out);
    return end_method_frame(out, channel, place, encode_method(method, out));
}

} // namespace baton::amqp
