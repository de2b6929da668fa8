#include "web/broker/rate_keeper.hpp"

#include "web/broker/broker_port.hpp"

#include <boost/asio/post.hpp>

#include <utility>
#include <vector>

namespace baton::web {

namespace broker_core = broker::core;

namespace {

// Programs that scale or alert by rates ask every half minute or oftener.
constexpr Duration interest = std::chrono::seconds(90);
// Looking at a hundred thousand queues would keep the broker from its work for a moment each time.
constexpr std::size_t objects_max = 20'000;
constexpr FlowKind rate_kinds[] = {FlowKind::overview, FlowKind::queue, FlowKind::exchange, FlowKind::channel, FlowKind::connection};

std::size_t place_of(FlowKind kind) { return static_cast<std::size_t>(kind); }

template <typename View>
std::vector<std::pair<std::string, FlowValues>> flows_of(const std::vector<View>& views) {
    std::vector<std::pair<std::string, FlowValues>> flows;
    flows.reserve(views.size());
    for (const View& view : views) flows.emplace_back(flow_key(view), values_of(view));
    return flows;
}

} // namespace

void RateKeeper::note(FlowKind kind, const Overview& seen, bool has_all) {
    std::vector<std::pair<std::string, FlowValues>> flows;
    switch (kind) {
    case FlowKind::overview: flows.emplace_back("", values_of(seen.totals)); break;
    case FlowKind::queue: flows = flows_of(seen.queues); break;
    case FlowKind::exchange: flows = flows_of(seen.exchanges); break;
    case FlowKind::channel: flows = flows_of(seen.channels); break;
    case FlowKind::connection: return; // not in the overview
    }
    if (has_all) {
        is_too_much_[place_of(kind)] = flows.size() > objects_max;
        return rates_.note(kind, flows, now_());
    }
    for (const auto& [key, values] : flows) rates_.note_one(kind, key, values, now_());
}

void RateKeeper::look(boost::asio::any_io_executor executor, FlowKind kind, const Overview& seen, bool has_all) {
    note(kind, seen, has_all);
    want(kind, executor);
}

void RateKeeper::note(const broker_core::TrafficList& counted) {
    std::vector<std::pair<std::string, FlowValues>> flows;
    flows.reserve(counted.size());
    for (const auto& [connection, traffic] : counted) flows.emplace_back(flow_key(connection), values_of(traffic));
    is_too_much_[place_of(FlowKind::connection)] = flows.size() > objects_max;
    rates_.note(FlowKind::connection, flows, now_());
}

void RateKeeper::look(boost::asio::any_io_executor executor, const broker_core::TrafficList& counted) {
    note(counted);
    want(FlowKind::connection, executor);
}

void RateKeeper::want(FlowKind kind, const boost::asio::any_io_executor& executor) {
    wanted_until_[place_of(kind)] = now_() + interest;
    begin(executor);
}

void RateKeeper::begin(const boost::asio::any_io_executor& executor) {
    if (std::exchange(is_sampling_, true)) return;
    if (!timer_) timer_.emplace(executor);
    timer_->expires_after(sample_interval);
    timer_->async_wait([weak = weak_from_this()](const ErrorCode& error) {
        if (const auto self = weak.lock(); self && !error) self->sample();
    });
}

void RateKeeper::sample() {
    is_sampling_ = false;
    const Time now = now_();
    const auto is_wanted = [&](FlowKind kind) {
        return wanted_until_[place_of(kind)] > now && !is_too_much_[place_of(kind)];
    };
    if (std::ranges::none_of(rate_kinds, is_wanted)) return;
    auto wish = no_lists();
    wish.queues = is_wanted(FlowKind::queue);
    wish.exchanges = is_wanted(FlowKind::exchange);
    wish.channels = is_wanted(FlowKind::channel);
    if (is_wanted(FlowKind::connection))
        count_([weak = weak_from_this(), executor = timer_->get_executor()](broker_core::TrafficList counted) {
            boost::asio::post(executor, [weak, counted = std::move(counted)] {
                if (const auto self = weak.lock()) self->note(counted);
            });
        });
    ask_(wish, [weak = weak_from_this(), executor = timer_->get_executor(), wish](Overview seen) {
        boost::asio::post(executor, [weak, wish, seen = std::move(seen)] {
            const auto self = weak.lock();
            if (!self) return;
            self->note(FlowKind::overview, seen, true);
            if (wish.queues) self->note(FlowKind::queue, seen, true);
            if (wish.exchanges) self->note(FlowKind::exchange, seen, true);
            if (wish.channels) self->note(FlowKind::channel, seen, true);
        });
    });
    begin(timer_->get_executor());
}

} // namespace baton::web
