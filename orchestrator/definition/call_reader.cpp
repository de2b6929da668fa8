// Calls of workers, as files write them.
#include "orchestrator/definition/call_reader.hpp"

#include "base/duration_text.hpp"
#include "orchestrator/definition/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace baton::orchestrator::definition {

namespace {

// More attempts than this is a loop that nobody watches.
constexpr std::int64_t attempts_max = 1000;
constexpr double backoff_max = 100;
// AMQP routing keys have 255 bytes; prefixes and queue names need some of them.
constexpr std::size_t route_word_bytes_max = 100;

std::uint32_t percent(double factor) {
    return static_cast<std::uint32_t>(std::lround(factor * 100));
}

bool is_route_word(std::string_view text) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    };
    return !text.empty() && text.size() <= route_word_bytes_max &&
           std::all_of(text.begin(), text.end(), fits) && !text.starts_with('.') &&
           !text.ends_with('.') && text.find("..") == std::string_view::npos;
}

bool is_error_pattern(std::string_view text) {
    const std::size_t star = text.find('*');
    if (text.empty() || text.find_first_of(" \t\n") != std::string_view::npos) return false;
    return star == std::string_view::npos || text == "*" ||
           (star + 1 == text.size() && star > 0 && text[star - 1] == '.');
}

} // namespace

CallDefaults CallReader::defaults(const TomlNode& table, std::uint8_t priority) {
    CallDefaults defaults;
    defaults.priority = priority;
    values_.check_keys(table, defaults_keys);
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "priority")
            defaults.priority = static_cast<std::uint8_t>(values_.integer(entry, 0, 9).value_or(4));
        if (entry.key == "timeout") defaults.timeouts = timeouts(entry, defaults.timeouts);
        if (entry.key != "retries") continue;
        const TomlNode* presets = values_.table(entry, "{ patient = { max_attempts = 20 } }");
        defaults.presets_are_known = presets != nullptr;
        if (presets == nullptr) continue;
        for (const TomlEntry& preset : presets->entries)
            if (const TomlNode* policy = values_.table(preset, "{ max_attempts = 20 }"))
                defaults.presets[preset.key] = retry_table(*policy, {}, retry_keys);
            else
                defaults.presets[preset.key] = {};
    }
    // Last, because it may name a preset.
    for (const TomlEntry& entry : table.entries)
        if (entry.key == "retry") defaults.retry = retry(entry, {}, defaults);
    return defaults;
}

core::TaskCall CallReader::call(const TomlNode& table, core::StepIndex step, Scope scope,
                                const CallDefaults& defaults) {
    core::TaskCall call;
    call.retry = defaults.retry;
    call.timeouts = defaults.timeouts;
    call.priority = defaults.priority;
    for (const TomlEntry& entry : table.entries) {
        const std::string& key = entry.key;
        if (key == "task") call.task = route_word(entry);
        if (key == "queue") call.queue = route_word(entry);
        if (key == "with")
            call.with = expressions_.table(entry, "{ address = \"${input.email}\" }", step, scope);
        if (key == "priority")
            call.priority = static_cast<std::uint8_t>(values_.integer(entry, 0, 9).value_or(4));
        if (key == "limit") call.limit = limit_word(entry, defaults);
        if (key == "retry") retry_of(entry, defaults.retry, defaults, call);
        if (key == "timeout") call.timeouts = timeouts(entry, defaults.timeouts);
        if (key == "idempotency_key")
            call.idempotency_key =
                expressions_.program(entry, step, scope == Scope::with ? Scope::step : scope);
    }
    return call;
}

core::TaskCall CallReader::workflow_call(const TomlNode& table, core::StepIndex step, Scope scope,
                                         const CallDefaults& defaults) {
    core::TaskCall call;
    call.is_workflow = true;
    call.retry.max_attempts = 1;
    call.timeouts.start_to_close.reset();
    for (const TomlEntry& entry : table.entries) {
        const std::string& key = entry.key;
        if (key == "workflow") call.task = workflow_name(entry);
        if (key == "detached") call.is_detached = values_.boolean(entry).value_or(false);
        if (key == "with")
            call.with = expressions_.table(entry, "{ email = \"${input.email}\" }", step, scope);
        if (key == "retry") retry_of(entry, core::RetryPolicy{}, defaults, call);
        if (key != "timeout") continue;
        call.timeouts.schedule_to_close = values_.duration(entry);
        if (call.timeouts.schedule_to_close && call.timeouts.schedule_to_close->count() == 0)
            values_.complaints().at_value(entry.value, "timeout must be longer than 0");
    }
    return call;
}

