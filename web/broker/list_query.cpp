#include "web/broker/list_query.hpp"

#include "base/result.hpp"
#include "web/http/replies.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

namespace json = boost::json;

namespace {

constexpr std::size_t page_size_usual = 100;
constexpr std::size_t list_page_size_max = 500;
// A filter of a page needs no more; a program of RE2 stays small with it.
constexpr std::size_t name_filter_bytes_max = 1024;
constexpr std::int64_t program_bytes_max = 1 << 20;

Failure wrong_query(std::string_view why) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::string(why)};
}

bool is_query_set(const Request& request, const char* key) { return parameter(request, key) == "true"; }

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = std::min(text.find(separator), text.size());
        if (end != 0) parts.push_back(text.substr(0, end));
        if (end == text.size()) return parts;
        text.remove_prefix(end + 1);
    }
}

// "a.b.c" inside the entry; null: not there.
const json::value* find_field(const json::value& entry, std::string_view path) {
    const json::value* at = &entry;
    for (const auto part : split(path, '.')) {
        const auto* object = at->if_object();
        at = object == nullptr ? nullptr : object->if_contains(part);
        if (at == nullptr) return nullptr;
    }
    return at;
}

// --- Name -------------------------------------------------------------------------------------------

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

Outcome<void> keep_named(const Request& request, json::array& list) {
    const std::string wanted = parameter(request, "name");
    if (wanted.empty()) return boost::system::in_place_value;
    if (wanted.size() > name_filter_bytes_max)
        return wrong_query(fmt::format("'name' is longer than {} bytes", name_filter_bytes_max));
    std::unique_ptr<RE2> pattern;
    if (is_query_set(request, "use_regex")) {
        RE2::Options options;
        options.set_case_sensitive(false);
        options.set_log_errors(false);
        options.set_max_mem(program_bytes_max);
        pattern = std::make_unique<RE2>(wanted, options);
        if (!pattern->ok()) return wrong_query(fmt::format("'name' is no regular expression: {}", pattern->error()));
    }
    const std::string part = lower(wanted);
    const auto is_wanted = [&](const json::value& entry) {
        const auto* name = find_field(entry, "name");
        if (name == nullptr || !name->is_string()) return false;
        const std::string_view text = name->get_string();
        return pattern ? RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *pattern)
                       : lower(text).find(part) != std::string::npos;
    };
    json::array kept;
    for (auto& entry : list)
        if (is_wanted(entry)) kept.push_back(std::move(entry));
    list = std::move(kept);
    return boost::system::in_place_value;
}

// --- Order ------------------------------------------------------------------------------------------

// What is not there comes first, then truth, numbers, texts; the rest is equal.
int rank_of(const json::value* value) {
    if (value == nullptr || value->is_null()) return 0;
    if (value->is_bool()) return 1;
    if (value->is_number()) return 2;
    return value->is_string() ? 3 : 4;
}

bool comes_before(const json::value* a, const json::value* b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
    switch (rank_of(a)) {
    case 1: return !a->get_bool() && b->get_bool();
    case 2: return a->to_number<double>() < b->to_number<double>();
    case 3: return a->get_string() < b->get_string();
    default: return false;
    }
}

void put_in_order(const Request& request, json::array& list) {
    const std::string field = parameter(request, "sort");
    const bool reverse = is_query_set(request, "sort_reverse");
    if (field.empty()) {
        if (reverse) std::reverse(list.begin(), list.end());
        return;
    }
    std::vector<std::pair<const json::value*, std::size_t>> keys;
    keys.reserve(list.size());
    for (std::size_t at = 0; at < list.size(); ++at) keys.emplace_back(find_field(list[at], field), at);
    std::ranges::sort(keys, [reverse](const auto& a, const auto& b) {
        if (comes_before(a.first, b.first)) return !reverse;
        if (comes_before(b.first, a.first)) return reverse;
        return a.second < b.second; // equal ones stay as they came
    });
    json::array sorted;
    sorted.reserve(list.size());
    for (const auto& [key, at] : keys) sorted.push_back(std::move(list[at]));
    list = std::move(sorted);
}

