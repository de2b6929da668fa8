// The turns of a cron trigger.
#include "orchestrator/schedule/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::schedule {

namespace {

using Overlap = core::CronTrigger::Overlap;

// Nominal times older than what can be made up for are counted up to so many.
constexpr std::size_t counted_max = 10'000;
// Starts of one turn where several may go on at once.
constexpr std::size_t starts_max = 10;
// A run that was asked to end may have been asked in vain.
constexpr Duration cancel_pause = std::chrono::seconds(30);
// Scheduled fires that wait for the end of a run; more only shows that the runs take too long.
constexpr std::size_t queued_max = 100;

// Without the fraction that a nominal time never has.
std::string text_of(Time time) {
    std::string text = to_rfc3339(time);
    constexpr std::string_view nothing = ".000000";
    if (const std::size_t at = text.find(nothing); at != std::string::npos)
        text.erase(at, nothing.size());
    return text;
}

std::string spec_of(const Rule& rule) {
    return rule.says.cron + " " + rule.says.timezone;
}

// The rule that a spec came from: the zone has no space in it.
std::optional<Cron> cron_of(const std::string& spec) {
    const std::size_t space = spec.rfind(' ');
    if (space == std::string::npos) return std::nullopt;
    auto cron = Cron::parse(spec.substr(0, space), spec.substr(space + 1));
    return cron ? std::optional(std::move(*cron)) : std::nullopt;
}

// FNV-1a, and then a mix, so that neighbours in time are none in what they give.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
    return hash ^ (hash >> 31);
}

struct Due {
    Time nominal;
    Duration late;
};

// What `cron` has between the cursor and now, and has not lain too long; the cursor goes on behind
// it.
std::vector<Due> take_due(const Rule& rule, const Cron& cron, Memory& memory, Time now) {
    const Duration window = std::max(rule.says.catch_up, on_time);
    const Time oldest = now - window - rule.says.jitter;
    std::vector<Due> due;
    for (std::size_t looked = 0;; ++looked) {
        if (looked >= counted_max && memory.cursor < oldest) memory.cursor = oldest;
        const auto nominal = cron.next(memory.cursor);
        if (!nominal) break;
        const Duration late = now - (*nominal + put_off(rule, *nominal));
        if (late < Duration::zero()) break;
        memory.cursor = *nominal;
        if (late > window)
            ++memory.missed;
        else
            due.push_back({*nominal, late});
    }
    const auto is_late = [](const Due& one) { return one.late > on_time; };
    auto late = static_cast<std::size_t>(std::count_if(due.begin(), due.end(), is_late));
    while (late > rule.says.catch_up_most) {
        due.erase(std::find_if(due.begin(), due.end(), is_late));
        ++memory.missed;
        --late;
    }
    return due;
}

bool is_scheduled(const Fire& fire) {
    return fire.why == Fire::Why::schedule;
}

void say(Memory& memory, std::string note, Time now) {
    memory.note = std::move(note);
    memory.noted_at = now;
}

// Behind the scheduled ones that wait, before those of a backfill.
void queue_up(Memory& memory, Fire fire) {
    const auto place = std::find_if(memory.waiting.begin(), memory.waiting.end(),
                                    [](const Fire& one) { return one.why == Fire::Why::backfill; });
    memory.waiting.insert(place, std::move(fire));
}

void drop_scheduled(Memory& memory) {
    memory.skipped += std::erase_if(memory.waiting, is_scheduled);
}

// A due fire takes its place among what waits, or is none.
void place(const Rule& rule, Memory& memory, const Due& due, bool is_open, Time now) {
    const bool is_own = memory.last && is_scheduled(*memory.last);
    switch (rule.says.overlap) {
    case Overlap::skip:
        if (is_open && is_own) {
            ++memory.skipped;
            return say(memory,
                       fmt::format("{} was skipped: run {} goes on", text_of(due.nominal),
                                   memory.last_run),
                       now);
        }
        // Of several the youngest; behind a run that a person began it waits.
        drop_scheduled(memory);
        break;
    case Overlap::cancel:
        drop_scheduled(memory);
        break;
    case Overlap::queue:
        if (std::count_if(memory.waiting.begin(), memory.waiting.end(), is_scheduled) >=
            static_cast<std::ptrdiff_t>(queued_max)) {
            ++memory.skipped;
            return say(
                memory,
                fmt::format("{} was skipped: {} wait already", text_of(due.nominal), queued_max),
                now);
        }
        break;
    case Overlap::allow:
        break;
    }
    queue_up(memory, {due.nominal, Fire::Why::schedule});
}

// Another expression, another zone, or a trigger that was not there: what the former one still
// owed, and from then on the new one.
std::vector<Due> adopt(const Rule& rule, Memory& memory, Time now) {
    std::vector<Due> owed;
    const bool was_there = !memory.spec.empty() && !memory.is_gone;
    if (const auto former = cron_of(memory.spec); was_there && former && memory.cursor < rule.since)
        owed = take_due(rule, *former, memory, std::min(now, rule.since));
    memory.cursor = was_there ? std::max(memory.cursor, rule.since) : rule.since;
    memory.spec = spec_of(rule);
    memory.is_gone = false;
    return owed;
}

