// The client's side of opening a connection (§2.2.4), without a socket: methods go in, bytes come
// out.
//
//   header → start · start-ok (PLAIN or EXTERNAL) → tune · tune-ok, open → open-ok
//
// Lives only while Connection::open() runs.
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/client/endpoint.hpp"
#include "amqp/methods.hpp"
#include "base/result.hpp"

#include <cstdint>

namespace baton::amqp::client {

class Handshake {
public:
    explicit Handshake(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

    // Writes the protocol header.
    void start(Buffer& out);

    enum class Progress { going_on, done };
    // A method from channel 0. Failures: what the server says in connection.close (access_refused,
    // not_allowed; close-ok is then in `out`), handshake_failed.
    Outcome<Progress> take(const Method& method, Buffer& out);

    // What it means that the socket ended now: a server that closes it after our login did not
    // like the login.
    Failure when_lost(const ErrorCode& error) const;

    // Valid when done.
    std::uint32_t frame_max() const { return frame_max_; }
    std::uint16_t channel_max() const { return channel_max_; }
    std::uint16_t heartbeat_seconds() const { return heartbeat_seconds_; }
    const FieldTable& server_properties() const { return server_properties_; }

private:
    enum class State { waits_for_start, waits_for_tune, waits_for_open_ok, done };

    Outcome<Progress> on(const ConnectionStart& start, Buffer& out);
    Outcome<Progress> on(const ConnectionTune& tune, Buffer& out);
    Outcome<Progress> on(const ConnectionOpenOk& open_ok, Buffer& out);
    Outcome<Progress> on(const ConnectionClose& close, Buffer& out);
    template <typename Other>
    Outcome<Progress> on(const Other& other, Buffer& out);

    Endpoint endpoint_;
    State state_ = State::waits_for_start;
    FieldTable server_properties_;
    std::uint32_t frame_max_ = 0;
    std::uint16_t channel_max_ = 0;
    std::uint16_t heartbeat_seconds_ = 0;
};

} // namespace baton::amqp::client
