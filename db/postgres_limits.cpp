// Lock, read, share out, write what is new: one transaction for all limits that are asked for.
#include "db/postgres_limits.hpp"

#include "db/postgres_rows.hpp"

#include <fmt/format.h>
#include <pqxx/transaction>

#include <algorithm>
#include <map>
#include <set>

namespace baton::db {

using namespace runtime;

namespace {

constexpr const char* limit_micros = "(extract(epoch from {}) * 1000000)::bigint";

std::string micros(const char* column) {
    return fmt::format(fmt::runtime(limit_micros), column);
}

struct Locked {
    std::map<std::string, Time> next_turns;
    Time now;
};

// One after the other by their names, so that nobody waits in a circle.
Locked lock(pqxx::work& work, const std::string& names) {
    Locked locked;
    const std::string sql = fmt::format(
        "select name, {}, {} from task_limit where name = any({}::text[]) order by name for update",
        micros("next_turn"), micros("clock_timestamp()"), work.quote(names));
    for (const auto& row : work.exec("set local synchronous_commit = off; " + sql)) {
        locked.next_turns[row[0].as<std::string>()] = time_from_micros(row[1].as<std::int64_t>());
        locked.now = time_from_micros(row[2].as<std::int64_t>());
    }
    return locked;
}

std::map<std::string, std::vector<LimitShare>> read_shares(pqxx::work& work,
                                                           const std::string& names) {
    std::map<std::string, std::vector<LimitShare>> shares;
    for (const auto& row : work.exec_params(
             fmt::format("select name, part, epoch, node, granted, wanted, {} from limit_share "
                         "where name = any($1::text[]) order by name, part",
                         micros("served_at")),
             names))
        shares[row[0].as<std::string>()].push_back(
            {static_cast<Partition>(row[1].as<int>()), row[2].as<std::uint64_t>(),
             row[3].as<std::string>(), row[4].as<std::uint32_t>(), row[5].as<std::uint32_t>(),
             time_from_micros(row[6].as<std::int64_t>())});
    return shares;
}

// The rows that are new, as columns.
struct Written {
    ArrayText names, parts, epochs, nodes, granted, wanted, served;
    bool is_empty = true;

    void add(const std::string& name, const LimitShare& share) {
        is_empty = false;
        names.add(name);
        parts.add(share.part);
        epochs.add(signed_number(share.epoch));
        nodes.add(share.node);
        granted.add(share.granted);
        wanted.add(share.wanted);
        served.add(share.served_at);
    }
    void write(pqxx::work& work) const {
        if (is_empty) return;
        work.exec_params(
            "insert into limit_share (name, part, epoch, node, granted, wanted, served_at) "
            "select * from unnest($1::text[], $2::smallint[], $3::bigint[], $4::text[], "
            "$5::bigint[], "
            "$6::bigint[], $7::timestamptz[]) on conflict (name, part) do update set epoch = "
            "excluded.epoch, "
            "node = excluded.node, granted = excluded.granted, wanted = excluded.wanted, "
            "served_at = excluded.served_at",
            names.text(), parts.text(), epochs.text(), nodes.text(), granted.text(), wanted.text(),
            served.text());
    }
};

// Of limits that no run of these partitions knows.
void drop_others(pqxx::work& work, const std::string& names,
                 const std::vector<LimitAsk::Part>& owned) {
    ArrayText parts, epochs;
    for (const LimitAsk::Part& part : owned) {
        parts.add(part.part);
        epochs.add(signed_number(part.epoch));
    }
    work.exec_params(
        "delete from limit_share s using unnest($2::smallint[], $3::bigint[]) as o(part, epoch) "
        "where s.part = o.part and s.epoch < o.epoch and s.name <> all($1::text[])",
        names, parts.text(), epochs.text());
}

} // namespace

std::vector<LimitAnswer> share_limits(pqxx::connection& connection, const std::string& node,
                                      std::span<const LimitAsk> asks, bool adopts) {
    ArrayText list;
    std::set<std::string> names;
    for (const LimitAsk& ask : asks)
        if (names.insert(clean_text(ask.limit)).second) list.add(clean_text(ask.limit));
    pqxx::work work(connection);
    Locked locked = lock(work, list.text());
    if (locked.next_turns.size() < names.size()) {
        work.exec_params("insert into task_limit (name, next_turn) select n, now() from "
                         "unnest($1::text[]) as l(n) "
                         "order by n on conflict do nothing",
                         list.text());
        locked = lock(work, list.text());
    }
    auto shares = read_shares(work, list.text());
    Written written;
    ArrayText turned, turns;
    bool has_turns = false;
    std::vector<LimitAnswer> answers;
    for (const LimitAsk& ask : asks) {
        const std::string name = clean_text(ask.limit);
        const Time next_turn = locked.next_turns.at(name);
        SharedOut out = share_out(ask, node, shares[name], next_turn, locked.now);
        for (const LimitShare& share : out.written)
            written.add(name, share);
        if (out.next_turn != next_turn) {
            has_turns = true;
            turned.add(name);
            turns.add(out.next_turn);
        }
        answers.push_back(std::move(out.answer));
    }
    written.write(work);
    if (has_turns)
        work.exec_params("update task_limit l set next_turn = t.at from unnest($1::text[], "
                         "$2::timestamptz[]) as "
                         "t(name, at) where l.name = t.name",
                         turned.text(), turns.text());
    if (adopts && !asks.empty()) drop_others(work, list.text(), asks.front().parts);
    work.commit();
    return answers;
}

} // namespace baton::db
