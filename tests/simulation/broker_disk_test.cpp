// The whole durable broker on a disk that forgets what was not synced, tears writes, fills up and
// fails at any operation: random lives by seed. After each recovery, and at the end by consuming
// everything, the promises of promises.hpp are checked. Some hundred seeds run with every test run;
// BATON_DISK_SEEDS=FIRST-LAST runs others, for example the one that a failure prints.
#include "broker/journal/errors.hpp"
#include "tests/simulation/sim_broker.hpp"
#include "tests/simulation/sim_clients.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstdlib>

namespace baton::test {
namespace {

constexpr std::size_t all = SimBroker::all;

class Life {
public:
    explicit Life(std::uint64_t seed)
        : random_(seed),
          promises_(SimClients::queues_that_keep_dead_letters(), SimClients::log()),
          clients_(random_, promises_) {
        broker::core::Options& core = machine_.core;
        core.first_user_password_hash = "hash";
        core.sealed_segments_max = static_cast<std::uint32_t>(pick(1, 3));
        core.repeats_per_turn_max = static_cast<std::uint32_t>(pick(1, 8));
        core.outbox_bytes_max = 3000;
        // In some lives all clients are the server's own: then turns wait for each other, and a confirm may come
        // when the message has gone instead of when it is durable.
        if (seed % 3 == 0) {
            core.own_user = "guest";
            clients_.expect_early_confirms();
        }
        // Every other life has so little memory that most messages are on the disk.
        if (seed % 2 == 0) {
            core.page_above = pick(0, 3000);
            core.page_all_above = core.page_above + pick(0, 3000);
            core.window_entries = pick(1, 4);
            core.block_entries = pick(1, 4);
            core.block_bytes = pick(1, 2000);
        }
        machine_.options.first_segment_bytes = 1024;
        machine_.options.segment_bytes_max = 1024 * pick(1, 4);
    }

    // What went wrong; empty when nothing did.
    std::string run() {
        start();
        for (auto crashes = pick(1, 5); crashes != 0 && is_well(); --crashes) {
            live(pick(20, 150));
            crash();
            if (is_well()) start();
        }
        if (is_well() && !live(pick(20, 100)) && is_well()) {
            crash();
            if (is_well()) start();
        }
        if (is_well() && !settle_down()) {
            // A draft of a segment that could neither be written nor removed stays in the way.
            crash();
            if (is_well()) start();
            if (is_well() && !settle_down()) promises_.complain("the disk refuses without reason");
        }
        if (is_well()) clients_.expect_all_answered();
        if (is_well()) end();
        return promises_.complaint();
    }

    std::uint64_t owed_most() const { return owed_most_; }
    std::uint64_t crashes() const { return crashes_; }

private:
    std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
        return low + random_.below(high - low + 1);
    }
    bool is_well() const { return promises_.complaint().empty(); }

    template <typename Act>
    void batch(Act&& act) {
        broker_->core().batch([&](broker::core::Broker& core, Time now, broker::core::Turn& turn) {
            clients_.begin(core, now, turn);
            act();
            clients_.end();
        });
    }

    // --- Work ---

    // False: the disk refused, and the process must end.
    bool live(std::uint64_t steps) {
        batch([&] { clients_.declare_all(); });
        // The process may also die in the middle of any operation of the disk.
        if (pick(0, 1) == 0) machine_.journal.fail_from(pick(0, 60));
        bool goes_on = true;
        while (goes_on && steps-- != 0 && is_well()) goes_on = step();
        owed_most_ = std::max<std::uint64_t>(owed_most_, promises_.owed());
        return goes_on;
    }

    bool step() {
        switch (pick(0, 19)) {
        case 0:
        case 1: return broker_->write(pick(1, 3)).has_value();
        case 2:
        case 3: return broker_->write(all).has_value();
        case 4: return broker_->prepare().has_value();
        case 5: return broker_->prepare() && broker_->write(all);
        case 6:
        case 7: broker_->report(pick(1, 3)); return true;
        case 8:
        case 9:
        case 10: broker_->report(all); return true;
        case 11: wait(pick(1, 200)); return true;
        case 12:
            if (pick(0, 9) == 0) fill_disk();
            return true;
        default:
            batch([&] {
                for (auto acts = pick(1, 5); acts != 0; --acts) clients_.act();
            });
            return true;
        }
    }

    void wait(std::uint64_t millis) {
        machine_.clock.advance(std::chrono::milliseconds(millis));
        broker_->core().tick();
    }

    void fill_disk() {
        const bool is_full = pick(0, 1) == 0;
        machine_.journal.set_capacity(is_full ? machine_.journal.bytes() + pick(0, 2000)
                                              : UINT64_MAX);
        machine_.pages.set_capacity(is_full ? machine_.pages.bytes() + pick(0, 2000) : UINT64_MAX);
    }

