// The law of run_store.hpp over maps.
#include "tests/support/sim_store.hpp"

#include "orchestrator/core/status.hpp"
#include "orchestrator/runtime/dead_cause.hpp"

#include <algorithm>
#include <tuple>

namespace baton::test {

using namespace runtime;

Failure SimStore::away() const {
    return {make_error_code(StoreErrc::unavailable), "the simulated store is away"};
}

Outcome<std::vector<OwnedPartition>> SimStore::take_over(std::span<const Partition> parts,
                                                         const std::string& node) {
    if (is_away) return away();
    std::vector<OwnedPartition> rows;
    for (const Partition part : parts) {
        OwnedPartition& row = database_.owners[part];
        row.part = part;
        ++row.epoch;
        database_.owner_names[part] = node;
        rows.push_back(row);
    }
    return rows;
}

Outcome<Neighbourhood> SimStore::announce(const Announcement& said) {
    if (is_away) return away();
    const Time now = database_.clock->now();
    SimDatabase::Node& own = database_.nodes[said.node];
    own.said = said;
    own.session = this;
    if (said.renews) own.until = now + said.lease;
    Neighbourhood around;
    for (const auto& [name, node] : database_.nodes)
        around.nodes.push_back({name, node.said.version, node.session != nullptr, node.said.drains,
                                std::chrono::duration_cast<Duration>(node.until - now), node.said.has_broker});
    for (const auto& [part, row] : database_.owners)
        around.partitions.push_back({part, row.epoch, database_.owner_names[part]});
    for (const StoredDefinition& one : database_.definitions)
        if (one.is_live) around.live_definitions += one.name + ":" + std::to_string(one.definition_id) + " ";
    return around;
}

Outcome<void> SimStore::withdraw(const std::string& node) {
    if (is_away) return away();
    const auto found = database_.nodes.find(node);
    if (found != database_.nodes.end() && (found->second.session == nullptr || found->second.session == this))
        database_.nodes.erase(found);
    return boost::system::in_place_value;
}

void SimStore::end_session() {
    for (auto& [name, node] : database_.nodes)
        if (node.session == this) node.session = nullptr;
}

Outcome<std::vector<OwnedPartition>> SimStore::take_over_from(std::span<const SeenPartition> seen,
                                                              const std::string& node) {
    if (is_away) return away();
    std::vector<OwnedPartition> rows;
    for (const SeenPartition& one : seen) {
        OwnedPartition& row = database_.owners[one.part];
        row.part = one.part;
        if (row.epoch != one.epoch) continue;
        ++row.epoch;
        database_.owner_names[one.part] = node;
        rows.push_back(row);
    }
    return rows;
}

Outcome<void> SimStore::release(std::span<const OwnedPartition> parts) {
    if (is_away) return away();
    for (const OwnedPartition& one : parts) {
        OwnedPartition& row = database_.owners[one.part];
        if (row.epoch != one.epoch) continue;
        row = one;
        database_.owner_names[one.part].clear();
    }
    return boost::system::in_place_value;
}

Outcome<void> SimStore::make_partitions(std::uint32_t count) {
    if (is_away) return away();
    if (!database_.owners.empty()) return boost::system::in_place_value;
    for (std::uint32_t part = 0; part < count; ++part)
        database_.owners[static_cast<Partition>(part)].part = static_cast<Partition>(part);
    return boost::system::in_place_value;
}

Outcome<std::vector<Alarm>> SimStore::alarms(Partition part) {
    if (is_away) return away();
    std::vector<Alarm> found;
    for (const auto& [run_id, alarm] : database_.alarms)
        if (database_.runs[run_id].part == part) found.push_back(alarm);
    return found;
}

Outcome<std::vector<HistoryRow>> SimStore::history_above(Partition part, std::uint64_t after,
                                                         std::size_t count,
                                                         const ReadLimits& limits) {
    if (is_away) return away();
    std::vector<HistoryRow> rows;
    if (!database_.history_is_read_back) return rows;
    for (const HistoryRow& row : database_.history)
        if (row.part == part && row.pseq > after) rows.push_back(row);
    std::sort(rows.begin(), rows.end(),
              [](const HistoryRow& a, const HistoryRow& b) { return a.pseq < b.pseq; });
    if (rows.size() > count) rows.resize(count);
    std::size_t sum = 0;
    for (auto row = rows.begin(); row != rows.end(); ++row) {
        if (sum >= limits.sum_bytes) {
            rows.erase(row, rows.end());
            break;
        }
        if (row->events.size() > limits.row_bytes) row->events.clear();
        sum += row->events.size();
    }
    return rows;
}

Outcome<std::vector<HistoryRow>> SimStore::history_since(std::span<const runtime::HistoryAsk> asks) {
    if (is_away) return away();
    std::vector<HistoryRow> rows;
    for (const runtime::HistoryAsk& ask : asks) {
        const auto first = static_cast<std::ptrdiff_t>(rows.size());
        for (const HistoryRow& row : database_.history)
            if (row.run_id == ask.run_id && row.seq > ask.after_seq) rows.push_back(row);
        std::sort(rows.begin() + first, rows.end(),
                  [](const HistoryRow& a, const HistoryRow& b) { return a.seq < b.seq; });
    }
    return rows;
}

Outcome<std::vector<StoredRun>> SimStore::load(std::span<const std::string> run_ids,
                                               const ReadLimits& limits) {
    if (is_away) return away();
    std::vector<StoredRun> found;
    std::size_t sum = 0;
    for (const std::string& id : run_ids) {
        const auto run = database_.runs.find(id);
        if (run == database_.runs.end()) continue;
        if (damaged.contains(id) && limits.row_bytes > 0)
            return Failure{make_error_code(StoreErrc::refused), "the simulated page is damaged"};
        StoredRun& row = found.emplace_back(run->second);
        const std::size_t bytes = row.state.size() + row.input.size() + row.output.value_or("").size();
        if (bytes > limits.row_bytes) row.texts = StoredRun::Texts::too_large;
        if (row.texts == StoredRun::Texts::here && sum >= limits.sum_bytes) {
            row = {};
            row.texts = StoredRun::Texts::later;
            row.run_id = id;
        }
        if (row.texts == StoredRun::Texts::here) {
            sum += bytes;
            continue;
        }
        row.state.clear();
        row.input.clear();
        row.output.reset();
    }
    if (on_load) on_load(found);
    return found;
}

Outcome<std::vector<std::string>> SimStore::open_runs(Partition part,
                                                      const std::string& after_run_id,
                                                      std::size_t limit) {
    if (is_away) return away();
    std::vector<std::string> ids;
    for (const auto& [id, run] : database_.runs)
        if (run.part == part && id > after_run_id && !orchestrator::core::is_closed(run.status))
            ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    if (ids.size() > limit) ids.resize(limit);
    return ids;
}

Outcome<std::vector<StoredSlot>> SimStore::slots(Partition part) {
    if (is_away) return away();
    std::vector<StoredSlot> found;
    for (const auto& [id, key] : database_.slot_keys) {
        const auto run = database_.runs.find(id);
        if (run == database_.runs.end() || run->second.part != part || orchestrator::core::is_closed(run->second.status)) continue;
        found.push_back({id, run->second.workflow, key, run->second.status == RunStatus::queued});
    }
    return found;
}

Outcome<bool> SimStore::has_start_key(const std::string& workflow, const std::string& key, Time now) {
    if (is_away) return away();
    const auto found = database_.start_keys.find({workflow, key});
    return found != database_.start_keys.end() && (!found->second.expires_at || *found->second.expires_at > now);
}

Outcome<std::uint64_t> SimStore::runs_of_tag(const RunTag& tag, std::uint64_t at_most) {
    if (is_away) return away();
    const auto found = database_.runs_of_tags.find({tag.name, tag.value});
    return found == database_.runs_of_tags.end() ? 0 : std::min(found->second, at_most);
}

Outcome<void> SimStore::add_event_shapes(std::span<const StoredShape> shapes) {
    if (is_away) return away();
    for (const StoredShape& one : shapes) {
        StoredShape& there = database_.event_shapes.try_emplace({one.type, one.paths}, one).first->second;
        there.keep = std::max(there.keep, one.keep);
    }
    return boost::system::in_place_value;
}

Outcome<std::vector<StoredShape>> SimStore::event_shapes(const std::string& type) {
    if (is_away) return away();
    std::vector<StoredShape> found;
    for (const auto& [key, one] : database_.event_shapes)
        if (one.type == type) found.push_back(one);
    return found;
}

Outcome<void> SimStore::add_event_waits(std::span<const EventWait> waits) {
    if (is_away) return away();
    for (const EventWait& one : waits)
        database_.event_waits.try_emplace({one.key, one.run_id}, one);
    return boost::system::in_place_value;
}

Outcome<void> SimStore::remove_event_waits(std::span<const EventWait> waits) {
    if (is_away) return away();
    for (const EventWait& one : waits)
        std::erase_if(database_.event_waits, [&](const auto& there) {
            return there.second.run_id == one.run_id && (one.key.empty() || one.key == there.second.key);
        });
    return boost::system::in_place_value;
}

Outcome<std::vector<EventWait>> SimStore::event_waits(const std::string& key, const std::string& after_run_id,
                                                      std::size_t limit) {
    if (is_away) return away();
    std::vector<EventWait> found;
    for (auto at = database_.event_waits.upper_bound({key, after_run_id});
         at != database_.event_waits.end() && at->first.first == key && found.size() < limit; ++at)
        found.push_back(at->second);
    return found;
}

Outcome<void> SimStore::keep_events(std::span<const KeptEvent> events) {
    if (is_away) return away();
    for (const KeptEvent& one : events)
        database_.events.try_emplace({one.key, one.id}, one);
    return boost::system::in_place_value;
}

Outcome<std::vector<KeptEvent>> SimStore::kept_events(std::span<const std::string> keys, Time now) {
    if (is_away) return away();
    std::vector<KeptEvent> found;
    for (const auto& [key, one] : database_.events)
        if (std::find(keys.begin(), keys.end(), one.key) != keys.end() && one.expires_at > now) found.push_back(one);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return std::tie(a.at, a.id) < std::tie(b.at, b.id); });
    return found;
}

