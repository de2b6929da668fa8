// Encoding, decoding, comparing and printing of field values.
#include "amqp/field_table.hpp"

#include "base/overloaded.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::amqp {

namespace {

// In the order of FieldValue::Variant.
constexpr std::string_view letters = "VtbBsuIilfdDSxTAF";
static_assert(letters.size() == std::variant_size_v<FieldValue::Variant>);

FieldTable read_entries(ByteView contents, int depth, Reader& outer);

FieldArray read_items(ByteView contents, int depth, Reader& outer);

// A nested failure is reported to the reader around it, so that one status tells all.
FieldValue read_value_of(char letter, Reader& in, int depth) {
    switch (letter) {
    case 'V':
        return Void{};
    case 't':
        return in.u8() != 0;
    case 'b':
        return static_cast<std::int8_t>(in.u8());
    case 'B':
        return in.u8();
    case 's':
        return static_cast<std::int16_t>(in.u16());
    case 'u':
        return in.u16();
    case 'I':
        return static_cast<std::int32_t>(in.u32());
    case 'i':
        return in.u32();
    case 'l':
        return static_cast<std::int64_t>(in.u64());
    case 'f':
        return std::bit_cast<float>(in.u32());
    case 'd':
        return std::bit_cast<double>(in.u64());
    case 'D': {
        const std::uint8_t scale = in.u8();
        return Decimal{scale, static_cast<std::int32_t>(in.u32())};
    }
    case 'S':
        return in.long_string();
    case 'x':
        return ByteArray{std::string(in.long_string())};
    case 'T':
        return Timestamp{in.u64()};
    case 'A': {
        const ByteView contents = as_bytes(in.long_string());
        return read_items(contents, depth + 1, in);
    }
    case 'F': {
        const ByteView contents = as_bytes(in.long_string());
        return read_entries(contents, depth + 1, in);
    }
    default:
        in.fail(Errc::unknown_field_type);
        return {};
    }
}

void pass_failure(const Reader& inner, Reader& outer) {
    if (const Status status = inner.status(); !status)
        outer.fail(static_cast<Errc>(status.error().value()));
}

FieldTable read_entries(ByteView contents, int depth, Reader& outer) {
    FieldTable table;
    if (depth > field_nesting_max) {
        outer.fail(Errc::nesting_too_deep);
        return table;
    }
    Reader in(contents);
    while (!in.empty()) {
        const std::string_view name = in.short_string();
        const char letter = static_cast<char>(in.u8());
        if (in.failed()) break;
        FieldValue value = read_value_of(letter, in, depth);
        if (in.failed()) break;
        table.entries.emplace_back(std::string(name), std::move(value));
    }
    pass_failure(in, outer);
    return table;
}

FieldArray read_items(ByteView contents, int depth, Reader& outer) {
    FieldArray array;
    if (depth > field_nesting_max) {
        outer.fail(Errc::nesting_too_deep);
        return array;
    }
    Reader in(contents);
    while (!in.empty()) {
        const char letter = static_cast<char>(in.u8());
        FieldValue value = read_value_of(letter, in, depth);
        if (in.failed()) break;
        array.items.push_back(std::move(value));
    }
    pass_failure(in, outer);
    return array;
}

void write_items(Writer& out, const FieldArray& array) {
    const std::size_t place = out.begin_length();
    for (const FieldValue& item : array.items)
        write_value(out, item);
    out.end_length(place);
}

// How many bytes a value of that letter has when it has no length in front; nothing for the others.
std::optional<std::size_t> fixed_size(char letter) {
    switch (letter) {
    case 'V':
        return 0;
    case 't':
    case 'b':
    case 'B':
        return 1;
    case 's':
    case 'u':
        return 2;
    case 'I':
    case 'i':
    case 'f':
        return 4;
    case 'D':
        return 5;
    case 'l':
    case 'd':
    case 'T':
        return 8;
    default:
        return std::nullopt;
    }
}

bool has_length(char letter) {
    return letter == 'S' || letter == 'x' || letter == 'A' || letter == 'F';
}

// Steps over a value and returns its bytes, with the length where there is one.
ByteView skip_value(char letter, Reader& in) {
    if (const auto size = fixed_size(letter)) return in.bytes(*size);
    if (!has_length(letter)) {
        in.fail(Errc::unknown_field_type);
        return {};
    }
    const ByteView start = in.rest();
    const std::uint32_t length = in.u32();
    in.bytes(length);
    return in.failed() ? ByteView{} : start.first(std::size_t{4} + length);
}

enum class Container { table, array };

Status check_contents(ByteView contents, Container container, int depth) {
    if (depth > field_nesting_max) return ErrorCode(Errc::nesting_too_deep);
    Reader in(contents);
    while (!in.empty()) {
        if (container == Container::table) in.short_string();
        const char letter = static_cast<char>(in.u8());
        if (in.failed()) break;
        const ByteView value = skip_value(letter, in);
        if (in.failed()) break;
        if (letter == 'F' || letter == 'A')
            BATON_TRY(check_contents(
                value.subspan(4), letter == 'F' ? Container::table : Container::array, depth + 1));
    }
    return in.status();
}

bool equal_items(const FieldArray& a, const FieldArray& b) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                      equal_by_value);
}

