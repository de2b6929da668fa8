// Repair by example: what somebody changed of the input of one dead letter, as a rule for the
// inputs of others. Pure.
//
//   {"kind": "set", "path": ["region"], "after": "EU"}
//   {"kind": "remove", "path": ["people", 0, "fax"]}
//   {"kind": "replace", "path": ["email"], "find": "exmaple", "put": "example"}     wherever the
//   text has it
//   {"kind": "replace", "path": ["id"], "find": "", "put": "A-", "at": "start"}     or "end"
#pragma once

#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <optional>
#include <string>

namespace baton::orchestrator::runtime {

inline constexpr std::size_t changes_max = 100;

// The failure says which change is none.
Outcome<void> check_changes(const boost::json::value& changes);

// The input with all of them made; nothing: one of them does not fit. Of changes that were checked.
std::optional<boost::json::value> mended(boost::json::value input,
                                         const boost::json::value& changes);

} // namespace baton::orchestrator::runtime
