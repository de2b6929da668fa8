// Lists, maps, equality and order of values.
#include "orchestrator/expression/value.hpp"

#include "orchestrator/expression/bodies.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace baton::orchestrator::expression {

namespace {

// Below this many entries walking is faster than searching.
constexpr std::size_t walked_entries_max = 8;

int sign_of(std::strong_ordering order) {
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

template <typename T>
int sign_of(const T& a, const T& b) {
    return a < b ? -1 : b < a ? 1 : 0;
}

// Exact: converting the integer to double would round above 2^53.
std::optional<int> number_order(std::int64_t a, double b) {
    if (std::isnan(b)) return std::nullopt;
    if (b >= 9223372036854775808.0) return -1;
    if (b < -9223372036854775808.0) return 1;
    const double whole = std::trunc(b);
    const int order = sign_of(a, static_cast<std::int64_t>(whole));
    return order != 0 ? order : sign_of(whole, b);
}

std::optional<int> number_order(std::uint64_t a, double b) {
    if (std::isnan(b)) return std::nullopt;
    if (b >= 18446744073709551616.0) return -1;
    if (b < 0) return 1;
    const double whole = std::trunc(b);
    const int order = sign_of(a, static_cast<std::uint64_t>(whole));
    return order != 0 ? order : sign_of(whole, b);
}

int number_order(std::int64_t a, std::uint64_t b) {
    return a < 0 ? -1 : sign_of(static_cast<std::uint64_t>(a), b);
}

std::optional<int> reversed(std::optional<int> order) {
    return order ? std::optional{-*order} : std::nullopt;
}

std::optional<int> order_of_numbers(const Value& a, const Value& b) {
    if (a.kind() == Kind::real && b.kind() == Kind::real) {
        const double x = a.as_real();
        const double y = b.as_real();
        if (std::isnan(x) || std::isnan(y)) return std::nullopt;
        return sign_of(x, y);
    }
    if (b.kind() == Kind::real) {
        return a.kind() == Kind::integer ? number_order(a.as_integer(), b.as_real())
                                         : number_order(a.as_unsigned_integer(), b.as_real());
    }
    if (a.kind() == Kind::real) return reversed(order_of_numbers(b, a));
    if (a.kind() == b.kind()) {
        return a.kind() == Kind::integer
                   ? sign_of(a.as_integer(), b.as_integer())
                   : sign_of(a.as_unsigned_integer(), b.as_unsigned_integer());
    }
    if (a.kind() == Kind::integer) return number_order(a.as_integer(), b.as_unsigned_integer());
    return -number_order(b.as_integer(), a.as_unsigned_integer());
}

int rank_of_key(const Value& key) {
    if (key.kind() == Kind::boolean) return 0;
    return key.is_number() ? 1 : 2;
}

// A total order of map keys; keys are never NaN.
int order_of_keys(const Value& a, const Value& b) {
    const int rank = sign_of(rank_of_key(a), rank_of_key(b));
    return rank != 0 ? rank : order_of(a, b).value_or(0);
}

std::optional<std::size_t> position_of(const MapBody& body, const Value& key) {
    if (body.by_key.empty()) {
        for (std::size_t i = 0; i < body.entries.size(); ++i)
            if (body.entries[i].key == key) return i;
        return std::nullopt;
    }
    const auto found = std::lower_bound(body.by_key.begin(), body.by_key.end(), key,
                                        [&](std::uint32_t at, const Value& wanted) {
                                            return order_of_keys(body.entries[at].key, wanted) < 0;
                                        });
    if (found == body.by_key.end() || !(body.entries[*found].key == key)) return std::nullopt;
    return *found;
}

std::vector<std::uint32_t> sorted_positions(const std::vector<MapEntry>& entries) {
    std::vector<std::uint32_t> positions(entries.size());
    for (std::size_t i = 0; i < positions.size(); ++i)
        positions[i] = static_cast<std::uint32_t>(i);
    std::sort(positions.begin(), positions.end(), [&](std::uint32_t a, std::uint32_t b) {
        const int order = order_of_keys(entries[a].key, entries[b].key);
        return order != 0 ? order < 0 : a < b;
    });
    return positions;
}

// Keeps the first place and the last value of equal keys.
void drop_repeated_keys(std::vector<MapEntry>& entries) {
    const std::vector<std::uint32_t> positions = sorted_positions(entries);
    std::vector<bool> dropped(entries.size());
    bool any = false;
    for (std::size_t i = 0; i + 1 < positions.size();) {
        const std::uint32_t first = positions[i];
        std::size_t next = i + 1;
        while (next < positions.size() && entries[positions[next]].key == entries[first].key) {
            entries[first].value = entries[positions[next]].value;
            dropped[positions[next]] = true;
            any = true;
            ++next;
        }
        i = next;
    }
    if (!any) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries.size(); ++i)
        if (!dropped[i]) {
            if (kept != i) entries[kept] = std::move(entries[i]);
            ++kept;
        }
    entries.resize(kept);
}

bool equal_lists(const List& a, const List& b, std::uint64_t& steps_left) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (!equal(a.at(i), b.at(i), steps_left)) return false;
    return true;
}

