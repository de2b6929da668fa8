#include "broker/net/handshake.hpp"

#include "base/overloaded.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace baton::broker::net {
namespace {

constexpr std::string_view pause_text = " Passwords were guessed before: none is looked at for up to a minute.";

amqp::FieldTable server_properties(const NetOptions& options) {
    amqp::FieldTable capabilities;
    for (const char* name : {"publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                             "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
                             "authentication_failure_close", "per_consumer_qos", "direct_reply_to"})
        capabilities.entries.emplace_back(name, true);
    return {{"capabilities", std::move(capabilities)},
            {"cluster_name", options.cluster_name},
            {"copyright", "Copyright (c) the Baton authors"},
            {"information", "Licensed under the Apache License 2.0"},
            {"platform", "C++20"},
            {"product", options.product},
            {"version", options.version}};
}

bool flag(const amqp::FieldTable& table, std::string_view name) {
    const amqp::FieldValue* value = table.find(name);
    const bool* is_set = value == nullptr ? nullptr : value->get<bool>();
    return is_set != nullptr && *is_set;
}

// Identity to act for, NUL, user, NUL, password (RFC 4616).
std::optional<Login> plain_login(std::string_view response) {
    const std::size_t first = response.find('\0');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = response.find('\0', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    return Login{std::string(response.substr(first + 1, second - first - 1)),
                 std::string(response.substr(second + 1))};
}

// The contents of a field table with LOGIN and PASSWORD.
std::optional<Login> amqplain_login(std::string_view response) {
    const auto table = amqp::decode_table(as_bytes(response));
    if (!table) return std::nullopt;
    const auto text = [&](std::string_view name) -> const std::string* {
        const amqp::FieldValue* value = table->find(name);
        return value == nullptr ? nullptr : value->get<std::string>();
    };
    const std::string* user = text("LOGIN");
    const std::string* password = text("PASSWORD");
    if (user == nullptr || password == nullptr) return std::nullopt;
    return Login{*user, *password};
}

std::optional<std::string> complaint_about(std::string_view what, std::uint32_t value,
                                           std::uint32_t minimum, std::uint32_t maximum) {
    if (value != 0 && value < minimum)
        return fmt::format("negotiated {} = {} is lower than the minimum allowed value ({})", what,
                           value, minimum);
    // 0 asks for no limit, which is more than any limit.
    if (maximum != 0 && (value == 0 || value > maximum))
        return fmt::format("negotiated {} = {} is higher than the maximum allowed value ({})", what,
                           value, maximum);
    return std::nullopt;
}

} // namespace

Handshake::Handshake(const NetOptions& options, Peer peer)
    : options_(&options), peer_(std::move(peer)) {}

void Handshake::begin(amqp::Buffer& out) {
    amqp::ConnectionStart start;
    start.server_properties = server_properties(*options_);
    start.mechanisms = {peer_.is_verified ? "AMQPLAIN PLAIN EXTERNAL" : "AMQPLAIN PLAIN"};
    start.locales = {"en_US"};
    (void)amqp::append_method(out, 0, amqp::Method(std::move(start)));
}

void Handshake::take(const amqp::Frame& frame, amqp::Buffer& out) {
    if (frame.type == amqp::FrameType::heartbeat) return;
    if (frame.type != amqp::FrameType::method || frame.channel != 0)
        return fail(amqp::Errc::unexpected_frame, out);
    auto method = amqp::decode_method(frame.payload);
    if (!method) return fail(method.error(), out);
    if (std::holds_alternative<amqp::ConnectionCloseOk>(*method)) {
        if (state_ == State::closing) state_ = State::dropped;
        return;
    }
    if (std::holds_alternative<amqp::ConnectionClose>(*method)) {
        (void)amqp::append_method(out, 0, amqp::Method(amqp::ConnectionCloseOk{}));
        state_ = State::dropped;
        return;
    }
    const auto* start_ok = std::get_if<amqp::ConnectionStartOk>(&*method);
    const auto* tune_ok = std::get_if<amqp::ConnectionTuneOk>(&*method);
    const auto* open = std::get_if<amqp::ConnectionOpen>(&*method);
    switch (state_) {
    case State::expects_start_ok:
        if (start_ok != nullptr) {
            agreement_.client_properties_bytes = frame.payload.size();
            return take(*start_ok, out);
        }
        break;
    case State::expects_tune_ok:
        if (tune_ok != nullptr) return take(*tune_ok, out);
        break;
    case State::expects_open:
        if (open != nullptr) {
            agreement_.vhost = open->virtual_host;
            state_ = State::asked_to_open;
            return;
        }
        break;
    case State::closing:
    case State::dropped:
        return;
    case State::expects_verdict:
    case State::asked_to_open:
        break;
    }
    close(amqp::ReplyCode::command_invalid,
          fmt::format("COMMAND_INVALID - unexpected {} while opening a connection",
                      amqp::name_of(*method)),
          amqp::id_of(*method), out);
}

void Handshake::take(const amqp::ConnectionStartOk& method, amqp::Buffer& out) {
    if (const amqp::FieldValue* said = method.client_properties.find("capabilities"))
        if (const auto* table = said->get<amqp::FieldTable>()) {
            agreement_.capabilities = {.consumer_cancel_notify =
                                           flag(*table, "consumer_cancel_notify"),
                                       .connection_blocked = flag(*table, "connection.blocked"),
                                       .basic_nack = flag(*table, "basic.nack"),
                                       .publisher_confirms = flag(*table, "publisher_confirms")};
            tells_login_failures_ = flag(*table, "authentication_failure_close");
        }
    agreement_.client_properties = method.client_properties;
    agreement_.mechanism = method.mechanism;

    const bool is_external = method.mechanism == "EXTERNAL";
    if (method.mechanism != "PLAIN" && method.mechanism != "AMQPLAIN" &&
        !(is_external && peer_.has_tls))
        return close(amqp::ReplyCode::command_invalid,
                     fmt::format("COMMAND_INVALID - unknown authentication mechanism '{}'",
                                 method.mechanism),
                     amqp::ConnectionStartOk::id, out);
    std::optional<Login> login;
    if (!is_external)
        login = method.mechanism == "PLAIN" ? plain_login(method.response.text)
                                            : amqplain_login(method.response.text);
    else if (peer_.is_verified && peer_.user)
        // What the client answers is ignored, as in RabbitMQ: the certificate has the name.
        login = Login{*peer_.user, std::nullopt};
    if (!login) {
        if (!is_external)
            complaint_ = "credentials in a form that makes no sense";
        else if (peer_.is_verified)
            complaint_ = "the client's certificate has no such name";
        else
            complaint_ = "EXTERNAL without a certificate that was verified";
        return refuse_login(out);
    }
    agreement_.user = login->user;
    login_ = std::move(*login);
    state_ = State::expects_verdict;
}

void Handshake::judge(LoginVerdict verdict, amqp::Buffer& out) {
    const bool has_password = login_.password.has_value();
    login_ = {};
    switch (verdict) {
    case LoginVerdict::welcome:
        (void)amqp::append_method(
            out, 0,
            amqp::Method(amqp::ConnectionTune{options_->channel_max, options_->frame_max,
                                              options_->heartbeat_seconds}));
        state_ = State::expects_tune_ok;
        return;
    case LoginVerdict::refused:
        complaint_ = has_password
                         ? fmt::format("wrong user or password for '{}'", agreement_.user)
                         : fmt::format("no user '{}', whom the certificate names", agreement_.user);
        break;
    case LoginVerdict::only_from_loopback:
        complaint_ = fmt::format("user '{}' may log in from this machine only", agreement_.user);
        break;
    case LoginVerdict::paused:
        complaint_ = fmt::format("too many wrong passwords for '{}' from this address; guessing is slowed down, for a "
                                 "minute at most",
                                 agreement_.user);
        return refuse_login(out, pause_text);
    }
    refuse_login(out);
}

void Handshake::refuse_login(amqp::Buffer& out, std::string_view hint) {
    if (!tells_login_failures_) {
        // All an old client understands is a closed socket (§2.2.4).
        state_ = State::dropped;
        return;
    }
    std::string why = std::exchange(complaint_, {});
    close(amqp::ReplyCode::access_refused,
          fmt::format("ACCESS_REFUSED - Login was refused using authentication mechanism {}. For "
                      "details see the broker logfile.{}",
                      agreement_.mechanism, hint),
          {}, out);
    complaint_ = std::move(why);
}

void Handshake::take(const amqp::ConnectionTuneOk& method, amqp::Buffer& out) {
    auto complaint = complaint_about("channel_max", method.channel_max, 1, options_->channel_max);
    if (!complaint)
        complaint = complaint_about("frame_max", method.frame_max, amqp::frame_bytes_min,
                                    options_->frame_max);
    if (complaint)
        return close(amqp::ReplyCode::not_allowed, "NOT_ALLOWED - " + *complaint,
                     amqp::ConnectionTuneOk::id, out);
    agreement_.channel_max = method.channel_max;
    agreement_.frame_max = method.frame_max;
    agreement_.heartbeat_seconds = method.heartbeat;
    state_ = State::expects_open;
}

void Handshake::fail(const ErrorCode& error, amqp::Buffer& out) {
    const amqp::ReplyCode code = amqp::reply_code_for(error);
    close(code, fmt::format("{} - {}", amqp::name_of(code), error.message()), {}, out);
}

void Handshake::close(amqp::ReplyCode code, std::string text, amqp::MethodId failed,
                      amqp::Buffer& out) {
    if (text.size() > 255) text.resize(255);
    complaint_ = text;
    (void)amqp::append_method(
        out, 0,
        amqp::Method(amqp::ConnectionClose{static_cast<std::uint16_t>(code), std::move(text),
                                           failed.class_id, failed.method_id}));
    state_ = State::closing;
}

} // namespace baton::broker::net
