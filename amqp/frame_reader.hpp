// Bytes in pieces of any size become whole frames. The reader owns the memory that a socket reads
// into, in chunks that are counted: whoever wants to keep a payload longer than until the next
// writable() holds on to owner() (SharedBytes::part_of), and the reader goes on in a new chunk.
//
//   const auto space = reader.writable();
//   reader.written(co_await socket.read_some(space));
//   while (true) { frame = reader.next(); ... }
//
// One per connection, on its thread. After an error it stays failed: the stream has no structure
// any more.
#pragma once

#include "amqp/frame.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace baton::amqp {

class FrameReader {
public:
    // A frame larger than a chunk gets a chunk of its own size.
    explicit FrameReader(std::size_t chunk_bytes = 64 * 1024) : chunk_bytes_(chunk_bytes) {}

    // The limit for whole frames; 0 is none, but see unlimited_frame_bytes. At the start it is
    // frame_bytes_min, as before tuning.
    void set_frame_max(std::uint32_t bytes);

    // Free memory to read into, never empty. Frames handed out before are invalid afterwards,
    // unless owner() was kept.
    std::span<std::byte> writable();
    // The first `count` bytes of what writable() gave are filled now.
    void written(std::size_t count);

    // The eight bytes that open a connection, to be asked before the first next(). Error
    // bad_protocol_header as soon as a byte differs.
    enum class Opening { incomplete, complete };
    Result<Opening> next_protocol_header();

    // The next whole frame, or nothing while incomplete. Errors, as soon as they can be seen:
    // unknown_frame_type, frame_too_large, bad_frame_end.
    Result<std::optional<Frame>> next();

    // The frame next() gave last is not for now: it gives it again. Before anything else is called.
    void put_back(const Frame& frame) { parsed_ -= frame.payload.size() + frame_overhead_bytes; }

    // Keeps the memory of the frames handed out since the last writable(). From the first call on
    // the chunk is filled to its end and then replaced, never written again: other threads may read
    // it.
    std::shared_ptr<const void> owner();
    // A chunk that one reader does not need between two reads and another one can fill: thousands
    // of connections share a few.
    struct Chunk {
        std::shared_ptr<std::byte[]> memory;
        std::size_t bytes = 0;
    };
    // Gives the chunk away. What waits for the rest of its frame is kept in memory of its own, so
    // frames handed out before are invalid afterwards. Empty: there is none, somebody keeps it by
    // owner(), or too much waits to be worth a copy.
    Chunk give_chunk();
    // For a reader that wants to read again: without it, writable() allocates.
    void take_chunk(Chunk chunk);
    bool wants_chunk() const { return capacity_ < chunk_bytes_; }

    // The memory it has for itself.
    std::size_t held_bytes() const { return capacity_; }

    // Bytes that wait for the rest of their frame.
    std::size_t pending() const { return filled_ - parsed_; }

    // Even without a negotiated limit no frame may be larger than this.
    static constexpr std::size_t unlimited_frame_bytes = 256u << 20;

private:
    void replace_chunk(std::size_t bytes);

    std::size_t frame_limit_ = frame_bytes_min;
    std::size_t chunk_bytes_;
    std::shared_ptr<std::byte[]> chunk_;
    std::size_t capacity_ = 0;
    std::size_t parsed_ = 0;
    std::size_t filled_ = 0;
    // What the frame that begins at parsed_ needs in total, once its header is there.
    std::size_t needed_ = 0;
    bool is_shared_ = false;
    std::optional<ErrorCode> failed_;
};

} // namespace baton::amqp
