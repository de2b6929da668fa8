// What the routes of /baton/v1 have in common: pages of lists and conditional requests. Functions
// over values.
#pragma once

#include "base/result.hpp"
#include "web/http/http_server.hpp"
#include "web/http/routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

inline constexpr std::size_t page_size = 50;
inline constexpr std::size_t page_size_max = 500;

// What a list is asked for: ?limit=, ?after=, ?count=.
struct PageWish {
    std::size_t limit = page_size;
    std::string after; // a page's `next`; empty: from the beginning
    bool counts = true;
};
Outcome<PageWish> page_wish(const Request& request);

struct Counted {
    std::uint64_t count = 0;
    bool is_exact = true;
};
// {items, next, count, count_is_exact}
boost::json::object page_json(boost::json::array items, const std::optional<std::string>& next,
                              const std::optional<Counted>& counted);
// A list that is there at once: its page, `after` being the number of the last one seen. Not whole: there are
// more that nobody looked at, and the count says so.
Response page_of(const PageWish& wish, boost::json::array all, bool is_whole = true);

// The answer with this ETag (without quotes), or 304 where the asker has it.
Response tagged(const Request& request, Response response, std::string_view tag);
// If-Match is "*": whatever there is.
bool names_any(const Request& request);
// Does If-Match ask for something else than this? Nothing was asked, or "*": no.
bool is_stale(const Request& request, std::string_view tag);

} // namespace baton::web
