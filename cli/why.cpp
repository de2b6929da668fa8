// See why.hpp.
#include "cli/why.hpp"

#include "cli/output.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <cstdint>

namespace baton::cli {

namespace json = boost::json;

namespace {

std::int64_t number(const json::value& object, std::string_view name) {
    ErrorCode missing;
    const json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return found == nullptr ? 0 : found->to_number<std::int64_t>(missing);
}

} // namespace

std::string trouble_of_task(const json::value& task) {
    const std::string name = member(task, "task");
    if (const std::string held = member(task, "held"); !held.empty()) return held;
    if (member(task, "queue") == "false") return fmt::format("there is no queue for {}: no workflow and no worker has named it", name);
    if (number(task, "workers") > 0) return {};
    return fmt::format("no worker serves {} just now ({} tasks wait); it goes on when one does", name, number(task, "waiting"));
}

std::string line_of(const json::value& reason) {
    const std::string step = member(reason, "step");
    std::string line = (member(reason, "undo") == "true" ? "the undo of " : "") + step + (step.empty() ? "" : ": ") +
                       member(reason, "sentence");
    const std::string since = member(reason, "since"), until = member(reason, "until");
    if (!since.empty()) line += ", since " + local_time(since);
    if (!until.empty()) line += ", until " + local_time(until);
    return line;
}

} // namespace baton::cli
