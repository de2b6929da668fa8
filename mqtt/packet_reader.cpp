// A packet in three steps: its head as soon as it is there, its body when it is whole, and one
// question at the end whether anything was wrong.
#include "mqtt/packet_reader.hpp"

#include "mqtt/carrier.hpp"
#include "mqtt/properties.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/topic.hpp"
#include "mqtt/wire.hpp"

#include <algorithm>

namespace baton::mqtt {

namespace {

using Next = std::optional<std::variant<Packet, Fault>>;

// More than this was for a single packet, and is given back when nothing waits in it.
constexpr std::size_t kept_bytes_max = 64 * 1024;

constexpr std::uint8_t dup_flag = 0b1000;
constexpr std::uint8_t reserved_flags = 0b0010; // of PUBREL, SUBSCRIBE and UNSUBSCRIBE (§2.1.3)

// The fixed header.
struct Head {
    Carrier type = Carrier::connect;
    std::uint8_t flags = 0;
    Variable remaining;
    std::size_t packet_bytes() const { return 1 + remaining.bytes + remaining.value; }
};

// What is wrong with the first byte; nothing: it is good. PUBLISH has flags of its own.
const char* complaint_about(Carrier type, std::uint8_t flags, Version version) {
    switch (type) {
    case Carrier::will:
        return "packet type 0";
    case Carrier::publish:
        if ((flags >> 1 & 3) == 3) return "QoS 3";
        if ((flags & dup_flag) != 0 && (flags >> 1 & 3) == 0) return "DUP with QoS 0";
        return nullptr;
    case Carrier::pubrel:
    case Carrier::subscribe:
    case Carrier::unsubscribe:
        // MQTT 3.1 §2.1 gives them DUP, too.
        if (version == Version::v3_1) flags = static_cast<std::uint8_t>(flags & ~dup_flag);
        return flags == reserved_flags ? nullptr : "reserved flags of the fixed header";
    case Carrier::auth:
        if (version != Version::v5) return "packet type 15 before version 5";
        [[fallthrough]];
    case Carrier::connect:
    case Carrier::connack:
    case Carrier::puback:
    case Carrier::pubrec:
    case Carrier::pubcomp:
    case Carrier::suback:
    case Carrier::unsuback:
    case Carrier::pingreq:
    case Carrier::pingresp:
    case Carrier::disconnect:
        return flags == 0 ? nullptr : "reserved flags of the fixed header";
    }
    return "no packet";
}

template <typename Kind>
Kind& begin_packet(Next& next) {
    next.emplace(std::in_place_type<Packet>, std::in_place_type<Kind>);
    return *std::get_if<Kind>(std::get_if<Packet>(&*next));
}

std::uint16_t read_packet_id(Cursor& in) {
    const std::uint16_t id = in.u16();
    if (id == 0) in.fail(ReasonCode::protocol_error, "packet identifier 0");
    return id;
}

ReasonCode read_code(Cursor& in, Carrier type) {
    const auto code = static_cast<ReasonCode>(in.u8());
    if (!may_carry(type, code))
        in.fail(ReasonCode::protocol_error, "a reason code that it may not carry");
    return code;
}

std::string_view read_filter(Cursor& in, Version version) {
    const std::string_view filter = in.text();
    if (!is_filter(filter)) {
        in.fail(ReasonCode::topic_filter_invalid, "no filter of topics");
    } else if (version == Version::v5) {
        // Before, "$share/…" was a filter like others.
        if (const auto shared = as_shared(filter); shared && shared->filter.empty())
            in.fail(ReasonCode::topic_filter_invalid, "a broken shared subscription");
    }
    return filter;
}

// Nothing: nobody knows it.
std::optional<Version> version_of(std::string_view name, std::uint8_t level) {
    if (name == "MQIsdp" && level == 3) return Version::v3_1;
    if (name == "MQTT" && level == 4) return Version::v3_1_1;
    if (name == "MQTT" && level == 5) return Version::v5;
    return std::nullopt;
}

// CONNECT's flags (§3.1.2.3).
struct ConnectFlags {
    std::uint8_t bits = 0;
    bool has_user() const { return (bits & 0x80) != 0; }
    bool has_password() const { return (bits & 0x40) != 0; }
    bool will_retain() const { return (bits & 0x20) != 0; }
    std::uint8_t will_qos() const { return bits >> 3 & 3; }
    bool has_will() const { return (bits & 0x04) != 0; }
    bool clean_start() const { return (bits & 0x02) != 0; }
    bool reserved() const { return (bits & 0x01) != 0; }
};

ConnectFlags read_connect_flags(Cursor& in, Version version) {
    const ConnectFlags flags{in.u8()};
    const auto refuse = [&in](const char* what) { in.fail(ReasonCode::malformed_packet, what); };
    if (flags.reserved()) refuse("the reserved flag");
    if (!flags.has_will() && (flags.will_qos() != 0 || flags.will_retain()))
        refuse("QoS or RETAIN of a will that is not there");
    if (flags.will_qos() == 3) refuse("QoS 3 of the will");
    if (version != Version::v5 && flags.has_password() && !flags.has_user())
        refuse("a password without a user name");
    return flags;
}

void read_will(Cursor& in, Version version, ConnectFlags flags, Will& will) {
    will.qos = flags.will_qos();
    will.retain = flags.will_retain();
    if (version == Version::v5) read_properties(in, Carrier::will, will.properties);
    will.topic = in.text();
    if (!is_topic(will.topic))
        in.fail(ReasonCode::topic_name_invalid, "no name of a topic", "will topic");
    will.payload = in.binary();
}

// `version` is that of the packet as far as it is known: how an answer is written.
void read_connect(Cursor& in, bool is_shortest, Version& version, Connect& connect) {
    const std::string_view name = in.text();
    const std::uint8_t level = in.u8();
    if (in.has_failed()) return;
    const auto known = version_of(name, level);
    // The highest bit marks a bridge of mosquitto.
    version = known ? *known : (level & 0x7F) >= 5 ? Version::v5 : Version::v3_1_1;
    if (!known)
        in.fail(ReasonCode::unsupported_protocol_version,
                "a protocol or version that is not known");
    if (version == Version::v5 && !is_shortest)
        in.fail(ReasonCode::malformed_packet, "a length in more bytes than it needs");
    connect.version = version;
    const ConnectFlags flags = read_connect_flags(in, version);
    connect.clean_start = flags.clean_start();
    connect.keep_alive_seconds = in.u16();
    if (version == Version::v5) {
        read_properties(in, Carrier::connect, connect.properties);
        if (connect.properties.authentication_data && !connect.properties.authentication_method)
            in.fail(ReasonCode::protocol_error, "authentication data without a method");
    }
    connect.client_id = in.text();
    // MQTT 3.1.1 §3.1.3.1: only a clean session does without a name; MQTT 3.1 §3.1 asks for one
    // always.
    if (connect.client_id.empty() &&
        (version == Version::v3_1 || (version == Version::v3_1_1 && !connect.clean_start)))
        in.fail(ReasonCode::client_identifier_not_valid, "no client identifier");
    if (flags.has_will()) read_will(in, version, flags, connect.will.emplace());
    // MQTT 3.1 §3.1: what the length leaves no room for is not there, whatever the flags say.
    const bool length_decides = version == Version::v3_1;
    if (flags.has_user() && !(length_decides && in.is_empty())) connect.user = in.text();
    if (flags.has_password() && !(length_decides && in.is_empty())) connect.password = in.binary();
}

void read_connect_ack(Cursor& in, Version version, ConnectAck& ack) {
    const std::uint8_t flags = in.u8();
    // MQTT 3.1 has no flags: its byte means nothing.
    if (version != Version::v3_1) {
        if (flags > 1) in.fail(ReasonCode::malformed_packet, "reserved acknowledge flags");
        ack.session_present = flags == 1;
    }
    if (version == Version::v5) {
        ack.code = read_code(in, Carrier::connack);
        read_properties(in, Carrier::connack, ack.properties);
    } else if (const auto code = from_connect_return_code(in.u8())) {
        ack.code = *code;
    } else {
        in.fail(ReasonCode::protocol_error, "a return code that is reserved");
    }
    if (ack.session_present && ack.code != ReasonCode::success)
        in.fail(ReasonCode::protocol_error, "a session that is present though it is refused");
}

void read_publish(Cursor& in, Version version, std::uint8_t flags, Publish& publish) {
    publish.dup = (flags & dup_flag) != 0;
    publish.qos = flags >> 1 & 3;
    publish.retain = (flags & 1) != 0;
    publish.topic = in.text();
    if (publish.qos != 0) publish.id = read_packet_id(in);
    if (version == Version::v5) read_properties(in, Carrier::publish, publish.properties);
    if (publish.topic.empty() && version == Version::v5) {
        if (!publish.properties.topic_alias)
            in.fail(ReasonCode::protocol_error, "neither a topic nor an alias");
    } else if (!is_topic(publish.topic)) {
        in.fail(ReasonCode::topic_name_invalid, "no name of a topic");
    }
    publish.payload = in.bytes(in.rest().size());
}

void read_acknowledgement(Cursor& in, Version version, Carrier type, Acknowledgement& ack) {
    ack.kind = static_cast<Acknowledgement::Kind>(type);
    ack.id = read_packet_id(in);
    // §3.4.2.1: without a code it is success, without a length there are no properties.
    if (version != Version::v5 || in.is_empty()) return;
    ack.code = read_code(in, type);
    if (!in.is_empty()) read_properties(in, type, ack.properties);
}

Subscribe::Wish read_wish(Cursor& in, Version version) {
    Subscribe::Wish wish;
    wish.filter = read_filter(in, version);
    const std::uint8_t options = in.u8();
    wish.qos = options & 3;
    if (version != Version::v5) {
        if (options > 2) in.fail(ReasonCode::malformed_packet, "QoS 3 or reserved bits");
        return wish;
    }
    wish.no_local = (options & 4) != 0;
    wish.retain_as_published = (options & 8) != 0;
    wish.retain_handling = options >> 4 & 3;
    if ((options & 0xC0) != 0)
        in.fail(ReasonCode::malformed_packet, "reserved bits of the options");
    if (wish.qos == 3) in.fail(ReasonCode::protocol_error, "QoS 3");
    if (wish.retain_handling == 3) in.fail(ReasonCode::protocol_error, "retain handling 3");
    // [MQTT-3.8.3-4]
    if (wish.no_local && as_shared(wish.filter))
        in.fail(ReasonCode::protocol_error, "no local in a shared subscription");
    return wish;
}

void read_subscribe(Cursor& in, Version version, Subscribe& subscribe) {
    subscribe.id = read_packet_id(in);
    if (version == Version::v5) read_properties(in, Carrier::subscribe, subscribe.properties);
    if (in.is_empty()) in.fail(ReasonCode::protocol_error, "no topic filter");
    while (!in.is_empty())
        subscribe.wishes.push_back(read_wish(in, version));
}

void read_subscribe_ack(Cursor& in, Version version, SubscribeAck& ack) {
    ack.id = read_packet_id(in);
    if (version == Version::v5) read_properties(in, Carrier::suback, ack.properties);
    if (in.is_empty()) in.fail(ReasonCode::protocol_error, "no reason code");
    while (!in.is_empty()) {
        const ReasonCode code = read_code(in, Carrier::suback);
        if (version != Version::v5 && code > ReasonCode::unspecified_error)
            in.fail(ReasonCode::protocol_error, "a return code that is reserved");
        ack.codes.push_back(code);
    }
}

void read_unsubscribe(Cursor& in, Version version, Unsubscribe& unsubscribe) {
    unsubscribe.id = read_packet_id(in);
    if (version == Version::v5) read_properties(in, Carrier::unsubscribe, unsubscribe.properties);
    if (in.is_empty()) in.fail(ReasonCode::protocol_error, "no topic filter");
    while (!in.is_empty())
        unsubscribe.filters.push_back(read_filter(in, version));
}

void read_unsubscribe_ack(Cursor& in, Version version, UnsubscribeAck& ack) {
    ack.id = read_packet_id(in);
    if (version != Version::v5) return;
    read_properties(in, Carrier::unsuback, ack.properties);
    if (in.is_empty()) in.fail(ReasonCode::protocol_error, "no reason code");
    while (!in.is_empty())
        ack.codes.push_back(read_code(in, Carrier::unsuback));
}

void read_disconnect(Cursor& in, Version version, Disconnect& disconnect) {
    if (version != Version::v5 || in.is_empty()) return;
    disconnect.code = read_code(in, Carrier::disconnect);
    if (!in.is_empty()) read_properties(in, Carrier::disconnect, disconnect.properties);
}

void read_auth(Cursor& in, Auth& auth) {
    // §3.15.2.1 lets success without properties have nothing at all.
    if (in.is_empty()) return;
    auth.code = read_code(in, Carrier::auth);
    read_properties(in, Carrier::auth, auth.properties);
    if (!auth.properties.authentication_method)
        in.fail(ReasonCode::protocol_error, "no authentication method");
}

// A body that is whole. `version` is what CONNECT says, else it stays.
void read_body(Cursor& in, const Head& head, Version& version, Next& next) {
    switch (head.type) {
    case Carrier::connect:
        return read_connect(in, head.remaining.is_shortest(), version, begin_packet<Connect>(next));
    case Carrier::connack:
        return read_connect_ack(in, version, begin_packet<ConnectAck>(next));
    case Carrier::publish:
        return read_publish(in, version, head.flags, begin_packet<Publish>(next));
    case Carrier::puback:
    case Carrier::pubrec:
    case Carrier::pubrel:
    case Carrier::pubcomp:
        return read_acknowledgement(in, version, head.type, begin_packet<Acknowledgement>(next));
    case Carrier::subscribe:
        return read_subscribe(in, version, begin_packet<Subscribe>(next));
    case Carrier::suback:
        return read_subscribe_ack(in, version, begin_packet<SubscribeAck>(next));
    case Carrier::unsubscribe:
        return read_unsubscribe(in, version, begin_packet<Unsubscribe>(next));
    case Carrier::unsuback:
        return read_unsubscribe_ack(in, version, begin_packet<UnsubscribeAck>(next));
    case Carrier::pingreq:
        begin_packet<PingRequest>(next);
        return;
    case Carrier::pingresp:
        begin_packet<PingResponse>(next);
        return;
    case Carrier::disconnect:
        return read_disconnect(in, version, begin_packet<Disconnect>(next));
    case Carrier::auth:
        return read_auth(in, begin_packet<Auth>(next));
    case Carrier::will:
        return; // its head was refused
    }
}

} // namespace

void PacketReader::take(ByteView bytes) {
    if (is_broken_ || bytes.empty()) return;
    if (begin_ == buffer_.size()) {
        buffer_.clear();
        begin_ = 0;
    } else if (begin_ > buffer_.size() / 2) {
        // What moves is less than what was read since it moved last.
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
        begin_ = 0;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<std::variant<Packet, Fault>> PacketReader::next() {
    Next next;
    const ByteView waiting = ByteView(buffer_).subspan(begin_);
    if (waiting.empty()) {
        if (buffer_.capacity() > kept_bytes_max) release_memory();
        return next;
    }
    const auto first = std::to_integer<std::uint8_t>(waiting[0]);
    const Head head{static_cast<Carrier>(first >> 4), static_cast<std::uint8_t>(first & 0x0F),
                    read_variable(waiting.subspan(1))};
    Cursor body({});
    if (const char* complaint = complaint_about(head.type, head.flags, version_)) {
        body.fail(ReasonCode::malformed_packet, complaint);
    } else if (head.remaining.state == Variable::State::too_long) {
        body.fail(ReasonCode::malformed_packet, "a length of more than four bytes");
    } else if (head.remaining.state == Variable::State::cut_off) {
        return next;
    } else if (version_ == Version::v5 && head.type != Carrier::connect &&
               !head.remaining.is_shortest()) {
        body.fail(ReasonCode::malformed_packet, "a length in more bytes than it needs");
    } else if (head.packet_bytes() > packet_bytes_max_) {
        body.fail(ReasonCode::packet_too_large, "larger than is taken");
    } else if (waiting.size() < head.packet_bytes()) {
        return next;
    } else {
        body = Cursor(waiting.subspan(1 + head.remaining.bytes, head.remaining.value));
        Version version = version_;
        read_body(body, head, version, next);
        if (head.type == Carrier::connect && !std::exchange(has_version_, true)) version_ = version;
        if (!body.is_empty()) body.fail(ReasonCode::malformed_packet, "bytes behind its end");
        begin_ += head.packet_bytes();
    }
    if (body.has_failed()) {
        next = body.fault(head.type == Carrier::will ? "MQTT" : name_of(head.type));
        is_broken_ = true;
        begin_ = buffer_.size();
        release_memory();
    }
    return next;
}

void PacketReader::release_memory() {
    if (has_waiting()) return;
    std::vector<std::byte>().swap(buffer_);
    begin_ = 0;
}

} // namespace baton::mqtt
