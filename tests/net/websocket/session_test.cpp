#include "net/websocket/session.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace baton::net::websocket {
namespace {

using namespace std::string_literals;

constexpr std::string_view usual_mask = "\x37\xfa\x21\x3d";

// A client's frame, as this test and not the session understands §5.2.
std::string frame_of(std::uint8_t first, std::string_view payload,
                     std::string_view mask = usual_mask) {
    std::string out(1, static_cast<char>(first));
    if (payload.size() < 126) {
        out.push_back(static_cast<char>(0x80 | payload.size()));
    } else if (payload.size() < 65536) {
        out.push_back('\xfe');
        for (int shift = 8; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(payload.size() >> shift));
    } else {
        out.push_back('\xff');
        for (int shift = 56; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(payload.size() >> shift));
    }
    out += mask;
    for (std::size_t i = 0; i < payload.size(); ++i)
        out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
    return out;
}

std::string binary(std::string_view payload) {
    return frame_of(0x82, payload);
}
std::string text(std::string_view payload) {
    return frame_of(0x81, payload);
}
std::string ping(std::string_view payload) {
    return frame_of(0x89, payload);
}
std::string close_of(std::uint16_t code, std::string_view reason = {}) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    payload += reason;
    return frame_of(0x88, payload);
}

// What a session made of what was sent to it.
struct Outcome {
    std::string payload;
    std::string said; // after each piece, as somebody with an empty socket would say it
    bool has_ended = false;
    std::string complaint;
    bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << testing::PrintToString(outcome.payload) << " said "
               << testing::PrintToString(outcome.said) << " ended " << outcome.has_ended << " "
               << outcome.complaint;
}

SessionLimits roomy() {
    return {.frame_bytes_max = 1 << 20, .message_bytes_max = 1 << 21, .takes_text = true};
}

// Pieces of `piece` bytes; 0: all at once.
Outcome take(const std::string& sent, std::size_t piece = 0, SessionLimits limits = roomy()) {
    Session session(limits);
    Outcome outcome;
    if (piece == 0) piece = std::max<std::size_t>(sent.size(), 1);
    for (std::size_t at = 0; at < sent.size(); at += piece) {
        std::string some = sent.substr(at, piece);
        const std::size_t got =
            session.take({reinterpret_cast<std::byte*>(some.data()), some.size()});
        outcome.payload += some.substr(0, got);
        std::vector<std::byte> said;
        if (session.owes()) session.pay(said);
        EXPECT_FALSE(session.owes());
        outcome.said += as_text(said);
    }
    outcome.has_ended = session.has_ended();
    outcome.complaint = session.complaint();
    return outcome;
}

std::string closing(CloseCode code) {
    const auto number = static_cast<std::uint16_t>(code);
    return {'\x88', '\x02', static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

void expect_refused(const std::string& sent, CloseCode code, std::string_view complaint,
                    SessionLimits limits = roomy()) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
        const Outcome outcome = take(sent, piece, limits);
        EXPECT_TRUE(outcome.has_ended);
        EXPECT_EQ(outcome.said, closing(code)) << outcome;
        EXPECT_NE(outcome.complaint.find(complaint), std::string::npos) << outcome;
    }
}

