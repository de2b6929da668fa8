// Login and negotiation of limits.
#include "amqp/client/handshake.hpp"

#include "amqp/client/errors.hpp"
#include "amqp/frame.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::amqp::client {

namespace {

// Zero means "no limit" on either side.
template <typename Number>
Number smaller_limit(Number ours, Number theirs) {
    if (ours == 0) return theirs;
    if (theirs == 0) return ours;
    return std::min(ours, theirs);
}

bool contains_word(std::string_view words, std::string_view word) {
    while (!words.empty()) {
        const std::size_t space = words.find(' ');
        if (words.substr(0, space) == word) return true;
        if (space == std::string_view::npos) return false;
        words.remove_prefix(space + 1);
    }
    return false;
}

FieldTable client_properties(const Endpoint& endpoint) {
    FieldTable properties{
        {"product", "Baton"},
        {"platform", "C++"},
        {"capabilities", FieldTable{{"publisher_confirms", true},
                                    {"exchange_exchange_bindings", true},
                                    {"basic.nack", true},
                                    {"consumer_cancel_notify", true},
                                    {"connection.blocked", true},
                                    {"authentication_failure_close", true}}},
    };
    if (!endpoint.connection_name.empty())
        properties.set("connection_name", endpoint.connection_name);
    return properties;
}

Outcome<void> append(Buffer& out, const Method& method) {
    if (const Status appended = append_method(out, 0, method); !appended)
        return Failure{appended.error(), appended.error().message()};
    return {};
}

} // namespace

void Handshake::start(Buffer& out) {
    out.append(protocol_header);
}

Outcome<Handshake::Progress> Handshake::take(const Method& method, Buffer& out) {
    return std::visit([this, &out](const auto& content) { return on(content, out); }, method);
}

Outcome<Handshake::Progress> Handshake::on(const ConnectionStart& start, Buffer& out) {
    if (state_ != State::waits_for_start)
        return Failure{Errc::handshake_failed, "connection.start came twice"};
    if (start.version_major != 0 || start.version_minor != 9)
        return Failure{Errc::handshake_failed,
                       fmt::format("the server speaks version {}.{}", start.version_major,
                                   start.version_minor)};
    const char* mechanism = endpoint_.logs_in_by_certificate ? "EXTERNAL" : "PLAIN";
    if (!contains_word(start.mechanisms.text, mechanism))
        return Failure{Errc::handshake_failed, fmt::format("the server offers no {} login, only {}",
                                                           mechanism, start.mechanisms.text)};
    server_properties_ = start.server_properties;
    ConnectionStartOk answer;
    answer.client_properties = client_properties(endpoint_);
    answer.mechanism = mechanism;
    if (!endpoint_.logs_in_by_certificate)
        answer.response.text = '\0' + endpoint_.user + '\0' + endpoint_.password.text;
    answer.locale = "en_US";
    if (auto appended = append(out, answer); !appended) return appended.error();
    state_ = State::waits_for_tune;
    return Progress::going_on;
}

Outcome<Handshake::Progress> Handshake::on(const ConnectionTune& tune, Buffer& out) {
    if (state_ != State::waits_for_tune)
        return Failure{Errc::handshake_failed, "connection.tune at the wrong time"};
    frame_max_ = smaller_limit(endpoint_.frame_max, tune.frame_max);
    channel_max_ = smaller_limit(endpoint_.channel_max, tune.channel_max);
    // Here zero of ours means that we want none; zero of theirs leaves it to us.
    heartbeat_seconds_ = endpoint_.heartbeat_seconds == 0
                             ? std::uint16_t{0}
                             : smaller_limit(endpoint_.heartbeat_seconds, tune.heartbeat);
    const ConnectionTuneOk answer{channel_max_, frame_max_, heartbeat_seconds_};
    if (auto appended = append(out, answer); !appended) return appended.error();
    const ConnectionOpen open{endpoint_.virtual_host};
    if (auto appended = append(out, open); !appended) return appended.error();
    state_ = State::waits_for_open_ok;
    return Progress::going_on;
}

Outcome<Handshake::Progress> Handshake::on(const ConnectionOpenOk&, Buffer&) {
    if (state_ != State::waits_for_open_ok)
        return Failure{Errc::handshake_failed, "connection.open-ok at the wrong time"};
    state_ = State::done;
    return Progress::done;
}

Outcome<Handshake::Progress> Handshake::on(const ConnectionClose& close, Buffer& out) {
    if (auto appended = append(out, ConnectionCloseOk{}); !appended) return appended.error();
    return Failure{static_cast<ReplyCode>(close.reply_code), close.reply_text};
}

template <typename Other>
Outcome<Handshake::Progress> Handshake::on(const Other&, Buffer&) {
    return Failure{Errc::handshake_failed, fmt::format("unexpected {}", Other::name)};
}

Failure Handshake::when_lost(const ErrorCode& error) const {
    switch (state_) {
    case State::waits_for_start:
        return {Errc::handshake_failed,
                "the server closed the connection before it said anything: " + error.message()};
    case State::waits_for_tune:
        return {ReplyCode::access_refused,
                endpoint_.logs_in_by_certificate
                    ? "the server closed the connection after the login; it knows no user of the "
                      "name in the certificate"
                    : "the server closed the connection after the login; user or password are "
                      "wrong"};
    case State::waits_for_open_ok:
    case State::done:
        break;
    }
    return {Errc::connection_lost, "connection lost during the handshake: " + error.message()};
}

} // namespace baton::amqp::client
