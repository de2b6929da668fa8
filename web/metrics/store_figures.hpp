// What metrics say of the store's content: runs by workflow and status, open dead letters by task and
// reason. Counting reads whole tables, so it is done at most every 15 seconds, and so seldom that it keeps
// its reader busy a twentieth of the time. On the web's thread.
#pragma once

#include "web/runs/store_reader.hpp"

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace baton::web {

class StoreFigures {
public:
    using RunCount = orchestrator::runtime::RunCount;
    using ByTwo = std::map<std::pair<std::string, std::string>, std::uint64_t>;

    // The reader is of these questions alone, so that nobody waits behind them.
    explicit StoreFigures(StoreReader& reader) : reader_(reader) {}

    // Counts again when it is time, and waits for that. What the store does not say in time stays as it was.
    boost::asio::awaitable<void> refresh();
    // Empty until the store has answered once.
    const std::vector<RunCount>& runs() const { return runs_; }
    const ByTwo& dead_letters() const { return dead_; } // by task and reason

private:
    StoreReader& reader_;
    std::vector<RunCount> runs_;
    ByTwo dead_;
    std::chrono::steady_clock::time_point next_{};
    bool is_asking_ = false;
};

} // namespace baton::web
