// Checks, choice and merging of policies. The texts are those RabbitMQ gives to administrators,
// Erlang terms included.
#include "broker/core/policy.hpp"

#include "amqp/errors.hpp"
#include "broker/core/names.hpp"
#include "broker/core/queue_settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace baton::broker::core {

namespace {

using amqp::FieldTable;
using amqp::FieldValue;

bool is_one_of(const FieldValue& value, std::initializer_list<std::string_view> words) {
    const std::string* text = value.get<std::string>();
    return text != nullptr && std::find(words.begin(), words.end(), *text) != words.end();
}

bool is_count(const FieldValue& value) { return value.integer().value_or(-1) >= 0; }
bool is_positive(const FieldValue& value) { return value.integer().value_or(0) > 0; }
bool is_name(const FieldValue& value) {
    const std::string* text = value.get<std::string>();
    return text != nullptr && text->size() <= name_bytes_max;
}
bool is_anything(const FieldValue&) { return true; }

bool is_overflow(const FieldValue& value) {
    return is_one_of(value, {"drop-head", "reject-publish", "reject-publish-dlx"});
}
bool is_strategy(const FieldValue& value) {
    return is_one_of(value, {"at-most-once", "at-least-once"});
}
bool is_queue_mode(const FieldValue& value) { return is_one_of(value, {"default", "lazy"}); }
bool is_queue_version(const FieldValue& value) {
    return value.integer() == 1 || value.integer() == 2;
}
bool is_leader_locator(const FieldValue& value) {
    return is_one_of(value, {"client-local", "balanced", "random", "least-leaders"});
}
bool is_master_locator(const FieldValue& value) {
    return is_one_of(value, {"client-local", "min-masters", "random"});
}
bool is_mirroring(const FieldValue& value) { return is_one_of(value, {"all", "exactly", "nodes"}); }

std::optional<std::int64_t> age_in(const FieldValue& value) {
    const std::string* text = value.get<std::string>();
    return text == nullptr ? std::nullopt : age_seconds(*text);
}
bool is_age(const FieldValue& value) { return age_in(value).has_value(); }

// Of two values of the same setting: does the smaller one stand?
enum class Merge : std::uint8_t { first_stands, smaller_stands };

struct Setting {
    std::string_view name;
    bool (*is_valid)(const FieldValue&);
    std::string_view complaint; // after the value
    Merge merge = Merge::first_stands;
    bool for_operators = false;
    bool for_classic = true;
    bool for_quorum = true;
    bool for_streams = true;
};

constexpr auto smaller_stands = Merge::smaller_stands;
constexpr auto first_one = Merge::first_stands;

constexpr std::array<Setting, 26> known_settings{{
    {"alternate-exchange", is_name, "is not a valid alternate exchange name"},
    {"consumer-timeout", is_positive, "is not a valid consumer timeout", smaller_stands},
    {"dead-letter-exchange", is_name, "is not a valid dead letter exchange name", first_one, false,
     true, true, false},
    {"dead-letter-routing-key", is_name, "is not a valid dead letter routing key", first_one, false,
     true, true, false},
    {"dead-letter-strategy", is_strategy, "is not a valid dead letter strategy", first_one, false,
     false, true, false},
    {"delivery-limit", is_count, "is not a valid delivery limit", smaller_stands, true, false, true,
     false},
    {"expires", is_positive, "is not a valid queue expiry", smaller_stands, true, true, true, false},
    {"ha-mode", is_mirroring, "is not a valid ha-mode value", first_one, false, true, false, false},
    {"ha-params", is_anything, "", first_one, false, true, false, false},
    {"ha-promote-on-failure", is_anything, "", first_one, false, true, false, false},
    {"ha-promote-on-shutdown", is_anything, "", first_one, false, true, false, false},
    {"ha-sync-batch-size", is_anything, "", first_one},
    {"ha-sync-mode", is_anything, "", first_one, false, true, false, false},
    {"initial-cluster-size", is_count, "is not a valid cluster size", first_one, false, false, false,
     true},
    {"max-age", is_age, "is not a valid max age", smaller_stands, false, false, false, true},
    {"max-in-memory-bytes", is_count, "is not a valid maximum memory in bytes", smaller_stands, true,
     true, true, false},
    {"max-in-memory-length", is_count, "is not a valid maximum memory in bytes", smaller_stands, true,
     true, true, false},
    {"max-length", is_count, "is not a valid maximum length", smaller_stands, true, true, true, false},
    {"max-length-bytes", is_count, "is not a valid maximum length in bytes", smaller_stands, true},
    {"message-ttl", is_count, "is not a valid message TTL", smaller_stands, true, true, true, false},
    {"overflow", is_overflow, "is not a valid overflow value", first_one, false, true, true, false},
    {"queue-leader-locator", is_leader_locator, "is not a valid queue leader locator value", first_one,
     false, false, true, true},
    {"queue-master-locator", is_master_locator, "invalid queue-master-locator value", first_one, false,
     true, false, false},
    {"queue-mode", is_queue_mode, "is not a valid queue-mode value", first_one, false, true, false,
     false},
    {"queue-version", is_queue_version, "is not a valid queue-version value"},
    {"stream-max-segment-size-bytes", is_count, "is not a valid segment size", first_one, false, false,
     false, true},
}};

const Setting* setting_of(std::string_view name) {
    const auto found = std::find_if(known_settings.begin(), known_settings.end(),
                                    [&](const Setting& one) { return one.name == name; });
    return found == known_settings.end() ? nullptr : &*found;
}

bool is_known_to(PolicyTarget target, const FieldTable& definition) {
    return std::all_of(definition.begin(), definition.end(), [&](const auto& entry) {
        const Setting* setting = setting_of(entry.first);
        if (setting == nullptr) return true; // came from elsewhere, and does nothing
        switch (target) {
        case PolicyTarget::exchange: return true;
        case PolicyTarget::classic_queue: return setting->for_classic;
        case PolicyTarget::quorum_queue: return setting->for_quorum;
        case PolicyTarget::stream: return setting->for_streams;
        }
        return false;
    });
}

bool is_for(std::string_view apply_to, PolicyTarget target) {
    if (apply_to.empty() || apply_to == "all") return true;
    switch (target) {
    case PolicyTarget::exchange: return apply_to == "exchanges";
    case PolicyTarget::classic_queue:
        return apply_to == "queues" || apply_to == "classic_queues";
    case PolicyTarget::quorum_queue: return apply_to == "queues" || apply_to == "quorum_queues";
    case PolicyTarget::stream: return apply_to == "queues" || apply_to == "streams";
    }
    return false;
}

// As Erlang prints it.
std::string term(const FieldValue& value) {
    if (const std::string* text = value.get<std::string>())
        return fmt::format("<<\"{}\">>", *text);
    return amqp::to_text(value);
}

Failure invalid(std::string_view text) {
    return {amqp::ReplyCode::precondition_failed, fmt::format("Validation failed\n\n{}\n", text)};
}

std::vector<std::string> unknown_settings(const PolicyPut& policy) {
    std::vector<std::string> unknown;
    for (const auto& [name, value] : policy.definition) {
        const Setting* setting = setting_of(name);
        if (setting == nullptr || (policy.is_operator && !setting->for_operators))
            unknown.push_back(fmt::format("{{<<\"{}\">>,{}}}", name, term(value)));
    }
    std::sort(unknown.begin(), unknown.end());
    return unknown;
}

// Of two values for one setting.
const FieldValue& merged(const Setting* setting, const FieldValue& first,
                         const FieldValue& second) {
    if (setting == nullptr || setting->merge == Merge::first_stands) return first;
    if (setting->is_valid == is_age)
        return age_in(second) < age_in(first) ? second : first;
    return second.integer() < first.integer() ? second : first;
}

} // namespace

