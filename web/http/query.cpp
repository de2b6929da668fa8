#include "web/http/query.hpp"

#include "base/suggest.hpp"
#include "web/http/replies.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace baton::web {

namespace {

Failure bad_query(std::string detail) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

std::string unknown(std::string_view name, std::span<const std::string> known) {
    if (known.empty()) return fmt::format("unknown parameter '{}'; there are none here", name);
    const std::vector<std::string_view> names(known.begin(), known.end());
    const auto hint = did_you_mean(name, names);
    return fmt::format("unknown parameter '{}'{} known are {}", name, hint.empty() ? ";" : hint, fmt::join(names, ", "));
}

} // namespace

Outcome<void> check_query(const Request& request, std::span<const std::string> known) {
    for (const auto& [name, value] : request.query) {
        if (name.empty() && value.empty()) continue; // "?" alone, or "&" at an end
        if (std::ranges::find(known, name) == known.end()) return bad_query(unknown(name, known));
        // A query without a condition asks for everything; any other empty value is a slip.
        if (value.empty() && name != "q") return bad_query(fmt::format("the parameter '{}' is empty; leave it out or give it a value", name));
    }
    if (!request.repeated.empty()) return bad_query(fmt::format("the parameter '{}' is there twice", request.repeated));
    return boost::system::in_place_value;
}

Outcome<std::uint64_t> number_in(const Request& request, const std::string& key, const NumberRange& range) {
    const auto found = request.query.find(key);
    if (found == request.query.end()) return range.otherwise;
    const auto number = number_from<std::uint64_t>(found->second);
    if (number && *number >= range.min && *number <= range.max) return *number;
    return bad_query(range.max == UINT64_MAX
                   ? fmt::format("'{}' must be a whole number from {}, not '{}'", key, range.min, found->second)
                   : fmt::format("'{}' must be a whole number from {} to {}, not '{}'", key, range.min, range.max, found->second));
}

Outcome<bool> flag_in(const Request& request, const std::string& key, bool otherwise) {
    const auto found = request.query.find(key);
    if (found == request.query.end()) return otherwise;
    if (found->second == "true") return true;
    if (found->second == "false") return false;
    return bad_query(fmt::format("'{}' is true or false", key));
}

std::optional<std::uint64_t> version_in(std::string_view if_match) {
    if (if_match.starts_with("W/")) if_match.remove_prefix(2);
    if (if_match.size() < 3 || !if_match.starts_with('"') || !if_match.ends_with('"')) return std::nullopt;
    return number_from<std::uint64_t>(if_match.substr(1, if_match.size() - 2));
}

std::string no_such_word(std::string_view key, std::string_view given, std::span<const std::string_view> known) {
    const auto hint = did_you_mean(given, known);
    return fmt::format("'{}' cannot be '{}'{} it is one of {}", key, given, hint.empty() ? ";" : hint, fmt::join(known, ", "));
}

} // namespace baton::web
