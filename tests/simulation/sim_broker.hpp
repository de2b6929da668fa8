// One life of a broker's process, from start to crash, on simulated disks: the real core, its real
// loop, the real journal and the real writer of the journal. What the product's threads do by
// themselves is a step here, taken when the test says so. One thread; nothing happens by chance.
#pragma once

#include "broker/journal/journal_writer.hpp"
#include "broker/runtime/core_loop.hpp"
#include "broker/runtime/kept_work.hpp"
#include "tests/support/sim_clock.hpp"
#include "tests/support/sim_disk.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace baton::test {

class SimBroker {
public:
    // What stays when the process goes.
    struct Machine {
        SimDisk journal;
        SimDisk pages;
        SimClock clock;
        broker::core::Options core;
        broker::journal::JournalOptions options;
    };

    // `hear` gets every command in order when it is handed out. A failure is the disk's.
    static Outcome<std::unique_ptr<SimBroker>>
    start(Machine& machine, std::function<void(broker::core::Command&)> hear);

    broker::runtime::CoreLoop& core() { return *core_; }

    // --- What threads do. A failure is the disk's: the process must end. ---

    // The journal thread takes up to `turns` turns and carries them out; all of them means those that were kept
    // back, too.
    static constexpr std::size_t all = 1'000'000;
    Outcome<void> write(std::size_t turns);
    // The second thread makes the segment that is wanted, if one is.
    Outcome<void> prepare();
    // Up to `count` reports of the journal reach the core.
    void report(std::size_t count);
    // An orderly end: everything is written and durable.
    Outcome<void> stop();
    // Is there anything left to be written or reported?
    bool is_busy() const {
        return kept_.records() != 0 || !sent_.empty() || !reports_.empty() || writer_->has_waiting();
    }

    // Everything durable, as records that give it again.
    std::vector<broker::core::Record> durable_state();

private:
    explicit SimBroker(Machine& machine) : machine_(machine) {}

    Outcome<void> open();
    broker::journal::JournalListener listener();
    void send_kept();

    Machine& machine_;
    std::function<void(broker::core::Command&)> hear_;
    std::unique_ptr<broker::runtime::CoreLoop> core_;
    broker::journal::Journal* journal_ = nullptr; // the writer's
    std::unique_ptr<broker::journal::JournalWriter> writer_;
    broker::runtime::KeptWork kept_;
    std::deque<broker::journal::JournalWriter::Work> sent_;
    std::deque<std::function<void()>> reports_;
};

} // namespace baton::test
