#include "orchestrator/run_job_keeper.hpp"

#include "base/log.hpp"
#include "orchestrator/core/event.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace baton::orchestrator {

using runtime::DeadJobState;
using runtime::EngineErrc;
using runtime::RunChanged;
using runtime::RunJob;

namespace {

// Runs asked for in one turn.
constexpr std::size_t page_max = 100;
// A rate is kept over this time; what was missed in a longer pause is not caught up with.
constexpr Duration burst = std::chrono::milliseconds(200);
constexpr Duration job_open_pause = std::chrono::seconds(1);
constexpr Duration away_pause = std::chrono::seconds(1);
constexpr Duration job_answer_look = std::chrono::milliseconds(200);

std::string text_in(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string{};
}

Failure gone(std::uint64_t id) {
    return {make_error_code(EngineErrc::unknown_dead_job),
            fmt::format("bulk job {} is not running; baton jobs shows them", id)};
}

} // namespace

RunJobKeeper::RunJobKeeper(std::string node, Open open, runtime::Engine& engine, const Clock& clock)
    : node_(std::move(node)),
      open_(std::move(open)),
      engine_(engine),
      clock_(clock),
      thread_("run-jobs", [this] { run(); }) {}

RunJobKeeper::~RunJobKeeper() {
    stop();
}

void RunJobKeeper::stop() {
    wishes_.close();
    for (runtime::RunStore* store : opened_.take_now())
        store->interrupt(Duration::zero());
    thread_.join();
}

void RunJobKeeper::start_job(RunJob job, runtime::Reply<RunJob> reply) {
    job.node = node_;
    wishes_.put({std::move(job), 0, {}, std::move(reply)});
}

void RunJobKeeper::cancel_job(std::uint64_t id, std::string actor, runtime::Reply<RunJob> reply) {
    wishes_.put({std::nullopt, id, std::move(actor), std::move(reply)});
}

void RunJobKeeper::run() {
    while (!wishes_.is_closed()) {
        if (!stores_.store && !open()) {
            for (Wish& wish : wishes_.take(job_open_pause))
                if (wish.reply)
                    wish.reply(Failure{runtime::StoreErrc::unavailable, "the database is away"});
            continue;
        }
        std::optional<Duration> pause;
        for (const auto& [id, running] : jobs_) {
            const Duration left = std::max(running.next_at - clock_.now(), Duration::zero());
            pause = pause ? std::min(*pause, left) : left;
        }
        for (Wish& wish : wishes_.take(pause))
            hear(std::move(wish));
        std::vector<std::uint64_t> due;
        for (const auto& [id, running] : jobs_)
            if (running.next_at <= clock_.now()) due.push_back(id);
        for (const std::uint64_t id : due) {
            if (wishes_.is_closed()) return;
            const auto found = jobs_.find(id);
            if (found == jobs_.end()) continue;
            if (const auto done = turn(found->second); !done) {
                log::warning("run-jobs", "a bulk job waits",
                             {{"job", id}, {"reason", done.error().detail}});
                found->second.next_at = clock_.now() + away_pause;
            }
        }
    }
    for (Wish& wish : wishes_.take_now())
        if (wish.reply)
            wish.reply(Failure{make_error_code(EngineErrc::stopping), "the server is stopping"});
}

bool RunJobKeeper::open() {
    auto stores = open_();
    if (!stores) return false;
    auto stored = stores->store->running_run_jobs(node_);
    if (!stored) return false;
    stores_ = std::move(*stores);
    opened_.put(stores_.store.get());
    for (RunJob& job : *stored) {
        log::info("run-jobs", "a bulk job goes on",
                  {{"job", job.id}, {"done", job.done}, {"of", job.total}});
        const std::uint64_t id = job.id;
        jobs_[id] = {std::move(job), clock_.now()};
    }
    return true;
}

void RunJobKeeper::hear(Wish wish) {
    auto answer = wish.job ? add(std::move(*wish.job)) : cancel(wish.id, wish.actor);
    if (wish.reply) wish.reply(std::move(answer));
}

Outcome<RunJob> RunJobKeeper::add(RunJob job) {
    if (jobs_.size() >= runtime::running_run_jobs_max)
        return Failure{
            make_error_code(EngineErrc::refused),
            fmt::format("{} bulk jobs are running, as many as may be; baton jobs shows them",
                        jobs_.size())};
    job.at = clock_.now();
    BATON_ASSIGN(const auto search, search_of(job));
    BATON_ASSIGN(const auto totals, stores_.queries->totals(search));
    for (const auto& [status, count] : totals.by_status)
        job.total += count;
    job.total_is_exact = totals.is_exact;
    BATON_ASSIGN(RunJob kept, stores_.store->add_run_job(job));
    if (kept.state == DeadJobState::running && !jobs_.contains(kept.id)) {
        log::info(
            "run-jobs", "a bulk job begins",
            {{"job", kept.id}, {"actor", kept.actor}, {"query", kept.query}, {"runs", kept.total}});
        jobs_[kept.id] = {kept, clock_.now()};
    }
    return kept;
}

