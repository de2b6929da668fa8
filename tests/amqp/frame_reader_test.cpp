// Bytes in pieces of every size become the same frames; every octet of a frame is broken once.
#include "amqp/frame.hpp"
#include "amqp/frame_reader.hpp"
#include "base/random.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace baton::amqp {
namespace {

using namespace std::string_literals;

struct Kept {
    FrameType type;
    ChannelNumber channel;
    std::string payload;
    bool operator==(const Kept&) const = default;
};

void feed(FrameReader& reader, ByteView bytes) {
    while (!bytes.empty()) {
        const auto space = reader.writable();
        ASSERT_FALSE(space.empty());
        const std::size_t count = std::min(space.size(), bytes.size());
        std::memcpy(space.data(), bytes.data(), count);
        reader.written(count);
        bytes = bytes.subspan(count);
    }
}

// Takes what is whole; gives the error, if any.
std::optional<ErrorCode> take(FrameReader& reader, std::vector<Kept>& frames) {
    while (true) {
        const auto frame = reader.next();
        if (!frame) return frame.error();
        if (!*frame) return std::nullopt;
        frames.push_back(
            {(*frame)->type, (*frame)->channel, std::string(as_text((*frame)->payload))});
    }
}

const std::vector<Kept> story{
    {FrameType::method, 1, "first"},
    {FrameType::heartbeat, 0, ""},
    {FrameType::header, 65535, std::string(300, 'h')},
    {FrameType::body, 2, std::string(4088, 'b')},
    {FrameType::body, 2, ""},
    {FrameType::method, 3, "last"},
};

Buffer bytes_of(const std::vector<Kept>& frames) {
    Buffer out;
    for (const Kept& frame : frames)
        append_frame(out, frame.type, frame.channel, as_bytes(frame.payload));
    return out;
}

TEST(FrameReader, PiecesOfEverySizeGiveTheSameFrames) {
    const Buffer bytes = bytes_of(story);
    for (std::size_t piece = 1; piece <= bytes.size(); piece += piece < 64 ? 1 : 97) {
        // A small chunk, so that its end comes often.
        FrameReader reader(1024);
        std::vector<Kept> frames;
        for (ByteView rest = bytes.view(); !rest.empty();) {
            const std::size_t count = std::min(piece, rest.size());
            feed(reader, rest.first(count));
            ASSERT_EQ(take(reader, frames), std::nullopt);
            rest = rest.subspan(count);
        }
        EXPECT_EQ(frames, story) << "pieces of " << piece;
        EXPECT_EQ(reader.pending(), 0u);
    }
}

TEST(FrameReader, PayloadsStayReadableWhileTheirOwnerIsKept) {
    Random random(1);
    FrameReader reader(2048);
    std::vector<SharedBytes> kept;
    std::vector<std::string> expected;
    for (int round = 0; round < 500; ++round) {
        const std::string payload(random.below(3000), static_cast<char>('a' + round % 26));
        Buffer bytes;
        append_frame(bytes, FrameType::body, 1, as_bytes(payload));
        for (ByteView rest = bytes.view(); !rest.empty();) {
            const auto space = reader.writable();
            const std::size_t count =
                std::min({space.size(), rest.size(), std::size_t{random.below(700) + 1}});
            std::memcpy(space.data(), rest.data(), count);
            reader.written(count);
            rest = rest.subspan(count);
            const auto frame = reader.next();
            ASSERT_TRUE(frame);
            if (!*frame) continue;
            if (round % 3 != 0) continue;
            kept.push_back(SharedBytes::part_of(reader.owner(), (*frame)->payload));
            expected.push_back(payload);
        }
    }
    ASSERT_EQ(kept.size(), expected.size());
    for (std::size_t index = 0; index < kept.size(); ++index)
        ASSERT_EQ(kept[index].text(), expected[index]);
}

TEST(FrameReader, AnyOtherEndOctetIsAnError) {
    for (int octet = 0; octet < 256; ++octet) {
        if (octet == frame_end_octet) continue;
        Buffer bytes = bytes_of({story[0]});
        *bytes.at(bytes.size() - 1) = static_cast<std::byte>(octet);
        FrameReader reader;
        std::vector<Kept> frames;
        feed(reader, bytes.view());
        EXPECT_EQ(take(reader, frames), Errc::bad_frame_end);
        EXPECT_EQ(take(reader, frames), Errc::bad_frame_end);
        EXPECT_TRUE(frames.empty());
    }
}

TEST(FrameReader, UnknownTypesAreRefusedAsSoonAsTheHeaderIsThere) {
    for (int type = 0; type < 256; ++type) {
        const bool known = type == 1 || type == 2 || type == 3 || type == 8;
        FrameReader reader;
        std::vector<Kept> frames;
        const std::string header = static_cast<char>(type) + "\0\x01\0\0\0\x05"s;
        feed(reader, as_bytes(header));
        const auto error = take(reader, frames);
        EXPECT_EQ(error.has_value(), !known) << type;
        if (error) EXPECT_EQ(*error, Errc::unknown_frame_type);
    }
}

TEST(FrameReader, AFrameAboveTheLimitIsRefusedBeforeItsPayloadComes) {
    FrameReader reader;
    reader.set_frame_max(4096);
    std::vector<Kept> frames;
    feed(reader, as_bytes("\x03\0\x01\0\0\x10\x01"s)); // 4097 bytes of payload
    EXPECT_EQ(take(reader, frames), Errc::frame_too_large);

    // A payload of frame_max bytes, eight too many with what is around it, is RabbitMQ's limit.
    FrameReader lenient;
    lenient.set_frame_max(4096);
    feed(lenient, as_bytes("\x03\0\x01\0\0\x10\0"s));
    EXPECT_EQ(take(lenient, frames), std::nullopt);

    FrameReader fresh;
    feed(fresh, as_bytes("\x03\0\x01\0\0\x0F\xF8"s)); // 4088 are allowed, also before tuning
    EXPECT_EQ(take(fresh, frames), std::nullopt);
}

TEST(FrameReader, EvenWithoutALimitFourGigabytesAreTooMuch) {
    FrameReader reader;
    reader.set_frame_max(0);
    std::vector<Kept> frames;
    feed(reader, as_bytes("\x03\0\x01\xFF\xFF\xFF\xFF"s));
    EXPECT_EQ(take(reader, frames), Errc::frame_too_large);
}

TEST(FrameReader, AFrameLargerThanAChunkGetsItsOwnMemory) {
    const std::vector<Kept> large{{FrameType::body, 1, std::string(100'000, 'x')}, story[0]};
    FrameReader reader(1024);
    reader.set_frame_max(131072);
    std::vector<Kept> frames;
    const Buffer bytes = bytes_of(large);
    for (ByteView rest = bytes.view(); !rest.empty();) {
        const std::size_t count = std::min<std::size_t>(999, rest.size());
        feed(reader, rest.first(count));
        ASSERT_EQ(take(reader, frames), std::nullopt);
        rest = rest.subspan(count);
    }
    EXPECT_EQ(frames, large);
}

TEST(FrameReader, ReadersShareAChunkBetweenReadsWhateverThePieces) {
    const Buffer bytes = bytes_of(story);
    for (const std::size_t piece : {1u, 3u, 100u, 1000u, 4100u}) {
        FrameReader::Chunk spare;
        FrameReader one(16384);
        FrameReader other(16384);
        std::vector<Kept> frames_of_one;
        std::vector<Kept> frames_of_other;
        for (std::size_t begin = 0; begin < bytes.size(); begin += piece) {
            const ByteView part =
                bytes.view().subspan(begin, std::min(piece, bytes.size() - begin));
            for (auto* reader : {&one, &other}) {
                if (reader->wants_chunk() && spare.bytes != 0)
                    reader->take_chunk(std::exchange(spare, {}));
                feed(*reader, part);
                ASSERT_EQ(take(*reader, reader == &one ? frames_of_one : frames_of_other),
                          std::nullopt);
                if (auto chunk = reader->give_chunk(); chunk.bytes != 0) spare = std::move(chunk);
            }
        }
        EXPECT_EQ(frames_of_one, story) << piece;
        EXPECT_EQ(frames_of_other, story) << piece;
        EXPECT_EQ(spare.bytes, 16384u);
    }
}

TEST(FrameReader, AFrameThatWasPutBackComesAgainAlsoFromAnotherChunk) {
    const std::vector<Kept> frames = {{FrameType::method, 1, "first"},
                                      {FrameType::body, 1, std::string(20'000, 'b')},
                                      {FrameType::method, 2, "second"}};
    const Buffer bytes = bytes_of(frames);
    for (const std::size_t chunk : {100U, 4096U, 65536U}) {
        FrameReader reader(chunk);
        reader.set_frame_max(0);
        feed(reader, bytes.view());
        for (const Kept& expected : frames) {
            for (int time = 0; time < 2; ++time) {
                const auto frame = reader.next();
                ASSERT_TRUE(frame && *frame);
                EXPECT_EQ(as_text((**frame).payload), expected.payload);
                reader.put_back(**frame);
                reader.take_chunk(reader.give_chunk());
                (void)reader.writable();
            }
            ASSERT_TRUE(reader.next());
        }
        EXPECT_EQ(reader.pending(), 0U);
    }
}

TEST(FrameReader, AChunkSomebodyKeepsIsNotGivenAway) {
    FrameReader reader(16384);
    feed(reader, bytes_of({{FrameType::body, 1, "kept"}}).view());
    const auto frame = reader.next();
    ASSERT_TRUE(frame && *frame);
    const auto owner = reader.owner();

    EXPECT_EQ(reader.give_chunk().bytes, 0u);

    EXPECT_EQ(as_text((*frame)->payload), "kept");
}

TEST(ProtocolHeader, IsRecognisedInPieces) {
    FrameReader reader;
    for (const char octet : protocol_header) {
        EXPECT_EQ(*reader.next_protocol_header(), FrameReader::Opening::incomplete);
        feed(reader, as_bytes(std::string_view(&octet, 1)));
    }
    EXPECT_EQ(*reader.next_protocol_header(), FrameReader::Opening::complete);
    EXPECT_EQ(reader.pending(), 0u);
}

TEST(ProtocolHeader, IsRefusedAtTheFirstOctetThatDiffers) {
    for (std::size_t place = 0; place < protocol_header.size(); ++place) {
        std::string bytes(protocol_header.substr(0, place + 1));
        bytes.back() = static_cast<char>(bytes.back() ^ 0x20);
        FrameReader reader;
        feed(reader, as_bytes(bytes));
        EXPECT_EQ(reader.next_protocol_header().error(), Errc::bad_protocol_header);
    }
}

} // namespace
} // namespace baton::amqp
