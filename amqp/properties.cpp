// The property list of class basic is written down once, in each_property(), from flag 15 down.
#include "amqp/properties.hpp"

#include "base/overloaded.hpp"

#include <fmt/format.h>

#include <bit>

namespace baton::amqp {

namespace {

// Bit 1 is unused, bit 0 announces further flags, which class basic does not have.
constexpr std::uint16_t forbidden_flags = 0b11;

template <typename Self, typename Visit>
void each_property(Self& self, Visit&& visit) {
    visit(15, "content_type", self.content_type);
    visit(14, "content_encoding", self.content_encoding);
    visit(13, "headers", self.headers);
    visit(12, "delivery_mode", self.delivery_mode);
    visit(11, "priority", self.priority);
    visit(10, "correlation_id", self.correlation_id);
    visit(9, "reply_to", self.reply_to);
    visit(8, "expiration", self.expiration);
    visit(7, "message_id", self.message_id);
    visit(6, "timestamp", self.timestamp);
    visit(5, "type", self.type);
    visit(4, "user_id", self.user_id);
    visit(3, "app_id", self.app_id);
    visit(2, "cluster_id", self.cluster_id);
}

void read(Reader& in, std::optional<std::string>& value) {
    value.emplace(in.short_string());
}
void read(Reader& in, std::optional<FieldTable>& value) {
    value = read_table(in);
}
void read(Reader& in, std::optional<std::uint8_t>& value) {
    value = in.u8();
}
void read(Reader& in, std::optional<std::uint64_t>& value) {
    value = in.u64();
}

void write(Writer& out, const std::string& value) {
    out.short_string(value);
}
void write(Writer& out, const FieldTable& value) {
    write_table(out, value);
}
void write(Writer& out, std::uint8_t value) {
    out.u8(value);
}
void write(Writer& out, std::uint64_t value) {
    out.u64(value);
}

std::string print(const FieldTable& value) {
    return to_text(value);
}
std::string print(const auto& value) {
    return fmt::format("{}", value);
}

} // namespace

Result<Properties> decode_properties(ByteView raw) {
    Reader in(raw);
    const std::uint16_t flags = in.u16();
    if ((flags & forbidden_flags) != 0) return ErrorCode(Errc::bad_property_flags);
    Properties properties;
    each_property(properties, [&in, flags](int bit, const char*, auto& value) {
        if ((flags >> bit & 1) != 0) read(in, value);
    });
    BATON_TRY(in.finish());
    return properties;
}

Status encode_properties(const Properties& properties, Buffer& out) {
    const std::size_t size_before = out.size();
    Writer writer(out);
    std::uint16_t flags = 0;
    each_property(properties, [&flags](int bit, const char*, const auto& value) {
        if (value) flags = static_cast<std::uint16_t>(flags | 1u << bit);
    });
    writer.u16(flags);
    each_property(properties, [&writer](int, const char*, const auto& value) {
        if (value) write(writer, *value);
    });
    Status status = writer.status();
    if (!status) out.truncate(size_before);
    return status;
}

std::string to_text(const Properties& properties) {
    std::string text = "{";
    each_property(properties, [&text](int, const char* name, const auto& value) {
        if (value) text += fmt::format("{}{}={}", text.size() > 1 ? ", " : "", name, print(*value));
    });
    return text + "}";
}

Result<PropertiesView> PropertiesView::parse(ByteView raw) {
    Reader in(raw);
    PropertiesView view;
    view.raw_ = raw;
    view.flags_ = in.u16();
    if ((view.flags_ & forbidden_flags) != 0) return ErrorCode(Errc::bad_property_flags);
    // Only the flags that are set, highest first.
    for (std::uint16_t left = view.flags_; left != 0;) {
        const int bit = 15 - std::countl_zero(left);
        left = static_cast<std::uint16_t>(left & ~(1u << bit));
        view.offsets_[static_cast<std::size_t>(bit)] =
            static_cast<std::uint32_t>(raw.size() - in.rest().size());
        if (bit == 13)
            in.long_string();
        else if (bit == 12 || bit == 11)
            in.u8();
        else if (bit == 6)
            in.u64();
        else
            in.short_string();
    }
    BATON_TRY(in.finish());
    return view;
}

std::optional<ByteView> PropertiesView::headers() const {
    if (!has(13)) return std::nullopt;
    return as_bytes(Reader(raw_.subspan(offsets_[13])).long_string());
}

std::optional<std::uint64_t> PropertiesView::timestamp() const {
    if (!has(6)) return std::nullopt;
    return load_big_endian<std::uint64_t>(raw_.data() + offsets_[6]);
}

std::optional<std::string_view> PropertiesView::text(int bit) const {
    if (!has(bit)) return std::nullopt;
    return Reader(raw_.subspan(offsets_[static_cast<std::size_t>(bit)])).short_string();
}

std::optional<std::uint8_t> PropertiesView::octet(int bit) const {
    if (!has(bit)) return std::nullopt;
    return static_cast<std::uint8_t>(raw_[offsets_[static_cast<std::size_t>(bit)]]);
}

} // namespace baton::amqp
