// Record ↔ bytes. Integers are big endian and strings carry a four-byte length, as on the wire;
// only the body of a message stands raw at the end of its record, so that it can be written from
// where it lies. The numbers of the kinds are part of the file format: they never change, new ones
// are added.
//
//   MessageStored := flags u8 (1 persistent, 2 has ttl) | priority u8 | [ttl millis u64]
//                    | places u32 | place* | exchange | routing key | properties | body …
//   place         := flags u8 (1 redelivered, 2 expires, 4 has count) | queue u64 | position u64
//                    | [expires micros u64] | [delivery count u32]
#pragma once

#include "amqp/buffer.hpp"
#include "broker/core/record.hpp"
#include "broker/journal/errors.hpp"

namespace baton::broker::journal {

struct EncodedRecord {
    std::uint8_t kind = 0;
    // The payload without the message body; valid until the next call with the same buffer.
    ByteView head;
    // The message body, as long as the record lives; empty for all other kinds.
    ByteView body;
};

// Replaces the content of `buffer`, which keeps its memory from call to call.
EncodedRecord encode_record(const core::Record& record, amqp::Buffer& buffer);

// Copies what it keeps. Errc::damaged for bytes that encode_record() cannot have made,
// Errc::newer_format for a kind of a later version.
Result<core::Record> decode_record(std::uint8_t kind, ByteView payload);

// The same, but of a message only what its queues must know: replay leaves the content where it is.
Result<core::Record> decode_record_without_content(std::uint8_t kind, ByteView payload);

// The message of a MessageStored.
Result<core::MessageRef> decode_message(ByteView payload);

// Does a record of this kind hold a message?
bool is_message_stored(std::uint8_t kind);

} // namespace baton::broker::journal
