// Typed values with complaints.
#include "orchestrator/definition/values.hpp"

#include "base/duration_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace baton::orchestrator::definition {

void ValueReader::wrong_type(const TomlEntry& entry, std::string_view expected) {
    complaints_.at_value(entry.value, fmt::format("{} must be {}, not {}", entry.key, expected,
                                                  describe(entry.value.kind)));
}

std::optional<std::string> ValueReader::text(const TomlEntry& entry) {
    if (entry.value.is_text()) return entry.value.text;
    wrong_type(entry, "a text");
    return std::nullopt;
}

std::optional<bool> ValueReader::boolean(const TomlEntry& entry) {
    if (entry.value.is_boolean()) return entry.value.boolean;
    wrong_type(entry, "true or false");
    return std::nullopt;
}

std::optional<Duration> ValueReader::duration(const TomlEntry& entry) {
    constexpr std::string_view expected = "a duration such as \"30s\"";
    if (!entry.value.is_text()) {
        wrong_type(entry, expected);
        return std::nullopt;
    }
    const auto duration = parse_duration(entry.value.text);
    if (!duration)
        complaints_.at_value(
            entry.value,
            fmt::format("{} must be {}, not \"{}\"", entry.key, expected, entry.value.text),
            "whole numbers with the units d h m s ms, largest first, as in \"1h30m\"");
    return duration;
}

std::optional<std::int64_t> ValueReader::integer(const TomlEntry& entry, std::int64_t least,
                                                 std::int64_t most) {
    if (!entry.value.is_integer()) {
        wrong_type(entry, fmt::format("an integer from {} to {}", least, most));
        return std::nullopt;
    }
    if (entry.value.integer < least || entry.value.integer > most) {
        complaints_.at_value(entry.value, fmt::format("{} must be from {} to {}, not {}", entry.key,
                                                      least, most, entry.value.integer));
        return std::nullopt;
    }
    return entry.value.integer;
}

std::optional<double> ValueReader::number(const TomlEntry& entry, double least, double most) {
    if (!entry.value.is_number()) {
        wrong_type(entry, fmt::format("a number from {} to {}", least, most));
        return std::nullopt;
    }
    const double value =
        entry.value.is_integer() ? static_cast<double>(entry.value.integer) : entry.value.real;
    if (std::isnan(value) || value < least || value > most) {
        complaints_.at_value(entry.value, fmt::format("{} must be from {} to {}, not {}", entry.key,
                                                      least, most, value));
        return std::nullopt;
    }
    return value;
}

std::optional<std::string> ValueReader::word(const TomlEntry& entry,
                                             std::initializer_list<std::string_view> choices) {
    const std::span<const std::string_view> all(choices.begin(), choices.size());
    if (!entry.value.is_text()) {
        wrong_type(entry, one_of(all, "\""));
        return std::nullopt;
    }
    if (contains(all, entry.value.text)) return entry.value.text;
    complaints_.at_value(
        entry.value,
        fmt::format("{} must be {}, not \"{}\"", entry.key, one_of(all, "\""), entry.value.text),
        did_you_mean(entry.value.text, all));
    return std::nullopt;
}

std::optional<std::vector<const TomlNode*>> ValueReader::texts(const TomlEntry& entry,
                                                               bool or_one) {
    std::vector<const TomlNode*> all;
    if (or_one && entry.value.is_text()) {
        all.push_back(&entry.value);
        return all;
    }
    if (!entry.value.is_list()) {
        wrong_type(entry, or_one ? "a text or a list of texts" : "a list of texts");
        return std::nullopt;
    }
    for (const TomlNode& item : entry.value.items) {
        if (!item.is_text()) {
            complaints_.at_value(item, fmt::format("{} must be a list of texts; this is {}",
                                                   entry.key, describe(item.kind)));
            return std::nullopt;
        }
        all.push_back(&item);
    }
    return all;
}

const TomlNode* ValueReader::table(const TomlEntry& entry, std::string_view example) {
    if (entry.value.is_table()) return &entry.value;
    wrong_type(entry, fmt::format("a table such as {}", example));
    return nullptr;
}

const TomlNode* ValueReader::tables(const TomlEntry& entry, std::string_view example) {
    const auto is_no_table = [](const TomlNode& item) { return !item.is_table(); };
    if (!entry.value.is_list()) {
        wrong_type(entry, fmt::format("a list of tables such as {}", example));
        return nullptr;
    }
    const auto wrong =
        std::find_if(entry.value.items.begin(), entry.value.items.end(), is_no_table);
    if (wrong == entry.value.items.end()) return &entry.value;
    complaints_.at_value(*wrong, fmt::format("{} must be a list of tables such as {}; this is {}",
                                             entry.key, example, describe(wrong->kind)));
    return nullptr;
}

bool ValueReader::check_keys(const TomlNode& table, const KeyTable& keys) {
    bool has_complaints = false;
    for (const TomlEntry& entry : table.entries) {
        const std::string& key = entry.key;
        if (!contains(keys.available, key)) {
            std::string hint;
            if (!complaints_.is_full()) hint = did_you_mean(key, keys.available);
            if (const std::string_view home = home_of(key, keys); hint.empty() && !home.empty())
                hint = fmt::format("it belongs {}", home);
            complaints_.at_key(entry, fmt::format("unknown key '{}'", key), std::move(hint));
            has_complaints = true;
        }
    }
    return has_complaints;
}

std::string one_of(std::span<const std::string_view> words, std::string_view quote) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += fmt::format("{}{}{}", quote, words[i], quote);
    }
    return text;
}

} // namespace baton::orchestrator::definition
