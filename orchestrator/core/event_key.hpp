// Which waits an event from outside the runs is for. A wait says its event by type and by what must stand in it,
// path by path; both sides make one key of that, so that among any number of waits the right ones are found by
// looking up. Pure.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/document.hpp"

#include <boost/json/value.hpp>

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::core {

// What waits of one kind compare: of events of this type the values at these paths.
struct EventShape {
    std::string type;
    std::vector<std::string> paths; // sorted: "data.order", "subject"
    Duration keep{};                // so long before the wait an event may have come
    friend auto operator<=>(const EventShape&, const EventShape&) = default;
};

// The value at "data.order.id"; null: there is none.
const boost::json::value* value_at(const boost::json::value& event, std::string_view path);

// 32 letters. Numbers of one value are alike however they are written, objects in whatever order.
std::string event_key(std::string_view type, const std::vector<std::pair<std::string, Document>>& wanted);

// Absent: the event has another type, or not all of the paths.
std::optional<std::string> key_of(const EventShape& shape, std::string_view type, const boost::json::value& event);

// One event that a step waits for, as its wait says it (run.hpp).
struct AwaitedEvent {
    std::string key;
    std::string way; // its name in a first_of; else empty
    Time since{};    // one that came before is not meant
};
std::vector<AwaitedEvent> awaited_events(const Document& wait);

// Of the result of a step under a key that its author gave.
std::string result_key(std::string_view workflow, std::string_view step, std::string_view key);

// The result that a step asks for, as its wait says it.
struct AwaitedResult {
    std::string key;
    Time since{};    // an older one is not meant
};
std::optional<AwaitedResult> awaited_result(const Document& wait);

} // namespace baton::orchestrator::core
