// Made-up values for tests of the codec: any method with all its fields filled, any field table,
// from a seeded generator.
#pragma once

#include "amqp/field_table.hpp"
#include "amqp/methods.hpp"
#include "amqp/properties.hpp"
#include "base/random.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace baton::amqp {

class SomeValues {
public:
    explicit SomeValues(std::uint64_t seed) : random_(seed) {}

    std::string text(std::size_t length_max) {
        std::string text(random_.below(length_max + 1), ' ');
        for (char& letter : text)
            letter = static_cast<char>(random_.below(256));
        return text;
    }

    FieldValue value(int depth) {
        switch (random_.below(depth > 0 ? 17 : 15)) {
        case 0:
            return Void{};
        case 1:
            return random_.below(2) == 1;
        case 2:
            return static_cast<std::int8_t>(random_.next());
        case 3:
            return static_cast<std::uint8_t>(random_.next());
        case 4:
            return static_cast<std::int16_t>(random_.next());
        case 5:
            return static_cast<std::uint16_t>(random_.next());
        case 6:
            return static_cast<std::int32_t>(random_.next());
        case 7:
            return static_cast<std::uint32_t>(random_.next());
        case 8:
            return static_cast<std::int64_t>(random_.next());
        case 9:
            return static_cast<float>(random_.below(1000)) / 8;
        case 10:
            return static_cast<double>(random_.below(100000)) / 16;
        case 11:
            return Decimal{static_cast<std::uint8_t>(random_.next()),
                           static_cast<std::int32_t>(random_.next())};
        case 12:
            return text(40);
        case 13:
            return ByteArray{text(40)};
        case 14:
            return Timestamp{random_.next()};
        case 15: {
            FieldArray array;
            for (auto left = random_.below(4); left > 0; --left)
                array.items.push_back(value(depth - 1));
            return array;
        }
        default:
            return table(depth - 1);
        }
    }

    FieldTable table(int depth) {
        FieldTable table;
        for (auto left = random_.below(5); left > 0; --left)
            table.entries.emplace_back(text(20), value(depth));
        return table;
    }

    template <AnyMethod M>
    M method() {
        M method;
        M::each_field(method, *this);
        return method;
    }

    Properties properties() {
        Properties properties;
        maybe(properties.content_type);
        maybe(properties.content_encoding);
        if (random_.below(2) == 1) properties.headers = table(3);
        if (random_.below(2) == 1)
            properties.delivery_mode = static_cast<std::uint8_t>(random_.next());
        if (random_.below(2) == 1) properties.priority = static_cast<std::uint8_t>(random_.next());
        maybe(properties.correlation_id);
        maybe(properties.reply_to);
        maybe(properties.expiration);
        maybe(properties.message_id);
        if (random_.below(2) == 1) properties.timestamp = random_.next();
        maybe(properties.type);
        maybe(properties.user_id);
        maybe(properties.app_id);
        maybe(properties.cluster_id);
        return properties;
    }

    // The visitor of each_field.
    void operator()(const char*, bool& field) { field = random_.below(2) == 1; }
    template <std::unsigned_integral Number>
    void operator()(const char*, Number& field) {
        field = static_cast<Number>(random_.next());
    }
    void operator()(const char*, std::string& field) { field = text(255); }
    void operator()(const char*, LongString& field) { field.text = text(1000); }
    void operator()(const char*, SecretString& field) { field.text = text(1000); }
    void operator()(const char*, FieldTable& field) { field = table(3); }
    template <typename Reserved>
    void operator()(const char*, const Reserved&) {}

private:
    void maybe(std::optional<std::string>& field) {
        if (random_.below(2) == 1) field = text(255);
    }
    Random random_;
};

} // namespace baton::amqp
