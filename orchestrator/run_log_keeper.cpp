#include "orchestrator/run_log_keeper.hpp"

#include "base/log.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace baton::orchestrator {
namespace {

// A line is one line: what a program ends its own with says nothing.
std::string without_last_line_end(std::string text) {
    while (text.ends_with('\n') || text.ends_with('\r'))
        text.pop_back();
    return text;
}

} // namespace

RunLogKeeper::RunLogKeeper(Options options, Open open, Counters counters)
    : options_(options),
      open_(std::move(open)),
      counters_(counters),
      thread_("run-log", [this] { run(); }) {}

RunLogKeeper::~RunLogKeeper() {
    stop();
}

void RunLogKeeper::stop() {
    stop_.close();
    items_.close();
    for (runtime::RunStore* store : opened_.take_now())
        store->interrupt(Duration::zero());
    thread_.join();
}

void RunLogKeeper::add(runtime::RunLogLine line, std::function<void()> done) {
    if (waiting_.value() >= static_cast<std::int64_t>(options_.waiting_max)) {
        counters_.dropped.add();
        return done();
    }
    line.text = shortened(without_last_line_end(as_utf8(line.text)), options_.limits.line_bytes);
    if (waiting_.value() >= static_cast<std::int64_t>(options_.unsettled_max))
        std::exchange(done, {})();
    waiting_.add(1);
    items_.put({std::move(line), std::move(done)});
}

void RunLogKeeper::run() {
    std::vector<Item> items;
    while (!stop_.is_closed()) {
        if (items.empty()) items = items_.take();
        if (items.empty()) continue;
        stop_.take(options_.gather);
        auto more = items_.take_now();
        std::move(more.begin(), more.end(), std::back_inserter(items));
        while (!items.empty() && !stop_.is_closed())
            if (!is_open() || !keep(items)) stop_.take(options_.retry_pause);
    }
}

bool RunLogKeeper::is_open() {
    if (store_) return true;
    auto store = open_();
    if (!store) {
        if (!std::exchange(is_failing_, true))
            log::warning("run-log", "lines of workers wait: the store cannot be opened",
                         {{"reason", store.error().detail}});
        return false;
    }
    store_ = std::move(*store);
    opened_.put(store_.get());
    return true;
}

// False: the store is away, and all of them are still to be kept.
bool RunLogKeeper::keep(std::vector<Item>& items) {
    const std::size_t count = std::min(items.size(), options_.batch_max);
    std::vector<runtime::RunLogLine> lines;
    for (std::size_t i = 0; i < count; ++i)
        lines.push_back(items[i].line);
    const auto kept = store_->add_log_lines(lines, options_.limits);
    const bool is_away = !kept && kept.error().code == runtime::StoreErrc::unavailable;
    if (!kept && !std::exchange(is_failing_, true))
        log::warning("run-log",
                     is_away ? "lines of workers wait for the store"
                             : "lines of workers are lost: the store refuses them",
                     {{"reason", kept.error().detail}});
    if (is_away) return false;
    if (kept) is_failing_ = false;
    (kept ? counters_.kept : counters_.dropped).add(count);
    for (std::size_t i = 0; i < count; ++i)
        if (items[i].done) items[i].done();
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count));
    waiting_.add(-static_cast<std::int64_t>(count));
    return true;
}

} // namespace baton::orchestrator
