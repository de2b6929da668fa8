// Fuzz target: the server's side of a connection without sockets: any bytes, cut into reads of any
// size, through frames, handshake and content assembler.
#include "amqp/frame_reader.hpp"
#include "broker/net/content_assembler.hpp"
#include "broker/net/handshake.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace baton;
using namespace baton::broker::net;

void open(amqp::FrameReader& reader) {
    const NetOptions options;
    Handshake handshake(options, {.has_tls = true, .is_verified = true, .user = "CN=somebody"});
    amqp::Buffer out;
    handshake.begin(out);
    for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
        handshake.take(**frame, out);
        if (handshake.state() == Handshake::State::expects_verdict)
            handshake.judge(handshake.login().user.size() % 2 == 0 ? LoginVerdict::welcome
                                                                   : LoginVerdict::refused,
                            out);
    }
}

void publish(amqp::FrameReader& reader, ContentAssembler& assembler) {
    for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
        const amqp::Frame& one = **frame;
        if (one.type == amqp::FrameType::method) {
            const auto method = amqp::decode_method_as<amqp::BasicPublishView>(one.payload);
            if (method && !assembler.is_collecting(one.channel))
                assembler.begin(one.channel, *method);
            continue;
        }
        if (one.type == amqp::FrameType::heartbeat) continue;
        const auto step = assembler.take(one, [&reader] { return reader.owner(); });
        if (step && *step == ContentAssembler::Step::complete &&
            assembler.publish().body.size() > 100'000)
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const bool is_opening = data[0] % 2 == 0;
    const std::size_t piece = 1U + data[0] / 2U;
    amqp::FrameReader reader(4096);
    ContentAssembler assembler(broker::core::ConnectionId{1}, 100'000, 500);
    for (std::size_t at = 1; at < size;) {
        const auto space = reader.writable();
        const std::size_t count = std::min({piece, size - at, space.size()});
        std::memcpy(space.data(), data + at, count);
        reader.written(count);
        at += count;
        if (is_opening)
            open(reader);
        else
            publish(reader, assembler);
        assembler.keep();
    }
    return 0;
}
