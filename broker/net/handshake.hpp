// The server's side of the opening, sans-io: frames in, bytes out.
//
//   header ok ─→ start … start-ok ─→ expects_verdict ─→ tune … tune-ok … open ─→ asked_to_open
//                  │                       │               │
//                  └───────────────────────┴───────────────┴─→ closing (our close is on its way)
//                                                           └→ dropped (nothing more to say)
//
// One per connection, on its thread; thrown away when the connection is open.
#pragma once

#include "amqp/frame.hpp"
#include "broker/core/event.hpp"
#include "broker/net/options.hpp"

#include <optional>
#include <string_view>

namespace baton::broker::net {

enum class LoginVerdict {
    welcome,
    refused,
    only_from_loopback, // the right password, from the wrong place
    paused,             // nobody looked at the password: too many wrong ones before it
};

// Who wants to come in. No password: a certificate vouches for the user, who must only exist.
struct Login {
    std::string user;
    std::optional<std::string> password;
    std::string from{}; // the address, without the port; filled in by who has the socket
};

// What both sides agreed on.
struct Agreement {
    std::string mechanism;
    std::string user;
    std::string vhost;
    std::uint16_t channel_max = 0;
    std::uint32_t frame_max = 0;
    std::uint16_t heartbeat_seconds = 0;
    core::ClientCapabilities capabilities;
    amqp::FieldTable client_properties;
    std::size_t client_properties_bytes = 0; // on the wire, more or less
};

class Handshake {
public:
    // What TLS knows of the client. EXTERNAL is offered to whoever showed a certificate that was
    // verified.
    struct Peer {
        bool has_tls = false;
        bool is_verified = false;
        std::optional<std::string> user; // named by the certificate
    };

    // `options` must outlive the handshake.
    Handshake(const NetOptions& options, Peer peer);

    enum class State {
        expects_start_ok,
        expects_verdict, // somebody has to look at login() and to say judge(); no frame till then
        expects_tune_ok,
        expects_open,
        asked_to_open, // agreement() is complete; the core decides
        closing,       // connection.close was written; wait for close-ok
        dropped,       // close the socket once everything is written
    };
    State state() const { return state_; }
    const Login& login() const { return login_; }
    const Agreement& agreement() const { return agreement_; }
    Agreement& agreement() { return agreement_; }
    // Why it ended, for the log; empty when it did not.
    const std::string& complaint() const { return complaint_; }

    // The protocol header was right.
    void begin(amqp::Buffer& out);
    void take(const amqp::Frame& frame, amqp::Buffer& out);
    void judge(LoginVerdict verdict, amqp::Buffer& out);
    // The bytes made no sense as frames.
    void fail(const ErrorCode& error, amqp::Buffer& out);

private:
    void take(const amqp::ConnectionStartOk& method, amqp::Buffer& out);
    void take(const amqp::ConnectionTuneOk& method, amqp::Buffer& out);
    void refuse_login(amqp::Buffer& out, std::string_view hint = {});
    void close(amqp::ReplyCode code, std::string text, amqp::MethodId failed, amqp::Buffer& out);

    const NetOptions* options_;
    Login login_;
    Peer peer_;
    State state_ = State::expects_start_ok;
    Agreement agreement_;
    bool tells_login_failures_ = false;
    std::string complaint_;
};

} // namespace baton::broker::net
