// The threads of the pool.
#include "workers/pool.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>

namespace baton::workers {

Pool::Pool(const std::string& name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        seats_.push_back(std::make_unique<Seat>());
        Seat& seat = *seats_.back();
        seat.thread = Thread(fmt::format("{}-{}", name.substr(0, 10), i), [&seat] {
            while (true) {
                const auto jobs = seat.mailbox.take();
                if (jobs.empty() && seat.mailbox.is_closed()) return;
                for (const auto& job : jobs) job();
            }
        });
        free_.push_back(i);
    }
}

Pool::~Pool() {
    for (const auto& seat : seats_) seat->mailbox.close();
}

std::size_t Pool::start(std::function<void()> job) {
    BATON_ASSERT(!free_.empty(), "the pool was asked for a thread that nobody had given back");
    const std::size_t thread = free_.back();
    free_.pop_back();
    seats_[thread]->mailbox.put(std::move(job));
    return thread;
}

} // namespace baton::workers
