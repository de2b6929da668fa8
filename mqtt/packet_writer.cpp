// Each packet is written down once, as put_body(); append_as() runs it twice: to count, then to
// store.
#include "mqtt/packet_writer.hpp"

#include "mqtt/carrier.hpp"
#include "mqtt/properties.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/wire.hpp"

#include <algorithm>
#include <type_traits>

namespace baton::mqtt {

namespace {

constexpr unsigned flag_if(bool is_set, unsigned flag) {
    return is_set ? flag : 0U;
}

// Type and flags of the fixed header.
constexpr std::uint8_t first_byte(Carrier type, unsigned flags = 0) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}
std::uint8_t first_byte(const Connect&) {
    return first_byte(Carrier::connect);
}
std::uint8_t first_byte(const ConnectAck&) {
    return first_byte(Carrier::connack);
}
std::uint8_t first_byte(const Publish& publish) {
    return first_byte(Carrier::publish, flag_if(publish.dup && publish.qos != 0, 8) |
                                            unsigned{publish.qos} << 1 |
                                            flag_if(publish.retain, 1));
}
std::uint8_t first_byte(const Acknowledgement& ack) {
    const auto type = static_cast<Carrier>(ack.kind);
    return first_byte(type, flag_if(type == Carrier::pubrel, 2));
}
std::uint8_t first_byte(const Subscribe&) {
    return first_byte(Carrier::subscribe, 2);
}
std::uint8_t first_byte(const SubscribeAck&) {
    return first_byte(Carrier::suback);
}
std::uint8_t first_byte(const Unsubscribe&) {
    return first_byte(Carrier::unsubscribe, 2);
}
std::uint8_t first_byte(const UnsubscribeAck&) {
    return first_byte(Carrier::unsuback);
}
std::uint8_t first_byte(const PingRequest&) {
    return first_byte(Carrier::pingreq);
}
std::uint8_t first_byte(const PingResponse&) {
    return first_byte(Carrier::pingresp);
}
std::uint8_t first_byte(const Disconnect&) {
    return first_byte(Carrier::disconnect);
}
std::uint8_t first_byte(const Auth&) {
    return first_byte(Carrier::auth);
}

struct Form {
    Version version = Version::v5;
    Omitted omitted = Omitted::nothing;
    bool is_v5() const { return version == Version::v5; }
};

template <typename Sink>
void put_body(Sink& out, const Connect& connect, Form form) {
    // Before v5 a password needs a user name.
    const bool has_password = connect.password && (form.is_v5() || connect.user);
    const unsigned will_flags =
        connect.will ? 4U | unsigned{connect.will->qos} << 3 | flag_if(connect.will->retain, 0x20)
                     : 0U;
    out.text(form.version == Version::v3_1 ? "MQIsdp" : "MQTT");
    out.u8(static_cast<std::uint8_t>(form.version));
    out.u8(static_cast<std::uint8_t>(flag_if(connect.user.has_value(), 0x80) |
                                     flag_if(has_password, 0x40) | will_flags |
                                     flag_if(connect.clean_start, 2)));
    out.u16(connect.keep_alive_seconds);
    if (form.is_v5()) put_properties<Carrier::connect>(out, connect.properties);
    out.text(connect.client_id);
    if (connect.will) {
        if (form.is_v5()) put_properties<Carrier::will>(out, connect.will->properties);
        out.text(connect.will->topic);
        out.binary(connect.will->payload);
    }
    if (connect.user) out.text(*connect.user);
    if (has_password) out.binary(*connect.password);
}

template <typename Sink>
void put_body(Sink& out, const ConnectAck& ack, Form form) {
    // MQTT 3.1 has no such flag, and who is refused has no session.
    const bool is_present = ack.session_present && ack.code == ReasonCode::success;
    out.u8(is_present && form.version != Version::v3_1 ? 1 : 0);
    out.u8(form.is_v5() ? static_cast<std::uint8_t>(ack.code) : connect_return_code(ack.code));
    if (form.is_v5()) put_properties<Carrier::connack>(out, ack.properties, form.omitted);
}

// All but the payload.
template <typename Sink>
void put_publish_head(Sink& out, const Publish& publish, Form form) {
    out.text(publish.topic);
    if (publish.qos != 0) out.u16(publish.id);
    if (form.is_v5()) put_properties<Carrier::publish>(out, publish.properties);
}

template <Carrier type, typename Sink>
void put_acknowledgement(Sink& out, const Acknowledgement& ack, Form form) {
    out.u16(ack.id);
    if (!form.is_v5()) return;
    const bool has_any = has_properties<type>(ack.properties, form.omitted);
    if (has_any || ack.code != ReasonCode::success) out.u8(static_cast<std::uint8_t>(ack.code));
    if (has_any) put_properties<type>(out, ack.properties, form.omitted);
}
template <typename Sink>
void put_body(Sink& out, const Acknowledgement& ack, Form form) {
    switch (ack.kind) {
    case Acknowledgement::Kind::puback:
        return put_acknowledgement<Carrier::puback>(out, ack, form);
    case Acknowledgement::Kind::pubrec:
        return put_acknowledgement<Carrier::pubrec>(out, ack, form);
    case Acknowledgement::Kind::pubrel:
        return put_acknowledgement<Carrier::pubrel>(out, ack, form);
    case Acknowledgement::Kind::pubcomp:
        return put_acknowledgement<Carrier::pubcomp>(out, ack, form);
    }
}

template <typename Sink>
void put_body(Sink& out, const Subscribe& subscribe, Form form) {
    out.u16(subscribe.id);
    if (form.is_v5()) put_properties<Carrier::subscribe>(out, subscribe.properties);
    for (const Subscribe::Wish& wish : subscribe.wishes) {
        unsigned options = wish.qos;
        if (form.is_v5())
            options |= flag_if(wish.no_local, 4) | flag_if(wish.retain_as_published, 8) |
                       unsigned{wish.retain_handling} << 4;
        out.text(wish.filter);
        out.u8(static_cast<std::uint8_t>(options));
    }
}

template <typename Sink>
void put_body(Sink& out, const SubscribeAck& ack, Form form) {
    out.u16(ack.id);
    if (form.is_v5()) put_properties<Carrier::suback>(out, ack.properties, form.omitted);
    for (const ReasonCode code : ack.codes) {
        const bool is_failure = code >= ReasonCode::unspecified_error;
        out.u8(is_failure && !form.is_v5() ? subscribe_failure : static_cast<std::uint8_t>(code));
    }
}

template <typename Sink>
void put_body(Sink& out, const Unsubscribe& unsubscribe, Form form) {
    out.u16(unsubscribe.id);
    if (form.is_v5()) put_properties<Carrier::unsubscribe>(out, unsubscribe.properties);
    for (const std::string_view filter : unsubscribe.filters)
        out.text(filter);
}

template <typename Sink>
void put_body(Sink& out, const UnsubscribeAck& ack, Form form) {
    out.u16(ack.id);
    if (!form.is_v5()) return;
    put_properties<Carrier::unsuback>(out, ack.properties, form.omitted);
    for (const ReasonCode code : ack.codes)
        out.u8(static_cast<std::uint8_t>(code));
}

template <typename Sink>
void put_body(Sink&, const PingRequest&, Form) {}
template <typename Sink>
void put_body(Sink&, const PingResponse&, Form) {}

template <typename Sink>
void put_body(Sink& out, const Disconnect& disconnect, Form form) {
    if (!form.is_v5()) return;
    const bool has_any = has_properties<Carrier::disconnect>(disconnect.properties, form.omitted);
    if (has_any || disconnect.code != ReasonCode::success)
        out.u8(static_cast<std::uint8_t>(disconnect.code));
    if (has_any) put_properties<Carrier::disconnect>(out, disconnect.properties, form.omitted);
}

template <typename Sink>
void put_body(Sink& out, const Auth& auth, Form form) {
    const bool has_any = has_properties<Carrier::auth>(auth.properties, form.omitted);
    if (!has_any && auth.code == ReasonCode::success) return;
    out.u8(static_cast<std::uint8_t>(auth.code));
    put_properties<Carrier::auth>(out, auth.properties, form.omitted);
}

// Those whose explanations may be left out.
template <typename Kind>
constexpr bool is_answer =
    std::is_same_v<Kind, ConnectAck> || std::is_same_v<Kind, Acknowledgement> ||
    std::is_same_v<Kind, SubscribeAck> || std::is_same_v<Kind, UnsubscribeAck> ||
    std::is_same_v<Kind, Disconnect> || std::is_same_v<Kind, Auth>;

bool may_be_written(const Counter& counter, std::size_t body_bytes, std::size_t packet_bytes_max) {
    if (!counter.is_sayable() || body_bytes > variable_max) return false;
    return packet_bytes_max == 0 || 1 + variable_bytes(body_bytes) + body_bytes <= packet_bytes_max;
}

template <typename Kind>
bool append_as(std::vector<std::byte>& out, const Kind& packet, Form form,
               std::size_t packet_bytes_max) {
    Counter counter;
    put_body(counter, packet, form);
    if (!may_be_written(counter, counter.count(), packet_bytes_max)) {
        if (!is_answer<Kind> || !form.is_v5() || form.omitted == Omitted::reason_string_too)
            return false;
        form.omitted = form.omitted == Omitted::nothing ? Omitted::user_properties
                                                        : Omitted::reason_string_too;
        return append_as(out, packet, form, packet_bytes_max);
    }
    const std::size_t at = out.size();
    out.resize(at + 1 + variable_bytes(counter.count()) + counter.count());
    Storer storer(out.data() + at);
    storer.u8(first_byte(packet));
    storer.variable(counter.count());
    put_body(storer, packet, form);
    return true;
}

} // namespace

