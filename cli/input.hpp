// The input of runs as people give it: --input JSON or @FILE, --set name=text and name:=json, and
// whole files of inputs for --each.
#pragma once

#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

// JSON, or @FILE that holds it; `option` names it in errors.
Outcome<boost::json::value> json_input(const std::string& input, std::string_view option);

// `input` is JSON text, "@FILE", or empty; `sets` are laid over it. `option` is what it is called on the
// command line.
Outcome<boost::json::object> run_input(const std::string& input, const std::vector<std::string>& sets,
                                       std::string_view option = "--input");
// What --set probably meant where the server, in `reason`, wanted something other than a text.
std::vector<std::string> hints_about_sets(const std::vector<std::string>& sets, std::string_view reason);

// "name=text" or "name:=json" into `object`; the name may have dots for nested members.
Outcome<void> apply_set(boost::json::object& object, std::string_view set);

// One input of a file and the line it begins in.
struct LineInput {
    std::size_t line = 0;
    boost::json::object input;
};

// Every line of a JSON Lines file, or every record of a CSV file (RFC 4180) whose first line names
// the members; a column "name:=" holds JSON. Decided by the file's ending. The whole file is read
// before anything is given back, and a failure names file and line. Separators are commas, or
// semicolons or tabs if the first line has no comma; lines end in \n, \r\n or \r; blank ones are skipped.
Outcome<std::vector<LineInput>> read_inputs(const std::string& path);
Outcome<std::vector<LineInput>> parse_csv(std::string_view text, const std::string& file);
Outcome<std::vector<LineInput>> parse_json_lines(std::string_view text, const std::string& file);

// `text` without a byte order mark; the failure names the first place that is not UTF-8.
Outcome<std::string_view> plain_text(std::string_view text, const std::string& file);

// What makes a line's start harmless to repeat: equal for the same input in the same batch (the
// file's name), whatever line it has moved to. `occurrence` tells equal lines of one file apart.
std::string line_key(const std::string& batch, const boost::json::object& input, std::size_t occurrence);

// A time limit such as "5s", "500ms", "2m" or "30" (seconds), up to an hour; nothing for what is none.
std::optional<std::chrono::milliseconds> parse_limit(const std::string& text);

} // namespace baton::cli
