// Everything a broker asks of the world outside: one Command is one thing to be said to one
// connection. Commands of a connection are carried out in the order they stand; small and flat,
// because a busy turn holds hundreds of them.
//
// What the outbox does with each action is said above it. "Reply" in these comments is a method
// frame on command.channel.
#pragma once

#include "amqp/methods.hpp"
#include "amqp/spec.hpp"
#include "broker/core/ids.hpp"
#include "broker/core/message.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace baton::broker::core {

// A consumer of a connection is called by a small number, so that a delivery does not carry its
// tag's text. The number is good until ConsumerForgotten.
using ConsumerNumber = std::uint32_t;

// basic.deliver with header and bodies. Counts with delivery_charge() towards what the connection
// must report in Written.
struct Deliver {
    MessageRef message;
    std::uint64_t delivery_tag = 0;
    ConsumerNumber consumer = 0;
    bool redelivered = false;
};

// basic.get-ok with header and bodies. Counts like Deliver.
struct DeliverGotten {
    MessageRef message;
    std::uint64_t delivery_tag = 0;
    std::uint32_t messages_left = 0;
    bool redelivered = false;
};

// basic.return with header and bodies; exchange and routing key are the message's.
struct ReturnMessage {
    MessageRef message;
    amqp::ReplyCode code = amqp::ReplyCode::no_route;
    const char* text = "NO_ROUTE"; // a literal
};

// basic.ack, or basic.nack when `refused`. The core merged neighbours already.
struct Confirm {
    std::uint64_t delivery_tag = 0;
    bool multiple = false;
    bool refused = false;
};

// Any other method for the client, mostly an -ok; encode it as it is.
struct Reply {
    std::unique_ptr<amqp::Method> method;
};

// From now on `number` means this tag. Stands before the consumer's first Deliver. Not a reply.
struct ConsumerNamed {
    ConsumerNumber number = 0;
    std::unique_ptr<std::string> tag;
};
// The number may be given anew. Not a reply.
struct ConsumerForgotten {
    ConsumerNumber number = 0;
};

// Why something is closed, with the text as it stands on the wire ("NOT_FOUND - no queue …").
struct CloseReason {
    amqp::ReplyCode code = amqp::ReplyCode::success;
    std::string text;
    amqp::MethodId failed_method; // 0,0: no method of the client's caused it
};

// Send channel.close. The core ignores the channel until it sees close-ok.
struct CloseChannel {
    std::unique_ptr<CloseReason> reason;
};
// Send connection.close, write everything, wait for close-ok within a limit, drop the socket, then
// report ConnectionLost. The core has cleaned up already and ignores what still arrives.
struct CloseConnection {
    std::unique_ptr<CloseReason> reason;
};
// The client said connection.close and the core has cleaned up: send close-ok, write everything,
// drop the socket, then report ConnectionLost.
struct EndConnection {};

// The answer to ConnectionOpened when nothing speaks against it: send connection.open-ok. (A refusal
// is CloseConnection.)
struct AcceptConnection {};

// The answer to UserAsked. Without a user: nobody of that name.
struct TellUser {
    struct User {
        std::string name;
        std::string password_hash;
        std::string hash_algorithm;
        std::vector<std::string> tags;
    };
    std::unique_ptr<User> user;
};

// Stop and resume reading from the socket: back-pressure.
struct PauseReading {};
struct ResumeReading {};
// Read on, but stop in front of the next basic.publish: what comes before it, acknowledgements above
// all, is not held up. With a reason clients that publish and understand connection.blocked are told;
// said again when there is one at last.
struct HoldPublishes {
    const char* reason = nullptr; // a literal; null: nobody is told
};
// And go on with it; connection.unblocked for whoever was told.
struct TakePublishes {};

// The connection is still in an orderly shutdown or handshake nobody needs any more: drop the
// socket without a word.
struct DropConnection {};

// What somebody beside the core, on its thread, has to say to a connection, in the order of the core's own
// commands: who speaks another protocol than AMQP looks inside.
class Told {
public:
    Told() = default;
    Told(const Told&) = delete;
    Told& operator=(const Told&) = delete;
    virtual ~Told() = default;
};
struct Tell {
    std::unique_ptr<Told> told;
};

using Action =
    std::variant<Deliver, Confirm, Reply, DeliverGotten, ReturnMessage, ConsumerNamed,
                 ConsumerForgotten, CloseChannel, CloseConnection, EndConnection, AcceptConnection,
                 TellUser, PauseReading, ResumeReading, HoldPublishes, TakePublishes, DropConnection, Tell>;

struct Command {
    ConnectionId connection;
    ChannelNumber channel = 0;
    Action action;
};

// What a delivery weighs in the connection's window: what it costs in memory while unwritten.
inline std::uint64_t delivery_charge(const Message& message) {
    return 64 + message.routing().size() + message.properties().size() + message.body_size();
}

// --- Answers to administration, not bound to a connection ----------------------------------------

struct RequestTag;
using RequestId = NumberId<RequestTag>;

// The outcome of AdministrationAsked; failure codes are AMQP's (404, 406, …), 200 is success.
struct Answer {
    RequestId request;
    amqp::ReplyCode code = amqp::ReplyCode::success;
    std::string text;
};

} // namespace baton::broker::core
