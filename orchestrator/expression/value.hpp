// The values expressions work on: JSON's types plus unsigned integers, bytes, timestamps, durations
// and types. A Value is 32 bytes, cheap to copy and immutable; text, lists and maps are shared, not
// copied. Lists and maps may look straight into a boost::json document, so that reading one field
// of a large step result costs a lookup, not a conversion. Values may cross threads.
#pragma once

#include <boost/json/fwd.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace baton::orchestrator::expression {

enum class Kind : std::uint8_t {
    null,
    boolean,
    integer,          // signed, 64 bits
    unsigned_integer, // 64 bits
    real,             // double
    text,             // UTF-8
    bytes,
    timestamp,
    duration,
    list,
    map,
    type, // what type(x) gives
};

// The name expressions use: "null_type", "bool", "int", "uint", "double", "string", "bytes",
// "google.protobuf.Timestamp", "google.protobuf.Duration", "list", "map", "type".
std::string_view type_name(Kind kind);

// The word for people in messages: "null", "bool", "int", "uint", "double", "string", "bytes",
// "timestamp", "duration", "list", "map", "type".
std::string_view plain_name(Kind kind);

// A moment: seconds since the Unix epoch plus 0 to 999,999,999 nanoseconds. Years 1 to 9999.
struct Timestamp {
    std::int64_t seconds = 0;
    std::int32_t nanos = 0;

    friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// A span of time in nanoseconds, at most about 292 years in both directions.
struct Span {
    std::int64_t nanos = 0;

    friend auto operator<=>(const Span&, const Span&) = default;
};

class Value;
struct MapEntry;

// A list, its own or a view of a JSON array.
class List {
public:
    List() = default;
    explicit List(std::vector<Value> items);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // `index` must be below size().
    Value at(std::size_t index) const;
    // Memory of all items in bytes if nothing were shared; counting stops soon after `stop`.
    std::uint64_t weight(std::uint64_t stop) const;
    // The JSON this is a view of, or nullptr.
    const boost::json::array* json() const {
        return is_json_ ? static_cast<const boost::json::array*>(items_.get()) : nullptr;
    }

private:
    friend class Value;
    List(std::shared_ptr<const void> items, std::size_t size, bool is_json)
        : items_(std::move(items)), size_(static_cast<std::uint32_t>(size)), is_json_(is_json) {}

    std::shared_ptr<const void> items_; // ListBody of bodies.hpp or boost::json::array
    std::uint32_t size_ = 0;
    bool is_json_ = false;
};

// A map in insertion order, its own or a view of a JSON object. Keys are bool, integer, unsigned
// integer or text; 1, 1u and 1.0 are the same key.
class Map {
public:
    Map() = default;
    // Of entries with equal keys the last one wins and keeps the place of the first.
    explicit Map(std::vector<MapEntry> entries);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // `index` must be below size().
    Value key_at(std::size_t index) const;
    Value value_at(std::size_t index) const;
    std::optional<Value> find(const Value& key) const;
    std::optional<Value> find(std::string_view key) const;
    // Memory of all entries in bytes if nothing were shared; counting stops soon after `stop`.
    std::uint64_t weight(std::uint64_t stop) const;
    // The JSON this is a view of, or nullptr.
    const boost::json::object* json() const {
        return is_json_ ? static_cast<const boost::json::object*>(body_.get()) : nullptr;
    }

private:
    friend class Value;
    Map(std::shared_ptr<const void> body, std::size_t size, bool is_json)
        : body_(std::move(body)), size_(static_cast<std::uint32_t>(size)), is_json_(is_json) {}

    std::shared_ptr<const void> body_; // MapBody of bodies.hpp or boost::json::object
    std::uint32_t size_ = 0;
    bool is_json_ = false;
};

class Value {
public:
    Value() = default; // null

