#include "web/v1/event_hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace baton::web {

namespace {

constexpr std::array<std::string_view, 4> plain_topics{"runs", "dead", "workers", "operations"};
constexpr std::string_view run_topic = "run:";

bool concerns(const HubEvent& event, const std::set<std::string>& topics) {
    if (event.kind != "run") return topics.contains(event.kind);
    return topics.contains("runs") || topics.contains(std::string(run_topic) + event.key);
}

} // namespace

bool is_topic(std::string_view word) {
    if (word.starts_with(run_topic)) return word.size() == run_topic.size() + 36;
    return std::ranges::find(plain_topics, word) != plain_topics.end();
}

void EventHub::say(std::string kind, std::string key, std::string data) {
    const std::string place = kind + " " + key;
    const auto [found, is_new] = pending_places_.emplace(place, pending_.size());
    if (!is_new) {
        pending_[found->second].data = std::move(data);
        return;
    }
    pending_.push_back({0, std::move(kind), std::move(key), std::move(data)});
}

void EventHub::lose() {
    loses_ = true;
    pending_.clear();
    pending_places_.clear();
}

bool EventHub::tick() {
    if (loses_) {
        loses_ = false;
        kept_.clear();
        lost_before_ = next_++; // a number that nobody is told, so that all are behind it
        return true;
    }
    if (pending_.empty()) return false;
    for (HubEvent& event : pending_) {
        event.number = next_++;
        kept_.push_back(std::move(event));
    }
    pending_.clear();
    pending_places_.clear();
    while (kept_.size() > kept_max) {
        lost_before_ = kept_.front().number;
        kept_.pop_front();
    }
    return true;
}

std::optional<std::uint64_t> EventHub::place_of(std::string_view last_event_id) const {
    if (last_event_id.empty()) return end();
    const auto dash = last_event_id.rfind('-');
    if (dash == std::string_view::npos || last_event_id.substr(0, dash) != epoch_)
        return std::nullopt;
    const auto digits = last_event_id.substr(dash + 1);
    std::uint64_t number = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || stop != digits.data() + digits.size() || number > end())
        return std::nullopt;
    if (number < lost_before_) return std::nullopt;
    return number;
}

std::string EventHub::news(std::uint64_t& place, const std::set<std::string>& topics) const {
    if (place < lost_before_) return resync(place);
    std::string text;
    std::size_t count = 0;
    const auto first = std::ranges::upper_bound(kept_, place, {}, &HubEvent::number);
    for (auto one = first; one != kept_.end(); ++one) {
        if (!concerns(*one, topics)) continue;
        if (++count > behind_max) return resync(place);
        text += fmt::format("id: {}-{}\nevent: {}\ndata: {}\n\n", epoch_, one->number, one->kind,
                            one->data);
    }
    place = end();
    return text;
}

std::string EventHub::resync(std::uint64_t& place) const {
    place = end();
    return fmt::format("id: {}-{}\nevent: resync\ndata: {{}}\n\n", epoch_, place);
}

} // namespace baton::web