bool equal_tables(const FieldTable& a, const FieldTable& b) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&b](const auto& entry) {
        const FieldValue* other = b.find(entry.first);
        return other != nullptr && equal_by_value(entry.second, *other);
    });
}

std::optional<double> floating(const FieldValue& value) {
    if (const auto* small = value.get<float>()) return static_cast<double>(*small);
    if (const auto* large = value.get<double>()) return *large;
    return std::nullopt;
}

std::string decimal_text(const Decimal& decimal) {
    return fmt::format("{}e-{}", decimal.value, decimal.scale);
}

} // namespace

bool FieldArray::operator==(const FieldArray& other) const {
    return items == other.items;
}

FieldTable::FieldTable(std::initializer_list<std::pair<std::string, FieldValue>> list)
    : entries(list) {}

const FieldValue* FieldTable::find(std::string_view name) const {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [name](const auto& entry) { return entry.first == name; });
    return found == entries.end() ? nullptr : &found->second;
}

FieldValue* FieldTable::find(std::string_view name) {
    return const_cast<FieldValue*>(std::as_const(*this).find(name));
}

std::optional<std::string_view> FieldTable::text(std::string_view name) const {
    const FieldValue* value = find(name);
    if (value == nullptr) return std::nullopt;
    const auto* content = value->get<std::string>();
    return content == nullptr ? std::nullopt : std::optional<std::string_view>(*content);
}

std::optional<std::int64_t> FieldTable::integer(std::string_view name) const {
    const FieldValue* value = find(name);
    return value == nullptr ? std::nullopt : value->integer();
}

std::optional<bool> FieldTable::flag(std::string_view name) const {
    const FieldValue* value = find(name);
    if (value == nullptr) return std::nullopt;
    const auto* content = value->get<bool>();
    return content == nullptr ? std::nullopt : std::optional(*content);
}

void FieldTable::set(std::string_view name, FieldValue value) {
    if (FieldValue* present = find(name))
        *present = std::move(value);
    else
        entries.emplace_back(std::string(name), std::move(value));
}

bool FieldTable::erase(std::string_view name) {
    return std::erase_if(entries, [name](const auto& entry) { return entry.first == name; }) != 0;
}

bool FieldTable::operator==(const FieldTable& other) const {
    return entries == other.entries;
}

std::optional<std::int64_t> FieldValue::integer() const {
    return std::visit(
        [](const auto& content) -> std::optional<std::int64_t> {
            using T = std::remove_cvref_t<decltype(content)>;
            if constexpr (std::integral<T> && !std::same_as<T, bool>)
                return static_cast<std::int64_t>(content);
            else
                return std::nullopt;
        },
        value);
}

char FieldValue::letter() const {
    return letters[value.index()];
}

bool equal_by_value(const FieldValue& a, const FieldValue& b) {
    if (const auto left = a.integer()) return left == b.integer();
    if (const auto left = floating(a)) return left == floating(b);
    if (const auto* left = a.get<FieldArray>()) {
        const auto* right = b.get<FieldArray>();
        return right != nullptr && equal_items(*left, *right);
    }
    if (const auto* left = a.get<FieldTable>()) {
        const auto* right = b.get<FieldTable>();
        return right != nullptr && equal_tables(*left, *right);
    }
    return a == b;
}

std::string_view type_name(const FieldValue& value) {
    static constexpr std::array<std::string_view, letters.size()> names{
        "void",      "bool",        "byte",      "unsignedbyte", "short",  "unsignedshort",
        "signedint", "unsignedint", "long",      "float",        "double", "decimal",
        "longstr",   "binary",      "timestamp", "array",        "table"};
    return names[value.value.index()];
}

std::string to_text(const FieldValue& value) {
    return std::visit(
        Overloaded{
            [](const Void&) { return std::string("void"); },
            [](bool flag) { return std::string(flag ? "true" : "false"); },
            [](const Decimal& decimal) { return decimal_text(decimal); },
            [](const std::string& text) { return text; },
            [](const ByteArray& array) { return fmt::format("<{} bytes>", array.bytes.size()); },
            [](const Timestamp& time) { return std::to_string(time.seconds); },
            [](const FieldArray& array) {
                std::string text = "[";
                for (const FieldValue& item : array.items)
                    text += (text.size() > 1 ? ", " : "") + to_text(item);
                return text + "]";
            },
            [](const FieldTable& table) { return to_text(table); },
            [](const auto& number) { return fmt::format("{}", number); },
        },
        value.value);
}

