// Bulk jobs over dead letters: a page of letters at a time, each sent again or dropped as if somebody had
// asked for that one.
//
//   running ──▶ done        no open letter that fits is left
//      │  └───▶ stopped     as many new failures as were allowed
//      └──────▶ cancelled   by hand
//
// Everything of a page is settled, and the job's row says so, before the next page is looked for. After a
// crash the page is looked for again: what was settled is not open any more, so it is not done twice. A
// message may be, as when one is sent again by hand: it is marked when the broker has it, not before.
#include "base/log.hpp"
#include "base/random.hpp"
#include "orchestrator/runtime/dead_job.hpp"
#include "orchestrator/runtime/engine_body.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::orchestrator::runtime {
namespace {

constexpr std::size_t dropped_at_once = 500;
// A rate is kept over this time; what was missed in a longer pause is not caught up with.
constexpr Duration burst = std::chrono::milliseconds(200);
constexpr int failure_pages_max = 10; // looked through in one turn

RedriveItem redrive_of(std::uint64_t id, Reply<void> settled, Closing closing, std::string edit) {
    RedriveItem item{id, std::move(settled), {}, false, std::move(closing)};
    item.edit = std::move(edit);
    return item;
}

// How many letters are due, and when the next one is.
std::size_t take_due(RunningDeadJob& running, Time now) {
    const Duration interval = running.job.interval;
    if (interval <= Duration::zero()) return dropped_at_once;
    const std::int64_t most = std::max<std::int64_t>(burst / interval, 1);
    const std::int64_t due = 1 + (now - running.next_at) / interval;
    running.next_at = due > most ? now + interval : running.next_at + due * interval;
    return static_cast<std::size_t>(std::min(due, most));
}

} // namespace

Outcome<void> Engine::Body::load_jobs() {
    jobs.clear();
    BATON_ASSIGN(auto stored, store.running_dead_jobs());
    for (DeadJob& job : stored) {
        const std::uint64_t id = job.id;
        jobs[id] = std::make_shared<RunningDeadJob>(RunningDeadJob{std::move(job)});
    }
    return boost::system::in_place_value;
}

Outcome<DeadJob> Engine::Body::add(DeadJob& job, Time now) {
    if (jobs.size() >= running_dead_jobs_max)
        return Failure{make_error_code(EngineErrc::refused),
                       fmt::format("{} bulk jobs are running, as many as may be; baton dead jobs shows them", jobs.size())};
    if (job.key.empty()) job.key = uuid_v7(millis_of(now), random);
    job.at = now;
    job.reason = plain(std::move(job.reason));
    if (job.drops) job.interval = {};
    BATON_ASSIGN(DeadJob kept, store.add_dead_job(job));
    if (kept.state == DeadJobState::running && !jobs.contains(kept.id)) {
        log::info("engine", "a bulk job over dead letters begins",
                  {{"job", kept.id}, {"actor", kept.actor}, {"letters", kept.total}});
        jobs[kept.id] = std::make_shared<RunningDeadJob>(RunningDeadJob{kept, now});
    }
    return kept;
}

Outcome<DeadJob> Engine::Body::cancel(const CancelDeadJobItem& asked, Time now) {
    const auto found = jobs.find(asked.id);
    if (found == jobs.end())
        return Failure{make_error_code(EngineErrc::unknown_dead_job),
                       fmt::format("bulk job {} is not running; baton dead jobs shows them", asked.id)};
    const std::shared_ptr<RunningDeadJob> running = found->second;
    BATON_TRY(end(*running, DeadJobState::cancelled, "cancelled by " + asked.actor, now));
    return running->job;
}

Outcome<void> Engine::Body::end(RunningDeadJob& running, DeadJobState state, std::string note, Time now) {
    DeadJob job = running.job;
    job.state = state;
    job.closed_at = now;
    if (!note.empty()) job.note = plain(std::move(note));
    BATON_TRY(store.save_dead_job(job));
    running.job = std::move(job);
    log::info("engine", "a bulk job over dead letters has ended",
              {{"job", running.job.id}, {"state", word_of(state)}, {"done", running.job.done},
               {"refused", running.job.refused}, {"died again", running.job.failures}});
    jobs.erase(running.job.id);
    return boost::system::in_place_value;
}

