// Packets by hand: bytes as strings, and what a reader makes of them.
#pragma once

#include "mqtt/packet_reader.hpp"
#include "mqtt/packet_writer.hpp"
#include "tests/mqtt/packet_text.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::mqtt::test {

constexpr std::size_t roomy = 1 << 20;

inline std::string two(unsigned number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number)};
}
inline std::string four(std::uint32_t number) {
    return two(number >> 16) + two(number & 0xFFFF);
}
// A text or bytes behind their length.
inline std::string sized(std::string_view text) {
    return two(static_cast<unsigned>(text.size())).append(text);
}
inline std::string variable(std::size_t number) {
    std::string bytes;
    for (; number > 127; number /= 128)
        bytes.push_back(static_cast<char>(number % 128 + 128));
    bytes.push_back(static_cast<char>(number));
    return bytes;
}
// Properties behind their length.
inline std::string props(std::string_view properties = {}) {
    return variable(properties.size()).append(properties);
}
inline std::string packet(unsigned first, std::string_view body) {
    return std::string(1, static_cast<char>(first)).append(variable(body.size())).append(body);
}

// The beginning of a CONNECT's body, up to its properties.
inline std::string connect_head(std::string_view name, unsigned level, unsigned flags) {
    return sized(name) + static_cast<char>(level) + static_cast<char>(flags) + two(60);
}

// Each packet as its line; a fault as "fault 0x.. ...: text". `piece` 0: all at once.
inline std::vector<std::string> read_all(std::string_view bytes, Version version,
                                         std::size_t piece = 0, std::size_t bytes_max = roomy) {
    PacketReader reader(bytes_max, version);
    std::vector<std::string> lines;
    if (piece == 0) piece = std::max<std::size_t>(bytes.size(), 1);
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        // Memory of its own, gone at once: nothing may look into it.
        const std::string some(bytes.substr(at, piece));
        reader.take(as_bytes(some));
        while (const auto next = reader.next()) {
            if (const auto* fault = std::get_if<Fault>(&*next))
                lines.push_back("fault " + to_text(fault->code) + ": " + fault->text);
            else
                lines.push_back(text_of(*std::get_if<Packet>(&*next)));
        }
    }
    if (reader.has_waiting()) lines.push_back("more is needed");
    return lines;
}

inline std::string read_one(std::string_view bytes, Version version) {
    const auto lines = read_all(bytes, version);
    return fmt::format("{}", fmt::join(lines, " | "));
}

inline std::string written(const Packet& packet, Version version, std::size_t bytes_max = 0) {
    std::vector<std::byte> out;
    if (!append(out, packet, version, bytes_max)) return out.empty() ? "refused" : "half of it";
    return std::string(as_text(out));
}

inline std::string hex(std::string_view bytes) {
    return hex(as_bytes(bytes));
}

} // namespace baton::mqtt::test