bool equal_maps(const Map& a, const Map& b, std::uint64_t& steps_left) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto other = b.find(a.key_at(i));
        if (!other || !equal(a.value_at(i), *other, steps_left)) return false;
    }
    return true;
}

bool spend(std::uint64_t& steps_left, std::uint64_t steps) {
    const bool enough = steps_left > steps;
    steps_left = enough ? steps_left - steps : 0;
    return enough;
}

std::uint64_t weight_of_json(const boost::json::value& json, std::uint64_t stop) {
    std::uint64_t weight = value_weight;
    if (const auto* text = json.if_string()) return weight + text->size();
    if (const auto* array = json.if_array()) {
        for (const auto& item : *array) {
            if (weight > stop) break;
            weight += weight_of_json(item, stop - weight);
        }
    }
    if (const auto* object = json.if_object()) {
        for (const auto& field : *object) {
            if (weight > stop) break;
            weight += value_weight + field.key().size();
            weight += weight_of_json(field.value(), stop > weight ? stop - weight : 0);
        }
    }
    return weight;
}

} // namespace

std::string_view type_name(Kind kind) {
    switch (kind) {
    case Kind::null:
        return "null_type";
    case Kind::timestamp:
        return "google.protobuf.Timestamp";
    case Kind::duration:
        return "google.protobuf.Duration";
    case Kind::boolean:
    case Kind::integer:
    case Kind::unsigned_integer:
    case Kind::real:
    case Kind::text:
    case Kind::bytes:
    case Kind::list:
    case Kind::map:
    case Kind::type:
        break;
    }
    return plain_name(kind);
}

std::string_view plain_name(Kind kind) {
    switch (kind) {
    case Kind::null:
        return "null";
    case Kind::boolean:
        return "bool";
    case Kind::integer:
        return "int";
    case Kind::unsigned_integer:
        return "uint";
    case Kind::real:
        return "double";
    case Kind::text:
        return "string";
    case Kind::bytes:
        return "bytes";
    case Kind::timestamp:
        return "timestamp";
    case Kind::duration:
        return "duration";
    case Kind::list:
        return "list";
    case Kind::map:
        return "map";
    case Kind::type:
        return "type";
    }
    return "unknown";
}

List::List(std::vector<Value> items) : size_(static_cast<std::uint32_t>(items.size())) {
    auto body = std::make_shared<ListBody>();
    for (const Value& item : items)
        body->weight = std::min(weight_max, body->weight + weight_of(item, weight_max));
    body->items = std::move(items);
    items_ = std::move(body);
}

Value List::at(std::size_t index) const {
    if (!is_json_) return static_cast<const ListBody*>(items_.get())->items[index];
    const auto& array = *static_cast<const boost::json::array*>(items_.get());
    return Value::view_of(array[index], items_);
}

