// What a bulk job over dead letters is made of, as text: its filter as JSON, for the stores and for
// people, and its rate; and a message with another body. Pure functions.
#pragma once

#include "orchestrator/runtime/run_store.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::runtime {

// Letters that are sent again when nobody says how fast: slow enough that what fails shows.
inline constexpr Duration default_interval = std::chrono::milliseconds(100);
// More at the same time would only wait for each other.
inline constexpr std::size_t running_dead_jobs_max = 20;

// {"task":…, "error_type":…, "workflow":…, "run":…, "group":…, "since":…, "until":…}, what is set of it.
std::string filter_text(const DeadLetterFilter& filter);
// Of what filter_text() made; anything else is an empty filter with a key no letter has.
DeadLetterFilter filter_from(std::string_view text);
bool is_empty(const DeadLetterFilter& filter);

// "5/s", "30/m", "100/h": the pause between two of them. From one an hour to 1000 a second.
Outcome<Duration> interval_of(std::string_view rate);
// "5/s", of an interval.
std::string rate_text(Duration interval);

std::string_view word_of(DeadJobState state);

// The message of a dead letter, with this body instead of its own. One that is no message stays as it is.
std::string with_body(const std::string& message, std::string_view body);

} // namespace baton::orchestrator::runtime
