#include "web/broker/rates.hpp"

#include "web/broker/broker_view.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 11> flow_names{"publish", "deliver", "deliver_no_ack", "get", "get_no_ack",
                                                      "deliver_get", "redeliver", "ack", "confirm",
                                                      "return_unroutable", "drop_unroutable"};
constexpr std::array<std::string_view, 2> exchange_flow_names{"publish_in", "publish_out"};
constexpr std::array<std::string_view, 2> connection_flow_names{"recv_oct", "send_oct"};
constexpr std::array<std::string_view, 3> length_names{"messages", "messages_ready", "messages_unacknowledged"};

// A timer may come a little early.
constexpr Duration sample_interval_min = sample_interval - std::chrono::milliseconds(500);
// Samples further apart than this: nobody looked in between.
constexpr Duration gap_min = 2 * sample_interval;
constexpr std::size_t samples_max = 122; // ten minutes of them
// 25 MB of all objects of a kind together.
constexpr std::size_t samples_of_all_max = 200'000;
constexpr std::int64_t age_max = 86'400;
constexpr std::int64_t answered_samples_max = 1'000;

std::span<const std::string_view> names_of(FlowKind kind) {
    if (kind == FlowKind::exchange) return exchange_flow_names;
    if (kind == FlowKind::connection) return connection_flow_names;
    return flow_names;
}

FlowValues counted_values(const broker_core::MessageCounters& counted) {
    FlowValues values;
    values.flows = {counted.published,
                    counted.delivered,
                    counted.delivered_no_ack,
                    counted.gotten,
                    counted.gotten_no_ack,
                    counted.delivered + counted.delivered_no_ack + counted.gotten + counted.gotten_no_ack,
                    counted.redelivered,
                    counted.acknowledged,
                    counted.confirmed,
                    counted.returned,
                    counted.dropped};
    return values;
}

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Counters begin anew with an object of the same name.
// On the straight line between two samples, `part` of `whole` behind the first.
std::uint64_t between(std::uint64_t from, std::uint64_t to, std::int64_t whole, std::int64_t part) {
    const double grown = (static_cast<double>(to) - static_cast<double>(from)) * static_cast<double>(part) / static_cast<double>(whole);
    return static_cast<std::uint64_t>(std::max(0.0, static_cast<double>(from) + grown));
}

double growth(std::uint64_t from, std::uint64_t to, Duration time, bool may_shrink) {
    if (time <= Duration::zero() || (to < from && !may_shrink)) return 0.0;
    return (static_cast<double>(to) - static_cast<double>(from)) / seconds_of(time);
}

Outcome<std::optional<SampleWish>> rate_wish_in(const Request& request, const std::string& prefix) {
    const std::string age = parameter(request, prefix + "_age");
    const std::string interval = parameter(request, prefix + "_incr");
    if (age.empty() || interval.empty()) return std::optional<SampleWish>{};
    const auto seconds = number_from<std::int64_t>(age);
    const auto step = number_from<std::int64_t>(interval);
    if (!seconds || !step || *seconds < 0 || *step < 1 || *seconds > age_max || *seconds / *step > answered_samples_max)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("'{}_age' must be seconds up to {}, and '{}_incr' seconds from 1 that make at most {} "
                                   "samples of it",
                                   prefix, age_max, prefix, answered_samples_max)};
    return std::optional(SampleWish{std::chrono::seconds(*seconds), std::chrono::seconds(*step)});
}

} // namespace

FlowValues values_of(const broker_core::Totals& totals) {
    FlowValues values = counted_values(totals.counters);
    values.lengths = {totals.ready + totals.unacked, totals.ready, totals.unacked};
    return values;
}

FlowValues values_of(const broker_core::QueueView& queue) {
    FlowValues values = counted_values(queue.counters);
    values.lengths = {queue.ready + queue.unacked, queue.ready, queue.unacked};
    return values;
}

FlowValues values_of(const broker_core::ExchangeView& exchange) {
    FlowValues values;
    values.flows[0] = exchange.published_in;
    values.flows[1] = exchange.published_out;
    return values;
}

FlowValues values_of(const broker_core::ChannelView& channel) { return counted_values(channel.counters); }

FlowValues values_of(const broker_core::Traffic& traffic) {
    FlowValues values;
    values.flows[0] = traffic.received_bytes;
    values.flows[1] = traffic.sent_bytes;
    return values;
}

std::string flow_key(const broker_core::QueueView& queue) { return queue.vhost + '\0' + queue.name; }
std::string flow_key(const broker_core::ExchangeView& exchange) { return exchange.vhost + '\0' + exchange.name; }
std::string flow_key(const broker_core::ChannelView& channel) { return channel_pid(channel.connection, channel.number); }

