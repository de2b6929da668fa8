// Filling in and masking.
#include "orchestrator/messaging/secrets.hpp"

#include "base/json_text.hpp"
#include "orchestrator/core/data.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

namespace baton::orchestrator::messaging {

namespace json = boost::json;

namespace {

// Shorter ones would be found everywhere.
constexpr std::size_t masked_bytes_min = 4;
constexpr std::string_view masked_as = "***";

} // namespace

Secrets::Secrets(SecretSource source) : source_(std::move(source)) {
    if (!source_.all) return;
    for (const std::string& value : source_.all())
        remember(value);
}

void Secrets::remember(const std::string& value) {
    if (value.size() < masked_bytes_min) return;
    values_.insert(value);
    const std::string quoted = json::serialize(json::string(value));
    values_.insert(quoted.substr(1, quoted.size() - 2));
}

// Data cannot bring in another mark: the core counts them (places_of_secrets).
std::string Secrets::with_secrets(std::string_view text, std::string& missing) {
    std::string made;
    while (true) {
        const std::size_t begin = text.find(core::secret_mark_begin);
        const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
        if (end == std::string_view::npos) return made.append(text);
        const std::size_t name_at = begin + core::secret_mark_begin.size();
        const std::string name{text.substr(name_at, end - name_at)};
        const auto value = source_.find ? source_.find(name) : std::nullopt;
        if (!value) {
            missing = name;
            return {};
        }
        remember(*value);
        made.append(text.substr(0, begin)).append(*value);
        text.remove_prefix(end + 1);
    }
}

Secrets::Filled Secrets::fill(const core::TaskOrder& order) {
    Filled filled;
    json::value with = order.with.json();
    for (const std::string& pointer : order.secrets) {
        boost::system::error_code missing;
        auto* value = with.find_pointer(pointer, missing);
        if (value == nullptr || !value->is_string()) continue;
        const std::string text = with_secrets(value->get_string(), filled.missing);
        if (!filled.missing.empty()) return filled;
        *value = text;
    }
    filled.with = write_json(with);
    return filled;
}

bool Secrets::holds_any(std::string_view text) const {
    return std::ranges::any_of(values_, [text](const std::string& value) {
        return text.find(value) != std::string_view::npos;
    });
}

// What stands as \u00e9 or \/ is found only by reading it.
bool Secrets::may_hold_any(std::string_view json) const {
    return !values_.empty() && (json.find('\\') != std::string_view::npos || holds_any(json));
}

bool Secrets::mask(std::string& text) const {
    bool is_changed = false;
    for (const std::string& value : values_)
        for (std::size_t at = text.find(value); at != std::string::npos;
             at = text.find(value, at + masked_as.size())) {
            text.replace(at, value.size(), masked_as);
            is_changed = true;
        }
    return is_changed;
}

bool Secrets::mask(json::value& value) const {
    bool is_changed = false;
    if (auto* const text = value.if_string()) {
        std::string plain(*text);
        is_changed = mask(plain);
        if (is_changed) *text = plain;
    } else if (auto* const items = value.if_array()) {
        for (json::value& item : *items)
            is_changed = mask(item) || is_changed;
    } else if (auto* const members = value.if_object()) {
        for (auto& member : *members)
            is_changed = mask(member.value()) || is_changed;
        if (std::ranges::any_of(*members,
                                [this](const auto& member) { return holds_any(member.key()); })) {
            json::object made;
            for (auto& member : *members) {
                std::string name(member.key());
                mask(name);
                made[name] = std::move(member.value());
            }
            *members = std::move(made);
            is_changed = true;
        }
    }
    return is_changed;
}

std::string Secrets::masked(std::string text) const {
    if (!may_hold_any(text)) return text;
    if (auto value = read_json(text)) return mask(*value) ? write_json(*value) : text;
    mask(text);
    return text;
}

core::Document Secrets::masked(core::Document document) const {
    if (!may_hold_any(document.text())) return document;
    json::value value = document.json();
    return mask(value) ? core::Document::of(std::move(value)) : document;
}

} // namespace baton::orchestrator::messaging