bool is_known(const Rule& rule, const Memory& memory) {
    return !memory.is_gone && memory.spec == spec_of(rule);
}

bool is_ahead(const Memory& memory, Time now) {
    return memory.cursor > now + on_time;
}

} // namespace

Outcome<Rule> rule_of(const core::Workflow& workflow, const core::Trigger& trigger, Time since) {
    const auto& says = std::get<core::CronTrigger>(trigger.kind);
    BATON_ASSIGN(Cron cron, Cron::parse(says.cron, says.timezone));
    return Rule{workflow.name, trigger.name, std::move(cron), says, since};
}

Duration put_off(const Rule& rule, Time nominal) {
    const auto most = rule.says.jitter.count();
    if (most <= 0) return Duration::zero();
    const std::uint64_t hash =
        hash_of(fmt::format("{}/{}/{}", rule.workflow, rule.trigger, micros_of(nominal)));
    return Duration(static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(most)));
}

std::string start_key(const Rule& rule, const Fire& fire) {
    return fmt::format("{}{}/{}", fire.why == Fire::Why::by_hand ? "by-hand/" : "cron/",
                       rule.trigger, text_of(fire.nominal));
}

bool is_due(const Rule& rule, const Memory& memory, Time now) {
    if (!is_known(rule, memory) || is_ahead(memory, now)) return true;
    if (memory.paused_at) return false;
    if (!memory.waiting.empty()) return true;
    const auto next = next_start(rule, memory, now);
    return next && *next <= now;
}

Turn take_turn(const Rule& rule, Memory& memory, Time now, bool is_open) {
    Turn turn;
    std::vector<Due> due;
    if (!is_known(rule, memory)) due = adopt(rule, memory, now);
    if (is_ahead(memory, now)) {
        say(memory, fmt::format("the clock went back from {} or beyond", text_of(memory.cursor)),
            now);
        memory.cursor = now;
    }
    if (memory.paused_at) return turn;
    const std::uint64_t missed = memory.missed;
    for (const Due& one : take_due(rule, rule.cron, memory, now))
        due.push_back(one);
    if (memory.missed > missed)
        say(memory,
            fmt::format("{} missed: nobody was there for longer than catch_up allows",
                        memory.missed - missed),
            now);
    for (const Due& one : due)
        place(rule, memory, one, is_open, now);

    const bool may_overlap = rule.says.overlap == Overlap::allow;
    const std::size_t most = may_overlap ? starts_max : is_open ? 0 : 1;
    const std::size_t count = std::min(most, memory.waiting.size());
    const auto end = memory.waiting.begin() + static_cast<std::ptrdiff_t>(count);
    turn.starts.assign(memory.waiting.begin(), end);
    memory.waiting.erase(memory.waiting.begin(), end);
    if (rule.says.overlap == Overlap::cancel && is_open && !memory.waiting.empty() &&
        is_scheduled(memory.waiting.front()) &&
        (memory.cancelled != memory.last_run || now - memory.cancelled_at >= cancel_pause)) {
        turn.cancels_last = true;
        memory.cancelled = memory.last_run;
        memory.cancelled_at = now;
    }
    return turn;
}

void note_start(Memory& memory, const Fire& fire, std::string run_id, Time now) {
    if (memory.last_run != run_id) ++memory.started; // else it is only remembered now
    memory.last_run = std::move(run_id);
    memory.last = fire;
    memory.last_at = now;
}

void note_skip(Memory& memory, std::string sentence, Time now) {
    ++memory.skipped;
    say(memory, std::move(sentence), now);
}

void note_failure(Memory& memory, std::string sentence, Time now) {
    ++memory.failed;
    say(memory, std::move(sentence), now);
}

void pause(Memory& memory, Time now, std::string actor, std::string reason) {
    memory.paused_at = now;
    memory.paused_by = std::move(actor);
    memory.pause_reason = std::move(reason);
}

void resume(Memory& memory, Time now) {
    memory.paused_at.reset();
    memory.paused_by.clear();
    memory.pause_reason.clear();
    memory.cursor = std::max(memory.cursor, now);
}

std::optional<Time> next_start(const Rule& rule, const Memory& memory, Time now) {
    if (memory.paused_at) return std::nullopt;
    const Time from = is_known(rule, memory) && !is_ahead(memory, now) ? memory.cursor : now;
    const auto nominal = rule.cron.next(from);
    return nominal ? std::optional(*nominal + put_off(rule, *nominal)) : std::nullopt;
}

std::vector<Time> times_between(const Cron& cron, Time after, Time until, std::size_t most) {
    std::vector<Time> times;
    for (auto next = cron.next(after); next && *next <= until && times.size() < most;
         next = cron.next(*next))
        times.push_back(*next);
    return times;
}

} // namespace baton::orchestrator::schedule
