// Checks of queue.declare's arguments. The texts are those clients know from RabbitMQ, Erlang terms
// included.
#include "broker/core/queue_settings.hpp"

#include "amqp/errors.hpp"
#include "broker/core/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace baton::broker::core {

namespace {

using amqp::FieldTable;
using amqp::FieldValue;
using Complaint = std::optional<std::string>;

// RabbitMQ's timers end here: ten years of milliseconds.
constexpr std::int64_t timer_millis_max = 315'360'000'000;

Failure setting_precondition(std::string detail) {
    return {amqp::ReplyCode::precondition_failed, std::move(detail)};
}

std::string unacceptable(const FieldValue& value) {
    return fmt::format("{{unacceptable_type,{}}}", amqp::type_name(value));
}

Complaint not_integer(const FieldValue& value) {
    if (value.integer()) return std::nullopt;
    return fmt::format("\"expected integer, got {}\"", amqp::type_name(value));
}

Complaint not_negative(const FieldValue& value) {
    if (auto complaint = not_integer(value)) return complaint;
    if (*value.integer() < 0) return fmt::format("{{value_negative,{}}}", *value.integer());
    return std::nullopt;
}

Complaint bad_timer(const FieldValue& value) {
    if (auto complaint = not_negative(value)) return complaint;
    if (*value.integer() > timer_millis_max)
        return fmt::format("{{value_too_large,{}}}", *value.integer());
    return std::nullopt;
}

Complaint bad_expires(const FieldValue& value) {
    if (auto complaint = not_integer(value)) return complaint;
    if (*value.integer() == 0) return "{value_zero,0}";
    return bad_timer(value);
}

Complaint bad_priority_max(const FieldValue& value) {
    if (auto complaint = not_negative(value)) return complaint;
    if (*value.integer() > 255) return fmt::format("{{max_value_exceeded,{}}}", *value.integer());
    return std::nullopt;
}

Complaint not_text(const FieldValue& value) {
    if (value.get<std::string>() != nullptr) return std::nullopt;
    return unacceptable(value);
}

// What becomes the routing key or the exchange of a message.
Complaint not_name(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    const std::size_t bytes = value.get<std::string>()->size();
    if (bytes <= name_bytes_max) return std::nullopt;
    return fmt::format("\"{} bytes, where {} are the most AMQP can say\"", bytes, name_bytes_max);
}

Complaint not_bool(const FieldValue& value) {
    if (value.get<bool>() != nullptr) return std::nullopt;
    return unacceptable(value);
}

Complaint bad_overflow(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    const std::string& text = *value.get<std::string>();
    if (text == "drop-head" || text == "reject-publish" || text == "reject-publish-dlx")
        return std::nullopt;
    return "invalid_overflow";
}

Complaint bad_queue_mode(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    const std::string& text = *value.get<std::string>();
    if (text == "default" || text == "lazy") return std::nullopt;
    return fmt::format("\"unsupported queue mode '{}'\"", text);
}

Complaint bad_queue_type(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    const std::string& text = *value.get<std::string>();
    if (text == "classic" || text == "quorum" || text == "stream") return std::nullopt;
    return fmt::format("\"unsupported queue type '{}'\"", text);
}

Complaint bad_strategy(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    const std::string& text = *value.get<std::string>();
    if (text == "at-most-once" || text == "at-least-once") return std::nullopt;
    return "invalid_dlx_strategy";
}

Complaint bad_age(const FieldValue& value) {
    if (auto complaint = not_text(value)) return complaint;
    if (age_seconds(*value.get<std::string>())) return std::nullopt;
    return "invalid_max_age";
}

Complaint not_positive(const FieldValue& value) {
    if (auto complaint = not_negative(value)) return complaint;
    if (*value.integer() == 0) return "{value_zero,0}";
    return std::nullopt;
}

struct KnownArgument {
    std::string_view name;
    Complaint (*complain)(const FieldValue&);
};

constexpr std::array<KnownArgument, 19> known_arguments{{
    {"x-expires", bad_expires},
    {"x-message-ttl", bad_timer},
    {"x-dead-letter-exchange", not_name},
    {"x-dead-letter-routing-key", not_name},
    {"x-dead-letter-strategy", bad_strategy},
    {"x-max-length", not_negative},
    {"x-max-length-bytes", not_negative},
    {"x-max-priority", bad_priority_max},
    {"x-overflow", bad_overflow},
    {"x-queue-mode", bad_queue_mode},
    {"x-single-active-consumer", not_bool},
    {"x-queue-type", bad_queue_type},
    {"x-message-deduplication", not_bool},
    {"x-delivery-limit", not_negative},
    {"x-consumer-timeout", bad_timer},
    {"x-queue-leader-locator", not_text},
    {"x-max-age", bad_age},
    {"x-stream-max-segment-size-bytes", not_negative},
    {"x-initial-cluster-size", not_positive},
}};

// What RabbitMQ lets a queue of one type have and one of another type not.
constexpr std::array<std::string_view, 3> only_for_streams{
    "x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"};
constexpr std::array<std::string_view, 17> not_for_streams{
    "x-expires", "x-message-ttl", "x-max-length", "x-max-priority", "x-dead-letter-exchange",
    "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-overflow",
    "x-single-active-consumer", "x-queue-mode", "x-queue-version", "x-delivery-limit",
    "x-quorum-initial-group-size", "x-max-in-memory-length", "x-max-in-memory-bytes",
    "x-queue-master-locator", "x-message-deduplication"};

constexpr std::uint64_t segment_bytes_max = 3'000'000'000;

// RabbitMQ's names of its queue types stand in its texts.
std::string_view type_in_texts(const FieldTable& arguments) {
    const auto type = arguments.text("x-queue-type");
    if (type == "stream") return "rabbit_stream_queue";
    return type == "quorum" ? "rabbit_quorum_queue" : "rabbit_classic_queue";
}

// The first argument that a queue of this type cannot have; empty: there is none.
std::string_view misplaced_argument(const FieldTable& arguments) {
    const bool is_stream = arguments.text("x-queue-type") == "stream";
    const std::span<const std::string_view> refused =
        is_stream ? std::span<const std::string_view>(not_for_streams) : only_for_streams;
    for (const auto& [name, value] : arguments)
        if (std::find(refused.begin(), refused.end(), name) != refused.end()) return name;
    return {};
}

constexpr std::array<std::string_view, 18> compared_arguments{
    "x-expires",        "x-message-ttl",          "x-dead-letter-exchange",
    "x-dead-letter-routing-key",                  "x-dead-letter-strategy",
    "x-max-length",     "x-max-length-bytes",     "x-max-priority",
    "x-overflow",       "x-queue-mode",           "x-single-active-consumer",
    "x-queue-type",     "x-queue-master-locator", "x-queue-leader-locator",
    "x-delivery-limit", "x-consumer-timeout",     "x-max-age",
    "x-stream-max-segment-size-bytes"};

std::string describe(const FieldValue& value) {
    return fmt::format("the value '{}' of type '{}'", amqp::to_text(value),
                       amqp::type_name(value));
}

} // namespace