std::string CallReader::workflow_name(const TomlEntry& entry) {
    const auto text = values_.text(entry);
    if (!text) return {};
    if (const std::size_t dollar = text->find("${"); dollar != std::string::npos)
        values_.complaints().inside(About::keys, entry.value, dollar, 2,
                                    "workflow is a plain name; ${} has no meaning in it");
    else if (const std::string complaint = complaint_about_name(*text); !complaint.empty())
        values_.complaints().at_value(entry.value, complaint);
    return *text;
}

std::string CallReader::limit_word(const TomlEntry& entry, const CallDefaults& defaults) {
    const auto text = values_.text(entry);
    if (!text) return {};
    if (!defaults.limits.contains(*text)) {
        std::string hint = did_you_mean(*text, std::vector<std::string>(defaults.limits.begin(), defaults.limits.end()));
        if (hint.empty()) hint = fmt::format("[limits.{}] says its rate and max_concurrent", *text);
        values_.complaints().at_value(entry.value, fmt::format("no limit is called \"{}\"", *text), std::move(hint));
    }
    return *text;
}

std::string CallReader::route_word(const TomlEntry& entry) {
    const auto text = values_.text(entry);
    if (!text) return {};
    if (text->find("${") != std::string::npos) {
        values_.complaints().inside(
            About::keys, entry.value, text->find("${"), 2,
            fmt::format("{} is a plain name; ${{}} has no meaning in it", entry.key));
        return {};
    }
    if (!is_route_word(*text)) {
        values_.complaints().at_value(
            entry.value, fmt::format("\"{}\" cannot be the name of a {}", *text, entry.key),
            fmt::format("letters, digits, _ and - with single dots between, at most {}",
                        route_word_bytes_max));
        return {};
    }
    return *text;
}

std::string CallReader::error_pattern(const TomlEntry& entry) {
    const auto text = values_.text(entry);
    if (text) check_error_pattern(entry.value);
    return text.value_or("");
}

void CallReader::check_error_pattern(const TomlNode& text) {
    if (is_error_pattern(text.text)) return;
    values_.complaints().at_value(
        text, fmt::format("\"{}\" is no type of an error", text.text),
        "a word such as \"not_found\", a prefix such as \"http.*\", or \"*\"");
}

core::RetryPolicy CallReader::retry(const TomlEntry& entry, const core::RetryPolicy& base,
                                    const CallDefaults& defaults) {
    if (entry.value.is_table()) return retry_table(entry.value, base, retry_keys);
    if (!entry.value.is_text()) {
        values_.wrong_type(entry, "a table such as { max_attempts = 5 }, or the name of a preset");
        return base;
    }
    const auto preset = defaults.presets.find(entry.value.text);
    if (preset != defaults.presets.end()) return preset->second;
    if (!defaults.presets_are_known) return base;
    std::vector<std::string> names;
    for (const auto& [name, policy] : defaults.presets)
        names.push_back(name);
    values_.complaints().at_value(
        entry.value, fmt::format("no retry preset '{}' in [defaults.retries]", entry.value.text),
        did_you_mean(entry.value.text, names));
    return base;
}

void CallReader::retry_of(const TomlEntry& entry, const core::RetryPolicy& base, const CallDefaults& defaults,
                          core::TaskCall& call) {
    if (!entry.value.is_list()) {
        call.retry = retry(entry, base, defaults);
        return;
    }
    const TomlNode* rules = values_.tables(entry, "[ { error = \"http.*\", max_attempts = 8 } ]");
    if (rules == nullptr) return;
    if (rules->items.empty()) values_.complaints().at_value(entry.value, "retry has no rules");
    for (const TomlNode& table : rules->items) {
        const bool is_hidden = std::any_of(call.retry_rules.begin(), call.retry_rules.end(),
                                           [](const core::RetryRule& one) { return one.error.text == "*"; });
        auto rule = retry_rule(table, base, defaults);
        if (!rule) continue;
        if (is_hidden)
            values_.complaints().at_value(table, "no error comes to this rule: the \"*\" before it is for all");
        call.retry_rules.push_back(std::move(*rule));
    }
}

