// The look around.
#include "orchestrator/runtime/ownership.hpp"

#include "base/log.hpp"

#include <utility>

namespace baton::orchestrator::runtime {

Ownership::Ownership(OwnershipOptions options, RunStore& store, const Clock& clock, Engine& engine)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      engine_(engine),
      neighbours_(options_.node) {}

Ownership::~Ownership() {
    stop();
}

void Ownership::start() {
    thread_ = Thread("ownership", [this] { run(); });
}

void Ownership::drain(bool drains, std::function<void(Outcome<void>)> done) {
    draining_.set(drains ? 1 : 0);
    wishes_.put({drains, std::move(done)});
}

void Ownership::stop() {
    wishes_.close();
    thread_.join();
}

void Ownership::hurry() {
    wishes_.close();
    store_.interrupt(Duration::zero());
    away_.set(1); // from now on it refuses
}

void Ownership::withdraw() {
    if (!is_away()) (void)store_.withdraw(options_.node); // else its lease ends
}

void Ownership::run() {
    std::vector<Wish> wishes;
    while (true) {
        const auto looked = look();
        for (const Wish& wish : std::exchange(wishes, {}))
            if (wish.done) wish.done(looked);
        if (wishes_.is_closed()) return;
        wishes = wishes_.take(options_.look_interval);
        for (const Wish& wish : wishes) {
            drains_ = wish.drains;
            renewed_ = {};
        }
    }
}

Outcome<void> Ownership::look() {
    const Time now = clock_.now();
    Announcement word{options_.node, options_.version, drains_,
                      now - renewed_ >= options_.renew_interval, options_.lease,
                      options_.has_broker};
    auto around = store_.announce(word);
    if (!around) {
        // What others see of this node meanwhile, they see; the engine goes on until the fence says
        // no.
        if (!is_away())
            log::warning("ownership",
                         "this node cannot be announced; the others may take its partitions over",
                         {{"reason", around.error().detail}});
        away_.set(1);
        neighbours_.forget();
        renewed_ = {};
        return around.error();
    }
    if (is_away()) log::info("ownership", "this node is announced again");
    away_.set(0);
    if (word.renews) renewed_ = now;
    engine_.assign(neighbours_.look(*around, now));
    if (neighbours_.is_second() && !is_second())
        log::error("ownership",
                   "another server with a broker of its own works on this database; this one takes no runs. Give "
                   "it the other's broker (broker.url), or a database of its own",
                   {});
    second_.set(neighbours_.is_second() ? 1 : 0);
    for (const std::string& dead : neighbours_.dead()) {
        log::warning("ownership", "a node is dead; its partitions are taken over",
                     {{"node", dead}});
        (void)store_.withdraw(dead);
    }
    if (live_definitions_ != around->live_definitions) {
        live_definitions_ = std::move(around->live_definitions);
        engine_.definitions_changed();
    }
    return boost::system::in_place_value;
}

} // namespace baton::orchestrator::runtime
