// Field tables: RabbitMQ's letters, byte-for-byte round trips, comparison by value, hostile input.
#include "amqp/field_table.hpp"
#include "tests/amqp/some_values.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace baton::amqp {
namespace {

using namespace std::string_literals;

std::string encoded(const FieldTable& table) {
    Buffer out;
    Writer writer(out);
    write_table(writer, table);
    EXPECT_TRUE(writer.status());
    return std::string(out.text());
}

// Without the length in front.
Result<FieldTable> decoded(const std::string& bytes) {
    return decode_table(as_bytes(bytes).subspan(4));
}

TEST(FieldTable, EveryLetterKeepsItsBytes) {
    const std::string all = "\x01"
                            "a"
                            "t\x01"
                            "\x01"
                            "b"
                            "b\xFF"
                            "\x01"
                            "c"
                            "B\xFF"
                            "\x01"
                            "d"
                            "s\xFF\xFE"
                            "\x01"
                            "e"
                            "u\xFF\xFE"
                            "\x01"
                            "f"
                            "I\xFF\xFF\xFF\xFE"
                            "\x01"
                            "g"
                            "i\xFF\xFF\xFF\xFE"
                            "\x01"
                            "h"
                            "l\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"
                            "\x01"
                            "i"
                            "f\x3F\x80\x00\x00"
                            "\x01"
                            "j"
                            "d\x3F\xF0\x00\x00\x00\x00\x00\x00"
                            "\x01"
                            "k"
                            "D\x02\xFF\xFF\xFF\x85"
                            "\x01"
                            "l"
                            "S\x00\x00\x00\x02hi"
                            "\x01"
                            "m"
                            "x\x00\x00\x00\x02\x00\x01"
                            "\x01"
                            "n"
                            "T\x00\x00\x00\x00\x65\x00\x00\x00"
                            "\x01"
                            "o"
                            "A\x00\x00\x00\x02t\x00"
                            "\x01"
                            "p"
                            "F\x00\x00\x00\x03\x01qV"
                            "\x01"
                            "q"
                            "V"s;

    const auto table = decode_table(as_bytes(all));

    ASSERT_TRUE(table) << table.error().message();
    EXPECT_EQ(encoded(*table).substr(4), all);
    EXPECT_EQ(*table->find("b")->get<std::int8_t>(), -1);
    EXPECT_EQ(*table->find("c")->get<std::uint8_t>(), 255);
    EXPECT_EQ(*table->find("d")->get<std::int16_t>(), -2);
    EXPECT_EQ(*table->find("e")->get<std::uint16_t>(), 65534);
    EXPECT_EQ(*table->find("f")->get<std::int32_t>(), -2);
    EXPECT_EQ(*table->find("g")->get<std::uint32_t>(), 4294967294u);
    EXPECT_EQ(*table->find("h")->get<std::int64_t>(), -2);
    EXPECT_EQ(*table->find("i")->get<float>(), 1.0f);
    EXPECT_EQ(*table->find("j")->get<double>(), 1.0);
    EXPECT_EQ(*table->find("k")->get<Decimal>(), (Decimal{2, -123}));
    EXPECT_EQ(table->text("l"), "hi");
    EXPECT_EQ(table->find("n")->get<Timestamp>()->seconds, 0x65000000u);
    EXPECT_EQ(type_name(*table->find("f")), "signedint");
    EXPECT_EQ(type_name(*table->find("l")), "longstr");
    EXPECT_EQ(type_name(*table->find("m")), "binary");
}

TEST(FieldTable, AnyTableSurvivesTheWayThroughTheWire) {
    SomeValues some(5);
    for (int round = 0; round < 2000; ++round) {
        const FieldTable table = some.table(4);
        const std::string bytes = encoded(table);
        ASSERT_TRUE(check_table(as_bytes(bytes).subspan(4)));
        const auto again = decoded(bytes);
        ASSERT_TRUE(again);
        EXPECT_EQ(*again, table);
        EXPECT_EQ(encoded(*again), bytes);
    }
}

TEST(FieldTable, ACutTableIsRefusedWithTheSameErrorByBothReaders) {
    SomeValues some(6);
    for (int round = 0; round < 200; ++round) {
        const std::string bytes = encoded(some.table(3)).substr(4);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const ByteView cut = as_bytes(bytes).first(size);
            const auto table = decode_table(cut);
            const Status status = check_table(cut);
            ASSERT_EQ(table.has_value(), status.has_value());
            if (!status) EXPECT_EQ(status.error(), table.error());
        }
    }
}

TEST(FieldTable, AnUnknownLetterIsRefused) {
    EXPECT_EQ(decode_table(as_bytes("\x01kZ"s)).error(), Errc::unknown_field_type);
    EXPECT_EQ(check_table(as_bytes("\x01kZ"s)).error(), Errc::unknown_field_type);
    EXPECT_EQ(decode_table(as_bytes("\x01kL\0\0\0\0\0\0\0\0"s)).error(), Errc::unknown_field_type);
}