Map::Map(std::vector<MapEntry> entries) {
    auto body = std::make_shared<MapBody>();
    drop_repeated_keys(entries);
    for (const MapEntry& entry : entries) {
        body->weight += weight_of(entry.key, weight_max) + weight_of(entry.value, weight_max);
        body->weight = std::min(weight_max, body->weight);
    }
    body->entries = std::move(entries);
    if (body->entries.size() > walked_entries_max) body->by_key = sorted_positions(body->entries);
    size_ = static_cast<std::uint32_t>(body->entries.size());
    body_ = std::move(body);
}

Value Map::key_at(std::size_t index) const {
    if (!is_json_) return static_cast<const MapBody*>(body_.get())->entries[index].key;
    const auto& object = *static_cast<const boost::json::object*>(body_.get());
    return Value::view_of_text((object.begin() + index)->key(), body_);
}

Value Map::value_at(std::size_t index) const {
    if (!is_json_) return static_cast<const MapBody*>(body_.get())->entries[index].value;
    const auto& object = *static_cast<const boost::json::object*>(body_.get());
    return Value::view_of((object.begin() + index)->value(), body_);
}

std::optional<Value> Map::find(const Value& key) const {
    if (size_ == 0) return std::nullopt;
    if (key.kind() == Kind::text && is_json_) return find(key.as_text());
    if (is_json_) return std::nullopt;
    const auto& body = *static_cast<const MapBody*>(body_.get());
    if (key.kind() == Kind::real && std::isnan(key.as_real())) return std::nullopt;
    if (key.kind() != Kind::text && key.kind() != Kind::boolean && !key.is_number())
        return std::nullopt;
    const auto position = position_of(body, key);
    if (!position) return std::nullopt;
    return body.entries[*position].value;
}

std::optional<Value> Map::find(std::string_view key) const {
    if (size_ == 0) return std::nullopt;
    if (!is_json_) {
        const auto& body = *static_cast<const MapBody*>(body_.get());
        if (body.by_key.empty()) {
            for (const MapEntry& entry : body.entries)
                if (entry.key.kind() == Kind::text && entry.key.as_text() == key)
                    return entry.value;
            return std::nullopt;
        }
        return find(Value::text(key));
    }
    const auto& object = *static_cast<const boost::json::object*>(body_.get());
    const auto* found = object.if_contains(key);
    if (found == nullptr) return std::nullopt;
    return Value::view_of(*found, body_);
}

Value::SharedText Value::keep(std::string&& value) {
    auto owned = std::make_shared<const std::string>(std::move(value));
    const char* data = owned->data();
    const std::size_t size = owned->size();
    return {std::shared_ptr<const char>{std::move(owned), data}, size};
}

Value Value::text(std::string_view value) {
    return text(std::string{value});
}

Value Value::text(std::string&& value) {
    return Value{Data{TextData{keep(std::move(value))}}};
}

Value Value::bytes(std::string_view value) {
    return bytes(std::string{value});
}

Value Value::bytes(std::string&& value) {
    return Value{Data{BytesData{keep(std::move(value))}}};
}

Value Value::map(std::vector<MapEntry> entries) {
    return Value{Data{Map{std::move(entries)}}};
}

Value Value::view_of_text(std::string_view text, const std::shared_ptr<const void>& owner) {
    TextData view;
    view.data = std::shared_ptr<const char>{owner, text.data()};
    view.size = text.size();
    return Value{Data{std::move(view)}};
}

Value Value::view_of(const boost::json::value& json, const std::shared_ptr<const void>& owner) {
    switch (json.kind()) {
    case boost::json::kind::null:
        return {};
    case boost::json::kind::bool_:
        return boolean(json.get_bool());
    case boost::json::kind::int64:
        return integer(json.get_int64());
    case boost::json::kind::uint64: {
        const std::uint64_t number = json.get_uint64();
        if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return integer(static_cast<std::int64_t>(number));
        return unsigned_integer(number);
    }
    case boost::json::kind::double_:
        return real(json.get_double());
    case boost::json::kind::string: {
        const auto& text = json.get_string();
        return view_of_text({text.data(), text.size()}, owner);
    }
    case boost::json::kind::array: {
        const auto& array = json.get_array();
        return list(List{std::shared_ptr<const void>{owner, &array}, array.size(), true});
    }
    case boost::json::kind::object: {
        const auto& object = json.get_object();
        return map(Map{std::shared_ptr<const void>{owner, &object}, object.size(), true});
    }
    }
    return {};
}