PolicyTarget target_from_queue(const FieldTable& arguments) {
    const auto type = arguments.text("x-queue-type");
    if (type == "quorum") return PolicyTarget::quorum_queue;
    if (type == "stream") return PolicyTarget::stream;
    return PolicyTarget::classic_queue;
}

Outcome<void> check_policy(const PolicyPut& policy) {
    if (policy.name.empty()) return invalid("a policy needs a name");
    BATON_TRY(check_name("a policy", policy.name));
    BATON_TRY(check_arguments("a policy", policy.definition));
    BATON_TRY(check_text("the pattern", policy.pattern, pattern_bytes_max));
    const re2::RE2 pattern(policy.pattern, re2::RE2::Quiet);
    if (!pattern.ok())
        return invalid(fmt::format("pattern should be regular expression but is invalid: {}",
                                   pattern.error()));
    constexpr std::array<std::string_view, 7> targets{
        "", "all", "exchanges", "queues", "classic_queues", "quorum_queues", "streams"};
    if (std::find(targets.begin(), targets.end(), policy.apply_to) == targets.end())
        return invalid(fmt::format(
            "apply-to '{}' unrecognised; should be one of: 'queues', 'classic_queues', "
            "'quorum_queues', 'streams', 'exchanges', or 'all'",
            policy.apply_to));
    if (policy.definition.empty()) return invalid("no policy provided");
    if (const auto unknown = unknown_settings(policy); !unknown.empty())
        return invalid(
            fmt::format("[{}] are not recognised policy settings", fmt::join(unknown, ",")));
    for (const auto& [name, value] : policy.definition) {
        const Setting& setting = *setting_of(name);
        if (!setting.is_valid(value))
            return invalid(fmt::format("{} {}", term(value), setting.complaint));
    }
    return boost::system::in_place_value;
}

