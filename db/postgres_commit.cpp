// The statement of the engine's commit, and a batch as its parameters.
#include "db/postgres_commit.hpp"

#include "db/hex.hpp"
#include "db/postgres_rows.hpp"
#include "db/run_search.hpp"
#include "orchestrator/runtime/dead_cause.hpp"

#include <array>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

// `held` locks the partitions' rows in a fixed order and waits for a take-over under way; `ok` lets
// everything else happen or nothing. `moved` and `born` decide, run by run, who wins; the rest
// follows the winners.
constexpr const char* decide = R"sql(
with f as materialized (
    select * from unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[])
        as f(part, epoch, pseq, published)),
held as (
    select o.part from owner o join f on f.part = o.part and f.epoch = o.epoch
    order by o.part for update of o),
ok as materialized (
    select count(*) = cardinality($1::smallint[]) as good from held),
fence as (
    update owner o set pseq = f.pseq, published = f.published
    from f, ok where ok.good and o.part = f.part and o.epoch = f.epoch),
c as materialized (
    select * from unnest($5::uuid[], $6::smallint[], $7::bigint[], $8::smallint[], $9::text[],
        $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::bigint[],
        $15::timestamptz[], $16::text[], $17::smallint[], $18::timestamptz[], $19::bigint[],
        $20::text[], $21::int[], $22::timestamptz[], $23::text[], $24::text[], $25::text[],
        $26::timestamptz[], $27::text[])
        as c(run_id, part, version, status, state, closed_at, output, error_type, error, pseq, at,
             events, alarm, due, definition_id, workflow, workflow_version, started_at, input,
             start_key, input_sha256, expires_at, tags)),
keyed as (
    insert into start_key as k (workflow, key, run_id, input_sha256, at, expires_at)
    select workflow, start_key, run_id, decode(input_sha256, 'hex'), started_at, expires_at
    from c, ok where ok.good and start_key is not null
        and (select r.run_id from run r where r.run_id = c.run_id) is null
    order by workflow, start_key
    on conflict (workflow, key) do update set run_id = excluded.run_id,
        input_sha256 = excluded.input_sha256, at = excluded.at, expires_at = excluded.expires_at
        where k.expires_at <= excluded.at
    returning run_id),
born as (
    insert into run (run_id, part, definition_id, workflow, workflow_version, status, version,
        started_at, closed_at, state, input, output, error_type, error, tags)
    select run_id, part, definition_id, workflow, workflow_version, status, version, started_at,
        closed_at, state, input, output, error_type, error, tags
    from c, ok where ok.good and definition_id is not null
        and (start_key is null or run_id in (select run_id from keyed))
    on conflict (run_id) do nothing
    returning run_id, tags),
tagged as (
    insert into run_tag (name, value, run_id)
    select t.key, t.value, born.run_id from born, jsonb_each_text(nullif(born.tags, '')::jsonb) t
    where t.key <> 'key'),
moved as (
    update run r set version = c.version, status = c.status,
        state = case c.state when '' then r.state else c.state end,
        closed_at = c.closed_at, output = c.output, error_type = c.error_type, error = c.error
    from c, ok where ok.good and c.definition_id is null and r.run_id = c.run_id
        and r.version = c.version - 1
    returning r.run_id, c.part, c.version, c.pseq, c.at, c.events, c.alarm, c.due),
won as materialized (
    select * from moved
    union all
    select c.run_id, c.part, c.version, c.pseq, c.at, c.events, c.alarm, c.due
    from born join c using (run_id)),
told as (
    insert into history (run_id, seq, part, pseq, at, events)
    select run_id, version, part, pseq, at, events from won),
a as materialized (
    select run_id, part, due from won where alarm = 1
    union all
    select m.run_id, m.part, m.due
    from unnest($28::uuid[], $29::smallint[], $30::timestamptz[]) as m(run_id, part, due), ok
    where ok.good),
hushed as (
    delete from alarm using a where alarm.run_id = a.run_id and a.due is null),
