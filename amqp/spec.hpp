// The numbers of AMQP 0-9-1 with RabbitMQ's additions: frame types, reply codes, limits, class and
// method ids. Values only; everything else of this folder builds on them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::amqp {

// "AMQP" 0 0 9 1: what a client sends first, and what we answer to any other opening (§4.2.2).
inline constexpr std::string_view protocol_header{"AMQP\x00\x00\x09\x01", 8};

inline constexpr std::uint8_t frame_end_octet = 0xCE;
// Type, channel, size in front of a payload and the end octet behind it.
inline constexpr std::size_t frame_header_bytes = 7;
inline constexpr std::size_t frame_overhead_bytes = 8;
// No peer may negotiate less (§4.2.3); also the limit before tuning is done.
inline constexpr std::uint32_t frame_bytes_min = 4096;

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

enum class ReplyCode : std::uint16_t {
    success = 200,
    content_too_large = 311,
    no_route = 312,
    no_consumers = 313,
    connection_forced = 320,
    invalid_path = 402,
    access_refused = 403,
    not_found = 404,
    resource_locked = 405,
    precondition_failed = 406,
    frame_error = 501,
    syntax_error = 502,
    command_invalid = 503,
    channel_error = 504,
    unexpected_frame = 505,
    resource_error = 506,
    not_allowed = 530,
    not_implemented = 540,
    internal_error = 541,
};

// "NOT_FOUND" for 404: the word RabbitMQ puts in front of a reply text. "UNKNOWN" for other
// numbers, since a peer may send any.
std::string_view name_of(ReplyCode code);

struct MethodId {
    std::uint16_t class_id = 0;
    std::uint16_t method_id = 0;
    constexpr auto operator<=>(const MethodId&) const = default;
};

namespace class_ids {
inline constexpr std::uint16_t connection = 10;
inline constexpr std::uint16_t channel = 20;
inline constexpr std::uint16_t access = 30;
inline constexpr std::uint16_t exchange = 40;
inline constexpr std::uint16_t queue = 50;
inline constexpr std::uint16_t basic = 60;
inline constexpr std::uint16_t confirm = 85;
inline constexpr std::uint16_t tx = 90;
} // namespace class_ids

inline constexpr std::uint8_t transient_delivery = 1;
inline constexpr std::uint8_t persistent_delivery = 2;

} // namespace baton::amqp
