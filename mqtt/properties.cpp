#include "mqtt/properties.hpp"

#include "mqtt/topic.hpp"

namespace baton::mqtt {

namespace {

using Type = PropertyRule::Type;

// The list of each_property() and the table beside it go together.
template <typename Value>
constexpr bool is_kept_as(Type type, const std::optional<Value>*) {
    switch (type) {
    case Type::truth:
        return std::is_same_v<Value, bool>;
    case Type::u8:
        return std::is_same_v<Value, std::uint8_t>;
    case Type::u16:
        return std::is_same_v<Value, std::uint16_t>;
    case Type::u32:
        return std::is_same_v<Value, std::uint32_t>;
    case Type::text:
        return std::is_same_v<Value, std::string_view>;
    case Type::binary:
        return std::is_same_v<Value, ByteView>;
    case Type::variable:
    case Type::text_pair:
        return false;
    }
    return false;
}
constexpr bool is_kept_as(Type type, const std::vector<std::uint32_t>*) {
    return type == Type::variable;
}
constexpr bool is_kept_as(Type type,
                          const std::vector<std::pair<std::string_view, std::string_view>>*) {
    return type == Type::text_pair;
}

std::uint32_t read_number(Cursor& in, const PropertyRule& rule) {
    std::uint32_t number = 0;
    if (rule.type == Type::u32)
        number = in.u32();
    else if (rule.type == Type::u16)
        number = in.u16();
    else if (rule.type == Type::variable)
        number = in.variable();
    else
        number = in.u8();
    if (number < rule.least || number > rule.most)
        in.fail(rule.fault, "a value that it may not have", rule.name);
    return number;
}

template <typename Value>
void read_value(Cursor& in, const PropertyRule& rule, Carrier, std::optional<Value>& value) {
    if (value) {
        in.fail(ReasonCode::protocol_error, "a second time", rule.name);
        return;
    }
    if constexpr (std::is_same_v<Value, std::string_view>)
        value = in.text();
    else if constexpr (std::is_same_v<Value, ByteView>)
        value = in.binary();
    else
        value = static_cast<Value>(read_number(in, rule));
}
void read_value(Cursor& in, const PropertyRule& rule, Carrier carrier,
                std::vector<std::uint32_t>& identifiers) {
    if (!identifiers.empty() && !rule.repeats.contains(carrier)) {
        in.fail(ReasonCode::protocol_error, "a second time", rule.name);
        return;
    }
    identifiers.push_back(read_number(in, rule));
}
void read_value(Cursor& in, const PropertyRule&, Carrier,
                std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
    const std::string_view name = in.text();
    pairs.emplace_back(name, in.text());
}

void read_property(Cursor& in, Carrier carrier, Properties& properties) {
    const std::uint32_t id = in.variable();
    if (in.has_failed()) return;
    bool is_known = false;
    each_property(properties, [&](auto rule, auto& value) {
        static_assert(is_kept_as(rule().type, std::remove_reference_t<decltype(&value)>{}));
        if (rule().id != id) return;
        is_known = true;
        if (rule().carriers.contains(carrier))
            read_value(in, rule(), carrier, value);
        else
            in.fail(ReasonCode::malformed_packet, "a property that may not stand here",
                    rule().name);
        in.name_subject(rule().name);
    });
    if (!is_known) in.fail(ReasonCode::malformed_packet, "a property that nobody knows");
}

} // namespace

void read_properties(Cursor& in, Carrier carrier, Properties& properties) {
    if (in.has_failed()) return;
    const std::uint32_t length = in.variable();
    if (length == 0) {
        in.name_subject("length of the properties");
        return;
    }
    Cursor items(in.bytes(length));
    while (!items.is_empty() && !items.has_failed())
        read_property(items, carrier, properties);
    in.take_failure_of(items);
    if (properties.response_topic && !is_topic(*properties.response_topic))
        in.fail(ReasonCode::topic_name_invalid, "no name of a topic", "response topic");
}

} // namespace baton::mqtt
