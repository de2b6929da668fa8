// Fuzz target: clients of MQTT on a real core without sockets. The first byte of each piece says
// who sends it, or that a connection is lost, a second passes; the broker must keep its invariants,
// and come to rest.
#include "tests/broker/mqtt/support.hpp"

#include <array>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace baton;
    using namespace baton::test;
    MqttHouse house;
    std::array<std::unique_ptr<MqttHouse::Talk>, 3> talks;
    const auto connect = [&](std::size_t at) {
        mqtt::Connect packet;
        packet.clean_start = at != 1;
        packet.properties.session_expiry_seconds = at == 1 ? 5 : 0;
        packet.properties.receive_maximum = 3;
        talks[at] = house.connect("client" + std::to_string(at), packet,
                                  at == 2 ? mqtt::Version::v3_1_1 : mqtt::Version::v5);
    };
    for (std::size_t at = 0; at < talks.size(); ++at)
        connect(at);
    while (size > 1) {
        const std::size_t at = data[0] % talks.size();
        const unsigned act = data[0] / talks.size() % 8;
        const std::size_t bytes = std::min<std::size_t>(data[1], size - 2);
        const std::string_view some(reinterpret_cast<const char*>(data) + 2, bytes);
        data += 2 + bytes;
        size -= 2 + bytes;
        auto& talk = *talks[at];
        if (act == 0 || talk.talk.has_ended()) {
            talk.lose();
            connect(at);
        } else if (act == 1) {
            house.pass(std::chrono::seconds(1));
        } else if (talk.talk.may_read()) {
            talk.send_bytes(some);
        }
        for (auto& one : talks) {
            if (one->talk.out().size() > (1U << 24)) std::abort();
            one->talk.out().clear();
        }
    }
    for (auto& one : talks)
        one->lose();
    house.pass(std::chrono::seconds(100));
    if (house.sessions.count() != 0) std::abort();
    return 0;
}
