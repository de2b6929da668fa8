// What Sessions tells a conversation, on its way among the core's commands.
#pragma once

#include "broker/core/command.hpp"
#include "broker/core/message.hpp"
#include "mqtt/packet.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace baton::broker::mqtt {

struct Subscription {
    std::string filter; // as the client says it, "$share/…" included
    std::uint8_t qos = 0;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;
    std::uint32_t identifier = 0; // 0: none
};

// Packet ids of QoS 2 and of what was sent and not acknowledged, as a session keeps them between
// connections.
struct PacketIds {
    std::vector<std::uint16_t> held;              // received by PUBLISH, not yet released by PUBREL
    std::vector<std::uint16_t> released;          // PUBREC came, PUBCOMP did not
    std::map<std::string, std::uint16_t> unacked; // by message id: the packet id it was sent under
};

struct SessionOpened : core::Told {
    baton::mqtt::ReasonCode code = baton::mqtt::ReasonCode::success;
    bool was_present = false;
    std::vector<Subscription> subscriptions;
    PacketIds ids;
};

// Another connection has the session now.
struct SessionTaken : core::Told {};

// The answer to SUBSCRIBE.
struct Subscribed : core::Told {
    struct One {
        baton::mqtt::ReasonCode code = baton::mqtt::ReasonCode::success;
        Subscription subscription; // as granted
        bool is_new = false;
    };
    std::uint16_t id = 0;
    std::vector<One> all; // in the order of the wishes
};

struct Unsubscribed : core::Told {
    std::uint16_t id = 0;
    std::vector<std::string> filters;
    std::vector<baton::mqtt::ReasonCode> codes;
};

// Of the retained messages that meet a filter, the next ones.
struct RetainedFound : core::Told {
    std::uint32_t cursor = 0; // the number the conversation gave
    std::vector<core::MessageRef> messages;
    std::string last_key;
    bool is_all = false;
};

// A change of PacketIds is durable.
struct IdsKept : core::Told {
    enum class What : std::uint8_t { freed, released };
    What what = What::freed;
    std::uint16_t id = 0;
};

} // namespace baton::broker::mqtt
