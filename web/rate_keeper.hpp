// Keeps the samples behind the rates of the broker's API. Nobody pays for them while nobody looks: samples are
// taken with every answer that has rates and, for a while after one, every five seconds. On the web's thread;
// given to the routes with the BrokerPort.
#pragma once

#include "web/rates.hpp"

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

    // `now` is the clock; `ask` the broker's.
    RateKeeper(std::function<Time()> now, Ask ask) : now_(std::move(now)), ask_(std::move(ask)) {}

    // Somebody is about to be told of objects of this kind: notes them, as far as `seen` has all of the kind,
    // and goes on sampling for a while.
    void look(boost::asio::any_io_executor executor, FlowKind kind, const Overview& seen, bool has_all);

    void put_into(boost::json::object& stats, boost::json::object* lengths, FlowKind kind, const std::string& key,
                  const RateQuery& query) const {
        rates_.put_into(stats, lengths, kind, key, query, now_());
    }

private:
    void note(FlowKind kind, const Overview& seen, bool has_all);
    void begin(const boost::asio::any_io_executor& executor);
    void sample();

    std::function<Time()> now_;
    Ask ask_;
    Rates rates_;
    std::array<Time, flow_kinds> wanted_until_{};
    std::array<bool, flow_kinds> is_too_much_{}; // so many objects that sampling them all costs more than it tells
    std::optional<boost::asio::steady_timer> timer_;
    bool is_sampling_ = false;
};

} // namespace baton::web