Outcome<std::vector<EventOffer>> SimStore::event_offers(Partition part, Time now) {
    if (is_away) return away();
    std::vector<EventOffer> found;
    for (const auto& [key, wait] : database_.event_waits)
        for (const auto& [id, one] : database_.events)
            if (wait.part == part && wait.key == one.key && one.expires_at > now) found.push_back({wait.run_id, one});
    return found;
}

Outcome<void> SimStore::forget_events(Time now) {
    if (is_away) return away();
    std::erase_if(database_.events, [now](const auto& one) { return one.second.expires_at <= now; });
    return boost::system::in_place_value;
}

Outcome<std::vector<StoredPause>> SimStore::pauses() {
    if (is_away) return away();
    return database_.pauses;
}

Outcome<void> SimStore::save_pause(const StoredPause& pause) {
    BATON_TRY(remove_pause(pause.kind, pause.name));
    database_.pauses.push_back(pause);
    return boost::system::in_place_value;
}

Outcome<void> SimStore::remove_pause(PauseKind kind, const std::string& name) {
    if (is_away) return away();
    std::erase_if(database_.pauses, [&](const StoredPause& one) { return one.kind == kind && one.name == name; });
    return boost::system::in_place_value;
}

Outcome<std::vector<LimitAnswer>> SimStore::share_limits(const std::string& node, std::span<const LimitAsk> asks,
                                                         bool adopts) {
    if (is_away) return away();
    const auto is_asked = [&](const std::string& limit) {
        return std::any_of(asks.begin(), asks.end(), [&](const LimitAsk& ask) { return ask.limit == limit; });
    };
    if (adopts && !asks.empty())
        for (auto& [limit, rows] : database_.limit_shares)
            if (!is_asked(limit))
                for (const LimitAsk::Part& part : asks.front().parts)
                    std::erase_if(rows, [&](const LimitShare& row) { return row.part == part.part && row.epoch < part.epoch; });
    std::vector<LimitAnswer> answers;
    for (const LimitAsk& ask : asks) {
        std::vector<LimitShare>& rows = database_.limit_shares[ask.limit];
        Time& next_turn = database_.next_turns[ask.limit];
        SharedOut out = share_out(ask, node, rows, next_turn, database_.clock != nullptr ? database_.clock->now() : Time{});
        next_turn = out.next_turn;
        for (const LimitShare& written : out.written) {
            std::erase_if(rows, [&](const LimitShare& row) { return row.part == written.part; });
            rows.push_back(written);
        }
        answers.push_back(std::move(out.answer));
    }
    return answers;
}