Outcome<RunJob> RunJobKeeper::cancel(std::uint64_t id, const std::string& actor) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return gone(id);
    BATON_TRY(end(found->second, DeadJobState::cancelled, "cancelled by " + actor));
    RunJob ended = found->second.job;
    jobs_.erase(found);
    return ended;
}

Outcome<void> RunJobKeeper::end(Running& running, DeadJobState state, std::string note) {
    RunJob job = running.job;
    job.state = state;
    job.closed_at = clock_.now();
    if (!note.empty()) job.note = std::move(note);
    BATON_TRY(stores_.store->save_run_job(job));
    running.job = std::move(job);
    log::info(
        "run-jobs", "a bulk job has ended",
        {{"job", running.job.id}, {"done", running.job.done}, {"refused", running.job.refused}});
    return boost::system::in_place_value;
}

Outcome<void> RunJobKeeper::turn(Running& running) {
    RunJob job = running.job;
    const auto most = static_cast<std::size_t>(
        std::max<std::int64_t>(burst / std::max(job.interval, Duration{1}), 1));
    BATON_ASSIGN(const auto search, search_of(job));
    BATON_ASSIGN(const auto page,
                 stores_.queries->search(search, job.cursor, std::min(most, page_max)));
    const Time began = clock_.now();
    for (const auto& run : page.runs) {
        const auto done = change(job, run.run_id);
        if (!done) return boost::system::in_place_value; // it stops: the page comes again
        if (*done) {
            ++job.done;
        } else if (runtime::is_passing(done->error())) {
            return done->error();
        } else {
            ++job.refused;
            job.note = fmt::format("run {}: {}", run.run_id, done->error().detail);
            if (job.stop_after != 0 && job.refused >= job.stop_after) break;
        }
    }
    const bool is_too_much = job.stop_after != 0 && job.refused >= job.stop_after;
    const bool is_over = !page.next;
    if (page.next) job.cursor = *page.next;
    running.job = job;
    running.next_at = began + static_cast<std::int64_t>(page.runs.size()) * job.interval;
    const std::uint64_t id = job.id;
    if (is_too_much) {
        BATON_TRY(end(running, DeadJobState::stopped, {}));
    } else if (is_over) {
        BATON_TRY(end(running, DeadJobState::done, {}));
    } else {
        return stores_.store->save_run_job(job);
    }
    jobs_.erase(id);
    return boost::system::in_place_value;
}

std::optional<Outcome<void>> RunJobKeeper::change(const RunJob& job, const std::string& run_id) {
    const auto parsed = core::Document::parse_stored(job.action);
    const auto* action = parsed ? parsed->json().if_object() : nullptr;
    if (action == nullptr)
        return Failure{make_error_code(EngineErrc::refused),
                       "the job does not say what is to be done"};
    const auto answers = std::make_shared<Mailbox<Outcome<void>>>();
    const auto reply = [answers](const Outcome<RunChanged>& done) {
        if (done)
            answers->put(boost::system::in_place_value);
        else
            answers->put(done.error());
    };
    const std::string name = text_in(*action, "action"), reason = text_in(*action, "reason"),
                      step = text_in(*action, "step");
    const auto* now = action->if_contains("now");
    if (name == "cancel")
        engine_.cancel(run_id, reason, reply, job.actor);
    else if (name == "retry")
        engine_.retry(run_id, now != nullptr && now->is_bool() && now->get_bool(), reply,
                      job.actor);
    else if (name == "finish")
        engine_.finish(
            run_id,
            core::run_status_from(text_in(*action, "status")).value_or(core::RunStatus::failed),
            reason, reply, job.actor);
    else if (name == "terminate")
        engine_.finish(run_id, core::RunStatus::cancelled, reason, reply, job.actor);
    else if (name == "pause")
        engine_.operate(run_id, core::PauseRequested{reason}, reason, reply, job.actor);
    else if (name == "resume")
        engine_.operate(run_id, core::ResumeRequested{reason}, reason, reply, job.actor);
    else if (name == "skip")
        engine_.operate(run_id, core::SkipRequested{step, reason}, reason, reply, job.actor);
    else if (name == "rerun")
        engine_.operate(run_id, core::RerunRequested{step, reason}, reason, reply, job.actor);
    else
        return Failure{make_error_code(EngineErrc::refused),
                       "the job asks for what this server does not know"};
    while (!wishes_.is_closed())
        if (auto answer = answers->take(job_answer_look); !answer.empty())
            return std::move(answer.front());
    return std::nullopt;
}

} // namespace baton::orchestrator
