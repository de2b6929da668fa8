// Which bindings match.
#include "broker/core/exchange.hpp"

#include "amqp/errors.hpp"
#include "amqp/properties.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

namespace baton::broker::core {

namespace {

constexpr std::string_view delayed_type = "x-delayed-message";

std::optional<ExchangeType> type_from(std::string_view name) {
    if (name == "direct") return ExchangeType::direct;
    if (name == "fanout") return ExchangeType::fanout;
    if (name == "topic") return ExchangeType::topic;
    if (name == "headers") return ExchangeType::headers;
    if (name == "x-consistent-hash") return ExchangeType::consistent_hash;
    if (name == "x-modulus-hash") return ExchangeType::modulus_hash;
    if (name == "x-random") return ExchangeType::random;
    return std::nullopt;
}

Failure exchange_precondition(std::string text) {
    return {amqp::ReplyCode::precondition_failed, std::move(text)};
}

constexpr std::string_view header_argument = "hash-header";
constexpr std::string_view property_argument = "hash-property";

Outcome<void> check_hashed(const amqp::FieldTable& arguments) {
    const amqp::FieldValue* header = arguments.find(header_argument);
    const amqp::FieldValue* property = arguments.find(property_argument);
    if (header != nullptr && property != nullptr)
        return exchange_precondition("hash-header and hash-property are mutually exclusive");
    if (header != nullptr && header->get<std::string>() == nullptr)
        return exchange_precondition(fmt::format("hash-header is the name of a header, not {}",
                                        amqp::to_text(*header)));
    if (property == nullptr) return boost::system::in_place_value;
    const std::string* name = property->get<std::string>();
    if (name != nullptr &&
        (*name == "message_id" || *name == "correlation_id" || *name == "timestamp"))
        return boost::system::in_place_value;
    return exchange_precondition(fmt::format("Unsupported property: {}", amqp::to_text(*property)));
}

} // namespace

Outcome<ExchangeKind> exchange_kind_from(std::string_view type,
                                         const amqp::FieldTable& arguments) {
    if (type == delayed_type) {
        const auto inner = arguments.text("x-delayed-type");
        const auto known = inner ? type_from(*inner) : std::nullopt;
        if (known) return ExchangeKind{*known, true};
        return exchange_precondition(
            "Invalid argument, 'x-delayed-type' must be an existing exchange type");
    }
    const auto known = type_from(type);
    if (!known) return exchange_precondition(fmt::format("unknown exchange type '{}'", type));
    if (*known == ExchangeType::consistent_hash) BATON_TRY(check_hashed(arguments));
    return ExchangeKind{*known, false};
}

std::string_view name_of(ExchangeKind kind) {
    if (kind.delays) return delayed_type;
    switch (kind.type) {
    case ExchangeType::direct: return "direct";
    case ExchangeType::fanout: return "fanout";
    case ExchangeType::topic: return "topic";
    case ExchangeType::headers: return "headers";
    case ExchangeType::consistent_hash: return "x-consistent-hash";
    case ExchangeType::modulus_hash: return "x-modulus-hash";
    case ExchangeType::random: return "x-random";
    }
    return "";
}

namespace {

// The weight a binding of a consistent hash exchange asks for; 0: none.
std::uint32_t weight_from(std::string_view key) {
    // More points than this spread no better and cost time.
    constexpr std::uint32_t weight_max = 1000;
    std::uint32_t weight = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), weight);
    if (end != key.data() + key.size()) return 0;
    if (error == std::errc::result_out_of_range) return weight_max;
    if (error != std::errc()) return 0;
    return std::min(weight, weight_max);
}

std::uint64_t mixed(std::uint64_t value) {
    value ^= value >> 33;
    value *= 0xFF51AFD7ED558CCDULL;
    value ^= value >> 33;
    value *= 0xC4CEB9FE1A85EC53ULL;
    return value ^ value >> 33;
}

// FNV-1a; the same on every machine, so that a key keeps its queue.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const char character : text)
        hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001B3ULL;
    return mixed(hash);
}

} // namespace

namespace {

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

} // namespace

Outcome<void> check_binding(ExchangeType type, std::string_view routing_key,
                            const amqp::FieldTable& arguments) {
    if (type == ExchangeType::headers) return check_headers_binding(arguments);
    if (type != ExchangeType::consistent_hash || weight_from(routing_key) != 0)
        return boost::system::in_place_value;
    const std::string_view digits =
        routing_key.starts_with('-') ? routing_key.substr(1) : routing_key;
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
        return exchange_precondition(
            fmt::format("The binding key must be an integer: <<{}>>",
                        routing_key.empty() ? "" : fmt::format("\"{}\"", routing_key)));
    return exchange_precondition("The binding key must be greater than 0");
}

namespace {

bool equal_arguments(const amqp::FieldTable& a, const amqp::FieldTable& b) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&](const auto& entry) {
        const amqp::FieldValue* other = b.find(entry.first);
        return other != nullptr && amqp::equal_by_value(entry.second, *other);
    });
}

std::optional<double> number(const amqp::FieldValue& value) {
    if (const auto whole = value.integer()) return static_cast<double>(*whole);
    if (const auto* small = value.get<float>()) return static_cast<double>(*small);
    if (const auto* large = value.get<double>()) return *large;
    return std::nullopt;
}

