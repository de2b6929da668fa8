#include "web/v1/listing.hpp"

#include "web/http/query.hpp"
#include "web/http/replies.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::web {

namespace json = boost::json;

namespace {

// Does a list of tags, as If-Match and If-None-Match have it, name this one? Weak ones count like
// others: nothing here is compared byte by byte.
bool names(std::string_view list, std::string_view tag) {
    const std::string quoted = fmt::format("\"{}\"", tag);
    while (!list.empty()) {
        const auto end = std::min(list.find(','), list.size());
        std::string_view one = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        while (one.starts_with(' '))
            one.remove_prefix(1);
        while (one.ends_with(' '))
            one.remove_suffix(1);
        if (one.starts_with("W/")) one.remove_prefix(2);
        if (one == "*" || one == quoted) return true;
    }
    return false;
}

} // namespace

Outcome<PageWish> page_wish(const Request& request) {
    PageWish wish;
    BATON_ASSIGN(const auto limit, number_in(request, "limit", {page_size, 1, page_size_max}));
    wish.limit = static_cast<std::size_t>(limit);
    wish.after = parameter(request, "after");
    BATON_ASSIGN(wish.counts, flag_in(request, "count", true));
    return wish;
}

json::object page_json(json::array items, const std::optional<std::string>& next,
                       const std::optional<Counted>& counted) {
    json::object page;
    page["items"] = std::move(items);
    page["next"] = next ? json::value(*next) : json::value(nullptr);
    page["count"] = counted ? json::value(counted->count) : json::value(nullptr);
    page["count_is_exact"] = counted && counted->is_exact;
    return page;
}

Response page_of(const PageWish& wish, json::array all, bool is_whole) {
    const auto begin =
        wish.after.empty() ? std::optional<std::size_t>(0) : number_from<std::size_t>(wish.after);
    if (!begin)
        return problem(400, "bad_request",
                       "'after' must be the 'next' of a page, not '" + wish.after + "'");
    json::array items;
    const std::size_t end = std::min(all.size(), *begin + std::min(wish.limit, all.size()));
    for (std::size_t i = *begin; i < end; ++i)
        items.push_back(std::move(all[i]));
    std::optional<std::string> next;
    if (end < all.size() && end > *begin) next = std::to_string(end);
    return reply(200, page_json(std::move(items), next, Counted{all.size(), is_whole}));
}

Response tagged(const Request& request, Response response, std::string_view tag) {
    response.headers["ETag"] = fmt::format("\"{}\"", tag);
    if (response.status != 200 || request.if_none_match.empty() ||
        !names(request.if_none_match, tag))
        return response;
    response.status = 304;
    response.body.clear();
    return response;
}

bool names_any(const Request& request) {
    return request.if_match == "*";
}

bool is_stale(const Request& request, std::string_view tag) {
    return !request.if_match.empty() && !names(request.if_match, tag);
}

} // namespace baton::web