bool append(std::vector<std::byte>& out, const Publish& packet, Version version,
            std::size_t packet_bytes_max) {
    const Form form{version, Omitted::nothing};
    Counter counter;
    put_publish_head(counter, packet, form);
    const std::size_t body_bytes = counter.count() + packet.payload.size();
    if (!may_be_written(counter, body_bytes, packet_bytes_max)) return false;
    const std::size_t at = out.size();
    const std::size_t head_bytes = 1 + variable_bytes(body_bytes) + counter.count();
    const std::size_t end = at + head_bytes + packet.payload.size();
    // Once, and by half as a vector does itself; resize() would write zeros where the payload goes.
    if (end > out.capacity()) out.reserve(std::max(end, 2 * out.capacity()));
    out.resize(at + head_bytes);
    Storer storer(out.data() + at);
    storer.u8(first_byte(packet));
    storer.variable(body_bytes);
    put_publish_head(storer, packet, form);
    out.insert(out.end(), packet.payload.begin(), packet.payload.end());
    return true;
}

bool append(std::vector<std::byte>& out, const Packet& packet, Version version,
            std::size_t packet_bytes_max) {
    return std::visit(
        [&]<typename Kind>(const Kind& kind) {
            if constexpr (std::is_same_v<Kind, Publish>) {
                return append(out, kind, version, packet_bytes_max);
            } else {
                if (std::is_same_v<Kind, Auth> && version != Version::v5) return false;
                return append_as(out, kind, {version, Omitted::nothing}, packet_bytes_max);
            }
        },
        packet);
}

} // namespace baton::mqtt