std::optional<std::int64_t> age_seconds(std::string_view text) {
    // A thousand years: more is a mistake, and must not overflow.
    constexpr std::int64_t number_max = 1000;
    std::int64_t number = 0;
    const char* last = text.data() + text.size() - (text.empty() ? 0 : 1);
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (text.empty() || error != std::errc() || end != last || number <= 0) return std::nullopt;
    constexpr std::int64_t day = 86'400;
    std::int64_t unit = 0;
    switch (*last) {
    case 'Y': unit = 365 * day; break;
    case 'M': unit = 30 * day; break;
    case 'D': unit = day; break;
    case 'h': unit = 3600; break;
    case 'm': unit = 60; break;
    case 's': unit = 1; break;
    default: return std::nullopt;
    }
    return std::min(number, number_max * 365 * day / unit) * unit;
}

QueueSettings settings_from_checked(const FieldTable& arguments,
                                    std::uint32_t quorum_delivery_limit) {
    QueueSettings settings;
    const auto text = [&](std::string_view name) -> std::optional<std::string> {
        const auto found = arguments.text(name);
        if (!found) return std::nullopt;
        return std::string(*found);
    };
    const auto count = [&](std::string_view name) -> std::optional<std::uint64_t> {
        const auto found = arguments.integer(name);
        if (!found) return std::nullopt;
        return static_cast<std::uint64_t>(*found);
    };
    settings.quorum = arguments.text("x-queue-type") == "quorum";
    settings.stream = arguments.text("x-queue-type") == "stream";
    if (settings.stream) {
        settings.bytes_max = count("x-max-length-bytes");
        settings.segment_bytes = count("x-stream-max-segment-size-bytes");
        if (const auto age = arguments.text("x-max-age"))
            settings.age_seconds_max = age_seconds(*age);
        return settings;
    }
    if (const auto timeout = arguments.integer("x-consumer-timeout"); timeout && *timeout > 0)
        settings.consumer_timeout_millis = std::min(*timeout, timer_millis_max);
    settings.delays_for = text("x-delayed-for");
    settings.deduplicates = arguments.flag("x-message-deduplication").value_or(false);
    // A policy may say more than any timer can wait for.
    const auto timer = [&](std::string_view name) {
        const auto found = arguments.integer(name);
        return found ? std::optional(std::min(*found, timer_millis_max)) : std::nullopt;
    };
    settings.message_ttl_millis = timer("x-message-ttl");
    settings.expires_millis = timer("x-expires");
    settings.length_max = count("x-max-length");
    settings.bytes_max = count("x-max-length-bytes");
    const auto overflow = arguments.text("x-overflow");
    if (overflow == "reject-publish") settings.overflow = Overflow::reject_publish;
    if (overflow == "reject-publish-dlx") settings.overflow = Overflow::reject_publish_dead_letter;
    // A journal may hold longer ones from before they were refused: no message can have them.
    const auto name = [&](std::string_view argument) {
        auto found = text(argument);
        if (found && found->size() > name_bytes_max) found.reset();
        return found;
    };
    settings.dead_letter_exchange = name("x-dead-letter-exchange");
    settings.dead_letter_routing_key = name("x-dead-letter-routing-key");
    // Without a bound on what waits nothing would hold publishers back, so it is either this
    // overflow or letters that may get lost, as in RabbitMQ.
    settings.keeps_dead_letters = settings.quorum && settings.dead_letter_exchange &&
                                  settings.overflow == Overflow::reject_publish &&
                                  arguments.text("x-dead-letter-strategy") == "at-least-once";
    settings.priority_max = static_cast<std::uint8_t>(count("x-max-priority").value_or(0));
    settings.single_active_consumer =
        arguments.flag("x-single-active-consumer").value_or(false);
    if (const auto limit = count("x-delivery-limit"))
        settings.delivery_limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(
            *limit, UINT32_MAX));
    else if (settings.quorum)
        settings.delivery_limit = quorum_delivery_limit;
    return settings;
}

