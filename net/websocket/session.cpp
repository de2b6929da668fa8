#include "net/websocket/session.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace baton::net::websocket {
namespace {

constexpr std::size_t control_bytes_max = 125;
constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t reserved_bits = 0x70;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t length_in_two = 126;
constexpr std::uint8_t length_in_eight = 127;

std::uint8_t number(std::byte byte) {
    return std::to_integer<std::uint8_t>(byte);
}

std::uint64_t big_endian(ByteView bytes) {
    std::uint64_t value = 0;
    for (const std::byte byte : bytes)
        value = value << 8 | number(byte);
    return value;
}

// `to` is not behind `from`, so what is overwritten has been read.
void unmask(const std::byte* from, std::byte* to, std::size_t count,
            std::array<std::byte, 4> mask) {
    std::array<std::byte, 8> twice;
    for (std::size_t i = 0; i < twice.size(); ++i)
        twice[i] = mask[i % mask.size()];
    std::uint64_t key = 0;
    std::memcpy(&key, twice.data(), sizeof key);
    std::size_t at = 0;
    for (; count - at >= sizeof key; at += sizeof key) {
        std::uint64_t word = 0;
        std::memcpy(&word, from + at, sizeof word);
        word ^= key;
        std::memcpy(to + at, &word, sizeof word);
    }
    for (; at < count; ++at)
        to[at] = from[at] ^ twice[at % twice.size()];
}

// §7.4: those that may stand in a frame.
bool may_close_with(std::uint64_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

void append_control(std::vector<std::byte>& out, std::uint8_t opcode, ByteView payload) {
    out.push_back(std::byte(final_bit | opcode));
    out.push_back(std::byte(payload.size()));
    out.insert(out.end(), payload.begin(), payload.end());
}

} // namespace

bool Utf8Check::take(ByteView piece) {
    for (const std::byte one : piece) {
        const unsigned char byte = number(one);
        if (missing_ != 0) {
            if (byte < least_ || byte > most_) return false;
            --missing_;
            least_ = 0x80;
            most_ = 0xbf;
            continue;
        }
        if (byte < 0x80) continue;
        if (byte < 0xc2 || byte > 0xf4) return false;
        missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        // No second spelling of short characters, no surrogates, nothing beyond U+10FFFF.
        if (byte == 0xe0) least_ = 0xa0;
        if (byte == 0xed) most_ = 0x9f;
        if (byte == 0xf0) least_ = 0x90;
        if (byte == 0xf4) most_ = 0x8f;
    }
    return true;
}

std::size_t Session::take(std::span<std::byte> bytes) {
    std::size_t in = 0;
    std::size_t out = 0;
    while (!has_ended_ && in < bytes.size()) {
        if (!is_in_payload_) {
            head_[head_size_++] = bytes[in++];
            // Wrong is wrong at the second byte, however long the announced length is.
            if (head_size_ == 2 && !check_beginning()) break;
            if (head_size_ < head_bytes()) continue;
            if (!begin_frame()) break;
        } else {
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - in));
            const bool is_data = opcode_ < Opcode::close;
            std::byte* const to =
                is_data ? bytes.data() + out : control_.bytes.data() + control_.size;
            if (!take_payload(bytes.subspan(in, count), to)) break;
            in += count;
            if (is_data) out += count;
        }
        if (left_ == 0 && !end_frame()) break;
    }
    return out;
}

std::size_t Session::head_bytes() const {
    if (head_size_ < 2) return 2;
    const std::uint8_t length = number(head_[1]) & ~mask_bit;
    return 2 + (length == length_in_two ? 2 : length == length_in_eight ? 8 : 0) + mask_.size();
}

bool Session::check_beginning() {
    const std::uint8_t first = number(head_[0]);
    const std::uint8_t second = number(head_[1]);
    if ((first & reserved_bits) != 0)
        return violate(CloseCode::protocol_error,
                       "a reserved bit is set, and no extension was agreed on");
    is_final_ = (first & final_bit) != 0;
    switch (first & 0x0f) {
    case 0:
        if (!is_in_message_)
            return violate(CloseCode::protocol_error,
                           "a fragment goes on where no message has begun");
        opcode_ = Opcode::continuation;
        break;
    case 1:
    case 2:
        if (is_in_message_)
            return violate(CloseCode::protocol_error, "a message begins inside another one");
        opcode_ = (first & 0x0f) == 1 ? Opcode::text : Opcode::binary;
        if (opcode_ == Opcode::text && !limits_.takes_text)
            return violate(CloseCode::unsupported,
                           "a message of text, where only bytes are spoken");
        break;
    case 8:
        opcode_ = Opcode::close;
        break;
    case 9:
        opcode_ = Opcode::ping;
        break;
    case 10:
        opcode_ = Opcode::pong;
        break;
    default:
        return violate(CloseCode::protocol_error, "a reserved opcode");
    }
    if ((second & mask_bit) == 0)
        return violate(CloseCode::protocol_error, "a frame of a client that is not masked");
    if (opcode_ >= Opcode::close && (!is_final_ || (second & ~mask_bit) > control_bytes_max))
        return violate(CloseCode::protocol_error,
                       "a control frame in fragments, or longer than 125 bytes");
    return true;
}