std::string to_text(const FieldTable& table) {
    std::string text = "{";
    for (const auto& [name, value] : table)
        text += fmt::format("{}{}={}", text.size() > 1 ? ", " : "", name, to_text(value));
    return text + "}";
}

FieldTable read_table(Reader& in) {
    const ByteView contents = as_bytes(in.long_string());
    return read_entries(contents, 1, in);
}

void write_table(Writer& out, const FieldTable& table) {
    const std::size_t place = out.begin_length();
    for (const auto& [name, value] : table) {
        out.short_string(name);
        write_value(out, value);
    }
    out.end_length(place);
}

FieldValue read_value(Reader& in) {
    const char letter = static_cast<char>(in.u8());
    if (in.failed()) return {};
    return read_value_of(letter, in, 0);
}

void write_value(Writer& out, const FieldValue& value) {
    out.u8(static_cast<std::uint8_t>(value.letter()));
    std::visit(Overloaded{
                   [](const Void&) {},
                   [&out](bool flag) { out.u8(flag ? 1 : 0); },
                   [&out](std::int8_t number) { out.u8(static_cast<std::uint8_t>(number)); },
                   [&out](std::uint8_t number) { out.u8(number); },
                   [&out](std::int16_t number) { out.u16(static_cast<std::uint16_t>(number)); },
                   [&out](std::uint16_t number) { out.u16(number); },
                   [&out](std::int32_t number) { out.u32(static_cast<std::uint32_t>(number)); },
                   [&out](std::uint32_t number) { out.u32(number); },
                   [&out](std::int64_t number) { out.u64(static_cast<std::uint64_t>(number)); },
                   [&out](float number) { out.u32(std::bit_cast<std::uint32_t>(number)); },
                   [&out](double number) { out.u64(std::bit_cast<std::uint64_t>(number)); },
                   [&out](const Decimal& decimal) {
                       out.u8(decimal.scale);
                       out.u32(static_cast<std::uint32_t>(decimal.value));
                   },
                   [&out](const std::string& text) { out.long_string(text); },
                   [&out](const ByteArray& array) { out.long_string(array.bytes); },
                   [&out](const Timestamp& time) { out.u64(time.seconds); },
                   [&out](const FieldArray& array) { write_items(out, array); },
                   [&out](const FieldTable& table) { write_table(out, table); },
               },
               value.value);
}

Result<FieldTable> decode_table(ByteView contents) {
    Reader outer({});
    FieldTable table = read_entries(contents, 1, outer);
    BATON_TRY(outer.status());
    return table;
}

Status check_table(ByteView contents) {
    return check_contents(contents, Container::table, 1);
}

std::optional<std::string_view> RawField::text() const {
    if ((letter != 'S' && letter != 'x') || value.size() < 4) return std::nullopt;
    return as_text(value.subspan(4));
}

std::optional<std::int64_t> RawField::integer() const {
    if (fixed_size(letter) != value.size()) return std::nullopt;
    switch (letter) {
    case 'b':
        return static_cast<std::int8_t>(value[0]);
    case 'B':
        return static_cast<std::uint8_t>(value[0]);
    case 's':
        return static_cast<std::int16_t>(load_big_endian<std::uint16_t>(value.data()));
    case 'u':
        return load_big_endian<std::uint16_t>(value.data());
    case 'I':
        return static_cast<std::int32_t>(load_big_endian<std::uint32_t>(value.data()));
    case 'i':
        return load_big_endian<std::uint32_t>(value.data());
    case 'l':
        return static_cast<std::int64_t>(load_big_endian<std::uint64_t>(value.data()));
    default:
        return std::nullopt;
    }
}

Result<FieldValue> RawField::decode() const {
    Reader in(value);
    FieldValue decoded = read_value_of(letter, in, 1);
    BATON_TRY(in.finish());
    return decoded;
}

Result<std::optional<RawField>> TableScanner::next() {
    BATON_TRY(in_.status());
    if (in_.empty()) return std::optional<RawField>();
    RawField field;
    field.name = in_.short_string();
    field.letter = static_cast<char>(in_.u8());
    if (!in_.failed()) field.value = skip_value(field.letter, in_);
    BATON_TRY(in_.status());
    return std::optional(field);
}

std::optional<RawField> find_field(ByteView contents, std::string_view name) {
    TableScanner scanner(contents);
    while (true) {
        const auto field = scanner.next();
        if (!field || !*field) return std::nullopt;
        if ((*field)->name == name) return **field;
    }
}

} // namespace baton::amqp