Outcome<QueueSettings> settings_from(const FieldTable& arguments, const QueueShape& shape,
                                     std::uint32_t quorum_delivery_limit) {
    const std::string what = fmt::format("queue '{}' in vhost '{}'", shape.name, shape.vhost);
    if (const std::string_view name = misplaced_argument(arguments); !name.empty())
        return setting_precondition(fmt::format("invalid arg '{}' for {} of queue type {}", name, what,
                                        type_in_texts(arguments)));
    if (const FieldValue* target = arguments.find("x-dead-letter-exchange");
        target != nullptr && target->get<std::string>() == nullptr)
        return setting_precondition(fmt::format("invalid type '{}' for arg 'x-dead-letter-exchange' in {}",
                                        amqp::type_name(*target), what));
    for (const KnownArgument& known : known_arguments) {
        const FieldValue* value = arguments.find(known.name);
        if (value == nullptr) continue;
        if (const auto complaint = known.complain(*value))
            return setting_precondition(fmt::format("invalid arg '{}' for {}: {}", known.name, what,
                                            *complaint));
    }
    if (arguments.contains("x-dead-letter-routing-key") &&
        !arguments.contains("x-dead-letter-exchange"))
        return setting_precondition(fmt::format(
            "invalid arg 'x-dead-letter-routing-key' for {}: routing_key_but_no_dlx_defined",
            what));

    QueueSettings settings = settings_from_checked(arguments, quorum_delivery_limit);
    if (!settings.quorum && arguments.contains("x-dead-letter-strategy"))
        return setting_precondition(fmt::format(
            "invalid arg 'x-dead-letter-strategy' for {} of queue type rabbit_classic_queue",
            what));
    if (settings.quorum) {
        if (!shape.durable)
            return setting_precondition(fmt::format("invalid property 'non-durable' for {}", what));
        if (shape.exclusive)
            return setting_precondition(fmt::format("invalid property 'exclusive-owner' for {}", what));
        if (shape.auto_delete)
            return setting_precondition(fmt::format("invalid property 'auto-delete' for {}", what));
        for (const std::string_view name : {"x-max-priority", "x-queue-mode"})
            if (arguments.contains(name))
                return setting_precondition(fmt::format(
                    "invalid arg '{}' for {} of queue type rabbit_quorum_queue", name, what));
    }
    if (settings.stream) {
        const char* unfit = shape.auto_delete ? "auto-delete"
                            : shape.exclusive ? "exclusive-owner"
                            : !shape.durable  ? "non-durable"
                                              : nullptr;
        if (unfit != nullptr)
            return setting_precondition(fmt::format("invalid property '{}' for {}", unfit, what));
        if (settings.segment_bytes.value_or(0) > segment_bytes_max)
            return setting_precondition("Exceeded max value for x-stream-max-segment-size-bytes");
    }
    return settings;
}

