// The reason codes are written down once, in code_rows.
#include "mqtt/reason.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::mqtt {

namespace {

struct CodeRow {
    ReasonCode code;
    std::string_view name;
    Carriers carriers;
};

using C = Carrier;
using R = ReasonCode;
constexpr Carriers publish_answers(C::puback, C::pubrec);
constexpr Carriers release_answers(C::pubrel, C::pubcomp);

// MQTT 5.0, table 2-6, in its order. What a packet's own section leaves out of that table (0x8C in
// DISCONNECT) is let through: a reader that knows more codes harms nobody.
constexpr std::array code_rows{
    CodeRow{R::success, "success",
            publish_answers | release_answers |
                Carriers(C::connack, C::suback, C::unsuback, C::disconnect, C::auth)},
    CodeRow{R::granted_qos_1, "granted QoS 1", Carriers(C::suback)},
    CodeRow{R::granted_qos_2, "granted QoS 2", Carriers(C::suback)},
    CodeRow{R::disconnect_with_will, "disconnect with will", Carriers(C::disconnect)},
    CodeRow{R::no_matching_subscribers, "no matching subscribers", publish_answers},
    CodeRow{R::no_subscription_existed, "no subscription existed", Carriers(C::unsuback)},
    CodeRow{R::continue_authentication, "continue authentication", Carriers(C::auth)},
    CodeRow{R::reauthenticate, "reauthenticate", Carriers(C::auth)},
    CodeRow{R::unspecified_error, "unspecified error",
            publish_answers | Carriers(C::connack, C::suback, C::unsuback, C::disconnect)},
    CodeRow{R::malformed_packet, "malformed packet", Carriers(C::connack, C::disconnect)},
    CodeRow{R::protocol_error, "protocol error", Carriers(C::connack, C::disconnect)},
    CodeRow{R::implementation_specific_error, "implementation specific error",
            publish_answers | Carriers(C::connack, C::suback, C::unsuback, C::disconnect)},
    CodeRow{R::unsupported_protocol_version, "unsupported protocol version", Carriers(C::connack)},
    CodeRow{R::client_identifier_not_valid, "client identifier not valid", Carriers(C::connack)},
    CodeRow{R::bad_user_name_or_password, "bad user name or password", Carriers(C::connack)},
    CodeRow{R::not_authorized, "not authorized",
            publish_answers | Carriers(C::connack, C::suback, C::unsuback, C::disconnect)},
    CodeRow{R::server_unavailable, "server unavailable", Carriers(C::connack)},
    CodeRow{R::server_busy, "server busy", Carriers(C::connack, C::disconnect)},
    CodeRow{R::banned, "banned", Carriers(C::connack)},
    CodeRow{R::server_shutting_down, "server shutting down", Carriers(C::disconnect)},
    CodeRow{R::bad_authentication_method, "bad authentication method",
            Carriers(C::connack, C::disconnect)},
    CodeRow{R::keep_alive_timeout, "keep alive timeout", Carriers(C::disconnect)},
    CodeRow{R::session_taken_over, "session taken over", Carriers(C::disconnect)},
    CodeRow{R::topic_filter_invalid, "topic filter invalid",
            Carriers(C::suback, C::unsuback, C::disconnect)},
    CodeRow{R::topic_name_invalid, "topic name invalid",
            publish_answers | Carriers(C::connack, C::disconnect)},
    CodeRow{R::packet_identifier_in_use, "packet identifier in use",
            publish_answers | Carriers(C::suback, C::unsuback)},
    CodeRow{R::packet_identifier_not_found, "packet identifier not found", release_answers},
    CodeRow{R::receive_maximum_exceeded, "receive maximum exceeded", Carriers(C::disconnect)},
    CodeRow{R::topic_alias_invalid, "topic alias invalid", Carriers(C::disconnect)},
    CodeRow{R::packet_too_large, "packet too large", Carriers(C::connack, C::disconnect)},
    CodeRow{R::message_rate_too_high, "message rate too high", Carriers(C::disconnect)},
    CodeRow{R::quota_exceeded, "quota exceeded",
            publish_answers | Carriers(C::connack, C::suback, C::disconnect)},
    CodeRow{R::administrative_action, "administrative action", Carriers(C::disconnect)},
    CodeRow{R::payload_format_invalid, "payload format invalid",
            publish_answers | Carriers(C::connack, C::disconnect)},
    CodeRow{R::retain_not_supported, "retain not supported", Carriers(C::connack, C::disconnect)},
    CodeRow{R::qos_not_supported, "QoS not supported", Carriers(C::connack, C::disconnect)},
    CodeRow{R::use_another_server, "use another server", Carriers(C::connack, C::disconnect)},
    CodeRow{R::server_moved, "server moved", Carriers(C::connack, C::disconnect)},
    CodeRow{R::shared_subscriptions_not_supported, "shared subscriptions not supported",
            Carriers(C::suback, C::disconnect)},
    CodeRow{R::connection_rate_exceeded, "connection rate exceeded",
            Carriers(C::connack, C::disconnect)},
    CodeRow{R::maximum_connect_time, "maximum connect time", Carriers(C::disconnect)},
    CodeRow{R::subscription_identifiers_not_supported, "subscription identifiers not supported",
            Carriers(C::suback, C::disconnect)},
    CodeRow{R::wildcard_subscriptions_not_supported, "wildcard subscriptions not supported",
            Carriers(C::suback, C::disconnect)},
};

const CodeRow* find_code(ReasonCode code) {
    const auto row = std::ranges::lower_bound(code_rows, code, {}, &CodeRow::code);
    return row != code_rows.end() && row->code == code ? &*row : nullptr;
}
static_assert(std::ranges::is_sorted(code_rows, {}, &CodeRow::code));

} // namespace

std::string to_text(ReasonCode code) {
    const CodeRow* row = find_code(code);
    return fmt::format("0x{:02X} {}", static_cast<unsigned>(code), row ? row->name : "unknown");
}

bool may_carry(Carrier carrier, ReasonCode code) {
    const CodeRow* row = find_code(code);
    return row != nullptr && row->carriers.contains(carrier);
}

std::uint8_t connect_return_code(ReasonCode code) {
    // 3 makes a client try again later, 5 makes it stop: so what is the server's own trouble is 3,
    // and what lies in the request is 5.
    switch (static_cast<std::uint8_t>(code)) {
    case 0x00:
        return 0;
    case 0x84:
        return 1;
    case 0x85:
        return 2;
    case 0x86:
        return 4;
    case 0x80: // unspecified
    case 0x83: // implementation specific
    case 0x88: // unavailable
    case 0x89: // busy
    case 0x8B: // shutting down
    case 0x97: // quota
    case 0x9C: // use another
    case 0x9D: // moved
    case 0x9F: // connection rate
        return 3;
    default:
        return 5;
    }
}

std::optional<ReasonCode> from_connect_return_code(std::uint8_t code) {
    static constexpr std::array codes{ReasonCode::success,
                                      ReasonCode::unsupported_protocol_version,
                                      ReasonCode::client_identifier_not_valid,
                                      ReasonCode::server_unavailable,
                                      ReasonCode::bad_user_name_or_password,
                                      ReasonCode::not_authorized};
    if (code >= codes.size()) return std::nullopt;
    return codes[code];
}

} // namespace baton::mqtt