Outcome<std::uint32_t> SimStore::partition_count() {
    if (is_away) return away();
    std::uint32_t count = 0;
    for (const auto& [part, row] : database_.owners)
        count = std::max(count, std::uint32_t{part} + 1);
    return count;
}

Outcome<Committed> SimStore::commit(const Batch& batch) {
    if (is_away) return away();
    if (refuses && refuses(batch))
        return Failure{make_error_code(refusal), "the simulated store refuses"};
    const Fault fault = on_commit ? on_commit() : Fault::none;
    if (fault == Fault::before) return away();
    Committed committed;
    if (database_.fence_is_on)
        for (const OwnedPartition& fence : batch.fences)
            if (database_.owners[fence.part].epoch != fence.epoch)
                committed.fenced.push_back(fence.part);
    if (committed.fenced.empty()) {
        ++database_.commits;
        for (const OwnedPartition& fence : batch.fences) {
            database_.owners[fence.part].pseq = fence.pseq;
            database_.owners[fence.part].published = fence.published;
        }
        for (const RunChange& change : batch.runs)
            write(change, committed);
        for (const AlarmMove& move : batch.alarms)
            set_alarm(move.run_id, move.due);
        for (const DeadLetter& letter : batch.plain_dead_letters)
            add_letter(letter);
        const auto close_all = [&](const std::vector<std::uint64_t>& ids, DeadLetterState state) {
            for (const std::uint64_t id : ids)
                if (const auto note = batch.closings.find(id); id >= 1 && id <= database_.dead_letters.size())
                    close(database_.dead_letters[id - 1], state,
                          note == batch.closings.end() ? runtime::Closing{} : note->second);
        };
        close_all(batch.redriven_dead_letters, DeadLetterState::redriven);
        close_all(batch.dropped_dead_letters, DeadLetterState::dropped);
    }
    if (fault == Fault::after) return away();
    return committed;
}