rings as (
    insert into alarm (run_id, part, due) select run_id, part, due from a where due is not null
    on conflict (run_id) do update set due = excluded.due))sql";

constexpr const char* dead_letters = R"sql(,
closed as (
    update dead_letter d set state = s.state, closed_at = s.at, closed_by = s.closed_by,
        close_reason = s.close_reason, job = s.job
    from unnest($47::uuid[], $48::text[], $49::smallint[], $50::timestamptz[], $51::text[], $52::text[],
        $53::bigint[]) as s(run_id, step, state, at, closed_by, close_reason, job)
    where d.run_id = s.run_id and d.step = s.step and d.state = 1
        and s.run_id in (select run_id from won)),
closed_by_id as (
    update dead_letter d set state = s.state, closed_at = now(), closed_by = s.closed_by,
        close_reason = s.close_reason, job = s.job
    from unnest($54::bigint[], $55::smallint[], $56::text[], $57::text[], $58::bigint[])
        as s(id, state, closed_by, close_reason, job), ok
    where ok.good and d.id = s.id and d.state = 1),
died as (
    insert into dead_letter (run_id, at, state, closed_at, reason, task, workflow,
        workflow_version, step, attempts, error_type, error, input, message, again_of, cause)
    select l.* from unnest($31::uuid[], $32::timestamptz[], $33::smallint[], $34::timestamptz[],
        $35::text[], $36::text[], $37::text[], $38::int[], $39::text[], $40::int[], $41::text[],
        $42::text[], $43::text[], $44::text[], $45::bigint[], $46::text[])
        as l(run_id, at, state, closed_at, reason, task, workflow, workflow_version, step,
             attempts, error_type, error, input, message, again_of, cause), ok
    where ok.good and (l.run_id is null or l.run_id in (select run_id from won)
        or l.run_id not in (select run_id from c))))sql";

constexpr const char* answer = R"sql(
select ok.good, loser.run_id from ok left join (
    select run_id from c where not exists (select from won where won.run_id = c.run_id)
) loser on ok.good)sql";

// Adds one row to columns that lie side by side.
template <std::size_t Count, typename... Values>
void add_row(std::array<ArrayText, Count>& columns, const Values&... values) {
    static_assert(sizeof...(values) == Count, "each column gets a value");
    std::size_t index = 0;
    (columns[index++].add(values), ...);
}

template <std::size_t Count>
void append(std::vector<std::string>& parameters, const std::array<ArrayText, Count>& columns) {
    for (const ArrayText& column : columns)
        parameters.push_back(column.text());
}

using RunColumns = std::array<ArrayText, 23>;

void add_run(RunColumns& columns, const RunChange& change) {
    const int alarm = change.alarm ? 1 : 0;
    const std::optional<Time> due = change.alarm ? change.alarm->due : std::nullopt;
    const auto status = static_cast<int>(change.status);
    if (!change.created) {
        constexpr auto none = std::nullopt;
        add_row(columns, change.run_id, change.part, change.version, status, change.state,
                change.closed_at, change.output, change.error_type, change.error, change.pseq,
                change.at, change.events, alarm, due, none, none, none, none, none, none, none,
                none, none);
        return;
    }
    const NewRun& created = *change.created;
    std::optional<std::string> key;
    std::optional<std::string> sha256;
    std::optional<Time> expires_at;
    if (created.start_key) {
        key = created.start_key->key;
        sha256 = to_hex(created.start_key->input_sha256);
        expires_at = created.start_key->expires_at;
    }
    add_row(columns, change.run_id, change.part, change.version, status, change.state,
            change.closed_at, change.output, change.error_type, change.error, change.pseq,
            change.at, change.events, alarm, due, created.definition_id, created.workflow,
            created.workflow_version, created.started_at, created.input, key, sha256, expires_at,
            tags_text(created));
}

using DeadLetterColumns = std::array<ArrayText, 16>;

