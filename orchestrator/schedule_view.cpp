#include "orchestrator/schedule_view.hpp"

#include "base/duration_text.hpp"
#include "base/time_zone.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

namespace baton::orchestrator {

namespace json = boost::json;
using schedule::Fire;

namespace {

const char* schedule_word(Fire::Why why) {
    switch (why) {
    case Fire::Why::schedule:
        return "schedule";
    case Fire::Why::backfill:
        return "backfill";
    case Fire::Why::by_hand:
        return "by_hand";
    }
    return "";
}

json::array next_starts(const schedule::Rule& rule, const schedule::Memory& memory, Time now,
                        std::uint32_t count) {
    json::array all;
    auto nominal = rule.cron.next(std::max(
        memory.is_gone || memory.spec.empty() ? now : memory.cursor, now - rule.says.jitter));
    for (std::uint32_t i = 0; nominal && i < count; nominal = rule.cron.next(*nominal)) {
        const Time at = *nominal + schedule::put_off(rule, *nominal);
        if (at <= now) continue;
        all.emplace_back(json::object{{"nominal", to_rfc3339(*nominal)},
                                      {"local", local_text(*nominal, rule.says.timezone)},
                                      {"at", to_rfc3339(at)}});
        ++i;
    }
    return all;
}

} // namespace

std::string schedule_actor(std::string_view workflow, std::string_view trigger) {
    return fmt::format("schedule {}/{}", workflow, trigger);
}

std::string local_text(Time time, const std::string& zone) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
    const std::int64_t offset = zone_offset(zone, seconds).value_or(0);
    const std::string text = to_rfc3339(time + std::chrono::seconds(offset));
    constexpr std::size_t to_seconds = 19;
    const std::int64_t minutes = std::abs(offset) / 60;
    return fmt::format("{}{}{:02}:{:02}", text.substr(0, to_seconds), offset < 0 ? '-' : '+',
                       minutes / 60, minutes % 60);
}

json::object schedule_view(const core::Workflow& workflow, const schedule::Rule& rule,
                           const schedule::Memory& memory, Time now, std::uint32_t next) {
    json::object out{{"schedule", fmt::format("{}/{}", rule.workflow, rule.trigger)},
                     {"workflow", rule.workflow},
                     {"workflow_version", workflow.version},
                     {"trigger", rule.trigger},
                     {"cron", rule.says.cron},
                     {"timezone", rule.says.timezone},
                     {"overlap", core::word_of(rule.says.overlap)},
                     {"catch_up", to_text(rule.says.catch_up)},
                     {"jitter", to_text(rule.says.jitter)},
                     {"started", memory.started},
                     {"skipped", memory.skipped},
                     {"missed", memory.missed},
                     {"failed", memory.failed}};
    // What it would be if it did not pause; when that ends it is so.
    out["next"] = next_starts(rule, memory, now, next);
    if (memory.paused_at)
        out["paused"] = json::object{{"at", to_rfc3339(*memory.paused_at)},
                                     {"by", memory.paused_by},
                                     {"reason", memory.pause_reason}};
    if (memory.last)
        out["last"] = json::object{{"run", memory.last_run},
                                   {"nominal", to_rfc3339(memory.last->nominal)},
                                   {"local", local_text(memory.last->nominal, rule.says.timezone)},
                                   {"at", to_rfc3339(memory.last_at)},
                                   {"why", schedule_word(memory.last->why)}};
    json::array waiting;
    for (const Fire& fire : memory.waiting)
        waiting.emplace_back(
            json::object{{"nominal", to_rfc3339(fire.nominal)}, {"why", schedule_word(fire.why)}});
    out["waiting"] = std::move(waiting);
    if (!memory.note.empty())
        out["note"] = json::object{{"at", to_rfc3339(memory.noted_at)}, {"text", memory.note}};
    return out;
}

std::string serialized(const json::object& object) {
    return json::serialize(object);
}

} // namespace baton::orchestrator
