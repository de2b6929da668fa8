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

// `input` is JSON text, "@FILE", or empty; `sets` are laid over it.
Outcome<boost::json::object> run_input(const std::string& input, const std::vector<std::string>& sets);

// "name=text" or "name:=json" into `object`; the name may have dots for nested members.
Outcome<void> apply_set(boost::json::object& object, std::string_view set);

// Every line of a JSON Lines file, or every record of a CSV file (RFC 4180) whose first line names
// the members; a column "name:=" holds JSON. Decided by the file's ending. The failure names the line.
Outcome<std::vector<boost::json::object>> read_inputs(const std::string& path);
Outcome<std::vector<boost::json::object>> parse_csv(std::string_view text, const std::string& file);
Outcome<std::vector<boost::json::object>> parse_json_lines(std::string_view text, const std::string& file);

// A time limit such as "5s", "500ms", "2m" or "30" (seconds), up to an hour; nothing for what is none.
std::optional<std::chrono::milliseconds> parse_limit(const std::string& text);

} // namespace baton::cli
