// The packets of MQTT 3.1, 3.1.1 and 5.0 as values (MQTT 5.0 §3, MQTT 3.1.1 §3). One set of structs
// for all versions: what a version does not have stays empty.
//
// All text and bytes are views: into the reader's memory for a packet that was read (until the
// reader is written to or asked for the next one), into the caller's for one that is to be written.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace baton::mqtt {

// As on the wire: the protocol level of CONNECT.
enum class Version : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5 = 5 };

// MQTT 5.0 §2.4, and as the text of a fault for versions that have no codes.
enum class ReasonCode : std::uint8_t {
    success = 0x00, // also "normal disconnection" and "granted QoS 0"
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    reauthenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8A,
    server_shutting_down = 0x8B,
    bad_authentication_method = 0x8C,
    keep_alive_timeout = 0x8D,
    session_taken_over = 0x8E,
    topic_filter_invalid = 0x8F,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9A,
    qos_not_supported = 0x9B,
    use_another_server = 0x9C,
    server_moved = 0x9D,
    shared_subscriptions_not_supported = 0x9E,
    connection_rate_exceeded = 0x9F,
    maximum_connect_time = 0xA0,
    subscription_identifiers_not_supported = 0xA1,
    wildcard_subscriptions_not_supported = 0xA2,
};

// "0x8E session taken over"
std::string to_text(ReasonCode code);

// MQTT 5.0 §2.2.2. Which packet may carry which is the reader's business.
struct Properties {
    std::optional<std::uint8_t> payload_format{};
    std::optional<std::uint32_t> message_expiry_seconds{};
    std::optional<std::string_view> content_type{};
    std::optional<std::string_view> response_topic{};
    std::optional<ByteView> correlation_data{};
    std::vector<std::uint32_t> subscription_identifiers{}; // several in a PUBLISH only
    std::optional<std::uint32_t> session_expiry_seconds{};
    std::optional<std::string_view> assigned_client_identifier{};
    std::optional<std::uint16_t> server_keep_alive_seconds{};
    std::optional<std::string_view> authentication_method{};
    std::optional<ByteView> authentication_data{};
    std::optional<bool> request_problem_information{};
    std::optional<std::uint32_t> will_delay_seconds{};
    std::optional<bool> request_response_information{};
    std::optional<std::string_view> response_information{};
    std::optional<std::string_view> server_reference{};
    std::optional<std::string_view> reason_string{};
    std::optional<std::uint16_t> receive_maximum{};
    std::optional<std::uint16_t> topic_alias_maximum{};
    std::optional<std::uint16_t> topic_alias{};
    std::optional<std::uint8_t> maximum_qos{};
    std::optional<bool> retain_available{};
    std::vector<std::pair<std::string_view, std::string_view>>
        user_properties; // order and repetition count
    std::optional<std::uint32_t> maximum_packet_bytes{};
    std::optional<bool> wildcard_subscription_available{};
    std::optional<bool> subscription_identifiers_available{};
    std::optional<bool> shared_subscription_available{};
};

struct Will {
    std::string_view topic{};
    ByteView payload{};
    std::uint8_t qos = 0;
    bool retain = false;
    Properties properties{};
};

struct Connect {
    Version version = Version::v3_1_1;
    bool clean_start = true;
    std::uint16_t keep_alive_seconds = 0;
    std::string_view client_id{};
    std::optional<Will> will{};
    std::optional<std::string_view> user{};
    std::optional<ByteView> password{};
    Properties properties{};
};

// `code` is the reason code of v5; the writer says the return code of 3.1.1 that comes nearest.
struct ConnectAck {
    bool session_present = false;
    ReasonCode code = ReasonCode::success;
    Properties properties{};
};

struct Publish {
    bool dup = false;
    std::uint8_t qos = 0;
    bool retain = false;
    std::string_view topic{}; // empty with a topic alias
    std::uint16_t id = 0;     // with QoS 1 and 2
    Properties properties{};
    ByteView payload{};
};

// PUBACK, PUBREC, PUBREL and PUBCOMP look alike.
struct Acknowledgement {
    enum class Kind : std::uint8_t { puback = 4, pubrec = 5, pubrel = 6, pubcomp = 7 };
    Kind kind = Kind::puback;
    std::uint16_t id = 0;
    ReasonCode code = ReasonCode::success;
    Properties properties{};
};

struct Subscribe {
    struct Wish {
        std::string_view filter{}; // "$share/group/filter" as it came
        std::uint8_t qos = 0;
        bool no_local = false;
        bool retain_as_published = false;
        std::uint8_t retain_handling = 0; // 0: send retained; 1: only if it is new; 2: none
    };
    std::uint16_t id = 0;
    Properties properties{};
    std::vector<Wish> wishes{};
};

struct SubscribeAck {
    std::uint16_t id = 0;
    Properties properties{};
    std::vector<ReasonCode> codes{}; // 3.1.1: every failure is written as 0x80
};

struct Unsubscribe {
    std::uint16_t id = 0;
    Properties properties{};
    std::vector<std::string_view> filters{};
};

struct UnsubscribeAck {
    std::uint16_t id = 0;
    Properties properties{};
    std::vector<ReasonCode> codes{}; // not written before v5
};

struct PingRequest {};
struct PingResponse {};

struct Disconnect {
    ReasonCode code = ReasonCode::success;
    Properties properties{};
};

struct Auth {
    ReasonCode code = ReasonCode::success;
    Properties properties{};
};

using Packet =
    std::variant<Connect, ConnectAck, Publish, Acknowledgement, Subscribe, SubscribeAck,
                 Unsubscribe, UnsubscribeAck, PingRequest, PingResponse, Disconnect, Auth>;

// What makes a packet one that nobody may send. The connection ends with this code.
struct Fault {
    ReasonCode code = ReasonCode::malformed_packet;
    std::string text{}; // what, and in which packet: "SUBSCRIBE: no topic filter"
};

} // namespace baton::mqtt
