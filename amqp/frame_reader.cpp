// Cutting frames out of a byte stream.
#include "amqp/frame_reader.hpp"

#include "amqp/errors.hpp"
#include "amqp/wire.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cstring>

namespace baton::amqp {

namespace {

// A read into less than this would cost a system call for next to nothing.
constexpr std::size_t writable_bytes_min = 4096;

// More than this is not copied to give a chunk away.
constexpr std::size_t kept_aside_bytes_max = 8192;

bool is_frame_type(std::uint8_t type) {
    return type == static_cast<std::uint8_t>(FrameType::method) ||
           type == static_cast<std::uint8_t>(FrameType::header) ||
           type == static_cast<std::uint8_t>(FrameType::body) ||
           type == static_cast<std::uint8_t>(FrameType::heartbeat);
}

} // namespace

// Some clients cut bodies into pieces of frame_max bytes and forget the eight around them; RabbitMQ
// takes those, so they exist.
void FrameReader::set_frame_max(std::uint32_t bytes) {
    frame_limit_ = bytes == 0 ? unlimited_frame_bytes : bytes + frame_overhead_bytes;
}

std::span<std::byte> FrameReader::writable() {
    const std::size_t waiting = pending();
    const std::size_t wanted = std::max(needed_, waiting + 1);
    const bool has_room = parsed_ + wanted <= capacity_ &&
                          capacity_ - filled_ >= std::min(writable_bytes_min, chunk_bytes_ / 4 + 1);
    if (!is_shared_ && wanted <= capacity_ && (waiting == 0 || !has_room)) {
        // Nobody else looks at this chunk: what waits moves to its front.
        if (waiting != 0 && parsed_ != 0)
            std::memmove(chunk_.get(), chunk_.get() + parsed_, waiting);
        parsed_ = 0;
        filled_ = waiting;
    } else if (!has_room) {
        replace_chunk(std::max(wanted, chunk_bytes_));
    }
    return {chunk_.get() + filled_, capacity_ - filled_};
}

void FrameReader::replace_chunk(std::size_t bytes) {
    const std::size_t waiting = pending();
    std::shared_ptr<std::byte[]> fresh = std::make_shared_for_overwrite<std::byte[]>(bytes);
    if (waiting != 0) std::memcpy(fresh.get(), chunk_.get() + parsed_, waiting);
    chunk_ = std::move(fresh);
    capacity_ = bytes;
    parsed_ = 0;
    filled_ = waiting;
    is_shared_ = false;
}

FrameReader::Chunk FrameReader::give_chunk() {
    const std::size_t waiting = pending();
    if (is_shared_ || waiting > kept_aside_bytes_max || capacity_ < chunk_bytes_) return {};
    Chunk chunk{std::move(chunk_), capacity_};
    if (waiting != 0) {
        chunk_ = std::make_shared_for_overwrite<std::byte[]>(waiting);
        std::memcpy(chunk_.get(), chunk.memory.get() + parsed_, waiting);
    }
    capacity_ = filled_ = waiting;
    parsed_ = 0;
    // A larger one was for a single frame.
    if (chunk.bytes > chunk_bytes_) return {};
    return chunk;
}

void FrameReader::take_chunk(Chunk chunk) {
    const std::size_t waiting = pending();
    if (!wants_chunk() || chunk.bytes < std::max(needed_, waiting + 1)) return;
    if (waiting != 0) std::memcpy(chunk.memory.get(), chunk_.get() + parsed_, waiting);
    chunk_ = std::move(chunk.memory);
    capacity_ = chunk.bytes;
    parsed_ = 0;
    filled_ = waiting;
}

std::shared_ptr<const void> FrameReader::owner() {
    is_shared_ = true;
    return chunk_;
}

void FrameReader::written(std::size_t count) {
    BATON_ASSERT(count <= capacity_ - filled_, "more written than there was room");
    filled_ += count;
}

Result<FrameReader::Opening> FrameReader::next_protocol_header() {
    if (failed_) return *failed_;
    const std::size_t there = std::min(pending(), protocol_header.size());
    if (there == 0) return Opening::incomplete;
    if (std::memcmp(chunk_.get() + parsed_, protocol_header.data(), there) != 0) {
        failed_ = Errc::bad_protocol_header;
        return *failed_;
    }
    if (there < protocol_header.size()) return Opening::incomplete;
    parsed_ += there;
    return Opening::complete;
}

Result<std::optional<Frame>> FrameReader::next() {
    if (failed_) return *failed_;
    if (pending() < frame_header_bytes) return std::optional<Frame>();
    const std::byte* start = chunk_.get() + parsed_;
    if (needed_ == 0) {
        const std::size_t total = load_big_endian<std::uint32_t>(start + 3) + frame_overhead_bytes;
        if (!is_frame_type(static_cast<std::uint8_t>(start[0])))
            failed_ = Errc::unknown_frame_type;
        else if (total > frame_limit_)
            failed_ = Errc::frame_too_large;
        if (failed_) return *failed_;
        needed_ = total;
    }
    if (pending() < needed_) return std::optional<Frame>();
    if (start[needed_ - 1] != std::byte{frame_end_octet}) {
        failed_ = Errc::bad_frame_end;
        return *failed_;
    }
    const Frame frame{static_cast<FrameType>(start[0]), load_big_endian<std::uint16_t>(start + 1),
                      ByteView(start + frame_header_bytes, needed_ - frame_overhead_bytes)};
    parsed_ += needed_;
    needed_ = 0;
    return std::optional(frame);
}

} // namespace baton::amqp
