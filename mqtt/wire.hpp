// The data types of MQTT (MQTT 5.0 §1.5) as bytes. Cursor reads and remembers the first thing that
// went wrong, so that a packet reads all its fields and asks once at the end. Counter and Storer
// have the same verbs, so a packet is written down once: counted first, because its length stands
// in front of it, then stored. Inside this room only.
#pragma once

#include "base/bytes.hpp"
#include "mqtt/packet.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace baton::mqtt {

static_assert(std::endian::native == std::endian::little, "the byte swaps assume little endian");

// §1.5.5: four bytes of seven bits.
constexpr std::uint32_t variable_max = 268'435'455;
constexpr std::size_t variable_bytes_max = 4;

constexpr std::size_t variable_bytes(std::size_t value) {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

struct Variable {
    enum class State : std::uint8_t { whole, cut_off, too_long };
    State state = State::cut_off;
    std::uint32_t value = 0;
    std::size_t bytes = 0;
    // v5 forbids to write 0 as 0x80 0x00 [MQTT-1.5.5-1], 3.1.1 says nothing about it.
    bool is_shortest() const { return bytes == variable_bytes(value); }
};

inline Variable read_variable(ByteView from) {
    Variable variable;
    for (; variable.bytes < variable_bytes_max; ++variable.bytes) {
        if (variable.bytes == from.size()) return variable;
        const auto byte = std::to_integer<std::uint32_t>(from[variable.bytes]);
        variable.value |= (byte & 0x7F) << 7 * variable.bytes;
        if ((byte & 0x80) != 0) continue;
        ++variable.bytes;
        variable.state = Variable::State::whole;
        return variable;
    }
    variable.state = Variable::State::too_long;
    return variable;
}

// §1.5.4: UTF-8, and no U+0000.
bool is_wire_text(std::string_view text);

class Cursor {
public:
    explicit Cursor(ByteView bytes) : rest_(bytes) {}

    ByteView rest() const { return rest_; }
    bool is_empty() const { return rest_.empty(); }
    bool has_failed() const { return what_ != nullptr; }

    ByteView bytes(std::size_t count) {
        if (rest_.size() < count) {
            fail(ReasonCode::malformed_packet, "cut off");
            return {};
        }
        const ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }
    std::uint8_t u8() {
        const ByteView one = bytes(1);
        return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
    }
    std::uint16_t u16() {
        std::uint16_t number = 0;
        if (const ByteView some = bytes(sizeof number); !some.empty())
            std::memcpy(&number, some.data(), sizeof number);
        return __builtin_bswap16(number);
    }
    std::uint32_t u32() {
        std::uint32_t number = 0;
        if (const ByteView some = bytes(sizeof number); !some.empty())
            std::memcpy(&number, some.data(), sizeof number);
        return __builtin_bswap32(number);
    }
    std::uint32_t variable() {
        const Variable variable = read_variable(rest_);
        if (variable.state == Variable::State::cut_off)
            fail(ReasonCode::malformed_packet, "cut off");
        else if (variable.state == Variable::State::too_long)
            fail(ReasonCode::malformed_packet, "a number of more than four bytes");
        else if (!variable.is_shortest())
            fail(ReasonCode::malformed_packet, "a number in more bytes than it needs");
        else
            rest_ = rest_.subspan(variable.bytes);
        return has_failed() ? 0 : variable.value;
    }
    ByteView binary() { return bytes(u16()); }
    std::string_view text() {
        const std::string_view text = as_text(binary());
        if (!is_wire_text(text))
            fail(ReasonCode::malformed_packet, "a text that is not UTF-8, or has U+0000");
        return text;
    }

    // The first one counts. The texts must live for ever.
    void fail(ReasonCode code, const char* what, std::string_view subject = {}) {
        if (has_failed()) return;
        code_ = code;
        what_ = what;
        subject_ = subject;
        rest_ = {};
    }
    // Where it failed, when the one who failed did not know.
    void name_subject(std::string_view subject) {
        if (has_failed() && subject_.empty()) subject_ = subject;
    }
    // What went wrong in a part.
    void take_failure_of(const Cursor& part) {
        if (part.has_failed()) fail(part.code_, part.what_, part.subject_);
    }
    Fault fault(std::string_view packet) const {
        std::string text(packet);
        text += ": ";
        if (!subject_.empty()) text.append(subject_).append(": ");
        return {code_, text += what_};
    }

private:
    ByteView rest_;
    ReasonCode code_ = ReasonCode::malformed_packet;
    const char* what_ = nullptr;
    std::string_view subject_;
};

class Counter {
public:
    std::size_t count() const { return count_; }
    // No text or value was longer than its two bytes of length can say.
    bool is_sayable() const { return is_sayable_; }

    void u8(std::uint8_t) { ++count_; }
    void u16(std::uint16_t) { count_ += 2; }
    void u32(std::uint32_t) { count_ += 4; }
    void variable(std::size_t value) {
        count_ += variable_bytes(value);
        is_sayable_ = is_sayable_ && value <= variable_max;
    }
    void binary(ByteView bytes) {
        count_ += 2 + bytes.size();
        is_sayable_ = is_sayable_ && bytes.size() <= UINT16_MAX;
    }
    void text(std::string_view text) { binary(as_bytes(text)); }

private:
    std::size_t count_ = 0;
    bool is_sayable_ = true;
};

// Into memory that a Counter has measured.
class Storer {
public:
    explicit Storer(std::byte* at) : at_(at) {}

    void u8(std::uint8_t value) { *at_++ = std::byte(value); }
    void u16(std::uint16_t value) {
        value = __builtin_bswap16(value);
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    void u32(std::uint32_t value) {
        value = __builtin_bswap32(value);
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    void variable(std::size_t value) {
        for (; value > 0x7F; value >>= 7)
            u8(static_cast<std::uint8_t>(value | 0x80));
        u8(static_cast<std::uint8_t>(value));
    }
    void raw(ByteView bytes) {
        if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }
    void binary(ByteView bytes) {
        u16(static_cast<std::uint16_t>(bytes.size()));
        raw(bytes);
    }
    void text(std::string_view text) { binary(as_bytes(text)); }

private:
    std::byte* at_;
};

} // namespace baton::mqtt
