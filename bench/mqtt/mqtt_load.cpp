// One publisher and some subscribers of MQTT 3.1.1 on one thread, against any broker on loopback;
// prints rates and the broker's processor time per message.
//
//   mqtt_load PORT PID MESSAGES QOS [SUBSCRIBERS [WINDOW]]     guest:guest; a window of messages is
//   on its way at once mqtt_load PORT PID connect COUNT                           so many
//   connections, one after the other, kept open
#include "mqtt/packet_reader.hpp"
#include "mqtt/packet_writer.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <netinet/tcp.h>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace baton;
using namespace baton::mqtt;
using Kind = Acknowledgement::Kind;

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

// Seconds of user and system time, and resident KiB.
struct Usage {
    double seconds = 0;
    long kib = 0;
};
Usage usage_of(const std::string& pid) {
    std::ifstream stat("/proc/" + pid + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    std::istringstream rest(text.substr(text.rfind(')') + 2));
    std::string word;
    std::vector<std::string> words;
    while (rest >> word)
        words.push_back(word);
    const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    return {(std::stod(words.at(11)) + std::stod(words.at(12))) / ticks,
            std::stol(words.at(21)) * (sysconf(_SC_PAGESIZE) / 1024)};
}

class Peer {
public:
    Peer(int port, const std::string& id) {
        socket_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) give_up("connect");
        const int one = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Connect packet;
        packet.client_id = id;
        packet.user = "guest";
        packet.password = as_bytes(std::string_view("guest"));
        append(out, Packet(packet), Version::v3_1_1);
        flush();
        while (!reader.next())
            read();
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(socket_); }

    void read() {
        static char place[1 << 16];
        const ssize_t got = recv(socket_, place, sizeof place, 0);
        if (got <= 0) give_up("recv");
        reader.take(as_bytes(std::string_view(place, static_cast<std::size_t>(got))));
    }
    void flush() {
        std::size_t sent = 0;
        while (sent < out.size()) {
            const ssize_t some = send(socket_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
            if (some <= 0) give_up("send");
            sent += static_cast<std::size_t>(some);
        }
        out.clear();
    }
    void answer(Kind kind, std::uint16_t id) {
        Acknowledgement packet;
        packet.kind = kind;
        packet.id = id;
        append(out, Packet(packet), Version::v3_1_1);
    }
    int fd() const { return socket_; }

    std::vector<std::byte> out;
    PacketReader reader{1 << 20};

private:
    int socket_ = -1;
};

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

int main(int count, char** arguments) {
    if (count < 5) {
        std::fprintf(
            stderr,
            "mqtt_load PORT PID MESSAGES QOS [SUBSCRIBERS [WINDOW]] | PORT PID connect COUNT\n");
        return 2;
    }
    const int port = std::atoi(arguments[1]);
    const std::string pid = arguments[2];
    if (std::string(arguments[3]) == "connect") {
        const int wanted = std::atoi(arguments[4]);
        const Usage before = usage_of(pid);
        const double start = now();
        std::vector<std::unique_ptr<Peer>> peers;
        for (int one = 0; one < wanted; ++one)
            peers.push_back(std::make_unique<Peer>(port, "c" + std::to_string(one)));
        const double took = now() - start;
        sleep(1);
        const Usage after = usage_of(pid);
        std::printf("%d connections: %.0f/s, %.1f us CPU, %.2f KiB each\n", wanted, wanted / took,
                    (after.seconds - before.seconds) * 1e6 / wanted,
                    static_cast<double>(after.kib - before.kib) / wanted);
        return 0;
    }
    const int messages = std::atoi(arguments[3]);
    const auto qos = static_cast<std::uint8_t>(std::atoi(arguments[4]));
    const int subscribers = count > 5 ? std::atoi(arguments[5]) : 1;
    const int window = count > 6 ? std::atoi(arguments[6]) : 20;
    std::vector<std::unique_ptr<Peer>> takers;
    for (int one = 0; one < subscribers; ++one) {
        takers.push_back(std::make_unique<Peer>(port, "taker" + std::to_string(one)));
        Subscribe packet;
        packet.id = 1;
        packet.wishes.push_back({.filter = "bench/t", .qos = qos});
        append(takers.back()->out, Packet(packet), Version::v3_1_1);
        takers.back()->flush();
        while (!takers.back()->reader.next())
            takers.back()->read();
    }
    Peer giver(port, "giver");
    const std::string payload(64, 'x');
    long received = 0;
    const long expected = static_cast<long>(messages) * subscribers;
    int sent = 0;
    int in_flight = 0; // of the publisher; with QoS 0 of what the slowest has not got
    const Usage before = usage_of(pid);
    const double start = now();
    std::vector<pollfd> waits;
    for (const auto& taker : takers)
        waits.push_back({taker->fd(), POLLIN, 0});
    waits.push_back({giver.fd(), POLLIN, 0});
    while (received < expected || in_flight > 0) {
        while (sent < messages && (qos == 0 ? sent - received / subscribers : in_flight) < window) {
            Publish packet;
            packet.topic = "bench/t";
            packet.payload = as_bytes(std::string_view(payload));
            packet.qos = qos;
            packet.id = static_cast<std::uint16_t>(1 + sent % 60000);
            append(giver.out, packet, Version::v3_1_1);
            ++sent;
            if (qos != 0) ++in_flight;
        }
        giver.flush();
        if (poll(waits.data(), waits.size(), 5000) <= 0) {
            std::fprintf(stderr, "nothing for five seconds: %ld of %ld received, %d sent\n",
                         received, expected, sent);
            return 1;
        }
        for (std::size_t at = 0; at < takers.size(); ++at) {
            if ((waits[at].revents & POLLIN) == 0) continue;
            Peer& taker = *takers[at];
            taker.read();
            while (auto next = taker.reader.next()) {
                const Packet* packet = std::get_if<Packet>(&*next);
                if (packet == nullptr) return 1;
                if (const auto* got = std::get_if<Publish>(packet)) {
                    ++received;
                    if (got->qos != 0)
                        taker.answer(got->qos == 1 ? Kind::puback : Kind::pubrec, got->id);
                } else if (const auto* one = std::get_if<Acknowledgement>(packet);
                           one != nullptr && one->kind == Kind::pubrel) {
                    taker.answer(Kind::pubcomp, one->id);
                }
            }
            taker.flush();
        }
        if ((waits.back().revents & POLLIN) == 0) continue;
        giver.read();
        while (auto next = giver.reader.next()) {
            const Packet* packet = std::get_if<Packet>(&*next);
            const auto* one = packet == nullptr ? nullptr : std::get_if<Acknowledgement>(packet);
            if (one == nullptr) continue;
            if (one->kind == Kind::pubrec)
                giver.answer(Kind::pubrel, one->id);
            else
                --in_flight;
        }
    }
    const double took = now() - start;
    const Usage after = usage_of(pid);
    std::printf(
        "QoS %u, 1 to %d, %d in flight: %.0f delivered/s, %.2f us of the broker's CPU a delivery\n",
        qos, subscribers, window, static_cast<double>(expected) / took,
        (after.seconds - before.seconds) * 1e6 / static_cast<double>(expected));
    return 0;
}
