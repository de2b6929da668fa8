// Lists with columns as rabbitmqctl prints them: tab-separated with a heading, or JSON, or CSV.
#pragma once

#include "cli/ctl/work.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli::ctl {

struct Column {
    std::string_view name;
    // Where the value is in the server's JSON, with dots: "channel_details.pid". Empty: Baton has no
    // such thing, and the column stays empty.
    std::string_view path;
};

// The columns named by the word's arguments from the first on, or `otherwise`. Nothing after having
// complained about a name that is not known.
std::optional<std::vector<Column>> chosen_columns(Work& work, std::span<const Column> known,
                                                  std::initializer_list<std::string_view> otherwise);

// `rows` are the server's objects. Without rows nothing is printed but what the format needs.
void print_rows(Work& work, const std::vector<Column>& columns, const boost::json::array& rows);

// How Erlang would write it: [{"x-max-length",5}], [monitoring, policymaker]; texts without quotes
// at the outermost level.
std::string erlang_text(const boost::json::value& value);

} // namespace baton::cli::ctl