std::optional<core::RetryRule> CallReader::retry_rule(const TomlNode& table, const core::RetryPolicy& base,
                                                      const CallDefaults& defaults) {
    core::RetryRule rule{{}, retry_table(table, base, retry_rule_keys)};
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "error") rule.error.text = error_pattern(entry);
        if (entry.key != "preset") continue;
        if (table.entries.size() > 2)
            values_.complaints().at_key(entry, "a rule has a preset or says all itself");
        else if (values_.text(entry))
            rule.policy = retry(entry, base, defaults);
    }
    if (table.find("error") == nullptr) {
        values_.complaints().at_value(table, "this rule says no error",
                                      "add error = \"http.*\", or error = \"*\" for any");
        return std::nullopt;
    }
    return rule;
}

core::RetryPolicy CallReader::retry_table(const TomlNode& table, const core::RetryPolicy& base,
                                          const KeyTable& keys) {
    core::RetryPolicy policy = base;
    values_.check_keys(table, keys);
    bool has_initial = false;
    const TomlEntry* longest = nullptr;
    for (const TomlEntry& entry : table.entries) {
        const std::string& key = entry.key;
        if (key == "max_attempts") {
            const auto attempts = values_.integer(entry, 1, attempts_max);
            if (attempts) policy.max_attempts = static_cast<std::uint32_t>(*attempts);
        }
        if (key == "initial_interval") {
            const auto interval = values_.duration(entry);
            policy.initial_interval = interval.value_or(base.initial_interval);
            has_initial = interval.has_value();
        }
        if (key == "max_interval") {
            const auto interval = values_.duration(entry);
            policy.max_interval = interval.value_or(base.max_interval);
            if (interval) longest = &entry;
        }
        if (key == "backoff")
            policy.backoff_percent = percent(values_.number(entry, 1, backoff_max).value_or(2));
        if (key == "jitter")
            policy.jitter_percent = percent(values_.number(entry, 0, 1).value_or(0.2));
        if (key == "non_retryable") {
            policy.non_retryable.clear();
            for (const TomlNode* text :
                 values_.texts(entry, false).value_or(std::vector<const TomlNode*>{})) {
                check_error_pattern(*text);
                policy.non_retryable.push_back({text->text});
            }
        }
    }
    if (policy.max_interval < policy.initial_interval) {
        if (longest != nullptr && has_initial)
            values_.complaints().at_value(
                longest->value,
                fmt::format("max_interval {} is shorter than initial_interval {}",
                            to_text(policy.max_interval), to_text(policy.initial_interval)));
        // Only one of the two was said here: what was said counts.
        if (longest == nullptr)
            policy.max_interval = policy.initial_interval;
        else
            policy.initial_interval = policy.max_interval;
    }
    return policy;
}

core::Timeouts CallReader::timeouts(const TomlEntry& entry, const core::Timeouts& base) {
    core::Timeouts timeouts = base;
    const auto positive = [this](const TomlEntry& part) -> std::optional<Duration> {
        const auto duration = values_.duration(part);
        if (duration && duration->count() == 0)
            values_.complaints().at_value(part.value,
                                          fmt::format("{} must be longer than 0", part.key));
        return duration;
    };
    if (!entry.value.is_table()) {
        if (const auto duration = positive(entry)) timeouts.start_to_close = duration;
        return timeouts;
    }
    values_.check_keys(entry.value, timeout_keys);
    for (const TomlEntry& part : entry.value.entries) {
        if (!contains(timeout_keys.available, part.key)) continue;
        const auto duration = positive(part);
        if (!duration) continue;
        if (part.key == "schedule_to_start") timeouts.schedule_to_start = duration;
        if (part.key == "start_to_close") timeouts.start_to_close = duration;
        if (part.key == "heartbeat") timeouts.heartbeat = duration;
        if (part.key == "schedule_to_close") timeouts.schedule_to_close = duration;
    }
    return timeouts;
}

} // namespace baton::orchestrator::definition
