// Keeps the samples behind the rates of the broker's API. Nobody pays for them while nobody looks: samples are
// taken with every answer that has rates and, for a while after one, every five seconds. On the web's thread;
// given to the routes with the BrokerPort.
#pragma once

#include "web/broker/rates.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>

namespace baton::web {

class RateKeeper : public std::enable_shared_from_this<RateKeeper> {
public:
    using Overview = broker::core::Overview;
    using OverviewWish = broker::core::OverviewWish;
    using Ask = std::function<void(OverviewWish, std::function<void(Overview)>)>;
    using Count = std::function<void(std::function<void(broker::core::TrafficList)>)>;

    // `now` is the clock; `ask` and `count` are the broker's.
    RateKeeper(std::function<Time()> now, Ask ask, Count count) : now_(std::move(now)), ask_(std::move(ask)), count_(std::move(count)) {}

    // Somebody is about to be told of objects of this kind: notes them, as far as `seen` has all of the kind,
    // and goes on sampling for a while.
    void look(boost::asio::any_io_executor executor, FlowKind kind, const Overview& seen, bool has_all);
    // The same of connections, whose figures are not in the overview.
    void count(std::function<void(broker::core::TrafficList)> reply) const { count_(std::move(reply)); }
    void look(boost::asio::any_io_executor executor, const broker::core::TrafficList& counted);

    void put_into(boost::json::object& stats, boost::json::object* lengths, FlowKind kind, const std::string& key,
                  const RateQuery& query) const {
        rates_.put_into(stats, lengths, kind, key, query, now_());
    }

private:
    void note(FlowKind kind, const Overview& seen, bool has_all);
    void note(const broker::core::TrafficList& counted);
    void want(FlowKind kind, const boost::asio::any_io_executor& executor);
    void begin(const boost::asio::any_io_executor& executor);
    void sample();

    std::function<Time()> now_;
    Ask ask_;
    Count count_;
    Rates rates_;
    std::array<Time, flow_kinds> wanted_until_{};
    std::array<bool, flow_kinds> is_too_much_{}; // so many objects that sampling them all costs more than it tells
    std::optional<boost::asio::steady_timer> timer_;
    bool is_sampling_ = false;
};

} // namespace baton::web
