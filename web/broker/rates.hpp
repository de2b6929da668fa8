// How fast counters grow and lengths change, as RabbitMQ's API says it: `publish_details.rate`, and with
// msg_rates_age and msg_rates_incr (lengths_age and lengths_incr) the samples behind it. Values are kept for
// ten minutes, one for every five seconds; where there are very many objects, fewer of each. Pure.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "broker/core/overview.hpp"
#include "broker/core/traffic.hpp"
#include "web/http/http_server.hpp"

#include <boost/json/object.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

// As RabbitMQ's.
inline constexpr Duration sample_interval = std::chrono::seconds(5);

enum class FlowKind : std::uint8_t { overview, queue, exchange, channel, connection };
constexpr std::size_t flow_kinds = 5;

// In the order of the names below; an exchange and a connection have the first two only, and other names for them.
struct FlowValues {
    std::array<std::uint64_t, 11> flows{};
    std::array<std::uint64_t, 3> lengths{};
};

FlowValues values_of(const broker::core::Totals& totals);
FlowValues values_of(const broker::core::QueueView& queue);
FlowValues values_of(const broker::core::ExchangeView& exchange);
FlowValues values_of(const broker::core::ChannelView& channel);
FlowValues values_of(const broker::core::Traffic& traffic);
// Who is who among the objects of a kind.
std::string flow_key(const broker::core::QueueView& queue);
std::string flow_key(const broker::core::ExchangeView& exchange);
std::string flow_key(const broker::core::ChannelView& channel);
std::string flow_key(broker::core::ConnectionId connection);

// `message_stats`, without rates.
boost::json::object flow_json(FlowKind kind, const FlowValues& values);

// Which samples are wanted; nothing: only rates.
struct SampleWish {
    std::chrono::seconds age{};
    std::chrono::seconds interval{};
};
struct RateQuery {
    std::optional<SampleWish> flows;
    std::optional<SampleWish> lengths;
    std::optional<SampleWish> data; // of connections
};
Outcome<RateQuery> rate_query(const Request& request);

class Rates {
public:
    // Of all objects of a kind that are there now. What comes sooner than a sample is due is not kept.
    void note(FlowKind kind, std::span<const std::pair<std::string, FlowValues>> objects, Time now);
    // One of them, or the only one.
    void note_one(FlowKind kind, const std::string& key, const FlowValues& values, Time now);

    // Puts `…_details` beside the numbers of `stats` and, if there are any, of `lengths`.
    void put_into(boost::json::object& stats, boost::json::object* lengths, FlowKind kind, const std::string& key,
                  const RateQuery& query, Time now) const;

private:
    struct Sample {
        Time at;
        FlowValues values;
    };
    using Series = std::deque<Sample>;

    static void add(Series& series, const FlowValues& values, Time now, std::size_t samples_max);

    std::array<std::map<std::string, Series, std::less<>>, flow_kinds> series_;
};

} // namespace baton::web