std::optional<Time> Engine::Body::next_job() const {
    std::optional<Time> first;
    if (is_full()) return first; // what they begin would wait in memory
    for (const auto& [id, running] : jobs)
        if (running->in_flight == 0 && (!first || running->next_at < *first)) first = running->next_at;
    return first;
}

// False: the store failed, and everything begins anew.
bool Engine::Body::turn_jobs(Time now) {
    if (jobs.empty() || is_full()) return true;
    std::vector<std::shared_ptr<RunningDeadJob>> due;
    for (const auto& [id, running] : jobs)
        if (running->in_flight == 0 && running->next_at <= now) due.push_back(running);
    return std::all_of(due.begin(), due.end(), [&](const auto& running) { return turn(running, now); });
}

bool Engine::Body::turn(const std::shared_ptr<RunningDeadJob>& running, Time now) {
    const auto made = [&]() -> Outcome<void> {
        BATON_ASSIGN(const bool goes_on, look_for_failures(*running));
        const DeadJob& job = running->job;
        if (!goes_on)
            return end(*running, DeadJobState::stopped,
                       fmt::format("{} of those sent again are dead again, {} could not be sent{}{}", job.failures,
                                   job.refused, job.note.empty() ? "" : ": ", job.note),
                       now);
        if (running->is_changed) BATON_TRY(store.save_dead_job(job));
        running->is_changed = false;
        return send_page(running, now);
    }();
    if (made) return true;
    Work nothing;
    nothing.now = now;
    failed(nothing, made.error(), "working on a bulk job");
    return false;
}

// False: there are too many.
Outcome<bool> Engine::Body::look_for_failures(RunningDeadJob& running) {
    DeadJob& job = running.job;
    for (int page = 0; page < failure_pages_max && !job.drops; ++page) {
        BATON_ASSIGN(const DiedAgain found, store.died_again(job.id, job.seen_id));
        if (found.seen_id == job.seen_id) break;
        job.seen_id = found.seen_id;
        job.failures += found.count;
        running.is_changed = true;
    }
    return job.stop_after == 0 || job.failures + job.refused < job.stop_after;
}

Outcome<void> Engine::Body::send_page(const std::shared_ptr<RunningDeadJob>& running, Time now) {
    DeadJob& job = running->job;
    DeadLetterFilter page = job.filter;
    page.state = DeadLetterState::open;
    page.after_id = job.cursor;
    page.before_id = job.last_id + 1;
    page.limit = take_due(*running, now);
    BATON_ASSIGN(const auto ids, store.dead_letter_ids(page));
    if (ids.empty()) return end(*running, DeadJobState::done, {}, now);
    for (const std::uint64_t id : ids) {
        job.cursor = id;
        running->is_changed = true;
        if (!letters_of_jobs.insert(id).second) continue; // another job is at it
        ++running->in_flight;
        const auto settled = [this, running, id](const Outcome<void>& done) {
            letters_of_jobs.erase(id);
            --running->in_flight;
            if (done) {
                ++running->job.done;
            } else if (!running->job.edit.empty() && done.error().code == EngineErrc::bad_input) {
                ++running->job.unfit;
            } else if (done.error().code != EngineErrc::settled) {
                ++running->job.refused;
                running->job.note = plain(fmt::format("dead letter {}: {}", id, done.error().detail));
            }
        };
        const Closing closing{job.actor, job.reason, job.id};
        if (job.drops)
            pending.push_back({DropItem{id, settled, {}, closing}});
        else
            pending.push_back({redrive_of(id, settled, closing, job.edit)});
    }
    return boost::system::in_place_value;
}

} // namespace baton::orchestrator::runtime
