#include "orchestrator/runtime/repair.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace baton::orchestrator::runtime {

namespace json = boost::json;

namespace {

// The members that each kind may have.
constexpr std::array<std::string_view, 2> of_remove{"kind", "path"};
constexpr std::array<std::string_view, 4> of_set{"kind", "path", "before", "after"};
constexpr std::array<std::string_view, 5> of_replace{"kind", "path", "find", "put", "at"};

Failure bad_repair(std::size_t at, std::string_view what) {
    return {make_error_code(boost::system::errc::invalid_argument),
            fmt::format("edit[{}]: {}", at, what)};
}

std::string_view repair_text_in(const json::object& change, std::string_view name) {
    const auto* value = change.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view();
}

bool has_text(const json::object& change, std::string_view name) {
    const auto* value = change.if_contains(name);
    return value != nullptr && value->is_string();
}

bool is_path(const json::value* path) {
    if (path == nullptr || !path->is_array()) return false;
    for (const json::value& part : path->get_array())
        if (!part.is_string() && !(part.is_int64() && part.get_int64() >= 0)) return false;
    return true;
}

Outcome<void> check_change(const json::value& given, std::size_t at) {
    const auto* change = given.if_object();
    if (change == nullptr) return bad_repair(at, "a change is an object");
    const std::string_view kind = repair_text_in(*change, "kind");
    const auto* path = change->if_contains("path");
    if (!is_path(path))
        return bad_repair(at, "'path' must be a list of names and of places in lists, from 0");
    std::span<const std::string_view> known = of_remove;
    if (kind == "set") {
        known = of_set;
        if (!change->contains("after")) return bad_repair(at, "'after' must be what is set");
    } else if (kind == "replace") {
        known = of_replace;
        if (!has_text(*change, "find") || !has_text(*change, "put"))
            return bad_repair(at, "'find' and 'put' must be texts");
        const std::string_view where = repair_text_in(*change, "at");
        if (repair_text_in(*change, "find").empty() && where != "start" && where != "end")
            return bad_repair(at, "where 'find' is empty, 'at' must be start or end");
        if (change->contains("at") && where != "start" && where != "end" && where != "any")
            return bad_repair(at, "'at' must be start, end or any");
    } else if (kind != "remove") {
        return bad_repair(at, "'kind' must be set, replace or remove");
    }
    if (kind != "set" && path->get_array().empty())
        return bad_repair(at, "'path' must name a member");
    for (const auto& member : *change) {
        if (std::ranges::find(known, std::string_view(member.key())) == known.end())
            return bad_repair(at,
                              fmt::format("unknown member '{}'", std::string_view(member.key())));
    }
    return boost::system::in_place_value;
}

// Where a part of a path leads to; null: nowhere.
json::value* inside(json::value& holder, const json::value& part) {
    if (auto* object = holder.if_object(); object != nullptr && part.is_string())
        return object->if_contains(part.get_string());
    if (auto* list = holder.if_array(); list != nullptr && part.is_int64()) {
        const auto place = static_cast<std::size_t>(part.get_int64());
        return place < list->size() ? &(*list)[place] : nullptr;
    }
    return nullptr;
}

std::string replaced(std::string_view text, std::string_view find, std::string_view put) {
    std::string out;
    for (;;) {
        const auto at = text.find(find);
        if (at == std::string_view::npos) return out + std::string(text);
        out += text.substr(0, at);
        out += put;
        text.remove_prefix(at + find.size());
    }
}

bool replace_in(json::value& value, const json::object& change) {
    const auto* text = value.if_string();
    if (text == nullptr) return false;
    const std::string_view before = *text, find = repair_text_in(change, "find"),
                           put = repair_text_in(change, "put");
    std::string after;
    if (find.empty())
        after = repair_text_in(change, "at") == "end" ? std::string(before) + std::string(put)
                                                      : std::string(put) + std::string(before);
    else if (before.find(find) == std::string_view::npos)
        return false;
    else
        after = replaced(before, find, put);
    value = json::string(after);
    return true;
}

bool make(json::value& input, const json::object& change) {
    const std::string_view kind = repair_text_in(change, "kind");
    const json::array& path = change.at("path").get_array();
    if (path.empty()) {
        input = change.at("after");
        return true;
    }
    json::value* holder = &input;
    for (std::size_t i = 0; i + 1 < path.size() && holder != nullptr; ++i)
        holder = inside(*holder, path[i]);
    if (holder == nullptr) return false;
    const json::value& last = path.back();
    json::value* place = inside(*holder, last);
    if (kind == "replace") return place != nullptr && replace_in(*place, change);
    auto* object = holder->if_object();
    if (object == nullptr || !last.is_string()) {
        // Of a list only what is there is set; others of it would take another place.
        if (kind != "set" || place == nullptr) return false;
        *place = change.at("after");
        return true;
    }
    if (kind == "set")
        (*object)[last.get_string()] = change.at("after");
    else
        object->erase(last.get_string());
    return true;
}

} // namespace

Outcome<void> check_changes(const json::value& changes) {
    const auto* list = changes.if_array();
    if (list == nullptr || list->empty() || list->size() > changes_max)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("'edit' must be a list of 1 to {} changes", changes_max)};
    for (std::size_t at = 0; at < list->size(); ++at)
        BATON_TRY(check_change((*list)[at], at));
    return boost::system::in_place_value;
}

std::optional<json::value> mended(json::value input, const json::value& changes) {
    for (const json::value& change : changes.get_array())
        if (!make(input, change.get_object())) return std::nullopt;
    return input;
}

} // namespace baton::orchestrator::runtime
