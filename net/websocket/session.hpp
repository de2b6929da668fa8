// The frames of a WebSocket (RFC 6455 §5), the server's side, sans-io. A filter for bytes: what
// comes in is unmasked where it stands, frame heads fall out, and the payloads of data messages
// stay behind one another. Messages have no meaning for the protocols that travel here, so none is
// gathered: whatever a client announces, a session holds less than four hundred bytes.
//
//   head ─→ payload of data ──→ out           ping  ─→ pong is owed (to the last one only)
//     ↑        │                              close ─→ close is owed; the end
//     └────────┴─ control frame in between    against the rules ─→ close with a code is owed; the
//     end
//
// Nothing is taken behind the end. One per connection, on its thread.
#pragma once

#include "base/bytes.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::net::websocket {

enum class CloseCode : std::uint16_t {
    normal = 1000,
    protocol_error = 1002,
    unsupported = 1003, // text where only bytes are spoken
    none = 1005,        // never on the wire: a close without a code
    not_utf8 = 1007,
    too_large = 1009,
};

struct SessionLimits {
    std::uint64_t frame_bytes_max = 0;
    std::uint64_t message_bytes_max = 0; // of all fragments together
    bool takes_text = false;
};

// Is it text so far, in pieces of any size?
class Utf8Check {
public:
    // False: it is not, and stays so.
    bool take(ByteView piece);
    // No character is cut off.
    bool is_whole() const { return missing_ == 0; }

private:
    unsigned missing_ = 0;
    unsigned char least_ = 0x80; // of the next byte
    unsigned char most_ = 0xbf;
};

class Session {
public:
    explicit Session(SessionLimits limits) : limits_(limits) {}

    // Bytes as they came. Returns how many bytes of payload are now at the front of them.
    std::size_t take(std::span<std::byte> bytes);

    // Nothing more is taken: the other side has closed, or broken a rule.
    bool has_ended() const { return has_ended_; }
    // Which rule; empty: none.
    std::string_view complaint() const { return complaint_; }
    // What the other side gave as its reason to close; nothing: it has not.
    std::optional<CloseCode> closed_with() const { return closed_with_; }

    // Frames that have to be said, between two of ours.
    bool owes() const { return owes_ping_ || pong_ || close_; }
    void pay(std::vector<std::byte>& out);
    // Has the other side anything to say still?
    void ping() { owes_ping_ = true; }
    // No data may be said behind it. The second time it changes nothing.
    void close(CloseCode code);

    // The head of a message of bytes that is one frame. Returns its length.
    static constexpr std::size_t head_bytes_max = 10;
    static std::size_t write_head(std::span<std::byte, head_bytes_max> head, std::uint64_t bytes);

private:
    enum class Opcode : std::uint8_t {
        continuation = 0,
        text = 1,
        binary = 2,
        close = 8,
        ping = 9,
        pong = 10,
    };
    struct Control {
        std::array<std::byte, 125> bytes;
        std::size_t size = 0;
        ByteView view() const { return ByteView(bytes).first(size); }
    };

    std::size_t head_bytes() const;
    bool check_beginning();
    bool begin_frame();
    bool take_payload(ByteView from, std::byte* to);
    bool end_frame();
    bool end_close();
    bool violate(CloseCode code, std::string_view what);

    SessionLimits limits_;
    std::array<std::byte, 14> head_;
    std::size_t head_size_ = 0; // of it, so many are there
    bool is_in_payload_ = false;
    Opcode opcode_ = Opcode::continuation; // of the frame at hand
    bool is_final_ = false;
    std::uint64_t left_ = 0; // bytes of its payload to come
    std::array<std::byte, 4> mask_;
    unsigned mask_at_ = 0;
    bool is_in_message_ = false; // between its first and its last fragment
    bool is_text_ = false;
    std::uint64_t message_bytes_ = 0;
    Utf8Check utf8_;
    Control control_; // the control frame at hand
    std::optional<Control> pong_;
    std::optional<CloseCode> close_;
    bool owes_ping_ = false;
    bool has_closed_ = false; // ours is said or owed
    bool has_ended_ = false;
    std::optional<CloseCode> closed_with_;
    std::string_view complaint_;
};

} // namespace baton::net::websocket
