#include "db/indexes.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::db {

namespace {

constexpr std::string_view extra_label =
    "the run cannot have been found by {}, and the index says so";
constexpr std::string_view missing_label = "the run has {}, and is not found by it";
constexpr std::string_view stray_alarm = "a due time ({}) of a run that is not there or is over";
constexpr std::string_view stray_key =
    "the key '{}' belongs to a run that is not there, and keeps others from starting";
constexpr std::string_view stray_history = "{} transitions of a run that is not there";
constexpr std::string_view stray_letter = "dead letter {} is of a run that is not there";

// The last transitions of a removed run may still have to be told to the broker: they are left
// alone.
constexpr std::array<IndexCheck, 6> sqlite_checks{{
    {"label", extra_label,
     "select t.run_id, t.name from run_tag t left join run r on r.run_id = t.run_id where r.run_id "
     "is null or "
     "coalesce(json_extract(nullif(r.tags, ''), '$.\"' || t.name || '\"') <> t.value, 1)",
     "delete from run_tag where (name, value, run_id) in (select t.name, t.value, t.run_id from "
     "run_tag t left join run r "
     "on r.run_id = t.run_id where r.run_id is null or "
     "coalesce(json_extract(nullif(r.tags, ''), '$.\"' || t.name || '\"') <> t.value, 1))"},
    {"label", missing_label,
     "select r.run_id, j.key from run r, json_each(nullif(r.tags, '')) j where j.key <> 'key' and "
     "not exists "
     "(select 1 from run_tag t where t.name = j.key and t.value = j.value and t.run_id = r.run_id)",
     "insert or ignore into run_tag (name, value, run_id) select j.key, j.value, r.run_id from run "
     "r, "
     "json_each(nullif(r.tags, '')) j where j.key <> 'key'"},
    {"due_time", stray_alarm,
     "select a.run_id, datetime(a.due / 1000000, 'unixepoch') from alarm a left join run r on "
     "r.run_id = a.run_id "
     "where r.run_id is null or r.closed_at is not null",
     "delete from alarm where run_id in (select a.run_id from alarm a left join run r on r.run_id "
     "= a.run_id "
     "where r.run_id is null or r.closed_at is not null)"},
    {"start_key", stray_key,
     "select k.run_id, k.key from start_key k where not exists (select 1 from run r where r.run_id "
     "= k.run_id)",
     "delete from start_key where not exists (select 1 from run r where r.run_id = "
     "start_key.run_id)"},
    {"history", stray_history,
     "select h.run_id, count(*) from history h where not exists (select 1 from run r where "
     "r.run_id = h.run_id) "
     "and h.pseq <= coalesce((select o.published from owner o where o.part = h.part), 0) group by "
     "h.run_id",
     "delete from history where not exists (select 1 from run r where r.run_id = history.run_id) "
     "and pseq <= coalesce((select o.published from owner o where o.part = history.part), 0)"},
    // A letter without a step is a message that came back; it may be sent again.
    {"dead_letter", stray_letter,
     "select d.run_id, d.id from dead_letter d where d.state = 1 and d.run_id is not null and "
     "d.step <> '' "
     "and not exists (select 1 from run r where r.run_id = d.run_id)",
     "update dead_letter set state = 3, closed_at = ?, closed_by = ?, close_reason = ? where state "
     "= 1 and run_id is not null "
     "and step <> '' and not exists (select 1 from run r where r.run_id = dead_letter.run_id)"},
}};

constexpr std::array<IndexCheck, 6> postgres_checks{{
    {"label", extra_label,
     "select t.run_id, t.name from run_tag t left join run r on r.run_id = t.run_id where r.run_id "
     "is null or "
     "(nullif(r.tags, '')::jsonb ->> t.name) is distinct from t.value",
     "delete from run_tag t where not exists (select 1 from run r where r.run_id = t.run_id and "
     "(nullif(r.tags, '')::jsonb ->> t.name) = t.value)"},
    {"label", missing_label,
     "select r.run_id, j.key from run r, jsonb_each_text(nullif(r.tags, '')::jsonb) j where j.key "
     "<> 'key' and not exists "
     "(select 1 from run_tag t where t.name = j.key and t.value = j.value and t.run_id = r.run_id)",
     "insert into run_tag (name, value, run_id) select j.key, j.value, r.run_id from run r, "
     "jsonb_each_text(nullif(r.tags, '')::jsonb) j where j.key <> 'key' on conflict do nothing"},
    {"due_time", stray_alarm,
     "select a.run_id, a.due from alarm a left join run r on r.run_id = a.run_id where r.run_id is "
     "null or r.closed_at is not null",
     "delete from alarm a where not exists (select 1 from run r where r.run_id = a.run_id and "
     "r.closed_at is null)"},
    {"start_key", stray_key,
     "select k.run_id, k.key from start_key k where not exists (select 1 from run r where r.run_id "
     "= k.run_id)",
     "delete from start_key k where not exists (select 1 from run r where r.run_id = k.run_id)"},
    {"history", stray_history,
     "select h.run_id, count(*) from history h where not exists (select 1 from run r where "
     "r.run_id = h.run_id) "
     "and h.pseq <= coalesce((select o.published from owner o where o.part = h.part), 0) group by "
     "h.run_id",
     "delete from history h where not exists (select 1 from run r where r.run_id = h.run_id) "
     "and h.pseq <= coalesce((select o.published from owner o where o.part = h.part), 0)"},
    {"dead_letter", stray_letter,
     "select d.run_id, d.id from dead_letter d where d.state = 1 and d.run_id is not null and "
     "d.step <> '' "
     "and not exists (select 1 from run r where r.run_id = d.run_id)",
     "update dead_letter d set state = 3, closed_at = $1::timestamptz, closed_by = $2, "
     "close_reason = $3 where d.state = 1 "
     "and d.run_id is not null and d.step <> '' and not exists (select 1 from run r where r.run_id "
     "= d.run_id)"},
}};

} // namespace

std::span<const IndexCheck> sqlite_index_checks() {
    return sqlite_checks;
}
std::span<const IndexCheck> postgres_index_checks() {
    return postgres_checks;
}

Outcome<std::vector<runtime::IndexFault>>
find_index_faults(const SqlAsk& ask, std::span<const IndexCheck> checks, std::size_t limit) {
    std::vector<runtime::IndexFault> faults;
    for (const IndexCheck& check : checks) {
        BATON_ASSIGN(const auto rows, ask(fmt::format("{} limit {}", check.select, limit), {}));
        for (const SqlRow& row : rows)
            faults.push_back({std::string(check.kind), row[0].value_or(""),
                              fmt::format(fmt::runtime(check.what), row[1].value_or(""))});
    }
    return faults;
}

} // namespace baton::db
