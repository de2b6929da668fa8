// Messages as users of the client see them: values that own their bytes.
#pragma once

#include "amqp/properties.hpp"
#include "amqp/spec.hpp"
#include "base/bytes.hpp"

#include <cstdint>
#include <string>

namespace baton::amqp::client {

// Something to be published.
struct Publication {
    std::string exchange{};
    std::string routing_key{};
    Properties properties{};
    SharedBytes body{};
    // Unroutable messages come back instead of being dropped.
    bool mandatory = false;
};

// Something a consumer or basic.get received.
struct Delivery {
    // Empty for basic.get.
    std::string consumer_tag{};
    // What ack, nack and reject want; valid on the channel it came from.
    std::uint64_t delivery_tag = 0;
    bool redelivered = false;
    std::string exchange{};
    std::string routing_key{};
    Properties properties{};
    SharedBytes body{};
};

// A mandatory message that came back.
struct Returned {
    ReplyCode reply_code = ReplyCode::no_route;
    std::string reply_text{};
    std::string exchange{};
    std::string routing_key{};
    Properties properties{};
    SharedBytes body{};
};

} // namespace baton::amqp::client