bool SimStore::has_other_run(const RunChange& change, Committed& committed) {
    const NewRun& created = *change.created;
    if (!created.start_key) return false;
    SimDatabase::Key& key = database_.start_keys[{created.workflow, created.start_key->key}];
    const bool is_taken =
        !key.run_id.empty() && (!key.expires_at || *key.expires_at > created.started_at);
    if (is_taken) {
        committed.duplicates.push_back(
            {change.run_id, key.run_id, key.input_sha256 == created.start_key->input_sha256});
        return true;
    }
    key = {change.run_id, created.start_key->input_sha256, created.start_key->expires_at};
    return false;
}

void SimStore::write(const RunChange& change, Committed& committed) {
    const auto found = database_.runs.find(change.run_id);
    const bool exists = found != database_.runs.end();
    const std::uint64_t version = exists ? found->second.version : 0;
    if (exists == change.created.has_value() || version + 1 != change.version) {
        committed.lost.push_back(change.run_id);
        return;
    }
    if (change.created && has_other_run(change, committed)) return;
    StoredRun& run = database_.runs[change.run_id];
    run.run_id = change.run_id;
    run.part = change.part;
    if (change.created) {
        for (const RunTag& tag : change.created->tags) {
            if (tag.name == "slot") database_.slot_keys[change.run_id] = tag.value;
            ++database_.runs_of_tags[{tag.name, tag.value}];
        }
        run.definition_id = change.created->definition_id;
        run.workflow = change.created->workflow;
        run.workflow_version = change.created->workflow_version;
        run.started_at = change.created->started_at;
        run.input = change.created->input;
    }
    run.version = change.version;
    run.status = change.status;
    if (!change.state.empty()) run.state = change.state;
    run.closed_at = change.closed_at;
    run.output = change.output;
    run.error_type = change.error_type;
    run.error = change.error;
    database_.history.push_back(
        {change.run_id, change.version, change.part, change.pseq, change.at, change.events});
    if (change.alarm) set_alarm(change.run_id, change.alarm->due);
    const auto close_steps = [&](const std::vector<std::string>& steps, DeadLetterState state) {
        for (DeadLetter& letter : database_.dead_letters)
            if (const auto note = change.closings.find(letter.step);
                letter.run_id == change.run_id && std::find(steps.begin(), steps.end(), letter.step) != steps.end())
                close(letter, state, note == change.closings.end() ? runtime::Closing{} : note->second);
    };
    close_steps(change.redriven_steps, DeadLetterState::redriven);
    close_steps(change.dropped_steps, DeadLetterState::dropped);
    for (const DeadLetter& letter : change.dead_letters)
        add_letter(letter);
}

