// What the files of Conversation share: how its channel and its consumers are called.
#pragma once

#include "broker/core/ids.hpp"
#include "mqtt/packet.hpp"

#include <cstddef>
#include <string_view>

namespace baton::broker::mqtt {

inline constexpr core::ChannelNumber the_channel = 1;
// Consumer tags: the session's two queues, and a share's filter behind its mark.
inline constexpr std::string_view qos_0_tag = "0";
inline constexpr std::string_view qos_1_tag = "1";
inline constexpr char share_mark = 's';
// More output than this, and nothing is fetched for the client that can wait.
inline constexpr std::size_t output_high = 256U << 10;

inline bool is_failure(baton::mqtt::ReasonCode code) {
    return static_cast<unsigned>(code) >= 0x80;
}

} // namespace baton::broker::mqtt
