// What people ask of the schedules of workflows, as values; the answer is JSON. A schedule is a
// trigger by cron of a live workflow, called WORKFLOW/TRIGGER, or WORKFLOW where it has only one.
//
//   list      {"schedules": [{schedule, workflow, trigger, cron, timezone, overlap, next: [..],
//   paused?, ..}, ..]} pause     the schedule, as in the list; resume likewise run       {run,
//   is_new} or {waiting: true, behind} backfill  {times: [{at, started}, ..], waiting: N}; with
//   dry_run nothing is done
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace baton::orchestrator::runtime {

struct ScheduleAsk {
    enum class Kind : std::uint8_t { list, pause, resume, run, backfill };

    Kind kind = Kind::list;
    std::string schedule{}; // list: empty is all
    std::string actor{};
    std::string reason{};        // pause
    bool beside = false;         // run: also while another run of it goes on
    std::optional<Time> from{};  // backfill: nominal times from here on,
    std::optional<Time> until{}; // and up to here
    bool dry_run = false;        // backfill: only says what it would do
    std::uint32_t next = 5;      // list: so many starts ahead
};

} // namespace baton::orchestrator::runtime