FieldTable arguments_under(const FieldTable& arguments, const AppliedPolicy& policy) {
    FieldTable together = arguments;
    for (const auto& [name, value] : policy.definition) {
        const std::string argument = "x-" + name;
        if (const FieldValue* own = arguments.find(argument))
            together.set(argument, merged(setting_of(name), *own, value));
        else
            together.set(argument, value);
    }
    return together;
}

// --- Policies ------------------------------------------------------------------------------------

struct Policies::Policy {
    PolicyPut put;
    re2::RE2 pattern;

    explicit Policy(const PolicyPut& from)
        : put(from), pattern(from.pattern, re2::RE2::Quiet) {}
};

Policies::Policies() = default;
Policies::~Policies() = default;

const PolicyPut& Policies::put_of(const Policy& policy) { return policy.put; }

bool Policies::contains(std::string_view name, bool is_operator) const {
    return policies_.contains(Key(is_operator, std::string(name)));
}

void Policies::put(const PolicyPut& policy) {
    remove({policy.vhost, policy.name, policy.is_operator});
    auto& place = policies_[Key(policy.is_operator, policy.name)];
    place = std::make_unique<Policy>(policy);
    const auto behind = [](const Policy* a, const Policy* b) {
        if (a->put.priority != b->put.priority) return a->put.priority > b->put.priority;
        return a->put.name < b->put.name;
    };
    ordered_.insert(std::upper_bound(ordered_.begin(), ordered_.end(), place.get(), behind),
                    place.get());
}

void Policies::remove(const PolicyRemoved& removed) {
    applied_.clear();
    const auto found = policies_.find(Key(removed.is_operator, removed.name));
    if (found == policies_.end()) return;
    std::erase(ordered_, found->second.get());
    policies_.erase(found);
}

const Policies::Policy* Policies::best(bool is_operator, PolicyTarget target,
                                       std::string_view name) const {
    const auto holds = [&](const Policy* policy) {
        return policy->put.is_operator == is_operator && is_for(policy->put.apply_to, target) &&
               is_known_to(target, policy->put.definition) && policy->pattern.ok() &&
               re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()),
                                      policy->pattern);
    };
    const auto found = std::find_if(ordered_.begin(), ordered_.end(), holds);
    return found == ordered_.end() ? nullptr : *found;
}

std::shared_ptr<const AppliedPolicy> Policies::match(PolicyTarget target,
                                                     std::string_view name) const {
    if (policies_.empty()) return nullptr;
    const Policy* users = best(false, target, name);
    const Policy* operators = best(true, target, name);
    if (users == nullptr && operators == nullptr) return nullptr;
    auto& applied = applied_[{users, operators}];
    if (applied != nullptr) return applied;
    AppliedPolicy together;
    if (users != nullptr) {
        together.name = users->put.name;
        together.definition = users->put.definition;
    }
    if (operators != nullptr) {
        together.operator_name = operators->put.name;
        for (const auto& [setting, value] : operators->put.definition) {
            // The operator's word goes first.
            const FieldValue* of_users = together.definition.find(setting);
            together.definition.set(
                setting, of_users == nullptr ? value
                                             : merged(setting_of(setting), value, *of_users));
        }
    }
    applied = std::make_shared<const AppliedPolicy>(std::move(together));
    return applied;
}

} // namespace baton::broker::core
