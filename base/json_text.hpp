// JSON as the whole house reads it from outside and writes it. Reading is strict where a value would
// become another one without anybody noticing: a whole number beyond 64 bits and a number beyond a
// double (1e400) are refused, doubles are read exactly. Writing keeps every value what it is: a double
// stays one when it is read again (1000.0), and looks as people write it, never 1E3.
#pragma once

#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace baton {

struct JsonRules {
    std::size_t depth_max;
    bool exact_numbers;
};

// For what clients, workers and files bring. The depth keeps our stack and that of every program that
// reads it behind us.
inline constexpr JsonRules json_from_outside{64, true};
// For what we wrote ourselves, around values from outside; an older version may have written any number.
inline constexpr JsonRules json_of_our_own{2000, false};

// The failure says "line 1, column 5: why".
Outcome<boost::json::value> read_json(std::string_view text, JsonRules rules = json_from_outside);

std::string write_json(const boost::json::value& value);
// As JSON has it: "1000.0", "0.1", "1e+300"; JSON cannot say Infinity and NaN: null.
void append_json(std::string& out, double value);

// How many arrays and objects lie inside each other; 0 for a plain value. Counts no further than
// `enough`.
std::size_t json_depth(const boost::json::value& value, std::size_t enough);

} // namespace baton