// The examples of §5.7, those that a client sends.
TEST(WebSocketSession, TakesTheExamplesOfTheStandard) {
    EXPECT_EQ(take("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s).payload, "Hello");
    const Outcome pong = take("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s);
    EXPECT_EQ(pong.payload, "");
    EXPECT_EQ(pong.said, "");
    EXPECT_FALSE(pong.has_ended);
    // A ping with "Hello" is answered by the unmasked pong of the same section, but for its opcode.
    EXPECT_EQ(take("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s).said,
              "\x8a\x05\x48\x65\x6c\x6c\x6f"s);
    // The unmasked ones are a server's.
    expect_refused("\x81\x05\x48\x65\x6c\x6c\x6f"s, CloseCode::protocol_error, "not masked");
    EXPECT_EQ(take(frame_of(0x01, "Hel") + frame_of(0x80, "lo")).payload, "Hello");
    EXPECT_EQ(take(binary(std::string(256, 'x'))).payload, std::string(256, 'x'));
    EXPECT_EQ(take(binary(std::string(65536, 'x'))).payload, std::string(65536, 'x'));
}

TEST(WebSocketSession, WritesHeadsAsTheStandardDoes) {
    const auto head_of = [](std::uint64_t bytes) {
        std::array<std::byte, Session::head_bytes_max> head;
        const std::size_t count = Session::write_head(head, bytes);
        return std::string(as_text(ByteView(head).first(count)));
    };
    EXPECT_EQ(head_of(0), "\x82\x00"s);
    EXPECT_EQ(head_of(125), "\x82\x7d"s);
    EXPECT_EQ(head_of(126), "\x82\x7e\x00\x7e"s);
    EXPECT_EQ(head_of(256), "\x82\x7E\x01\x00"s);
    EXPECT_EQ(head_of(65535), "\x82\x7e\xff\xff"s);
    EXPECT_EQ(head_of(65536), "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(WebSocketSession, UnmasksEachLengthAtEachPlace) {
    for (std::size_t size = 0; size < 40; ++size) {
        std::string payload;
        for (std::size_t i = 0; i < size; ++i)
            payload.push_back(static_cast<char>(i * 7));
        for (std::size_t piece = 1; piece < 30; ++piece)
            EXPECT_EQ(take(binary(payload) + binary("end"), piece).payload, payload + "end")
                << size << " " << piece;
    }
}

TEST(WebSocketSession, RefusesAFrameThatIsNotMasked) {
    expect_refused("\x82\x00"s, CloseCode::protocol_error, "not masked");
}

TEST(WebSocketSession, RefusesReservedBits) {
    for (const int bit : {0x40, 0x20, 0x10})
        expect_refused(frame_of(static_cast<std::uint8_t>(0x82 | bit), "x"),
                       CloseCode::protocol_error, "reserved bit");
}

TEST(WebSocketSession, RefusesReservedOpcodes) {
    for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
        expect_refused(frame_of(static_cast<std::uint8_t>(0x80 | opcode), ""),
                       CloseCode::protocol_error, "reserved opcode");
}

TEST(WebSocketSession, RefusesLengthsThatAreNotTheShortest) {
    expect_refused("\x82\xfe\x00\x7d"s + std::string(usual_mask), CloseCode::protocol_error,
                   "shortest");
    expect_refused("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"s + std::string(usual_mask),
                   CloseCode::protocol_error, "shortest");
    expect_refused("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"s + std::string(usual_mask),
                   CloseCode::protocol_error, "negative");
}

TEST(WebSocketSession, ControlFramesComeBetweenFragments) {
    const Outcome outcome = take(frame_of(0x02, "one ") + ping("a") + frame_of(0x00, "two ") +
                                 frame_of(0x8a, "b") + frame_of(0x80, "three"));
    EXPECT_EQ(outcome.payload, "one two three");
    EXPECT_EQ(outcome.said, "\x8a\x01"
                            "a"s);
    EXPECT_FALSE(outcome.has_ended);
}

TEST(WebSocketSession, FragmentsMayBeEmpty) {
    EXPECT_EQ(
        take(frame_of(0x02, "") + frame_of(0x00, "") + frame_of(0x80, "") + binary("x")).payload,
        "x");
}

TEST(WebSocketSession, RefusesControlFramesInFragmentsOrTooLong) {
    expect_refused(frame_of(0x09, "x"), CloseCode::protocol_error, "in fragments");
    expect_refused(ping(std::string(126, 'x')), CloseCode::protocol_error, "longer than 125");
    EXPECT_FALSE(take(ping(std::string(125, 'x'))).has_ended);
}

TEST(WebSocketSession, RefusesMessagesInsideMessages) {
    expect_refused(frame_of(0x02, "one") + binary("two"), CloseCode::protocol_error,
                   "inside another");
    expect_refused(frame_of(0x01, "one") + text("two"), CloseCode::protocol_error,
                   "inside another");
}

TEST(WebSocketSession, RefusesAFragmentOfNothing) {
    expect_refused(frame_of(0x80, "x"), CloseCode::protocol_error, "no message has begun");
    expect_refused(binary("x") + frame_of(0x80, "y"), CloseCode::protocol_error,
                   "no message has begun");
}

TEST(WebSocketSession, RefusesTextWhereOnlyBytesAreSpoken) {
    auto limits = roomy();
    limits.takes_text = false;
    expect_refused(text("hello"), CloseCode::unsupported, "only bytes", limits);
}

TEST(WebSocketSession, BoundsFramesAndMessages) {
    const SessionLimits limits{.frame_bytes_max = 10, .message_bytes_max = 15, .takes_text = true};
    EXPECT_EQ(take(binary("0123456789"), 0, limits).payload, "0123456789");
    expect_refused(binary("0123456789a"), CloseCode::too_large, "a frame larger", limits);
    EXPECT_EQ(take(frame_of(0x02, "0123456789") + frame_of(0x80, "abcde") + binary("0123456789"), 0,
                   limits)
                  .payload,
              "0123456789abcde0123456789");
    expect_refused(frame_of(0x02, "0123456789") + frame_of(0x80, "abcdef"), CloseCode::too_large,
                   "a message larger", limits);
    // It is known before a byte of it is there.
    expect_refused("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s + std::string(usual_mask),
                   CloseCode::too_large, "a frame larger", limits);
}

TEST(WebSocketSession, AnswersTheLastPing) {
    EXPECT_EQ(take(ping("one") + ping("two")).said, "\x8a\x03two"s);
    EXPECT_EQ(take(ping("one") + ping("two"), 9).said,
              "\x8a\x03one\x8a\x03two"s); // each frame is nine bytes long
}

TEST(WebSocketSession, AnswersACloseWithItsCode) {
    const Outcome outcome = take(binary("x") + close_of(1000, "bye") + binary("never looked at"));
    EXPECT_EQ(outcome.payload, "x");
    EXPECT_EQ(outcome.said, closing(CloseCode::normal));
    EXPECT_TRUE(outcome.has_ended);
    EXPECT_EQ(outcome.complaint, "");
    EXPECT_EQ(take(frame_of(0x88, "")).said, "\x88\x00"s);
    for (const int code : {1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999})
        EXPECT_EQ(take(close_of(static_cast<std::uint16_t>(code))).said,
                  closing(static_cast<CloseCode>(code)));
}

TEST(WebSocketSession, RefusesCodesThatNobodyMaySend) {
    for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000, 65535})
        expect_refused(close_of(static_cast<std::uint16_t>(code)), CloseCode::protocol_error,
                       "nobody may send");
    expect_refused(frame_of(0x88, "x"), CloseCode::protocol_error, "half a code");
    expect_refused(close_of(1000, "\xff"), CloseCode::not_utf8, "not UTF-8");
    expect_refused(close_of(1000, "\xc3"), CloseCode::not_utf8, "not UTF-8");
}

TEST(WebSocketSession, SaysOneCloseOnly) {
    Session session(roomy());
    session.ping();
    session.close(CloseCode::normal);
    session.close(CloseCode::too_large);
    std::string answer = close_of(1000);
    (void)session.take({reinterpret_cast<std::byte*>(answer.data()), answer.size()});
    std::vector<std::byte> said;
    session.pay(said);

    EXPECT_EQ(as_text(said), closing(CloseCode::normal));
    EXPECT_TRUE(session.has_ended());
    EXPECT_EQ(session.closed_with(), CloseCode::normal);
}

TEST(WebSocketSession, PingsWhenItIsAsked) {
    Session session(roomy());
    session.ping();
    session.ping();
    std::vector<std::byte> said;
    session.pay(said);
    EXPECT_EQ(as_text(said), "\x89\x00"s);
}

TEST(WebSocketSession, ChecksTextAcrossFragments) {
    const std::string whole =
        "h\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xbb\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        const Outcome outcome =
            take(frame_of(0x01, whole.substr(0, cut)) + frame_of(0x80, whole.substr(cut)), 3);
        EXPECT_EQ(outcome.payload, whole);
        EXPECT_FALSE(outcome.has_ended);
    }
    for (const std::string& wrong :
         {"\x80"s, "\xc0\xaf"s, "\xc1\x80"s, "\xe0\x9f\xbf"s, "\xed\xa0\x80"s, "\xf0\x8f\xbf\xbf"s,
          "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "\xc3\x28"s, "\xe2\x82\x28"s}) {
        for (std::size_t cut = 0; cut <= wrong.size(); ++cut)
            expect_refused(frame_of(0x01, "so far " + wrong.substr(0, cut)) +
                               frame_of(0x80, wrong.substr(cut)),
                           CloseCode::not_utf8, "not UTF-8");
        // Bytes may be anything.
        EXPECT_EQ(take(binary(wrong)).payload, wrong);
    }
    for (const std::string& cut_off : {"\xc3"s, "\xe2\x82"s, "\xf0\x9f\x8e"s})
        expect_refused(text(cut_off), CloseCode::not_utf8, "inside a character");
}

// A story of everything, cut at every byte and in pieces of every size, is the same story.
TEST(WebSocketSession, CutsMakeNoDifference) {
    const std::string story = binary("AMQP\0\0\x09\x01"s) + frame_of(0x02, "one") + ping("p") +
                              frame_of(0x00, std::string(200, 'y')) + frame_of(0x80, "") +
                              text("\xe2\x82\xac") + binary(std::string(70000, 'z')) + ping("") +
                              close_of(4000, "end");
    const Outcome whole = take(story);
    ASSERT_TRUE(whole.has_ended);
    ASSERT_EQ(whole.complaint, "");
    // Of several pings in one piece the last is answered: what is said differs, but by pongs.
    for (std::size_t cut = 1; cut < story.size();
         cut += cut < 400 || cut + 60 > story.size() ? 1 : 997) {
        Session session(roomy());
        std::string payload;
        for (std::string some : {story.substr(0, cut), story.substr(cut)}) {
            const std::size_t got =
                session.take({reinterpret_cast<std::byte*>(some.data()), some.size()});
            payload += some.substr(0, got);
        }
        EXPECT_EQ(payload, whole.payload) << cut;
        EXPECT_EQ(session.closed_with(), static_cast<CloseCode>(4000)) << cut;
    }
    for (std::size_t piece = 1; piece < 300; piece += 1 + piece / 10) {
        const Outcome outcome = take(story, piece);
        EXPECT_EQ(outcome.payload, whole.payload) << piece;
        EXPECT_TRUE(outcome.said.starts_with("\x8a\x01p"s)) << piece;
        EXPECT_TRUE(outcome.said.ends_with(closing(static_cast<CloseCode>(4000)))) << piece;
    }
}

TEST(WebSocketSession, AnyBytesEndOrGoOn) {
    std::mt19937 random(7);
    for (int round = 0; round < 5000; ++round) {
        std::string sent = round % 2 == 0 ? binary("ok") + ping("x") : std::string();
        for (std::size_t i = random() % 30; i > 0; --i)
            sent.push_back(static_cast<char>(random()));
        const Outcome whole = take(sent);
        const Outcome pieces = take(sent, 1 + random() % 5);
        // Of a piece that breaks off being text nothing is handed out, of those before it all.
        if (whole.complaint.find("not UTF-8") != std::string::npos)
            EXPECT_TRUE(pieces.payload.starts_with(whole.payload));
        else
            EXPECT_EQ(whole.payload, pieces.payload);
        EXPECT_EQ(whole.has_ended, pieces.has_ended);
        EXPECT_EQ(whole.complaint, pieces.complaint);
    }
}

} // namespace
} // namespace baton::net::websocket