Value Value::from_json(const boost::json::value& json) {
    if (!json.is_structured() && !json.is_string()) return view_of(json, nullptr);
    return sharing_json(std::make_shared<const boost::json::value>(json));
}

Value Value::sharing_json(std::shared_ptr<const boost::json::value> json) {
    const boost::json::value& value = *json;
    return view_of(value, std::move(json));
}

Value Value::borrowing_json(const boost::json::value& json) {
    return view_of(json, nullptr);
}

bool operator==(const Value& a, const Value& b) {
    std::uint64_t steps_left = std::numeric_limits<std::uint64_t>::max();
    return equal(a, b, steps_left);
}

bool equal(const Value& a, const Value& b, std::uint64_t& steps_left) {
    if (!spend(steps_left, 1)) return false;
    if (a.is_number() && b.is_number()) return order_of_numbers(a, b) == 0;
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
    case Kind::null:
        return true;
    case Kind::boolean:
        return a.as_boolean() == b.as_boolean();
    case Kind::text:
        return a.as_text() == b.as_text() && spend(steps_left, a.as_text().size() / bytes_per_step);
    case Kind::bytes:
        return a.as_bytes() == b.as_bytes() &&
               spend(steps_left, a.as_bytes().size() / bytes_per_step);
    case Kind::timestamp:
        return a.as_timestamp() == b.as_timestamp();
    case Kind::duration:
        return a.as_duration() == b.as_duration();
    case Kind::list:
        return equal_lists(a.as_list(), b.as_list(), steps_left);
    case Kind::map:
        return equal_maps(a.as_map(), b.as_map(), steps_left);
    case Kind::type:
        return a.as_type() == b.as_type();
    case Kind::integer:
    case Kind::unsigned_integer:
    case Kind::real:
        break; // compared as numbers above
    }
    return false;
}

std::optional<int> order_of(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return order_of_numbers(a, b);
    if (a.kind() != b.kind()) return std::nullopt;
    if (a.kind() == Kind::boolean) return sign_of(a.as_boolean(), b.as_boolean());
    // Bytes of UTF-8 compare like their code points.
    if (a.kind() == Kind::text) return sign_of(a.as_text() <=> b.as_text());
    if (a.kind() == Kind::bytes) return sign_of(a.as_bytes() <=> b.as_bytes());
    if (a.kind() == Kind::timestamp) return sign_of(a.as_timestamp() <=> b.as_timestamp());
    if (a.kind() == Kind::duration) return sign_of(a.as_duration() <=> b.as_duration());
    return std::nullopt;
}

std::uint64_t weight_of(const Value& value, std::uint64_t stop) {
    if (value.kind() == Kind::text) return value_weight + value.as_text().size();
    if (value.kind() == Kind::bytes) return value_weight + value.as_bytes().size();
    if (value.kind() == Kind::list) return value_weight + value.as_list().weight(stop);
    if (value.kind() == Kind::map) return value_weight + value.as_map().weight(stop);
    return value_weight;
}

std::uint64_t List::weight(std::uint64_t stop) const {
    if (size_ == 0) return 0;
    if (!is_json_) return static_cast<const ListBody*>(items_.get())->weight;
    std::uint64_t weight = 0;
    for (const auto& item : *static_cast<const boost::json::array*>(items_.get())) {
        if (weight > stop) break;
        weight += weight_of_json(item, stop - weight);
    }
    return weight;
}

std::uint64_t Map::weight(std::uint64_t stop) const {
    if (size_ == 0) return 0;
    if (!is_json_) return static_cast<const MapBody*>(body_.get())->weight;
    std::uint64_t weight = 0;
    for (const auto& field : *static_cast<const boost::json::object*>(body_.get())) {
        if (weight > stop) break;
        weight += value_weight + field.key().size();
        weight += weight_of_json(field.value(), stop > weight ? stop - weight : 0);
    }
    return weight;
}

} // namespace baton::orchestrator::expression
