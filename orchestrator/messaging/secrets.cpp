// Filling in and masking.
#include "orchestrator/messaging/secrets.hpp"

#include "base/json_text.hpp"
#include "orchestrator/core/data.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace baton::orchestrator::messaging {
namespace {

// Shorter ones would be found everywhere.
constexpr std::size_t masked_bytes_min = 4;

} // namespace

Secrets::Secrets(SecretSource source) : source_(std::move(source)) {
    if (!source_.all) return;
    for (const std::string& value : source_.all())
        remember(value);
}

void Secrets::remember(const std::string& value) {
    if (value.size() < masked_bytes_min) return;
    values_.insert(value);
    const std::string quoted = boost::json::serialize(boost::json::string(value));
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
    boost::json::value with = order.with.json();
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

std::string Secrets::masked(std::string text) const {
    for (const std::string& value : values_)
        for (std::size_t at = text.find(value); at != std::string::npos; at = text.find(value, at + 3))
            text.replace(at, value.size(), "***");
    return text;
}

} // namespace baton::orchestrator::messaging