// --- Fields -----------------------------------------------------------------------------------------

void drop_stats(const Request& request, json::value& entry) {
    auto* object = entry.if_object();
    if (object == nullptr) return;
    object->erase("message_stats");
    for (const char* field : {"messages_details", "messages_ready_details", "messages_unacknowledged_details"})
        object->erase(field);
    for (const char* field : {"message_bytes", "message_bytes_ready", "message_bytes_unacknowledged"})
        object->erase(field);
    if (is_query_set(request, "enable_queue_totals")) return;
    for (const char* field : {"messages", "messages_ready", "messages_unacknowledged"}) object->erase(field);
}

// "a.b" goes to the same place in the new object.
void copy_field(const json::value& from, json::object& into, std::string_view path) {
    const auto* value = find_field(from, path);
    if (value == nullptr) return;
    json::object* place = &into;
    const auto parts = split(path, '.');
    for (std::size_t at = 0; at + 1 < parts.size(); ++at) {
        json::value& next = (*place)[parts[at]];
        if (!next.is_object()) next = json::object{};
        place = &next.get_object();
    }
    (*place)[parts.back()] = *value;
}

void keep_fields(const Request& request, json::value& entry) {
    if (is_query_set(request, "disable_stats")) drop_stats(request, entry);
    const std::string columns = parameter(request, "columns");
    if (columns.empty() || !entry.is_object()) return;
    json::object kept;
    for (const auto column : split(columns, ',')) copy_field(entry, kept, column);
    entry = std::move(kept);
}

// --- Pages ------------------------------------------------------------------------------------------

struct ListPage {
    std::size_t number = 1;
    std::size_t size = page_size_usual;
};

Outcome<std::optional<ListPage>> list_page_of(const Request& request) {
    const std::string number = parameter(request, "page");
    const std::string size = parameter(request, "page_size");
    if (number.empty()) return std::optional<ListPage>{};
    ListPage page;
    page.number = number_from<std::size_t>(number).value_or(0);
    if (!size.empty()) page.size = number_from<std::size_t>(size).value_or(0);
    if (page.number == 0) return wrong_query(fmt::format("'page' must be a whole number from 1, not '{}'", number));
    if (page.size == 0 || page.size > list_page_size_max)
        return wrong_query(fmt::format("'page_size' must be a whole number from 1 to {}, not '{}'", list_page_size_max, size));
    return std::optional<ListPage>{page};
}

Response page_reply(const Request& request, const ListPage& page, json::array list, std::size_t total) {
    const std::size_t count = list.size();
    const std::size_t pages = std::max<std::size_t>((count + page.size - 1) / page.size, 1);
    if (page.number > pages)
        return problem(400, "page_out_of_range",
                       fmt::format("page {} is beyond the last one: {} entries make {} pages of {}", page.number,
                                   count, pages, page.size));
    const std::size_t first = (page.number - 1) * page.size;
    json::array items;
    for (std::size_t at = first; at < std::min(first + page.size, count); ++at) {
        keep_fields(request, list[at]);
        items.push_back(std::move(list[at]));
    }
    json::object out;
    out["filtered_count"] = count;
    out["item_count"] = items.size();
    out["page"] = page.number;
    out["page_count"] = pages;
    out["page_size"] = page.size;
    out["total_count"] = total;
    out["items"] = std::move(items);
    return reply(200, out);
}

} // namespace

Response list_reply(const Request& request, json::array list) {
    const std::size_t total = list.size();
    const auto page = list_page_of(request);
    if (!page) return problem(400, "bad_request", page.error().detail);
    if (const auto named = keep_named(request, list); !named) return problem(400, "bad_request", named.error().detail);
    put_in_order(request, list);
    if (*page) return page_reply(request, **page, std::move(list), total);
    for (auto& entry : list) keep_fields(request, entry);
    return reply(200, list);
}

Response object_reply(const Request& request, json::object object) {
    json::value value = std::move(object);
    keep_fields(request, value);
    return reply(200, value);
}

} // namespace baton::web
