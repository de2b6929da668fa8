#include "base/guess_throttle.hpp"

#include <algorithm>

namespace baton {
namespace {

// Longer names are no user's; they must not fill memory.
constexpr std::size_t user_name_bytes_max = 256;

} // namespace

std::string GuessThrottle::key(std::string_view user, std::string_view address) {
    std::string key(user.substr(0, user_name_bytes_max));
    key += '\0';
    key += address;
    return key;
}

bool GuessThrottle::may_try(std::string_view user, std::string_view address, Time now) {
    const auto found = entries_.find(key(user, address));
    if (found == entries_.end()) return true;
    if (found->second.last + memory <= now) {
        entries_.erase(found);
        return true;
    }
    return found->second.until <= now;
}

Duration GuessThrottle::pause_left(std::string_view user, std::string_view address, Time now) const {
    const auto found = entries_.find(key(user, address));
    return found == entries_.end() ? Duration::zero() : std::max(Duration::zero(), found->second.until - now);
}

std::uint32_t GuessThrottle::failed(std::string_view user, std::string_view address, Time now) {
    if (entries_.size() >= entries_max) make_room(now);
    Entry& entry = entries_[key(user, address)];
    ++entry.failures;
    entry.last = now;
    if (entry.failures >= free_failures) {
        // Six doublings reach the maximum; more would only overflow.
        const std::uint32_t doublings = std::min(entry.failures - free_failures, 6U);
        entry.until = now + std::min(pause_min * (std::int64_t{1} << doublings), pause_max);
    }
    return entry.failures;
}

void GuessThrottle::succeeded(std::string_view user, std::string_view address) {
    if (const auto found = entries_.find(key(user, address)); found != entries_.end()) entries_.erase(found);
}

void GuessThrottle::make_room(Time now) {
    std::erase_if(entries_, [now](const auto& one) { return one.second.last + memory <= now; });
    if (entries_.size() < entries_max) return;
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return a.second.last < b.second.last;
    }));
}

} // namespace baton
