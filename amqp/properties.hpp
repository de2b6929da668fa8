// The fourteen properties of class basic (§1.8). On the wire: sixteen flag bits, highest first,
// then the values that are there, in this order:
//
//   15 content_type   14 content_encoding  13 headers   12 delivery_mode  11 priority
//   10 correlation_id  9 reply_to           8 expiration  7 message_id     6 timestamp
//    5 type            4 user_id            3 app_id      2 cluster_id     1 unused  0 continuation
//
// "Raw properties" in this house are those bytes, flags included. A broker keeps them as they came;
// Properties is for those who make or change a message, PropertiesView for a quick look.
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/field_table.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::amqp {

struct Properties {
    std::optional<std::string> content_type{};
    std::optional<std::string> content_encoding{};
    std::optional<FieldTable> headers{};
    std::optional<std::uint8_t> delivery_mode{};
    std::optional<std::uint8_t> priority{};
    std::optional<std::string> correlation_id{};
    std::optional<std::string> reply_to{};
    std::optional<std::string> expiration{};
    std::optional<std::string> message_id{};
    // Seconds since the Unix epoch.
    std::optional<std::uint64_t> timestamp{};
    std::optional<std::string> type{};
    std::optional<std::string> user_id{};
    std::optional<std::string> app_id{};
    std::optional<std::string> cluster_id{};

    bool operator==(const Properties&) const = default;
};

// Raw properties without any property.
inline constexpr std::array<std::byte, 2> no_properties{};

Result<Properties> decode_properties(ByteView raw);
// Appends flags and values; on failure `out` is as before. Errors: short_string_too_long,
// value_too_large.
Status encode_properties(const Properties& properties, Buffer& out);
// "{content_type=text/plain, delivery_mode=2}" for logs.
std::string to_text(const Properties& properties);

// Finds the values in raw properties once; copies and allocates nothing. The raw bytes must outlive
// it. Headers are checked for their length only; check_table(*headers()) checks them fully.
class PropertiesView {
public:
    // Errors: truncated, trailing_bytes, bad_property_flags.
    static Result<PropertiesView> parse(ByteView raw);

    std::optional<std::string_view> content_type() const { return text(15); }
    std::optional<std::string_view> content_encoding() const { return text(14); }
    // The table's contents without the length; for TableScanner, find_field, decode_table.
    std::optional<ByteView> headers() const;
    std::optional<std::uint8_t> delivery_mode() const { return octet(12); }
    std::optional<std::uint8_t> priority() const { return octet(11); }
    std::optional<std::string_view> correlation_id() const { return text(10); }
    std::optional<std::string_view> reply_to() const { return text(9); }
    std::optional<std::string_view> expiration() const { return text(8); }
    std::optional<std::string_view> message_id() const { return text(7); }
    std::optional<std::uint64_t> timestamp() const;
    std::optional<std::string_view> type() const { return text(5); }
    std::optional<std::string_view> user_id() const { return text(4); }
    std::optional<std::string_view> app_id() const { return text(3); }
    std::optional<std::string_view> cluster_id() const { return text(2); }

    bool is_persistent() const { return delivery_mode() == std::uint8_t{2}; }
    ByteView raw() const { return raw_; }

private:
    bool has(int bit) const { return (flags_ >> bit & 1) != 0; }
    std::optional<std::string_view> text(int bit) const;
    std::optional<std::uint8_t> octet(int bit) const;

    ByteView raw_;
    std::uint16_t flags_ = 0;
    // Where the value of the property with this bit begins in raw_; only if its flag is set.
    std::array<std::uint32_t, 16> offsets_;
};

} // namespace baton::amqp
