// Any bytes, in any pieces, through the frame reader. The first byte chooses the size of the
// pieces. What comes out must not depend on the pieces, and writing the frames again must give the
// bytes.
#include "amqp/frame.hpp"
#include "amqp/frame_reader.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cstring>

using namespace baton;

namespace {

// The frames, written again, and the error at the end, if any.
struct Reading {
    amqp::Buffer frames;
    ErrorCode error;
};

Reading read_all(ByteView bytes, std::size_t piece) {
    amqp::FrameReader reader(256);
    Reading reading;
    while (!bytes.empty()) {
        const auto space = reader.writable();
        const std::size_t count = std::min({piece, bytes.size(), space.size()});
        std::memcpy(space.data(), bytes.data(), count);
        reader.written(count);
        bytes = bytes.subspan(count);
        while (true) {
            const auto frame = reader.next();
            if (!frame) {
                reading.error = frame.error();
                return reading;
            }
            if (!*frame) break;
            amqp::append_frame(reading.frames, (*frame)->type, (*frame)->channel,
                               (*frame)->payload);
        }
    }
    return reading;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
    const Reading pieces = read_all(bytes, std::size_t{data[0]} + 1);
    const Reading whole = read_all(bytes, size);
    BATON_ASSERT(pieces.frames.text() == whole.frames.text(), "the same frames from any pieces");
    BATON_ASSERT(pieces.error == whole.error, "the same error from any pieces");
    BATON_ASSERT(as_text(bytes).starts_with(whole.frames.text()), "frames are written as read");
    return 0;
}