void SimStore::add_letter(DeadLetter letter) {
    letter.id = database_.dead_letters.size() + 1;
    letter.cause = cause_of(letter);
    database_.dead_letters.push_back(std::move(letter));
}

void SimStore::close(DeadLetter& letter, DeadLetterState state, const runtime::Closing& closing) {
    if (letter.state != DeadLetterState::open) return;
    letter.state = state;
    letter.closed_by = closing.by;
    letter.close_reason = closing.reason;
    letter.job = closing.job;
}

void SimStore::set_alarm(const std::string& run_id, std::optional<Time> due) {
    if (due)
        database_.alarms[run_id] = {run_id, *due};
    else
        database_.alarms.erase(run_id);
}

Outcome<StoredDefinition> SimStore::save_definition(const std::string& name,
                                                    const std::string& source,
                                                    const std::string& file_name,
                                                    const std::string& sha256, Time now,
                                                    std::optional<std::uint64_t> only_over) {
    if (is_away) return away();
    StoredDefinition* chosen = nullptr;
    const StoredDefinition* seen = nullptr;
    std::uint32_t versions = 0;
    for (StoredDefinition& one : database_.definitions) {
        if (one.name != name) continue;
        versions = std::max(versions, one.version);
        if (!seen || one.is_live || (!seen->is_live && one.version > seen->version)) seen = &one;
        if (database_.definition_hashes[std::to_string(one.definition_id)] == sha256) chosen = &one;
    }
    if (only_over && (!seen || (seen->definition_id != *only_over && !(seen == chosen && seen->is_live))))
        return Failure{StoreErrc::stale, "another version is live"};
    if (!chosen) {
        StoredDefinition& one = database_.definitions.emplace_back();
        one.definition_id = database_.definitions.size();
        one.name = name;
        one.version = versions + 1;
        one.source = source;
        one.file_name = file_name;
        one.created_at = now;
        database_.definition_hashes[std::to_string(one.definition_id)] = sha256;
        chosen = &one;
    }
    for (StoredDefinition& one : database_.definitions)
        if (one.name == name) one.is_live = &one == chosen;
    return *chosen;
}

Outcome<bool> SimStore::retire_definition(const std::string& name) {
    if (is_away) return away();
    bool was_live = false;
    for (StoredDefinition& one : database_.definitions)
        if (one.name == name) was_live = std::exchange(one.is_live, false) || was_live;
    return was_live;
}

Outcome<bool> SimStore::is_retired(const std::string& name, const std::string& sha256) {
    if (is_away) return away();
    bool is_known = false;
    for (const StoredDefinition& one : database_.definitions) {
        if (one.name != name) continue;
        if (one.is_live) return false;
        is_known = is_known || database_.definition_hashes[std::to_string(one.definition_id)] == sha256;
    }
    return is_known;
}

