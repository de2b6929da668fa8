// Bytes as Baton passes them around. ByteView looks at bytes somebody else owns. SharedBytes owns an
// immutable piece of memory together with others: a message body is read from the socket once and
// the very same memory is stored, journalled and sent. Safe to share between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace baton {

using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class SharedBytes {
public:
    SharedBytes() = default;

    // One allocation, one copy.
    static SharedBytes copy_of(ByteView bytes) {
        if (bytes.empty()) return {};
        auto memory = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
        std::memcpy(memory.get(), bytes.data(), bytes.size());
        ByteView view{memory.get(), bytes.size()};
        return {std::shared_ptr<const void>(std::move(memory)), view};
    }
    static SharedBytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }

    // Shares part of a larger piece, for example a read buffer; `view` must lie inside what
    // `owner` keeps alive.
    static SharedBytes part_of(std::shared_ptr<const void> owner, ByteView view) {
        return {std::move(owner), view};
    }

    ByteView view() const { return view_; }
    std::string_view text() const { return as_text(view_); }
    const std::byte* data() const { return view_.data(); }
    std::size_t size() const { return view_.size(); }
    bool empty() const { return view_.empty(); }

    friend bool operator==(const SharedBytes& a, const SharedBytes& b) {
        return a.text() == b.text();
    }

private:
    SharedBytes(std::shared_ptr<const void> owner, ByteView view)
        : owner_(std::move(owner)), view_(view) {}

    std::shared_ptr<const void> owner_;
    ByteView view_;
};

} // namespace baton
