// A bounded memory of ids.
#include "broker/core/deduplicator.hpp"

#include <algorithm>

namespace baton::broker::core {

namespace {
constexpr std::string_view default_header = "x-deduplication-header";
constexpr std::int64_t default_size = 1000;
constexpr std::int64_t size_max = 1'000'000;
} // namespace

std::unique_ptr<Deduplicator> Deduplicator::from(const amqp::FieldTable& arguments) {
    if (!arguments.flag("x-message-deduplication").value_or(false)) return nullptr;
    auto made = std::make_unique<Deduplicator>();
    made->header_ = arguments.text(default_header).value_or(default_header);
    made->size_max_ = static_cast<std::size_t>(std::clamp<std::int64_t>(
        arguments.integer("x-cache-size").value_or(default_size), 1, size_max));
    if (const auto ttl = arguments.integer("x-cache-ttl"); ttl && *ttl > 0)
        made->ttl_ = std::chrono::milliseconds(std::min<std::int64_t>(*ttl, 4'294'967'295));
    return made;
}

void Deduplicator::forget_oldest() {
    const Seen oldest = in_order_.pop_front();
    const auto found = until_.find(oldest.id);
    // It may have been seen again since, under a later time.
    if (found != until_.end() && found->second == oldest.until) until_.erase(found);
}

bool Deduplicator::has_seen(ByteView headers, Time now) {
    const auto field = amqp::find_field(headers, header_);
    if (!field) return false;
    std::string id;
    if (const auto text = field->text())
        id = *text;
    else if (const auto number = field->integer())
        id = std::to_string(*number);
    else
        return false;
    while (!in_order_.empty() && in_order_.front().until <= now) forget_oldest();
    if (until_.contains(id)) return true;
    if (in_order_.size() >= size_max_) forget_oldest();
    const Time until = ttl_ == Duration::max() ? Time::max() : now + ttl_;
    until_[id] = until;
    in_order_.push_back({std::move(id), until});
    return false;
}

} // namespace baton::broker::core
