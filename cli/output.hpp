// What several verbs share: saying what went wrong, printing JSON, picking members out of answers.
#pragma once

#include "base/result.hpp"
#include "cli/api.hpp"
#include "cli/verbs.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace baton::cli {

// Prints "baton: text" to standard error.
void complain(std::string_view text);

// What a request that got no answer means for the exit code: the settings are wrong, or nobody is there.
int exit_code_for(const Failure& failure);
// The good answer, or nothing after having said why and set the session's exit code:
// 3 out of reach, 2 the request or the settings were wrong, 1 everything else.
std::optional<boost::json::value> expect(Session& session, const Outcome<Answer>& answer);

// Two spaces of indentation, members in the order they came.
std::string pretty(const boost::json::value& value);
void print_json(const boost::json::value& value);

// The member as text for people: texts as they are but for what could move the terminal
// (base/printable.hpp), null as "", others as JSON.
std::string member(const boost::json::value& object, std::string_view key);

// "2026-01-31T12:04:10.123456Z" → "2026-01-31 12:04:10" in local time; other text as it is.
std::string local_time(std::string_view rfc3339);
// Microseconds since the epoch, 0 if it is no time.
std::int64_t micros_from(std::string_view rfc3339);
// "0.12 s", "4 m 10 s".
std::string duration_text(std::int64_t micros);

// The content of a file; "-" is standard input. The failure says why it cannot be read.
Outcome<std::string> read_file(const std::string& path);
// The same, with the schemas that lie beside it.
Outcome<std::string> read_workflow(const std::string& path);

} // namespace baton::cli
