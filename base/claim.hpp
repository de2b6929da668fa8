#pragma once

#include <atomic>
#include <string>
#include <utility>

namespace baton {

// One request between two threads: the one that decides takes it, the one that asked withdraws it when
// it has waited long enough. Exactly one of them succeeds, so what was withdrawn never happens, and what
// could not be withdrawn has a name to ask by. Shared by both.
class Claim {
public:
    // By who decides, once. False: withdrawn, it must not happen. `name` is what it will be called.
    bool take(std::string name) {
        name_ = std::move(name);
        auto expected = State::open;
        return state_.compare_exchange_strong(expected, State::taken);
    }
    // By who asked. False: taken; name() may be read then.
    bool withdraw() {
        auto expected = State::open;
        return state_.compare_exchange_strong(expected, State::withdrawn) || expected == State::withdrawn;
    }
    const std::string& name() const { return name_; }

private:
    enum class State { open, taken, withdrawn };
    std::atomic<State> state_{State::open};
    std::string name_; // written before `taken` is, read after it
};

} // namespace baton
