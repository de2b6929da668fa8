// Which bindings match.
#include "broker/core/exchange.hpp"

#include "amqp/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace baton::broker::core {

std::optional<ExchangeType> exchange_type_from(std::string_view name) {
    if (name == "direct") return ExchangeType::direct;
    if (name == "fanout") return ExchangeType::fanout;
    if (name == "topic") return ExchangeType::topic;
    if (name == "headers") return ExchangeType::headers;
    return std::nullopt;
}

std::string_view name_of(ExchangeType type) {
    switch (type) {
    case ExchangeType::direct: return "direct";
    case ExchangeType::fanout: return "fanout";
    case ExchangeType::topic: return "topic";
    case ExchangeType::headers: return "headers";
    }
    return "";
}

Outcome<void> check_headers_binding(const amqp::FieldTable& arguments) {
    const amqp::FieldValue* match = arguments.find("x-match");
    if (match == nullptr) return boost::system::in_place_value;
    const std::string* text = match->get<std::string>();
    if (text == nullptr)
        return Failure{amqp::ReplyCode::precondition_failed,
                       fmt::format("Invalid x-match field type {} (value {}); expected longstr",
                                   amqp::type_name(*match), amqp::to_text(*match))};
    if (*text == "all" || *text == "any" || *text == "all-with-x" || *text == "any-with-x")
        return boost::system::in_place_value;
    return Failure{amqp::ReplyCode::precondition_failed,
                   fmt::format("Invalid x-match field value <<\"{}\">>; expected all, any, "
                               "all-with-x, or any-with-x",
                               *text)};
}

namespace {

bool equal_arguments(const amqp::FieldTable& a, const amqp::FieldTable& b) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&](const auto& entry) {
        const amqp::FieldValue* other = b.find(entry.first);
        return other != nullptr && amqp::equal_by_value(entry.second, *other);
    });
}

// One pair of a headers binding against the message. A value of no type asks for presence only; a
// value of another type never matches.
bool header_matches(const std::pair<std::string, amqp::FieldValue>& wanted, ByteView headers) {
    const auto found = amqp::find_field(headers, wanted.first);
    if (!found) return false;
    if (wanted.second.get<amqp::Void>() != nullptr) return true;
    if (found->letter != wanted.second.letter()) return false;
    if (const auto* text = wanted.second.get<std::string>()) return found->text() == *text;
    const auto value = found->decode();
    return value && *value == wanted.second;
}

bool headers_match(const amqp::FieldTable& arguments, ByteView headers) {
    const std::string_view mode = arguments.text("x-match").value_or("all");
    const bool any = mode.starts_with("any");
    const bool with_x = mode.ends_with("-with-x");
    for (const auto& wanted : arguments) {
        if (wanted.first == "x-match") continue;
        if (!with_x && wanted.first.starts_with("x-")) continue;
        if (header_matches(wanted, headers) == any) return any;
    }
    return !any;
}

} // namespace

Exchange::Exchange(Identity identity) : identity_(std::move(identity)) {
    if (const auto name = identity_.arguments.text("alternate-exchange")) alternate_ = *name;
}

std::string Exchange::identity_key(const void* destination, std::string_view routing_key) {
    std::string key(sizeof destination, '\0');
    std::memcpy(key.data(), &destination, sizeof destination);
    key += routing_key;
    return key;
}

Binding* Exchange::find(const Queue* queue, const Exchange* exchange, std::string_view routing_key,
                        const amqp::FieldTable& arguments) {
    const void* destination = queue != nullptr ? static_cast<const void*>(queue)
                                               : static_cast<const void*>(exchange);
    const auto [from, to] = by_identity_.equal_range(identity_key(destination, routing_key));
    for (auto found = from; found != to; ++found)
        if (equal_arguments(found->second->arguments, arguments)) return found->second;
    return nullptr;
}

Binding& Exchange::add(Binding added) {
    const BindingOrder order = added.order;
    Binding& binding = bindings_.emplace(order, std::move(added)).first->second;
    const void* destination = binding.queue != nullptr
                                  ? static_cast<const void*>(binding.queue)
                                  : static_cast<const void*>(binding.exchange);
    by_identity_.emplace(identity_key(destination, binding.routing_key), &binding);
    switch (identity_.type) {
    case ExchangeType::direct: by_key_[binding.routing_key].push_back(&binding); break;
    case ExchangeType::topic: patterns_.add(binding.routing_key, &binding); break;
    case ExchangeType::fanout:
    case ExchangeType::headers: break;
    }
    return binding;
}

void Exchange::remove(BindingOrder order) {
    const auto place = bindings_.find(order);
    if (place == bindings_.end()) return;
    Binding& binding = place->second;
    const void* destination = binding.queue != nullptr
                                  ? static_cast<const void*>(binding.queue)
                                  : static_cast<const void*>(binding.exchange);
    const auto [from, to] = by_identity_.equal_range(identity_key(destination, binding.routing_key));
    for (auto found = from; found != to; ++found)
        if (found->second == &binding) {
            by_identity_.erase(found);
            break;
        }
    switch (identity_.type) {
    case ExchangeType::direct: {
        const auto same_key = by_key_.find(binding.routing_key);
        std::erase(same_key->second, &binding);
        if (same_key->second.empty()) by_key_.erase(same_key);
        break;
    }
    case ExchangeType::topic: patterns_.remove(binding.routing_key, &binding); break;
    case ExchangeType::fanout:
    case ExchangeType::headers: break;
    }
    bindings_.erase(place);
}

void Exchange::match(const RoutedMessage& message, std::vector<Binding*>& found) {
    const std::size_t before = found.size();
    switch (identity_.type) {
    case ExchangeType::direct: {
        const auto same_key = by_key_.find(message.routing_key);
        if (same_key != by_key_.end())
            found.insert(found.end(), same_key->second.begin(), same_key->second.end());
        return;
    }
    case ExchangeType::fanout:
        for (auto& [order, binding] : bindings_) found.push_back(&binding);
        return;
    case ExchangeType::topic:
        patterns_.match(message.routing_key, found);
        std::sort(found.begin() + static_cast<std::ptrdiff_t>(before), found.end(),
                  [](const Binding* a, const Binding* b) { return a->order < b->order; });
        return;
    case ExchangeType::headers:
        for (auto& [order, binding] : bindings_)
            if (headers_match(binding.arguments, message.headers)) found.push_back(&binding);
        return;
    }
}

} // namespace baton::broker::core
