#include "orchestrator/trigger_keeper.hpp"

#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "orchestrator/core/trigger_input.hpp"
#include "orchestrator/schedule_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

namespace baton::orchestrator {

using runtime::EngineErrc;
using runtime::ScheduleAsk;
using runtime::Started;
using schedule::Fire;
using schedule::Memory;

namespace {

constexpr Duration trigger_open_pause = std::chrono::seconds(1);
// Behind a store, an engine or an owner that is away.
constexpr Duration trouble_pause = std::chrono::seconds(1);
// A clock that jumps is noticed within this time.
constexpr Duration look_pause_max = std::chrono::seconds(1);
// Nothing is left unlooked at for longer.
constexpr Duration look_at_most = std::chrono::hours(1);
// How often a run is looked at for whose end others wait.
constexpr Duration waiting_pause = std::chrono::milliseconds(500);
// Other servers change rows, too.
constexpr Duration reading_pause = std::chrono::seconds(5);
// Another server's deployment is known here by then.
constexpr Duration absence_patience = std::chrono::seconds(10);
constexpr Duration stop_look = std::chrono::milliseconds(100);
constexpr Duration trigger_answer_look = std::chrono::milliseconds(200);
constexpr int changes_tried = 20;

Failure refused(std::string detail) {
    return {make_error_code(EngineErrc::refused), std::move(detail)};
}

} // namespace

TriggerKeeper::TriggerKeeper(std::string node, const Clock& clock)
    : node_(std::move(node)), clock_(clock) {}

TriggerKeeper::~TriggerKeeper() {
    stop();
}

void TriggerKeeper::start(runtime::Engine& engine, Open open) {
    engine_ = &engine;
    open_ = std::move(open);
    is_running_ = true;
    thread_ = Thread("triggers", [this] {
        run();
        ended_.put(1);
    });
}

// A call to the store may begin at this very moment, so it is cut off until the thread has ended.
void TriggerKeeper::stop() {
    items_.close();
    std::vector<Opened> opened;
    for (bool is_over = !std::exchange(is_running_, false); !is_over;
         is_over = !ended_.take(stop_look).empty()) {
        for (const Opened& one : opened_.take_now())
            opened.push_back(one);
        for (const Opened& one : opened) {
            one.store->interrupt(Duration::zero());
            one.queries->interrupt(Duration::zero());
        }
    }
    thread_.join();
}

void TriggerKeeper::live(Live workflows) {
    Item item;
    item.live.emplace(std::move(workflows), clock_.now());
    items_.put(std::move(item));
}

void TriggerKeeper::ask(ScheduleAsk ask, runtime::Reply<std::string> reply) {
    Item item;
    item.ask = std::move(ask);
    item.reply = std::move(reply);
    items_.put(std::move(item));
}

void TriggerKeeper::run() {
    while (!items_.is_closed()) {
        // Without a schedule nothing happens by itself.
        const bool is_idle = known_ && known_->empty() && !are_rows_stale_ && absent_.empty();
        for (Item& item : is_idle || !known_ ? items_.take() : items_.take(pause()))
            hear(std::move(item));
        if (items_.is_closed()) break;
        if (!known_) continue;
        if (!stores_.store && !open()) {
            for (auto& [key, known] : *known_)
                known.look_at = clock_.now() + trigger_open_pause;
            continue;
        }
        const auto done = look();
        if (done) is_in_trouble_ = false;
        if (!done) {
            say_trouble(done.error());
            are_rows_stale_ = true;
            const Time again = clock_.now() + trouble_pause;
            for (auto& [key, known] : *known_)
                known.look_at = std::max(known.look_at, again);
        }
    }
    for (Item& item : items_.take_now())
        if (item.reply)
            item.reply(Failure{make_error_code(EngineErrc::stopping), "the server is stopping"});
}

bool TriggerKeeper::open() {
    auto stores = open_();
    if (!stores) {
        say_trouble(stores.error());
        return false;
    }
    stores_ = std::move(*stores);
    is_shared_ = stores_.store->is_shared();
    opened_.put({stores_.store.get(), stores_.queries.get()});
    return true;
}

// Once, until it is over.
void TriggerKeeper::say_trouble(const Failure& failure) {
    if (std::exchange(is_in_trouble_, true)) return;
    log::warning("triggers", "schedules wait until the store answers",
                 {{"reason", failure.detail}});
}

void TriggerKeeper::hear(Item item) {
    if (item.live) return learn(std::move(item.live->first), item.live->second);
    if (!item.reply) return;
    if (!known_)
        return item.reply(
            Failure{runtime::StoreErrc::unavailable, "the workflows are not known yet"});
    if (!stores_.store && !open())
        return item.reply(Failure{runtime::StoreErrc::unavailable, "the database is away"});
    item.reply(answer(item.ask));
}

// A trigger that says the same as before goes on from where it was.
void TriggerKeeper::learn(Live workflows, Time at) {
    std::map<Key, Known> known;
    for (const auto& workflow : workflows)
        for (const core::Trigger& trigger : workflow->triggers) {
            if (!std::holds_alternative<core::CronTrigger>(trigger.kind)) continue;
            const Key key{workflow->name, trigger.name};
            auto rule = schedule::rule_of(*workflow, trigger, at);
            if (!rule) {
                log::error("triggers", "a schedule is not understood any more; deploy it again",
                           {{"workflow", workflow->name}, {"reason", rule.error().detail}});
                continue;
            }
            if (known_)
                if (const auto before = known_->find(key);
                    before != known_->end() && before->second.rule.says.cron == rule->says.cron &&
                    before->second.rule.says.timezone == rule->says.timezone)
                    rule->since = before->second.rule.since;
            known.emplace(key, Known{workflow, &trigger, std::move(*rule)});
        }
    known_ = std::move(known);
}

Duration TriggerKeeper::pause() const {
    const Time now = clock_.now();
    Duration pause = look_pause_max;
    for (const auto& [key, known] : *known_)
        pause = std::min(pause, known.look_at - now);
    return std::max(pause, Duration::zero());
}

// --- Turns
// ------------------------------------------------------------------------------------------

Outcome<void> TriggerKeeper::look() {
    const Time now = clock_.now();
    BATON_ASSIGN(std::vector<Turning> due, find_due(now));
    if (due.empty()) return boost::system::in_place_value;
    fail_point("triggers.due");
    std::vector<Turning> done;
    for (Turning& turning : due)
        BATON_TRY(begin(turning));
    for (Turning& turning : due) {
        if (items_.is_closed()) return boost::system::in_place_value;
        if (finish(turning))
            done.push_back(std::move(turning));
        else
            turning.known->look_at = clock_.now() + trouble_pause;
    }
    fail_point("triggers.started");
    return store(done);
}

Outcome<std::vector<TriggerKeeper::Turning>> TriggerKeeper::find_due(Time now) {
    const auto collect = [&] {
        std::vector<Turning> due;
        for (auto& [key, known] : *known_) {
            const bool clock_went_back = known.look_at > now + look_at_most;
            if (now < known.look_at && !clock_went_back) continue;
            Remembered& row = rows_[key];
            if (schedule::is_due(known.rule, row.memory, now))
                due.push_back({key, &known, row});
            else
                known.look_at = std::min(
                    schedule::next_start(known.rule, row.memory, now).value_or(now + look_at_most),
                    now + look_at_most);
        }
        return due;
    };
    if (are_rows_stale_ || (is_shared_ && !known_->empty() && now - rows_read_at_ >= reading_pause))
        BATON_TRY(read_rows());
    BATON_TRY(mark_gone(now));
    std::vector<Turning> due = collect();
    if (due.empty() || !is_shared_) return due;
    BATON_TRY(find_owners());
    BATON_TRY(read_rows());
    due = collect();
    std::erase_if(due, [&](const Turning& turning) {
        if (is_mine(turning.key)) return false;
        turning.known->look_at = now + look_pause_max;
        return true;
    });
    return due;
}

Outcome<void> TriggerKeeper::read_rows() {
    BATON_ASSIGN(const auto stored, stores_.store->triggers());
    rows_.clear();
    for (const runtime::TriggerRow& row : stored) {
        auto memory = schedule::memory_from_json(row.state);
        if (!memory) {
            log::error("triggers",
                       "what was remembered of a schedule cannot be read; it begins anew",
                       {{"workflow", row.workflow}, {"trigger", row.trigger}});
            memory = Memory{};
        }
        rows_[{row.workflow, row.trigger}] = {row.version, std::move(*memory)};
    }
    rows_read_at_ = clock_.now();
    are_rows_stale_ = false;
    for (auto& [key, known] : *known_)
        known.look_at = std::min(known.look_at, rows_read_at_);
    return boost::system::in_place_value;
}

// What comes back later begins anew: it is not made up for what it missed while nobody wanted it.
Outcome<void> TriggerKeeper::mark_gone(Time now) {
    std::vector<runtime::TriggerRow> gone;
    for (auto& [key, row] : rows_) {
        const bool is_wanted = known_->contains(key);
        if (is_wanted || row.memory.is_gone || row.version == 0) {
            absent_.erase(key);
            continue;
        }
        const Time since = absent_.emplace(key, now).first->second;
        if (now - since < absence_patience) continue;
        absent_.erase(key);
        if (is_shared_) BATON_TRY(find_owners());
        if (is_shared_ && !is_mine(key)) continue;
        row.memory.is_gone = true;
        row.memory.waiting.clear();
        gone.push_back({key.first, key.second, row.version + 1, schedule::to_json(row.memory)});
    }
    if (gone.empty()) return boost::system::in_place_value;
    are_rows_stale_ = true;
    BATON_TRY(stores_.store->save_triggers(gone));
    return boost::system::in_place_value;
}

Outcome<void> TriggerKeeper::find_owners() {
    BATON_ASSIGN(const auto around, stores_.queries->neighbourhood());
    owners_.clear();
    for (const runtime::SeenPartition& seen : around.partitions)
        owners_.push_back(seen.node);
    return boost::system::in_place_value;
}

bool TriggerKeeper::is_mine(const Key& key) const {
    if (owners_.empty()) return false;
    const auto part = runtime::partition_of(key.first + "/" + key.second,
                                            static_cast<std::uint16_t>(owners_.size()));
    return owners_[part] == node_;
}

Outcome<bool> TriggerKeeper::is_open(const std::string& run_id) {
    if (run_id.empty()) return false;
    BATON_ASSIGN(const auto row, stores_.queries->run_row(run_id));
    return row && !core::is_closed(row->status);
}

Outcome<void> TriggerKeeper::begin(Turning& turning) {
    Memory& memory = turning.row.memory;
    const std::string last_run = memory.last_run;
    BATON_ASSIGN(const bool goes_on, is_open(last_run));
    turning.turn = schedule::take_turn(turning.known->rule, memory, clock_.now(), goes_on);
    if (turning.turn.cancels_last)
        engine_->cancel(
            last_run, fmt::format("the next start of its schedule '{}' is due", turning.key.second),
            [](const Outcome<runtime::RunChanged>&) {},
            schedule_actor(turning.key.first, turning.key.second));
    for (const Fire& fire : turning.turn.starts)
        turning.answers.push_back(ask_for(*turning.known, fire));
    return boost::system::in_place_value;
}

std::shared_ptr<TriggerKeeper::Answers> TriggerKeeper::ask_for(const Known& known,
                                                               const Fire& fire) {
    auto answers = std::make_shared<Answers>();
    auto input = core::trigger_input(*known.workflow, *known.trigger,
                                     core::cron_event(*known.trigger, fire.nominal));
    if (!input) {
        answers->put(Failure{make_error_code(EngineErrc::bad_input), input.error().detail});
        return answers;
    }
    runtime::StartRequest request;
    request.workflow = known.workflow->name;
    request.input = std::string(input->text());
    request.key = schedule::start_key(known.rule, fire);
    request.actor =
        fire.actor.empty() ? schedule_actor(known.rule.workflow, known.rule.trigger) : fire.actor;
    request.scheduled_at = fire.nominal;
    request.is_by_trigger = true;
    engine_->start_run(std::move(request),
                       [answers](Outcome<Started> started) { answers->put(std::move(started)); });
    return answers;
}

std::optional<Outcome<Started>> TriggerKeeper::await(Answers& answers) const {
    while (!items_.is_closed())
        if (auto answer = answers.take(trigger_answer_look); !answer.empty())
            return std::move(answer.front());
    return std::nullopt;
}

// False: it is to be taken again, with nothing remembered of it.
bool TriggerKeeper::finish(Turning& turning) {
    Memory& memory = turning.row.memory;
    for (std::size_t at = 0; at < turning.turn.starts.size(); ++at) {
        const Fire& fire = turning.turn.starts[at];
        const auto started = await(*turning.answers[at]);
        if (!started) return false;
        const Time now = clock_.now();
        if (!*started && runtime::is_passing(started->error())) {
            log::warning("triggers", "a schedule's start waits",
                         {{"workflow", turning.key.first},
                          {"trigger", turning.key.second},
                          {"reason", started->error().detail}});
            return false;
        }
        if (!*started) {
            schedule::note_failure(memory,
                                   fmt::format("{} was not started: {}", to_rfc3339(fire.nominal),
                                               started->error().detail),
                                   now);
            log::error("triggers", "a schedule's start failed",
                       {{"workflow", turning.key.first},
                        {"trigger", turning.key.second},
                        {"reason", started->error().detail}});
        } else if ((*started)->is_skipped) {
            schedule::note_skip(memory,
                                fmt::format("{} was skipped: run {} of its concurrency key goes on",
                                            to_rfc3339(fire.nominal), (*started)->run_id),
                                now);
        } else {
            schedule::note_start(memory, fire, (*started)->run_id, now);
            log::info("triggers", "started",
                      {{"workflow", turning.key.first},
                       {"trigger", turning.key.second},
                       {"scheduled_at", to_rfc3339(fire.nominal)},
                       {"run", (*started)->run_id}});
        }
    }
    return true;
}

Outcome<void> TriggerKeeper::store(std::vector<Turning>& done) {
    std::vector<runtime::TriggerRow> rows;
    std::vector<Turning*> changed;
    const Time now = clock_.now();
    for (Turning& turning : done) {
        std::string state = schedule::to_json(turning.row.memory);
        turning.known->look_at = turning.row.memory.waiting.empty() ? Time{} : now + waiting_pause;
        if (turning.row.version != 0 && state == schedule::to_json(rows_[turning.key].memory))
            continue;
        rows.push_back(
            {turning.key.first, turning.key.second, turning.row.version + 1, std::move(state)});
        changed.push_back(&turning);
    }
    if (rows.empty()) return boost::system::in_place_value;
    BATON_ASSIGN(const auto lost, stores_.store->save_triggers(rows));
    fail_point("triggers.stored");
    for (std::size_t at = 0; at < changed.size(); ++at) {
        ++changed[at]->row.version;
        rows_[changed[at]->key] = std::move(changed[at]->row);
    }
    // Somebody else was faster with these; what was started has its name and is found again.
    if (!lost.empty()) are_rows_stale_ = true;
    return boost::system::in_place_value;
}

// --- What people ask
// --------------------------------------------------------------------------------

Outcome<std::string> TriggerKeeper::answer(const ScheduleAsk& ask) {
    if (are_rows_stale_ || is_shared_) BATON_TRY(read_rows());
    if (ask.kind == ScheduleAsk::Kind::list) return list(ask);
    BATON_ASSIGN(Known* const known, find(ask.schedule));
    const auto shown = [&](const Outcome<void>& done) -> Outcome<std::string> {
        if (!done) return done.error();
        const Key key{known->rule.workflow, known->rule.trigger};
        return serialized(schedule_view(*known->workflow, known->rule, rows_[key].memory,
                                        clock_.now(), ask.next));
    };
    switch (ask.kind) {
    case ScheduleAsk::Kind::pause:
        return shown(change(*known, [&](Memory& memory) -> Outcome<void> {
            if (memory.paused_at)
                return refused(
                    fmt::format("'{}' pauses already, by {}", ask.schedule, memory.paused_by));
            schedule::pause(memory, clock_.now(), ask.actor, ask.reason);
            return boost::system::in_place_value;
        }));
    case ScheduleAsk::Kind::resume:
        return shown(change(*known, [&](Memory& memory) -> Outcome<void> {
            if (!memory.paused_at) return refused(fmt::format("'{}' does not pause", ask.schedule));
            schedule::resume(memory, clock_.now());
            return boost::system::in_place_value;
        }));
    case ScheduleAsk::Kind::run:
        return run_now(*known, ask);
    case ScheduleAsk::Kind::backfill:
        return backfill(*known, ask);
    case ScheduleAsk::Kind::list:
        break;
    }
    return list(ask);
}

Outcome<TriggerKeeper::Known*> TriggerKeeper::find(const std::string& schedule) {
    std::vector<Known*> found;
    for (auto& [key, known] : *known_)
        if (schedule == key.first || schedule == key.first + "/" + key.second)
            found.push_back(&known);
    if (found.size() == 1) return found.front();
    if (!found.empty())
        return refused(fmt::format("the workflow '{}' has {} schedules; say which, as {}/{}",
                                   schedule, found.size(), schedule, found.front()->rule.trigger));
    return Failure{
        make_error_code(EngineErrc::unknown_workflow),
        fmt::format(
            "there is no schedule '{}'; baton schedules lists those of the deployed workflows",
            schedule)};
}

Outcome<void> TriggerKeeper::change(Known& known, const std::function<Outcome<void>(Memory&)>& by) {
    const Key key{known.rule.workflow, known.rule.trigger};
    for (int tries = 0; tries < changes_tried; ++tries) {
        if (tries > 0) BATON_TRY(read_rows());
        Remembered row = rows_[key];
        BATON_TRY(by(row.memory));
        ++row.version;
        const runtime::TriggerRow stored{key.first, key.second, row.version,
                                         schedule::to_json(row.memory)};
        BATON_ASSIGN(const auto lost, stores_.store->save_triggers(std::span(&stored, 1)));
        if (!lost.empty()) continue;
        rows_[key] = std::move(row);
        known.look_at = {};
        return boost::system::in_place_value;
    }
    return Failure{runtime::StoreErrc::unavailable,
                   "others change this schedule all the time; try again"};
}

Outcome<std::string> TriggerKeeper::list(const ScheduleAsk& ask) {
    boost::json::array all;
    for (const auto& [key, known] : *known_) {
        if (!ask.schedule.empty() && ask.schedule != key.first &&
            ask.schedule != key.first + "/" + key.second)
            continue;
        all.emplace_back(
            schedule_view(*known.workflow, known.rule, rows_[key].memory, clock_.now(), ask.next));
    }
    if (all.empty() && !ask.schedule.empty()) BATON_TRY(find(ask.schedule));
    return serialized({{"schedules", std::move(all)}});
}

Outcome<std::string> TriggerKeeper::run_now(Known& known, const ScheduleAsk& ask) {
    const Key key{known.rule.workflow, known.rule.trigger};
    const Fire fire{clock_.now(), Fire::Why::by_hand, ask.actor};
    const std::string last_run = rows_[key].memory.last_run;
    const auto overlap = known.rule.says.overlap;
    BATON_ASSIGN(const bool goes_on, is_open(last_run));
    const bool must_wait = goes_on && !ask.beside && overlap != core::CronTrigger::Overlap::allow;
    if (must_wait && overlap == core::CronTrigger::Overlap::skip)
        return refused(fmt::format("run {} of '{}' goes on, and its overlap is skip; wait for its "
                                   "end, or ask for one beside it "
                                   "(--beside)",
                                   last_run, ask.schedule));
    if (must_wait) {
        BATON_TRY(change(known, [&](Memory& memory) -> Outcome<void> {
            memory.waiting.insert(memory.waiting.begin(), fire);
            return boost::system::in_place_value;
        }));
        return serialized({{"waiting", true}, {"behind", last_run}});
    }
    const auto started = await(*ask_for(known, fire));
    if (!started) return Failure{make_error_code(EngineErrc::stopping), "the server is stopping"};
    if (!*started) return started->error();
    const std::string run_id = (*started)->run_id;
    BATON_TRY(change(known, [&](Memory& memory) -> Outcome<void> {
        schedule::note_start(memory, fire, run_id, clock_.now());
        return boost::system::in_place_value;
    }));
    return serialized({{"run", run_id}, {"is_new", (*started)->is_new}});
}

Outcome<std::string> TriggerKeeper::backfill(Known& known, const ScheduleAsk& ask) {
    const Time now = clock_.now();
    if (!ask.from || !ask.until) return refused("a backfill says from when and until when");
    if (*ask.until > now)
        return refused("a backfill ends in the past; what is to come, comes by itself");
    if (*ask.from > *ask.until) return refused("a backfill begins before it ends");
    const auto times = schedule::times_between(known.rule.cron, *ask.from - Duration(1), *ask.until,
                                               schedule::waiting_max + 1);
    if (times.size() > schedule::waiting_max)
        return refused(fmt::format(
            "that are more than {} starts, as many as one backfill makes; ask for a shorter time",
            schedule::waiting_max));
    boost::json::array shown;
    std::vector<Fire> wanted;
    for (const Time nominal : times) {
        const Fire fire{nominal, Fire::Why::backfill, ask.actor};
        BATON_ASSIGN(const bool is_started,
                     stores_.store->has_start_key(known.rule.workflow,
                                                  schedule::start_key(known.rule, fire), now));
        shown.emplace_back(
            boost::json::object{{"at", to_rfc3339(nominal)},
                                {"local", local_text(nominal, known.rule.says.timezone)},
                                {"started", is_started}});
        if (!is_started) wanted.push_back(fire);
    }
    std::size_t added = 0;
    if (!ask.dry_run)
        BATON_TRY(change(known, [&](Memory& memory) -> Outcome<void> {
            added = 0;
            for (const Fire& fire : wanted) {
                const bool waits =
                    std::any_of(memory.waiting.begin(), memory.waiting.end(),
                                [&](const Fire& one) { return one.nominal == fire.nominal; });
                if (waits) continue;
                memory.waiting.push_back(fire);
                ++added;
            }
            if (memory.waiting.size() > schedule::waiting_max)
                return refused(fmt::format("{} starts wait already; {} may",
                                           memory.waiting.size() - added, schedule::waiting_max));
            return boost::system::in_place_value;
        }));
    return serialized({{"times", std::move(shown)},
                       {"waiting", ask.dry_run ? wanted.size() : added},
                       {"dry_run", ask.dry_run}});
}

} // namespace baton::orchestrator
