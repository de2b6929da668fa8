#include "broker/mqtt/retained.hpp"

#include "broker/mqtt/translation.hpp"
#include "mqtt/topic.hpp"

#include <utility>

namespace baton::broker::mqtt {
namespace {

// Of one question: about a millisecond.
constexpr std::size_t looks_max = 4000;

// The levels in front of the first wildcard, as the beginning of keys.
std::string fixed_part(std::string_view filter) {
    const std::size_t wildcard = filter.find_first_of("+#");
    if (wildcard == std::string_view::npos) return baton::mqtt::to_key(filter);
    std::string_view front = filter.substr(0, wildcard);
    // "a/#" meets "a", too.
    if (front.ends_with('/')) front.remove_suffix(1);
    return baton::mqtt::to_key(front);
}

} // namespace

std::vector<std::uint64_t> Retained::take(core::MessageRef message, std::uint64_t tag, Time now) {
    std::vector<std::uint64_t> gone;
    const std::string_view key = message->routing_key();
    if (const auto found = kept_.find(key); found != kept_.end()) {
        gone.push_back(found->second.tag);
        bytes_ -= found->second.message->memory_size();
        kept_.erase(found);
    }
    const bool removes = message->body_size() == 0;
    const bool has_room =
        kept_.size() < messages_max_ && bytes_ + message->memory_size() <= bytes_max_;
    if (removes || !has_room) {
        if (!removes) ++refused_;
        gone.push_back(tag);
        return gone;
    }
    bytes_ += message->memory_size();
    const Time until = end_of(*message, now);
    std::string own_key(key);
    kept_.emplace(std::move(own_key), Kept{std::move(message), tag, until});
    return gone;
}

void Retained::clear() {
    kept_.clear();
    bytes_ = 0;
}

Retained::Found Retained::find(std::string_view filter, std::string_view after, std::size_t most,
                               Time now) const {
    Found found;
    const std::string prefix = fixed_part(filter);
    auto at = after.empty() ? kept_.lower_bound(prefix) : kept_.upper_bound(after);
    for (std::size_t looks = 0; at != kept_.end() && at->first.starts_with(prefix); ++at) {
        if (found.messages.size() == most || looks++ == looks_max) return found;
        found.last_key = at->first;
        if (at->second.until > now &&
            baton::mqtt::matches(filter, baton::mqtt::to_topic(at->first)))
            found.messages.push_back(at->second.message);
    }
    found.is_all = true;
    return found;
}

} // namespace baton::broker::mqtt
