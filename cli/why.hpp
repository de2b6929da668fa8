// Why a run is where it is: what each of its open steps waits for, in sentences. Pure.
#pragma once

#include <boost/json/value.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

// Answer of GET /api/tasks/NAME, or nothing if it could not be asked.
using LookAtTask = std::function<std::optional<boost::json::value>(const std::string& task)>;

// `run` is the answer of GET /api/runs/ID. At least one sentence.
std::vector<std::string> reasons_of(const boost::json::value& run, const LookAtTask& look);

// Who serves a task just now, as a sentence for people who wait for it; empty: somebody does.
std::string trouble_of_task(const boost::json::value& task);

} // namespace baton::cli