// One pair of a headers binding against the message. A value of no type asks for presence only.
// Numbers of all types are compared by value, texts and byte arrays by content, as RabbitMQ does.
bool header_matches(const std::pair<std::string, amqp::FieldValue>& wanted, ByteView headers) {
    const auto found = amqp::find_field(headers, wanted.first);
    if (!found) return false;
    if (wanted.second.get<amqp::Void>() != nullptr) return true;
    if (const auto* text = wanted.second.get<std::string>()) return found->text() == *text;
    const auto value = found->decode();
    if (!value) return false;
    if (wanted.second.integer() && value->integer())
        return wanted.second.integer() == value->integer();
    if (const auto left = number(wanted.second)) return left == number(*value);
    if (const auto* bytes = wanted.second.get<amqp::ByteArray>())
        return found->text() == bytes->bytes;
    return amqp::equal_by_value(*value, wanted.second);
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
    const amqp::FieldTable& arguments = identity_.arguments;
    use_alternate(nullptr);
    if (const auto header = arguments.text(header_argument)) hashed_header_ = *header;
    if (const auto property = arguments.text(property_argument)) hashed_property_ = *property;
    deduplicator_ = Deduplicator::from(arguments);
    random_state_ = hash_of(identity_.name);
}

bool Exchange::use_alternate(const std::string* from_policy) {
    std::string name = from_policy != nullptr ? *from_policy : std::string();
    if (const auto declared = identity_.arguments.text("alternate-exchange")) name = *declared;
    const bool changes = name != alternate_;
    alternate_ = std::move(name);
    return changes;
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
    switch (identity_.kind.type) {
    case ExchangeType::direct: by_key_[binding.routing_key].push_back(&binding); break;
    case ExchangeType::topic: patterns_.add(binding.routing_key, &binding); break;
    case ExchangeType::fanout:
    case ExchangeType::headers:
    case ExchangeType::consistent_hash:
    case ExchangeType::modulus_hash:
    case ExchangeType::random: break;
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
    switch (identity_.kind.type) {
    case ExchangeType::direct: {
        const auto same_key = by_key_.find(binding.routing_key);
        std::erase(same_key->second, &binding);
        if (same_key->second.empty()) by_key_.erase(same_key);
        break;
    }
    case ExchangeType::topic: patterns_.remove(binding.routing_key, &binding); break;
    case ExchangeType::fanout:
    case ExchangeType::headers:
    case ExchangeType::consistent_hash:
    case ExchangeType::modulus_hash:
    case ExchangeType::random: break;
    }
    bindings_.erase(place);
}

void Exchange::match(const RoutedMessage& message, std::vector<Binding*>& found) {
    const std::size_t before = found.size();
    switch (identity_.kind.type) {
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
    case ExchangeType::consistent_hash:
    case ExchangeType::modulus_hash:
    case ExchangeType::random:
        if (Binding* one = match_by_hash(message)) found.push_back(one);
        return;
    }
}

template <typename Use>
auto Exchange::with_hashed_text(const RoutedMessage& message, Use&& use) const {
    if (!hashed_header_.empty()) {
        const auto field = amqp::find_field(message.headers, hashed_header_);
        return use(field ? as_text(field->value) : std::string_view());
    }
    if (hashed_property_.empty()) return use(message.routing_key);
    const auto properties = amqp::PropertiesView::parse(message.properties);
    if (!properties) return use(std::string_view());
    if (hashed_property_ == "message_id")
        return use(properties->message_id().value_or(std::string_view()));
    if (hashed_property_ == "correlation_id")
        return use(properties->correlation_id().value_or(std::string_view()));
    const auto timestamp = properties->timestamp();
    const std::string text = timestamp ? fmt::format("{}", *timestamp) : std::string();
    return use(std::string_view(text));
}

// The consistent one gives every key to the destination with the highest score for it, one try per
// weight: when destinations come or go, only their own keys move. Routes are remembered, so the
// price is paid once per key.
Binding* Exchange::match_by_hash(const RoutedMessage& message) {
    if (bindings_.empty()) return nullptr;
    if (identity_.kind.type != ExchangeType::consistent_hash) {
        const std::uint64_t hash = identity_.kind.type == ExchangeType::random
                                       ? mixed(random_state_ += 0x9E3779B97F4A7C15ULL)
                                       : with_hashed_text(message, hash_of);
        auto place = bindings_.begin();
        std::advance(place, static_cast<std::ptrdiff_t>(hash % bindings_.size()));
        return &place->second;
    }
    const std::uint64_t key = with_hashed_text(message, hash_of);
    Binding* best = nullptr;
    std::uint64_t best_score = 0;
    for (auto& [order, binding] : bindings_) {
        const std::uint64_t destination =
            hash_of(binding.queue != nullptr ? binding.queue->name() : binding.exchange->name());
        const std::uint32_t weight = weight_from(binding.routing_key);
        for (std::uint32_t point = 1; point <= weight; ++point) {
            const std::uint64_t score = mixed(key ^ mixed(destination + point));
            if (best != nullptr && score <= best_score) continue;
            best = &binding;
            best_score = score;
        }
    }
    return best;
}

} // namespace baton::broker::core
