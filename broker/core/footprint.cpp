// The estimates. Where a figure is a guess it is a high one.
#include "broker/core/footprint.hpp"

#include <algorithm>

namespace baton::broker::core {

namespace {

// What the allocator adds to a piece of memory, and a tree or a hash table to an element.
constexpr std::uint64_t piece_bytes = 16;
constexpr std::uint64_t node_bytes = 64;
// A connection with a heartbeat that is logged in and idle; half of that again with TLS.
constexpr std::uint64_t connection_bytes = 10 << 10;
constexpr std::uint64_t session_bytes = 40 << 10;
constexpr std::size_t inline_text_max = 15;

std::uint64_t text_bytes(std::size_t size) {
    return size <= inline_text_max ? 0 : size + piece_bytes;
}

std::uint64_t value_footprint(const amqp::FieldValue& value) {
    if (const auto* text = value.get<std::string>()) return text_bytes(text->size());
    if (const auto* bytes = value.get<amqp::ByteArray>())
        return bytes->bytes.size() + piece_bytes;
    if (const auto* table = value.get<amqp::FieldTable>()) return core::footprint(*table);
    const auto* array = value.get<amqp::FieldArray>();
    if (array == nullptr) return 0;
    std::uint64_t sum = piece_bytes + array->items.size() * sizeof(amqp::FieldValue);
    for (const amqp::FieldValue& item : array->items) sum += value_footprint(item);
    return sum;
}

} // namespace

std::uint64_t footprint(const amqp::FieldTable& table) {
    if (table.empty()) return 0;
    std::uint64_t sum = piece_bytes;
    for (const auto& [name, value] : table)
        sum += sizeof(std::pair<std::string, amqp::FieldValue>) + text_bytes(name.size()) +
               value_footprint(value);
    return sum;
}

std::uint64_t footprint(const Queue& queue) {
    // By name and by number; the name stands in both the queue and its table.
    return sizeof(Queue) + 3 * node_bytes + 2 * text_bytes(queue.name().size()) +
           footprint(queue.identity().arguments);
}

std::uint64_t footprint(const Exchange& exchange) {
    return sizeof(Exchange) + 2 * node_bytes + 2 * text_bytes(exchange.name().size()) +
           footprint(exchange.identity().arguments);
}

std::uint64_t footprint(const Binding& binding) {
    // Found by age from both ends, by identity, and by key; each word of a pattern is a node.
    constexpr std::uint64_t word_bytes = 192;
    const bool is_pattern = binding.source->identity().kind.type == ExchangeType::topic;
    const auto dots = std::ranges::count(binding.routing_key, '.');
    return sizeof(Binding) + 5 * node_bytes + 3 * text_bytes(binding.routing_key.size()) +
           (is_pattern ? (static_cast<std::uint64_t>(dots) + 1) * word_bytes : 0) +
           footprint(binding.arguments);
}

std::uint64_t footprint(const ConnectionOpened& told) {
    return connection_bytes + (told.tls ? session_bytes : 0) + footprint(told.client_properties);
}

std::uint64_t footprint(const Consumer& consumer) {
    return sizeof(Consumer) + node_bytes + 2 * text_bytes(consumer.tag.size()) +
           footprint(consumer.arguments);
}

std::uint64_t footprint(const TransactionStep& step) {
    std::uint64_t sum = sizeof(TransactionStep);
    if (step.message) sum += step.message->memory_size();
    for (const std::string& key : step.more_routing_keys)
        sum += sizeof(std::string) + text_bytes(key.size());
    return sum;
}

} // namespace baton::broker::core