bool Session::begin_frame() {
    const std::uint8_t length = number(head_[1]) & ~mask_bit;
    const std::size_t mask_begins = head_size_ - mask_.size();
    left_ = length;
    if (length >= length_in_two) left_ = big_endian(ByteView(head_).subspan(2, mask_begins - 2));
    if ((length == length_in_two && left_ < length_in_two) ||
        (length == length_in_eight && (left_ <= UINT16_MAX || left_ >> 63 != 0)))
        return violate(CloseCode::protocol_error,
                       "a length that is not written in the shortest way, or negative");
    std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(mask_begins), mask_.size(),
                mask_.begin());
    mask_at_ = 0;
    head_size_ = 0;
    is_in_payload_ = true;
    control_.size = 0;
    if (opcode_ >= Opcode::close) return true;
    if (opcode_ != Opcode::continuation) {
        is_in_message_ = true;
        is_text_ = opcode_ == Opcode::text;
        message_bytes_ = 0;
        utf8_ = {};
    }
    if (left_ > limits_.frame_bytes_max)
        return violate(CloseCode::too_large, "a frame larger than is taken");
    if (left_ > limits_.message_bytes_max - message_bytes_)
        return violate(CloseCode::too_large, "a message larger than is taken");
    message_bytes_ += left_;
    return true;
}

bool Session::take_payload(ByteView from, std::byte* to) {
    std::array<std::byte, 4> mask = mask_;
    std::ranges::rotate(mask, mask.begin() + mask_at_);
    unmask(from.data(), to, from.size(), mask);
    mask_at_ = static_cast<unsigned>((mask_at_ + from.size()) % mask_.size());
    left_ -= from.size();
    if (opcode_ >= Opcode::close)
        control_.size += from.size();
    else if (is_text_ && !utf8_.take({to, from.size()}))
        return violate(CloseCode::not_utf8, "a message of text that is not UTF-8");
    return true;
}

bool Session::end_frame() {
    is_in_payload_ = false;
    if (opcode_ == Opcode::close) return end_close();
    // The last one is enough (§5.5.3), so a flood of them takes no memory.
    if (opcode_ == Opcode::ping) pong_ = control_;
    if (opcode_ >= Opcode::close || !is_final_) return true;
    is_in_message_ = false;
    if (is_text_ && !utf8_.is_whole())
        return violate(CloseCode::not_utf8, "a message of text ends inside a character");
    return true;
}

bool Session::end_close() {
    if (control_.size == 0) {
        closed_with_ = CloseCode::none;
    } else {
        if (control_.size == 1)
            return violate(CloseCode::protocol_error, "half a code to close with");
        const std::uint64_t code = big_endian(control_.view().first(2));
        if (!may_close_with(code))
            return violate(CloseCode::protocol_error, "a code to close with that nobody may send");
        Utf8Check reason;
        if (!reason.take(control_.view().subspan(2)) || !reason.is_whole())
            return violate(CloseCode::not_utf8, "a reason to close that is not UTF-8");
        closed_with_ = static_cast<CloseCode>(code);
    }
    close(*closed_with_);
    has_ended_ = true;
    return false;
}

bool Session::violate(CloseCode code, std::string_view what) {
    complaint_ = what;
    close(code);
    has_ended_ = true;
    return false;
}

void Session::close(CloseCode code) {
    if (has_closed_) return;
    has_closed_ = true;
    close_ = code;
    pong_.reset();
    owes_ping_ = false;
}

void Session::pay(std::vector<std::byte>& out) {
    if (pong_) append_control(out, static_cast<std::uint8_t>(Opcode::pong), pong_->view());
    if (owes_ping_) append_control(out, static_cast<std::uint8_t>(Opcode::ping), {});
    if (close_) {
        const auto code = static_cast<std::uint16_t>(*close_);
        const std::array<std::byte, 2> bytes{std::byte(code >> 8), std::byte(code & 0xff)};
        const ByteView payload = *close_ == CloseCode::none ? ByteView() : ByteView(bytes);
        append_control(out, static_cast<std::uint8_t>(Opcode::close), payload);
    }
    pong_.reset();
    owes_ping_ = false;
    close_.reset();
}

std::size_t Session::write_head(std::span<std::byte, head_bytes_max> head, std::uint64_t bytes) {
    head[0] = std::byte(final_bit | static_cast<std::uint8_t>(Opcode::binary));
    std::size_t extra = 0;
    if (bytes < length_in_two) {
        head[1] = std::byte(bytes);
    } else {
        extra = bytes <= UINT16_MAX ? 2 : 8;
        head[1] = std::byte(extra == 2 ? length_in_two : length_in_eight);
    }
    for (std::size_t i = 0; i < extra; ++i)
        head[2 + i] = std::byte(bytes >> 8 * (extra - 1 - i) & 0xff);
    return 2 + extra;
}

} // namespace baton::net::websocket
