// The journal's file format, drawn once and used by the writer and the reader.
//
//   folder   := segment-<16 hex digits>.journal …       numbers without a gap
//             | segment-<16 hex digits>.new             being prepared; removed at the next start
//             | quarantine-segment-<…>.journal          set aside by a salvage
//   segment  := file_header record* zero*               all integers little endian
//   file_header (32 bytes)
//     0  "BATONJNL"
//     8  u32 format version (1)
//     12 u32 CRC-32C of the other 28 bytes
//     16 u64 segment number, the one in the name
//     24 u64 zero
//   record (header 24 bytes, then payload, then zeros up to a multiple of 8)
//     0  u32 payload length
//     4  u32 CRC-32C of the header's other 20 bytes and the payload
//     8  u64 record number: one more than that of the record before, also across segments
//     16 u32 synced_before: everything in this segment before this offset was synced when this
//            record was written (it is where the record's batch begins)
//     20 u8  type, never 0
//     21 u8  1 if the next record belongs to the same group, else 0
//     22 two zero bytes
//
// A group stands or falls together: when the journal ends inside a group, the whole group is cut.
//
// `synced_before` tells torn from damaged. When a record is bad, a valid record behind it whose
// synced_before lies behind the bad place proves that the bad place had been written well and
// synced: that is damage, and the journal refuses. Without such a record the bad place belongs to
// the last batch, nobody was told it is durable, and it is cut.
#pragma once

#include "base/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::broker::journal {

constexpr std::uint32_t format_version = 1;
constexpr std::size_t file_header_size = 32;
constexpr std::size_t record_header_size = 24;
constexpr std::size_t record_alignment = 8;

using FileHeader = std::array<std::byte, file_header_size>;

// What a record occupies in a segment.
constexpr std::uint64_t record_size(std::uint64_t payload_size) {
    const std::uint64_t size = record_header_size + payload_size;
    return (size + record_alignment - 1) / record_alignment * record_alignment;
}

struct RecordView {
    std::uint64_t number = 0;
    std::uint64_t offset = 0; // of the record in its segment
    std::uint32_t synced_before = 0;
    std::uint8_t type = 0;
    bool group_goes_on = false;
    ByteView payload;
};

FileHeader encode_file_header(std::uint64_t segment);

enum class HeaderVerdict { good, bad, newer };
HeaderVerdict check_file_header(ByteView bytes, std::uint64_t segment);

// Writes the header of a record whose payload is head and body, one after the other, to `out`,
// which has room for record_header_size bytes.
void encode_record_header(std::byte* out, const RecordView& record, ByteView head, ByteView body);

// The record at `offset` of a whole segment, if there is a valid one.
std::optional<RecordView> record_at(ByteView segment, std::uint64_t offset);

std::string segment_name(std::uint64_t segment);
std::string segment_name_in_preparation(std::uint64_t segment);
// The number, if `name` is exactly what segment_name() makes.
std::optional<std::uint64_t> segment_of_name(std::string_view name);
bool is_name_in_preparation(std::string_view name);

} // namespace baton::broker::journal
