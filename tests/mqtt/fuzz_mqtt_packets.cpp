// Fuzz target: MQTT packets without sockets, each version: any bytes in any cut give what they give
// in one piece, and each packet that was read is written, and read again equal.
#include "mqtt/packet_reader.hpp"
#include "mqtt/packet_writer.hpp"
#include "tests/mqtt/packet_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace baton;
using namespace baton::mqtt;

constexpr std::size_t packet_bytes_max = 2000;

std::vector<std::string> read_in_pieces(ByteView sent, Version version, std::size_t piece) {
    PacketReader reader(packet_bytes_max, version);
    std::vector<std::string> lines;
    while (!sent.empty()) {
        const ByteView some = sent.first(std::min(piece, sent.size()));
        sent = sent.subspan(some.size());
        // Memory of its own, so that a look behind it is seen.
        const std::vector<std::byte> own(some.begin(), some.end());
        reader.take(own);
        while (const auto next = reader.next()) {
            if (const auto* fault = std::get_if<Fault>(&*next))
                lines.push_back(to_text(fault->code) + fault->text);
            else
                lines.push_back(test::text_of(*std::get_if<Packet>(&*next)));
        }
    }
    if (reader.has_waiting()) lines.emplace_back("more");
    lines.push_back(std::to_string(static_cast<int>(reader.version())));
    return lines;
}

void check_way_back(ByteView sent, Version version) {
    PacketReader reader(packet_bytes_max, version);
    reader.take(sent);
    while (const auto next = reader.next()) {
        const auto* packet = std::get_if<Packet>(&*next);
        if (packet == nullptr) break;
        // A CONNECT says its own version.
        const auto* connect = std::get_if<Connect>(packet);
        const Version spoken = connect != nullptr ? connect->version : reader.version();
        std::vector<std::byte> bytes;
        if (!append(bytes, *packet, spoken)) std::abort();
        PacketReader again(bytes.size(), spoken);
        again.take(bytes);
        const auto second = again.next();
        if (!second || again.has_waiting()) std::abort();
        const auto* same = std::get_if<Packet>(&*second);
        if (same == nullptr || test::text_of(*same) != test::text_of(*packet)) std::abort();
        // One byte less than it needs is refused, or an explanation is missing.
        std::vector<std::byte> smaller;
        if (append(smaller, *packet, spoken, bytes.size() - 1) && smaller.size() >= bytes.size())
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static constexpr std::array versions{Version::v3_1, Version::v3_1_1, Version::v5};
    const Version version = versions[data[0] % versions.size()];
    const std::size_t piece = 1U + data[0] / 3U;
    const ByteView sent(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    if (read_in_pieces(sent, version, piece) != read_in_pieces(sent, version, size)) std::abort();
    check_way_back(sent, version);
    return 0;
}
