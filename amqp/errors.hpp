// What can be wrong with bytes, as codes that programs compare, and the reply code the
// specification wants for each. Both enums convert to ErrorCode: `result.error() ==
// amqp::Errc::bad_frame_end`, `failure.code == amqp::ReplyCode::not_found`.
#pragma once

#include "amqp/spec.hpp"
#include "base/result.hpp"

#include <type_traits>

namespace baton::amqp {

enum class Errc {
    frame_too_large = 1,   // 501: size above what was negotiated
    bad_frame_end,         // 501: the octet behind the payload is not 0xCE
    unknown_frame_type,    // 501
    bad_protocol_header,   // answered with our own header, not with a reply code
    truncated,             // 502: a value reaches past the end of its frame
    trailing_bytes,        // 502: something follows the last value
    unknown_field_type,    // 502: a type letter nobody knows
    nesting_too_deep,      // 502: tables and arrays inside each other
    bad_property_flags,    // 502: continuation or unused bit set
    bad_content_header,    // 502: weight is not zero
    short_string_too_long, // 502: more than 255 bytes; only when encoding
    value_too_large,       // 502: more than 2^32-1 bytes; only when encoding
    unknown_class,         // 503
    unknown_method,        // 540
    unexpected_method,     // 503: a known method that has no place here
    unexpected_frame,      // 505
};

const boost::system::error_category& category();
ErrorCode make_error_code(Errc code);

// Reply codes as errors: what a peer told us when it closed a channel or a connection.
const boost::system::error_category& reply_category();
ErrorCode make_error_code(ReplyCode code);

// The code to put in connection.close for an error of this folder; internal_error for foreign ones.
ReplyCode reply_code_for(const ErrorCode& error);

} // namespace baton::amqp

template <>
struct boost::system::is_error_code_enum<baton::amqp::Errc> : std::true_type {};
template <>
struct boost::system::is_error_code_enum<baton::amqp::ReplyCode> : std::true_type {};