std::span<const std::string_view> compared_queue_arguments() { return compared_arguments; }

Outcome<void> check_equal_argument(std::string_view name, const FieldTable& received,
                                   const FieldTable& current, std::string_view what) {
    const FieldValue* ours = current.find(name);
    const FieldValue* theirs = received.find(name);
    if (ours == nullptr && theirs == nullptr) return boost::system::in_place_value;
    // Who names no type of queue means a classic one.
    if (name == "x-queue-type" && (ours == nullptr || theirs == nullptr)) {
        const auto named = (ours != nullptr ? current : received).text(name);
        if (named == "classic") return boost::system::in_place_value;
    }
    if (ours != nullptr && theirs != nullptr) {
        if (amqp::equal_by_value(*ours, *theirs)) return boost::system::in_place_value;
        return setting_precondition(fmt::format("inequivalent arg '{}' for {}: received '{}' but current "
                                        "is '{}'",
                                        name, what, amqp::to_text(*theirs),
                                        amqp::to_text(*ours)));
    }
    return setting_precondition(fmt::format("inequivalent arg '{}' for {}: received {} but current is {}",
                                    name, what, theirs ? describe(*theirs) : "none",
                                    ours ? describe(*ours) : "none"));
}

Outcome<void> check_equal_flag(std::string_view name, bool received, bool current,
                               std::string_view what) {
    if (received == current) return boost::system::in_place_value;
    return setting_precondition(fmt::format("inequivalent arg '{}' for {}: received '{}' but current is "
                                    "'{}'",
                                    name, what, received, current));
}

} // namespace baton::broker::core
