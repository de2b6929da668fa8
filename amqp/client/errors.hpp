// What can go wrong between us and a broker, beside what the broker says itself: its reply codes
// come as amqp::ReplyCode in the same ErrorCode type.
#pragma once

#include "base/result.hpp"

#include <type_traits>

namespace baton::amqp::client {

enum class Errc {
    bad_url = 1,
    unreachable,      // no host of the list answered
    handshake_failed, // the server does not speak AMQP 0-9-1 or offers no login we know
    tls_failed,       // no TLS, or a certificate that is not trusted
    connection_lost,  // the socket ended without connection.close
    heartbeat_missed, // nothing was heard for two intervals
    closed_by_us,     // close() was called; the normal end
    channel_closed,   // used after it was closed
    cancelled,        // the waiting coroutine was cancelled
    nacked,           // the broker did not take a message
    returned,         // the message could not be routed
    no_free_channel,  // channel_max channels are open
};

const boost::system::error_category& category();
ErrorCode make_error_code(Errc code);

} // namespace baton::amqp::client

template <>
struct boost::system::is_error_code_enum<baton::amqp::client::Errc> : std::true_type {};