    static Value boolean(bool value) { return Value{Data{value}}; }
    static Value integer(std::int64_t value) { return Value{Data{value}}; }
    static Value unsigned_integer(std::uint64_t value) { return Value{Data{value}}; }
    static Value real(double value) { return Value{Data{value}}; }
    static Value text(std::string_view value); // copies
    static Value text(std::string&& value);    // keeps the string's memory
    static Value text(const char* value) { return text(std::string_view{value}); }
    static Value bytes(std::string_view value);
    static Value bytes(std::string&& value);
    static Value bytes(const char* value) { return bytes(std::string_view{value}); }
    static Value timestamp(Timestamp value) { return Value{Data{value}}; }
    static Value duration(Span value) { return Value{Data{value}}; }
    static Value list(std::vector<Value> items) { return Value{Data{List{std::move(items)}}}; }
    static Value list(List list) { return Value{Data{std::move(list)}}; }
    static Value map(std::vector<MapEntry> entries);
    static Value map(Map map) { return Value{Data{std::move(map)}}; }
    static Value type(Kind kind) { return Value{Data{kind}}; }

    // Integers that fit become integer, larger ones unsigned_integer.
    // A deep copy that owns everything:
    static Value from_json(const boost::json::value& json);
    // A view that keeps `json` alive:
    static Value sharing_json(std::shared_ptr<const boost::json::value> json);
    // A view that does not: every Value taken out of it must be gone before `json` is.
    static Value borrowing_json(const boost::json::value& json);

    Kind kind() const { return static_cast<Kind>(data_.index()); }
    bool is_null() const { return kind() == Kind::null; }
    bool is_number() const {
        return kind() == Kind::integer || kind() == Kind::unsigned_integer || kind() == Kind::real;
    }

    // Each throws std::bad_variant_access when the kind is another one.
    bool as_boolean() const { return std::get<bool>(data_); }
    std::int64_t as_integer() const { return std::get<std::int64_t>(data_); }
    std::uint64_t as_unsigned_integer() const { return std::get<std::uint64_t>(data_); }
    double as_real() const { return std::get<double>(data_); }
    std::string_view as_text() const { return std::get<TextData>(data_).view(); }
    std::string_view as_bytes() const { return std::get<BytesData>(data_).view(); }
    Timestamp as_timestamp() const { return std::get<Timestamp>(data_); }
    Span as_duration() const { return std::get<Span>(data_); }
    const List& as_list() const { return std::get<List>(data_); }
    const Map& as_map() const { return std::get<Map>(data_); }
    Kind as_type() const { return std::get<Kind>(data_); }

    // CEL's ==: numbers compare by value across their types, other types never equal each other.
    friend bool operator==(const Value& a, const Value& b);

private:
    struct SharedText {
        std::shared_ptr<const char> data;
        std::size_t size = 0;

        std::string_view view() const { return {data.get(), size}; }
    };
    struct TextData : SharedText {};
    struct BytesData : SharedText {};
    // In the order of Kind.
    using Data = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, TextData,
                              BytesData, Timestamp, Span, List, Map, Kind>;

    explicit Value(Data data) : data_(std::move(data)) {}
    static SharedText keep(std::string&& value);

    friend class List;
    friend class Map;
    static Value view_of_text(std::string_view text, const std::shared_ptr<const void>& owner);
    static Value view_of(const boost::json::value& json, const std::shared_ptr<const void>& owner);

    Data data_;
};

struct MapEntry {
    Value key;
    Value value;
};

// The order of < and sort(): numbers by value across types, false < true, text by code points,
// bytes by bytes, timestamps, durations. Nothing for kinds that have no order, or for NaN.
std::optional<int> order_of(const Value& a, const Value& b);

// Bytes become base64 text, timestamps RFC 3339 text, durations text such as "1.5s", types their
// name, map keys text. Infinity and NaN, which JSON cannot say, become text.
boost::json::value to_json(const Value& value);

// What a value becomes inside a text: null is "", numbers are plain, lists and maps are JSON.
std::string to_plain_text(const Value& value);

// "2026-01-31T12:04:10.5Z"; fractions are 3, 6 or 9 digits, as few as keep the value.
std::string to_text(Timestamp timestamp);
// "90s", "1.5s", "-0.001s".
std::string to_text(Span span);
// The shortest text that reads back as the same double: "1", "0.1", "1e+300", "Infinity", "NaN".
std::string to_text(double value);

} // namespace baton::orchestrator::expression
