// The texts behind the client's codes.
#include "amqp/client/errors.hpp"

#include <string>

namespace baton::amqp::client {

namespace {

const char* text_of(Errc code) {
    switch (code) {
    case Errc::bad_url:
        return "not an AMQP URL";
    case Errc::unreachable:
        return "broker cannot be reached";
    case Errc::handshake_failed:
        return "handshake failed";
    case Errc::tls_failed:
        return "TLS failed";
    case Errc::connection_lost:
        return "connection lost";
    case Errc::heartbeat_missed:
        return "broker is silent";
    case Errc::closed_by_us:
        return "closed by us";
    case Errc::channel_closed:
        return "channel is closed";
    case Errc::cancelled:
        return "cancelled";
    case Errc::nacked:
        return "broker refused the message";
    case Errc::returned:
        return "message could not be routed";
    case Errc::no_free_channel:
        return "all channels are in use";
    }
    return "unknown error";
}

class Category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "amqp.client"; }
    std::string message(int code) const override { return text_of(static_cast<Errc>(code)); }
};

} // namespace

const boost::system::error_category& category() {
    static const Category instance;
    return instance;
}

ErrorCode make_error_code(Errc code) {
    return {static_cast<int>(code), category()};
}

} // namespace baton::amqp::client