void add_dead_letter(DeadLetterColumns& columns, const DeadLetter& letter,
                     const std::string& run_id) {
    std::optional<std::string_view> owner;
    if (!run_id.empty()) owner = run_id;
    std::optional<std::uint64_t> former;
    if (letter.again_of > 0) former = letter.again_of;
    add_row(columns, owner, letter.at, static_cast<int>(letter.state), letter.closed_at,
            letter.reason, letter.task, letter.workflow, letter.workflow_version, letter.step,
            letter.attempts, letter.error_type, letter.error, letter.input, letter.message, former, cause_of(letter));
}

template <typename Key>
Closing closing_in(const std::map<Key, Closing>& closings, const Key& key) {
    const auto found = closings.find(key);
    return found == closings.end() ? Closing{} : found->second;
}

std::optional<std::uint64_t> job_of(const Closing& closing) {
    if (closing.job == 0) return std::nullopt;
    return closing.job;
}

void append_dead_letters(CommitParameters& parameters, const Batch& batch,
                         const std::vector<bool>& left_out) {
    DeadLetterColumns letters;
    std::array<ArrayText, 7> steps;
    std::array<ArrayText, 5> ids;
    bool any = false;
    const auto close_steps = [&](const RunChange& change, const std::vector<std::string>& paths,
                                 DeadLetterState state) {
        for (const std::string& step : paths) {
            const Closing closing = closing_in(change.closings, step);
            add_row(steps, change.run_id, step, static_cast<int>(state), change.at, closing.by, closing.reason,
                    job_of(closing));
        }
        any = any || !paths.empty();
    };
    const auto close_ids = [&](const std::vector<std::uint64_t>& numbers, DeadLetterState state) {
        for (const std::uint64_t id : numbers) {
            const Closing closing = closing_in(batch.closings, id);
            add_row(ids, id, static_cast<int>(state), closing.by, closing.reason, job_of(closing));
        }
        any = any || !numbers.empty();
    };
    for (std::size_t index = 0; index < batch.runs.size(); ++index) {
        if (left_out[index]) continue;
        const RunChange& change = batch.runs[index];
        close_steps(change, change.redriven_steps, DeadLetterState::redriven);
        close_steps(change, change.dropped_steps, DeadLetterState::dropped);
        for (const DeadLetter& letter : change.dead_letters)
            add_dead_letter(letters, letter, change.run_id);
        any = any || !change.dead_letters.empty();
    }
    for (const DeadLetter& letter : batch.plain_dead_letters)
        add_dead_letter(letters, letter, letter.run_id);
    any = any || !batch.plain_dead_letters.empty();
    close_ids(batch.redriven_dead_letters, DeadLetterState::redriven);
    close_ids(batch.dropped_dead_letters, DeadLetterState::dropped);
    if (!any) return;
    parameters.with_dead_letters = true;
    append(parameters.values, letters);
    append(parameters.values, steps);
    append(parameters.values, ids);
}

} // namespace

std::string commit_statement() {
    return std::string(decide) + answer;
}

std::string commit_statement_with_dead_letters() {
    return std::string(decide) + dead_letters + answer;
}

CommitParameters commit_parameters(const Batch& batch, const std::vector<bool>& left_out) {
    CommitParameters parameters;
    std::array<ArrayText, 4> fences;
    for (const OwnedPartition& fence : batch.fences)
        add_row(fences, fence.part, fence.epoch, fence.pseq, fence.published);
    append(parameters.values, fences);

    RunColumns runs;
    for (std::size_t index = 0; index < batch.runs.size(); ++index)
        if (!left_out[index]) add_run(runs, batch.runs[index]);
    append(parameters.values, runs);

    std::array<ArrayText, 3> alarms;
    for (const AlarmMove& move : batch.alarms)
        add_row(alarms, move.run_id, move.part, move.due);
    append(parameters.values, alarms);

    append_dead_letters(parameters, batch, left_out);
    return parameters;
}

} // namespace baton::db
