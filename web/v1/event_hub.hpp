// What happens, for pages that are open: numbered events, of which the youngest are kept, so that
// whoever was away for a moment goes on where he was and whoever was away too long is told to load
// anew. What is said many times within a moment is said once. Nobody who listens has a queue: each
// has a place in the one list, and a slow one only falls behind. Pure; the clock is the caller's,
// who calls tick() every 250 ms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::web {

// "runs", "run:ID", "dead", "workers", "operations", "broker"
bool is_topic(std::string_view word);

struct HubEvent {
    std::uint64_t number = 0;
    std::string kind; // "run", "dead", "workers", "operations"
    std::string key;  // what is said of one key twice within a moment is said once: the run's id
    std::string data; // JSON, one line
};

class EventHub {
public:
    // Kept at most; who is further behind loads anew.
    static constexpr std::size_t kept_max = 10'000;
    // Sent to one listener at once at most; a listener further behind loads anew, which is quicker.
    static constexpr std::size_t behind_max = 1'000;

    // `epoch` is another one after each start: numbers of an older one say nothing.
    explicit EventHub(std::string epoch) : epoch_(std::move(epoch)) {}

    // Said at the next tick, unless something newer is said of the same key before.
    void say(std::string kind, std::string key, std::string data);
    // So much happened that it was not written down: everybody is to load anew.
    void lose();
    // True: there is something for listeners.
    bool tick();

    // A place in the list: behind what the id of Last-Event-ID names; empty: at its end. Nothing:
    // what is behind it is not known any more.
    std::optional<std::uint64_t> place_of(std::string_view last_event_id) const;
    std::uint64_t end() const { return next_ - 1; }

    // What a listener at `place` has not heard of its topics, as text/event-stream; moves the
    // place.
    std::string news(std::uint64_t& place, const std::set<std::string>& topics) const;
    // "event: resync", with the number that is reached.
    std::string resync(std::uint64_t& place) const;

private:
    std::string epoch_;
    std::deque<HubEvent> kept_;
    std::vector<HubEvent> pending_;
    std::map<std::string, std::size_t, std::less<>> pending_places_; // by kind and key
    std::uint64_t next_ = 1;
    std::uint64_t lost_before_ = 0; // who is before this has missed something
    bool loses_ = false;
};

} // namespace baton::web
