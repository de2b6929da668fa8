// See members.hpp.
#include "workers/members.hpp"

#include "base/suggest.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace baton::workers {

namespace json = boost::json;

Members::Members(const json::value& table, std::string where, std::string& complaints)
    : table_(table), where_(std::move(where)), complaints_(complaints) {
    if (!table_.is_object()) complain("must be a table");
}

const json::value* Members::any(std::string_view name) {
    asked_.emplace(name);
    return table_.is_object() ? table_.get_object().if_contains(name) : nullptr;
}

std::string Members::text(std::string_view name) {
    const json::value* value = any(name);
    if (value == nullptr) return {};
    if (value->is_string()) return std::string(value->get_string());
    complain(fmt::format("'{}' must be a text", name));
    return {};
}

std::vector<std::string> Members::texts(std::string_view name) {
    std::vector<std::string> all;
    const json::value* value = any(name);
    if (value == nullptr) return all;
    if (!value->is_array()) {
        complain(fmt::format("'{}' must be a list of texts", name));
        return all;
    }
    for (const json::value& one : value->get_array()) {
        if (one.is_string())
            all.emplace_back(one.get_string());
        else
            complain(fmt::format("'{}' must be a list of texts", name));
    }
    return all;
}

std::map<std::string, std::string> Members::text_table(std::string_view name) {
    std::map<std::string, std::string> all;
    const json::value* value = any(name);
    if (value == nullptr) return all;
    if (!value->is_object()) {
        complain(fmt::format("'{}' must be a table of texts", name));
        return all;
    }
    for (const auto& member : value->get_object()) {
        if (member.value().is_string())
            all.emplace(member.key(), member.value().get_string());
        else
            complain(fmt::format("'{}.{}' must be a text", name, std::string_view(member.key())));
    }
    return all;
}

std::int64_t Members::number(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t otherwise) {
    const json::value* value = any(name);
    if (value == nullptr) return otherwise;
    if (value->is_int64() && value->get_int64() >= low && value->get_int64() <= high) return value->get_int64();
    complain(fmt::format("'{}' must be a whole number from {} to {}", name, low, high));
    return otherwise;
}

bool Members::flag(std::string_view name, bool otherwise) {
    const json::value* value = any(name);
    if (value == nullptr) return otherwise;
    if (value->is_bool()) return value->get_bool();
    complain(fmt::format("'{}' must be true or false", name));
    return otherwise;
}

void Members::finish() {
    if (!table_.is_object()) return;
    for (const auto& member : table_.get_object()) {
        const std::string_view name = member.key();
        if (asked_.contains(name)) continue;
        const std::vector<std::string_view> known(asked_.begin(), asked_.end());
        complain(fmt::format("'{}' is unknown{}", name, did_you_mean(name, known)));
    }
}

void Members::complain(std::string_view what) {
    if (!complaints_.empty()) complaints_ += '\n';
    complaints_ += fmt::format("{}: {}", where_, what);
}

} // namespace baton::workers
