// AMQP's basic types (§4.2.5) as bytes, big-endian. Reader and Writer remember the first thing that
// went wrong and then do nothing, so a decoder reads all fields and asks once at the end.
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/errors.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace baton::amqp {

template <std::unsigned_integral Number>
Number load_big_endian(const std::byte* bytes) {
    Number number;
    std::memcpy(&number, bytes, sizeof number);
    if constexpr (sizeof number == 2) number = static_cast<Number>(__builtin_bswap16(number));
    if constexpr (sizeof number == 4) number = __builtin_bswap32(number);
    if constexpr (sizeof number == 8) number = __builtin_bswap64(number);
    return number;
}

template <std::unsigned_integral Number>
void store_big_endian(std::byte* bytes, Number number) {
    if constexpr (sizeof number == 2) number = static_cast<Number>(__builtin_bswap16(number));
    if constexpr (sizeof number == 4) number = __builtin_bswap32(number);
    if constexpr (sizeof number == 8) number = __builtin_bswap64(number);
    std::memcpy(bytes, &number, sizeof number);
}
static_assert(std::endian::native == std::endian::little, "the byte swaps assume little endian");

// Looks at bytes somebody else owns; strings it returns are views into them. After a failure every
// read answers zero or empty.
class Reader {
public:
    explicit Reader(ByteView bytes) : rest_(bytes) {}

    std::uint8_t u8() { return number<std::uint8_t>(); }
    std::uint16_t u16() { return number<std::uint16_t>(); }
    std::uint32_t u32() { return number<std::uint32_t>(); }
    std::uint64_t u64() { return number<std::uint64_t>(); }

    ByteView bytes(std::size_t count) {
        if (rest_.size() < count) {
            fail(Errc::truncated);
            return {};
        }
        const ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }
    std::string_view short_string() { return as_text(bytes(u8())); }
    std::string_view long_string() { return as_text(bytes(u32())); }

    ByteView rest() const { return rest_; }
    bool empty() const { return rest_.empty(); }

    // The first failure stays.
    void fail(Errc why) {
        if (!error_) error_ = why;
        rest_ = {};
    }
    bool failed() const { return error_.has_value(); }

    Status status() const {
        if (error_) return ErrorCode(*error_);
        return {};
    }
    // The same, and nothing may be left.
    Status finish() const {
        if (error_) return ErrorCode(*error_);
        if (!rest_.empty()) return ErrorCode(Errc::trailing_bytes);
        return {};
    }

private:
    template <std::unsigned_integral Number>
    Number number() {
        const ByteView taken = bytes(sizeof(Number));
        return taken.empty() ? Number{0} : load_big_endian<Number>(taken.data());
    }

    ByteView rest_;
    std::optional<Errc> error_;
};

// Appends to a buffer that outlives it. After a failure it writes nothing more; the caller
// truncates the buffer to where it began.
class Writer {
public:
    explicit Writer(Buffer& out) : out_(out) {}

    void u8(std::uint8_t number) { put(number); }
    void u16(std::uint16_t number) { put(number); }
    void u32(std::uint32_t number) { put(number); }
    void u64(std::uint64_t number) { put(number); }
    void bytes(ByteView content) {
        if (!error_) out_.append(content);
    }
    void short_string(std::string_view text) {
        if (text.size() > 255) return fail(Errc::short_string_too_long);
        u8(static_cast<std::uint8_t>(text.size()));
        bytes(as_bytes(text));
    }
    void long_string(std::string_view text) {
        if (text.size() > UINT32_MAX) return fail(Errc::value_too_large);
        u32(static_cast<std::uint32_t>(text.size()));
        bytes(as_bytes(text));
    }

    // A four-byte length in front of something whose size is known only afterwards.
    std::size_t begin_length() {
        const std::size_t place = out_.size();
        u32(0);
        return place;
    }
    void end_length(std::size_t place) {
        if (error_) return;
        const std::size_t length = out_.size() - place - 4;
        if (length > UINT32_MAX) return fail(Errc::value_too_large);
        store_big_endian(out_.at(place), static_cast<std::uint32_t>(length));
    }

    void fail(Errc why) {
        if (!error_) error_ = why;
    }
    Status status() const {
        if (error_) return ErrorCode(*error_);
        return {};
    }

private:
    template <std::unsigned_integral Number>
    void put(Number number) {
        if (!error_) store_big_endian(out_.extend(sizeof number), number);
    }

    Buffer& out_;
    std::optional<Errc> error_;
};

} // namespace baton::amqp