Outcome<std::vector<StoredDefinition>> SimStore::needed_definitions() {
    if (is_away) return away();
    std::vector<StoredDefinition> found;
    for (const StoredDefinition& one : database_.definitions)
        if (one.is_live || std::ranges::any_of(database_.runs, [&](const auto& run) {
                return run.second.definition_id == one.definition_id && !orchestrator::core::is_closed(run.second.status);
            }))
            found.push_back(one);
    return found;
}

Outcome<std::optional<StoredDefinition>> SimStore::definition(std::uint64_t definition_id) {
    if (is_away) return away();
    for (const StoredDefinition& one : database_.definitions)
        if (one.definition_id == definition_id) return std::optional{one};
    return std::optional<StoredDefinition>{};
}

Outcome<std::optional<DeadLetter>> SimStore::dead_letter(std::uint64_t id) {
    if (is_away) return away();
    if (id < 1 || id > database_.dead_letters.size()) return std::optional<DeadLetter>{};
    return std::optional{database_.dead_letters[id - 1]};
}

Outcome<std::vector<std::uint64_t>> SimStore::dead_letter_ids(const DeadLetterFilter& filter) {
    if (is_away) return away();
    const auto fits = [](const std::string& wanted, const std::string& there) {
        return wanted.empty() || wanted == there;
    };
    std::vector<std::uint64_t> ids;
    for (const DeadLetter& one : database_.dead_letters)
        if (one.id > filter.after_id && one.id < filter.before_id && ids.size() < filter.limit &&
            (!filter.state || one.state == *filter.state) && fits(filter.task, one.task) &&
            fits(filter.run_id, one.run_id) && fits(filter.workflow, one.workflow) &&
            fits(filter.error_type, one.error_type) && fits(filter.cause, one.cause) &&
            (!filter.since || one.at >= *filter.since) && (!filter.until || one.at < *filter.until))
            ids.push_back(one.id);
    return ids;
}

Outcome<DeadJob> SimStore::add_dead_job(const DeadJob& job) {
    if (is_away) return away();
    for (const DeadJob& there : database_.dead_jobs)
        if (there.key == job.key) return there;
    DeadLetterFilter all = job.filter;
    all.limit = SIZE_MAX;
    DeadJob& kept = database_.dead_jobs.emplace_back(job);
    kept.id = database_.dead_jobs.size();
    kept.total = dead_letter_ids(all)->size();
    kept.last_id = kept.seen_id = database_.dead_letters.size();
    return kept;
}

Outcome<void> SimStore::save_dead_job(const DeadJob& job) {
    if (is_away) return away();
    DeadJob& kept = database_.dead_jobs.at(job.id - 1);
    kept = job;
    kept.done = static_cast<std::uint64_t>(
        std::count_if(database_.dead_letters.begin(), database_.dead_letters.end(),
                      [&](const DeadLetter& one) { return one.job == job.id; }));
    return boost::system::in_place_value;
}

Outcome<std::vector<DeadJob>> SimStore::running_dead_jobs() {
    if (is_away) return away();
    std::vector<DeadJob> running;
    for (const DeadJob& job : database_.dead_jobs)
        if (job.state == DeadJobState::running) running.push_back(job);
    return running;
}

Outcome<DiedAgain> SimStore::died_again(std::uint64_t job_id, std::uint64_t after_id) {
    if (is_away) return away();
    DiedAgain found{0, std::max<std::uint64_t>(after_id, database_.dead_letters.size())};
    for (const DeadLetter& one : database_.dead_letters)
        if (one.id > after_id &&
            std::any_of(database_.dead_letters.begin(), database_.dead_letters.end(), [&](const DeadLetter& former) {
                return former.job == job_id && (former.id == one.again_of ||
                                                (!one.run_id.empty() && former.id < one.id &&
                                                 former.run_id == one.run_id && former.step == one.step));
            }))
            ++found.count;
    return found;
}

Outcome<std::string> SimStore::secret(const std::string& candidate) {
    if (is_away) return away();
    if (database_.secret.empty()) database_.secret = candidate;
    return database_.secret;
}

} // namespace baton::test