std::string flow_key(broker_core::ConnectionId connection) { return connection_pid(connection); }

json::object flow_json(FlowKind kind, const FlowValues& values) {
    json::object out;
    const auto names = names_of(kind);
    for (std::size_t at = 0; at < names.size(); ++at) out[names[at]] = values.flows[at];
    return out;
}

Outcome<RateQuery> rate_query(const Request& request) {
    RateQuery query;
    BATON_ASSIGN(query.flows, rate_wish_in(request, "msg_rates"));
    BATON_ASSIGN(query.lengths, rate_wish_in(request, "lengths"));
    BATON_ASSIGN(query.data, rate_wish_in(request, "data_rates"));
    return query;
}

void Rates::add(Series& series, const FlowValues& values, Time now, std::size_t kept) {
    if (!series.empty() && now - series.back().at < sample_interval_min) return;
    series.push_back({now, values});
    while (series.size() > kept) series.pop_front();
}

void Rates::note(FlowKind kind, std::span<const std::pair<std::string, FlowValues>> objects, Time now) {
    auto& known = series_[static_cast<std::size_t>(kind)];
    const std::size_t kept = std::clamp<std::size_t>(samples_of_all_max / std::max<std::size_t>(objects.size(), 1), 2, samples_max);
    std::map<std::string, Series, std::less<>> there;
    for (const auto& [key, values] : objects) {
        auto node = known.extract(key);
        Series& series = node.empty() ? there[key] : there.insert(std::move(node)).position->second;
        add(series, values, now, kept);
    }
    known = std::move(there); // the others are gone
}

void Rates::note_one(FlowKind kind, const std::string& key, const FlowValues& values, Time now) {
    auto& known = series_[static_cast<std::size_t>(kind)];
    const std::size_t kept = std::clamp<std::size_t>(samples_of_all_max / (known.size() + 1), 2, samples_max);
    add(known[key], values, now, kept);
}

void Rates::put_into(json::object& stats, json::object* lengths, FlowKind kind, const std::string& key,
                     const RateQuery& query, Time now) const {
    static const Series none;
    const auto& known = series_[static_cast<std::size_t>(kind)];
    const auto found = known.find(key);
    const Series& series = found == known.end() ? none : found->second;

    const auto detail = [&](const std::optional<SampleWish>& wish, bool may_shrink, auto value_of) {
        json::object out;
        out["rate"] = 0.0;
        if (series.size() >= 2) {
            const Sample &before = series[series.size() - 2], &last = series.back();
            out["rate"] = growth(value_of(before.values), value_of(last.values), last.at - before.at, may_shrink);
        }
        if (!wish) return out;
        // The newest first, at whole multiples of the interval.
        json::array samples;
        double sum = 0;
        std::uint64_t first = 0, last = 0;
        const std::int64_t step = wish->interval.count() * 1'000'000;
        const std::int64_t end = micros_of(now) / step * step;
        for (std::int64_t at = end; at >= end - micros_of(Time{wish->age}); at -= step) {
            const auto behind = std::ranges::upper_bound(series, time_from_micros(at), {}, &Sample::at);
            if (behind == series.begin()) break;
            first = value_of((behind - 1)->values);
            // Nobody looked for a while: what happened meanwhile was not at its end all at once.
            if (behind != series.end() && behind->at - (behind - 1)->at > gap_min)
                first = between(first, value_of(behind->values), micros_of(behind->at) - micros_of((behind - 1)->at),
                                at - micros_of((behind - 1)->at));
            if (samples.empty()) last = first;
            sum += static_cast<double>(first);
            samples.emplace_back(json::object{{"sample", first}, {"timestamp", at / 1000}});
        }
        const auto count = static_cast<std::int64_t>(samples.size());
        out["avg_rate"] = count < 2 ? 0.0 : growth(first, last, Duration{(count - 1) * step}, may_shrink);
        out["avg"] = count == 0 ? 0.0 : sum / static_cast<double>(count);
        out["samples"] = std::move(samples);
        return out;
    };

    const auto names = names_of(kind);
    const auto& flows = kind == FlowKind::connection ? query.data : query.flows;
    for (std::size_t at = 0; at < names.size(); ++at)
        stats[fmt::format("{}_details", names[at])] =
            detail(flows, false, [at](const FlowValues& values) { return values.flows[at]; });
    if (lengths == nullptr) return;
    for (std::size_t at = 0; at < length_names.size(); ++at)
        (*lengths)[fmt::format("{}_details", length_names[at])] =
            detail(query.lengths, true, [at](const FlowValues& values) { return values.lengths[at]; });
}

} // namespace baton::web