std::string nested(char letter, int depth) {
    std::string contents;
    for (int level = 0; level < depth; ++level) {
        const auto size = static_cast<std::uint32_t>(contents.size());
        std::string length(4, '\0');
        store_big_endian(reinterpret_cast<std::byte*>(length.data()), size);
        contents = (letter == 'F' ? "\x01n"s : ""s) + letter + length + contents;
    }
    if (letter == 'A') {
        std::string length(4, '\0');
        store_big_endian(reinterpret_cast<std::byte*>(length.data()),
                         static_cast<std::uint32_t>(contents.size()));
        contents = "\x01nA"s + length + contents;
    }
    return contents;
}

TEST(FieldTable, NestingHasALimitAndAThousandLevelsDoNoHarm) {
    for (const char letter : {'F', 'A'}) {
        const std::string fine = nested(letter, 60);
        EXPECT_TRUE(decode_table(as_bytes(fine)));
        EXPECT_TRUE(check_table(as_bytes(fine)));
        for (const int depth : {64, 1000, 4000}) {
            const std::string deep = nested(letter, depth);
            EXPECT_EQ(decode_table(as_bytes(deep)).error(), Errc::nesting_too_deep);
            EXPECT_EQ(check_table(as_bytes(deep)).error(), Errc::nesting_too_deep);
        }
    }
}

TEST(FieldTable, KeepsOrderAndDoubleKeys) {
    FieldTable table{{"b", 1}, {"a", 2}, {"b", 3}};
    EXPECT_EQ(*decoded(encoded(table)), table);
    EXPECT_EQ(table.integer("b"), 1);
    table.set("b", 9);
    EXPECT_EQ(to_text(table), "{b=9, a=2, b=3}");
    EXPECT_TRUE(table.erase("b"));
    EXPECT_FALSE(table.erase("b"));
    EXPECT_EQ(to_text(table), "{a=2}");
}

TEST(FieldTable, IntegersAreEqualWhateverTheirWidth) {
    EXPECT_TRUE(equal_by_value(std::int32_t{1000}, std::int64_t{1000}));
    EXPECT_TRUE(equal_by_value(std::uint8_t{200}, std::int16_t{200}));
    EXPECT_FALSE(equal_by_value(std::uint8_t{200}, std::int8_t{-56}));
    EXPECT_FALSE(equal_by_value(std::uint32_t{4294967295u}, std::int32_t{-1}));
    EXPECT_TRUE(equal_by_value(1.5f, 1.5));
    EXPECT_FALSE(equal_by_value(1, 1.0));
    EXPECT_FALSE(equal_by_value(1, "1"));
    EXPECT_FALSE(equal_by_value(1, true));
    EXPECT_FALSE(equal_by_value("x", ByteArray{"x"}));
}

TEST(FieldTable, ContainersAreComparedByValueInside) {
    const FieldTable left{{"a", 1}, {"b", FieldArray{{1, "x"}}}};
    const FieldTable right{{"b", FieldArray{{std::int64_t{1}, "x"}}}, {"a", std::uint8_t{1}}};
    EXPECT_TRUE(equal_by_value(left, right));
    EXPECT_FALSE(left == right);
    EXPECT_FALSE(equal_by_value(left, FieldTable{{"a", 1}}));
}

TEST(FieldTable, NotANumberKeepsItsBits) {
    const FieldTable table{{"nan", std::numeric_limits<double>::quiet_NaN()}};
    EXPECT_EQ(encoded(*decoded(encoded(table))), encoded(table));
}

TEST(TableScanner, FindsValuesWithoutDecodingTheRest) {
    const FieldTable table{{"a", FieldTable{{"x", 1}}}, {"delay", std::int16_t{-5}}, {"s", "text"}};
    const std::string bytes = encoded(table).substr(4);

    const auto delay = find_field(as_bytes(bytes), "delay");
    const auto text = find_field(as_bytes(bytes), "s");
    const auto nested_table = find_field(as_bytes(bytes), "a");

    ASSERT_TRUE(delay && text && nested_table);
    EXPECT_EQ(delay->integer(), -5);
    EXPECT_EQ(delay->text(), std::nullopt);
    EXPECT_EQ(text->text(), "text");
    EXPECT_EQ(text->integer(), std::nullopt);
    EXPECT_EQ(*nested_table->decode(), FieldValue(FieldTable{{"x", 1}}));
    EXPECT_FALSE(find_field(as_bytes(bytes), "x"));
    EXPECT_FALSE(find_field(as_bytes("\x01"s), "x"));
}

} // namespace
} // namespace baton::amqp
