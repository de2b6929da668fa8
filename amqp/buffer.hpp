// Bytes on their way out: grows at the end, shrinks at the front, never zeroes what is about to be
// overwritten. Owned by one connection, on its thread.
#pragma once

#include "base/assert.hpp"
#include "base/bytes.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace baton::amqp {

class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        Buffer taken(std::move(other));
        swap(taken);
        return *this;
    }

    std::size_t size() const { return end_ - begin_; }
    bool empty() const { return begin_ == end_; }
    const std::byte* data() const { return memory_.get() + begin_; }
    ByteView view() const { return {data(), size()}; }
    std::string_view text() const { return as_text(view()); }
    std::size_t capacity() const { return capacity_; }

    // Room for `count` bytes at the end, already counted in size(), with undefined content. The
    // pointer is valid until the buffer changes again.
    std::byte* extend(std::size_t count) {
        if (capacity_ - end_ < count) make_room(count);
        std::byte* place = memory_.get() + end_;
        end_ += count;
        return place;
    }

    void append(ByteView bytes) {
        if (bytes.empty()) return;
        std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
    }
    void append(std::string_view text) { append(as_bytes(text)); }

    // The byte at `offset` from the front, to patch a length written earlier.
    std::byte* at(std::size_t offset) { return memory_.get() + begin_ + offset; }

    void discard_front(std::size_t count) {
        BATON_ASSERT(count <= size(), "cannot discard more than there is");
        begin_ += count;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    // Forgets what was appended after the buffer had this size.
    void truncate(std::size_t size_then) {
        BATON_ASSERT(size_then <= size(), "truncate only shrinks");
        end_ = begin_ + size_then;
    }
    // Keeps the memory.
    void clear() { begin_ = end_ = 0; }
    void reserve(std::size_t bytes) {
        if (capacity_ - end_ < bytes) make_room(bytes);
    }

    void swap(Buffer& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(capacity_, other.capacity_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
    }

private:
    void make_room(std::size_t count) {
        const std::size_t used = size();
        const std::size_t wanted = std::max({used + count, capacity_ * 2, std::size_t{256}});
        auto bigger = std::make_unique_for_overwrite<std::byte[]>(wanted);
        if (used != 0) std::memcpy(bigger.get(), data(), used);
        memory_ = std::move(bigger);
        capacity_ = wanted;
        begin_ = 0;
        end_ = used;
    }

    std::unique_ptr<std::byte[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace baton::amqp
