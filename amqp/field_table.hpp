// Field values, tables and arrays with RabbitMQ's type letters (the specification's own differ):
//
//   t bool      b int8     B uint8    s int16    u uint16   I int32    i uint32   l int64
//   f float     d double   D decimal  S string   x bytes    T time     A array    F table   V void
//
// Every letter has its own C++ type, so a table that was decoded is encoded with the very letters
// it came with. Tables keep their order and their double keys.
#pragma once

#include "amqp/wire.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace baton::amqp {

struct FieldValue;

// 'V': there, but without a value.
struct Void {
    bool operator==(const Void&) const = default;
};

// 'D': value divided by ten to the power of scale.
struct Decimal {
    std::uint8_t scale = 0;
    std::int32_t value = 0;
    bool operator==(const Decimal&) const = default;
};

// 'T': seconds since the Unix epoch.
struct Timestamp {
    std::uint64_t seconds = 0;
    bool operator==(const Timestamp&) const = default;
};

// 'x': bytes that are not text.
struct ByteArray {
    std::string bytes;
    bool operator==(const ByteArray&) const = default;
};

struct FieldArray {
    std::vector<FieldValue> items;
    bool operator==(const FieldArray& other) const;
};

// Tables and arrays inside each other deeper than this are refused.
inline constexpr int field_nesting_max = 64;

struct FieldTable {
    std::vector<std::pair<std::string, FieldValue>> entries;

    FieldTable() = default;
    FieldTable(std::initializer_list<std::pair<std::string, FieldValue>> list);

    bool empty() const;
    std::size_t size() const;
    auto begin() const;
    auto end() const;

    // The first value of that name, or null.
    const FieldValue* find(std::string_view name) const;
    FieldValue* find(std::string_view name);
    bool contains(std::string_view name) const { return find(name) != nullptr; }
    // The string under that name, if it is a long string.
    std::optional<std::string_view> text(std::string_view name) const;
    // The number under that name, whatever integer type it has.
    std::optional<std::int64_t> integer(std::string_view name) const;
    // The bool under that name.
    std::optional<bool> flag(std::string_view name) const;

    // Replaces the first value of that name in place, or appends.
    void set(std::string_view name, FieldValue value);
    // Removes all values of that name; true if there was one.
    bool erase(std::string_view name);

    bool operator==(const FieldTable& other) const;
};

struct FieldValue {
    using Variant = std::variant<Void, bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                                 std::int32_t, std::uint32_t, std::int64_t, float, double, Decimal,
                                 std::string, ByteArray, Timestamp, FieldArray, FieldTable>;
    Variant value;

    FieldValue() = default;
    template <typename T>
        requires(!std::same_as<std::remove_cvref_t<T>, FieldValue> &&
                 std::constructible_from<Variant, std::in_place_type_t<std::remove_cvref_t<T>>, T>)
    FieldValue(T&& content)
        : value(std::in_place_type<std::remove_cvref_t<T>>, std::forward<T>(content)) {}
    FieldValue(std::string_view text) : value(std::in_place_type<std::string>, text) {}
    FieldValue(const char* text) : value(std::in_place_type<std::string>, text) {}

    template <typename T>
    const T* get() const {
        return std::get_if<T>(&value);
    }
    template <typename T>
    T* get() {
        return std::get_if<T>(&value);
    }
    // Any of the integer types as int64 (uint64 does not exist on the wire).
    std::optional<std::int64_t> integer() const;
    // The type letter on the wire.
    char letter() const;

    bool operator==(const FieldValue& other) const { return value == other.value; }
};

// Here, since entries are complete only now.
inline bool FieldTable::empty() const {
    return entries.empty();
}
inline std::size_t FieldTable::size() const {
    return entries.size();
}
inline auto FieldTable::begin() const {
    return entries.begin();
}
inline auto FieldTable::end() const {
    return entries.end();
}

// Equality as arguments are compared: integers of any width and sign by value, float and double by
// value, everything else by type and content; inside arrays and tables likewise, tables without
// regard to order.
bool equal_by_value(const FieldValue& a, const FieldValue& b);

// RabbitMQ's name of the type, as in its error texts: "signedint", "longstr", "unsignedbyte", …
std::string_view type_name(const FieldValue& value);

// For logs and error texts: 5, true, text without quotes, [a, b], {k=v}.
std::string to_text(const FieldValue& value);
std::string to_text(const FieldTable& table);

// --- codec ------------------------------------------------------------------------------------

// With the four-byte length in front.
FieldTable read_table(Reader& in);
void write_table(Writer& out, const FieldTable& table);
FieldValue read_value(Reader& in);
void write_value(Writer& out, const FieldValue& value);

// `contents` is what follows the length.
Result<FieldTable> decode_table(ByteView contents);
// Is this a table that decode_table accepts? Allocates nothing.
Status check_table(ByteView contents);

// One entry of an encoded table, not decoded: the views point into the table's bytes.
struct RawField {
    std::string_view name;
    char letter = 'V';
    // Without the letter; strings, arrays and tables with their length in front.
    ByteView value;

    // The content of an 'S' or 'x'; nothing for other letters.
    std::optional<std::string_view> text() const;
    // The number of any integer letter; nothing for other letters.
    std::optional<std::int64_t> integer() const;
    Result<FieldValue> decode() const;
};

// Walks over the entries of an encoded table without allocating. Nested values are stepped over,
// not checked; check_table() does that.
class TableScanner {
public:
    explicit TableScanner(ByteView contents) : in_(contents) {}
    // The next entry; nothing at the end.
    Result<std::optional<RawField>> next();

private:
    Reader in_;
};

// The first entry of that name in an encoded table; nothing when absent or when the table is
// broken.
std::optional<RawField> find_field(ByteView contents, std::string_view name);

} // namespace baton::amqp