    // Until nothing is under way any more; the disk has space again. False: it refused earlier.
    bool settle_down() {
        machine_.journal.set_capacity(UINT64_MAX);
        machine_.pages.set_capacity(UINT64_MAX);
        machine_.journal.fail_no_more();
        int rounds = 0;
        for (int quiet = 0; quiet < 3;) {
            quiet = broker_->is_busy() ? 0 : quiet + 1;
            if (++rounds == 5000) {
                promises_.complain("the broker does not come to rest");
                return true;
            }
            if (!broker_->write(all) || !broker_->prepare()) return false;
            broker_->report(all);
            batch([] {});
            wait(1);
        }
        return true;
    }

    // --- Ends ---

    void crash() {
        ++crashes_;
        const bool is_orderly = pick(0, 6) == 0 && broker_->stop();
        broker_.reset();
        clients_.forget_connections();
        lose_power(is_orderly);
    }

    void lose_power(bool is_orderly) {
        machine_.pages.crash(random_);
        switch (pick(0, 3)) {
        case 0: return machine_.journal.crash_forgetting_all();
        case 1: return machine_.journal.crash(random_);
        default:
            if (is_orderly) return machine_.journal.crash_forgetting_all();
            // Only the process is killed: the system keeps what it was given.
            return machine_.journal.crash_forgetting_nothing();
        }
    }

    // The start may be cut short by another crash, a few times.
    void start() {
        for (auto crashes = pick(0, 2); crashes != 0; --crashes) {
            machine_.journal.fail_from(pick(0, 12));
            if (start_once()) break;
            if (!is_well()) return;
            lose_power(false);
        }
        machine_.journal.fail_no_more();
        if (!broker_ && !start_once()) promises_.complain("the broker does not start");
        if (!broker_) return;
        clients_.look_at(broker_->durable_state());
    }

    bool start_once() {
        auto started = SimBroker::start(
            machine_, [this](broker::core::Command& command) { clients_.hear(command); });
        if (started) {
            broker_ = std::move(*started);
            return true;
        }
        if (started.error().code == broker::journal::Errc::disk_full) {
            machine_.journal.set_capacity(UINT64_MAX);
            machine_.pages.set_capacity(UINT64_MAX);
        } else if (started.error().code != broker::journal::Errc::io) {
            promises_.complain("the broker does not start: " + started.error().detail);
        }
        return false;
    }

    // Everything that is owed is really delivered, and acknowledged for good.
    void end() {
        crash();
        if (!is_well()) return;
        start();
        if (!is_well()) return;
        machine_.journal.fail_no_more();
        batch([&] { clients_.drain(); });
        for (int round = 0; round < 2000 && is_well() && left() != 0; ++round) {
            if (!settle_down()) return promises_.complain("the disk refuses without reason");
            batch([&] { clients_.acknowledge_all(); });
        }
        if (left() != 0) promises_.complain(fmt::format("{} messages are not delivered", left()));
        if (!is_well() || !broker_->stop()) return promises_.complain("the broker does not stop");
        broker_.reset();
        clients_.forget_connections();
        machine_.journal.crash_forgetting_all();
        start();
        if (!is_well()) return;
        for (const auto& queue : broker_->core().broker().overview().queues)
            if (queue.ready != 0 && queue.type != "stream")
                promises_.complain("messages are left though all were acknowledged");
    }
    std::size_t left() const { return promises_.owed() + promises_.unread(); }

    Random random_;
    SimBroker::Machine machine_;
    Promises promises_;
    SimClients clients_;
    std::unique_ptr<SimBroker> broker_;
    std::uint64_t owed_most_ = 0;
    std::uint64_t crashes_ = 0;
};

struct Seeds {
    std::uint64_t first = 1;
    std::uint64_t last = 150;
};

Seeds wanted_seeds() {
    Seeds seeds;
    if (const char* wanted = std::getenv("BATON_DISK_SEEDS")) {
        char* end = nullptr;
        seeds.first = seeds.last = std::strtoull(wanted, &end, 10);
        if (*end == '-') seeds.last = std::strtoull(end + 1, nullptr, 10);
    }
    return seeds;
}

TEST(BrokerOnABadDisk, KeepsWhatItPromised) {
    const Seeds seeds = wanted_seeds();
    std::uint64_t owed = 0;
    std::uint64_t crashes = 0;
    int failed = 0;
    for (std::uint64_t seed = seeds.first; seed <= seeds.last && failed < 10; ++seed) {
        Life life(seed);
        const std::string complaint = life.run();
        owed += life.owed_most();
        crashes += life.crashes();
        if (complaint.empty()) continue;
        ++failed;
        ADD_FAILURE() << "seed " << seed << ": " << complaint;
    }
    const std::uint64_t count = seeds.last - seeds.first + 1;
    RecordProperty("crashes", std::to_string(crashes));
    if (count >= 100) {
        EXPECT_GT(owed / count, 5U) << "too little is at stake";
    }
}

} // namespace
} // namespace baton::test
