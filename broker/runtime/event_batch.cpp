#include "broker/runtime/event_batch.hpp"

#include "base/overloaded.hpp"

#include <cstring>
#include <utility>

namespace baton::broker::runtime {
namespace {

// A batch that was large once does not stay large.
constexpr std::size_t kept_entries_max = 1024;

const std::byte* put(std::byte*& place, const void* from, std::size_t bytes) {
    std::byte* const start = place;
    if (bytes != 0) std::memcpy(start, from, bytes);
    place += bytes;
    return start;
}

std::string_view put(std::byte*& place, std::string_view text) {
    return {reinterpret_cast<const char*>(put(place, text.data(), text.size())), text.size()};
}

ByteView put(std::byte*& place, ByteView bytes) {
    return {put(place, bytes.data(), bytes.size()), bytes.size()};
}

} // namespace

void EventBatch::add(const core::PublishReceived& event) {
    const bool shares = event.body_owner != nullptr;
    const std::size_t bytes = event.exchange.size() + event.routing_key.size() +
                              event.properties.size() + (shares ? 0 : event.body.size());
    auto* place = static_cast<std::byte*>(memory_.allocate(bytes, 1));
    Publish& kept = std::get<Publish>(entries_.emplace_back(Publish{event, {}}));
    kept.event.exchange = put(place, event.exchange);
    kept.event.routing_key = put(place, event.routing_key);
    kept.event.properties = put(place, event.properties);
    if (shares)
        kept.body_owner = *event.body_owner;
    else
        kept.event.body = put(place, event.body);
    kept.event.body_owner = nullptr;
    content_bytes_ += bytes + (shares ? event.body.size() : 0);
}

void EventBatch::apply_to(core::Broker& broker, Time now, core::Turn& turn) {
    const Overloaded apply{
        [&](Publish& publish) {
            if (publish.body_owner) publish.event.body_owner = &publish.body_owner;
            broker.publish(publish.event, now, turn);
        },
        [&](const core::AckReceived& ack) { broker.ack(ack, now, turn); },
        [&](const core::NackReceived& nack) { broker.nack(nack, now, turn); },
        [&](const core::Written& written) { broker.written(written); },
        [&](std::unique_ptr<core::Event>& event) { broker.apply(std::move(*event), now, turn); },
        [&](const std::unique_ptr<Call>& call) { (*call)(broker, now, turn); }};
    for (Entry& entry : entries_)
        std::visit(apply, entry);
}

void EventBatch::clear() {
    entries_.clear();
    if (entries_.capacity() > kept_entries_max) std::vector<Entry>().swap(entries_);
    memory_.release();
    content_bytes_ = 0;
}

} // namespace baton::broker::runtime
