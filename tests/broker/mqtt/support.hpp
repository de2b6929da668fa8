// A broker with MQTT and no sockets: conversations on one core loop, whose journal is done when
// settle() says so, and whose clock stands until it is moved.
#pragma once

#include "broker/mqtt/conversation.hpp"
#include "mqtt/packet_reader.hpp"
#include "mqtt/packet_writer.hpp"
#include "tests/broker/runtime/support.hpp"

#include <fmt/format.h>

#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::test {

namespace mqtt = baton::mqtt;
using broker::mqtt::Conversation;
using broker::mqtt::Sessions;

struct MqttHouse {
    explicit MqttHouse(broker::mqtt::Options chosen = {}) : options(std::move(chosen)) {
        loop.finish_recovery(0);
        loop.batch([&](broker::core::Broker& broker, Time now, broker::core::Turn& turn) {
            sessions.begin({broker, now, turn});
        });
        settle();
    }

    // One client; what it says goes in by packets, what it hears comes out by packets.
    struct Talk {
        Talk(MqttHouse& house_, mqtt::Version version_, std::string tag)
            : house(house_),
              version(version_),
              talk(house.sessions, house.inlet,
                   {.name = "test",
                    .peer_host = {},
                    .host = {},
                    .certified_user = {},
                    .tag = std::move(tag)},
                   [this] { return house.enter(*this); }) {}
        MqttHouse& house;
        mqtt::Version version;
        std::deque<mqtt::PacketReader> readers;
        Conversation talk;
        std::string bytes;

        void send_bytes(std::string_view text) {
            house.loop.begin();
            talk.take(as_bytes(text), house.clock.now());
            house.loop.end();
            house.settle();
        }
        template <typename Packet>
        void send(const Packet& packet) {
            std::vector<std::byte> out;
            append(out, mqtt::Packet(packet), version);
            send_bytes(as_text(out));
        }
        // Everything it heard since the last time; good until the next time.
        std::vector<mqtt::Packet> take() {
            readers.clear();
            bytes.append(as_text(talk.out()));
            talk.out().clear();
            std::vector<mqtt::Packet> all;
            std::size_t at = 0;
            while (at < bytes.size()) {
                std::size_t length = 0;
                std::size_t head = 1;
                for (int shift = 0;; shift += 7) {
                    const auto digit = static_cast<unsigned char>(bytes.at(at + head++));
                    length |= static_cast<std::size_t>(digit & 0x7F) << shift;
                    if ((digit & 0x80) == 0) break;
                }
                // Each has a reader of its own, since what it holds are views.
                readers.emplace_back(1 << 24, version)
                    .take(as_bytes(std::string_view(bytes).substr(at, head + length)));
                at += head + length;
                auto next = readers.back().next();
                if (!next || !std::holds_alternative<mqtt::Packet>(*next))
                    throw std::runtime_error("the server said no packet");
                all.push_back(std::move(std::get<mqtt::Packet>(*next)));
            }
            bytes.clear();
            return all;
        }
        // As the client does, the last word of a connection.
        void lose() {
            house.loop.begin();
            talk.leave();
            house.loop.end();
            house.by_id.erase(talk.id());
            house.settle();
        }
    };

    std::unique_ptr<Talk> connect(std::string client, mqtt::Connect packet,
                                  mqtt::Version version = mqtt::Version::v5) {
        auto made = std::make_unique<Talk>(*this, version, fmt::format("tag{:09}", ++tags));
        packet.version = version;
        packet.client_id = client;
        packet.user = "guest";
        packet.password = as_bytes(std::string_view("guest"));
        made->send(packet);
        if (made->talk.state() == Conversation::State::expects_verdict) {
            loop.begin();
            made->talk.judge(broker::mqtt::Verdict::welcome, clock.now());
            loop.end();
            settle();
        }
        return made;
    }

    broker::core::ConnectionId enter(Talk& talk) {
        const broker::core::ConnectionId id{std::uint64_t{++serial} << 26};
        by_id[id] = &talk;
        return id;
    }

    // Until nobody has anything to do.
    void settle() {
        for (bool goes_on = true; goes_on;) {
            goes_on = false;
            for (const broker::runtime::JournalWork& work : std::exchange(journal, {})) {
                if (work.needs_sync) loop.durable_up_to(work.turn);
                goes_on = true;
            }
            if (std::exchange(is_woken, false)) {
                loop.batch([&](broker::core::Broker& broker, Time now, broker::core::Turn& turn) {
                    sessions.acknowledge({broker, now, turn});
                    sessions.tick({broker, now, turn});
                });
                goes_on = true;
            }
            for (const auto& [id, talk] : std::map(by_id)) {
                if (const auto charge = talk->talk.take_charge(); charge != 0)
                    loop.broker().written({id, charge});
                if (!talk->talk.wants_to_go_on()) continue;
                loop.begin();
                talk->talk.go_on(clock.now());
                loop.end();
                goes_on = true;
            }
        }
    }

    void pass(Duration time) {
        clock.time += time;
        is_woken = true;
        loop.tick();
        settle();
    }

    StillClock clock;
    broker::mqtt::Options options;
    bool is_woken = false;
    std::uint64_t serial = 0;
    int tags = 0;
    std::map<broker::core::ConnectionId, Talk*> by_id;
    std::vector<broker::runtime::JournalWork> journal;
    Sessions sessions{options, [this] { is_woken = true; }};
    broker::runtime::CoreLoop loop{
        options_with_a_user(),
        clock,
        {.commands =
             [this](std::span<broker::core::Command> given) {
                 for (broker::core::Command& command : given) {
                     sessions.take(command, clock.now());
                     if (const auto found = by_id.find(command.connection); found != by_id.end())
                         found->second->talk.carry_out(command, clock.now());
                 }
             },
         .journal =
             [this](broker::runtime::JournalWork work) { journal.push_back(std::move(work)); },
         .alarm = [](std::optional<Time>) {},
         .wake = [] {}}};
    broker::runtime::Inlet inlet{loop};
};

} // namespace baton::test
