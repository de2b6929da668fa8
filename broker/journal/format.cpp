#include "broker/journal/format.hpp"

#include "base/crc32c.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>

namespace baton::broker::journal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the journal copies integers as they lie in memory");

constexpr std::string_view magic = "BATONJNL";
constexpr std::string_view name_prefix = "segment-";
constexpr std::string_view name_suffix = ".journal";
constexpr std::string_view preparation_suffix = ".new";
constexpr std::size_t name_digits = 16;

template <typename Number>
void put(std::byte* at, Number value) {
    std::memcpy(at, &value, sizeof value);
}

template <typename Number>
Number take(const std::byte* at) {
    Number value{};
    std::memcpy(&value, at, sizeof value);
    return value;
}

std::uint32_t file_header_crc(ByteView bytes) {
    return crc32c(bytes.subspan(16, 16), crc32c(bytes.subspan(0, 12)));
}

std::uint32_t record_crc(ByteView header, ByteView head, ByteView body) {
    const std::uint32_t of_header = crc32c(header.subspan(8, 16), crc32c(header.subspan(0, 4)));
    return crc32c(body, crc32c(head, of_header));
}

} // namespace

FileHeader encode_file_header(std::uint64_t segment) {
    FileHeader bytes{};
    std::memcpy(bytes.data(), magic.data(), magic.size());
    put(bytes.data() + 8, format_version);
    put(bytes.data() + 16, segment);
    put(bytes.data() + 12, file_header_crc(bytes));
    return bytes;
}

HeaderVerdict check_file_header(ByteView bytes, std::uint64_t segment) {
    if (bytes.size() < file_header_size) return HeaderVerdict::bad;
    bytes = bytes.first(file_header_size);
    if (as_text(bytes.first(magic.size())) != magic) return HeaderVerdict::bad;
    if (take<std::uint32_t>(bytes.data() + 12) != file_header_crc(bytes)) return HeaderVerdict::bad;
    if (take<std::uint32_t>(bytes.data() + 8) > format_version) return HeaderVerdict::newer;
    if (take<std::uint64_t>(bytes.data() + 16) != segment) return HeaderVerdict::bad;
    return HeaderVerdict::good;
}

void encode_record_header(std::byte* out, const RecordView& record, ByteView head, ByteView body) {
    put(out, static_cast<std::uint32_t>(head.size() + body.size()));
    put(out + 8, record.number);
    put(out + 16, record.synced_before);
    put(out + 20, static_cast<std::uint32_t>(record.type | (record.group_goes_on ? 0x100 : 0)));
    put(out + 4, record_crc({out, record_header_size}, head, body));
}

std::optional<RecordView> record_at(ByteView segment, std::uint64_t offset) {
    if (offset > segment.size() || segment.size() - offset < record_header_size)
        return std::nullopt;
    const ByteView rest = segment.subspan(static_cast<std::size_t>(offset));
    const auto type_and_group = take<std::uint32_t>(rest.data() + 20);
    if ((type_and_group & 0xFF) == 0 || type_and_group > 0x1FF) return std::nullopt;
    const auto length = take<std::uint32_t>(rest.data());
    if (length > rest.size() - record_header_size) return std::nullopt;
    const ByteView payload = rest.subspan(record_header_size, length);
    if (take<std::uint32_t>(rest.data() + 4) !=
        record_crc(rest.first(record_header_size), payload, {}))
        return std::nullopt;
    return RecordView{.number = take<std::uint64_t>(rest.data() + 8),
                      .offset = offset,
                      .synced_before = take<std::uint32_t>(rest.data() + 16),
                      .type = static_cast<std::uint8_t>(type_and_group & 0xFF),
                      .group_goes_on = (type_and_group & 0x100) != 0,
                      .payload = payload};
}

std::string segment_name(std::uint64_t segment) {
    return fmt::format("{}{:016x}{}", name_prefix, segment, name_suffix);
}

std::string segment_name_in_preparation(std::uint64_t segment) {
    return fmt::format("{}{:016x}{}", name_prefix, segment, preparation_suffix);
}

std::optional<std::uint64_t> segment_of_name(std::string_view name) {
    if (name.size() != name_prefix.size() + name_digits + name_suffix.size()) return std::nullopt;
    const std::string_view digits = name.substr(name_prefix.size(), name_digits);
    std::uint64_t number = 0;
    const auto end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, number, 16);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    if (name != segment_name(number)) return std::nullopt;
    return number;
}

bool is_name_in_preparation(std::string_view name) {
    return name.starts_with(name_prefix) && name.ends_with(preparation_suffix);
}

} // namespace baton::broker::journal
