// The language in which people ask for runs, the same for the command line, the API and pages:
//
//   workflow:provision-* status:failed since:2d label.team=ops input.user="ada lovelace" error:mail.*
//
// Conditions are separated by blanks; all of them hold. A condition is FIELD:VALUE or FIELD=VALUE. The same
// field several times: one of its values holds. A value with blanks, or that is to be taken letter by
// letter, stands in double quotes, in which \" and \\ are one sign.
//
//   run            the beginning of an id, at least 6 characters; several with commas between, 100 in all
//   workflow       its name
//   status         queued, running, paused, compensating, completed, failed, cancelled, timed_out,
//                  compensated; open: the first four; closed: the others
//   since, until   of the start: 2h30m ago, 2026-01-31, 2026-01-31T12:00:00Z; until does not count itself
//   ended_since, ended_until   the same of the end
//   label.NAME     what the run was labelled with
//   input.NAME     an input that the workflow declares with `index = true`
//   error          the type of the error it ended with; "mail.*" is mail and everything below it
//   key            what the start was made harmless to repeat with
//
// workflow, label, input, error and key may end with *: whatever begins so. Pure.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "orchestrator/runtime/run_search.hpp"

#include <string_view>

namespace baton::orchestrator::runtime {

// `now` is what "2h" is ago of. The failure's detail names the column, counted in characters from 1, what is
// wrong there and what to write.
Outcome<RunSearch> parse_run_query(std::string_view text, Time now);

} // namespace baton::orchestrator::runtime
